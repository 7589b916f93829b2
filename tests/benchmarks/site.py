"""How long does a site of 1,000 issues take: all of it, after one edit, and when nothing changed? CPU seconds, peers in the same run.

    python tests/benchmarks/site.py [--issues 1000] [--rounds 3] [--peers]

Each build is a process of its own, start-up included, and each round has a folder of its own, none of which is deleted
before the end: ext4 passes over inodes that were freed in the last minutes one by one (`recently_deleted` in
fs/ext4/ialloc.c), so that after thousands of deletions each new file costs up to ten times as much. For the same
reason, leave five minutes between two runs. The peers (Hugo, Eleventy, Pelican, MkDocs) build the same Markdown where
they are installed, and are named with the reason where they aren't.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent.parent
WORDS = [
    "retrieval",
    "index",
    "passage",
    "query",
    "model",
    "token",
    "latency",
    "cache",
    "vector",
    "keyword",
    "rank",
    "fusion",
    "recall",
    "precision",
    "evaluation",
    "prompt",
    "answer",
    "document",
    "chunk",
    "embedding",
    "score",
    "budget",
    "trace",
    "gate",
    "release",
    "failure",
    "signal",
    "noise",
    "sample",
    "interval",
]
SETTINGS = """\
name = "Bench"
tagline = "A thousand issues"
from = "bench@example.com"
postal_address = "1 Example Street"
base_url = "https://bench.example.com"

[site]
cards = false
"""


def sentence(seed: str, length: int = 14) -> str:
    digest = hashlib.sha256(seed.encode()).digest()
    return " ".join(WORDS[byte % len(WORDS)] for byte in digest[:length]).capitalize() + "."


def paragraph(seed: str) -> str:
    words = " ".join(sentence(f"{seed}{at}") for at in range(4))
    return words.replace(". ", ". A [link](https://example.com/a) and *emphasis*. ", 1)


def body(number: int) -> str:
    """Some 2.5 kB of Markdown: prose, lists, a link, and a code block in every second issue."""
    code = f"```python\ndef f_{number}(x):\n    return x + {number}\n```\n" if number % 2 else ""
    return f"""\
{sentence(f"i{number}")}

## Concept: {sentence(f"c{number}", 4)}
{paragraph(f"a{number}")}

{paragraph(f"b{number}")}

{code}
**Takeaway:** {sentence(f"t{number}")}

## Architecture: {sentence(f"d{number}", 4)}
{paragraph(f"e{number}")}

- **Trade-off:** {sentence(f"f{number}")}
- **Trade-off:** {sentence(f"g{number}")}

## Project idea: {sentence(f"h{number}", 4)}
- **Difficulty:** easy
- **Time:** 4h
- **Stack:** Python, SQLite

{paragraph(f"j{number}")}

## Interview question: {sentence(f"k{number}", 5)}
- **Level:** {("junior", "mid", "senior", "staff")[number % 4]}

### Answer
{paragraph(f"l{number}")}
"""


def front(number: int, title: str) -> dict[str, str]:
    date = f"{2000 + number // 50:04}-{number % 12 + 1:02}-{number % 28 + 1:02}"
    tags = f"[{WORDS[number % 20]}, {WORDS[(number * 7) % 20 + 5]}]"
    return {
        "number": str(number),
        "title": f'"{title}"',
        "date": date,
        "description": f'"Issue {number}."',
        "tags": tags,
        "status": "ready",
    }


def issue(number: int, title: str = "") -> str:
    head = "".join(f"{key}: {value}\n" for key, value in front(number, title or f"Issue {number}").items())
    return f"---\n{head}---\n{body(number)}"


def cpu(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> float:
    """CPU seconds, user and system, of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(home: Path, count: int) -> dict[str, float]:
    (home / "issues").mkdir(parents=True)
    (home / "newsletter.toml").write_text(SETTINGS)
    for number in range(1, count + 1):
        (home / "issues" / f"{number:04}-issue-{number}.md").write_text(issue(number))
    build = [sys.executable, "-m", "newsletter", "site", "build", "--drafts", "--out", "out"]
    env = {"PYTHONPATH": str(ROOT), "NEWSLETTER_HOME": str(home)}
    figures = {"full": cpu(build, home, env), "nothing": cpu(build, home, env)}
    middle = home / "issues" / f"{count // 2:04}-issue-{count // 2}.md"
    middle.write_text(issue(count // 2).replace("Takeaway:** ", "Takeaway:** Edited. "))
    figures["one edit"] = cpu(build, home, env)
    middle.write_text(issue(count // 2, "Another title"))
    figures["one title"] = cpu(build, home, env)
    middle.write_text(issue(count // 2, "Another title").replace("Takeaway:** ", "Takeaway:** Edited. "))
    figures["next edit"] = cpu(build, home, env)
    return figures


def pelican(home: Path, count: int) -> float:
    (home / "content").mkdir(parents=True)
    for number in range(1, count + 1):
        date = front(number, "")["date"]
        (home / "content" / f"{number}.md").write_text(
            f"Title: Issue {number}\nDate: {date}\nTags: {WORDS[number % 20]}\nSlug: issue-{number}\n\n{body(number)}"
        )
    (home / "conf.py").write_text(
        "SITENAME='Bench'\nSITEURL='https://bench.example.com'\nPATH='content'\nTIMEZONE='UTC'\nFEED_ALL_ATOM='atom.xml'\n"
    )
    return cpu(["pelican", "-s", "conf.py", "-o", "out", "-q"], home)


def mkdocs(home: Path, count: int) -> float:
    (home / "docs").mkdir(parents=True)
    (home / "docs" / "index.md").write_text("# Bench\n")
    for number in range(1, count + 1):
        (home / "docs" / f"{number}.md").write_text(f"# Issue {number}\n\n{body(number)}")
    (home / "mkdocs.yml").write_text("site_name: Bench\n")
    return cpu(["mkdocs", "build", "-q"], home)


def hugo(home: Path, count: int) -> float:
    (home / "content" / "posts").mkdir(parents=True)
    (home / "layouts" / "_default").mkdir(parents=True)
    page = "<!DOCTYPE html><title>{{ .Title }}</title>{{ .Content }}"
    (home / "layouts" / "_default" / "single.html").write_text(page)
    (home / "layouts" / "_default" / "list.html").write_text(
        "{{ range .Pages }}<a href='{{ .Permalink }}'>{{ .Title }}</a>{{ end }}"
    )
    (home / "hugo.toml").write_text("baseURL='https://bench.example.com/'\ntitle='Bench'\n")
    for number in range(1, count + 1):
        (home / "content" / "posts" / f"{number}.md").write_text(
            f"---\ntitle: Issue {number}\ndate: {front(number, '')['date']}\ntags: [{WORDS[number % 20]}]\n---\n{body(number)}"
        )
    return cpu(["hugo", "--quiet"], home)


def eleventy(home: Path, count: int) -> float:
    (home / "posts").mkdir(parents=True)
    (home / "_includes").mkdir()
    (home / "_includes" / "post.njk").write_text(
        "<!DOCTYPE html><title>{{ title }}</title>{{ content | safe }}"
    )
    for number in range(1, count + 1):
        (home / "posts" / f"{number}.md").write_text(
            f"---\nlayout: post.njk\ntitle: Issue {number}\ndate: {front(number, '')['date']}\ntags: [{WORDS[number % 20]}]\n---\n{body(number)}"
        )
    (home / "index.njk").write_text(
        "---\n---\n{% for post in collections.all %}<a href='{{ post.url }}'>{{ post.data.title }}</a>{% endfor %}"
    )
    return cpu(["eleventy", "--quiet"], home)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--issues", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    limits = {"full": 3.0, "one edit": 0.5, "one title": 0.5, "next edit": 0.5, "nothing": 0.4}
    with tempfile.TemporaryDirectory() as folder:
        start = min(cpu([sys.executable, "-m", "newsletter", "--version"], ROOT) for _ in range(3))
        rounds = [ours(Path(folder, f"ours-{at}"), options.issues) for at in range(options.rounds)]
        figures = {name: sorted(one[name] for one in rounds) for name in rounds[0]}
        kilobytes = len(issue(1)) / 1000
        print(
            f"{options.issues} issues of {kilobytes:.1f} kB; CPU seconds; starting the command alone takes {start:.2f}"
        )
        for name, found in figures.items():
            several = ", ".join(f"{one:.2f}" for one in found)
            print(f"  ours, {name:<10} {median(found):6.2f}  limit {limits[name]:.1f}  ({several})")
        if options.peers:
            for name, build in (
                ("hugo", hugo),
                ("eleventy", eleventy),
                ("pelican", pelican),
                ("mkdocs", mkdocs),
            ):
                if shutil.which(name) is None:
                    print(f"  {name}: skipped, it isn't on PATH")
                    continue
                built = [build(Path(folder, f"{name}-{at}"), options.issues) for at in range(options.rounds)]
                seconds = median(built)
                print(f"  {name:<16} {seconds:6.2f}  {seconds / median(figures['full']):.2f} times ours")


if __name__ == "__main__":
    main()
