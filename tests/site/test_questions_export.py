"""The bank of questions reaches programs, spreadsheets and Anki as it was written, and runs in none of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from newsletter.site.published import Published, read_published
from newsletter.site.questions_export import COLUMNS, Form, Question, bank, questions_of
from tests.conftest import missing
from tests.site.conftest import Newsletter, issue

FORMS: tuple[Form, ...] = ("json", "csv", "anki")
HARD = """\
Look at `top_k` & [the first](001-first.md#concept), "quoted":

```python
if a < b:
\tprint("[sound:boom.mp3]")
```
"""


def published(newsletter: Newsletter, *, drafts: bool = False) -> Published:
    return read_published(newsletter.archive(drafts=drafts))


def questions(newsletter: Newsletter, *, drafts: bool = False) -> list[Question]:
    return questions_of(published(newsletter, drafts=drafts).issues, newsletter.publication.base_url)


@pytest.fixture
def hard(newsletter: Newsletter) -> Newsletter:
    """A question that begins as a formula does, with an answer of everything that needs escaping."""
    text = issue(3, "The third").replace("Because.", HARD.strip()).replace("Why 3?", "=1+1 or a, b?")
    text = text.replace("\nThink.\n", "\nHi {{ subscriber.name | default('you') }}.\n")
    newsletter.write("003-third.md", text + "\n### Follow-ups\n- **One** more?\n- Another?\n")
    return newsletter


def test_only_sent_issues_have_their_questions_in_the_bank(newsletter: Newsletter) -> None:
    assert [question.id for question in questions(newsletter)] == [
        f"{slug}#interview-question" for slug in ("first", "second", "third")
    ]
    assert [question.title for question in questions(newsletter, drafts=True)][-1] == "Secret draft"


def test_a_question_has_everything_that_is_told_about_it(hard: Newsletter) -> None:
    question = questions(hard)[2]
    assert question.question == "=1+1 or a, b?"
    assert question.context == "Hi you."
    assert question.follow_ups == ["One more?", "Another?"]
    assert (question.level, question.tags, question.issue, question.date) == ("mid", ["rag"], 3, "2026-01-03")
    assert question.url == "https://notes.example.com/third/#interview-question"
    assert 'Look at top_k & the first, "quoted":' in question.answer
    assert "if a < b:" in question.answer
    assert '<a href="https://notes.example.com/first/#concept">the first</a>' in question.answer_html


def test_csv_comes_back_as_it_was_and_no_cell_is_a_formula(hard: Newsletter) -> None:
    rows = list(csv.DictReader(io.StringIO(bank(questions(hard), "csv", hard.publication))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[2]["question"] == "'=1+1 or a, b?"
    assert rows[2]["follow_ups"] == "One more?\nAnother?"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())


def test_json_says_whose_questions_they_are_and_how_they_may_be_used(hard: Newsletter) -> None:
    document = json.loads(bank(questions(hard), "json", hard.publication, licence="CC BY 4.0"))
    assert (document["newsletter"], document["licence"]) == ("Notes & <Queries>", "CC BY 4.0")
    assert document["questions"][2]["answer_html"] == questions(hard)[2].answer_html


def test_anki_imports_the_cards_and_a_later_bank_mends_them(hard: Newsletter, tmp_path: Path) -> None:
    try:
        from anki.collection import Collection, ImportCsvRequest
    except ImportError:
        missing("the `anki` package")
    collection = Collection(str(tmp_path / "collection.anki2"))

    def take_in() -> tuple[int, int, int]:
        path = tmp_path / "questions.tsv"
        path.write_text(bank(questions(hard), "anki", hard.publication), "utf-8", newline="")
        metadata = collection.get_csv_metadata(path=str(path), delimiter=None)
        log = collection.import_csv(ImportCsvRequest(path=str(path), metadata=metadata)).log
        return len(log.new), len(log.updated), len(log.duplicate)

    try:
        assert take_in() == (3, 0, 0)
        note = collection.get_note(collection.find_notes("tag:level::mid 1+1")[0])
        assert note.keys() == ["Front", "Back"]
        assert note.fields[0] == "<b>=1+1 or a, b?</b><p>Hi you.</p>"
        assert "if a &lt; b:\n    print(&quot;&#91;sound:boom.mp3]&quot;)" in note.fields[1]
        assert "<li><strong>One</strong> more?</li>" in note.fields[1]
        assert sorted(note.tags) == ["level::mid", "rag"]
        assert collection.decks.name(note.cards()[0].did) == "Notes & <Queries>"
        # Another wording of the question is the same card.
        path = hard.home / "issues" / "003-third.md"
        path.write_text(path.read_text("utf-8").replace("=1+1 or a, b?", "Is it two?"), "utf-8")
        assert take_in() == (0, 1, 2)
        assert collection.note_count() == 3
    finally:
        collection.close()


def test_an_archive_without_questions_makes_an_empty_bank(newsletter: Newsletter) -> None:
    json_, csv_, anki = (bank([], form, newsletter.publication) for form in FORMS)
    assert json.loads(json_)["questions"] == []
    assert csv_ == ",".join(COLUMNS) + "\n"
    assert all(line.startswith("#") for line in anki.splitlines())


def test_two_issues_of_one_address_are_a_finding_and_so_is_an_issue_that_cannot_be_read(
    newsletter: Newsletter,
) -> None:
    newsletter.write("005-fifth.md", issue(5, "The fifth", extra="slug: second\n"))
    newsletter.write("003-third.md", issue(3, "The third").replace("### Answer\nBecause.\n", ""))
    found = published(newsletter).findings
    assert {finding.code for finding in found} >= {"NL902"}
    assert {finding.path for finding in found} == {"issues/005-fifth.md", "issues/003-third.md"}
