"""One process can be the whole public face: the built site is served as a good static server would, and nothing beside it."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from starlette.routing import Route

from newsletter.errors import UsageError
from newsletter.web.app import make_app
from tests.conftest import ROOT
from tests.web.conftest import SECRET, Running, make_home

INDEX = b"<!doctype html><title>Field Notes</title>"
STYLE = b"body { color: black }" * 200


def build(folder: Path) -> Path:
    """A newsletter with a site, and a secret beside it."""
    home = make_home(folder / "n", '[web]\nsite = "public"\n')
    public = home / "public"
    (public / "one").mkdir(parents=True)
    (public / "empty").mkdir()
    (public / ".well-known").mkdir()
    (public / "index.html").write_bytes(INDEX)
    (public / "one" / "index.html").write_text("<title>Issue one</title>")
    (public / "404.html").write_text("<title>Nothing of ours</title>")
    (public / "style.0123abcd.css").write_bytes(STYLE)
    (public / "style.0123abcd.css.gz").write_bytes(gzip.compress(STYLE))
    (public / "style.0123abcd.css.br").write_bytes(b"pretend brotli")
    (public / "feed.xml").write_text("<feed/>")
    (public / "card.png").write_bytes(b"png")
    (public / ".htpasswd").write_text("secret")
    (public / ".well-known" / "security.txt").write_text("Contact:")
    (home / "private.txt").write_text("secret")
    (public / "out.txt").symlink_to(home / "private.txt")
    (public / "up").symlink_to(home)
    (public / "alias.html").symlink_to("index.html")
    return home


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A site of a test's own, to be changed."""
    return build(tmp_path)


@pytest.fixture
def shown(start: Callable[..., Running], built: Path) -> Running:
    """The service that shows it."""
    return start(built)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A site for all tests that only look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
        running = Running(build(tmp_path_factory.mktemp("fixed")))
        yield running
        running.stop()


def test_pages_feeds_and_pictures_are_served_as_what_they_are(fixed: Running) -> None:
    for path, kind, cache in (
        ("/", "text/html; charset=utf-8", "public, max-age=60"),
        ("/one/", "text/html; charset=utf-8", "public, max-age=60"),
        ("/alias.html", "text/html; charset=utf-8", "public, max-age=60"),
        ("/feed.xml", "application/xml; charset=utf-8", "public, max-age=60"),
        ("/card.png", "image/png", "public, max-age=3600"),
        ("/.well-known/security.txt", "text/plain; charset=utf-8", "public, max-age=60"),
        ("/style.0123abcd.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
    ):
        answer = fixed.client.get(path, headers={"accept-encoding": "identity"})
        assert answer.status_code == 200, path
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, cache)
        assert answer.headers["x-robots-tag"] == "all"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert fixed.client.get("/").content == INDEX


def test_head_says_what_get_would(fixed: Running) -> None:
    get, head = fixed.client.get("/card.png"), fixed.client.head("/card.png")
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified", "cache-control"):
        assert head.headers[name] == get.headers[name]


def test_what_the_client_has_is_not_sent_again(shown: Running, built: Path) -> None:
    first = shown.client.get("/feed.xml")
    tag, changed = first.headers["etag"], first.headers["last-modified"]
    for headers, status in (
        ({"if-none-match": tag}, 304),
        ({"if-none-match": f'"other", W/{tag}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"', "if-modified-since": changed}, 200),
        ({"if-modified-since": changed}, 304),
        ({"if-modified-since": "Tue, 06 Jan 1970 00:00:00 GMT"}, 200),
        ({"if-modified-since": "nonsense"}, 200),
    ):
        answer = shown.client.get("/feed.xml", headers=headers)
        assert answer.status_code == status, headers
        assert answer.headers["etag"] == tag
        if status == 304:
            assert answer.content == b""
            assert "content-length" not in answer.headers or answer.headers["content-length"] == "0"
    feed = built / "public" / "feed.xml"
    feed.write_text("<feed/>")
    os.utime(feed, (2_000_000_000, 2_000_000_000))
    again = shown.client.get("/feed.xml", headers={"if-none-match": tag})
    assert again.status_code == 304, "built anew, and came out the same"
    feed.write_text("<fees/>")
    assert shown.client.get("/feed.xml", headers={"if-none-match": tag}).text == "<fees/>"


def test_what_was_compressed_beforehand_is_sent_to_who_understands_it(shown: Running, built: Path) -> None:
    def get(accepted: str) -> tuple[str, bytes, str]:
        with shown.client.stream(
            "GET", "/style.0123abcd.css", headers={"accept-encoding": accepted}
        ) as answer:
            raw = b"".join(answer.iter_raw())
            assert answer.headers["content-length"] == str(len(raw))
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers["content-type"] == "text/css; charset=utf-8"
            return answer.headers.get("content-encoding", ""), raw, answer.headers["etag"]

    packed, plain = get("gzip, deflate"), get("")
    assert (packed[0], gzip.decompress(packed[1])) == ("gzip", STYLE)
    assert plain[:2] == ("", STYLE)
    assert packed[2] != plain[2], "two forms, two tags"
    assert get("gzip;q=0.5, br")[:2] == ("br", b"pretend brotli")
    assert get("br;q=0, gzip")[0] == "gzip"
    os.utime(built / "public" / "style.0123abcd.css", (2_000_000_000, 2_000_000_000))
    answer = shown.client.get("/style.0123abcd.css", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers, (
        "a packed file older than its source is of another content"
    )
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/out.txt",
        "/up/private.txt",
        "/up/",
        "/.htpasswd",
        "/../private.txt",
        "/one/../../private.txt",
        "/%2e%2e/private.txt",
        "/..%2fprivate.txt",
        "/..%5cprivate.txt",
        "/one/%2e%2e/%2e%2e/private.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/index.html/",
        "/index.html%00.png",
        "/empty",
        "/empty/",
        "/" + "x" * 300,
        "/" + "x/" * 3000,
        "/card.png::$DATA",
        "/%ff%fe",
    ],
)
def test_nothing_outside_the_site_is_ever_sent(fixed: Running, path: str) -> None:
    # Sent by hand: a client tidies such paths up.
    host, port = fixed.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.split(b" ", 2)[1] in {b"404", b"400"}, answer[:200]
    assert b"secret" not in answer
    assert b"root:" not in answer


def test_a_folder_without_its_slash_leads_there(fixed: Running) -> None:
    answer = fixed.client.get("/one")
    assert (answer.status_code, answer.headers["location"]) == (308, "/one/")


def test_the_sites_own_404_is_fixed_and_not_indexed(fixed: Running) -> None:
    answer = fixed.client.get("/nothing-here")
    assert answer.status_code == 404
    assert "Nothing of ours" in answer.text
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["cache-control"] == "no-cache"


def test_the_services_own_pages_come_first(shown: Running, built: Path) -> None:
    (built / "public" / "join").mkdir()
    (built / "public" / "join" / "index.html").write_text("the site's")
    (built / "public" / "healthz").write_text("the site's")
    assert "the site's" not in shown.client.get("/join").text
    assert shown.client.get("/healthz").text == "ok\n"
    assert shown.client.post("/card.png").status_code == 405
    reader = shown.add()
    assert (
        shown.client.post(shown.leave_path(reader), data={"List-Unsubscribe": "One-Click"}).status_code == 200
    )


def test_a_site_without_a_404_page_has_the_services(shown: Running, built: Path) -> None:
    (built / "public" / "404.html").unlink()
    answer = shown.client.get("/nothing-here")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_without_a_site_there_is_none(site: Running) -> None:
    assert site.client.get("/index.html").status_code == 404


def test_a_folder_that_isnt_there_is_said_at_the_start(start: Callable[..., Running], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder") as caught:
        start(make_home(tmp_path / "n", '[web]\nsite = "public"\n'))
    assert "newsletter site build --out public" in caught.value.hint


def test_a_large_file_arrives_whole(shown: Running, built: Path) -> None:
    content = os.urandom(3_000_000)
    (built / "public" / "large.bin").write_bytes(content)
    answer = shown.client.get("/large.bin")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"


def test_what_a_build_replaces_meanwhile_arrives_whole_and_under_its_own_tag(
    shown: Running, built: Path
) -> None:
    page = built / "public" / "index.html"
    known = {
        hashlib.blake2b(text, digest_size=12).hexdigest(): text for text in (b"old" * 9, b"a new one" * 99)
    }
    ended = threading.Event()

    def replacing() -> None:
        while not ended.is_set():
            for text in known.values():
                aside = page.with_suffix(".aside")
                aside.write_bytes(text)
                aside.replace(page)

    page.write_bytes(b"old" * 9)
    builder = threading.Thread(target=replacing)
    builder.start()
    try:
        for _ in range(150):
            answer = shown.client.get("/")
            assert answer.content == known[answer.headers["etag"].strip('"')]
    finally:
        ended.set()
        builder.join()


@pytest.mark.parametrize("folder", [".", "..", "site/.."])
def test_the_newsletters_own_folder_is_never_served(
    start: Callable[..., Running], tmp_path: Path, folder: str
) -> None:
    home = make_home(tmp_path / "n", f'[web]\nsite = "{folder}"\n')
    (home / "site").mkdir()
    with pytest.raises(UsageError, match="holds the newsletter itself"):
        start(home)


def test_the_readme_names_every_address_that_a_static_host_passes_on(fixed: Running) -> None:
    matcher = re.search("@service path (.+)", (ROOT / "README.md").read_text("utf-8"))
    assert matcher
    passed = matcher[1].split()
    # What the host has itself: the site, and what only this machine asks.
    own = {
        "/",
        "/favicon.ico",
        "/healthz",
        "/readyz",
        "/metrics",
        "/assets/{name}",
        "/{issue}/",
        "/{page:path}",
    }
    routes = [route.path for route in make_app(fixed.service).routes if isinstance(route, Route)]
    assert own < set(routes)
    forgotten = [path for path in routes if path not in own and not any(fnmatch(path, one) for one in passed)]
    assert forgotten == []
