"""What does judging the finished message cost beside making it? CPU, and the command with and without what it remembers.

    python tests/benchmarks/check_output.py

For each of this newsletter's issues, rules on the message take turns with rendering, compiling and writing it, so that a
noisy machine disturbs both alike. Then the command: `--no-render`, the first look and the second one at fifty issues.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from newsletter.app import Workspace  # noqa: E402 - the script is run from anywhere
from newsletter.checks.output.kept import CACHE  # noqa: E402
from newsletter.checks.output.message import check_mail  # noqa: E402
from newsletter.checks.output.rendered import check_rendered, complete, mail_of  # noqa: E402
from newsletter.cli.check_output import rendering_for  # noqa: E402
from newsletter.config import Secrets, load_settings  # noqa: E402
from newsletter.content.issue import read_issue  # noqa: E402
from newsletter.render.compile import compile_rendered  # noqa: E402
from tests.benchmarks.check import write_issues  # noqa: E402

ROUNDS = 15


def children_cpu(command: list[str], folder: Path) -> float:
    """CPU seconds of a command."""
    before = os.times()
    subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    workspace = Workspace(ROOT, load_settings(ROOT), Secrets(ROOT, {}))
    rendering = rendering_for(workspace)
    print(f"{'issue':<34}{'make':>8}{'judge':>8}{'×':>6}   ms of CPU, median of {ROUNDS} turns")
    for path in sorted((ROOT / "issues").glob("[0-9]*.md")):
        issue = read_issue(path).issue
        assert issue is not None
        assert check_rendered(issue, rendering) == []
        make: list[float] = []
        judge: list[float] = []
        for _ in range(ROUNDS):
            fresh = rendering_for(workspace)
            started = time.process_time()
            compiled = compile_rendered(fresh.renderer.render(issue), issue, attach=fresh.attach).issue
            assert compiled is not None
            mail = mail_of(compiled, complete(fresh.publication), None)
            make.append(time.process_time() - started)
            started = time.process_time()
            check_mail(mail, fresh.origin(issue))
            judge.append(time.process_time() - started)
        made, judged = statistics.median(make) * 1e3, statistics.median(judge) * 1e3
        print(f"{path.stem:<34}{made:>8.1f}{judged:>8.1f}{judged / made:>6.1f}")
    report_command()


def report_command() -> None:
    """CPU of the command, with nothing remembered, with everything, and without rendering."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "issues").mkdir()
        (home / "newsletter.toml").write_text('name = "Notes"\n')
        write_issues(home / "issues", 50)
        command = [str(Path(sys.executable).parent / "newsletter"), "check", "--format", "concise"]
        source = statistics.median(children_cpu([*command, "--no-render"], home) for _ in range(3))
        first = children_cpu(command, home)
        assert (home / ".newsletter" / CACHE).is_file()
        second = statistics.median(
            children_cpu([*command, f"issues/{number:04}-issue.md"], home) for number in (1, 2, 3)
        )
        print(
            f"50 issues, the text alone {source:.2f} s; first look at the mails {first:.2f} s, × {first / source:.1f}"
        )
        print(f"one of them, remembered   {second:.2f} s, × {second / source:.2f} of the text of all")


if __name__ == "__main__":
    main()
