"""Is there anything in the finished message that no reader should see, and does each address lead somewhere?"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from newsletter.checks.output.mail import OutgoingMail
from newsletter.checks.output.page import UNSEEN, Element
from newsletter.checks.output.rule import OutputRule, Report
from newsletter.diagnostics import Severity

_PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{0,80}\}\}|\{%[^{}\n]{0,80}%\}|\*\|[A-Z0-9_:]{2,40}\|\*|%%[A-Za-z_]{2,40}%%|%recipient\.\w+%"
)
_CODE = ("code", "pre", "kbd", "samp")
_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
# Not the joiners of emoji and of Indic and Persian words, nor the marks of direction, nor a soft hyphen.
_INVISIBLE = re.compile("[\u200b\u2060-\u2064\ufeff\u180e\u034f\u115f\u1160\U000e0000-\U000e007f]")
_FLAG_OF_TAGS = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
# RFC 2606, section 3, and RFC 6761.
_NOBODYS = re.compile(r"(?:^|\.)(?:example\.(?:com|net|org|edu)|example|test|invalid)$")
_LOCAL = re.compile(r"(?:^|\.)(?:localhost|local)$")


def _check_placeholders(mail: OutgoingMail, report: Report) -> None:
    in_code: set[str] = set()
    found: dict[str, Element | None] = {}
    for element in mail.page.elements:
        own = "".join(part for part in element.content if isinstance(part, str))
        if element.tag in {"style", "script"}:
            continue
        if element.closest(*_CODE) is not None:
            in_code.update(_PLACEHOLDER.findall(element.closest(*_CODE).words))  # type: ignore[union-attr]  # it is there
            continue
        for text in (own, *(element.attributes.get(name, "") for name in ("href", "src", "alt", "title"))):
            for placeholder in _PLACEHOLDER.findall(text):
                found.setdefault(placeholder, element)
    for where in (mail.text, mail.header("subject")):
        for placeholder in _PLACEHOLDER.findall(where):
            if placeholder not in in_code:
                found.setdefault(placeholder, None)
    for placeholder in found:
        report.add(
            "NL730",
            f"`{placeholder[:60]}` stands in the finished message",
            report.origin.of_words(placeholder),
            help="a field of a template is filled in without quotes around it; in an issue, put it into code",
        )


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address.strip())
    except ValueError:
        return None


def _check_addresses(mail: OutgoingMail, report: Report) -> None:
    own = _split(mail.publication.base_url) if mail.publication else None
    own_host = own.hostname if own else None
    ids = {one.attributes.get("id") for one in mail.page.elements} | {
        one.attributes.get("name") for one in mail.page.all("a")
    }
    for element in mail.page.body_elements:
        address = element.attributes.get("href" if element.tag in {"a", "area"} else "src")
        if address is None or not element.is_seen:
            continue
        target = address.strip()
        if element.tag in {"a", "area"} and (
            target in {"", "#"} or (target.startswith("#") and target[1:] not in ids)
        ):
            if any(one.tag == "label" for one in element):
                continue  # it presses a switch, as the pictures of a carousel do
            report.add(
                "NL734",
                f"a link to {f'`{target[:60]}`' if target else 'nothing'}: “{element.words[:40]}”",
                element,
                help="fill in its address",
            )
            continue
        parts = _split(target)
        if parts is None or parts.scheme not in {"http", "https"}:
            continue
        host = (parts.hostname or "").rstrip(".")
        if host and host == own_host:
            continue  # `base_url` has checks of its own
        if _is_local(host):
            report.add(
                "NL732",
                f"`{target[:80]}` is on the reader's own machine or network",
                element,
                help="write the address the page has on the web, or put it into code",
                severity=Severity.ERROR,
            )
        elif _NOBODYS.search(host):
            report.add(
                "NL732", f"`{target[:80]}` belongs to nobody", element, help="write the address that is meant"
            )
        elif parts.scheme == "http":
            report.add(
                "NL731", f"`{target[:80]}` is not encrypted", element, help="try the address with `https://`"
            )


def _is_local(host: str) -> bool:
    if _LOCAL.search(host):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _check_characters(mail: OutgoingMail, report: Report) -> None:
    said: set[str] = set()
    for element in mail.page.elements:
        if element.tag in {*UNSEEN} - {"title"} or not any(isinstance(part, str) for part in element.content):
            continue
        own = "".join(part for part in element.content if isinstance(part, str))
        control = _CONTROL.search(own)
        if control is not None and control[0] not in said:
            said.add(control[0])
            report.add(
                "NL733",
                f"control character U+{ord(control[0]):04X}: Gmail cuts the message off there",
                element,
                help="`newsletter check --fix` removes it from an issue",
                severity=Severity.ERROR,
            )
        invisible = _INVISIBLE.search(_FLAG_OF_TAGS.sub("", own))
        if invisible is not None and invisible[0] not in said and element.words and element.is_seen:
            said.add(invisible[0])
            place = report.origin.of_words(invisible[0])
            report.add(
                "NL733",
                f"invisible character U+{ord(invisible[0]):04X} in “{element.words[:40]}”",
                place if place.line else report.origin.of(element),
                help="delete it: it came along with pasted text",
            )


RULES = (
    OutputRule(("NL730",), _check_placeholders),
    OutputRule(("NL731", "NL732", "NL734"), _check_addresses),
    OutputRule(("NL733",), _check_characters),
)
