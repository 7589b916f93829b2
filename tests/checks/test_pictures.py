"""Pictures that are too heavy for the repository: made here, checked where they lie, never read as a whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from newsletter.checks.run import check_file
from newsletter.diagnostics import Severity

GOOD = (Path(__file__).parent.parent / "cases" / "NL823" / "good.md").read_text("utf-8")
PNG = (Path(__file__).parent.parent / "cases" / "NL823" / "images" / "lanes.png").read_bytes()


def of_size(folder: Path, size: int) -> Path:
    (folder / "images").mkdir()
    with (folder / "images" / "lanes.png").open("wb") as file:
        file.write(PNG)
        file.truncate(size)
    path = folder / "001-a.md"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize(
    ("size", "codes"),
    [(900_000, []), (1_000_001, ["NL825"]), (20_000_001, ["NL826"]), (80_000_000, ["NL826"])],
)
def test_a_picture_is_told_too_heavy_at_its_line(tmp_path: Path, size: int, codes: list[str]) -> None:
    path = of_size(tmp_path, size)
    started = time.process_time()
    found = check_file(path)[1]
    assert time.process_time() - started < 1
    assert [d.code for d in found] == codes
    if codes:
        line = GOOD[: GOOD.index("images/lanes.png")].count("\n") + 1
        assert [(d.line, d.column) for d in found] == [
            (line, GOOD.splitlines()[line - 1].index("images/") + 1)
        ]


def test_a_picture_of_another_format_than_its_name_says_is_an_error_only_where_mail_does_not_show_it(
    tmp_path: Path,
) -> None:
    path = of_size(tmp_path, 500)
    file = tmp_path / "images" / "lanes.png"
    for head, severity in (
        (b"\xff\xd8\xff\xe0", Severity.WARNING),
        (b"GIF89a", Severity.WARNING),
        (b"RIFF....WEBPVP8 ", Severity.ERROR),
        (b"....ftypavif", Severity.ERROR),
        (b"\n<svg xmlns=''>", Severity.ERROR),
        (b"<html><body>403", Severity.ERROR),
        (b"", Severity.ERROR),
    ):
        file.write_bytes(head)
        # There is no more of it than its head, which has a code of its own.
        found = [(d.code, d.severity) for d in check_file(path)[1] if d.code != "NL405"]
        assert found == [("NL827", severity)], head


def test_a_picture_that_is_cut_off_is_found_also_where_only_the_page_shows_it(tmp_path: Path) -> None:
    path = of_size(tmp_path, 500)
    before, answer = GOOD.split("### Answer\n")
    picture = next(line for line in GOOD.splitlines() if "images/lanes.png" in line)
    path.write_text(f"{before.replace(picture, '')}### Answer\n{picture}\n\n{answer}")
    assert check_file(path)[1] == []
    file = tmp_path / "images" / "lanes.png"
    file.write_bytes(PNG[:-6])
    assert [found.code for found in check_file(path)[1]] == ["NL405"]


def test_a_folder_called_as_a_picture_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    path = of_size(tmp_path, 10)
    (tmp_path / "images" / "lanes.png").unlink()
    (tmp_path / "images" / "lanes.png").mkdir()
    assert check_file(path)[0] is not None
