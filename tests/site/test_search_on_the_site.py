"""Searching from the site's own pages: a box that asks the service, or an index that travels with the site."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser

from newsletter.errors import UsageError
from newsletter.site import pagefind
from tests.conftest import missing
from tests.site.conftest import PUBLICATION, ROOT, Newsletter, issue, tree

BUNDLE = "assets/pagefind/"


def with_search(newsletter: Newsletter, search: Literal["", "service", "pagefind"]) -> Newsletter:
    newsletter.options = replace(newsletter.options, search=search)
    return newsletter


@pytest.fixture
def indexed(newsletter: Newsletter) -> Newsletter:
    """A site with an index of its own."""
    try:
        pagefind.pagefind_version()
    except UsageError:
        missing("pagefind")
    return with_search(newsletter, "pagefind")


def bundle(newsletter: Newsletter) -> dict[str, tuple[int, bytes]]:
    """The files of the index, each with its time of change."""
    return {
        path: ((newsletter.out / path).stat().st_mtime_ns, data)
        for path, data in tree(newsletter.out).items()
        if path.startswith(BUNDLE)
    }


def test_without_search_no_page_has_a_box_or_a_script(newsletter: Newsletter) -> None:
    newsletter.build()
    for path, data in tree(newsletter.out).items():
        if path.endswith(".html"):
            assert b'role="search"' not in data
            assert not re.search(rb"<script(?! type=\"application/ld)", data), path


def test_the_box_asks_the_service_with_a_plain_form(newsletter: Newsletter) -> None:
    with_search(newsletter, "service").build()
    for address in ("/", "/archive/", "/first/"):
        page = newsletter.page(address)
        assert page.count('role="search" method="get" action="https://notes.example.com/search"') == 1
        assert not re.search(r"<script(?! type=\"application/ld)", page)
    assert not (newsletter.out / "search").exists()


def test_an_index_travels_with_the_site_and_only_its_page_has_a_script(indexed: Newsletter) -> None:
    assert indexed.build().replaced
    scripts = {
        path
        for path, data in tree(indexed.out).items()
        if path.endswith(".html") and re.search(rb"<script(?! type=\"application/ld)", data)
    }
    assert scripts == {"search/index.html"}
    assert b'action="/search/"' in tree(indexed.out)["archive/index.html"]
    names = {path.removeprefix(BUNDLE) for path in bundle(indexed)}
    assert {"pagefind.js", "pagefind-worker.js", "pagefind-entry.json"} <= names
    assert sum(name.startswith("fragment/") for name in names) == 3, "one for each issue, none for lists"
    assert not any("ui" in name for name in names)
    assert "/search/" not in tree(indexed.out)["sitemap.xml"].decode()


def test_the_index_is_made_again_only_where_a_page_changed_and_always_comes_out_the_same(
    indexed: Newsletter,
) -> None:
    indexed.build()
    before = bundle(indexed)
    indexed.write("004-unsent.md", issue(4, "Another secret draft"), sent=False)
    indexed.build()
    assert bundle(indexed) == before
    indexed.write("001-first.md", issue(1, "The first", body="Edited."))
    indexed.build()
    after = bundle(indexed)
    assert {path for path in before if path.endswith(".pf_meta")} != {
        path for path in after if path.endswith(".pf_meta")
    }
    assert tree(indexed.out) == indexed.fresh()
    # A file of the index that somebody deleted comes back.
    (indexed.out / BUNDLE / "pagefind.js").unlink()
    indexed.build()
    assert {path: data for path, (_, data) in bundle(indexed).items()} == {
        path: data for path, (_, data) in after.items()
    }
    with_search(indexed, "").build()
    assert bundle(indexed) == {}


def test_an_archive_without_issues_has_a_search_page_all_the_same(indexed: Newsletter) -> None:
    indexed.sent.clear()
    for path in (indexed.home / "issues").glob("*.md"):
        path.unlink()
    assert indexed.build().replaced
    assert "search/index.html" in tree(indexed.out)
    assert bundle(indexed) == {}


def test_a_missing_pagefind_is_said_and_the_old_site_stays(
    indexed: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_search(indexed, "").build()
    before = tree(indexed.out)

    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    with pytest.raises(UsageError, match="needs Pagefind") as refused:
        with_search(indexed, "pagefind").build()
    assert "newsletter-toolkit[site]" in (refused.value.hint or "")
    assert tree(indexed.out) == before


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def hosted(indexed: Newsletter) -> Iterator[str]:
    """The shipped guides on a static host, below a folder of it."""
    shutil.copytree(ROOT / "issues" / "guides", indexed.home / "issues" / "guides", dirs_exist_ok=True)
    indexed.sent |= {"rag-or-fine-tuning", "hybrid-retrieval", "evals-in-ci"}
    shutil.copytree(ROOT / "issues" / "images", indexed.home / "issues" / "images")
    for path in (indexed.home / "issues").glob("*.md"):
        path.unlink()
    for path in (ROOT / "issues").glob("0*.md"):
        shutil.copy(path, indexed.home / "issues")
    indexed.sent -= {"first", "second", "third"}
    indexed.publication = replace(PUBLICATION, base_url="https://notes.example.com/notes")
    indexed.out = indexed.home / "host" / "notes"
    built = indexed.build()
    assert built.replaced, built.findings
    handler = partial(_Quiet, directory=str(indexed.home / "host"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/notes"
        server.shutdown()
        thread.join()


@pytest.mark.browser
def test_a_reader_searches_a_static_host(browser: Browser, hosted: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": 320, "height": 800})
    page = context.new_page()
    page.goto(f"{hosted}/archive/")
    page.get_by_role("searchbox").fill("prompt caching")
    page.keyboard.press("Enter")
    page.wait_for_url("**/notes/search/?q=prompt+caching")
    first = page.locator("#search-results li").first
    first.wait_for()
    link = first.get_by_role("link").get_attribute("href") or ""
    assert link.startswith("/notes/guides/long-context-vs-rag/#"), link
    assert first.locator("mark").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    results: Any = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    page.goto(hosted + link.removeprefix("/notes"))
    anchor = link.partition("#")[2]
    assert page.evaluate("id => document.getElementById(id) !== null", anchor)
    page.goto(f"{hosted}/search/?q=<img src=x onerror=alert(1)> zzzzqqqq")
    page.get_by_text(re.compile(r"^\d+ pages? found\.$")).wait_for()
    assert page.locator("main img").count() == 0
    page.goto(f"{hosted}/search/?q=<b>zzzzqqqq</b>")
    page.get_by_role("status").get_by_text("Nothing in the archive has “<b>zzzzqqqq</b>”.").wait_for()
    assert page.get_by_role("main").get_by_role("link", name="archive").is_visible()
    assert not page.get_by_role("button", name="More results").is_visible()
    context.close()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{hosted}/search/?q=caching")
    assert page.get_by_text("This search needs JavaScript").is_visible()
    context.close()
