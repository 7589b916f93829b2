"""What is shipped works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, missing


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=200,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_file_the_package_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for source, inside in (("templates", "newsletter/_templates"), ("issues", "newsletter/_issues")):
        for path in (ROOT / source).rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                assert f"{inside}/{path.relative_to(ROOT / source)}" in names
    for path in (ROOT / "newsletter").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert not {name for name in names if name.startswith(("tests/", ".newsletter"))}


@pytest.mark.slow
def test_the_wheel_runs_the_demo_in_a_fresh_environment_outside_the_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, timeout=200)
    installed = subprocess.run(
        [
            environment / "bin" / "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--disable-pip-version-check",
            str(wheel),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if "No matching distribution" in installed.stderr or "Could not find a version" in installed.stderr:
        missing("a package index to install from")
    assert installed.returncode == 0, installed.stderr
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NEWSLETTER_", "PYTHON"))}
    done = subprocess.run(
        [environment / "bin" / "newsletter", "demo", "--dir", "demo"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "demo" / ".newsletter" / "outbox").glob("*/*.eml"))) == 200
