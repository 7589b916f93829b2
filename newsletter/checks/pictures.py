"""Will the pictures of an issue say something to everybody, and arrive in time?"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from newsletter.checks.rule import Rule, Subject
from newsletter.checks.targets import Target
from newsletter.content.document import Findings
from newsletter.diagnostics import Severity

# A phone on a train loads about this much in a few seconds.
HEAVY = 1_000_000
# Nothing of this size belongs into a mail, and reading it would stop everything else.
HUGE = 20_000_000
# Screen readers read it out in one go, without a way to go back.
_LONGEST_ALT = 250
_SAYS_NOTHING = frozenset(
    [
        "alt",
        "chart",
        "diagram",
        "figure",
        "graph",
        "graphic",
        "icon",
        "image",
        "img",
        "illustration",
        "photo",
        "pic",
        "picture",
        "screen shot",
        "screenshot",
        "untitled",
    ]
)
_ENDINGS = ("avif", "bmp", "gif", "heic", "jpeg", "jpg", "png", "svg", "tif", "tiff", "webp")
# What a file begins with, and what its name should end with.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG", ("png",)),
    (b"\xff\xd8\xff", "JPEG", ("jpg", "jpeg", "jpe", "jfif")),
    (b"GIF8", "GIF", ("gif",)),
)
_UNSHOWN = frozenset(("avif", "heic", "svg", "svgz", "tif", "tiff", "webp"))
_FOREIGN = (
    (b"<svg", "an SVG"),
    (b"<?xml", "an SVG"),
    (b"BM", "a BMP"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
)


def _check_alternatives(subject: Subject, findings: Findings) -> None:
    if "![" not in subject.body:
        return
    for target in subject.targets:
        alt = " ".join(target.text.split()) if target.image and target.worded else ""
        if not alt:
            continue
        start = target.whole_start + 2
        if _says_nothing(alt):
            findings.add(
                "NL823",
                f"the alternative text `{alt[:40]}` says nothing",
                start,
                start + len(target.text),
                help="say what the picture shows, as you would on the telephone",
            )
        elif len(alt) > _LONGEST_ALT:
            findings.add(
                "NL824",
                f"an alternative text of {len(alt)} characters",
                start,
                start + len(target.text),
                help="say what the picture shows in one or two sentences; what it means belongs into the text",
            )


def _says_nothing(alt: str) -> bool:
    words = alt.casefold()
    if words in _SAYS_NOTHING:
        return True
    stem, dot, ending = words.rpartition(".")
    if dot and ending in _ENDINGS and " " not in stem:
        return True
    # What cameras and phones call their files.
    return (
        re.fullmatch(
            r"(?:img|dsc|dscn|pxl|image|screenshot|screen shot|photo|figure|untitled)[-_ ]?[\d_. -]+(?:at [\d.:]+)?",
            words,
        )
        is not None
    )


def _check_files(subject: Subject, findings: Findings) -> None:
    folder = subject.folder
    if folder is None or "![" not in subject.body:
        return
    for target in subject.targets:
        if (
            not target.image
            or "{{" in target.address
            or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|/", target.address)
        ):
            continue
        path = unquote(target.address.partition("?")[0].partition("#")[0])
        try:
            file = folder / path
            size = file.stat().st_size
            with file.open("rb") as opened:
                head = opened.read(32)
        except (OSError, ValueError):
            continue  # a missing file has a code of its own
        _check_weight(target, size, findings)
        form = _check_content(target, file, head, findings)
        if form and size <= HUGE:
            _check_whole(target, file, form, findings)


def _check_weight(target: Target, size: int, findings: Findings) -> None:
    if size > HUGE:
        findings.add(
            "NL826",
            f"the picture has {size / 1e6:,.0f} MB",
            target.start,
            target.end,
            help="nobody can receive it: make it 1,200 pixels wide, as JPEG or PNG",
        )
    elif size > HEAVY:
        findings.add(
            "NL825",
            f"the picture has {size / 1e6:.1f} MB",
            target.start,
            target.end,
            help="1,200 pixels are enough for the column; save a photograph as JPEG, quality 80",
        )


def _check_content(target: Target, file: Path, head: bytes, findings: Findings) -> str:
    """Compare a file's first bytes with its name; returns its format, `png`, `jpeg` or `gif`, empty for others.

    A format that mail doesn't show has a code of its own by name.
    """
    ending = file.suffix.lstrip(".").casefold()
    if ending in _UNSHOWN:
        return ""
    found = next((entry for entry in _SIGNATURES if head.startswith(entry[0])), None)
    if found is None:
        findings.add(
            "NL827",
            f"the file is {_foreign(head)}",
            target.start,
            target.end,
            help="convert it to PNG, or to JPEG for a photograph",
        )
    elif ending not in found[2]:
        findings.add(
            "NL827",
            f"the file is a {found[1]}, whatever its name says",
            target.start,
            target.end,
            help=f"rename it to `{file.stem[:60]}.{found[2][0]}`",
            severity=Severity.WARNING,
        )
    return found[1].casefold() if found else ""


def _check_whole(target: Target, file: Path, form: str, findings: Findings) -> None:
    """What stands in an answer is on the page only, and so nothing that rendering the mail would find."""
    # Only an issue with pictures pays for it.
    from newsletter.render.fitting import is_whole

    try:
        whole = is_whole(file.read_bytes(), form)
    except OSError:
        return
    if not whole:
        findings.add(
            "NL405",
            f"`{target.address[:80]}` is damaged, or cut off before its end",
            target.start,
            target.end,
            help="copy or download it again, or export it anew",
        )


def _foreign(head: bytes) -> str:
    if not head:
        return "empty"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP"
    if head[4:8] == b"ftyp":
        return "an AVIF" if head[8:12] in {b"avif", b"avis"} else "a HEIC"
    start = head.lstrip()
    return next((name for signature, name in _FOREIGN if start.startswith(signature)), "no picture")


RULES = (
    Rule(("NL823", "NL824"), _check_alternatives),
    Rule(("NL405", "NL825", "NL826", "NL827"), _check_files),
)
