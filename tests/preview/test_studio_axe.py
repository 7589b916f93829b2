"""axe-core finds nothing to complain of in the studio, by day and in the dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def opened(page: Page, preview: Any, view: str) -> Page:
    """The studio at `view`, once the panel is painted."""
    page.goto(f"{preview.url}#/001-first/{view}")
    expect(page.locator(f"html[data-ready='{view.partition('?')[0]}']")).to_be_attached()
    return page


def violations(page: Page, where: str, scheme: str = "light") -> list[str]:
    # The mail is judged by the checks of the rendering: here it is the studio's turn.
    found = (
        Axe()
        .run(
            page,
            context={"exclude": [["#frame"], ["#web-frame"]]},
            # What passes, node by node, is more than the page; the other rules see no colours: once is enough.
            options={"resultTypes": ["violations"]}
            | ({} if scheme == "light" else {"runOnly": ["color-contrast"]}),
        )
        .response["violations"]
    )
    return [f"{where}: {v['id']}: {node['html']}" for v in found for node in v["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_panel(
    page: Page, preview: Any, issue_text: Callable[..., str], scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    preview.issue().write_text(issue_text(concept="TODO write this\n\nSee [this](http://example.org/page)."))
    opened(page, preview, "email")
    problems = []
    panels = page.locator("[role=tab][id^=tab-]").evaluate_all("all => all.map(tab => tab.id.slice(4))")
    assert "inbox" in panels
    for panel in panels:
        page.locator(f"#tab-{panel}").click()
        expect(page.locator(f"#panel-{panel}")).to_be_visible()
        problems += violations(page, panel, scheme)
    page.locator("#tab-email").click()
    page.keyboard.press("?")
    problems += violations(page, "help", scheme)
    page.keyboard.press("Escape")
    preview.issue().write_text("---\nnumber: x\n---\n")
    expect(page.locator("#overlay")).to_be_visible()
    problems += violations(page, "overlay", scheme)
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_dialogs_and_on_a_small_screen(
    page: Page, standing: Any, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    problems = []
    opened(page, standing, "email")
    for key in ("a", "s"):
        page.keyboard.press(key)
        expect(page.locator("dialog[open]")).to_be_visible()
        problems += violations(page, f"dialog {key}", scheme)
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
    page.set_viewport_size({"width": 420, "height": 800})
    for view in ("email", "inbox", "message", "clients"):
        opened(page, standing, view)
        problems += violations(page, view, scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert problems == []


def test_axe_finds_nothing_in_the_empty_state(
    page: Page, start: Callable[[Path], Any], tmp_path: Path
) -> None:
    page.goto(start(tmp_path).url)
    expect(page.locator("#empty")).to_be_visible()
    assert violations(page, "empty") == []
