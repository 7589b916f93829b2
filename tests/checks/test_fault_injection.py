"""Into a copy of each real issue goes one fault at a known place: the finding has to name exactly that place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from newsletter.checks.run import check_file

ISSUES = Path(__file__).parent.parent.parent / "issues"
FILES = sorted(ISSUES.glob("[0-9]*.md"))


@dataclass(frozen=True)
class Fault:
    """Replaces the first `old` by `new`; the finding is expected where `at` begins in what replaced it.

    `line_of` names the place by another text of the file, where the fault shows elsewhere than where it was made.
    """

    code: str
    old: str
    new: str
    at: str = ""
    line_of: str = ""
    column: int = 0


FAULTS = [
    Fault("NL101", "---\nnumber", "number", line_of="number", column=1),
    Fault("NL102", "\ndescription: ", "\ndescripton: ", at="descripton"),
    Fault("NL102", "\ntags: ", "\noptons: x\ntags: ", at="optons"),
    Fault("NL103", "\ndate: ", "\nupdated: ", line_of="---", column=1),
    Fault("NL104", "status: ready", "status: finished", at="finished"),
    Fault("NL104", "date: 2026", "date: 20-26", at="20-26"),
    Fault("NL104", "tags: [", "tags: [12:30, 1.5, ", at="1.5"),
    Fault("NL105", "\nstatus:", "\nstatus: draft\nstatus:", at="status:", column=0),
    Fault("NL106", "\ntitle: ", "\nauthor: a: b\ntitle: ", at=": b"),
    Fault("NL107", "## Architecture", "\x08## Architecture", at="\x08"),
    Fault("NL110", "tags: [", "tags: [RAG, ", at="RAG"),
    Fault("NL201", "## Architecture: ", "### Architecture: ", line_of="## Project idea: ", column=1),
    Fault("NL202", "## Architecture: ", "## Architektur: ", at="Architektur"),
    Fault("NL203", "## Project idea: ", "## Concept: again\n\nText.\n\n## Project idea: ", at="## Concept"),
    Fault("NL205", "## Project idea: ", "## Project idea:\n\n", at="## Project"),
    Fault("NL206", "**Takeaway:** ", "", line_of="## Concept: ", column=1),
    Fault("NL206", "- **Level:** ", "- ", line_of="## Interview question: ", column=1),
    Fault("NL206", "### Answer\n", "", line_of="## Interview question: ", column=1),
    Fault("NL207", "- **Level:** ", "- **Level:** upper ", at="upper"),
    Fault("NL207", "- **Time:** ", "- **Time:** ca. ", at="ca. "),
    Fault("NL208", "- **Stack:**", "- **Stak:**", at="Stak"),
    Fault("NL208", "- **Outcome:**", "- **Result:**", at="Result"),
    Fault("NL209", "- **Time:**", "- **Time:** 4h\n- **Time:**", at="- **Time:**", column=13),
    Fault("NL210", "- **Time:**", "- a laptop\n- **Time:**", at="- a laptop"),
    Fault("NL211", "### Follow-ups", "### Followups", at="Followups"),
    Fault("NL213", "## Concept: ", "# Once more\n\n## Concept: ", at="# Once"),
    Fault("NL214", "### Answer\n", "### Answer\n##### Deep\n", at="##### Deep"),
    Fault("NL215", "### Answer\n", "### Answer\n~~~sh\nls\n", at="~~~sh"),
    Fault("NL301", "## Concept: ", "{{ subscriber.nme }}\n\n## Concept: ", at="subscriber.nme"),
    Fault("NL302", "## Concept: ", "{{ 1 + 1 }}\n\n## Concept: ", at="{{"),
    Fault("NL303", "## Concept: ", "[x](https://{{ subscriber.name }}/)\n\n## Concept: ", at="{{ subscriber"),
    Fault("NL304", "**Takeaway:** ", "**Takeaway:** so <b>bold</b> ", at="<b>"),
    Fault("NL305", "![", "![](images/001-two-loops.png)\n\n![", at="![]"),
    Fault("NL306", "](images/", "](pictures/", at="pictures/"),
    Fault("NL307", "## Project idea", "![A](https://example.com/a.webp)\n\n## Project idea", at="https"),
    Fault("NL308", "### Answer\n", "### Answer\nSee [this]().\n", at="[this]"),
    Fault("NL309", "](https://", "](http://", at="http://"),
    Fault("NL310", "### Answer\n", "### Answer\nTODO numbers\n", at="TODO"),
    Fault("NL312", "### Answer\n", "### Answer\nSee [that](that.md).\n", at="that.md"),
    Fault("NL313", "### Answer\n", "### Answer\nSee [that](javascript:void).\n", at="javascript:"),
]


def place_of(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def inject(text: str, fault: Fault) -> tuple[str, int, int]:
    position = text.index(fault.old)
    broken = text[:position] + fault.new + text[position + len(fault.old) :]
    if fault.line_of:
        line, column = place_of(broken, broken.index(fault.line_of))
    else:
        within = fault.new.rindex(fault.at) if fault.code in {"NL105", "NL209"} else fault.new.index(fault.at)
        line, column = place_of(broken, position + within)
    return broken, line, fault.column or column


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("issues")
    shutil.copytree(ISSUES / "images", made / "images")
    return made


def test_there_are_real_issues_and_they_are_clean() -> None:
    assert len(FILES) >= 3
    for path in FILES:
        issue, found = check_file(path)
        assert issue is not None
        assert found == [], path


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[:3])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.code}-{fault.new.strip()[:16]}")
def test_an_injected_fault_is_found_at_its_place(
    fault: Fault, path: Path, line_end: str, folder: Path
) -> None:
    broken, line, column = inject(path.read_text("utf-8"), fault)
    copy = folder / path.name
    copy.write_bytes(broken.replace("\n", line_end).encode())
    _, found = check_file(copy)
    assert (fault.code, line, column) in [(d.code, d.line, d.column) for d in found]
    # One mistake is one finding, or a few that follow from it; never a flood.
    assert len(found) <= 3, found
