"""`newsletter check` and `schema`: what is wrong with issues and guides, and what a file may hold."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.cli.output import counted, from_here
from newsletter.cli.repeated import Check
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.app import Workspace
    from newsletter.diagnostics import Diagnostic

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# Markdown that lives beside issues and is none.
_NOT_ISSUES = re.compile(
    r"(readme|welcome|contributing|changelog|license|code_of_conduct|security|todo|notes|ideas)\.md",
    re.IGNORECASE,
)


@app.command("check")
def check(
    paths: list[Path] = typer.Argument(
        None,
        metavar="PATH",
        help="Files or folders; the newsletter's issues and guides if none is named.",
    ),
    format_: str = typer.Option(
        "text", "--format", metavar="FORMAT", help="text, concise, json, sarif or github."
    ),
    fix: bool = typer.Option(False, "--fix", help="First make the replacements that are safe to make."),
    render: bool = typer.Option(
        True,
        "--render/--no-render",
        help="Look at the finished mail as well, or at the text of the files alone.",
    ),
    online: bool = typer.Option(False, "--online", help="Ask the web for each link and picture as well."),
) -> None:
    """Check issues and guides: structure, tables, slots, links, images, words, and the mail each issue becomes.

    Leaves with 0 where nothing is to be done, 1 where there are errors or warnings, 2 where it couldn't check.

    Example: newsletter check issues/012-evals.md --fix
    """
    from zoneinfo import ZoneInfo

    from newsletter.app import open_workspace
    from newsletter.cli.diagnostic_formats import formatted
    from newsletter.content.guide_files import FOLDER

    _refuse_unknown(format_)
    workspace = open_workspace()
    settings = workspace.settings
    made = (
        Check(str(workspace.home.absolute()), sys.argv[2:])
        if _can_be_repeated(workspace, fix, online)
        else None
    )
    files = _files(workspace, paths or [])
    _refuse_unreadable(files)
    if fix:
        _fix(workspace, files)
    now = workspace.clock.now().astimezone(ZoneInfo(settings.timezone))
    found = _found(workspace, files, now.date(), render=render)
    if online or settings.checks.files:
        from newsletter.cli.check_wishes import as_wanted

        found = as_wanted(workspace, files, found, online=online, everything=not paths)
    guides = sum(path.parent.name == FOLDER for path in files)
    said = formatted(found, format_, len(files), guides)
    sys.stdout.write(said)
    code = 1 if any(diagnostic.severity != "info" for diagnostic in found) else 0
    if made and files and not _may_be_installed(found):
        # Tomorrow a guide's review may be due.
        made.keep(map(str, files), said, code, _end_of_day(now).timestamp())
    if not files and format_ in {"text", "concise"}:
        begun = workspace.settings_file is not None
        way = (
            'issues yet: make one with newsletter new "Title"'
            if begun
            else "issues here: newsletter init DIR makes a newsletter"
        )
        print(f"there are no {way}", file=sys.stderr)
    if code:
        raise typer.Exit(code)


def _refuse_unknown(format_: str) -> None:
    from newsletter.cli.diagnostic_formats import FORMATS

    if format_ not in FORMATS:
        from newsletter.content.suggest import did_you_mean, listed

        raise UsageError(
            f"there is no format `{format_}`",
            hint=did_you_mean(format_, FORMATS) or f"it is {listed(FORMATS)}",
        )


def _fix(workspace: Workspace, files: list[Path]) -> None:
    from newsletter.checks.run import fix_file

    settings = workspace.settings
    fixes = sum(fix_file(path, kinds=settings.kinds, off=settings.checks.off) for path in files)
    print(f"{counted(fixes, 'replacement')} made", file=sys.stderr)


def _end_of_day(now: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(now.date() + dt.timedelta(days=1), dt.time(), now.tzinfo)


def _may_be_installed(found: list[Diagnostic]) -> bool:
    """Whether something is missing on this machine: once it is there, the same files give other findings."""
    from newsletter.checks.output.kept import OF_THE_MACHINE

    return any(diagnostic.code in OF_THE_MACHINE for diagnostic in found)


def _can_be_repeated(workspace: Workspace, *others: bool) -> bool:
    """Whether what this run says may be said again: it is no run of ours, or it asks for more than to look."""
    return not any(others) and sys.argv[1:2] == ["check"] and workspace.state_dir.is_dir()


def _found(workspace: Workspace, files: list[Path], today: dt.date, *, render: bool) -> list[Diagnostic]:
    """What is wrong with the files, beside the newsletter's others, and, to be rendered, with their messages."""
    from newsletter.checks.run import check_files

    settings = workspace.settings
    off, errors = settings.checks.off, settings.checks.errors
    named = {path.resolve() for path in files}
    beside = [path for path in _newsletter_files(workspace) if path.resolve() not in named]
    found = check_files(files, kinds=settings.kinds, off=off, errors=errors, beside=beside, today=today)
    return _with_output(workspace, files, found) if render else found


def _with_output(workspace: Workspace, files: list[Path], found: list[Diagnostic]) -> list[Diagnostic]:
    """`found` and what is wrong with the messages, by path and place; what both say is said once."""
    from newsletter.checks.output.repeats import once, without_repeats
    from newsletter.checks.run import settled
    from newsletter.cli.check_output import output_findings
    from newsletter.content.source import by_place

    table = workspace.settings.checks
    more = settled(output_findings(workspace, files), table.off, table.errors)
    both = once([*found, *without_repeats(more, found)], {str(path) for path in files})
    return sorted(both, key=by_place)


def _files(workspace: Workspace, paths: list[Path]) -> list[Path]:
    """The issues and guides meant by the arguments; a file that is named is taken whatever its name is."""
    if not paths:
        return _newsletter_files(workspace)
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*.md") if _is_meant(p, path))
            files.update(dict.fromkeys(inside))
        elif path.exists() or path.suffix or len(path.parts) > 1:
            files[path] = None
        else:
            # A number or a slug, as everywhere else.
            files[from_here(workspace.find_issue(str(path)))] = None
    return list(files)


def _newsletter_files(workspace: Workspace) -> list[Path]:
    """All issues and guides of the newsletter."""
    from newsletter.content.guide_files import guide_files

    return [from_here(path) for path in (*workspace.issue_files(), *guide_files(workspace.issues_dir))]


def _is_meant(path: Path, folder: Path) -> bool:
    """Whether a Markdown file below a folder is an issue or a guide: notes and hidden folders aren't."""
    from newsletter.content.guide_files import FOLDER, is_guide_name

    inside = path.relative_to(folder).parts
    if any(part.startswith(".") for part in inside):
        return False
    if path.parent.name == FOLDER:
        return is_guide_name(path.name)
    among_guides = FOLDER in inside or folder.resolve().parts[-2:] == ("issues", FOLDER)
    return not among_guides and not _NOT_ISSUES.fullmatch(path.name)


def _refuse_unreadable(files: list[Path]) -> None:
    """A file that isn't there is a wrong command line: say so before anything is done."""
    for path in files:
        try:
            there = path.is_file()
        except (OSError, ValueError):
            there = False
        if not there:
            raise UsageError(
                f"{path} doesn't exist" if not path.exists() else f"{path} is not an ordinary file",
                hint='name an issue or a folder, or make one with newsletter new "Title"',
            )


@app.command("schema")
def schema(
    kind: str = typer.Argument("issue", metavar="KIND", help="issue or guide."),
) -> None:
    """Print the JSON Schema of an issue, its front matter and the sections this newsletter has, or of a guide.

    Example: newsletter schema guide > guide.schema.json
    """
    from newsletter.app import open_workspace
    from newsletter.cli.output import print_json
    from newsletter.content.schema import guide_schema, issue_schema

    if kind not in {"issue", "guide"}:
        raise UsageError(f"there is no schema of `{kind}`", hint="it is issue or guide")
    print_json(guide_schema() if kind == "guide" else issue_schema(open_workspace().settings.kinds))
