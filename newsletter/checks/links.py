"""Do the links and the images of an issue work in a mail, and those of a guide on its page?"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from newsletter.checks.rule import Rule, Subject
from newsletter.checks.targets import Target
from newsletter.content.document import Findings
from newsletter.content.slots import FIELDS, METADATA_PREFIX

NO_SUCH_IMAGE = "NL306"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SLOT = re.compile(r"\{\{(?P<inner>[^{}\n]*)\}\}")
_FIELD = re.compile(r"\s*([\w.-]*)")

_SAFE_SCHEMES = frozenset(("http", "https", "mailto", "tel", "cid"))
_PLACEHOLDERS = frozenset(
    (
        "",
        "#",
        "tk",
        "todo",
        "url",
        "link",
        "tbd",
        "xxx",
        "http://",
        "https://",
        "https://…",
        "https://...",
        "...",
        "…",
    )
)
# The author's own host, up to the `?` or `#` after which a value can only be a component.
_BEFORE_COMPONENT = re.compile(r"(?:https?://[^/?#\s{]+|mailto:[^?#\s{]*)[^\s{]*?[?#]", re.IGNORECASE)
_LOCAL_HOST = re.compile(r"http://(?:localhost|127\.|\[::1\]|0\.0\.0\.0)", re.IGNORECASE)
_UNSHOWN = {
    "svg": "SVG",
    "svgz": "SVG",
    "webp": "WebP",
    "avif": "AVIF",
    "heic": "HEIC",
    "tif": "TIFF",
    "tiff": "TIFF",
}
_OWN_ADDRESSES = frozenset(("unsubscribe_url", "preferences_url"))


def _check_targets(subject: Subject, findings: Findings) -> None:
    for target in subject.targets:
        if target.image and not target.text.strip():
            findings.add(
                "NL305",
                "the image has no alternative text",
                target.whole_start,
                target.end + 1,
                help="say between the brackets what the picture shows",
            )
        if "{{" in target.address:
            if subject.is_mailed:
                _check_slots(target, findings)
        else:
            _check_address(subject, target, findings)


def _check_slots(target: Target, findings: Findings) -> None:
    """A field may be one component of a query string; our own addresses may be a whole link."""
    for match in _SLOT.finditer(target.address):
        named = _FIELD.match(match["inner"])
        field = named[1] if named else ""
        whole = match.span() == (0, len(target.address))
        if field in _OWN_ADDRESSES and whole and not target.image:
            continue
        known = field in FIELDS or field.startswith(METADATA_PREFIX)
        in_query = _BEFORE_COMPONENT.match(target.address, 0, match.start())
        if not known or (in_query and field not in _OWN_ADDRESSES):
            continue
        if field in _OWN_ADDRESSES:
            message, way_out = (
                f"`{field}` is a whole address",
                f"make it the whole link: `[…]({{{{ {field} }}}})`",
            )
        else:
            message = f"`{field}` would decide {'which picture is shown' if target.image else 'where the link leads'}"
            way_out = "a field may only be the value of a query string: `?key={{ … }}`"
        start = target.start + match.start()
        findings.add("NL303", message, start, target.start + match.end(), help=way_out)


def _check_address(subject: Subject, target: Target, findings: Findings) -> None:
    address = target.address.strip()
    what = "image" if target.image else "link"
    if address.casefold() in _PLACEHOLDERS:
        shown = f"`{address}`" if address else "empty"
        findings.add(
            "NL308",
            f"the {what}'s address is {shown}",
            target.start if address else target.whole_start,
            target.end if address else target.end + 1,
            help="put in the address"
            if target.image
            else "put in the address, or write the words without a link",
        )
        return
    scheme = _SCHEME.match(address)
    name = scheme[1].casefold() if scheme else ""
    if scheme and name not in _SAFE_SCHEMES:
        findings.add(
            "NL313",
            f"{'mail clients block' if subject.is_mailed else 'no page links to'} `{name}:`",
            target.start,
            target.start + len(scheme[0]),
            help="use an `https://` or `mailto:` address",
        )
    elif name == "http" and not _LOCAL_HOST.match(address):
        findings.add(
            "NL309",
            f"the {what} is not encrypted",
            target.start,
            target.end,
            help=f"try `https{address[4:80]}`",
        )
    path = address.partition("?")[0].partition("#")[0]
    if target.image and subject.is_mailed:
        _check_format(path, target, findings)
    if not scheme and not address.startswith(("/", "#")):
        check_file(subject, unquote(path), (target.start, target.end), findings, is_image=target.image)


def _check_format(path: str, target: Target, findings: Findings) -> None:
    _, dot, ending = path.rpartition(".")
    name = _UNSHOWN.get(ending.casefold()) if dot else None
    if name:
        findings.add(
            "NL307",
            f"many mail clients don't show {name} images",
            target.start,
            target.end,
            help="convert it to PNG, or to JPEG for a photograph",
        )


def check_file(
    subject: Subject, path: str, place: tuple[int, int], findings: Findings, *, is_image: bool
) -> None:
    """Report a path, relative to the text's folder, that leads to no file."""
    if subject.folder is None or not path:
        return
    try:
        exists = (subject.folder / path).exists()
    except (OSError, ValueError):  # a name no file system takes
        exists = False
    if exists:
        return
    if is_image:
        message, way_out = no_such_image(subject.folder, path, is_mailed=subject.is_mailed)
        findings.add(NO_SUCH_IMAGE, message, *place, help=way_out)
    else:
        way_out = _where(subject.folder, path, is_image=False, is_mailed=subject.is_mailed)
        findings.add("NL312", f"there is no file `{path[:80]}`", *place, help=way_out)


def no_such_image(folder: Path, path: str, *, is_mailed: bool) -> tuple[str, str]:
    """What is said of an image that leads to no file, and what to do about it; a build of the site says the same."""
    return f"there is no image `{path[:80]}`", _where(folder, path, is_image=True, is_mailed=is_mailed)


def _where(folder: Path, path: str, *, is_image: bool, is_mailed: bool) -> str:
    """A file nearby that was probably meant, or how paths are read."""
    from newsletter.content.suggest import nearest

    if not is_image and re.fullmatch(r"[^@/\s]+@[^@/\s]+\.[a-z]{2,}", path, re.IGNORECASE):
        return f"for a mail address, write `mailto:{path[:60]}`"
    if not is_image and path.casefold().startswith("www."):
        return f"for a page on the web, write `https://{path[:60]}`"
    wanted = folder / path
    try:
        near = nearest(wanted.name, (p.name for p in wanted.parent.iterdir()))
    except (OSError, ValueError):
        near = ""
    if near:
        return f"did you mean `{path[: len(path) - len(wanted.name)]}{near}`?"
    return f"paths start from the {'issue' if is_mailed else 'guide'}'s own folder" + (
        "" if is_image else "; a page on the web begins with `https://`"
    )


RULES = (Rule(("NL303", "NL305", "NL306", "NL307", "NL308", "NL309", "NL312", "NL313"), _check_targets),)
