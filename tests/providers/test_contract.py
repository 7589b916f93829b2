"""What every provider promises, tried on each: the outbox, SMTP and Resend, against whoever receives."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from newsletter.model.message import OutcomeKind
from newsletter.providers.base import (
    Batch,
    BatchResult,
    ContentForm,
    HttpProvider,
    LookUp,
    Provider,
    ProviderOptions,
    SessionProvider,
)
from newsletter.providers.registry import PROVIDERS, make_provider
from tests.fakes.catalogue import HTTP_PROVIDERS
from tests.fakes.resend import FakeResend
from tests.fakes.smtp import FakeSmtp
from tests.providers.conftest import call, make_batch, make_message


@dataclass
class Received:
    """One message as the receiving side has it; header names in lower case."""

    recipient: str
    headers: dict[str, str]
    delivery_id: str


@dataclass
class Subject:
    """A provider under test, and how to look at what it delivered."""

    provider: Provider
    received: Callable[[], list[Received]]

    def send(self, batch: Batch) -> BatchResult:
        """Send in the way the provider is made for."""
        if isinstance(self.provider, HttpProvider):
            return call(self.provider, batch)
        session = self.provider.session()
        try:
            return session.send(batch)
        finally:
            session.close()


def _parsed(mime: bytes) -> Received:
    message = email.message_from_bytes(mime, policy=email.policy.default)
    headers = {name.lower(): str(value) for name, value in message.items()}
    return Received(headers["to"], headers, headers["x-delivery-id"])


def _outbox(tmp_path: Path) -> Iterator[Subject]:
    provider = make_provider(ProviderOptions(name="outbox", outbox_dir=tmp_path, send_name="send-1"))
    yield Subject(provider, lambda: [_parsed(p.read_bytes()) for p in sorted(tmp_path.rglob("*.eml"))])


def _smtp(tmp_path: Path) -> Iterator[Subject]:
    with FakeSmtp() as server:
        provider = make_provider(ProviderOptions(name="smtp", host="127.0.0.1", port=server.port))
        yield Subject(provider, lambda: [_parsed(m.data) for m in server.messages])


def _resend(tmp_path: Path) -> Iterator[Subject]:
    with FakeResend() as server:
        provider = make_provider(
            ProviderOptions(name="resend", base_url=server.url, secret=SecretStr(server.secret))
        )
        yield Subject(
            provider,
            lambda: [
                Received(e["recipient"], e["headers"], e["tags"]["delivery_id"])
                for e in server.ledger.entries
            ],
        )


SUBJECTS = {"outbox": _outbox, "smtp": _smtp, "resend": _resend}
# Who can do what not everybody can; a test below holds these to what the providers say of themselves.
WITH_IDEMPOTENCY_KEYS = ["resend"]
WITH_LOOK_UP = ["outbox"]


@pytest.fixture(params=sorted(SUBJECTS))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """Each provider in turn."""
    yield from SUBJECTS[request.param](tmp_path)


def test_no_provider_escapes_this_contract() -> None:
    # Those behind an HTTP API have a suite of their own beside: `test_http_contract.py`.
    assert set(SUBJECTS) | set(HTTP_PROVIDERS) == set(PROVIDERS)


def test_a_provider_is_of_one_kind_and_called_what_it_is_registered_as(subject: Subject) -> None:
    provider = subject.provider
    assert isinstance(provider, SessionProvider) is not isinstance(provider, HttpProvider)
    assert provider.name in PROVIDERS
    assert type(provider).__name__ == PROVIDERS[provider.name].attribute


def test_each_message_has_exactly_one_outcome_and_arrives_once(subject: Subject) -> None:
    count = subject.provider.capabilities.max_batch
    result = subject.send(make_batch(count))
    assert sorted(o.delivery_id for o in result.outcomes) == sorted(f"d-{n}" for n in range(1, count + 1))
    assert {o.kind for o in result.outcomes} == {OutcomeKind.ACCEPTED}
    assert result.hold is None
    assert sorted(r.recipient for r in subject.received()) == sorted(
        f"reader{n}@example.com" for n in range(1, count + 1)
    )


def test_each_reader_gets_their_own_way_out_and_their_own_id(subject: Subject) -> None:
    subject.send(make_batch(9))
    received = subject.received()
    assert len(received) == 9
    for message in received:
        number = message.recipient.removeprefix("reader").partition("@")[0]
        assert message.delivery_id == f"d-{number}"
        assert message.headers["list-unsubscribe"] == f"<https://news.example.com/u/token-{number}>"
        assert message.headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"


def test_the_same_batch_always_gives_the_same_request(subject: Subject) -> None:
    if not isinstance(subject.provider, HttpProvider):
        assert subject.provider.capabilities.idempotency_ttl == 0
        return
    first, second = (subject.provider.build_request(make_batch(7)) for _ in range(2))
    assert b"".join(first.body) == b"".join(second.body)
    assert dict(first.headers) == dict(second.headers)
    assert (first.method, first.url) == (second.method, second.url)


def test_a_capability_is_promised_by_those_who_have_it(subject: Subject) -> None:
    provider = subject.provider
    assert bool(provider.capabilities.idempotency_ttl) is (provider.name in WITH_IDEMPOTENCY_KEYS)
    assert provider.capabilities.look_up is (provider.name in WITH_LOOK_UP)
    assert isinstance(provider, LookUp) is provider.capabilities.look_up


@pytest.mark.parametrize("subject", WITH_IDEMPOTENCY_KEYS, indirect=True)
def test_a_key_that_may_be_replayed_mails_nobody_twice(subject: Subject) -> None:
    before = subject.send(make_batch(5))
    again = subject.send(make_batch(5))
    assert [o.provider_id for o in again.outcomes] == [o.provider_id for o in before.outcomes]
    assert len(subject.received()) == 5


@pytest.mark.parametrize("subject", WITH_LOOK_UP, indirect=True)
def test_a_provider_that_can_look_up_tells_what_arrived_from_what_did_not(subject: Subject) -> None:
    assert isinstance(subject.provider, LookUp)
    subject.send(make_batch(2))
    found = subject.provider.look_up(["d-1", "d-2", "d-3"])
    assert [found[d].kind for d in ("d-1", "d-2")] == [OutcomeKind.ACCEPTED] * 2
    assert found["d-3"].kind is OutcomeKind.DEFERRED


def test_an_accepted_message_has_the_receivers_id(subject: Subject) -> None:
    assert all(o.provider_id for o in subject.send(make_batch(3)).outcomes)


def test_a_mailbox_beyond_ascii_is_reached_exactly_where_that_is_promised(subject: Subject) -> None:
    result = subject.send(Batch("k", [make_message(1, recipient="jürgen@example.com")]))
    reached = result.outcomes[0].kind is OutcomeKind.ACCEPTED
    assert reached is subject.provider.capabilities.non_ascii_mailbox


def test_a_provider_is_given_what_it_asks_for(subject: Subject) -> None:
    wants_fields = isinstance(subject.provider, HttpProvider)
    assert (subject.provider.capabilities.content is ContentForm.FIELDS) is wants_fields
