"""Passages: every part of what is published, once, at an address that its page has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from newsletter.model.issue import DEFAULT_KINDS
from newsletter.site.index import SearchIndex
from newsletter.site.passage import ArchiveFiles, Passage
from newsletter.site.passages import passages_of
from newsletter.site.published import read_published
from tests.site.conftest import Newsletter, issue


def files_of(newsletter: Newsletter, *, drafts: bool = False) -> ArchiveFiles:
    """The same newsletter, as passages are read from it."""
    return newsletter.archive(drafts=drafts)


def index_of(folder: Path, texts: Mapping[str, str], language: str) -> SearchIndex:
    """The index of one issue for each of `texts`, which are told by their slugs."""
    made = Newsletter(folder)
    for number, (slug, text) in enumerate(texts.items(), 1):
        made.write(f"{number:03}-{slug}.md", issue(number, f"Number {number}", body=text))
    index = SearchIndex(folder / "search.db", language)
    index.update(files_of(made))
    return index


def passages_in(files: ArchiveFiles) -> tuple[Passage, ...]:
    """The passages of files, whatever else is wrong with others of them."""
    return passages_of(read_published(files), files.base_url, files.kinds)


def by_id(newsletter: Newsletter, *, drafts: bool = False) -> dict[str, Passage]:
    """The passages of a newsletter that has no error."""
    files = files_of(newsletter, drafts=drafts)
    assert not read_published(files).findings
    passages = passages_in(files)
    found = {passage.id: passage for passage in passages}
    assert len(found) == len(passages)
    return found


def test_every_passage_of_the_shipped_issues_leads_to_a_part_of_its_page(samples: Newsletter) -> None:
    found = by_id(samples)
    assert len(found) > 60
    pages: dict[str, str] = {}
    for passage in found.values():
        address, _, anchor = passage.url.removeprefix(samples.publication.base_url).partition("#")
        page = pages.setdefault(address, samples.page(address))
        assert page.count(f' id="{anchor}"') == 1, passage.url
        assert passage.text.strip()
        assert not re.search(r"</?[a-z]+>|page:|\ue000|\ue003", passage.text), passage.text


def test_no_section_answer_choice_or_question_is_without_a_passage(samples: Newsletter) -> None:
    anchors = {passage.id for passage in by_id(samples).values()}
    for name, address in (("hybrid-retrieval", "/hybrid-retrieval/"), ("guides/rag-vs-fine-tuning",) * 2):
        headings = re.findall(r'<h[23] id="([^"]+)"', samples.page(address).partition("</main>")[0])
        missing = {f"{name}#{heading}" for heading in headings} - anchors
        assert missing <= {
            f"{name}#{only_a_heading}"
            for only_a_heading in ("frequently-asked-questions", "related", "sources")
        }, missing
        assert headings


def test_the_parts_of_an_issue_say_what_their_author_wrote(newsletter: Newsletter) -> None:
    body = (
        "See [the docs](https://example.com/x) of **`top_k`**, x < y.\n\n```python\nif a < b:\n    pass\n```"
    )
    newsletter.write("001-first.md", issue(1, "The first", body=body))
    found = by_id(newsletter)
    assert [name for name in found if name.startswith("first#")] == [
        f"first#{anchor}"
        for anchor in ("intro", "concept", "architecture", "project-idea", "interview-question", "answer")
    ]
    concept = found["first#concept"]
    assert concept.text == (
        "See the docs of top_k, x < y.\n\n    if a < b:\n        pass\n\nTakeaway: Remember this."
    )
    assert (concept.title, concept.heading, concept.kind) == ("The first", "Ideas", "concept")
    assert (concept.date, concept.tags) == ("2026-01-01", ("rag",))
    assert found["first#intro"].text == "Hi there,"
    assert found["first#architecture"].text == "Trade-off:\n- One.\n- Two."
    assert found["first#project-idea"].text == ("Difficulty: easy\nTime: 4 hours\nStack: Python\n\nDo it.")
    assert (found["first#answer"].heading, found["first#answer"].text) == ("Why 1?", "Because.")


def test_a_title_that_names_its_reader_is_read_by_nobody_in_particular(newsletter: Newsletter) -> None:
    title = "For {{ subscriber.name | default('you') }}"
    newsletter.write("001-first.md", issue(1, title))
    assert by_id(newsletter)["first#concept"].title == "For you"


def test_only_what_was_sent_has_passages_and_an_alias_keeps_a_sent_issue(newsletter: Newsletter) -> None:
    assert not any(name.startswith("unsent#") for name in by_id(newsletter))
    assert any(name.startswith("unsent#") for name in by_id(newsletter, drafts=True))
    newsletter.write("003-third.md", issue(3, "The third", extra="slug: other\naliases: [third]\n"))
    assert any(name.startswith("other#") for name in by_id(newsletter))


def test_a_cell_of_a_guide_says_which_option_it_is_about(samples: Newsletter) -> None:
    text = by_id(samples)["guides/rag-vs-fine-tuning#comparison"].text
    assert "Update cost\n- RAG: Re-index the changed document" in text


def test_a_published_file_with_an_error_says_so(newsletter: Newsletter) -> None:
    newsletter.write("002-second.md", issue(2, "The second").replace("**Level:** mid", "**Level:** guru"))
    read = read_published(files_of(newsletter))
    assert [str(d.path) for d in read.findings] == ["issues/002-second.md"]
    newsletter.write("002-second.md", issue(1, "The second"))
    assert {d.code for d in read_published(files_of(newsletter)).findings} == {"NL901"}


def test_an_archive_without_anything_has_no_passages(tmp_path: Path) -> None:
    assert passages_in(files_of(Newsletter(tmp_path))) == ()


@pytest.mark.parametrize("base_url", ["", "https://example.com/notes"])
def test_addresses_begin_where_the_site_is(newsletter: Newsletter, base_url: str) -> None:
    from dataclasses import replace

    passages = passages_in(replace(files_of(newsletter), base_url=base_url))
    assert passages[1].url == f"{base_url}/first/#concept"


def test_sections_of_two_kinds_that_share_an_anchor_are_one_passage_there(newsletter: Newsletter) -> None:
    from dataclasses import replace
    from typing import Literal

    from newsletter.model.issue import InterviewQuestion, SectionKind

    class Another(InterviewQuestion):
        kind: Literal["another"] = "another"  # type: ignore[assignment]  # another kind of the same shape

    text = issue(1, "The first")
    again = "\n## Another: And why not?\n- **Level:** mid\n\nThink again.\n\n### Answer\nBecause not.\n"
    newsletter.write("001-first.md", text + again)
    kinds = (*DEFAULT_KINDS, SectionKind("another", "Another", Another))
    passages = passages_in(replace(files_of(newsletter), kinds=kinds))
    mine = {passage.id: passage for passage in passages if passage.id.startswith("first#")}
    assert mine["first#another"].text == "Level: mid\n\nThink again."
    assert mine["first#answer"].text == "Because.\n\nBecause not."
