"""The README tells the truth: every console block is typed into a real shell, in order; settings and issue are read.

A line that begins with `$ ` is a command and `> ` continues one; the lines below it are what it
prints, where `…` stands for anything. The shell keeps its folder and its variables from block to
block, as a reader's does. Where the README names a mail server or Resend, one on this machine answers.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from newsletter.checks.run import check_file, check_guide_text
from newsletter.config import settings_from_table
from newsletter.diagnostics import Severity
from tests.conftest import ROOT

README = ROOT / "README.md"
FAKES = ROOT / "tests" / "fakes"


@dataclass(frozen=True)
class Step:
    """One command of a block and what the README says it prints."""

    command: str
    printed: str


def blocks(language: str) -> list[str]:
    """What stands in the fences of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def steps() -> list[Step]:
    found: list[Step] = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            more = next((i for i, line in enumerate(lines[1:], 1) if not line.startswith("> ")), len(lines))
            command = "\n".join([lines[0], *(line[2:] for line in lines[1:more])])
            found.append(Step(command, "\n".join(lines[more:]).strip()))
    return found


def agrees(documented: str, printed: str) -> bool:
    """Whether the documented lines stand in the output, in order, with `…` for anything within a line."""
    position = 0
    lines = [line.rstrip() for line in printed.splitlines()]
    for line in documented.splitlines():
        if line.strip() == "…":
            continue
        pattern = re.compile(re.escape(line.rstrip()).replace("…", ".*"))
        position = next((i for i in range(position, len(lines)) if pattern.fullmatch(lines[i])), -1) + 1
        if position == 0:
            return False
    return True


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, int]]:
    """Ports of a mail server and of Resend's API, both on loopback with ledgers of their own."""
    started: list[subprocess.Popen[bytes]] = []
    ports: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in ("smtp", "resend"):
                port_file = Path(folder) / f"{name}.port"
                started.append(
                    subprocess.Popen(
                        [
                            sys.executable,
                            str(FAKES / f"{name}.py"),
                            "--port-file",
                            str(port_file),
                            "--ledger",
                            str(Path(folder) / f"{name}.ledger"),
                            *(["--secret", "re_your_key"] if name == "resend" else []),
                        ],
                        cwd=ROOT,
                    )
                )
                for _ in range(100):
                    if port_file.exists() and port_file.read_text().strip():
                        break
                    with pytest.raises(subprocess.TimeoutExpired):
                        started[-1].wait(0.1)
                ports[name] = int(port_file.read_text())
            yield ports
        finally:
            for process in started:
                process.terminate()
                process.wait(60)


def on_this_machine(command: str, ports: dict[str, int]) -> str:
    """The command with the outside world's servers replaced by ours, and the preview ended by Ctrl-C."""
    command = command.replace("smtp.example.com", "127.0.0.1").replace(
        "port = 587", f"port = {ports['smtp']}"
    )
    command = command.replace(
        'name = "resend"', f'name = "resend"\nbase_url = "http://127.0.0.1:{ports["resend"]}"'
    )
    if command.startswith("newsletter preview") and "--out" not in command:
        command = f"timeout --signal=INT 5 {command} --no-open || [ $? -eq 124 ]"
    return command


@pytest.mark.slow
@pytest.mark.timeout(500)  # a minute where nothing else runs: it installs the package, and uses all of it
def test_every_console_block_of_the_readme_runs_as_written(tmp_path: Path, servers: dict[str, int]) -> None:
    checkout = tmp_path / "newsletter"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    state = tmp_path / "state.sh"
    state.write_text(
        f"cd {checkout}\nunset ${{!NEWSLETTER_@}} VIRTUAL_ENV PYTHONDONTWRITEBYTECODE\nexport COLUMNS=100 HOME={tmp_path}"
        # Compiled once it is imported: most of what is installed never is.
        f" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_COMPILE=0\n"
    )
    assert steps()
    for step in steps():
        script = (
            f"source {state}\n{on_this_machine(step.command, servers)}\n"
            f'{{ declare -px; echo "cd $(printf %q "$PWD")"; }} > {state}\n'
        )
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            timeout=480,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {step.command}\n{printed}"
        assert agrees(step.printed, printed), (
            f"$ {step.command}\nREADME:\n{step.printed}\nprinted:\n{printed}"
        )


def test_a_wrong_line_in_the_readme_would_be_noticed() -> None:
    assert agrees("a … c\n…\nlast", "noise\na b c\nmore\nlast\n")
    assert not agrees("a … c\nlast", "last\na b c\n")
    assert not agrees("accepted 3", "accepted 30")


def test_the_settings_of_the_readme_are_accepted() -> None:
    (text,) = blocks("toml")
    settings = settings_from_table(tomllib.loads(text), README, text)
    assert settings.publication.from_email == "ada@example.com"
    assert [kind.heading for kind in settings.kinds] == ["Konzept", "News"]


def test_the_issue_of_the_readme_has_no_fault_but_its_missing_picture(tmp_path: Path) -> None:
    text, _ = blocks("markdown")
    path = tmp_path / "012-slug.md"
    path.write_text(text, "utf-8")
    issue, found = check_file(path)
    assert issue is not None
    assert [d.code for d in found if d.severity is Severity.ERROR] == ["NL306"], found
    picture = tmp_path / "images" / "lanes.png"
    picture.parent.mkdir()
    picture.write_bytes((ROOT / "issues/images/001-two-loops.png").read_bytes())
    _, found = check_file(path)
    assert [d for d in found if d.severity is not Severity.INFO] == []


def test_the_guide_of_the_readme_has_no_fault() -> None:
    _, text = blocks("markdown")
    guide, found = check_guide_text(text, "guides/queue-or-cron.md")
    assert guide is not None
    assert found == []
