"""The renderer as others use it: slots, pictures, links, themes, templates, what is kept between renderings."""

from __future__ import annotations

import dataclasses
import re
import threading
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from newsletter.diagnostics import Severity
from newsletter.diagnostics.codes_rendered import RENDERED_CODES
from newsletter.errors import NewsletterError
from newsletter.model.issue import Bullet, Labelled, Prose, Section, SectionKind, Subsection
from newsletter.model.publication import Theme
from newsletter.render.colour import contrast
from newsletter.render.email import RenderedIssue
from newsletter.render.fragment import Fragment, Place
from newsletter.render.slots import TOKEN
from tests.render.rendering import PUBLICATION, ROOT, TEMPLATES, issue, rendered, rendered_file, renderer

GREETING = 'Hi {{ subscriber.name | default("there") }},'


def codes(result: RenderedIssue) -> list[str]:
    return [diagnostic.code for diagnostic in result.diagnostics]


def entries(result: RenderedIssue, text: str) -> list[tuple[str, str]]:
    return [result.slots.entry(int(number)) for number in TOKEN.findall(text)]


def test_subject_preheader_and_address_come_from_the_front_matter() -> None:
    result = rendered(title="Fusion & friends", description="What to fuse.", slug="fusion")
    assert (result.subject, result.preheader) == ("Fusion & friends", "What to fuse.")
    assert result.web_url == "https://notes.example.com/fusion/"
    assert "<title>Fusion &amp; friends</title>" in result.html
    assert "Issue 7 · 6 January 2026" in result.html
    assert rendered(preheader="Instead.").preheader == "Instead."


def test_the_preheader_is_hidden_and_filled_so_that_the_body_does_not_follow_it() -> None:
    hidden = LexborHTMLParser(rendered(description="Short.").html).css_first(".preheader")
    assert hidden is not None
    assert "display: none" in (hidden.attributes.get("style") or "")
    words = hidden.text()
    assert words.startswith("Short. ")
    assert len(re.findall("\u2007\ufeff\u034f", words)) > 150


def test_slots_stay_tokens_in_every_part() -> None:
    result = rendered(GREETING, title="For {{ subscriber.name }}", description="{{ subscriber.email }}")
    assert entries(result, result.subject) == [("subscriber.name", "")]
    assert entries(result, result.preheader) == [("subscriber.email", "")]
    assert ("subscriber.name", "there") in entries(result, result.html)
    assert ("subscriber.name", "there") in entries(result, result.text)
    for part in (result.html, result.text):
        assert ("unsubscribe_url", "") in entries(result, part)
        assert ("preferences_url", "") in entries(result, part)
    assert codes(result) == []


def test_a_slot_in_code_is_left_as_it_is_written() -> None:
    result = rendered("Write `{{ subscriber.name }}`.\n\n```jinja\n{{ subscriber.name }}\n```\n")
    assert {field for field, _ in entries(result, result.html)} == {"unsubscribe_url", "preferences_url"}
    assert "    {{ subscriber.name }}" in result.text


def test_a_slot_in_a_link_and_in_a_table_survives() -> None:
    result = rendered(
        "[Vote](https://example.com/?who={{ subscriber.email }}) or [leave]({{ unsubscribe_url }})\n\n"
        "| A | B |\n|---|---|\n| {{ subscriber.name }} | {{ subscriber.tags }} |\n"
    )
    assert codes(result) == []
    assert re.search('href="https://example.com/\\?who=\ue000\\d+\ue001"', result.html)


def test_a_slot_that_only_one_part_would_show_is_an_error() -> None:
    # A link's title is a tooltip of the HTML: who reads the text part would never see it.
    result = rendered('[words](https://example.com/ "For {{ subscriber.name }}")')
    assert codes(result) == ["NL401"]
    assert "text part" in result.diagnostics[0].message


def test_a_slot_that_markdown_drops_is_an_error_at_its_place() -> None:
    # The title of a picture that can't be shown is not printed in running text.
    result = rendered('Fine.\n\nSee ![Words](missing.png "{{ subscriber.name }}") here.')
    lost = next(d for d in result.diagnostics if d.code == "NL401")
    assert (lost.line, lost.column, lost.length) == (10, 27, len("{{ subscriber.name }}"))
    assert sum(d.code == "NL401" for d in result.diagnostics) == 1, "said again of each template"
    assert lost.severity is Severity.ERROR


def test_a_template_that_leaves_out_a_part_is_an_error(tmp_path: Path) -> None:
    own = tmp_path / "email"
    own.mkdir()
    page = (TEMPLATES / "email" / "issue.html.j2").read_text()
    (own / "issue.html.j2").write_text(page.replace("{{ intro }}", ""))
    result = renderer(template_dirs=(tmp_path, TEMPLATES)).render(issue(GREETING))
    assert codes(result) == ["NL401"]
    assert result.diagnostics[0].severity is Severity.ERROR
    assert "subscriber.name" in result.diagnostics[0].message

    (own / "issue.html.j2").write_text(page.replace("{{ intro }}", "{{ intro }}{{ intro }}"))
    assert codes(renderer(template_dirs=(tmp_path, TEMPLATES)).render(issue(GREETING))) == ["NL402"]

    (own / "issue.html.j2").unlink()
    (own / "issue.txt.j2").write_text("Nothing but {{ unsubscribe_url }}\n")
    assert codes(renderer(template_dirs=(tmp_path, TEMPLATES)).render(issue(GREETING))) == ["NL401"]


def test_raw_html_is_shown_and_not_obeyed() -> None:
    result = rendered(
        '<script>alert(1)</script> <b onclick="x">bold</b>\n\n<div>\n\n<!-- dropped -->', title="<i>T</i>"
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in result.html
    assert "<script" not in result.html
    assert "<i>T" not in result.html
    assert "dropped" not in result.html + result.text
    assert '<b onclick="x">bold</b>' in result.text


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_text_renders_and_brings_no_tags_of_its_own(text: str) -> None:
    result = _SHARED.render(issue(text.replace("{{", "{"), concept=f"<iframe>{text}"))
    tree = LexborHTMLParser(result.html)
    assert tree.css_matches(".page")
    for tag in ("iframe", "script", "form", "object", "svg", "input"):
        assert not tree.css_matches(tag)
    for link in tree.css("a"):
        assert re.match(r"https?:|mailto:|tel:|\ue000", link.attributes.get("href") or "")
    assert {d.code for d in result.diagnostics} <= set(RENDERED_CODES)


_SHARED = renderer()


@pytest.mark.parametrize(
    ("written", "leads_to"),
    [
        ("https://example.com/a?b=c&d=e#f", "https://example.com/a?b=c&d=e#f"),
        ("#concept", "https://notes.example.com/test/#concept"),
        ("about", "https://notes.example.com/test/about"),
        ("/about", "https://notes.example.com/about"),
        ("002-hybrid-retrieval.md#concept", "https://notes.example.com/hybrid-retrieval/#concept"),
        ("guides/rag-vs-fine-tuning.md", "https://notes.example.com/guides/rag-vs-fine-tuning/"),
        ("//example.com/x", "https://example.com/x"),
        ("mailto:me@example.com", "mailto:me@example.com"),
    ],
)
def test_a_link_leads_to_the_whole_address(written: str, leads_to: str) -> None:
    result = rendered(f"[where it leads]({written})")
    links = {link.text(): link.attributes.get("href") for link in LexborHTMLParser(result.html).css("a")}
    assert links["where it leads"] == leads_to
    assert codes(result) == []


def test_a_link_that_mail_cannot_follow_is_an_error_with_its_line() -> None:
    result = rendered("Fine.\n\nNot [this](javascript:alert(1)).")
    (finding,) = result.diagnostics
    assert (finding.code, finding.line, finding.column) == ("NL410", 10, 12)
    assert "javascript" not in result.html


def test_without_an_archive_links_into_it_are_findings_and_the_answer_is_in_the_mail() -> None:
    alone = dataclasses.replace(PUBLICATION, base_url="")
    result = renderer(publication=alone).render(issue("[Here it is](#concept)"))
    assert codes(result) == ["NL407"]
    assert result.web_url == ""
    assert "View in browser" not in result.html
    assert "The answer." in result.html
    assert "The answer." in result.text


def test_the_answer_is_behind_a_link_unless_it_is_wanted_in_the_mail() -> None:
    hidden = rendered()
    assert "The answer." not in hidden.html + hidden.text
    button = LexborHTMLParser(hidden.html).css_first("a.button")
    assert button is not None
    assert button.attributes["href"] == "https://notes.example.com/test/#answer"
    assert button.text() == "Read the answer"
    assert "https://notes.example.com/test/#answer" in hidden.text
    shown = renderer(answer_in_email=True).render(issue())
    assert "The answer." in shown.html
    assert "The answer." in shown.text
    assert "Read the answer" not in shown.html


def test_the_sections_have_numbered_marks_and_fixed_anchors() -> None:
    tree = LexborHTMLParser(rendered().html)
    marks = [" ".join(node.text().split()) for node in tree.css(".mark")]
    assert marks == [
        "1 · Concept",
        "2 · Architecture",
        "3 · Project idea",
        "4 · Interview question Mid level",
    ]
    assert [node.attributes["id"] for node in tree.css("h2")] == [
        "concept",
        "architecture",
        "project-idea",
        "interview-question",
    ]
    facts = {row.css("th")[0].text(): row.css("td")[0].text() for row in tree.css(".facts tr")}
    assert facts == {"Difficulty": "Easy", "Time": "4 hours", "Stack": "Python, SQLite"}


def test_headings_skip_no_level_wherever_they_are_written() -> None:
    result = rendered(concept="# One\n\n##### Five\n\n## Two\n\ntext")
    levels = [node.tag for node in LexborHTMLParser(result.html).css("h1, h2, h3, h4, h5, h6")]
    assert levels[:5] == ["h1", "h2", "h3", "h4", "h3"]


def test_links_and_footnotes_defined_elsewhere_in_the_issue_hold_everywhere() -> None:
    result = rendered(
        "See [the paper][p] and more[^1].", concept="Text.\n\n[p]: https://example.com/paper\n[^1]: A note."
    )
    assert 'href="https://example.com/paper"' in result.html
    assert "more[^1]" in result.text
    assert "[^1] A note." in result.text
    assert "[p]:" not in result.text
    assert 'href="#fn' not in result.html


class Tool(Section):
    kind: Literal["tool"] = "tool"
    licence: Annotated[str, Bullet("Licence")]
    platforms: Annotated[tuple[str, ...], Bullet("Platforms")] = ()
    caveats: Annotated[tuple[Prose, ...], Bullet("Caveat", repeats=True)] = ()
    verdict: Annotated[Prose, Labelled("Verdict")] = Prose()
    install: Annotated[Prose, Subsection("Install")] = Prose()


def test_a_kind_of_ones_own_shows_all_its_fields_without_a_template() -> None:
    tool = Tool(
        title="ripgrep",
        body=Prose("It searches."),
        licence="MIT",
        platforms=("Linux", "macOS"),
        caveats=(Prose("It is *fast*."), Prose("Very.")),
        verdict=Prose("Use it."),
        install=Prose("`cargo install ripgrep`"),
    )
    result = renderer(kinds=(SectionKind("tool", "Tool of the week", Tool),)).render(issue(sections=(tool,)))
    tree = LexborHTMLParser(result.html)
    assert {row.css("th")[0].text(): row.css("td")[0].text() for row in tree.css(".facts tr")} == {
        "Licence": "MIT",
        "Platforms": "Linux, macOS",
    }
    for words in (
        "1 · Tool of the week",
        "It is <em>fast</em>.",
        "Use it.",
        ">Install</h3>",
        "cargo install",
    ):
        assert words in result.html
    for words in (
        "1 · TOOL OF THE WEEK",
        "Licence:",
        "Linux, macOS",
        "- It is _fast_.",
        "VERDICT",
        "Install\n~~~",
    ):
        assert words in result.text


def test_a_template_of_the_users_own_comes_first_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "email").mkdir()
    (tmp_path / "email" / "footer.html.j2").write_text("<p>My own footer {{ unsubscribe_url }}</p>")
    own = renderer(template_dirs=(tmp_path, TEMPLATES))
    result = own.render(issue())
    assert "My own footer" in result.html
    assert "1 · Concept" in result.html

    # Seen at once when it changes, comes and goes: the preview relies on it.
    (tmp_path / "email" / "section-concept.html.j2").write_text(
        "<p>Own concept: {{ section.fields.takeaway }}</p>"
    )
    assert "Own concept: Remember this.</p>" in own.render(issue()).html
    (tmp_path / "email" / "section-concept.html.j2").unlink()
    assert "Own concept" not in own.render(issue()).html


@pytest.mark.parametrize(
    ("template", "line", "words"),
    [
        ("<p>\n{% if %}\n", 2, "not a valid template"),
        ("<p>\n\n{{ publication.nmae }}\n", 3, "nmae"),
        ("{{ nonsense }}", 1, "nonsense"),
        ("\n{{ 1 / 0 }}", 2, "division by zero"),
        ('{% include "email/nowhere.html.j2" %}', 0, "nowhere.html.j2"),
    ],
)
def test_a_mistake_in_a_template_names_file_and_line(
    tmp_path: Path, template: str, line: int, words: str
) -> None:
    file = tmp_path / "email" / "footer.html.j2"
    file.parent.mkdir()
    file.write_text(template)
    with pytest.raises(NewsletterError) as caught:
        renderer(template_dirs=(tmp_path, TEMPLATES)).render(issue())
    assert words in caught.value.message
    if line:
        assert f"{file}:{line}" in caught.value.message


def test_a_theme_re_skins_the_mail() -> None:
    theme = Theme(accent="#8a1c5b", font="Georgia, serif", logo="https://example.com/logo.png", logo_width=90)
    result = renderer(theme=theme).render(issue("[a link](https://example.com)"))
    assert "color: #8a1c5b" in result.html
    assert "font-family: Georgia, serif" in result.html
    logo = LexborHTMLParser(result.html).css_first("img.logo")
    assert logo is not None
    assert (logo.attributes["width"], logo.attributes["alt"]) == ("90", "Production AI Notes")
    assert codes(result) == []


def test_an_accent_too_faint_for_text_is_darkened_and_reported() -> None:
    result = renderer(theme=Theme(accent="#ffd000", accent_dark="#402000")).render(
        issue("[a link](https://e.org)")
    )
    assert codes(result) == ["NL406", "NL406"]
    assert {d.severity for d in result.diagnostics} == {Severity.WARNING}
    link = LexborHTMLParser(result.html).css_first("a[href='https://e.org']")
    assert link is not None
    shade = re.search(r"color: (#\w+)", link.attributes["style"] or "")
    assert shade
    assert contrast(shade[1], "#ffffff") >= 4.5
    dark = re.search(r"\.mark, \.text a, \.label \{ color: (#\w+)", result.html)
    assert dark
    assert contrast(dark[1], "#14171b") >= 4.5


def test_right_to_left_languages_say_so() -> None:
    result = renderer(publication=dataclasses.replace(PUBLICATION, language="he")).render(issue())
    assert '<html lang="he" dir="rtl"' in result.html
    assert "2026-01-06" in result.html, "a date is spelled out in English only"
    assert "border-right: 3px solid" in result.html
    assert "border-left:" not in result.html
    assert ">Trade-off</h3>" in result.html, "nor is the plural of another language guessed"


def test_an_author_is_named_beside_the_date() -> None:
    result = rendered(author="Ada")
    assert "6 January 2026 · Ada" in result.html
    assert "6 January 2026 · Ada\n" in result.text


def test_dark_and_narrow_rules_survive_inlining_and_the_rest_is_on_the_elements() -> None:
    html = rendered().html
    for rule in (
        "@media (max-width: 599px)",
        "@media (prefers-color-scheme: dark)",
        "[data-ogsc] .text",
        "[data-ogsb]",
    ):
        assert rule in html
    assert ":root { color-scheme: light dark" in html
    styles = "".join(node.text() for node in LexborHTMLParser(html).css("style"))
    assert ".facts {" not in styles, "what could be inlined is not sent twice"


def test_a_piece_is_converted_again_only_when_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = renderer()
    shared.render(issue(GREETING))
    converted: list[str] = []
    convert = shared._pieces._markdown.convert

    def counted(text: str, place: Place, top: int = 3, level: int | None = None) -> Fragment:
        converted.append(text)
        return convert(text, place, top, level)

    monkeypatch.setattr(shared._pieces._markdown, "convert", counted)
    first = shared.render(issue(GREETING))
    assert converted == []
    edited = shared.render(issue(GREETING, concept="Edited."))
    assert converted == ["Edited."]
    fresh = renderer().render(issue(GREETING, concept="Edited."))
    assert (edited.html, edited.text) == (fresh.html, fresh.text)
    assert first.html == rendered(GREETING).html


def test_links_are_numbered_alike_whether_a_section_was_kept_or_not() -> None:
    shared = renderer()
    shared.render(issue("No link.", concept="[a](https://a.example) [b](https://b.example)"))
    after = shared.render(
        issue("[x](https://x.example)", concept="[a](https://a.example) [b](https://b.example)")
    )
    assert "[1] https://x.example" in after.text
    assert "[2] https://a.example\n[3] https://b.example" in after.text


def test_threads_share_a_renderer() -> None:
    shared = renderer()
    texts = [f"**{number}** " * 20 for number in range(8)]
    results: dict[int, str] = {}

    def work(number: int) -> None:
        results[number] = shared.render(issue(texts[number])).html

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results[number] == renderer().render(issue(texts[number])).html for number in range(8))


@pytest.mark.parametrize("path", sorted((ROOT / "issues").glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_our_own_issues_render_without_findings(path: Path) -> None:
    result = rendered_file(path)
    assert result.diagnostics == ()
    assert len(result.images) == 1
    assert len(result.html.encode()) < 40_000


def test_a_table_has_its_caption_below_it() -> None:
    html = rendered("| A | B |\n|---|---|\n| 1 | 2 |\n\n**Caption:** What *it* shows.\n\nMore.").html
    tree = LexborHTMLParser(html)
    caption = tree.css_first(".scroll > table.data + p.caption")
    assert caption is not None
    assert caption.text() == "What it shows."
    assert "Caption:" not in html
