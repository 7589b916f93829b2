"""Who may look: the server's refusals, asked by plain HTTP of a real server on loopback."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., http.client.HTTPResponse]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Makes one request with headers of our own, `Host` included; the connection ends with the test."""
    with contextlib.ExitStack() as stack:

        def request(preview: Any, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
            connection = http.client.HTTPConnection("127.0.0.1", preview.server.port, timeout=60)
            stack.callback(connection.close)
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            headers.setdefault("Host", f"127.0.0.1:{preview.server.port}")
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            stack.callback(response.close)
            return response

        yield request


def test_the_page_is_served_below_its_token(ask: Ask, standing: Any) -> None:
    answer = ask(standing, f"/{standing.server.token}/")
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_localhost_is_one_of_its_names(ask: Ask, standing: Any) -> None:
    assert ask(standing, f"/{standing.server.token}/", Host=f"LOCALHOST:{standing.server.port}").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::]:{port}", ""]
)
def test_another_host_name_is_refused_even_with_the_token(ask: Ask, standing: Any, host: str) -> None:
    answer = ask(standing, f"/{standing.server.token}/", Host=host.format(port=standing.server.port))
    assert answer.status == 421


@pytest.mark.parametrize(
    "path", ["/", "/events", "/x/", "/{short}/", "/{token}x/", "//{token}/x", "/static/studio.js"]
)
def test_a_wrong_token_is_refused(ask: Ask, standing: Any, path: str) -> None:
    token = standing.server.token
    answer = ask(standing, path.format(token=token, short=token[:-1]))
    assert answer.status in {403, 404}
    assert b"Field Notes" not in answer.read()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_but_reading_is_allowed(ask: Ask, standing: Any, method: str) -> None:
    assert ask(standing, f"/{standing.server.token}/", method).status == 405


def test_each_preview_has_a_token_of_its_own(
    ask: Ask, start: Callable[[Path], Any], home: Path, tmp_path: Path
) -> None:
    first, second = start(home), start(tmp_path)
    assert first.server.token != second.server.token
    assert ask(second, f"/{first.server.token}/").status == 403


def test_no_answer_may_be_read_by_another_origin(ask: Ask, standing: Any) -> None:
    token = standing.server.token
    for path in ("/", "/static/studio.js", "/email/001-first", "/message/001-first", "/nothing"):
        answer = ask(standing, f"/{token}{path}")
        names = {name.lower() for name in answer.headers}
        assert not {name for name in names if name.startswith("access-control-")}
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_sites_event_stream_is_refused(ask: Ask, standing: Any, headers: dict[str, str]) -> None:
    path = f"/{standing.server.token}/events?issue=001-first"
    assert ask(standing, path, Accept="text/event-stream", **headers).status == 403


def test_its_own_event_stream_begins_with_the_index_and_the_picture(ask: Ask, standing: Any) -> None:
    answer = ask(
        standing,
        f"/{standing.server.token}/events?issue=001-first",
        Origin=f"http://127.0.0.1:{standing.server.port}",
        Sec_Fetch_Site="same-origin",
    )
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    names: list[str] = []
    while len(names) < 3:
        line = answer.readline()
        if line.startswith(b"event: "):
            names.append(line[7:].strip().decode())
    assert names == ["index", "picture", "message"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/static/..%5cserver.py",
        "/images/..%2f..%2fnewsletter.toml",
        "/images/shape.png",
        "/email/..%2f..%2fnewsletter",
        "/message/%2fetc%2fpasswd",
        "/email/nothing",
    ],
)
def test_no_path_leads_to_a_file_that_is_not_meant(ask: Ask, standing: Any, path: str) -> None:
    assert ask(standing, f"/{standing.server.token}{path}").status == 404


def test_the_email_may_not_run_anything_even_in_a_tab_of_its_own(ask: Ask, standing: Any) -> None:
    answer = ask(standing, f"/{standing.server.token}/email/001-first")
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-same-origin" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


def test_the_message_is_served_byte_for_byte_and_never_rendered(ask: Ask, standing: Any) -> None:
    answer = ask(standing, f"/{standing.server.token}/message/001-first")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="001-first.eml"'
    assert answer.read() == standing.studio.picture("001-first").message.raw
    answer = ask(standing, f"/{standing.server.token}/message/001-first?part=html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="001-first.html"'
    assert answer.read().decode() == standing.studio.picture("001-first").html


def test_a_picture_is_found_by_its_hashed_name_alone(ask: Ask, standing: Any) -> None:
    picture = standing.studio.picture("001-first")
    (image,) = picture.assets.values()
    answer = ask(standing, f"/{standing.server.token}/images/{image.filename}")
    assert answer.read() == image.data
    assert answer.headers["content-type"] == "image/png"


def test_it_ends_at_once_with_pages_open(ask: Ask, preview: Any) -> None:
    streams = [ask(preview, f"/{preview.server.token}/events?issue=001-first") for _ in range(3)]
    for stream in streams:
        assert stream.readline()
    # An open stream would keep it for as long as the page is open.
    preview.stop()
