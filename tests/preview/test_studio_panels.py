"""Every panel of the studio, driven in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


_WHITE = "rgb(255, 255, 255)"
_DARK = re.compile(r"rgb\([1-5]?\d, [1-5]?\d, [1-5]?\d\)")


def opened(page: Page, preview: Any, view: str) -> Page:
    """The studio at `view`, once the panel is painted."""
    page.goto(f"{preview.url}#/001-first/{view}")
    expect(page.locator(f"html[data-ready='{view.partition('?')[0]}']")).to_be_attached()
    return page


def test_any_width_is_a_press_a_drag_or_an_arrow_away_and_kept_in_the_address(
    page: Page, standing: Any
) -> None:
    opened(page, standing, "email")
    shown = page.locator("#frame")
    for width in (320, 375, 600):
        page.get_by_label(str(width), exact=True).check()
        expect(shown).to_have_js_property("clientWidth", width)
    page.get_by_label("Wide").check()
    page.wait_for_function("document.getElementById('frame').clientWidth > 800")
    page.get_by_label("600").check()
    handle = page.locator("#handle")
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 10, 500)
    page.mouse.down()
    page.mouse.move(box["x"] - 40, 500, steps=4)
    page.mouse.up()
    expect(handle).to_have_attribute("aria-valuenow", "500")
    expect(shown).to_have_js_property("clientWidth", 500)
    expect(page).to_have_url(re.compile(r"email\?width=500$"))
    handle.focus()
    page.keyboard.press("ArrowLeft")
    expect(handle).to_have_attribute("aria-valuetext", "490 pixels")
    page.reload()
    expect(page.locator("html[data-ready='email']")).to_be_attached()
    expect(shown).to_have_js_property("clientWidth", 490)


def test_each_program_and_each_scheme_shows_the_mail_its_own_way(page: Page, standing: Any) -> None:
    # A frame may be shown anew at any moment: what is asked of it is waited for.
    body = page.frame_locator("#frame").locator("body")
    radius = (
        "() => [...document.querySelectorAll('td, a')].some(n => getComputedStyle(n).borderRadius !== '0px')"
    )
    opened(page, standing, "email")
    expect(body).to_have_css("background-color", _WHITE)
    opened(page, standing, "email?scheme=recoloured")
    expect(body).to_have_css("background-color", _DARK)
    opened(page, standing, "email?scheme=inverted")
    expect(page.frame_locator("#frame").locator("html")).to_have_css("filter", re.compile("invert"))
    opened(page, standing, "email?client=plain&scheme=dark")
    # The dark colours stand in the style block that this program drops.
    expect(body).to_have_css("background-color", _WHITE)
    expect(page.frame_locator("#frame").locator("style")).to_have_count(0)
    opened(page, standing, "email?client=word&width=wide")
    # The table that Word alone is given keeps the column at its width.
    wide = page.frame_locator("#frame").locator("table[width='600']")
    expect(wide).to_have_js_property("offsetWidth", 600)
    assert wide.evaluate(radius) is False


def test_the_web_page_is_the_sites_own_and_follows_a_save(
    page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    opened(page, preview, "web")
    web = page.frame_locator("#web-frame")
    expect(web.locator("h1")).to_have_text("A first issue")
    expect(web.locator("nav").first).to_be_attached()
    expect(web.locator("img").first).not_to_have_js_property("naturalWidth", 0)
    preview.issue().write_text(issue_text(title="Renamed for the archive"))
    expect(web.locator("h1")).to_have_text("Renamed for the archive")
    page.get_by_label("Dark", exact=True).check()
    expect(web.locator("h1")).to_be_visible()
    expect(web.locator("link[rel=stylesheet]")).to_have_attribute("href", re.compile("/site/dark/"))
    # Until its style sheet is there, a page has no ground at all; and it may be built and shown once more.
    expect(web.locator("body")).to_have_css("background-color", _DARK)
    preview.issue().write_text(issue_text(concept="See [that](002-nothing.md)."))
    expect(page.locator("#web-notes")).to_contain_text("issues/001-first.md:11")


def test_the_inbox_panel_cuts_the_line_as_each_program_does(
    page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    preview.issue().write_text(
        issue_text(title="A subject that is somewhat longer than a phone has room for")
    )
    opened(page, preview, "inbox")
    cards = page.locator(".inbox-card")
    expect(cards).to_have_count(6)
    phone = cards.filter(has_text="Gmail on a phone")
    expect(phone.locator(".mock")).to_have_count(2)
    expect(phone.locator(".mock-subject").first).to_have_text("A subject that is somewhat longer th…")
    expect(phone.locator(".inbox-lost")).to_contain_text("leaves out “an a phone has room for”")
    expect(cards.filter(has_text="Apple Mail on a desktop")).to_contain_text("Shown whole")


def test_a_reader_is_searched_for_and_chosen_and_kept_in_the_address(page: Page, preview: Any) -> None:
    opened(page, preview, "email")
    page.keyboard.press("a")
    expect(page.locator("#who-search")).to_be_focused()
    page.keyboard.type("right to left")
    expect(page.locator(".person")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    mail = page.frame_locator("#frame").locator("body")
    expect(mail).to_contain_text("Hello ليلى العطّار")
    expect(page.locator("#who-label")).to_contain_text("right to left")
    expect(page).to_have_url(re.compile(r"email\?as=sample%3Artl$"))
    page.keyboard.press("2")
    expect(page.locator("#plain")).to_contain_text("ليلى العطّار")
    page.keyboard.press("4")
    with page.expect_download() as saved:
        page.get_by_text("Save .eml").click()
    assert b"layla@example.com" in saved.value.path().read_bytes()
    page.goto(f"{preview.url}#/001-first/email?as=nobody@example.org")
    expect(page.locator("#overlay")).to_contain_text(
        "there is no subscriber nobody@example.org", ignore_case=True
    )


def test_a_list_of_readers_that_comes_late_takes_the_keyboard_from_nobody(page: Page, standing: Any) -> None:
    opened(page, standing, "email")
    page.keyboard.press("a")
    search, people = page.locator("#who-search"), page.locator(".person")
    search.fill("to left")
    expect(people).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(people).to_be_focused()
    # Standing out of a list that scrolls, the ring round it would be cut off.
    expect(people).to_have_css("outline-offset", "-2px")
    for words, focused in (("right to left", people), ("nobody of that name", search)):
        search.evaluate(
            "(search, words) => { document.querySelector('.person').dataset.old = ''; "
            "search.value = words; search.dispatchEvent(new Event('input')); }",
            words,
        )
        expect(page.locator("[data-old]")).to_have_count(0)
        expect(focused).to_be_focused()


def test_a_save_is_announced_with_what_was_found(
    page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    opened(page, preview, "email")
    expect(page.locator("#said")).to_have_text("Updated. Nothing found")
    preview.issue().write_text(issue_text(concept="TODO write this"))
    expect(page.locator("#said")).to_contain_text("Updated. 1")
    preview.issue().write_text("---\nnumber: x\n---\n")
    expect(page.locator("#said")).to_have_text("This can't be shown as it is")


def test_pictures_of_panels_are_written_as_high_as_what_they_show(
    chromium: str, standing: Any, tmp_path: Path
) -> None:
    from newsletter.preview.chromium import Chromium
    from newsletter.preview.screenshots import VIEWS, take_screenshots

    with Chromium(chromium) as looking:
        wanted = {name: VIEWS[name] for name in ("email", "inbox")}
        files = list(take_screenshots(looking, standing.url, "001-first", tmp_path / "pictures", wanted))
    assert [file.name for file in files] == ["email.png", "inbox.png"]
    for file in files:
        data = file.read_bytes()
        assert data.startswith(b"\x89PNG")
        width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
        assert (width, height > 900) == (1440, True)
    assert {view.partition("?")[0] for view in VIEWS.values()} == {
        *("email", "text", "web", "message", "findings", "inbox", "clients")
    }
