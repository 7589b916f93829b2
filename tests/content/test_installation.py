"""Which installation is at work? Anything that is installed beside us, or changes in us, makes it another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.content import installation as module
from newsletter.content.installation import installation

# Without what it remembers: a process asks once.
ask = installation.__wrapped__


def test_it_is_the_same_from_one_time_to_the_next() -> None:
    assert ask() == ask()


def test_a_package_that_is_upgraded_makes_it_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site-packages"
    (site / "markdown-3.dist-info").mkdir(parents=True)
    os.utime(site, ns=(1, 1))
    monkeypatch.syspath_prepend(str(site))
    before = ask()
    (site / "markdown-3.dist-info").rename(site / "markdown-4.dist-info")
    assert ask() != before


@pytest.mark.parametrize("name", ["newsletter/render/html.py", "templates/email/footer.html.j2"])
def test_a_module_or_a_template_that_changes_makes_it_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("one")
    monkeypatch.setattr(module, "_PACKAGE", str(tmp_path / "newsletter"))
    before = ask()
    path.write_text("three")
    assert ask() != before


def test_what_python_compiles_for_itself_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "newsletter"
    package.mkdir()
    monkeypatch.setattr(module, "_PACKAGE", str(package))
    before = ask()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "html.cpython-311.pyc").write_bytes(b"")
    assert ask() == before
