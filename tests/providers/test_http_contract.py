"""What every adapter of an HTTP API promises, tried on each against its fake, whose ledger is the judge.

`tests/fakes/catalogue.py` finds the fakes; a provider that is registered is in.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from newsletter.errors import UsageError
from newsletter.model.message import OutcomeKind
from newsletter.model.template import CompiledIssue, Context, Slot, Template
from newsletter.providers.base import (
    Batch,
    BatchResult,
    ContentForm,
    HttpProvider,
    ProviderOptions,
    Question,
    Request,
    Response,
    Search,
    Webhook,
)
from newsletter.providers.registry import PROVIDERS, make_provider
from newsletter.send.transport import HttpSession
from tests.fakes.catalogue import HTTP_PROVIDERS, fake_class
from tests.fakes.http import FakeHttp
from tests.fakes.ledger import Fault
from tests.providers.contract import AT, COMPILED, as_it_should_arrive, batch_for, recipient

pytestmark = pytest.mark.parametrize("fake", HTTP_PROVIDERS, indirect=True)


# They test by addresses of their own, to which `--test` can send.
WITHOUT_SANDBOX = (
    "mailersend",
    "resend",
    "ses",
    "sparkpost",
)
# Its field for leaving has room for the address of RFC 8058 and nothing else.
TAKES_ONE_ADDRESS = ("mailersend",)
# What a provider writes itself and refuses to take.
WRITES_ITSELF = {
    "mailjet": ("list-id",),
    # It takes no headers of ours but the way out; its notes say so.
    "mailersend": (
        "list-id",
        "list-post",
        "list-archive",
        "list-help",
        "archived-at",
        "x-auto-response-suppress",
        "feedback-id",
        "x-newsletter-delivery",
    ),
}


@pytest.fixture
def fake(request: pytest.FixtureRequest) -> Iterator[FakeHttp]:
    with fake_class(request.param)() as server:
        yield server


def provider_of(fake: FakeHttp, **options: Any) -> HttpProvider:
    made = make_provider(replace(fake.options(), **options))
    assert isinstance(made, HttpProvider)
    return made


def some(provider: HttpProvider, count: int = 9, **options: Any) -> Batch:
    """Several readers, as many as a call takes."""
    count = min(count, provider.capabilities.max_batch)
    return batch_for(provider.capabilities, [recipient(n) for n in range(1, count + 1)], **options)


def send(provider: HttpProvider, batch: Batch, timeout: float = 5.0) -> BatchResult:
    session = HttpSession(provider, httpx.Timeout(timeout))
    try:
        return session.send(batch)
    finally:
        session.close()


def kinds(result: BatchResult) -> Counter[OutcomeKind]:
    return Counter(outcome.kind for outcome in result.outcomes)


class TestDelivery:
    def test_each_reader_gets_exactly_our_rendering(self, fake: FakeHttp) -> None:
        """The provider's substitution, done by the fake, comes to what we would have written for each."""
        provider = provider_of(fake)
        size = provider.capabilities.max_batch
        readers = [recipient(n) for n in range(1, 15)]
        for at in range(0, len(readers), size):
            batch = batch_for(provider.capabilities, readers[at : at + size], key=f"nl-1-{at}")
            result = send(provider, batch)
            assert kinds(result) == {OutcomeKind.ACCEPTED: len(batch.messages)}, result
            assert result.hold is None
        entries = {entry["recipient"]: entry for entry in fake.ledger.entries}
        assert len(entries) == len(fake.ledger.entries) == len(readers)
        for reader in readers:
            expected, got = as_it_should_arrive(reader), entries[reader.email]
            assert got["subject"] == expected.subject
            assert got["html"] == expected.html
            assert got["text"] == expected.text
            assert got["delivery_id"] == expected.delivery_id
            for name, value in expected.headers.items():
                if name in WRITES_ITSELF.get(fake.name, ()):
                    continue
                if name == "list-unsubscribe" and fake.name in TAKES_ONE_ADDRESS:
                    value = value.partition(", <mailto:")[0]  # noqa: PLW2901 - what is expected of this one
                assert got["headers"].get(name) == value, name

    @given(
        name=st.text(max_size=30),
        literal=st.text(
            st.one_of(st.sampled_from("{}%[]$-*|#\\\"'&<>:.~v01 "), st.characters(codec="utf-8")), max_size=60
        ),
    )
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_whatever_the_author_and_the_reader_write_arrives_as_written(
        self, fake: FakeHttp, name: str, literal: str
    ) -> None:
        provider = provider_of(fake)
        text = literal.replace("&", "&amp;").replace("<", "&lt;")
        issue = CompiledIssue(
            Template(
                (f"S {' '.join(literal.split())}".strip(), Slot("subscriber.name", "you", Context.HEADER))
            )
            if literal.isprintable()
            else Template(("Fixed",)),
            Template((f"<p>{text}</p><p>", Slot("subscriber.name", "you", Context.HTML), f"</p>{text}")),
            Template((literal, Slot("subscriber.name", "you", Context.TEXT), literal)),
            (),
            "",
        )
        before = len(fake.ledger.entries)
        reader = recipient(1)._replace(
            values={"subscriber.name": name, "unsubscribe_url": "https://news.example.com/u/t"}
        )
        batch = batch_for(provider.capabilities, [reader], key=f"nl-1-{before}", compiled=issue)
        assert kinds(send(provider, batch)) == {OutcomeKind.ACCEPTED: 1}
        [got] = fake.ledger.entries[before:]
        expected = as_it_should_arrive(reader, issue)
        assert (got["subject"], got["html"], got["text"]) == (expected.subject, expected.html, expected.text)

    def test_a_full_batch_goes_in_one_call(self, fake: FakeHttp) -> None:
        provider = provider_of(fake)
        batch = some(provider, provider.capabilities.max_batch)
        assert kinds(send(provider, batch)) == {OutcomeKind.ACCEPTED: len(batch.messages)}
        assert len([call for call in fake.calls if call.method == "POST"]) == 1
        assert len(fake.ledger.recipients) == len(batch.messages)

    def test_each_outcome_has_an_id_where_the_answer_names_them(self, fake: FakeHttp) -> None:
        provider = provider_of(fake)
        result = send(provider, some(provider))
        if provider.capabilities.per_item_result:
            ids = {entry["recipient"]: entry["id"] for entry in fake.ledger.entries}
            found = {
                f"reader{o.delivery_id.removeprefix('d-')}@example.com": o.provider_id
                for o in result.outcomes
            }
            assert found == ids
            assert all(ids.values())

    def test_a_subject_that_is_the_same_for_all_is_kept(self, fake: FakeHttp) -> None:
        provider = provider_of(fake)
        issue = CompiledIssue(Template(("{{ v0 }} 100%: “one” & two",)), COMPILED.html, COMPILED.text, (), "")
        send(provider, some(provider, compiled=issue))
        assert {entry["subject"] for entry in fake.ledger.entries} == {"{{ v0 }} 100%: “one” & two"}


class TestPurity:
    def test_the_same_batch_always_gives_the_same_bytes(self, fake: FakeHttp) -> None:
        # Two adapters, as before and after a crash.
        one, two = (provider_of(fake).build_request(some(provider_of(fake))) for _ in range(2))
        assert b"".join(one.body) == b"".join(two.body)
        assert (one.method, one.url) == (two.method, two.url)

    @given(
        body=st.binary(max_size=200), status=st.sampled_from([200, 202, 207, 400, 401, 404, 422, 429, 500])
    )
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_any_answer_at_all_gives_outcomes_for_the_batch_alone(
        self, fake: FakeHttp, body: bytes, status: int
    ) -> None:
        provider = provider_of(fake)
        batch = some(provider)
        result = provider.parse_response(batch, Response(status, {}, body))
        assert {o.delivery_id for o in result.outcomes} <= {m.delivery_id for m in batch.messages}
        if status == 200:
            assert OutcomeKind.ACCEPTED not in kinds(result) or not provider.capabilities.per_item_result

    @given(tree=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "errors", "id", "Status", "Messages", "MessageID", "ErrorCode", "Message", "responses", "success", "results", "messageIds", "code", "message", "name", "BulkEmailEntryResults"]), inner, max_size=4), max_leaves=12), status=st.sampled_from([200, 202, 400, 422, 429, 500]))  # fmt: skip
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_any_json_at_all_gives_outcomes_and_no_exception(
        self, fake: FakeHttp, tree: Any, status: int
    ) -> None:
        provider = provider_of(fake)
        provider.parse_response(some(provider), Response(status, {}, json.dumps(tree).encode()))


class TestFaults:
    """What the ledger says is the truth: accepted means accepted once; a lost answer is unknown, never a retry."""

    @pytest.mark.parametrize("do", ["accept-close", "accept-reset", "malformed", "empty", "accept-500"])
    def test_an_answer_that_is_lost_or_spoilt_after_acceptance_is_never_called_unsent(
        self, fake: FakeHttp, do: str
    ) -> None:
        fake.faults.add(Fault("POST", do, times=1))
        provider = provider_of(fake)
        result = send(provider, some(provider))
        found = kinds(result)
        assert not found[OutcomeKind.DEFERRED]
        assert not found[OutcomeKind.REJECTED]
        if do != "empty" or provider.capabilities.per_item_result:
            assert not found[OutcomeKind.ACCEPTED] or do == "malformed"
        assert sum(found.values()) == len(fake.ledger.entries) == len(some(provider).messages)

    def test_a_hanging_server_is_given_up_and_unknown(self, fake: FakeHttp) -> None:
        fake.faults.add(Fault("POST", "accept-hang", seconds=60, times=1))
        provider = provider_of(fake)
        assert set(kinds(send(provider, some(provider), timeout=0.2))) == {OutcomeKind.UNKNOWN}

    @pytest.mark.parametrize("do", ["close", "reset"])
    def test_a_connection_cut_after_the_request_was_written_is_unknown(self, fake: FakeHttp, do: str) -> None:
        fake.faults.add(Fault("POST", do, times=1))
        provider = provider_of(fake)
        assert set(kinds(send(provider, some(provider)))) == {OutcomeKind.UNKNOWN}

    def test_an_answer_that_leaves_somebody_out_makes_nobody_unsent(self, fake: FakeHttp) -> None:
        fake.faults.add(Fault("POST", "short", times=1))
        provider = provider_of(fake)
        result = send(provider, some(provider))
        found = kinds(result)
        assert not found[OutcomeKind.DEFERRED]
        assert not found[OutcomeKind.REJECTED]
        if provider.capabilities.per_item_result and provider.capabilities.max_batch > 1:
            assert found[OutcomeKind.ACCEPTED] < len(some(provider).messages)

    def test_answers_in_another_order_are_matched_or_not_believed(self, fake: FakeHttp) -> None:
        fake.faults.add(Fault("POST", "shuffled", times=1))
        provider = provider_of(fake)
        result = send(provider, some(provider))
        ids = {e["delivery_id"]: e["id"] for e in fake.ledger.entries}
        for outcome in result.outcomes:
            if outcome.kind is OutcomeKind.ACCEPTED and outcome.provider_id:
                assert outcome.provider_id == ids[outcome.delivery_id]

    def test_too_fast_waits_as_long_as_it_is_told(self, fake: FakeHttp) -> None:
        fake.faults.add(Fault("POST", "429", times=1, seconds=3.0))
        provider = provider_of(fake)
        result = send(provider, some(provider))
        assert set(kinds(result)) == {OutcomeKind.DEFERRED}
        assert result.hold is not None
        assert result.hold.retry_after
        assert not fake.ledger.entries
        assert set(kinds(send(provider, some(provider)))) == {OutcomeKind.ACCEPTED}

    def test_too_fast_without_a_word_about_when_waits_a_moment(self, fake: FakeHttp) -> None:
        fake.faults.add(Fault("POST", "429", body="slow down", times=1))
        result = send(provider_of(fake), some(provider_of(fake)))
        assert set(kinds(result)) == {OutcomeKind.DEFERRED}
        assert result.hold is not None
        assert result.hold.retry_after

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_an_outage_is_unknown_and_the_send_waits(self, fake: FakeHttp, status: int) -> None:
        fake.faults.add(Fault("POST", str(status), times=1))
        provider = provider_of(fake)
        result = send(provider, some(provider))
        assert not kinds(result)[OutcomeKind.ACCEPTED]
        assert not kinds(result)[OutcomeKind.REJECTED]
        assert result.hold is not None
        assert result.hold.retry_after

    def test_nobody_there_is_provably_unsent(self, fake: FakeHttp) -> None:
        provider = provider_of(fake, base_url="http://127.0.0.1:9")
        result = send(provider, some(provider))
        assert set(kinds(result)) == {OutcomeKind.DEFERRED}
        assert result.hold is not None


class TestRefusals:
    def test_a_wrong_key_holds_the_send_at_once_and_costs_nobody_anything(self, fake: FakeHttp) -> None:
        fake.secret = "another" if ":" not in fake.secret else "another:one"
        provider = make_provider(replace(fake.options(), secret=SecretStr(fake_class(fake.name).secret)))
        assert isinstance(provider, HttpProvider)
        result = send(provider, some(provider))
        assert set(kinds(result)) == {OutcomeKind.DEFERRED}
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert "NEWSLETTER_" in result.hold.hint
        assert not fake.ledger.entries

    def test_a_domain_nobody_verified_holds_the_send(self, fake: FakeHttp) -> None:
        fake.verified = ("elsewhere.example",)
        provider = provider_of(fake)
        result = send(provider, some(provider))
        assert set(kinds(result)) == {OutcomeKind.DEFERRED}
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert "verif" in result.hold.hint or "domain" in result.hold.hint
        assert not fake.ledger.entries

    def test_a_used_up_quota_holds_the_send_and_nobody_is_rejected(self, fake: FakeHttp) -> None:
        fake.quota = 0
        provider = provider_of(fake)
        result = send(provider, some(provider))
        assert set(kinds(result)) == {OutcomeKind.DEFERRED}
        assert result.hold is not None
        assert not fake.ledger.entries

    def test_one_bad_address_costs_nobody_else_their_mail(self, fake: FakeHttp) -> None:
        """Either it alone is refused, or the batch is provably unsent and it comes out when sent one by one."""
        provider = provider_of(fake)
        readers = [recipient(1), recipient(2, "nobody@localhost"), recipient(3)][
            : max(2, provider.capabilities.max_batch)
        ]
        if provider.capabilities.max_batch == 1:
            readers = readers[1:2]
        result = send(provider, batch_for(provider.capabilities, readers))
        outcome = {o.delivery_id: o.kind for o in result.outcomes}
        if outcome["d-2"] is OutcomeKind.REJECTED:
            assert set(outcome.values()) <= {OutcomeKind.REJECTED, OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED}
        else:
            assert set(outcome.values()) == {OutcomeKind.DEFERRED}
            assert result.hold is not None
            alone = send(provider, batch_for(provider.capabilities, [readers[1]], key="nl-1-alone"))
            assert kinds(alone) == {OutcomeKind.REJECTED: 1}
        accepted = {o.delivery_id for o in result.outcomes if o.kind is OutcomeKind.ACCEPTED}
        assert {e["delivery_id"] for e in fake.ledger.entries} == accepted

    def test_no_sentence_contains_the_key(self, fake: FakeHttp) -> None:
        secret = fake.secret
        for status in (400, 401, 403, 422, 429, 500):
            fake.faults.add(
                Fault("POST", str(status), body=f'{{"message": "key {secret} is wrong"}}', times=1)
            )
            result = send(provider_of(fake), some(provider_of(fake)))
            for text in (*(o.reason for o in result.outcomes), str(result.hold)):
                for part in secret.split(":"):
                    assert part not in text

    def test_settings_that_cannot_work_are_refused_with_the_way_out(self, fake: FakeHttp) -> None:
        good = fake.options()
        for change in (
            {"secret": None},
            {"secret": SecretStr("kéy:kéy")},
            {"base_url": "ftp://x"},
            {"base_url": "http://api.example.com"},
        ):
            with pytest.raises(UsageError) as caught:
                make_provider(replace(good, **cast("dict[str, Any]", change)))
            assert caught.value.hint, change


class TestCapabilities:
    def test_a_key_that_may_be_replayed_mails_nobody_twice(self, fake: FakeHttp) -> None:
        provider = provider_of(fake)
        if not provider.capabilities.idempotency_ttl:
            return
        send(provider, some(provider))
        again = send(provider, some(provider))
        assert not kinds(again)[OutcomeKind.REJECTED]
        assert not kinds(again)[OutcomeKind.DEFERRED]
        assert set(fake.ledger.recipients.values()) == {1}

    def test_who_can_be_searched_finds_what_was_accepted_and_claims_nothing_else(
        self, fake: FakeHttp
    ) -> None:
        provider = provider_of(fake)
        assert isinstance(provider, Search) is bool(provider.capabilities.lookup_by)
        if not isinstance(provider, Search):
            return
        batch = some(provider, 5)
        send(provider, batch)
        asked = {m.delivery_id: m.recipient for m in batch.messages} | {"d-99": "reader99@example.com"}
        found = searched(provider, Question(batch.key, AT, asked))
        assert {d for d, o in found.items() if o.kind is OutcomeKind.ACCEPTED} == {
            m.delivery_id for m in batch.messages
        }
        assert "d-99" not in found

    def test_a_message_from_before_the_batch_is_another_one(self, fake: FakeHttp) -> None:
        """A store that was begun anew under the same key numbers its sends from 1 again."""
        provider = provider_of(fake)
        if not isinstance(provider, Search):
            return
        batch = some(provider, 2)
        send(provider, batch)
        later = datetime.now(UTC) + timedelta(days=2)
        asked = {m.delivery_id: m.recipient for m in batch.messages}
        assert not searched(provider, Question("nl-1-fedcba9876543210", later, asked))

    def test_a_search_with_a_wrong_key_says_so(self, fake: FakeHttp) -> None:
        provider = provider_of(fake)
        if not isinstance(provider, Search):
            return
        fake.secret = "another" if ":" not in fake.secret else "another:one"
        from newsletter.errors import NewsletterError

        with pytest.raises(NewsletterError):
            searched(provider, Question("nl-1-x", AT, {"d-1": "reader1@example.com"}))

    def test_events_are_read_from_what_the_provider_posts(self, fake: FakeHttp) -> None:
        provider = provider_of(fake)
        assert isinstance(provider, Webhook)
        for body in (b"", b"{", b"[1, null]", b'"x"', b"\xff"):
            with pytest.raises(ValueError, match=r"."):
                provider.parse_webhook({"content-type": "application/json"}, body)

    def test_the_sandbox_delivers_nothing(self, fake: FakeHttp) -> None:
        if fake.name in WITHOUT_SANDBOX:
            with pytest.raises(UsageError, match="sandbox"):
                provider_of(fake, sandbox=True)
            return
        provider = provider_of(fake, sandbox=True)
        result = send(provider, some(provider))
        assert set(kinds(result)) == {OutcomeKind.ACCEPTED}
        assert not fake.ledger.entries


def searched(provider: Search, question: Question) -> dict[str, Any]:
    """Run a search over real HTTP."""
    asking = provider.search(question)
    try:
        request = next(asking)
        for _ in range(50):
            request = asking.send(exchange(request))
    except StopIteration as end:
        return dict(end.value)
    pytest.fail("a search of a handful of deliveries takes more than 50 calls")


def exchange(request: Request) -> Response:
    answer = httpx.request(
        request.method,
        request.url,
        headers=dict(request.headers),
        content=b"".join(request.body),
        timeout=60,
        trust_env=False,
    )
    return Response(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)


def test_the_program_of_a_fake_is_where_it_is_looked_for(fake: FakeHttp) -> None:
    assert (Path(__file__).parents[1] / "fakes" / f"{fake.name}.py").is_file()
    assert PROVIDERS[fake.name].summary
    assert provider_of(fake).capabilities.content is not ContentForm.MIME


def test_options_for_a_fake_name_it(fake: FakeHttp) -> None:
    assert isinstance(fake.options(), ProviderOptions)
    assert fake.options().name == fake.name
