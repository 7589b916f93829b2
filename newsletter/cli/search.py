"""`newsletter search`: where in the archive is it? Sections, answers and guides that have the words, best first."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import typer

from newsletter.app import open_workspace
from newsletter.cli.archive_index import bring_up_to_date, refuse_where_no_archive_is, warn_of_errors
from newsletter.cli.output import colour_wanted, counted, paint, print_json

if TYPE_CHECKING:
    from newsletter.site.index import Hit, Results

app = typer.Typer()

_INDENT = "  "
_WIDEST = 100


@app.command()
def search(
    words: list[str] = typer.Argument(
        ...,
        metavar="WORDS",
        help='What to look for; "several words" in quotes stand together, -word is unwanted.',
    ),
    limit: int = typer.Option(10, "--limit", min=1, max=1000, help="How many results to print."),
    drafts: bool = typer.Option(False, "--drafts", help="Search what isn't published as well."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Search the archive: each result is a section with its address, to be read or cited.

    Sent issues and guides are searched, from a local index that is brought up to date first.

    Example: newsletter search "hybrid retrieval" --limit 3
    """
    from newsletter.errors import NewsletterError, UsageError
    from newsletter.site.query import parse_query

    asked = " ".join(words)
    if not parse_query(asked).wanted:
        raise UsageError(
            "there is nothing to search for: no word with a letter or a digit",
            hint='name what you look for: newsletter search "hybrid retrieval"',
        )
    workspace = open_workspace()
    refuse_where_no_archive_is(workspace)
    files = workspace.archive_files(drafts=drafts)
    with workspace.search_index(drafts=drafts) as index:
        updated = bring_up_to_date(index, files)
        try:
            results = index.search(asked, limit)
        except NewsletterError:
            # Damage that only a look into it shows.
            index.begin_anew()
            index.update(files)
            results = index.search(asked, limit)
        empty = not results.hits and not index.passages()
    warn_of_errors(updated)
    if as_json:
        print_json(_as_json(asked, results))
        return
    for hit in results.hits:
        print(_shown(hit))
    _close(results, empty=empty, drafts=drafts)


def _shown(hit: Hit) -> str:
    from newsletter.cli.terminal_text import printable
    from newsletter.render.columns import wrap

    passage, coloured = hit.passage, colour_wanted()
    of = f" · {printable(passage.title)}" if passage.heading else ""
    head = _marked(hit.heading or passage.title, 1 if coloured else None)
    lines = [_marked(hit.snippet)]
    if coloured:
        columns = min(_WIDEST, shutil.get_terminal_size().columns) - len(_INDENT)
        lines = [_marked(line, 0) for line in wrap(hit.snippet, max(20, columns))]
    text = "\n".join(_INDENT + line for line in lines)
    return f"{head}{of} ({passage.date})\n{paint(passage.url, 4)}\n{text}\n"


def _marked(text: str, around: int | None = None) -> str:
    """A text as a terminal shows it: its matches bold and yellow in the SGR attribute `around`, or plain where that is None."""
    from newsletter.cli.terminal_text import printable
    from newsletter.site.index import MATCH_BEGINS, MATCH_ENDS

    begins, ends = ("", "") if around is None else ("\x1b[1;33m", f"\x1b[0;{around}m")
    marks = {MATCH_BEGINS: begins, MATCH_ENDS: ends}
    pieces = re.split(f"([{MATCH_BEGINS}{MATCH_ENDS}])", text)
    shown = "".join(marks[piece] if piece in marks else printable(piece) for piece in pieces)
    return shown if around is None else f"\x1b[{around}m{shown}\x1b[0m"


def _close(results: Results, *, empty: bool, drafts: bool) -> None:
    """What there is to say about the whole of it."""
    if empty:
        hint = "" if drafts else "; --drafts searches what was not sent"
        print(f"nothing is published yet{hint}", file=sys.stderr)
    elif not results.hits:
        print("nothing found", file=sys.stderr)
    elif results.loosened:
        print("no passage has all of these words; these have some", file=sys.stderr)
    else:
        more = f", {len(results.hits)} shown" if results.total > len(results.hits) else ""
        print(f"{counted(results.total, 'passage')}{more}", file=sys.stderr)
    if results.instead:
        print(f"did you mean: {results.instead}", file=sys.stderr)


def _as_json(asked: str, results: Results) -> dict[str, Any]:
    from newsletter.site.index import MATCH_BEGINS, MATCH_ENDS

    return {
        "query": asked,
        "total": results.total,
        "loosened": results.loosened,
        "did_you_mean": results.instead,
        "results": [
            {
                **hit.passage.about(),
                "snippet": hit.snippet.replace(MATCH_BEGINS, "").replace(MATCH_ENDS, ""),
                "score": round(hit.score, 4),
            }
            for hit in results.hits
        ],
    }
