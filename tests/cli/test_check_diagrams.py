"""What a check says of a diagram depends on what is installed, so it isn't said again once that changed."""

from __future__ import annotations

import os
from pathlib import Path

from newsletter.render.diagrams.drawing import drawer
from tests.cli.conftest import Run
from tests.conftest import missing


def test_a_diagram_that_could_not_be_drawn_is_looked_at_again(run: Run, tmp_path: Path) -> None:
    if not drawer("dot"):
        missing("dot")
    run("init", ".", "--name", "Notes", "--from", "ada@example.com", "--postal-address", "Street",
        "--base-url", "https://notes.example.com")  # fmt: skip
    issue = tmp_path / "issues" / "001-hello.md"
    words, rest = issue.read_text("utf-8").split("## Concept", 1)
    block = "```dot\n// alt: Two steps.\ndigraph { Write -> Send }\n```\n\n"
    issue.write_text(f"{words}{block}## Concept{rest}", "utf-8")
    # As long ago as it takes for a check to be kept.
    os.utime(issue, (1_700_000_000, 1_700_000_000))
    for _ in range(2):
        without = run("check", env={"PATH": str(tmp_path)})
        assert (without.returncode, without.stdout.count("NL460")) == (0, 1)
        assert "apt install graphviz" in without.stdout
    with_dot = run("check")
    assert (with_dot.returncode, with_dot.stdout) == (0, "checked 1 issue: no findings\n")
