"""`newsletter explain`: what a code means, why it matters, how to mend it, and who says so; all of them as a page, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.diagnostics import Code

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# The headings of the page, by what a code begins with.
_CHAPTERS = {
    "NL1": "The front matter",
    "NL2": "Structure",
    "NL3": "Slots, links and images",
    "NL4": "What rendering finds",
    "NL5": "Guides",
    "NL6": "The site",
    "NL7": "The finished mail",
    "NL80": "The line in the inbox",
    "NL81": "Links",
    "NL82": "Pictures",
    "NL83": "Words",
    "NL84": "What a phone can't show",
    "NL85": "What the web says (`--online`)",
    "NL9": "Between files",
}


@app.command("explain")
def explain(
    code: str = typer.Argument(
        "", metavar="CODE", help="A code such as NL102; all of them are listed without one."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    as_markdown: bool = typer.Option(False, "--markdown", help="Print a page in Markdown."),
) -> None:
    """Explain a code: what it means, why it matters, how to mend it, and where it comes from.

    Example: newsletter explain NL102
    """
    from newsletter.cli.output import paint, print_json
    from newsletter.diagnostics import CODES

    if as_json and as_markdown:
        raise UsageError("--json and --markdown say the same in two forms", hint="name one of them")
    wanted = [_named(code)] if code else sorted(CODES.values(), key=lambda entry: entry.code)
    if as_markdown:
        print("\n".join(_page(wanted)))
    elif as_json:
        entries = [_as_json(entry) for entry in wanted]
        print_json(entries[0] if code else entries)
    elif code:
        [entry] = wanted
        print(f"{paint(entry.code, 1)} · {entry.severity} · {entry.title}\n")
        print(f"{entry.explanation}\n\nSource: {_source(entry)}")
    else:
        for entry in wanted:
            print(f"{paint(entry.code, 1)}  {entry.severity:<7}  {entry.title}")


def _named(code: str) -> Code:
    from newsletter.checks.run import suggested_code
    from newsletter.diagnostics import CODES

    entry = CODES.get(code.strip().upper())
    if entry is None:
        raise UsageError(f"there is no code `{code}`", hint=suggested_code(code))
    return entry


def _page(codes: Iterable[Code]) -> Iterator[str]:
    """A page of explanations, each under a heading that a link such as `#nl102-…` leads to."""
    yield "# What `newsletter check` finds"
    yield ""
    yield (
        "A send refuses on errors and shows warnings. `[checks]` in `newsletter.toml` turns a code `off`, or makes it "
        "one of the `errors`; `[checks.files]` turns it off in single files."
    )
    chapter = ""
    for entry in codes:
        here = next(title for start, title in _CHAPTERS.items() if entry.code.startswith(start))
        if here != chapter:
            chapter = here
            yield f"\n## {chapter}"
        yield f"\n### {entry.code}: {entry.title}\n\n*{str(entry.severity).capitalize()}.* {entry.explanation}"
        yield f"\nSource: {_source(entry)}"


def _as_json(code: Code) -> dict[str, str]:
    return {
        "code": code.code,
        "title": code.title,
        "severity": str(code.severity),
        "explanation": code.explanation,
        "source": _source(code),
    }


def _source(code: Code) -> str:
    from newsletter.diagnostics.origins import ORIGINS

    return ORIGINS[code.code]
