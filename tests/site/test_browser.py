"""The site in a real browser: axe in both schemes, the keyboard, targets, small screens, paper, and the form, all without JavaScript."""

from __future__ import annotations

import functools
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from newsletter.store import subscribers as people
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.site_preview import site_app
from tests.fakes.smtp import FakeSmtp
from tests.site.conftest import Newsletter, issue, tree
from tests.web.conftest import SECRET, Running
from tests.web.joining import mails, smtp_home, wait_for

pytestmark = pytest.mark.browser

PAGES = {
    "landing": "/",
    "archive": "/archive/",
    "year": "/archive/2026/",
    "topics": "/tags/",
    "topic": "/tags/rag/",
    "guides": "/guides/",
    "guide": "/guides/rag-vs-fine-tuning/",
    "guide of three": "/guides/bm25-vs-vector-vs-hybrid-search/",
    "issue": "/rag-or-fine-tuning/",
    "questions": "/questions/",
    "missing": "/404.html",
}
# WCAG 2.2, success criterion 2.5.8: 24 by 24 px, but for links in a sentence, whose size its line decides.
SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, input, [tabindex="0"]')].filter(e => {
    const box = e.getBoundingClientRect(), around = e.parentElement;
    const inSentence = e.localName === 'a' && /^(P|LI|TD|TH|DD|FIGCAPTION|EM|STRONG)$/.test(around.tagName)
        && around.textContent.trim().length > e.textContent.trim().length + 1;
    return !inSentence && !e.closest('.elsewhere') && !e.matches('[type=hidden]')
        && (Math.round(box.height) < 24 || Math.round(box.width) < 24);
}).map(e => e.outerHTML.slice(0, 120))"""
# WCAG 2.2, success criterion 1.4.12: what readers may set, and what must not be lost then.
SPACED = """() => document.head.insertAdjacentHTML('beforeend', `<style>
    * { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
    p { margin-bottom: 2em !important }</style>`)"""
CUT_OFF = """() => [...document.querySelectorAll('body *')].filter(e => {
    const style = getComputedStyle(e);
    return (style.overflowX === 'hidden' && e.scrollWidth > e.clientWidth + 1
        || style.overflowY === 'hidden' && e.scrollHeight > e.clientHeight + 1) && !e.closest('.elsewhere');
}).map(e => e.outerHTML.slice(0, 120))"""
# In the order of the text: what the keyboard should meet.
REACHABLE = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), [tabindex]')]
    .filter(e => e.tabIndex >= 0).map(e => e.outerHTML.slice(0, 160))"""
FOCUSED = """() => {
    const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
    return [e.outerHTML.slice(0, 160), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
        && box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight];
}"""

GUIDE = """---
type: guide
title: Queue or cron
description: When to take which.
options: [Queue, Cron]
updated: 2026-01-06
review_by: 2030-01-06
---
The answer.

## Comparison
| Aspect | Queue | Cron |
|---|---|---|
| Starts | At an event | At a time |

## When to choose which
### Choose Queue
When somebody waits.

### Choose Cron
When the hour matters.

## Frequently asked questions
### Is cron simpler?
At first.
"""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A host of static files, and nothing else: its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


@pytest.fixture(scope="module")
def shown(samples: Newsletter) -> Iterator[str]:
    with serving(samples.out) as address:
        yield address


@pytest.fixture(scope="module")
def plain(browser: Browser) -> Iterator[Page]:
    """A page of a browser that runs no scripts, as small as phones are."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 700})
    yield context.new_page()
    context.close()


def test_axe_finds_nothing_in_either_scheme(browser: Browser, shown: str) -> None:
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    # The schemes differ in colours alone.
    of_colours = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
    for kind, address in PAGES.items():
        page.emulate_media(color_scheme="light")
        page.goto(shown + address)
        found = Axe().run(page).response["violations"]
        page.emulate_media(color_scheme="dark")
        in_the_dark = Axe().run(page, options=of_colours).response
        assert in_the_dark["passes"], "nothing was looked at"
        found += in_the_dark["violations"]
        assert [(kind, one["id"], one["nodes"][0]["html"]) for one in found] == []
    context.close()


def test_small_screens_scroll_no_page_sideways_and_every_target_is_large_enough(
    plain: Page, shown: str
) -> None:
    for address in PAGES.values():
        plain.goto(shown + address)
        assert plain.evaluate("document.documentElement.scrollWidth") <= 320, address
        assert plain.evaluate(SMALL_TARGETS) == [], address
        plain.evaluate(SPACED)
        assert plain.evaluate("document.documentElement.scrollWidth") <= 320, address
        assert plain.evaluate(CUT_OFF) == [], address


def test_a_target_that_is_too_small_is_found(plain: Page, shown: str) -> None:
    plain.goto(shown + "/")
    plain.evaluate(
        "document.head.insertAdjacentHTML('beforeend', '<style>.masthead li a{padding:0;line-height:1}</style>')"
    )
    assert len(plain.evaluate(SMALL_TARGETS)) == 4


@pytest.mark.parametrize("kind", ["landing", "guide", "issue", "questions"])
def test_the_keyboard_meets_everything_in_order_and_shows_where_it_is(
    plain: Page, shown: str, kind: str
) -> None:
    plain.goto(shown + PAGES[kind])
    expected = plain.evaluate(REACHABLE)
    assert 'class="skip"' in expected[0]
    met = []
    for _ in expected:
        plain.keyboard.press("Tab")
        html, visible = plain.evaluate(FOCUSED)
        assert visible, html
        met.append(html)
    assert met == expected


def test_the_skip_link_leads_past_the_head_of_the_page(plain: Page, shown: str) -> None:
    plain.goto(shown + PAGES["issue"])
    plain.keyboard.press("Tab")
    box = plain.locator("a.skip").bounding_box()
    assert box is not None
    assert box["y"] >= 0
    plain.keyboard.press("Enter")
    # The key is answered before the browser has gone there.
    expect(plain).to_have_url(re.compile("#main$"))
    plain.keyboard.press("Tab")
    expect(plain.locator("main :focus")).to_have_count(1)


def test_a_wide_table_is_scrolled_by_the_keyboard_and_keeps_its_row_headers(plain: Page, shown: str) -> None:
    plain.goto(shown + PAGES["guide of three"])
    region = plain.locator(".scroll")
    head = plain.locator("tbody th").first
    before = head.bounding_box()
    region.focus()
    for _ in range(4):
        plain.keyboard.press("ArrowRight")
    wait_for(lambda: region.evaluate("e => e.scrollLeft") > 60)
    assert before is not None
    after = head.bounding_box()
    assert after is not None
    assert after["x"] == before["x"]


def test_paper_shows_the_text_alone_and_dark_on_white(plain: Page, shown: str) -> None:
    plain.emulate_media(media="print", color_scheme="dark")
    try:
        plain.goto(shown + PAGES["issue"])
        for hidden in ("nav", ".skip", "form", "footer .inline"):
            assert all(not one.is_visible() for one in plain.locator(hidden).all()), hidden
        assert plain.locator("h1").is_visible()
        colours = plain.evaluate(
            "() => [...document.querySelectorAll('body, main p, pre span')].map(e => getComputedStyle(e).color)"
        )
        assert all(sum(map(int, colour[4:-1].split(", ")[:3])) < 400 for colour in colours)
        paper = plain.pdf(format="A4")
        assert paper.startswith(b"%PDF-")
        assert 20_000 < len(paper) < 2_000_000
    finally:
        plain.emulate_media(media="screen", color_scheme="light")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_the_form_on_a_static_host_asks_the_service(
    newsletter: Newsletter,
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    javascript: bool,
) -> None:
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)
    with FakeSmtp() as inbox:
        service = Running(smtp_home(tmp_path / "club", inbox))
        try:
            newsletter.publication = replace(newsletter.publication, base_url=service.url)
            assert newsletter.build().replaced
            context = browser.new_context(java_script_enabled=javascript)
            with serving(newsletter.out) as host:
                page = context.new_page()
                page.goto(f"{host}/first/")
                page.get_by_label("Your email address").fill("Ada@example.com")
                page.get_by_role("button", name="Subscribe").click()
                expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
                assert page.url.startswith(service.url)
            context.close()
            [asked] = wait_for(lambda: mails(inbox))
            assert asked["To"] == "Ada@example.com"
            with SqliteDatabase(service.workspace.database_path) as database:
                found = people.find(database, match_key="ada@example.com")
            assert found is not None
            assert found.status.value == "pending"
        finally:
            service.stop()


def test_an_open_page_is_shown_anew_after_every_build(browser: Browser, newsletter: Newsletter) -> None:
    assert newsletter.build().replaced
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = site_app(newsletter.out, newsletter.publication.base_url)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        context = browser.new_context()
        try:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/first/")
            heading = page.locator("h1")
            expect(heading).to_have_text("The first", timeout=60_000)
            # The folders take turns: after the second build the first one is shown again.
            for title in ("Another", "A third"):
                newsletter.write("001-first.md", issue(1, title))
                assert newsletter.build().replaced
                expect(heading).to_have_text(title, timeout=60_000)
        finally:
            context.close()
            server.should_exit = True
            thread.join(60)
    assert not any(b"follow.js" in data for data in tree(newsletter.out).values())


def test_words_of_any_length_and_direction_stay_in_their_column(
    browser: Browser, newsletter: Newsletter
) -> None:
    word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    text = f"{word} `{word}` https://example.com/{word}\n\nمتى تختار RAG؟"
    newsletter.write("005-fifth.md", issue(5, word, body=text, tags=f"[rag, {word.lower()}]"))
    newsletter.write("006-sixth.md", issue(6, "The sixth"))
    newsletter.write("guides/words.md", GUIDE.replace("Starts", word))
    newsletter.publication = replace(newsletter.publication, name=word)
    assert newsletter.build().replaced
    context = browser.new_context(viewport={"width": 320, "height": 800}, java_script_enabled=True)
    page = context.new_page()
    with serving(newsletter.out) as address:
        for at in ("/", "/archive/", "/fifth/", "/sixth/", "/tags/", "/questions/"):
            page.goto(address + at)
            assert page.evaluate("document.documentElement.scrollWidth") == 320, at
        page.goto(f"{address}/fifth/")
        right = page.get_by_text("متى تختار").evaluate(
            "e => { const r = document.createRange(); r.selectNodeContents(e); "
            "return e.getBoundingClientRect().right - r.getBoundingClientRect().right }"
        )
        assert abs(right) < 2, "Arabic begins on the right"
        page.goto(f"{address}/guides/words/")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        # The first column stays in view: a wide one would cover what is scrolled beneath it.
        assert page.locator("tbody th").evaluate("e => e.getBoundingClientRect().width") < 160
    context.close()


def test_code_runs_from_left_to_right_where_the_text_does_not(
    browser: Browser, newsletter: Newsletter
) -> None:
    newsletter.write("005-fifth.md", issue(5, "متى", body="متى؟ `a - b`\n\n```python\nif x:\n    y = 1\n```"))
    newsletter.publication = replace(newsletter.publication, language="ar")
    assert newsletter.build().replaced
    page = browser.new_page()
    with serving(newsletter.out) as address:
        page.goto(f"{address}/fifth/")
        code, text, takeaway = page.evaluate(
            """() => ['pre', '#concept ~ p', '.takeaway'].map(name => {
                const e = document.querySelector(name), style = getComputedStyle(e);
                return [style.direction, parseFloat(style.paddingRight)];
            })"""
        )
    page.close()
    assert code[0] == "ltr"
    assert "→ Previous issue" in newsletter.page("/fifth/")
    assert text[0] == takeaway[0] == "rtl"
    assert takeaway[1] > 10, "the words keep away from the line beside them"
