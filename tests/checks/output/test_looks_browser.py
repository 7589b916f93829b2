"""What the rules on colours take an element to look like is what Chromium shows, by day and in the mail's dark colours."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import pytest

from newsletter.checks.output.colour_rules import Look, Looks, rules_by_day, rules_in_the_dark
from newsletter.checks.output.colours import colour_in
from newsletter.checks.output.page import Page
from tests.render.rendering import ROOT, SAMPLE, rendered_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ISSUES = (SAMPLE, min((ROOT / "issues").glob("[0-9]*.md")))
# Each element with words of its own that can be seen: words, colour, nearest ground, size.
SHOWN = """() => {
  const shown = [], seen = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    const texts = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data)
    const own = texts.join('').replace(/\\s+/g, ' ').trim()
    if (seen.has(element) || !/[a-z0-9]/i.test(own)) continue
    seen.add(element)
    if (!element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue
    let around = element
    while (around && getComputedStyle(around).backgroundColor === 'rgba(0, 0, 0, 0)') around = around.parentElement
    const style = getComputedStyle(element)
    const ground = around ? getComputedStyle(around).backgroundColor : 'rgb(255, 255, 255)'
    shown.push([own, style.color, ground, Math.round(parseFloat(style.fontSize))])
  }
  return shown
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_grounds_and_sizes_are_those_of_chromium(
    browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1000, "height": 900})
    try:
        view = context.new_page()
        view.route("**/*", lambda route: route.abort())
        for path in ISSUES:
            html = rendered_file(path, answer_in_email=True).html
            view.set_content(html, wait_until="domcontentloaded")
            theirs = Counter(
                (own, _hex(colour), _hex(ground), size) for own, colour, ground, size in view.evaluate(SHOWN)
            )
            page = Page(html)
            looks = Looks(page, rules_in_the_dark(page) if scheme == "dark" else rules_by_day(page), Look())
            ours = Counter(
                (own, look.colour, look.ground, round(look.size))
                for element, own in looks.texts()
                if (look := looks.of(element)).size > 1 and any(c.isascii() and c.isalnum() for c in own)
            )
            assert len(theirs) > 50
            assert ours == theirs
    finally:
        context.close()


def _hex(colour: str) -> str:
    found = colour_in(colour)
    assert found is not None
    return found.hex
