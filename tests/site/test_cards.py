"""The pictures shown where pages are shared: every page has one, words stay inside it, equal words give equal bytes."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from newsletter.model.publication import Publication, Theme
from newsletter.render.fonts import SEMI_BOLD
from newsletter.site import typefaces
from newsletter.site.cards import HEIGHT, WIDTH, Card, Cards
from tests.conftest import missing
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


@pytest.fixture
def no_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that has no font of its own."""
    (tmp_path / "fonts.conf").write_text(
        f"<fontconfig><dir>{tmp_path / 'none'}</dir><cachedir>{tmp_path / 'cache'}</cachedir></fontconfig>"
    )
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "fonts.conf"))
    forget()
    yield
    forget()


def forget() -> None:
    typefaces._fonts.cache_clear()
    typefaces._of_this_machine.cache_clear()


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize("title", ["日本語のタイトル", "שלום עולם", "🚀🚀", "\u200d", "RAG बनाम"])
def test_a_title_no_font_here_can_set_gives_way_to_the_name(title: str) -> None:
    assert drawn(title).tobytes() == drawn("Production AI Notes").tobytes()


@pytest.mark.usefixtures("no_fonts")
def test_a_name_no_font_here_can_set_gives_way_to_its_host() -> None:
    card = Card("日本語", "Issue 3 · 2026-01-06", "本番", "notes.example.com")
    assert CARDS.draw(card) == CARDS.draw(replace(card, title="notes.example.com"))
    assert CARDS.draw(replace(card, mark="", host="本番"))


def test_emoji_are_left_out() -> None:
    assert drawn("RAG 👩‍💻 today 1️⃣").tobytes() == drawn("RAG today 1").tobytes()


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("ar", "متى تختار RAG ومتى تختار الضبط الدقيق؟"),
        ("he", "מתי לבחור RAG"),
        ("ja", "検索拡張生成とファインチューニングの使い分け、" * 4),
        ("hi", "RAG बनाम फाइन-ट्यूनिंग"),
        ("ka", "RAG თუ დახვეწა"),
    ],
)
def test_letters_the_bundled_font_lacks_are_set_in_a_font_of_the_machine(
    language: str, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    forget()
    set_ = typefaces.settable(title, typefaces.OUR_SEMI_BOLD, language)
    if set_ is None:
        missing(f"a font with the letters of `{language}`, or libraqm")
    assert set_.words == title
    assert set_.runs_left == (language in {"ar", "he"})
    cards = Cards(replace(PUBLICATION, language=language), Theme())
    card = Card(title, "Issue 3 · 2026-01-06", "Notes", "notes.example.com")
    file = cards.draw(card)
    forget()
    assert cards.draw(card) == file
    with Image.open(BytesIO(file)) as image:
        shown = image.convert("L")
    for box in ((0, 16, 80, HEIGHT), (WIDTH - 84, 16, WIDTH, HEIGHT), (0, 125, WIDTH, 140)):
        assert ink(shown, box) == 0, box
    begins = (WIDTH // 2, 140, WIDTH - 84, 510) if set_.runs_left else (84, 140, WIDTH // 2, 510)
    assert ink(shown, begins) > 1_000


@pytest.mark.usefixtures("no_fonts")
def test_another_font_gives_another_name() -> None:
    card = Card("日本語", "Issue 3", "Notes", "notes.example.com")
    without, plain = CARDS.file(card), CARDS.file(replace(card, title="RAG"))
    forget()
    typeface = typefaces.Face(SEMI_BOLD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typefaces, "_fonts", lambda _: ((typeface, ((0, 0x10FFFF),)),))
        assert CARDS.file(card) != without
        assert CARDS.file(replace(card, title="RAG")) == plain


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
