"""The pictures shown where pages are shared: every page has one, words stay inside it, equal words give equal bytes."""

from __future__ import annotations

import builtins
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from newsletter.model.publication import Publication, Theme
from newsletter.site.cards import HEIGHT, WIDTH, Card, Cards
from tests.site.conftest import PUBLICATION, Newsletter, issue

Image = pytest.importorskip("PIL.Image", reason="Pillow of the extra `site` is missing")
CARDS = Cards(PUBLICATION, Theme())


def drawn(title: str, mark: str = "Issue 3 · 6 January 2026") -> Any:
    file = CARDS.draw(Card(title, mark, "Production AI Notes", "notes.example.com"))
    assert 4_000 < len(file) < 30_000
    image = Image.open(BytesIO(file))
    image.load()
    assert image.size == (WIDTH, HEIGHT)
    return image.convert("L")


def ink(image: Any, box: tuple[int, int, int, int]) -> int:
    return sum(image.crop(box).histogram()[:200])


@pytest.mark.parametrize(
    "title",
    [
        "RAG",
        "Evals in CI: the test suite your prompts deserve before anybody else sees them 🚀",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
        "W" * 300,
        "Why " * 80,
        "Что такое RAG? Ελληνικά",
    ],
)
def test_a_title_of_any_length_stays_inside(title: str) -> None:
    image = drawn(title)
    assert ink(image, (88, 140, WIDTH - 88, 510)) > 1_000
    # Nothing in the margins, nor between the title and what stands above and below it.
    for box in (
        (0, 16, 80, HEIGHT),
        (WIDTH - 84, 16, WIDTH, HEIGHT),
        (0, 125, WIDTH, 140),
        (0, 512, WIDTH, 527),
    ):
        assert ink(image, box) == 0, box


def test_lines_are_even() -> None:
    image = drawn("Hybrid retrieval without the hype")
    left, _, right, _ = image.point([255] * 200 + [0] * 56).crop((0, 140, WIDTH, 510)).getbbox()
    # As greedy lines the first would be "Hybrid retrieval without".
    assert left < 110
    assert right < 900


@pytest.mark.parametrize("title", ["日本語のタイトル", "שלום עולם", "🚀🚀"])
def test_a_title_the_font_can_not_set_gives_way_to_the_name(title: str) -> None:
    def picture(words: str) -> bytes:
        image: bytes = drawn(words).tobytes()
        return image

    assert picture(title) == picture("Production AI Notes")
    assert picture("RAG 👩‍💻 today") == picture("RAG today")


def test_equal_words_give_equal_bytes_and_other_colours_another_name() -> None:
    card = Card("RAG", "Guide", "Notes", "notes.example.com")
    assert CARDS.draw(card) == Cards(PUBLICATION, Theme()).draw(card)
    other = Cards(PUBLICATION, Theme(accent="#b00020"))
    assert other.file(card) != CARDS.file(card)
    assert other.draw(card) != CARDS.draw(card)
    assert CARDS.file(replace(card, title="RAG!")) != CARDS.file(card)


def test_every_page_that_can_be_shared_names_its_card(newsletter: Newsletter) -> None:
    newsletter.options = replace(newsletter.options, cards=True)
    newsletter.publication = replace(PUBLICATION, base_url="https://example.com/notes")
    picture = newsletter.home / "issues" / "own.png"
    Image.new("RGB", (40, 21), "red").save(picture)
    newsletter.write("005-own.md", issue(5, "Its own picture", extra="image: own.png\n"))
    assert newsletter.build().replaced
    names: dict[str, str] = {}
    for path in newsletter.out.rglob("index.html"):
        html = path.read_text("utf-8")
        address = str(path.parent.relative_to(newsletter.out))
        [image] = re.findall(r'<meta property="og:image" content="([^"]+)">', html)
        assert image.startswith("https://example.com/notes/assets/"), address
        file = newsletter.out / image.removeprefix("https://example.com/notes/")
        assert file.is_file(), address
        assert '<meta name="twitter:card" content="summary_large_image">' in html
        assert re.search(r'<meta property="og:image:alt" content="[^"]+">', html)
        names[address] = file.name
    assert names["own"].startswith("own-")
    assert '<meta property="og:image:width"' not in newsletter.page("/own/")
    assert names["archive"] == names["."]
    assert len({names[one] for one in (".", "first", "second", "third", "own")}) == 5
    html = newsletter.page("/second/")
    assert (
        'content="The &lt;second&gt; &amp; &#34;more&#34; · Notes &amp; &lt;Queries&gt; · Issue 2 · 2 January 2026"'
        in html
    )
    assert f'"image": "https://example.com/notes/assets/{names["second"]}"' in html
    assert (newsletter.out / "404.html").read_text("utf-8").count("og:image") == 0


def test_a_card_is_drawn_once(newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    newsletter.options = replace(newsletter.options, cards=True)
    newsletter.build()
    before = {path.name: path.read_bytes() for path in newsletter.out.glob("assets/card-*")}
    titles: list[str] = []
    draw = Cards.draw

    def watched(self: Cards, card: Card) -> bytes:
        titles.append(card.title)
        return draw(self, card)

    monkeypatch.setattr(Cards, "draw", watched)
    newsletter.write("001-first.md", issue(1, "Another first"))
    assert newsletter.build().replaced
    assert titles == ["Another first"]
    # Not even when the cache is lost; one that was deleted comes back, and one that somebody changed.
    (newsletter.home / "cache").unlink()
    newsletter.build()
    assert titles == ["Another first"]
    gone, changed, *_ = sorted(newsletter.out.glob("assets/card-*"))
    gone.unlink()
    changed.write_bytes(b"no picture")
    newsletter.build()
    assert len(titles) == 3
    after = {path.name: path.read_bytes() for path in newsletter.out.glob("assets/card-*")}
    assert len(after) == len(before)
    assert [name for name in after if name in before and after[name] != before[name]] == []


def test_nothing_of_pillow_is_needed_without_cards(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "PIL":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert newsletter.build().replaced
    assert list(newsletter.out.glob("assets/card-*")) == []
    assert '<meta name="twitter:card" content="summary">' in newsletter.page("/first/")


def test_a_newsletter_without_a_tagline_shows_its_name(tmp_path: Path) -> None:
    cards = Cards(Publication("Notes", "a@example.com", base_url="https://x.example"), Theme())
    assert cards.draw(Card("Notes", "", "Notes", "x.example"))
