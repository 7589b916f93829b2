"""Can everybody read it? What the Email Markup Consortium calls serious faults of accessibility, colours aside."""

from __future__ import annotations

from collections import Counter

from newsletter.checks.output.mail import OutgoingMail
from newsletter.checks.output.page import Element
from newsletter.checks.output.rule import InTemplate, OutputRule, Report
from newsletter.diagnostics import Severity

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_VAGUE = frozenset(
    (
        *("click here", "click", "click this", "here", "read more", "more", "learn more", "find out more"),
        *("this", "link", "this link", "continue", "go", "see more", "details", "button", "more info"),
    )
)
_ROLES = frozenset(("presentation", "none"))
# A picture as wide as this is no spacer: without words, readers with images off miss it.
_NO_SPACER = 200


def _check_page(mail: OutgoingMail, report: Report) -> None:
    page = mail.page
    root = page.first("html")
    missing = [n for n in ("lang", "dir") if root is None or not root.attributes.get(n)]
    if missing:
        report.add(
            "NL700",
            f"`<html>` has no {' and no '.join(f'`{name}`' for name in missing)}",
            report.origin.layout(),
            help=f"write {_written(missing)} on it",
        )
    for child in page.body.children if page.body else ():
        lacking = [n for n in ("lang", "dir") if not child.attributes.get(n)]
        # What nobody sees or hears needs neither.
        if lacking and not child.is_hidden and child.words:
            report.add(
                "NL701",
                f"`<{child.tag}>` right below `<body>` has no {' and no '.join(f'`{name}`' for name in lacking)}",
                InTemplate(child),
                help=f"webmail drops `<html>`: write {_written(lacking)} here too",
            )
    title = page.first("title")
    if title is None or not title.words:
        report.add(
            "NL702",
            "the page has no `<title>`" if title is None else "the `<title>` is empty",
            report.origin.layout(),
            help="put `<title>{{ title }}</title>` into the head",
        )


def _written(names: list[str]) -> str:
    values = {"lang": '`lang="{{ language }}"`', "dir": '`dir="{{ direction }}"`'}
    return " and ".join(values[name] for name in names)


def _check_tables(mail: OutgoingMail, report: Report) -> None:
    for table in mail.page.all("table"):
        own = [
            one for one in table if one.tag in {"th", "caption", "thead"} and one.closest("table") is table
        ]
        role = table.attributes.get("role", "").strip().lower()
        is_data = any(one.tag == "th" for one in own)
        if is_data and role in _ROLES:
            report.add(
                "NL703",
                f'a table of data has `role="{role}"`',
                InTemplate(table),
                help="take the role away: its headers would not be read out",
            )
        elif not is_data and own and role not in _ROLES and table.words:
            report.add(
                "NL715", "a table has a head but no header cells", table, help='use `<th scope="col">` in it'
            )
        elif not is_data and role not in {*_ROLES, "table", "grid"}:
            report.add(
                "NL703",
                "a layout table has no role",
                InTemplate(table),
                help='write `role="presentation"` on it',
            )


def _check_headings(mail: OutgoingMail, report: Report) -> None:
    headings = [one for one in mail.page.all(*_HEADINGS) if one.words and one.is_seen]
    main = [one for one in headings if one.tag == "h1"]
    if not main:
        report.add(
            "NL704", "there is no `<h1>`", report.origin.layout(), help="make the title of the mail one"
        )
    for extra in main[1:]:
        report.add(
            "NL704", "a second `<h1>`", extra, help="one `<h1>` names the mail: make this one an `<h2>`"
        )
    # Where the mail has no main heading, that was said.
    level = int(headings[0].tag[1]) if headings else 1
    for heading in headings:
        own = int(heading.tag[1])
        if own > level + 1:
            report.add("NL705", f"`<h{own}>` follows `<h{level}>`", heading, help=f"use `<h{level + 1}>`")
        level = own


def _check_links(mail: OutgoingMail, report: Report) -> None:
    for link in mail.page.all("a"):
        if "href" not in link.attributes or not link.is_seen:
            continue
        words = link.words or link.attributes.get("aria-label", "").strip()
        pictures = [one.attributes.get("alt", "").strip() for one in link if one.tag == "img"]
        if not words and not any(pictures):
            report.add(
                "NL706",
                f"a link without words to {link.attributes['href'][:80] or 'nowhere'}",
                link,
                help="give the picture in it an `alt`" if pictures else "write what it leads to",
            )
        elif words.lower().strip(" .…»›→>!") in _VAGUE:
            report.add("NL707", f"the words of a link are `{words[:60]}`", link, help="say what it leads to")


def _check_images(mail: OutgoingMail, report: Report) -> None:
    for image in mail.page.all("img"):
        if not image.is_seen:
            continue
        name = image.attributes.get("src", "").rpartition("/")[2][:60]
        if "alt" not in image.attributes and image.attributes.get("role") not in _ROLES:
            if not _is_pixel(image):
                report.add("NL709", f"the image `{name}` has no `alt`", image, help="say what it shows")
        elif (
            not image.attributes.get("alt", "").strip()
            and _width(image) >= _NO_SPACER
            and image.closest("a") is None
        ):
            report.add(
                "NL709",
                f"the image `{name}`, {_width(image)} pixels wide, has an empty `alt`",
                image,
                help="say what it shows, unless it is nothing but decoration",
                severity=Severity.WARNING,
            )


def _is_pixel(image: Element) -> bool:
    return image.attributes.get("width") in {"0", "1"} or image.attributes.get("height") in {"0", "1"}


def _width(image: Element) -> int:
    digits = image.attributes.get("width", "").removesuffix("px")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0


def _check_ids(mail: OutgoingMail, report: Report) -> None:
    counts = Counter(one.attributes["id"] for one in mail.page.elements if one.attributes.get("id"))
    seen: Counter[str] = Counter()
    for element in mail.page.elements:
        name = element.attributes.get("id", "")
        if not name or counts[name] < 2:
            continue
        seen[name] += 1
        if seen[name] == 2:
            report.add(
                "NL716", f"the id `{name}` stands here for the second time", element, help="use each once"
            )


RULES = (
    OutputRule(("NL700", "NL701", "NL702"), _check_page),
    OutputRule(("NL703", "NL715"), _check_tables),
    OutputRule(("NL704", "NL705"), _check_headings),
    OutputRule(("NL706", "NL707"), _check_links),
    OutputRule(("NL709",), _check_images),
    OutputRule(("NL716",), _check_ids),
)
