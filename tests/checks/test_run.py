"""Files checked, compared and mended: nothing half-written, nothing reported twice, settings obeyed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.checks.across import read_claims
from newsletter.checks.fix import apply_fixes, fix_text
from newsletter.checks.run import check_file, check_files, check_text, fix_file
from newsletter.content.whole_files import write_whole
from newsletter.diagnostics import Diagnostic, Fix, Severity
from newsletter.errors import NewsletterError, UsageError

GOOD = (Path(__file__).parent.parent / "cases" / "NL101" / "good.md").read_text("utf-8")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_settings_turn_codes_off_and_raise_them_to_errors(tmp_path: Path) -> None:
    path = write(tmp_path, "001-a.md", GOOD.replace("Hello.", "[a](http://field-notes.dev/) TODO"))
    assert [(d.code, d.severity) for d in check_file(path)[1]] == [
        ("NL309", Severity.WARNING),
        ("NL310", Severity.WARNING),
    ]
    assert [d.code for d in check_file(path, off=["NL309"])[1]] == ["NL310"]
    assert check_file(path, errors=["NL309"])[1][0].severity is Severity.ERROR
    with pytest.raises(UsageError) as caught:
        check_file(path, off=["NL39"])
    assert "NL309" in caught.value.hint
    with pytest.raises(UsageError, match="can't be turned off"):
        check_files([path], off=["NL201"])


def test_an_issue_is_compared_with_those_beside_it(tmp_path: Path) -> None:
    first = write(tmp_path, "001-a.md", GOOD.replace("description", "slug: twin\ndescription"))
    second = write(tmp_path, "b.md", GOOD.replace("description", "aliases: [old, twin]\ndescription"))
    found = check_files([second], beside=[first, tmp_path / "missing.md"])
    assert [(d.code, d.path, d.line) for d in found] == [("NL901", str(second), 2), ("NL902", str(second), 5)]
    assert check_files([first], beside=[]) == []


def test_claims_are_read_without_parsing(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "012-a-b.md",
        GOOD.replace("number: 1", "number: 12").replace("description", "aliases: [x, 'y/']\ndescription"),
    )
    claims = read_claims(path)
    assert (claims.number, claims.slugs) == (12, ("a-b", "x", "y"))
    assert read_claims(tmp_path).number is None


@pytest.mark.parametrize(
    "written",
    [
        "aliases: [x, 'y/']",
        'aliases: [x, # once\n  "/y"]  # both',
        "aliases:\n  - x\n  - 'y/'",
        'aliases:  # old\n- x # then\n\n# and\n-   "/y/"',
    ],
)
def test_aliases_are_claimed_however_yaml_writes_a_list(tmp_path: Path, written: str) -> None:
    path = write(tmp_path, "012-a-b.md", GOOD.replace("description", f"{written}\ndescription"))
    assert read_claims(path).slugs == ("a-b", "x", "y")
    issue = check_file(path)[0]
    assert issue is not None
    assert [alias.strip("/") for alias in issue.front.aliases] == ["x", "y"]


def test_an_image_is_looked_for_beside_the_issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "issues" / "img").mkdir(parents=True)
    pixel = b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    (tmp_path / "issues" / "img" / "a b.gif").write_bytes(pixel)
    path = write(
        tmp_path / "issues", "001-a.md", GOOD.replace("Hello.", "![A](<img/a b.gif>) ![B](img/a%20b.gif)")
    )
    monkeypatch.chdir(tmp_path)
    assert check_file(path)[1] == []
    assert [d.code for d in check_text(path.read_text(), "x.md", folder=tmp_path)[1]] == ["NL306", "NL306"]
    assert check_text(path.read_text(), "x.md")[1] == []


def test_fixes_keep_line_endings_mode_and_links(tmp_path: Path) -> None:
    broken = (
        GOOD.replace("description:", "descripton:")
        .replace("## Concept:", "## Concpet:")
        .replace("medium", "Medium")
    )
    path = write(tmp_path, "001-a.md", ("\ufeff" + broken).replace("\n", "\r\n"))
    path.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to(path)
    assert fix_file(link) == 4
    assert path.read_bytes().decode() == GOOD.replace("\n", "\r\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    before = path.stat().st_mtime_ns
    assert fix_file(path) == 0
    assert path.stat().st_mtime_ns == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["001-a.md", "link.md"]


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "001-a.md", "old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["001-a.md"]


def test_bytes_that_are_no_text_are_never_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "001-a.md"
    path.write_bytes(b"\xff" + GOOD.replace("description:", "descripton:").encode())
    before = path.read_bytes()
    assert fix_file(path) == 0
    assert path.read_bytes() == before
    with pytest.raises(NewsletterError):
        fix_file(tmp_path / "none.md")


def test_overlapping_fixes_are_not_both_made() -> None:
    def at(start: int, end: int, text: str) -> Diagnostic:
        return Diagnostic("NL102", Severity.ERROR, "m", "p", fix=Fix(start, end, text))

    assert apply_fixes("abcdef", [at(3, 5, "X"), at(0, 2, "Y"), at(1, 4, "Z")]) == ("YcXf", 2)
    assert apply_fixes("abc", [at(3, 3, "\n"), at(3, 3, "\n")]) == ("abc\n", 1)
    assert apply_fixes("abc", [at(0, 9, "")]) == ("abc", 0)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(["\x00", "  \n", "## Concpet: x", "tags: [A]\n", "\ufeff", "### Answr\n", "\r", "x", "\n", "---\n", "titel: y\n", "status: Draft\n", "- **Levl:** mid\n", "and and ", "https://a.dev/?fbclid=1 ", "[a] (https://b.dev)", "(a)[https://c.dev]", "\u200b", "```\n\u00a0\n```\n", "|-|-|\n", "![x.png](y.png)", "[here](#x)"]), max_size=20).map("".join))  # fmt: skip
def test_mending_comes_to_an_end_and_never_adds_errors_of_new_kinds(text: str) -> None:
    fixed, made = fix_text(text, lambda current: check_text(current, "x.md")[1])
    again, more = fix_text(fixed, lambda current: check_text(current, "x.md")[1])
    assert (again, more) == (fixed, 0) or made >= 5


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux has a file that can't be read")
def test_a_file_that_fails_while_it_is_read_is_a_sentence() -> None:
    # Root may read any file, but nothing is mapped at the first address of a process.
    with pytest.raises(NewsletterError, match="can't be read: Input/output error"):
        check_file(Path("/proc/self/mem"))
