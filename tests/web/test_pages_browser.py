"""The public pages in a real Chromium: with and without JavaScript, by keyboard alone, small and dark, and before axe."""

from __future__ import annotations

import contextlib
import email
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from email import policy
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from newsletter.audience import preferences
from newsletter.clock import SystemClock
from tests.web.conftest import SECRET, Running, make_home

pytestmark = pytest.mark.browser

TOPICS = '[web]\ntopics = ["agents", "evaluation", "rag"]\n'

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all pages; each test brings readers of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
        running = Running(make_home(tmp_path_factory.mktemp("shown") / "notes", TOPICS))
        yield running
        running.stop()


@contextlib.contextmanager
def opened(browser: Browser, site: Running, *, width: int = 768, scripts: bool = True) -> Iterator[Page]:
    """A fresh page on which a blocked resource or an uncaught error fails the test."""
    context: BrowserContext = browser.new_context(
        base_url=site.url,
        viewport={"width": width, "height": 700},
        java_script_enabled=scripts,
    )
    context.set_default_timeout(90_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # A download ends the navigation to it, which counts as failed.
    page.on(
        "requestfailed",
        lambda request: None if request.url.endswith("/data.json") else complaints.append(request.url),
    )
    yield page
    assert complaints == []
    context.close()


def mailed_link(site: Running, after: float) -> str:
    """The path of the preferences link that was mailed last."""
    deadline = time.monotonic() + 90
    while True:
        for path in site.workspace.outbox.rglob("*.eml"):
            if path.stat().st_mtime >= after:
                message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
                body = message.get_body(("plain",))
                found = re.search(
                    r"https://notes\.example(/preferences/\S+)", body.get_content() if body else ""
                )
                if found:
                    return found[1]
        assert time.monotonic() < deadline, "no mail came"
        time.sleep(0.02)


@pytest.mark.parametrize("scripts", [True, False])
def test_leaving_and_undoing_it(browser: Browser, shown: Running, scripts: bool) -> None:
    reader = shown.add(f"leaves-{scripts}@example.com")
    with opened(browser, shown, scripts=scripts) as page:
        page.goto(shown.leave_path(reader))
        expect(page).to_have_title("Unsubscribe · Field Notes")
        assert shown.status(reader) == "active"
        page.get_by_role("button", name="Unsubscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You’re out")
        assert shown.status(reader) == "unsubscribed"
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You’re back")
        assert shown.status(reader) == "active"

        page.goto(shown.leave_path(reader))
        page.get_by_role("button", name="Unsubscribe").click()
        page.get_by_label("Too many emails").check()
        page.get_by_label("In your own words").fill("Every other week would do")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert shown.status(reader) == "unsubscribed"
    assert shown.history(reader)[-1].detail == "Too many emails: Every other week would do"


@pytest.mark.parametrize("scripts", [True, False])
def test_preferences_by_the_mailed_link(browser: Browser, shown: Running, scripts: bool) -> None:
    reader = shown.add(f"chooses-{scripts}@example.com", "Ada", ("rag",))
    began = time.time()
    with opened(browser, shown, scripts=scripts) as page:
        page.goto(f"/p/{shown.service.signer.preferences(reader)}")
        page.get_by_role("button", name="Mail me a link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Check your inbox")
        page.goto(mailed_link(shown, began))
        expect(page.get_by_text(f"chooses-{scripts}@example.com")).to_be_visible()
        page.get_by_label("Name").fill("Ada Lovelace")
        page.get_by_label("rag").uncheck()
        page.get_by_label("agents").check()
        page.get_by_label("Nothing for 4 weeks").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("Saved.")
        expect(page.get_by_label("Nothing until")).to_be_checked()
        person = shown.person(reader)
        assert person is not None
        assert (person.name, person.tags) == ("Ada Lovelace", ("agents",))

        with page.expect_download() as download:
            page.get_by_role("link", name="Download my data").click()
        assert "Ada Lovelace" in json.dumps(json.loads(download.value.path().read_text("utf-8")))

        page.get_by_role("button", name="Erase me").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Erase everything?")
        page.get_by_role("link", name="Keep everything").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your preferences")
        page.get_by_role("button", name="Erase me").click()
        # Both pages have such a button.
        expect(page.get_by_role("heading", level=1)).to_have_text("Erase everything?")
        assert shown.status(reader) == "active"
        page.get_by_role("button", name="Erase me").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Erased")
    assert shown.status(reader) == "gone"


def test_all_of_it_by_keyboard_alone(browser: Browser, shown: Running) -> None:
    reader = shown.add("keys@example.com")
    with opened(browser, shown) as page:

        def focused() -> str:
            return str(page.evaluate("document.activeElement.innerText || document.activeElement.name"))

        def ringed() -> bool:
            return bool(
                page.evaluate(
                    """() => { for (let e = document.activeElement; e; e = e.parentElement)
                         if (parseFloat(getComputedStyle(e).outlineWidth) >= 2 && getComputedStyle(e).outlineStyle !== 'none') return true;
                       return false; }"""
                )
            )

        def tab_to(words: str) -> None:
            for _ in range(20):
                page.keyboard.press("Tab")
                assert ringed(), f"{focused()} shows no focus"
                if words in focused():
                    return
            raise AssertionError(f"the keyboard doesn't reach {words}")

        page.goto(shown.leave_path(reader))
        tab_to("Unsubscribe")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("You’re out")
        tab_to("Undo")
        tab_to("reason")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        tab_to("words")
        page.keyboard.type("by key")
        tab_to("Send")
        page.keyboard.press("Space")
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
        assert shown.history(reader)[-1].detail == "Not what I expected: by key"

        reader = shown.add("keys-too@example.com")
        page.goto(preferences.fresh_link(shown.service.signer, "", reader, SystemClock().now()))
        tab_to("name")
        page.keyboard.type("Grace")
        tab_to("topic")
        page.keyboard.press("Space")
        tab_to("pause")
        page.keyboard.press("ArrowDown")
        tab_to("Save")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("Saved.")
    person = shown.person(reader)
    assert person is not None
    assert (person.name, person.tags) == ("Grace", ("agents",))


# Every page a person can meet: how to get there with a fresh reader.


def _press(page: Page, name: str) -> None:
    """Press a button, and wait for the page that answers."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def _after_leaving(page: Page, site: Running, reader: int) -> None:
    page.goto(site.leave_path(reader))
    _press(page, "Unsubscribe")


def _fresh(site: Running, reader: int) -> str:
    return preferences.fresh_link(site.service.signer, "", reader, SystemClock().now())


def _saved(page: Page, site: Running, reader: int) -> None:
    page.goto(_fresh(site, reader))
    page.get_by_label("Nothing for 8 weeks").check()
    _press(page, "Save")


def _used(page: Page, site: Running, reader: int) -> None:
    link = _fresh(site, reader)
    page.goto(link)
    _press(page, "Save")
    page.goto(link)


def _pressed(
    first: Callable[[Page, Running, int], object], *names: str
) -> Callable[[Page, Running, int], None]:
    def go(page: Page, site: Running, reader: int) -> None:
        first(page, site, reader)
        for name in names:
            _press(page, name)

    return go


def _at(path: str) -> Callable[[Page, Running, int], Response | None]:
    return lambda page, site, reader: page.goto(path)


PAGES: dict[str, Callable[[Page, Running, int], object]] = {
    "leave": lambda page, site, reader: page.goto(site.leave_path(reader)),
    "left": _after_leaving,
    "back": _pressed(_after_leaving, "Undo"),
    "thanks": _pressed(_after_leaving, "Send"),
    "no-link": _at("/u"),
    "damaged-link": _at("/u/nothing"),
    "ask-for-link": lambda page, site, reader: page.goto(f"/p/{site.service.signer.preferences(reader)}"),
    "link-mailed": _pressed(
        lambda page, site, reader: page.goto(f"/p/{site.service.signer.preferences(reader)}"),
        "Mail me a link",
    ),
    "preferences": lambda page, site, reader: page.goto(_fresh(site, reader)),
    "saved": _saved,
    "used": _used,
    "ended": _at("/preferences/nothing"),
    "erase": _pressed(lambda page, site, reader: page.goto(_fresh(site, reader)), "Erase me"),
    "erased": _pressed(lambda page, site, reader: page.goto(_fresh(site, reader)), "Erase me", "Erase me"),
    "not-found": _at("/nowhere"),
    "wrong-method": _at("/left/undo"),
    "signup": _at("/join"),
    "home": _at("/"),
    "confirm-damaged": _at("/confirm/nothing"),
}


_FLAT = """() => [...document.querySelectorAll('button, a.button, .choice, input[type=text], input[type=email]')]
  .filter((e) => e.checkVisibility() && !e.closest('[aria-hidden]'))
  .map((e) => e.getBoundingClientRect().height).filter((h) => h < 44)"""


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_sound(browser: Browser, shown: Running, name: str) -> None:
    reader = shown.add(f"{name}@example.com", "Ada Lovelace of Ockham Park, Surrey", ("rag",))
    folder = os.environ.get("NEWSLETTER_SCREENSHOTS")
    with opened(browser, shown, width=320) as page:
        PAGES[name](page, shown, reader)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        results: Any = Axe().run(page)
        assert results.response["violations"] == [], results.generate_report()
        assert len(results.response["passes"]) > 10, "axe looked at the page"
        assert page.evaluate(_FLAT) == [], "a finger needs 44 px"
        for width in (320, 768, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.emulate_media(color_scheme="dark" if width == 768 else "light")
            if folder:
                page.screenshot(path=f"{folder}/{name}.{width}.png", full_page=True)
        page.emulate_media(color_scheme="dark")
        # Between the schemes nothing differs but colours.
        dark: Any = Axe().run(page, options={"runOnly": ["color-contrast"]})
        assert dark.response["violations"] == [], dark.generate_report()
        assert dark.response["passes"], "axe looked at the colours"


def test_axe_notices_what_is_wrong(browser: Browser, shown: Running) -> None:
    with opened(browser, shown) as page:
        page.goto(shown.leave_path(shown.add("axe@example.com")))
        page.evaluate("document.querySelector('main p').style.color = '#aaaaaa'")
        page.evaluate("document.documentElement.removeAttribute('lang')")
        found = {violation["id"] for violation in Axe().run(page).response["violations"]}
    assert {"color-contrast", "html-has-lang"} <= found


def test_a_scanner_that_runs_scripts_and_sends_forms_changes_nothing(
    browser: Browser, shown: Running
) -> None:
    reader = shown.add("scanned@example.com")
    with opened(browser, shown) as page:
        fresh = _fresh(shown, reader)
        for path in (shown.leave_path(reader), f"/p/{shown.service.signer.preferences(reader)}", fresh):
            page.goto(path)
            for number in range(page.locator("form").count()):
                page.goto(path)
                with page.expect_navigation():
                    page.evaluate("(at) => document.forms[at].submit()", number)
    assert shown.status(reader) == "active"
    assert [event.action for event in shown.history(reader)] == ["added"]
    assert shown.service.database.query("SELECT 1 FROM outgoing WHERE subscriber_id = ?", (reader,)) == []
