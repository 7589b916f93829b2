"""What a check says of a diagram depends on what is installed, so it isn't said again once that changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from newsletter.render.diagrams.drawers import drawer
from tests.conftest import missing
from tests.running import Run

GUIDE = """---
type: guide
title: A vs B
description: Which of the two.
options: [A, B]
updated: 2026-01-06
review_by: 2099-01-01
---
A for most; B where A can't.

```mermaid
%% alt: A leads to B.
flowchart TB
A --> B
```

## Comparison
| | A | B |
|---|---|---|
| Cost | little | much |

## When to choose which
### Choose A
Mostly.

### Choose B
Rarely.

## Frequently asked questions
### Is A cheaper?
Yes.
"""


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


def test_a_guides_diagram_is_checked_as_the_sites_build_checks_it(run: Run, tmp_path: Path) -> None:
    if not drawer("mermaid"):
        missing("merman")
    run("init", ".", "--name", "Notes", "--from", "ada@example.com", "--postal-address", "Street",
        "--base-url", "https://notes.example.com")  # fmt: skip
    (tmp_path / "issues" / "guides").mkdir()
    guide = tmp_path / "issues" / "guides" / "a-vs-b.md"
    guide.write_text(GUIDE, "utf-8")
    assert run("check", "issues/guides").returncode == 0
    guide.write_text(GUIDE.replace("A --> B", "A -->> ]B"), "utf-8")
    found = {}
    for command in (("check", "issues/guides", "--format", "json"), ("site", "build", "--json")):
        done = run(*command)
        assert done.returncode == 1
        said = json.loads(done.stdout)
        found[command[0]] = [
            (one["code"], one["line"], one["column"], one["message"])
            for one in (said["findings"] if isinstance(said, dict) else said)
            if one["severity"] == "error"
        ]
    assert found["check"] == found["site"]
    assert [(code, line) for code, line, *_ in found["check"]] == [("NL462", 14)]
