"""What holds for every address: headers, methods, limits while reading, and a page instead of a traceback."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException
from starlette.requests import Request

from newsletter.web.body import parse_form
from newsletter.web.client import ProxyTrust
from tests.web.conftest import Running, make_home

PUBLIC = ["/healthz", "/u", "/u/{leave}", "/p", "/p/{prefer}", "/view/nothing", "/left/undo", "/nowhere", "/"]


def paths(site: Running) -> list[str]:
    reader = site.add("everywhere@example.com")
    signer = site.service.signer
    return [
        path.format(leave=signer.unsubscribe(reader), prefer=signer.preferences(reader)) for path in PUBLIC
    ]


def test_every_answer_is_private_and_without_anybody_elses_script(standing: Running) -> None:
    for path in paths(standing):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            answer = standing.client.request(method, path)
            assert answer.status_code < 500, (method, path)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
            assert answer.headers["x-robots-tag"] == "noindex"
            assert answer.headers["cache-control"] == "no-store"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "set-cookie" not in answer.headers
            assert "server" not in answer.headers


def test_head_is_get_without_the_body(standing: Running) -> None:
    for path in paths(standing):
        get, head = standing.client.get(path), standing.client.head(path)
        assert head.content == b""
        assert head.status_code == get.status_code
        same = ("content-type", "content-length", "cache-control", "content-security-policy")
        assert [head.headers.get(name) for name in same] == [get.headers.get(name) for name in same]


def test_a_wrong_method_says_which_are_right(standing: Running) -> None:
    reader = standing.add("methods@example.com")
    answer = standing.client.put(standing.leave_path(reader))
    assert answer.status_code == 405
    assert {part.strip() for part in answer.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}
    assert "That doesn’t work here" in answer.text
    assert standing.client.get("/left/undo").headers["allow"] == "POST"


def test_no_slash_is_added_by_a_redirect(standing: Running) -> None:
    reader = standing.add("slash@example.com")
    assert standing.client.get(standing.leave_path(reader) + "/").status_code == 404


def test_the_style_sheet_is_kept_for_a_year_under_a_name_of_its_content(standing: Running) -> None:
    page = standing.client.get("/u")
    found = re.search(r'href="(/static/pages\.[0-9a-f]{12}\.css)"', page.text)
    assert found is not None
    style = standing.client.get(found[1])
    assert style.status_code == 200
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in style.headers["cache-control"]
    assert len(style.content) < 10_000
    assert standing.client.get("/static/pages.css").status_code == 404


@pytest.mark.parametrize("framing", ["Content-Length: 20000", "Transfer-Encoding: chunked"])
def test_a_body_too_long_is_refused_before_it_ends(standing: Running, framing: str) -> None:
    reader = standing.add("long@example.com")
    host, port = standing.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"POST {standing.leave_path(reader)} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
        )
        if "chunked" in framing:
            for _ in range(5):
                connection.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert standing.status(reader) == "active"


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 400])
def test_a_length_that_is_none_is_refused(standing: Running, length: str) -> None:
    host, port = standing.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"POST /left/undo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        answer = connection.recv(65536)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\ny"),
        ("multipart/form-data; boundary=b", b""),
        ("application/x-www-form-urlencoded", b"leave=\xff\xfe"),
        ("application/x-www-form-urlencoded", b"leave=%ff%fe"),
        ("application/x-www-form-urlencoded", b"&".join([b"leave=yes"] * 100)),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--',
        ),
    ],
)
def test_a_body_that_is_no_form_is_refused(standing: Running, content_type: str, body: bytes) -> None:
    reader = standing.add("noform@example.com")
    answer = standing.client.post(
        standing.leave_path(reader), content=body, headers={"content-type": content_type}
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert standing.status(reader) == "active"


@given(
    st.binary(max_size=400),
    st.sampled_from(["multipart/form-data; boundary=b", "", 'multipart/x;boundary="']),
)
@settings(max_examples=200)
def test_any_body_is_a_form_or_refused(body: bytes, content_type: str) -> None:
    for content in (body, b"--b\r\n" + body + b"\r\n--b--"):
        try:
            assert isinstance(parse_form(content, content_type), ImmutableMultiDict)
        except HTTPException as error:
            assert error.status_code == 400  # noqa: PT017 - either is right


def test_a_file_in_a_form_is_left_out() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="x.exe"\r\n\r\nMZ\r\n'
        b'--b\r\nContent-Disposition: form-data; name="c"\r\nContent-Type: text/plain\r\n\r\nt\r\n\r\nu\r\n--b--\r\n'
    )
    assert parse_form(body, "multipart/form-data; boundary=b").multi_items() == [("c", "t\r\n\r\nu")]


def test_who_stops_in_the_middle_of_a_body_changes_nothing(standing: Running) -> None:
    reader = standing.add("halfway@example.com")
    host, port = standing.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST {standing.leave_path(reader)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nleave=yes".encode()
        )
    time.sleep(0.1)
    assert standing.client.get("/healthz").status_code == 200
    assert standing.status(reader) == "active"


def test_a_defect_of_ours_is_a_page_and_a_line_in_the_log_without_words(
    site: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = site.add()

    def broken(*_: object, **__: object) -> object:
        msg = "no such thing as reader@example.com"
        raise RuntimeError(msg)

    monkeypatch.setattr(site.service.pages, "page", broken)
    with caplog.at_level(logging.ERROR, "newsletter.web"):
        answer = site.client.get(site.leave_path(reader))
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Traceback" not in answer.text
    assert "RuntimeError" in caplog.text
    assert "/u/{token}" in caplog.text
    assert "reader@example.com" not in caplog.text + answer.text
    assert site.service.signer.unsubscribe(reader) not in caplog.text


def test_a_broken_template_of_the_users_is_named_at_the_start(
    start: Callable[..., Running], home: Path
) -> None:
    from newsletter.errors import UsageError

    (home / "templates" / "web").mkdir(parents=True)
    (home / "templates" / "web" / "leave.html").write_text("{% if %}", "utf-8")
    with pytest.raises(UsageError, match=r"leave\.html:1: not a valid template"):
        start(home)


def test_a_users_own_page_replaces_ours_file_by_file(start: Callable[..., Running], home: Path) -> None:
    (home / "templates" / "web").mkdir(parents=True)
    own = '{% extends "layout.html" %}{% block title %}Bye{% endblock %}{% block main %}Mine{% endblock %}'
    (home / "templates" / "web" / "leave.html").write_text(own, "utf-8")
    site = start(home)
    page = site.client.get(site.leave_path(site.add()))
    assert "Mine" in page.text
    assert "1 Example Street" in page.text


@pytest.mark.parametrize(("host", "shown"), [("notes.example", True), ("cdn.example", False)])
def test_a_logo_of_another_host_is_not_asked_of_it(
    host: str, shown: bool, start: Callable[..., Running], tmp_path: Path
) -> None:
    site = start(make_home(tmp_path / "n", f'[theme]\nlogo = "https://{host}/logo.png"\n'))
    page = site.client.get("/join")
    assert (f'src="https://{host}/logo.png"' in page.text) is shown
    assert "Field Notes" in page.text


def request_from(peer: str, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Request({"type": "http", "client": (peer, 1) if peer else None, "headers": headers})


@pytest.mark.parametrize(
    ("networks", "peer", "forwarded", "expected"),
    [
        ([], "198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        (["10.0.0.0/8"], "10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
        (["10.0.0.0/8"], "10.1.2.3", ["6.6.6.6, 203.0.113.9, 10.9.9.9"], "203.0.113.9"),
        (["10.0.0.0/8"], "10.1.2.3", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        (["10.0.0.0/8"], "10.1.2.3", ["6.6.6.6, <script>"], "10.1.2.3"),
        (["10.0.0.0/8"], "10.1.2.3", [""], "10.1.2.3"),
        (["10.0.0.0/8"], "198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        (["10.0.0.0/8"], "10.1.2.3", ["10.4.4.4"], "10.4.4.4"),
        (["::1"], "::1", ["2001:db8::7"], "2001:db8::7"),
        (["127.0.0.1"], "::ffff:127.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        (["127.0.0.1"], "", ["203.0.113.9"], ""),
        (["127.0.0.1"], "not an address", ["203.0.113.9"], ""),
    ],
)
def test_the_client_is_who_our_own_proxies_say(
    networks: list[str], peer: str, forwarded: list[str], expected: str
) -> None:
    assert ProxyTrust(networks).address(request_from(peer, *forwarded)) == expected


def test_a_network_that_is_none_is_refused_when_the_settings_are_read(tmp_path: Path) -> None:
    from newsletter.app import open_workspace
    from newsletter.errors import UsageError

    home = make_home(tmp_path / "wrong", '[web]\ntrusted_proxies = ["10.0.0.0/33"]\n')
    with pytest.raises(UsageError, match=r"10\.0\.0\.0/33"):
        open_workspace(home)
