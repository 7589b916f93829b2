"""Joining in a real browser, with JavaScript and without: the form, the mail in a real mail server, the press, the welcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from newsletter.store import subscribers as people
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.smtp import FakeSmtp
from tests.web.conftest import Running
from tests.web.joining import confirm_path, mails, settled, smtp_home, wait_for

pytestmark = pytest.mark.browser
NARROW: ViewportSize = {"width": 320, "height": 640}

expect.set_options(timeout=60_000)


@pytest.fixture
def inbox() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def club(start: Callable[..., Running], tmp_path: Path, inbox: FakeSmtp) -> Running:
    return start(smtp_home(tmp_path / "club", inbox))


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of a fresh browser profile; anything the page complains about fails the test."""
    context = browser.new_context(**options)
    context.set_default_timeout(90_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    try:
        yield page
        # The browser also notes that a page came with a status of its own, as a wrong address does.
        assert [text for text in complaints if "422" not in text] == []
    finally:
        context.close()


def status(running: Running, email: str) -> str:
    with SqliteDatabase(running.workspace.database_path) as database:
        found = people.find(database, match_key=email)
    return found.status.value if found is not None else "nobody"


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_reader_joins_by_the_press_in_the_mail(
    club: Running, inbox: FakeSmtp, browser: Browser, javascript: bool
) -> None:
    with opened(browser, java_script_enabled=javascript) as page:
        page.goto(f"{club.url}/join")
        # A person looks at the page first.
        page.wait_for_timeout(1100)
        page.get_by_label("Your email address").fill("Ada@example.com")
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
        [asked] = wait_for(lambda: mails(inbox))
        assert asked["To"] == "Ada@example.com"
        page.goto(club.url + confirm_path(asked))
        expect(page.get_by_text("No spam. Unsubscribe anytime.")).to_be_visible()
        assert status(club, "ada@example.com") == "pending"
        page.get_by_role("button", name="Confirm my subscription").click()
        expect(page.get_by_role("heading", name="You’re in")).to_be_visible()
        assert status(club, "ada@example.com") == "active"
        wait_for(lambda: len(inbox.messages) == 2)
        assert mails(inbox)[1]["Subject"] == "Glad you’re here"
        page.goto(club.url + confirm_path(asked))
        expect(page.get_by_role("heading", name="You’re in already")).to_be_visible()


def test_the_keyboard_is_enough(club: Running, inbox: FakeSmtp, browser: Browser) -> None:
    with opened(browser) as page:
        page.goto(f"{club.url}/join")
        page.wait_for_timeout(1100)
        page.keyboard.press("Tab")
        page.keyboard.type("ada@example.com")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Subscribe")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
        [asked] = wait_for(lambda: mails(inbox))
        page.goto(club.url + confirm_path(asked))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="You’re in")).to_be_visible()


def test_who_is_faster_than_reading_presses_once_more(
    club: Running, inbox: FakeSmtp, browser: Browser
) -> None:
    with opened(browser) as page:
        page.goto(f"{club.url}/join")
        page.evaluate("document.querySelector('#email').value = 'ada@example.com'")
        page.get_by_role("button", name="Subscribe").click()
        once_more = page.get_by_text("One more press")
        expect(once_more.or_(page.get_by_role("heading", name="Check your inbox"))).to_be_visible()
        if once_more.is_visible():
            assert page.get_by_label("Your email address").input_value() == "ada@example.com"
            page.wait_for_timeout(1100)
            page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
        wait_for(lambda: mails(inbox))


def test_a_scanner_that_runs_scripts_and_submits_forms_confirms_nobody(
    club: Running, inbox: FakeSmtp, browser: Browser
) -> None:
    club.client.post("/join", data={"email": "ada@example.com"})
    [asked] = wait_for(lambda: mails(inbox))
    link = club.url + confirm_path(asked)
    context = browser.new_context()
    page = context.new_page()
    for trick in (
        "document.forms[0].submit()",
        "document.forms[0].requestSubmit()",
        "fetch(location.href, {method: 'HEAD'}).then(() => location.reload())",
        "fetch(location.href, {method: 'POST', body: new FormData(document.forms[0])}).then(() => location.reload())",
    ):
        page.goto(link)
        with page.expect_navigation():
            page.evaluate(f"() => {{ {trick} }}")
        assert status(club, "ada@example.com") == "pending", trick
    context.close()
    assert settled(club)
    assert len(inbox.messages) == 1


def test_work_is_done_by_the_browser_and_its_lack_is_explained(
    start: Callable[..., Running], tmp_path: Path, inbox: FakeSmtp, browser: Browser
) -> None:
    site = start(smtp_home(tmp_path / "n", inbox, web="[web]\nproof_of_work = 12\n"))
    with opened(browser) as page:
        page.goto(f"{site.url}/join")
        expect(page.get_by_text("This form needs JavaScript")).to_have_count(0)
        page.wait_for_timeout(1100)
        page.get_by_label("Your email address").fill("ada@example.com")
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    wait_for(lambda: mails(inbox))
    with opened(browser, java_script_enabled=False) as page:
        page.goto(f"{site.url}/join")
        expect(page.get_by_text("This form needs JavaScript")).to_be_visible()


def test_a_form_on_another_site_joins_by_itself_and_by_its_script(
    club: Running, inbox: FakeSmtp, browser: Browser
) -> None:
    snippet = club.client.get("/join/embed").text.replace("https://notes.example", club.url)
    with (
        _blog(f"<!DOCTYPE html><title>A blog</title><h1>A blog</h1>{snippet}") as blog,
        opened(browser) as page,
    ):
        page.goto(blog)
        page.get_by_label("Your email address").fill("ada@example.com")
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
        wait_for(lambda: mails(inbox))
        page.goto(blog)
        said = page.evaluate(
            """url => fetch(url, {method: "POST", headers: {accept: "application/json"},
            body: new URLSearchParams({email: "bob@example.com"})}).then(answer => answer.json())""",
            f"{club.url}/join",
        )
        assert said["ok"] is True
        wait_for(lambda: len(inbox.messages) == 2)


@contextmanager
def _blog(html: str) -> Iterator[str]:
    """Another site, on another port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode() if self.path == "/" else b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_on_the_way_is_accessible_and_fits_a_small_screen(
    club: Running, inbox: FakeSmtp, browser: Browser, scheme: str
) -> None:
    club.client.post("/join", data={"email": "ada@example.com"})
    [asked] = wait_for(lambda: mails(inbox))
    with opened(browser, color_scheme=scheme, viewport=NARROW) as page:

        def looks_right(name: str) -> None:
            found = Axe().run(page)
            assert found.violations_count == 0, f"{name}\n{found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], name

        page.goto(f"{club.url}/join")
        looks_right("join")
        page.get_by_label("Your email address").fill("ada@b")
        page.wait_for_timeout(1100)
        page.get_by_role("button", name="Subscribe").click()
        expect(page.locator("[aria-invalid=true]")).to_be_visible()
        looks_right("a wrong address")
        page.get_by_label("Your email address").fill("bob@example.com")
        page.wait_for_timeout(1100)
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
        looks_right("check your inbox")
        page.goto(club.url + confirm_path(asked))
        looks_right("confirm")
        page.get_by_role("button", name="Confirm my subscription").click()
        expect(page.get_by_role("heading", name="You’re in")).to_be_visible()
        looks_right("confirmed")
