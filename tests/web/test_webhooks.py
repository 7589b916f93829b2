"""Providers' calls, as they make them: kept before the answer, applied a moment later, and anything else refused."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from newsletter.app.http_server import listen
from newsletter.clock import FakeClock
from newsletter.providers.registry import webhook_reader
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.server import make_server
from newsletter.web.sns import Sns
from newsletter.web.webhook_secrets import webhook_token
from newsletter.web.webhooks import Reports
from tests.providers.test_webhook_signatures import AT, EC_KEY, TOPIC, certificate, envelope
from tests.waiting import wait_for
from tests.web.conftest import SECRET, Running, make_home

NAMES = (
    "resend",
    "postmark",
    "mailgun",
    "sendgrid",
    "mailersend",
    "mailtrap",
    "brevo",
    "mailjet",
    "sparkpost",
    "ses",
)
SETTINGS = f'[tracking]\nsns_topics = ["{TOPIC}"]\n'


def public_key() -> str:
    made = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(made).decode()


def set_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
    for name in NAMES:
        key = {"resend": "c2VjcmV0", "sendgrid": public_key()}.get(name, "secret")
        patch.setenv(f"NEWSLETTER_{name.upper()}_WEBHOOK_KEY", key)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all, on the 6th of January 2026; a send through Postmark to 40 people has left."""
    with pytest.MonkeyPatch.context() as patch:
        set_keys(patch)
        running = Running(make_home(tmp_path_factory.mktemp("hooks") / "notes", SETTINGS), FakeClock())
        with SqliteDatabase(running.workspace.database_path) as database, database.write() as tx:
            at = "2026-01-06T08:00:00.000Z"
            tx.execute(
                "INSERT INTO sends (slug, number, title, state, content, content_hash, provider, audience, created_at)"
                " VALUES ('hello', 1, 'Hello', 'sent', '', '', 'postmark', 40, ?)",
                (at,),
            )
            for number in range(1, 41):
                tx.execute(
                    "INSERT INTO subscribers (email, match_key, status, created_at) VALUES (?, ?, 'active', ?)",
                    (f"r{number}@example.org", f"r{number}@example.org", at),
                )
                tx.execute(
                    "INSERT INTO deliveries (send_id, subscriber_id, state) VALUES (1, ?, 2)", (number,)
                )
        yield running
        running.stop()


def path(provider: str, token: str = "") -> str:
    return f"/hooks/{provider}/{token or webhook_token(SECRET.encode(), provider)}"


def bounce(site: Running, number: int, **changes: Any) -> dict[str, Any]:
    """What Postmark posts of a hard bounce."""
    report = {
        "RecordType": "Bounce",
        "ID": 1000 + number,
        "Type": "HardBounce",
        "Email": f"r{number}@example.org",
        "MessageID": "m",
        "BouncedAt": "2026-01-06T08:59:00Z",
        "Metadata": {"delivery_id": site.service.signer.delivery(1, number)},
        "Details": "550 no such user",
    }
    return {**report, **changes}


def rows(site: Running, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return site.service.database.query(sql, values)


def all_applied(site: Running) -> bool:
    return rows(site, "SELECT count(*) FROM events WHERE applied_at = '' AND held = 0") == [(0,)]


def test_a_bounce_that_was_answered_200_is_kept_and_soon_applied(site: Running) -> None:
    answer = site.client.post(path("postmark"), json=bounce(site, 1))
    assert answer.status_code == 200
    [(payload, received)] = rows(site, "SELECT payload, received_at FROM events WHERE event_id = '1001'")
    assert json.loads(payload)["raw"]["Details"] == "550 no such user"
    assert received == "2026-01-06T09:00:00.000Z"
    wait_for(lambda: site.status(1) == "bounced")
    [entry] = site.history(1)
    assert (entry.action, entry.actor) == ("bounced", "provider")
    assert site.client.post(path("postmark"), json=bounce(site, 1)).status_code == 200, "a repeat is fine"
    assert rows(site, "SELECT count(*) FROM events WHERE event_id = '1001'") == [(1,)]


def test_the_token_may_be_a_password_and_any_other_is_refused_such_that_postmark_tries_again(
    site: Running,
) -> None:
    token = webhook_token(SECRET.encode(), "postmark")
    told = bounce(site, 2, RecordType="Delivery", ID="basic")
    assert site.client.post("/hooks/postmark", json=told, auth=("newsletter", token)).status_code == 200
    for wrong in (
        site.client.post("/hooks/postmark", json=told),
        site.client.post("/hooks/postmark", json=told, auth=("newsletter", "wrong")),
        site.client.post(path("postmark", "wrong"), json=told),
        site.client.post(path("postmark", webhook_token(SECRET.encode(), "brevo")), json=told),
        site.client.post(
            path("postmark", webhook_token(b"another secret, thirty-two long..", "postmark")), json=told
        ),
    ):
        assert wrong.status_code == 401
        assert wrong.headers["www-authenticate"] == "Basic"


def mailgun(signed: str = AT, token: str = "t-1", event: str = "opened") -> dict[str, Any]:
    signature = hmac.digest(b"secret", f"{signed}{token}".encode(), "sha256").hex()
    return {
        "signature": {"timestamp": signed, "token": token, "signature": signature},
        "event-data": {"event": event, "id": "e"},
    }


def test_a_token_of_mailguns_is_taken_once_only(site: Running) -> None:
    assert site.client.post(path("mailgun"), json=mailgun()).status_code == 200
    assert site.client.post(path("mailgun"), json=mailgun(event="complained")).status_code == 200
    assert rows(site, "SELECT type FROM events WHERE provider = 'mailgun'") == [("opened",)]


def test_what_can_never_be_believed_is_told_to_stop_in_each_providers_way(site: Running) -> None:
    assert site.client.post(path("mailgun"), json=mailgun(signed="1")).status_code == 406
    stale = {"svix-id": "m", "svix-timestamp": "1", "svix-signature": "v1,x"}
    assert site.client.post("/hooks/resend", content=b"{}", headers=stale).status_code == 400
    wrong = {**stale, "svix-timestamp": AT}
    assert site.client.post("/hooks/resend", content=b"{}", headers=wrong).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"not JSON", b"[]", b'{"RecordType":"New one, of tomorrow"}', b"\xff\x00", b"[" * 9999]
)
def test_what_is_theirs_and_can_t_be_read_is_kept(site: Running, body: bytes) -> None:
    before = rows(site, "SELECT count(*) FROM events")
    assert site.client.post(path("postmark"), content=body).status_code == 200
    assert rows(site, "SELECT count(*) FROM events") == [(before[0][0] + 1,)]
    wait_for(lambda: all_applied(site))


def test_other_addresses_methods_and_sizes_are_refused(site: Running) -> None:
    for name in ("smtp", "outbox", "nobody", "Postmark"):
        assert site.client.post(f"/hooks/{name}", content=b"{}").status_code == 404
    for method in ("GET", "PUT", "DELETE"):
        assert site.client.request(method, path("postmark")).status_code == 405
    assert site.client.head(path("postmark")).status_code == 405
    assert site.client.post(path("postmark"), content=b" " * (1024 * 1024 + 1)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    assert site.client.post(path("postmark"), content=endless()).status_code == 413


def test_a_large_batch_is_kept_whole(site: Running) -> None:
    batch = [
        {"msys": {"message_event": {"type": "delivery", "event_id": f"sp-{n}", "raw_rcpt_to": "a@b.example"}}}
        for n in range(1500)
    ]
    assert site.client.post(path("sparkpost"), json=batch).status_code == 200
    assert rows(site, "SELECT count(*) FROM events WHERE provider = 'sparkpost'") == [(1500,)]
    wait_for(lambda: all_applied(site))
    assert rows(site, "SELECT DISTINCT result FROM events WHERE provider = 'sparkpost'") == [("not ours",)]


def test_many_refused_calls_are_reported(site: Running) -> None:
    for _ in range(60):
        site.client.post(path("brevo", "wrong"), json={})
    wait_for(lambda: rows(site, "SELECT refused FROM event_holds WHERE provider = 'brevo'") == [(60,)])
    assert rows(site, "SELECT since FROM event_holds WHERE provider = 'brevo'") == [("",)], (
        "nothing of theirs is held"
    )


def test_a_flood_is_held(site: Running) -> None:
    for number in range(3, 41):
        assert site.client.post(path("postmark"), json=bounce(site, number)).status_code == 200
    wait_for(lambda: all_applied(site))
    [(status, count)] = rows(
        site, "SELECT status, count(*) FROM subscribers WHERE status = 'bounced' GROUP BY 1"
    )
    assert (status, count) == ("bounced", 25)
    [(reason,)] = rows(site, "SELECT reason FROM event_holds WHERE provider = 'postmark' AND since <> ''")
    assert "bounces" in reason


# What others have seen ------------------------------------------------------------------------------


def posted(site: Running, provider: str, body: bytes, number: int) -> httpx.Response:
    """`body` as the provider would post it."""
    headers, address = {"content-type": "application/json"}, path(provider)
    if provider == "resend":
        mac = hmac.digest(b"secret", f"msg_{number}.{AT}.".encode() + body, "sha256")
        headers |= {"svix-id": f"msg_{number}", "svix-timestamp": AT}
        headers["svix-signature"] = f"v1,{base64.b64encode(mac).decode()}"
    elif provider == "sendgrid":
        made = EC_KEY.sign(AT.encode() + body, ec.ECDSA(SHA256()))
        prefix = "x-twilio-email-event-webhook-"
        headers |= {f"{prefix}timestamp": AT, f"{prefix}signature": base64.b64encode(made).decode()}
    elif provider in ("mailersend", "mailtrap"):
        name = "signature" if provider == "mailersend" else "mailtrap-signature"
        headers[name] = hmac.digest(b"secret", body, "sha256").hex()
    return site.client.post(address, content=body, headers=headers)


@pytest.mark.parametrize("provider", [name for name in NAMES if name not in ("mailgun", "ses")])
def test_every_payload_of_the_corpus_is_kept_as_the_events_it_tells(
    site: Running, shared_data: Path, provider: str
) -> None:
    folder = shared_data / "corpora" / "anymail-webhook-payloads"
    reader = webhook_reader(provider)
    assert reader is not None
    cases = json.loads((folder / f"{provider}-webhooks.json").read_text())
    expected: dict[str, str] = {}
    for number, case in enumerate(cases):
        body = json.dumps(case["value"]).encode()
        assert posted(site, provider, body, number).status_code == 200
        for event in reader.parse_webhook({"svix-id": f"msg_{number}"}, body):
            # The examples in some providers' documents share an id, as their real events never do.
            expected.setdefault(event.event_id, event.type.value)
        if provider in ("resend", "sendgrid", "mailersend", "mailtrap"):
            assert site.client.post(path(provider), content=body + b" ").status_code == 401
    kept = dict(rows(site, "SELECT event_id, type FROM events WHERE provider = ?", provider))
    assert {event_id: kept.get(event_id) for event_id in expected} == expected
    wait_for(lambda: all_applied(site))


# Whatever is posted -----------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "event",
                    "type",
                    "data",
                    "RecordType",
                    "msys",
                    "signature",
                    "event-data",
                    "Type",
                    "TopicArn",
                    "events",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
)
BODIES = st.binary(max_size=200) | JSON.map(lambda made: json.dumps(made).encode())
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *(
                "svix-id",
                "svix-timestamp",
                "svix-signature",
                "webhook-signature",
                "signature",
                "mailtrap-signature",
            ),
            *("x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"),
            *("authorization", "x-newsletter-token", "content-type"),
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30) | st.just(AT),
    max_size=4,
)
TABLES = ("subscribers", "consent_events", "suppressions", "deliveries", "tracking", "events")


def version(site: Running) -> list[tuple[Any, ...]]:
    """Changes with every commit of another connection that changes anything."""
    return rows(site, "PRAGMA data_version")


def everything(site: Running) -> list[list[tuple[Any, ...]]]:
    return [rows(site, f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES]


@given(st.sampled_from([*NAMES, "smtp", "x"]), st.sampled_from(["", "/", "/wrong", "/a/b"]), BODIES, HEADERS)
@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_body_gets_no_5xx_and_changes_nothing_unless_verified(
    site: Running, provider: str, tail: str, body: bytes, headers: dict[str, str]
) -> None:
    known = vars(site)
    if "before" not in known:
        wait_for(lambda: all_applied(site))
        known["before"], known["version"] = everything(site), version(site)
    answer = site.client.post(f"/hooks/{provider}{tail}", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    if version(site) != known["version"]:  # a minute's refused calls were counted
        assert everything(site) == known["before"]
        known["version"] = version(site)


@given(st.sampled_from(["postmark", "brevo", "mailjet", "sparkpost"]), BODIES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_verified_body_is_kept_and_moves_nobody_it_doesnt_name(
    site: Running, provider: str, body: bytes
) -> None:
    before = rows(site, "SELECT id, status FROM subscribers")
    assert site.client.post(path(provider), content=body).status_code == 200
    assert rows(site, "SELECT id, status FROM subscribers") == before


def test_after_all_that_every_report_was_applied(site: Running) -> None:
    wait_for(lambda: all_applied(site))
    assert rows(site, "SELECT count(*) FROM events WHERE result = 'failed'") == [(0,)]
    assert site.client.get("/healthz").status_code == 200


# Amazon -----------------------------------------------------------------------------------------------


class _Amazon(http.server.BaseHTTPRequestHandler):
    """The two things that are asked of SNS."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path))
        self._answer(certificate())

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["content-length"])).decode()
        self.asked.append(("POST", parse_qs(form)["Token"][0]))
        self._answer(b"<ConfirmSubscriptionResponse/>", 200 if "good" in form else 400)

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def amazon() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    asked: list[tuple[str, str]] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Amazon,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def hooks(site: Running, sns: Sns) -> Iterator[httpx.Client]:
    """The webhooks alone, with another Amazon behind them."""
    listening = listen("127.0.0.1", 0)
    server = make_server(Starlette(routes=Reports(site.service, sns).routes()))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
            wait_for(lambda: server.started)
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def test_amazons_envelopes_are_verified_with_a_certificate_that_is_fetched_once(site: Running) -> None:
    with amazon() as (url, asked), hooks(site, Sns(site.service.clock, lambda _: url)) as client:
        for number in range(3):
            assert client.post("/hooks/ses", content=envelope(MessageId=f"sns-{number}")).status_code == 200
        assert (
            client.post("/hooks/ses", content=envelope(MessageId="x").replace(b"Send", b"Sent")).status_code
            == 401
        )
        assert [method for method, _ in asked] == ["GET"]
    assert rows(site, "SELECT count(*) FROM events WHERE provider = 'ses'") == [(3,)]


def test_a_subscription_is_confirmed_by_the_api_and_never_by_the_address_in_the_envelope(
    site: Running,
) -> None:
    asking = {"Type": "SubscriptionConfirmation", "Subject": "", "Message": "Confirm?"}
    elsewhere = "https://evil.example/?Action=ConfirmSubscription"
    with amazon() as (url, asked), hooks(site, Sns(site.service.clock, lambda _: url)) as client:
        good = envelope(**asking, Token="good", SubscribeURL=elsewhere, MessageId="c-1")
        bad = envelope(**asking, Token="bad", SubscribeURL=elsewhere, MessageId="c-2")
        stranger = envelope(**asking, Token="good", TopicArn=TOPIC.replace("1234", "9999"), MessageId="c-3")
        assert [client.post("/hooks/ses", content=body).status_code for body in (good, bad, stranger)] == [
            200,
            401,
            401,
        ]
        assert [request for request in asked if request[0] == "POST"] == [("POST", "good"), ("POST", "bad")]
    assert rows(site, "SELECT event_id FROM events WHERE event_id LIKE 'c-%'") == [("c-1",)]


def test_made_up_certificates_aren_t_asked_for_without_end(site: Running) -> None:
    with amazon() as (url, asked), hooks(site, Sns(site.service.clock, lambda _: url)) as client:
        for number in range(15):
            address = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{number:032}.pem"
            client.post(
                "/hooks/ses",
                content=envelope(SigningCertURL=address, MessageId="m").replace(b"Send", b"Sent"),
            )
        assert len(asked) == 10


def test_an_amazon_that_can_t_be_reached_is_no_failure_of_ours(site: Running) -> None:
    with hooks(site, Sns(site.service.clock, lambda _: "http://127.0.0.1:9")) as client:
        assert client.post("/hooks/ses", content=envelope(MessageId="y")).status_code == 401


def test_without_any_signing_secret_nothing_is_believed(start: Callable[..., Running], home: Path) -> None:
    bare = start(home)
    for name in NAMES:
        assert bare.client.post(f"/hooks/{name}", json={}).status_code in (400, 401)
