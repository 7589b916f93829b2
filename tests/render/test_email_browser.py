"""The mail in a real browser: axe in both schemes, no sideways scrolling, pictures off, colours turned around."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.render.rendering import ROOT, SAMPLE, rendered, rendered_file, shown_offline

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ISSUES = [*sorted((ROOT / "issues").glob("[0-9]*.md")), SAMPLE]

# Each run of text with the nearest opaque ground behind it, as the browser computes them.
_PAIRS = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    const element = text.parentElement;
    if (!text.data.trim() || !element.checkVisibility()) continue;
    let ground = element;
    while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
    found.push([getComputedStyle(element).color, ground ? getComputedStyle(ground).backgroundColor : 'rgb(255, 255, 255)', text.data.trim().slice(0, 40)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for path in ISSUES:
        folder = tmp_path_factory.mktemp(path.stem)
        found[path.stem] = shown_offline(rendered_file(path, answer_in_email=True), folder)
    return found


@pytest.fixture(scope="module")
def view(browser: Browser) -> Iterator[Page]:
    """One page for all mails: a fresh one costs a process."""
    page = browser.new_page()
    yield page
    page.close()


def opened(view: Page, page: Path, width: int, scheme: Literal["light", "dark"] = "light") -> Page:
    view.set_viewport_size({"width": width, "height": 900})
    view.emulate_media(color_scheme=scheme)
    view.goto(page.as_uri())
    return view


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("stem", [ISSUES[0].stem, SAMPLE.stem])
def test_axe_finds_nothing(
    view: Page, pages: dict[str, Path], stem: str, scheme: Literal["light", "dark"]
) -> None:
    page = opened(view, pages[stem], 600, scheme)
    results: Any = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    assert len(results.response["passes"]) > 15, "axe looked at the page"


def test_axe_notices_what_is_wrong(view: Page, pages: dict[str, Path]) -> None:
    page = opened(view, pages[SAMPLE.stem], 600)
    page.evaluate("document.querySelector('.section').style.color = '#aaaaaa'")
    page.evaluate("document.querySelector('.figure img').removeAttribute('alt')")
    found = {violation["id"] for violation in Axe().run(page).response["violations"]}
    assert {"color-contrast", "image-alt"} <= found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("stem", [path.stem for path in ISSUES])
def test_all_text_has_contrast_as_the_browser_computes_it(
    view: Page, pages: dict[str, Path], stem: str, scheme: Literal["light", "dark"]
) -> None:
    page = opened(view, pages[stem], 600, scheme)
    pairs = page.evaluate(_PAIRS)
    grounds = {ground for _, ground, _ in pairs}
    assert len(grounds) >= 3, "page, code and inset at least"
    faint = [(text, _ratio(colour, ground)) for colour, ground, text in pairs if _ratio(colour, ground) < 4.5]
    assert faint == []
    # Forced inversion turns each channel around: what was readable stays so, or the colours were ill chosen.
    turned = [(text, _ratio(_inverted(c), _inverted(g))) for c, g, text in pairs]
    assert [pair for pair in turned if pair[1] < 3] == []


def _channels(colour: str) -> list[int]:
    return [int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]


def _inverted(colour: str) -> str:
    return f"rgb({', '.join(str(255 - channel) for channel in _channels(colour))})"


def _ratio(one: str, other: str) -> float:
    from newsletter.render.colour import contrast

    return contrast(
        *("#" + "".join(f"{channel:02x}" for channel in _channels(colour)) for colour in (one, other))
    )


@pytest.mark.parametrize("stem", [path.stem for path in ISSUES])
def test_nothing_scrolls_sideways(view: Page, pages: dict[str, Path], stem: str) -> None:
    page = opened(view, pages[stem], 320)
    for width in (320, 375, 600, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_neither_does_a_wide_table_nor_a_long_word(view: Page, tmp_path: Path) -> None:
    header = "|".join(f"a-rather-long-heading-{number}" for number in range(8))
    rows = "|".join(["`a_very_long_identifier_in_code`"] * 8)
    wide = (
        f"|{header}|\n{'|---' * 8}|\n|{rows}|\n\n```bash\ncurl https://example.com/{'x' * 200}\n```\n\n"
        f"`{'y' * 120}` and https://example.com/{'z' * 120}\n\n- a\n  - b\n    - c\n      - `{'d' * 90}`\n"
    )
    page = opened(view, shown_offline(rendered(wide), tmp_path), 320)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_without_pictures_their_words_are_there(browser: Browser, pages: dict[str, Path]) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 900})
    page.route("**/*.png", lambda route: route.abort())
    page.goto(pages[ISSUES[0].stem].as_uri())
    size = page.evaluate(
        "(() => { const b = document.querySelector('.figure img').getBoundingClientRect(); return [b.width, b.height]; })()"
    )
    assert size[0] <= 335
    assert 40 < size[1] < 250, "the words, not a hole the size of the picture"
    page.close()


def test_the_column_is_600_wide_and_its_text_536(view: Page, pages: dict[str, Path]) -> None:
    page = opened(view, pages[ISSUES[0].stem], 1200)
    box = page.evaluate(
        "(() => { const b = document.querySelector('.page').getBoundingClientRect(); return [b.left, b.width]; })()"
    )
    assert box == [300, 600]
    assert page.evaluate("document.querySelector('.figure img').getBoundingClientRect().width") == 536
    page.close()
