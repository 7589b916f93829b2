"""The public service seen from outside: a real one behind a TLS front that interferes, as proxies and CDNs do."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from newsletter.audience.tokens import TokenSigner
from newsletter.checks.setup.line import Line, Status
from newsletter.checks.setup.service_lines import judge_address, judge_certificate, judge_service
from newsletter.checks.setup.web import Outside
from tests.fakes.smtp import make_certificate
from tests.web.conftest import SECRET, Running, make_home


class Front:
    """A reverse proxy with a certificate of its own, in front of the service.

    Attributes:
        manner: what it does to requests instead of passing them on; empty for nothing.
    """

    def __init__(self, port: int, certificate: tuple[Path, Path]) -> None:
        self.manner = ""
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                front.pass_on(self, port)

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        # Each connection shakes hands in its own thread: one that breaks off must not hold up the others.
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def pass_on(self, request: BaseHTTPRequestHandler, port: int) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        status, headers, answer = self._interfere(request.command)
        if not status:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(request.command, request.path, body, dict(request.headers))
            found = connection.getresponse()
            status, headers, answer = found.status, dict(found.getheaders()), found.read()
            connection.close()
            if self.manner == "caches":
                headers["cache-control"] = "public, max-age=600"
        request.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def _interfere(self, method: str) -> tuple[int, dict[str, str], bytes]:
        posted = method == "POST"
        match self.manner:
            case "redirects posts" if posted:
                return 308, {"Location": "https://www.example.com/u/"}, b""
            case "redirects":
                return 301, {"Location": "https://www.example.com/"}, b""
            case "challenges posts" if posted:
                return 403, {"cf-mitigated": "challenge"}, b"<title>Just a moment...</title>"
            case "challenges":
                return 503, {}, b"<p>Please enable JavaScript and solve the captcha</p>"
            case "takes no posts" if posted:
                return 405, {"Allow": "GET"}, b""
            case "is another site":
                return 200, {}, b"<h1>Welcome to nginx!</h1>"
            case "says yes to all posts" if posted:
                return 200, {"Cache-Control": "no-store"}, b"thanks"
            case _:
                return 0, {}, b""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
        running = Running(make_home(tmp_path_factory.mktemp("served") / "notes"))
        yield running
        running.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def standing(service: Running, certificate: tuple[Path, Path]) -> Iterator[Front]:
    front = Front(int(service.url.rpartition(":")[2]), certificate)
    yield front
    front.server.shutdown()
    front.server.server_close()


@pytest.fixture
def front(standing: Front, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Front:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    standing.manner = ""
    return standing


def look(url: str, secret: str = SECRET) -> dict[str, Line]:
    probe = TokenSigner(secret.encode()).unsubscribe(0)
    told: list[tuple[str, str]] = []
    lines = judge_service(url, Outside(5), probe, lambda who, date: told.append((who, date)))
    assert all(who in url for who, _ in told)
    assert all(line.advice for line in lines if line.status is not Status.OK)
    return {line.id: line for line in lines}


def test_a_service_that_is_reached_passes_and_nothing_is_changed(front: Front, service: Running) -> None:
    reader = service.add("reader@notes.example")
    before = service.history(reader)
    lines = look(front.url)
    assert {line.id: line.status for line in lines.values()} == {
        "service.reached": Status.OK,
        "service.one_click": Status.OK,
        "service.key": Status.OK,
    }
    assert (service.status(reader), service.history(reader)) == ("active", before)


def test_a_service_with_another_key_would_leave_every_link_dead(front: Front) -> None:
    line = look(front.url, "another-secret-of-more-than-32-characters")["service.key"]
    assert line.status is Status.FAIL
    assert "secret.key" in line.advice


def test_without_a_key_of_our_own_the_services_isnt_asked_for(front: Front) -> None:
    lines = judge_service(front.url, Outside(5), "", lambda _who, _date: None)
    assert [(line.id, line.status) for line in lines] == [
        ("service.reached", Status.OK),
        ("service.one_click", Status.OK),
    ]


@pytest.mark.parametrize(
    ("manner", "id_", "said"),
    [
        ("redirects posts", "service.one_click", "redirects to https://www.example.com/u/"),
        ("redirects", "service.reached", "redirects to"),
        ("challenges posts", "service.one_click", "Cloudflare"),
        ("challenges", "service.reached", "challenge"),
        ("takes no posts", "service.one_click", "405"),
        ("is another site", "service.reached", "not the service's own"),
        ("says yes to all posts", "service.one_click", "something else"),
    ],
)
def test_what_stands_in_the_way_is_named(front: Front, manner: str, id_: str, said: str) -> None:
    front.manner = manner
    line = look(front.url)[id_]
    assert (line.status, said in line.answer) == (Status.FAIL, True), line


def test_an_answer_that_may_be_cached_is_a_warning(front: Front) -> None:
    front.manner = "caches"
    assert look(front.url)["service.one_click"].status is Status.WARN


def test_nobody_there_is_unknown_and_no_fault_of_anybody() -> None:
    [line] = look("http://127.0.0.1:9").values()
    assert (line.id, line.status) == ("service.reached", Status.UNKNOWN)
    [certificate] = judge_certificate("https://localhost:9", Outside(2), datetime.now(UTC))
    assert certificate.status is Status.UNKNOWN


def test_a_certificate_is_judged_by_who_vouches_for_it_and_for_how_long(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    [soon] = judge_certificate(front.url, Outside(5), now)
    assert (soon.status, "ends soon" in soon.advice) == (Status.WARN, True)
    [fresh] = judge_certificate(front.url, Outside(5), now - timedelta(days=60))
    assert (fresh.status, "60 days" in fresh.answer) == (Status.OK, True)
    monkeypatch.delenv("SSL_CERT_FILE")
    [strange] = judge_certificate(front.url, Outside(5), now)
    assert (strange.status, "not trusted" in strange.answer) == (Status.FAIL, True)
    assert look(front.url)["service.reached"].status is Status.FAIL
    assert judge_certificate("http://localhost:1", Outside(1), now) == []


@pytest.mark.parametrize(
    ("base", "needed", "status"),
    [
        ("https://notes.ada.dev", True, Status.OK),
        ("http://notes.ada.dev", True, Status.FAIL),
        ("http://127.0.0.1:8080", True, Status.FAIL),
        ("http://127.0.0.1:8080", False, Status.WARN),
        ("", True, Status.FAIL),
        ("", False, Status.WARN),
    ],
)
def test_only_https_lets_readers_leave_with_one_click(base: str, needed: bool, status: Status) -> None:
    line = judge_address(base, one_click=base.startswith("http"), needed=needed, header="<…>")
    assert line.status is status
