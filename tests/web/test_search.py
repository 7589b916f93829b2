"""Searching the archive in the public service: without scripts, without drafts, and not at the price of the other pages."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from newsletter.site.index import SearchIndex
from newsletter.site.index_update import Updated
from newsletter.site.passage import ArchiveFiles
from newsletter.web import search as search_module
from tests.waiting import wait_for
from tests.web.conftest import ROOT, SECRET, Running, make_home
from tests.web.test_view import ISSUE, newsletter


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Four guides, an issue that was sent and one that wasn't; served with nothing indexed yet."""
    home = make_home(tmp_path_factory.mktemp("search") / "notes")
    shutil.copytree(ROOT / "issues" / "guides", home / "issues" / "guides")
    text = ISSUE.replace('![Boxes and arrows](shape.png "A shape")', "Boxes `<b>&` arrows.")
    (home / "issues" / "001-first-light.md").write_text(text, "utf-8")
    (home / "issues" / "002-secret.md").write_text(
        text.replace("number: 1", "number: 2").replace("Words.", "Unannounced."), "utf-8"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
        running = Running(home)
        running.add("grace@example.com")
        newsletter(home, "send", "1", "--yes", "--expect-count", "1")
        yield running
        running.stop()


def links(page: str) -> list[str]:
    return re.findall(r'<h2 dir="auto"><a href="([^"]+)"', page)


def test_the_first_search_makes_the_index_and_finds_sections_by_their_address(archive: Running) -> None:
    answer = archive.client.get("/search", params={"q": "prompt caching"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert links(answer.text)[0] == (
        "https://notes.example/guides/long-context-vs-rag/#doesn-t-prompt-caching-solve-the-cost"
    )
    assert "<mark>" in answer.text
    assert "<script" not in answer.text
    head = archive.client.head("/search", params={"q": "prompt caching"})
    assert (head.content, head.headers["content-length"]) == (b"", answer.headers["content-length"])


def test_what_was_sent_is_found_and_drafts_are_not(archive: Running) -> None:
    found = archive.client.get("/search", params={"q": "boxes arrows"})
    assert links(found.text) == ["https://notes.example/first-light/#architecture"]
    assert "<mark>Boxes</mark> &lt;b&gt;&amp; <mark>arrows</mark>." in found.text
    nothing = archive.client.get("/search", params={"q": "unannounced"})
    assert links(nothing.text) == []
    assert "Nothing in the archive has these words" in nothing.text


@pytest.mark.parametrize(
    "query",
    [
        "q=",
        "",
        "q=!!!",
        "q=%00",
        "q=%FF%FE",
        "q=" + "a" * 9000,
        "q=%22",
        "q=a&page=0",
        "q=a&page=-1",
        "q=a&page=99999999999",
        "q=a&page=%C2%B2",
        "q=AND+OR+(&q=2",
        "q=<script>alert(1)</script>",
    ],
)
def test_no_query_is_an_error_or_comes_back_as_markup(archive: Running, query: str) -> None:
    answer = archive.client.get(f"/search?{query}")
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert len(answer.content) < 20_000


def test_pages_of_results_follow_one_another_and_end(archive: Running) -> None:
    seen: list[str] = []
    address = "/search?q=retrieval"
    while address:
        page = archive.client.get(address).text
        seen += links(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    total = re.search(r"(\d+) sections found", archive.client.get("/search?q=retrieval").text)
    assert total is not None
    assert len(seen) == len(set(seen)) == int(total[1]) > 10
    beyond = archive.client.get("/search?q=retrieval&page=20").text
    assert "There are no more results" in beyond


def test_a_typing_error_leads_to_the_right_word(archive: Running) -> None:
    page = archive.client.get("/search", params={"q": "retreival"}).text
    assert 'Did you mean <a href="/search?q=retrieval"' in page


def test_a_flood_of_searches_is_turned_away_and_the_links_in_mails_still_answer(
    archive: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_MOST_WAITING", 4)
    monkeypatch.setattr(search_module, "_KEPT", 0)
    began, statuses, slowest = threading.Event(), list[int](), list[float]()

    def ask(number: int) -> None:
        with httpx.Client(base_url=archive.url, timeout=90) as client:
            began.wait()
            for at in range(12):
                answer = client.get("/search", params={"q": f"the of and to a {number} {at}"})
                statuses.append(answer.status_code)
                if answer.status_code == 503:
                    assert answer.headers["retry-after"]
                    assert answer.headers["cache-control"] == "no-store"

    flood = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in flood:
        thread.start()
    began.set()
    while any(thread.is_alive() for thread in flood):
        at = time.perf_counter()
        assert archive.client.get("/u").status_code == 200
        slowest.append(time.perf_counter() - at)
    assert set(statuses) == {200, 503}
    assert max(slowest) < 30


def test_a_damaged_index_is_made_anew_while_the_service_runs(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    home = make_home(tmp_path / "notes", '[web]\nsite = "built"\n')
    shutil.copytree(ROOT / "issues" / "guides", home / "issues" / "guides")
    (home / "built").mkdir()
    site = start(home)
    assert links(site.client.get("/search?q=lora").text)[0].startswith("/guides/rag-vs-fine-tuning/#")
    path = home / ".newsletter" / "search.db"
    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink(missing_ok=True)
    path.unlink()
    path.write_bytes(b"not a database" * 1000)
    deadline = time.monotonic() + 90
    # The connection that is held knows nothing of it until the file's number changes.
    while not links((answer := site.client.get(f"/search?q=lora+{time.monotonic_ns()}")).text):
        assert answer.status_code in {200, 503}
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_index_that_cannot_be_written_is_not_made_for_every_search(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "notes")
    shutil.copytree(ROOT / "issues" / "guides", home / "issues" / "guides")
    # Nothing can be written where it should be.
    (home / ".newsletter" / "search.db").mkdir(parents=True)
    made: list[SearchIndex] = []
    update = SearchIndex.update

    def counted(index: SearchIndex, files: ArchiveFiles) -> Updated:
        made.append(index)
        return update(index, files)

    monkeypatch.setattr(SearchIndex, "update", counted)
    monkeypatch.setattr(search_module, "_HURRY_SECONDS", 60)
    site = start(home)
    answers = [site.client.get(f"/search?q=lora+{number}").status_code for number in range(6)]
    assert answers == [503] * 6
    assert len(made) <= 2


@pytest.mark.browser
def test_the_page_is_for_everybody(browser: Browser, archive: Running) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(base_url=archive.url, java_script_enabled=True)
    page = context.new_page()
    page.goto("/search")
    expect(page.locator("main [name=q]")).to_be_focused()
    page.keyboard.type("fine tuning")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=fine+tuning")
    expect(page.locator(".cards li")).to_have_count(10)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        results: Any = Axe().run(page)
        assert results.response["violations"] == [], results.generate_report()
    for width in (320, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_what_is_published_while_the_service_runs_is_found(
    archive: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(search_module, "_KEPT_SECONDS", 0.0)
    assert links(archive.client.get("/search?q=quokkas").text) == []
    guides = archive.home / "issues" / "guides"
    text = (guides / "long-context-vs-rag.md").read_text("utf-8")
    (guides / "long-context-vs-rag.md").write_text(
        text.replace("Prefix", "Quokkas", 1).replace("three PDFs", "three quokkas"), "utf-8"
    )
    wait_for(lambda: links(archive.client.get("/search?q=quokkas").text))


def test_a_draft_at_the_address_of_a_sent_issue_is_not_found(
    archive: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert links(archive.client.get("/search?q=boxes+arrows").text)
    text = (archive.home / "issues" / "001-first-light.md").read_text("utf-8")
    path = archive.home / "issues" / "003-next.md"
    text = text.replace("number: 1", "number: 3\nslug: first-light", 1).replace("Words.", "Zebrafish.")
    path.write_text(text, "utf-8")
    update, updated = SearchIndex.update, threading.Event()

    def seen(index: SearchIndex, files: ArchiveFiles) -> Updated:
        result = update(index, files)
        # One that began before the file was there says nothing.
        if any(issue == path for issue, _ in files.issues):
            updated.set()
        return result

    monkeypatch.setattr(SearchIndex, "update", seen)
    monkeypatch.setattr(search_module, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(search_module, "_KEPT_SECONDS", 0.0)
    try:
        wait_for(lambda: archive.client.get("/search?q=zebrafish").text and updated.is_set())
        assert links(archive.client.get("/search?q=zebrafish").text) == []
        found = archive.client.get("/search?q=boxes+arrows").text
        assert links(found) == ["https://notes.example/first-light/#architecture"]
    finally:
        path.unlink()


def build_site(home: Path) -> None:
    """The site of issue 1 and the guides, which here have no other issues to lead to."""
    for guide in (home / "issues" / "guides").glob("*.md"):
        text = re.sub(r"\]\(\.\./[^)]+\)", "](https://example.com/)", guide.read_text("utf-8"))
        guide.write_text(re.sub(r"(?m)^related:.*\n", "", text), "utf-8")
    newsletter(home, "site", "build")


@pytest.mark.browser
def test_where_a_site_was_built_the_page_is_one_of_it(browser: Browser, archive: Running) -> None:
    from axe_playwright_python.sync_playwright import Axe

    build_site(archive.home)
    context = browser.new_context(base_url=archive.url, color_scheme="dark")
    page = context.new_page()
    refused: list[str] = []
    page.on("requestfailed", lambda request: refused.append(request.url))
    page.goto("/search?q=fine+tuning")
    navigation = page.get_by_role("navigation", name="Site").get_by_role("link")
    assert navigation.all_inner_texts() == ["Archive", "Guides", "Topics", "Questions"]
    assert page.locator("form[action='https://notes.example/join']").count() == 1
    assert page.locator("footer").get_by_text("JSON Feed").count() == 1
    assert page.locator("form[role=search]").count() == 1
    assert page.locator(".cards li").count() == 10
    shown = {}
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        shown[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        results: Any = Axe().run(page)
        assert results.response["violations"] == [], results.generate_report()
    assert shown["dark"] != shown["light"]
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert refused == []
    context.close()


def test_a_mistake_in_the_sites_templates_leaves_the_search(archive: Running, monkeypatch: Any) -> None:
    from newsletter.web.site_frame import SiteFrame

    build_site(archive.home)
    own = archive.home / "templates" / "site"
    own.mkdir(parents=True)
    (own / "found.html.j2").write_text("{% broken", "utf-8")
    try:
        frame = SiteFrame(archive.service)
        monkeypatch.setattr(
            archive.service.workspace, "template_dirs", (own.parent, *archive.service.workspace.template_dirs)
        )
        assert frame.page("/search/", "Search", "<h1>Search</h1>", {}) is None
    finally:
        shutil.rmtree(own.parent)
