"""What does sending cost, all of it? Runs every benchmark of a send, each in processes of its own, and prints one table.

    .venv/bin/python tests/benchmarks/send.py              a few minutes
    .venv/bin/python tests/benchmarks/send.py --million    1,000,000 recipients where the number matters

Each can be run alone: `python -m tests.benchmarks.sending.over_http` (with `values`, `distant` or `full`),
`….growth`, `….unsubscribes`, and `python tests/benchmarks/smtp.py`. Every figure with a peer was measured beside it, in the same run.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.benchmarks.sending.loopback import ROOT, module
from tests.benchmarks.sending.table import collected, markdown

# Which of them take --million.
_PARTS: tuple[tuple[list[str], bool], ...] = (
    (module("over_http", "values"), True),
    (module("over_http", "distant"), False),
    (module("over_http", "full"), False),
    (module("growth"), True),
    (module("unsubscribes"), True),
    ([sys.executable, "-m", "tests.benchmarks.smtp"], False),
)


def main() -> int:
    """Measure; 1 where a target is missed or a part failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--million", action="store_true")
    million = ["--million"] if parser.parse_args().million else []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows"
        file.touch()
        failed = False
        for command, takes_million in _PARTS:
            more = million if takes_million else []
            # One that fails shows its traceback; the others are still worth knowing.
            done = subprocess.run([*command, *more, "--rows", str(file)], cwd=ROOT, check=False)
            failed = failed or done.returncode == 1
        rows = collected(file)
    print(
        f"\nCPython {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}\n\n{markdown(rows)}"
    )
    return 1 if failed or any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
