"""Into a copy of each real guide goes one fault at a known place: the finding has to name exactly that place."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.checks.run import check_files
from newsletter.content.guide import read_guide
from newsletter.content.guide_files import guide_files
from tests.conftest import ROOT

ISSUES = ROOT / "issues"
GUIDES = guide_files(ISSUES)
# The guides were written by then, and none is past its review.
TODAY = dt.date(2026, 11, 25)
# Where the finding is expected, in what replaces a match; never left in the text.
PLACE = "§"


class Fault:
    """Replaces what `old` matches first by `new`; the finding is expected at its `§`, or at the text `line_of`."""

    def __init__(
        self, code: str, old: str, new: str | Callable[[re.Match[str]], str], line_of: str = ""
    ) -> None:
        self.code = code
        self.old = re.compile(old, re.MULTILINE | re.DOTALL)
        self.new = new
        self.line_of = line_of

    def into(self, text: str) -> tuple[str, int, int]:
        """`text` with the fault in it, and the line and column where it has to be found."""
        match = self.old.search(text)
        assert match is not None, self.old.pattern
        new = self.new if isinstance(self.new, str) else self.new(match)
        marked = text[: match.start()] + new + text[match.end() :]
        broken = marked.replace(PLACE, "")
        assert broken != text
        offset = broken.index(self.line_of) if self.line_of else marked.index(PLACE)
        return broken, broken.count("\n", 0, offset) + 1, offset - (broken.rfind("\n", 0, offset) + 1) + 1


def with_columns_swapped(header: re.Match[str]) -> str:
    first, second, *rest = header[2].strip("| ").split(" | ")
    return header[1] + "§" + " | ".join([second, first, *rest]) + " |\n"


COMPARISON = r"^## Comparison"
HEADER = r"(^\| Aspect \| )([^\n]*)\n"
FIRST_ROW = r"^(\|-[^\n]*\n)(\| [^|]*\|)([^|]*)\|"
FAULTS = [
    Fault("NL101", r"\A---\n", "", line_of="type: guide"),
    Fault("NL102", r"^options:", "§optons:"),
    Fault("NL102", r"^tags:", "§number: 3\ntags:"),
    Fault("NL102", r"^( +)title: ", lambda m: f"{m[1]}§date: 2026-01-06\n{m[0]}"),
    Fault("NL103", r"^review_by: \S+\n", "", line_of="---"),
    Fault("NL104", r"^type: guide", "type: §gude"),
    Fault("NL104", r"^updated: 2026", "updated: §26"),
    Fault("NL104", r"^options: .*?\]", "options: §[RAG]"),
    Fault("NL104", r"^options: .*?\]", "options: §[A, B, C, D, E]"),
    Fault("NL104", r"^related: \[", "related: [1, §true, "),
    Fault("NL104", r"^sources:\n", "sources:\n  - §https://example.com/\n"),
    Fault("NL104", r"^sources:\n", "sources:\n  - §url: https://example.com/\n"),
    Fault("NL104", r"^sources:\n", "sources:\n  - title: X\n    url: §12\n"),
    Fault("NL105", r"^updated:[^\n]*\n", lambda m: f"{m[0]}§{m[0]}"),
    Fault("NL106", r"^updated:", "author: a§: b\nupdated:"),
    Fault("NL107", COMPARISON, "§\x08## Comparison"),
    Fault("NL110", r"^tags: \[", "tags: [§RAG, "),
    Fault("NL213", COMPARISON, "§# Once more\n\n## Comparison"),
    Fault("NL214", r"^### Choose", "§##### Deep\n\n### Choose"),
    Fault("NL215", COMPARISON, "§~~~sh\nls\n\n## Comparison"),
    Fault("NL216", COMPARISON, "## Comparison§ \t"),
    Fault("NL304", COMPARISON, "So §<b>bold</b>.\n\n## Comparison"),
    Fault("NL304", r"^### Choose", "§<details>\n\n### Choose"),
    Fault("NL305", COMPARISON, "§![](../images/001-two-loops.png)\n\n## Comparison"),
    Fault("NL306", COMPARISON, "![A](§images/none.png)\n\n## Comparison"),
    Fault("NL306", r"^status:", "image: §images/none.png\nstatus:"),
    Fault("NL308", COMPARISON, "See §[this]().\n\n## Comparison"),
    Fault("NL309", r"\]\(https://", "](§http://"),
    Fault("NL310", r"^### Choose", "§TODO numbers\n\n### Choose"),
    Fault("NL312", r"\]\(\.\./00", "](§../99"),
    Fault("NL313", COMPARISON, "[x](§javascript:void)\n\n## Comparison"),
    Fault("NL501", r"^---\n\*\*.*?(?=^## Comparison)", "---\n", line_of="## Comparison"),
    Fault("NL501", r"^## Comparison.*?(?=^## When)", "", line_of="## When"),
    Fault("NL501", r"^## When.*?(?=^## Freq)", "", line_of="## Freq"),
    Fault("NL501", r"^## Frequently.*", "§## Frequently asked questions\nNone yet.\n"),
    Fault("NL502", COMPARISON, "## §In short"),
    Fault("NL502", r"^## When to choose", "## §When you choose"),
    Fault("NL503", r"^## Freq", "§## Comparison\n\n## Freq"),
    Fault("NL504", r"^\|-[^\n]*\n", "", line_of="## Comparison"),
    Fault("NL504", r"^\*\*Caption", "§| a | b |\n|---|---|\n| 1 | 2 |\n\n**Caption"),
    Fault("NL505", HEADER, lambda m: f"{m[1]}§Magic{m[2][m[2].index(' |') :]}\n"),
    Fault("NL505", HEADER, with_columns_swapped),
    Fault("NL505", HEADER, lambda m: f"§{m[1]}Magic | {m[2]}\n"),
    Fault("NL505", r"^\|---", "|---|---", line_of="| Aspect"),
    Fault("NL506", FIRST_ROW, lambda m: f"{m[1]}§{m[2]}"),
    Fault("NL506", FIRST_ROW, lambda m: f"{m[1]}{m[2]}§ |"),
    Fault("NL506", FIRST_ROW, lambda m: f"{m[1]}|§ |{m[3]}|"),
    Fault("NL506", FIRST_ROW, lambda m: f"{m[1]}§{m[2]} | {m[3]}|"),
    Fault("NL506", r"\n\n(\*\*Caption)", lambda m: f"\n§{m[1]}"),
    Fault("NL507", r"^### Choose.*?(?=^### Choose)", "", line_of="## When"),
    Fault("NL508", r"^### Choose", "### §Choose magic\nNever.\n\n### Choose"),
    Fault("NL508", r"^### Choose ", "### §When to take "),
    Fault("NL509", r"^(### Choose[^\n]*\n)", lambda m: f"{m[1]}Yes.\n\n§{m[1]}"),
    Fault("NL509", r"^(\|-[^\n]*\n)(\| )([^\n]*\n)", lambda m: f"{m[0]}{m[2]}§{m[3]}"),
    Fault("NL510", r"^(### Choose[^\n]*\n).*?(?=^### Choose)", lambda m: f"§{m[1]}"),
    Fault("NL511", r"^(### )([^\n?]*)\?", lambda m: f"{m[1]}§{m[2]}."),
    Fault("NL512", r"(.*^)(### [^\n]*\n).*", lambda m: f"{m[1]}§{m[2]}"),
    Fault("NL513", r"^review_by: \S+", "review_by: §2026-11-24"),
    Fault("NL514", r"^review_by: \S+", "review_by: §2026-11-01"),
    Fault("NL515", r"^related: \[", "related: [1, §999, "),
    Fault("NL515", r"^related: \[", "related: [\n  §evals-in-cd, "),
    Fault("NL516", r"^sources:\n", "sources:\n  - {url: §/x, title: X}\n"),
    Fault("NL517", COMPARISON, "§{{ subscriber.name }}\n\n## Comparison"),
    Fault("NL518", COMPARISON, "[x](§#nowhere)\n\n## Comparison"),
    Fault("NL518", r"\.md#concept", ".md§#concepts"),
    Fault("NL519", COMPARISON, "§> [!NOTE]\n> So.\n\n## Comparison"),
    Fault("NL902", r"^status:", "aliases: [§hybrid-retrieval]\nstatus:"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home") / "issues"
    shutil.copytree(ISSUES, made)
    return made


def test_there_are_real_guides_and_they_are_clean() -> None:
    assert len(GUIDES) >= 4
    assert check_files([*sorted(ISSUES.glob("0*.md")), *GUIDES], today=TODAY) == []
    for path in GUIDES:
        guide = read_guide(path).guide
        assert guide is not None
        assert guide.front.updated <= TODAY < guide.front.review_by
        assert 900 <= len(guide.text.split()) <= 1_500
        assert PLACE not in guide.text


@pytest.mark.parametrize(
    ("path", "line_end"),
    [*((path, "\n") for path in GUIDES), (GUIDES[0], "\r\n")],
    ids=[*(path.stem[:6] for path in GUIDES), "crlf"],
)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.code}-{fault.old.pattern[:16]}")
def test_a_fault_injected_into_a_guide_is_found_at_its_place(
    fault: Fault, path: Path, line_end: str, home: Path
) -> None:
    text = path.read_text("utf-8")
    broken, line, column = fault.into(text)
    copy = home / "guides" / path.name
    beside = [*sorted(home.glob("0*.md")), *(home / "guides" / p.name for p in GUIDES if p != path)]
    try:
        copy.write_bytes(broken.replace("\n", line_end).encode())
        found = check_files([copy], beside=beside, today=TODAY)
    finally:
        copy.write_text(text, "utf-8")
    assert (fault.code, line, column) in [(d.code, d.line, d.column) for d in found]
    # One mistake is one finding, or a few that follow from it; never a flood.
    assert len(found) <= 3, found
