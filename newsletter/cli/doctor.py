"""`newsletter doctor`: whether the sending domain, the provider, the public service and this machine are ready."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.checks.setup.line import Area

app = typer.Typer()
_FORMATS = ("text", "json", "markdown")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"


@app.command()
def doctor(
    domain: str = typer.Option(
        "", "--domain", metavar="DOMAIN", help="The sending domain; that of `from` unless given."
    ),
    selectors: list[str] = typer.Option(
        [],
        "--selector",
        metavar="SELECTOR",
        help="A DKIM selector to look up as well; may stand there several times.",
    ),
    only: str = typer.Option(
        "",
        "--only",
        metavar="PARTS",
        help="Of dns, provider, service and machine those named, commas between them.",
    ),
    offline: bool = typer.Option(False, "--offline", help="Ask nothing that needs a network."),
    nameserver: str = typer.Option(
        "",
        "--nameserver",
        metavar="ADDRESS",
        help="The address of a name server to ask instead of the system's, ADDRESS or ADDRESS:PORT.",
    ),
    timeout: float = typer.Option(
        8.0, "--timeout", min=1, max=60, help="Seconds after which what hasn't answered is left unknown."
    ),
    verbose: bool = typer.Option(
        False, "--verbose", "-v", help="Say of each check what came back, passed or not."
    ),
    format_: str = typer.Option("text", "--format", metavar="FORMAT", help="text, json or markdown."),
) -> None:
    """Check what a send depends on, and say what to publish or mend: the DNS as Gmail, Yahoo and Microsoft read it,
    the provider's key, one-click unsubscribe from outside, the store, the disk and the clock.

    Nothing is sent and nothing is changed. Exits with 1 when something fails.

    Example: newsletter doctor --domain news.example.com --selector s1
    """  # noqa: D205 - the help shows the first paragraph whole
    from newsletter.app import open_workspace
    from newsletter.checks.setup.line import Status, as_report, worst
    from newsletter.cli.doctor_questions import Asked, examine
    from newsletter.cli.doctor_report import as_markdown, as_text
    from newsletter.cli.output import print_json
    from newsletter.cli.progress_bar import ProgressBar

    if format_ not in _FORMATS:
        raise UsageError(f"there is no format `{format_}`", hint=f"it is one of {', '.join(_FORMATS)}")
    asked = Asked(
        domain=_domain(domain),
        selectors=tuple(_selector(text) for text in selectors),
        areas=_areas(only),
        offline=offline,
        nameserver=_nameserver(nameserver),
        seconds=timeout,
    )
    with ProgressBar() as bar:
        lines = examine(open_workspace(), asked, lambda done, total: bar("asking", done, total))
    match format_:
        case "json":
            print_json(as_report(lines))
        case "markdown":
            print(as_markdown(lines))
        case _:
            print(as_text(lines, verbose=verbose))
    if worst(line.status for line in lines) is Status.FAIL:
        raise typer.Exit(1)


def _domain(text: str) -> str:
    from newsletter.errors import NewsletterError
    from newsletter.render.idn import ascii_domain

    if not text:
        return ""
    try:
        found = ascii_domain(text.strip().rstrip(".").lower())
    except NewsletterError as error:
        raise UsageError(error.message, hint="write it like news.example.com") from None
    if "." not in found or len(found) > 253:
        raise UsageError(f"`{text}` is not a sending domain", hint="write it like news.example.com")
    return found


def _selector(text: str) -> str:
    if not re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", text):
        raise UsageError(
            f"`{text}` can't be a DKIM selector", hint="it is the part before ._domainkey, such as s1"
        )
    return text.lower()


def _areas(text: str) -> frozenset[Area]:
    from newsletter.checks.setup.line import Area
    from newsletter.content.suggest import did_you_mean

    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in list(Area):
            raise UsageError(
                f"there is no area `{name}`",
                hint=did_you_mean(name, list(Area)) or f"they are {', '.join(Area)}",
            )
    return frozenset(map(Area, names or Area))


def _nameserver(text: str) -> tuple[str, int]:
    from ipaddress import ip_address

    if not text:
        return "", 53
    match = re.fullmatch(
        r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)|(?P<bare>[0-9A-Fa-f:.]+))(?::(?P<port>\d{1,5}))?",
        text,
    )
    try:
        if match is None:
            raise ValueError  # noqa: TRY301 - one way to refuse
        host = str(ip_address(match["six"] or match["four"] or match["bare"]))
        port = int(match["port"] or 53)
    except ValueError:
        raise UsageError(
            f"`{text}` is no address of a name server", hint="write it like 9.9.9.9 or 127.0.0.1:5353"
        ) from None
    if not 0 < port < 65536:
        raise UsageError(f"there is no port {port}", hint="ports are 1 to 65535")
    return host, port
