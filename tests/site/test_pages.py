"""Every page of the site: its links resolve, it is small, it runs nothing, browsers and checkers are content."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.site.conftest import Newsletter

PAGES = {
    "landing": "/",
    "archive": "/archive/",
    "year": "/archive/2026/",
    "topics": "/tags/",
    "topic": "/tags/rag/",
    "guides": "/guides/",
    "guide": "/guides/rag-vs-fine-tuning/",
    "issue": "/rag-or-fine-tuning/",
    "questions": "/questions/",
    "missing": "/404.html",
}


def pages(site: Newsletter) -> list[tuple[str, str]]:
    found = []
    for path in sorted(site.out.rglob("*.html")):
        address = "/" + str(path.relative_to(site.out)).removesuffix("index.html")
        found.append((address, path.read_text("utf-8")))
    return found


def test_every_link_inside_the_site_leads_to_a_page_and_a_part_of_it(samples: Newsletter) -> None:
    known = dict(pages(samples))
    for address, html in known.items():
        for link in re.findall(r'(?:href|src|action)="([^"]*)"', html):
            target = urlsplit(urljoin("https://notes.example.com" + address, unescape(link)))
            if target.netloc != "notes.example.com" or target.path == "/join" or target.scheme == "data":
                continue
            path = unquote(target.path)
            there = samples.out / path.strip("/") / ("index.html" if path.endswith("/") else "")
            assert there.is_file(), f"{address} leads to {link}"
            if target.fragment:
                assert f'id="{target.fragment}"' in known[path], f"{address} leads to {link}"


def test_pages_are_small_and_run_nothing(samples: Newsletter) -> None:
    for address, html in pages(samples):
        assert len(html.encode()) <= 50_000, address
        assert re.findall(r"<script(?! type=\"application/ld\+json\">)", html) == [], address
        assert re.findall(r'\sstyle="|\son[a-z]+="|javascript:', html) == [], address
        assert html.count("<h1") == 1, address
        assert "<main" in html, address
        ids = re.findall(r'\sid="([^"]*)"', html)
        assert len(ids) == len(set(ids)), address
    [css] = samples.out.glob("assets/*.css")
    assert css.stat().st_size <= 12_000


def test_a_guide_has_its_table_its_cards_and_its_form(samples: Newsletter) -> None:
    page = samples.page("/guides/rag-vs-fine-tuning/")
    assert re.search(r'role="region" tabindex="0" aria-labelledby="comparison-caption"', page)
    assert re.search(r'<caption id="comparison-caption">[^<]+</caption>', page)
    assert page.count('<th scope="row">') >= 7
    assert page.count('<section class="choice"') == 2
    assert 'action="https://notes.example.com/join"' in page
    assert '<label for="email">' in page


@pytest.fixture(scope="module")
def shown(samples: Newsletter) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(samples.out))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, shown: str, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for kind, address in PAGES.items():
        page.goto(shown + address)
        found = Axe().run(page).response["violations"]
        assert [(kind, one["id"], one["nodes"][0]["html"]) for one in found] == []
    context.close()


@pytest.mark.browser
def test_small_screens_scroll_no_page_sideways_and_every_target_is_large_enough(
    browser: Browser, shown: str
) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700})
    page = context.new_page()
    # WCAG 2.2, success criterion 2.5.8: 24 by 24 px, but for links in a sentence.
    small = """() => [...document.querySelectorAll('a, button, input')].filter(e => {
        const box = e.getBoundingClientRect();
        const inText = e.closest('article p, article li, article td, footer p, main > p') && !e.closest('nav, .tags, .cards');
        return !inText && !e.closest('.elsewhere, .more') && !e.matches('.skip, [type=hidden]') && (box.height < 24 || box.width < 24);
    }).map(e => e.outerHTML.slice(0, 120))"""
    for address in PAGES.values():
        page.goto(shown + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
        assert page.evaluate(small) == [], address
    context.close()


@pytest.mark.browser
def test_the_keyboard_goes_from_the_skip_link_to_the_text_without_scripts(
    browser: Browser, shown: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(shown + PAGES["issue"])
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    assert skip.bounding_box() is not None
    assert page.locator(":focus").inner_text() == "Skip to the text"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.keyboard.press("Tab")
    assert page.locator("main :focus").count() == 1
    context.close()
