"""`newsletter demo`: the whole loop on real input in a scratch folder, command by command."""

from __future__ import annotations

import csv
import os
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

import typer

from newsletter.app import shipped
from newsletter.cli.output import paint
from newsletter.errors import UsageError

app = typer.Typer()

SUBSCRIBERS = 200
_GIVEN = [
    "Ada",
    "Amara",
    "Bruno",
    "Chloé",
    "Dmitri",
    "Elif",
    "Farid",
    "Grace",
    "Hana",
    "Ivo",
    "Jūratė",
    "Kofi",
    "Lena",
    "Mateo",
    "Nia",
    "Omar",
    "Priya",
    "Quentin",
    "Rosa",
    "Søren",
]
_FAMILY = ["Abe", "Berg", "Castro", "Demir", "Eze", "Fischer", "García", "Haddad", "Ito", "Jensen"]
# The demo changes folders, and a relative path in `sys.argv` would then lead nowhere.
_STARTED_IN = Path.cwd()
# What a command that was interrupted leaves with.
_INTERRUPTED = 130
_TOPICS = ("rag", "evals", "agents")


def sample_subscribers() -> list[dict[str, str]]:
    """People who don't exist, at a domain reserved for that (RFC 2606), some without a name."""
    rows = []
    for index in range(SUBSCRIBERS):
        given, family = _GIVEN[index % len(_GIVEN)], _FAMILY[index // len(_GIVEN) % len(_FAMILY)]
        rows.append(
            {
                "email": f"reader{index + 1:03}@example.org",
                "name": "" if index % 11 == 10 else f"{given} {family}",
                "tags": _TOPICS[index % len(_TOPICS)],
                "status": "active",
            }
        )
    return rows


@app.command()
def demo(
    directory: Path | None = typer.Option(
        None,
        "--dir",
        metavar="DIR",
        help="Work in this folder, which must be empty; a temporary one by default.",
    ),
    preview: bool = typer.Option(False, "--preview", help="Open the preview afterwards."),
) -> None:
    """Write, check, send: the whole way with sample issues and 200 sample subscribers. Nothing leaves this machine.

    Example: newsletter demo --preview
    """
    started = time.monotonic()
    home = _scratch(directory)
    # Whatever newsletter the caller is in, and whatever key is set, the demo is on its own.
    os.environ["NEWSLETTER_HOME"] = str(home)
    os.environ.pop("NEWSLETTER_SECRET_KEY", None)
    os.chdir(home)

    try:
        _go_all_the_way(home)
    except KeyboardInterrupt:
        # Half a demo is of no use, and the next one wants the folder empty.
        shutil.rmtree(home, ignore_errors=True)
        raise

    sent = sorted((home / ".newsletter" / "outbox").glob("*/*.eml"))
    print(f"Done in {time.monotonic() - started:.1f} s: {len(sent)} messages in {home}/.newsletter/outbox\n")
    print(paint("Now you:", 1))
    command = _typed_name()
    print(f"  cd {shlex.quote(str(home))}")
    print(f"  {command} preview 1          see it as your readers do, live while you edit")
    print(f'  {command} new "My title"     write an issue')
    print(f"  {command} init ~/my-letter   begin a newsletter of your own")
    if preview:
        print()
        _run("preview 1")


def _go_all_the_way(home: Path) -> None:
    print(f"A newsletter in {home}, with issues to read and people to send to.\n")
    _write_samples(home)
    _run(
        "init . --name 'Production AI Notes' --from 'Production AI Notes <notes@example.com>'"
        " --postal-address '1 Example Street, 12345 Example Town' --base-url https://notes.example.com"
        " --tagline 'One practical AI engineering email a week. No spam. Unsubscribe anytime.'"
    )
    _run("check")
    _run("subscribers import subscribers.csv")
    _run(f"send 1 --yes --expect-count {SUBSCRIBERS}")
    _run("status 1")


def _scratch(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="newsletter-demo-")).resolve()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is not an empty folder", hint="name a new one, or leave --dir out")
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


def _typed_name() -> str:
    """What to type to run this program: its name where the shell finds it, else its path."""
    here = Path(sys.argv[0])
    found = shutil.which("newsletter")
    if here.name != "newsletter" or (found and Path(found).resolve() == here.resolve()):
        return "newsletter"
    return shlex.quote(str(_STARTED_IN / here))


def _write_samples(home: Path) -> None:
    shutil.copytree(shipped("issues"), home / "issues", ignore=shutil.ignore_patterns("*.svg"))
    with (home / "subscribers.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["email", "name", "tags", "status"])
        writer.writeheader()
        writer.writerows(sample_subscribers())


def _run(line: str) -> None:
    """Type one command, as a user would, in this process; end with it where it fails."""
    from newsletter.cli.root import app as root

    print(f"{paint('$', 2)} {paint('newsletter ' + line, 1)}", flush=True)
    code = root(shlex.split(line), standalone_mode=False)
    print(flush=True)
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise typer.Exit(int(code))
