"""Whatever is sent to whichever address: a page and no 5xx, and nobody's state changes without their press.

`NEWSLETTER_REQUESTS=20000` sends as many requests; the suite itself sends a few hundred.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from newsletter.audience import preferences
from newsletter.clock import SystemClock
from tests.web.conftest import SECRET, Running, make_home

REQUESTS = int(os.environ.get("NEWSLETTER_REQUESTS", "400"))
# What a press, or a mail program's one-click, says: sent with a good token it is meant to act.
ACTING = (b"leave", b"one-click", b"save", b"erase", b"mail", b"undo")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
        running = Running(make_home(tmp_path_factory.mktemp("target") / "notes", '[web]\ntopics = ["rag"]\n'))
        running.reader = running.add("victim@example.com", "Ada", ("rag",))  # type: ignore[attr-defined] # for this module
        yield running
        running.stop()


GOOD = ("{leave}", "{prefer}", "{manage}")
TOKENS = st.sampled_from(GOOD) | st.text(max_size=30) | st.from_regex(r"[A-Za-z0-9_-]{12,64}", fullmatch=True)
ADDRESSES = st.sampled_from(
    [
        *(
            "/u",
            "/u/{}",
            "/p",
            "/p/{}",
            "/preferences/{}",
            "/preferences/{}/data.json",
            "/preferences/{}/erase",
        ),
        *("/left/undo", "/left/reason", "/view/{}", "/view/{}/{}", "/{}/", "/healthz", "/static/{}", "/{}"),
        *("/join", "/join/embed", "/confirm/{}", "/hooks/{}", "/hooks/resend/{}"),
    ]
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
TYPES = st.sampled_from(
    [
        *("application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "multipart/form-data"),
        *("application/json", "text/plain; charset=utf-16", "", "multipart/form-data; boundary=" + "b" * 90),
    ]
)
FIELDS = st.sampled_from(
    ["proof", "reason", "words", "name", "topic", "pause", "email", "website", "form_token", "x"]
)
FORMS = st.lists(st.tuples(FIELDS, st.text(max_size=20)), max_size=5).map(
    lambda fields: "&".join(f"{name}={value}" for name, value in fields).encode("utf-8", "surrogatepass")
)
BODIES = st.binary(max_size=200) | FORMS
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["X-Forwarded-For", "Cookie", "Origin", "Range", "If-None-Match", "Accept", "User-Agent", "Host"]
        ),
        st.binary(max_size=30).map(lambda value: bytes(c for c in value if c >= 0x20 and c != 0x7F)),
    ),
    max_size=3,
)


def sent(url: str, request: bytes) -> bytes:
    """The first bytes of the answer to `request`, sent as it is."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        return connection.recv(200)


def percent(text: str) -> str:
    return "".join(
        chr(c) if 0x21 <= c <= 0x7E and c not in b"#?%" else f"%{c:02X}"
        for c in text.encode("utf-8", "surrogatepass")
    )


@given(method=METHODS, address=ADDRESSES, token=TOKENS, kind=TYPES, body=BODIES, headers=HEADERS)
@settings(
    max_examples=REQUESTS, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(
    method="POST",
    address="/u/{}",
    token="{leave}",
    kind="multipart/form-data; boundary=b",
    body=b"--b--",
    headers=[],
)
@example(
    method="GET", address="/view/{}", token="999999999999999999999999999999", kind="", body=b"", headers=[]
)
@example(
    method="POST",
    address="/preferences/{}",
    token="{manage}",
    kind="application/x-www-form-urlencoded",
    body=b"name=%00",
    headers=[],
)
def test_any_request_is_answered_below_500_and_changes_nobody(
    *,
    target: Running,
    method: str,
    address: str,
    token: str,
    kind: str,
    body: bytes,
    headers: list[tuple[str, bytes]],
) -> None:
    reader: int = target.reader  # type: ignore[attr-defined] # set by the fixture
    if any(word in body.lower() for word in ACTING):
        body = b""
    signer = target.service.signer
    now = SystemClock().now()
    good = {
        "{leave}": signer.unsubscribe(reader),
        "{prefer}": signer.preferences(reader),
        "{manage}": preferences.fresh_token(signer, reader, now + preferences.LINK_LIFETIME),
    }
    path = address.replace("{}", good.get(token) or percent(token) or "-")
    lines = b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in headers if name != "Host")
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    ).encode() + lines
    answer = sent(target.url, request + b"\r\n" + (b"" if method == "TRACE" else body))
    assert answer.startswith(b"HTTP/1.1 "), answer
    assert 200 <= int(answer[9:12]) < 500, (answer, request)
    person = target.person(reader)
    assert person is not None
    assert (person.status, person.name, person.tags) == ("active", "Ada", ("rag",))


@given(st.binary(max_size=300))
@settings(
    max_examples=REQUESTS // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_bytes_that_are_no_request_are_refused(target: Running, data: bytes) -> None:
    answer = sent(target.url, data.replace(b"HTTP", b"") + b"\r\n\r\n")
    assert answer == b"" or b" 4" in answer[:12], answer
    assert target.client.get("/healthz").status_code == 200
