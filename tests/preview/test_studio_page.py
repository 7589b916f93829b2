"""The studio as an author uses it, in a real Chromium."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.browser

PANELS = ["email", "text", "web", "message", "findings", "inbox", "clients"]


def mail(page: Page) -> Any:
    """The email's frame."""
    return page.frame_locator("#frame")


def opened(page: Page, preview: Any, where: str = "#/001-first/email") -> Page:
    page.goto(preview.url + where)
    if "/email" in where:
        expect(mail(page).locator("body")).to_contain_text("Hello Ada Lovelace")
    return page


def test_a_save_is_seen_without_a_reload(page: Page, preview: Any, issue_text: Callable[..., str]) -> None:
    opened(page, preview)
    page.evaluate("window.untouched = true")
    preview.issue().write_text(issue_text(opening="this line was just saved."))
    expect(mail(page).locator("body")).to_contain_text("this line was just saved.")
    assert page.evaluate("window.untouched")


def test_a_save_keeps_the_scroll_position(page: Page, preview: Any, issue_text: Callable[..., str]) -> None:
    long = "\n\n".join(f"Paragraph {n}." for n in range(80))
    preview.issue().write_text(issue_text(concept=long))
    opened(page, preview)
    expect(mail(page).locator("body")).to_contain_text("Paragraph 79.")
    # The frame gets its height a moment after its text.
    page.wait_for_function(
        "() => { const panel = document.getElementById('panel-email'); panel.scrollTop = 900; return panel.scrollTop === 900; }"
    )
    for title in ("A first issue", "Another title, so that the head changes too"):
        preview.issue().write_text(issue_text(title=title, opening=f"saved as {title}.", concept=long))
        expect(mail(page).locator("body")).to_contain_text(f"saved as {title}.")
        expect(page.locator("#panel-email")).to_have_js_property("scrollTop", 900)


def test_a_new_title_reaches_the_inbox_line_the_list_and_the_frame(
    page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    opened(page, preview)
    preview.issue().write_text(issue_text(title="Renamed"))
    expect(page.locator("#inbox-subject")).to_have_text("Renamed")
    expect(page.locator("[data-key='001-first'] .issue-title")).to_have_text("Renamed")
    expect(mail(page).locator("h1")).to_contain_text("Renamed")
    expect(page.locator("#inbox-preheader")).to_have_text("What the inbox shows after the subject.")


def test_a_broken_file_lays_its_findings_over_the_last_good_picture(
    page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    opened(page, preview)
    preview.issue().write_text(issue_text().replace("status: ready", "status: reday"))
    overlay = page.locator("#overlay")
    expect(overlay).to_be_visible()
    expect(overlay).to_contain_text("issues/001-first.md:6:9")
    expect(overlay).to_contain_text("Did you mean ready?")
    expect(mail(page).locator("body")).to_contain_text("Hello Ada Lovelace")
    expect(page.locator("[data-key='001-first'] .issue-found")).to_have_text("1 error")

    preview.issue().write_text(issue_text(opening="mended."))
    expect(overlay).to_be_hidden()
    expect(mail(page).locator("body")).to_contain_text("mended.")
    expect(page.locator("[data-key='001-first'] .issue-found")).to_have_count(0)


def test_a_half_saved_file_never_flashes_an_error(
    page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    opened(page, preview)
    page.evaluate(
        """() => { window.flashed = false;
        new MutationObserver(() => { window.flashed ||= !document.getElementById('overlay').hidden; })
          .observe(document.getElementById('overlay'), { attributes: true, childList: true }); }"""
    )
    for attempt in range(10):
        whole = issue_text(opening=f"whole again {attempt}.")
        began = time.monotonic()
        with preview.issue().open("w") as file:  # truncated, then written in two steps
            file.flush()
            page.wait_for_timeout(20)
            file.write(whole[:60])
            file.flush()
            page.wait_for_timeout(20)
            file.write(whole[60:])
        took = time.monotonic() - began
        expect(mail(page).locator("body")).to_contain_text(f"whole again {attempt}.")
        if took < 0.06:
            break
        # A busy machine stretched the save beyond what any editor takes: that may be shown as broken.
        page.evaluate("window.flashed = false")
    assert page.evaluate("window.flashed") is False


def test_broken_settings_are_said_and_forgotten_when_mended(page: Page, preview: Any) -> None:
    opened(page, preview)
    settings = preview.home / "newsletter.toml"
    good = settings.read_text()
    settings.write_text(good + 'tagine = "x"\n')
    expect(page.locator("#overlay")).to_contain_text("unknown key tagine", ignore_case=True)
    settings.write_text(good.replace("Field Notes", "Farm Notes"))
    expect(page.locator("#overlay")).to_be_hidden()
    expect(page.locator("#publication")).to_have_text("Farm Notes")


def test_a_template_of_ones_own_that_fails_is_named_and_the_preview_lives_on(
    page: Page, preview: Any
) -> None:
    opened(page, preview)
    template = preview.home / "templates" / "email" / "footer.html.j2"
    template.parent.mkdir(parents=True)
    template.write_text("{{ nothing.such }}")
    expect(page.locator("#overlay")).to_contain_text("footer.html.j2")
    template.write_text("<p>My own footer</p>")
    expect(page.locator("#overlay")).to_be_hidden()
    expect(mail(page).locator("body")).to_contain_text("My own footer")


def test_issues_come_and_go_with_their_files(
    page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    opened(page, preview)
    preview.issue("003-third.md").write_text(issue_text(3, "A third issue"))
    expect(page.locator(".issue").first).to_contain_text("A third issue")
    preview.issue().unlink()
    expect(page.locator(".issue")).to_have_count(2)
    expect(page.locator("#inbox-subject")).to_have_text("A third issue")


def test_the_empty_state_gives_way_to_the_first_issue(
    page: Page, start: Callable[[Path], Any], tmp_path: Path, issue_text: Callable[..., str]
) -> None:
    running = start(tmp_path)
    page.goto(running.url)
    expect(page.locator("#empty")).to_contain_text("newsletter new")
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "001-first.md").write_text(issue_text())
    expect(mail(page).locator("body")).to_contain_text("Hello Ada Lovelace")
    expect(page.locator("#empty")).to_be_hidden()


def test_dark_width_and_images_are_toggled_and_kept_in_the_address(page: Page, preview: Any) -> None:
    opened(page, preview)
    light = "rgb(255, 255, 255)"
    expect(mail(page).locator("body")).to_have_css("background-color", light)
    page.get_by_label("Dark", exact=True).check()
    expect(mail(page).locator("h1")).to_be_visible()
    expect(mail(page).locator('meta[content="light"]')).to_have_count(0)
    expect(mail(page).locator("body")).not_to_have_css("background-color", light)
    page.get_by_label("375").check()
    expect(page.locator("#frame")).to_have_js_property("clientWidth", 375)
    expect(mail(page).locator("img")).not_to_have_js_property("naturalWidth", 0)
    page.get_by_label("Images").uncheck()
    expect(mail(page).locator("img[src]")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"#/001-first/email\?width=375&scheme=dark&images=off$"))

    page.reload()
    expect(page.get_by_label("Dark", exact=True)).to_be_checked()
    expect(mail(page).locator("img:not([src])")).to_have_count(1)
    page.go_back()
    expect(page.get_by_label("Images")).to_be_checked()
    expect(mail(page).locator("img[src]")).to_have_count(1)


def test_the_system_being_dark_does_not_leak_into_the_light_view(
    context: BrowserContext, preview: Any
) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme="dark")
    opened(page, preview)
    expect(mail(page).locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light dark"


def test_scripts_in_an_issue_never_run(
    context: BrowserContext, preview: Any, issue_text: Callable[..., str]
) -> None:
    page = context.new_page()
    refusals: list[str] = []
    page.on("console", lambda message: refusals.append(message.text))
    opened(page, preview)
    # A template is code and may hold anything: raw HTML in an issue is off by default.
    template = preview.home / "templates" / "email" / "footer.html.j2"
    template.parent.mkdir(parents=True)
    template.write_text(
        "<p>Hostile footer</p><script>parent.pwned = 1</script>"
        '<img src="missing.png" onerror="parent.pwned = 2"><a href="javascript:parent.pwned = 3">press</a>'
    )
    expect(mail(page).locator("body")).to_contain_text("Hostile footer")
    preview.issue().write_text(issue_text(opening="swapped in place."))
    expect(mail(page).locator("body")).to_contain_text("swapped in place.")
    mail(page).get_by_text("press", exact=True).click()
    expect(page.locator("#toast")).to_contain_text("Not followed")
    assert page.evaluate("window.pwned") is None
    # The browser says that it refused: the template's script did reach the frame.
    assert any("Blocked script execution" in refusal for refusal in refusals), refusals


def test_links_in_the_mail_open_beside_the_studio(page: Page, context: BrowserContext, preview: Any) -> None:
    context.route("https://notes.example/**", lambda route: route.fulfill(body="the archive"))
    opened(page, preview)
    with context.expect_page() as beside:
        mail(page).get_by_text("View in browser").first.click()
    expect(beside.value).to_have_url(re.compile("^https://notes.example/"))
    assert beside.value.evaluate("window.opener") is None
    expect(mail(page).locator("body")).to_contain_text("Hello Ada Lovelace")


def test_the_text_panel_is_the_text_part(page: Page, preview: Any) -> None:
    opened(page, preview, "#/001-first/text")
    picture = preview.studio.picture("001-first")
    expect(page.locator("#plain")).to_contain_text("Hello Ada Lovelace")
    assert page.locator("#plain").evaluate("node => node.textContent") == picture.text


def test_the_message_panel_shows_every_header_and_every_part(page: Page, preview: Any) -> None:
    opened(page, preview, "#/001-first/message")
    message = preview.studio.picture("001-first").message
    rows = page.locator(".headers tbody tr")
    expect(rows).to_have_count(len(message.headers))
    names = page.locator(".headers tbody th").all_text_contents()
    assert names == [header.name for header in message.headers]
    assert "List-Unsubscribe-Post" in names
    expect(page.locator(".parts-table tbody tr")).to_have_count(len(message.parts))
    expect(page.locator(".source")).to_contain_text("more lines of base64")
    with page.expect_download() as saved:
        page.get_by_text("Save .eml").click()
    assert saved.value.path().read_bytes() == message.raw


def test_a_finding_opens_its_line_and_copies_its_place(
    context: BrowserContext, page: Page, preview: Any, issue_text: Callable[..., str]
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    preview.issue().write_text(issue_text(concept="TODO write this\n\nSee [this](http://example.org/page)."))
    opened(page, preview, "#/001-first/findings")
    second = page.locator(".finding").nth(1)
    second.click()
    place = json.loads(
        second.evaluate("node => JSON.stringify(node.querySelector('.finding-meta').textContent)")
    )
    page.wait_for_function(
        "place => navigator.clipboard.readText().then(copied => copied && place.includes(copied))", arg=place
    )
    expect(page.locator(".finding-detail [data-hit]").first).to_contain_text("example.org")
    expect(page.locator(".carets")).to_be_visible()


def test_an_editor_link_is_offered_when_one_is_configured(
    page: Page,
    home: Path,
    start: Callable[[Path], Any],
    issue_text: Callable[..., str],
) -> None:
    (home / ".env").write_text("NEWSLETTER_EDITOR_URL=vscode://file/{path}:{line}:{column}\n")
    (home / "issues" / "001-first.md").write_text(issue_text(concept="TODO write this"))
    running = start(home)
    page.goto(running.url + "#/001-first/findings")
    link = page.get_by_text("Open in editor")
    expect(link).to_have_attribute("href", f"vscode://file/{home}/issues/001-first.md:11:1")


def test_everything_can_be_reached_from_the_keyboard(page: Page, preview: Any) -> None:
    opened(page, preview)
    for key, panel in zip("1234567", PANELS, strict=True):
        page.keyboard.press(key)
        expect(page.locator(f"#tab-{panel}")).to_have_attribute("aria-selected", "true")
        expect(page.locator(f"#panel-{panel}")).to_be_visible()
    page.locator("#tab-clients").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-email")).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator("[aria-current=page]")).to_contain_text("A second issue")
    page.keyboard.press("j")
    expect(page.locator("[aria-current=page]")).to_contain_text("A first issue")
    page.keyboard.press("d")
    expect(page.get_by_label("Dark", exact=True)).to_be_checked()
    page.keyboard.press("w")
    expect(page.get_by_label("Wide")).to_be_checked()
    page.keyboard.press("r")
    expect(page.get_by_label("Inline only")).to_be_checked()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.get_by_label("Single-key shortcuts are on").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("2")
    expect(page.locator("#tab-email")).to_have_attribute("aria-selected", "true")


def test_keys_pressed_inside_the_mail_work_too(page: Page, preview: Any) -> None:
    opened(page, preview)
    mail(page).locator("h1").click()
    page.keyboard.press("2")
    expect(page.locator("#panel-text")).to_be_visible()
