"""What an editor offers at a place of an issue or a guide."""

from __future__ import annotations

from newsletter.editor.completion import completions, describe_key
from newsletter.model.issue import DEFAULT_KINDS


def offered(text: str, *, guide: bool = False) -> dict[str, str]:
    """What is offered where `|` stands, as label and text of the line afterwards."""
    before, _, after = text.partition("|")
    line, column = before.count("\n"), len(before.rpartition("\n")[2])
    found = completions(before + after, line, column, DEFAULT_KINDS, guide=guide)
    written = before.rpartition("\n")[2]
    return {one.label: written[: one.start] + one.text for one in found}


def test_keys_that_are_not_there_yet_required_ones_first() -> None:
    keys = offered("---\nnumber: 3\n|\n---\n")
    assert list(keys)[:3] == ["title", "date", "description"]
    assert "number" not in keys
    assert keys["status"] == "status: "


def test_the_values_of_a_key() -> None:
    assert offered("---\nstatus: |\n---\n") == {"draft": "status: draft", "ready": "status: ready"}
    assert offered("---\nstatus: re|\n---\n")["ready"] == "status: ready"
    assert offered("---\ntitle: |\n---\n") == {}


def test_sections_that_are_missing() -> None:
    assert list(offered("---\n---\n## Concept: A\n\n## |")) == [
        "Architecture",
        "Project idea",
        "Interview question",
    ]
    assert offered("---\n---\n## Proj|")["Project idea"] == "## Project idea: "


def test_fields_of_the_section_the_cursor_is_in() -> None:
    project = "---\n---\n## Project idea: A\n- **Difficulty:** easy\n"
    assert offered(project + "- |") == {
        "Time": "- **Time:** ",
        "Stack": "- **Stack:** ",
        "Outcome": "- **Outcome:** ",
    }
    assert offered(project + "- **Ti|")["Time"] == "- **Time:** "
    assert offered("---\n---\n## Concept: A\n**|") == {"Takeaway": "**Takeaway:** "}
    question = "---\n---\n## Interview question: A\n### Answer\nBecause.\n\n### |"
    assert offered(question) == {"Follow-ups": "### Follow-ups"}


def test_the_values_of_a_field() -> None:
    text = "---\n---\n## Interview question: A\n- **Level:** |"
    assert list(offered(text)) == ["junior", "mid", "senior", "staff"]
    assert "2d" in offered("---\n---\n## Project idea: A\n- **Time:** |")


def test_a_trade_off_may_be_written_again() -> None:
    text = "---\n---\n## Architecture: A\n- **Trade-off:** One.\n- |"
    assert list(offered(text)) == ["Trade-off"]


def test_nothing_is_offered_inside_code() -> None:
    assert offered("---\n---\n## Concept: A\n```markdown\n## |\n```\n") == {}


def test_a_guide_has_its_own_parts_and_choices() -> None:
    front = "---\ntype: guide\ntitle: A or B\ndescription: x\noptions: [RAG, Fine-tuning]\nupdated: 2026-01-01\nreview_by: 2027-01-01\n---\nSummary.\n\n"
    assert list(offered(front + "## |", guide=True)) == [
        "Comparison",
        "When to choose which",
        "Frequently asked questions",
    ]
    chosen = front + "## When to choose which\n### Choose RAG\nText.\n\n### |"
    assert offered(chosen, guide=True) == {"Choose Fine-tuning": "### Choose Fine-tuning"}


def test_a_key_is_explained() -> None:
    said = describe_key("description", guide=False)
    assert "(required)" in said
    assert "preheader" in said
    assert describe_key("optons", guide=True) == ""
