"""How fast is the archive searched, and how well? 1,000 issues: the index, an edit, queries, `GET /search`; and the shipped archive's own questions.

    python tests/benchmarks/search.py [--issues 1000] [--seconds 4]

Everything is a ratio to something of the same run: queries to SQLite's LIKE over the same text and to `grep -ril` over
the files, requests to the same server's bare hello (`wrk`, Debian package). The issues are made of thirty words, so
that a word is in most passages: the worst case for ranking.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from newsletter.app import Workspace, open_workspace  # noqa: E402 - found above
from newsletter.site import index as search_index  # noqa: E402
from newsletter.site.index import SearchIndex  # noqa: E402
from newsletter.site.passage import ArchiveFiles  # noqa: E402
from tests.benchmarks.site import SETTINGS, WORDS, cpu, issue  # noqa: E402
from tests.benchmarks.web import free_port, hello, process, wrk  # noqa: E402

_LUA = """\
local words = { %s }
local at = 0
function request()
  at = at + 1
  local query = words[at %% #words + 1] .. "+" .. words[math.floor(at / #words) %% #words + 1] .. "+" .. at
  return wrk.format("GET", "/search?q=" .. query)
end
"""


class Drafts(Workspace):
    """A workspace whose service shows what was never sent."""

    def archive_files(self, *, drafts: bool = True) -> ArchiveFiles:
        return super().archive_files(drafts=True)


def made(home: Path, count: int) -> None:
    """A newsletter of so many issues."""
    (home / "issues").mkdir(parents=True)
    (home / "newsletter.toml").write_text(SETTINGS)
    for number in range(1, count + 1):
        (home / "issues" / f"{number:04}-issue-{number}.md").write_text(issue(number))


def timed(work: Callable[[str], object], queries: Sequence[str]) -> tuple[float, float]:
    """Median and 99th percentile of a query, in milliseconds."""
    times = []
    for query in queries:
        began = time.perf_counter()
        work(query)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


def index_figures(home: Path, count: int) -> None:
    command = [sys.executable, "-m", "newsletter", "search", "--drafts", "fusion"]
    env = {"PYTHONPATH": str(ROOT), "NEWSLETTER_HOME": str(home)}
    fresh, nothing = cpu(command, home, env), cpu(command, home, env)
    (home / "issues" / f"{count // 2:04}-issue-{count // 2}.md").write_text(
        issue(count // 2, "Another title")
    )
    edit = cpu(command, home, env)
    none = cpu([sys.executable, "-m", "newsletter", "--version"], home, env)
    print(
        f"`newsletter search` over {count} issues, CPU s: first {fresh:.2f}, nothing changed {nothing:.2f}, one edit {edit:.2f}"
    )
    print(f"  of which starting Python and the command line {none:.2f}")


def query_figures(home: Path, count: int) -> None:
    with SearchIndex(home / ".newsletter" / "search-drafts.db", "en") as index:
        passages = index.passages()
        plain = sqlite3.connect(":memory:")
        plain.execute("CREATE TABLE passages (text TEXT)")
        plain.executemany("INSERT INTO passages VALUES (?)", ((passage.text,) for passage in passages))
        kinds = {
            "a name that is in one issue": [
                f"f_{number}" for number in range(1, count, max(2, count // 100) | 1)
            ],
            "two words that are everywhere": [
                " ".join(pair) for pair in itertools.islice(itertools.permutations(WORDS, 2), 100)
            ],
            "three words, one of them nowhere": [
                f"{one} {two} zebra{at}"
                for at, (one, two) in enumerate(itertools.islice(itertools.combinations(WORDS, 2), 100))
            ],
        }
        print(f"queries over {len(passages)} passages, p50 / p99 ms, and how many times as long others take:")
        for kind, queries in kinds.items():
            own = timed(index.search, queries)

            def like(query: str) -> object:
                words = query.split()
                where = " AND ".join("text LIKE ?" for _ in words)
                return plain.execute(
                    f"SELECT rowid FROM passages WHERE {where}", [f"%{word}%" for word in words]
                ).fetchall()

            def grep(query: str) -> object:
                return subprocess.run(
                    ["grep", "-ril", query.split(maxsplit=1)[0], "issues"],
                    cwd=home,
                    capture_output=True,
                    check=False,
                )

            liked, grepped = timed(like, queries), timed(grep, queries[:20])
            print(
                f"  {kind}: {own[0]:.1f} / {own[1]:.1f}; LIKE, unranked: {liked[0] / own[0]:.1f} times; "
                f"grep for one word: {grepped[0] / own[0]:.1f} times"
            )


def serve(home: Path, port: int) -> None:
    """The public service, which shows drafts."""
    from newsletter.app.http_server import listen
    from newsletter.web.app import make_app
    from newsletter.web.server import make_server
    from newsletter.web.service import open_service

    opened = open_workspace(home)
    workspace = Drafts(opened.home, opened.settings, opened.secrets)
    with listen("127.0.0.1", port) as listening:
        make_server(make_app(open_service(workspace))).run([listening])


def answers(url: str) -> bool:
    """Whether there is something to search already."""
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def service_figures(home: Path, seconds: int) -> None:
    if shutil.which("wrk") is None:
        print("GET /search: not measured, wrk isn't here")
        return
    script = home / "queries.lua"
    script.write_text(_LUA % ", ".join(f'"{word}"' for word in WORDS))
    own, bare = free_port(), free_port()
    here = str(Path(__file__))
    with (
        process(home, here, "--serve", str(own), port=own),
        process(home, here, "--hello", str(bare), port=bare),
    ):
        url = f"http://127.0.0.1:{own}/search"
        # The first who searches has the index made.
        while not answers(f"{url}?q=fusion"):
            time.sleep(0.2)
        greeted = wrk(f"http://127.0.0.1:{bare}/", seconds)
        same, other = wrk(f"{url}?q=fusion", seconds), wrk(url, seconds, script)
    print(f"bare hello: {greeted.per_second:.0f} requests/s")
    for name, run in (("the same search", same), ("searches nobody made before", other)):
        print(
            f"  {name}: {run.per_second:.0f}/s, {run.per_second / greeted.per_second:.2f} of hello, "
            f"p99 {run.p99_ms:.0f} ms, {run.failed} of {run.answers} turned away"
        )


def quality_figures() -> None:
    """Of the questions of the shipped issues and guides: is the passage that answers among the first?

    With headings it is no question, since the passage has the question as its own; without them, only its text answers.
    """
    weights = search_index._WEIGHTS
    files = open_workspace(ROOT).archive_files(drafts=True)
    for name, language, heading in (
        ("stems", "en", weights[1]),
        ("stems, text alone", "en", 0.0),
        ("words as they are, text alone", "xx", 0.0),
    ):
        search_index._WEIGHTS = (weights[0], heading, *weights[2:])
        with (
            tempfile.TemporaryDirectory() as folder,
            SearchIndex(Path(folder, "search.db"), language) as index,
        ):
            index.update(files)
            asked = [passage for passage in index.passages() if passage.kind in {"question", "answer"}]
            ranks = []
            for passage in asked:
                found = [hit.passage.id for hit in index.search(passage.heading, 10, every=False).hits]
                ranks.append(found.index(passage.id) + 1 if passage.id in found else 0)
        reciprocal = sum(1 / rank for rank in ranks if rank) / len(ranks)
        first = sum(0 < rank <= 3 for rank in ranks) / len(ranks)
        print(f"{len(asked)} questions, {name}: recall@3 {first:.2f}, MRR {reciprocal:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--issues", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--hello", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(Path.cwd(), chosen.serve)
        return
    if chosen.hello:
        hello(chosen.hello)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        made(home, chosen.issues)
        index_figures(home, chosen.issues)
        query_figures(home, chosen.issues)
        service_figures(home, chosen.seconds)
    quality_figures()


if __name__ == "__main__":
    main()
