"""Does it rest on what a big client doesn't know? Where another way is provided, nothing is said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.checks.clients import features_of, unsupporting
from newsletter.checks.output.css import Declaration
from newsletter.checks.output.mail import OutgoingMail
from newsletter.checks.output.origin import Place
from newsletter.checks.output.page import Element
from newsletter.checks.output.rule import InTemplate, OutputRule, Report

_STYLE_LIMIT = 16_384
# Without these, parts of the layout fall on top of each other or lose their colour. Others are missed by nobody:
# a corner that isn't round, a shadow that isn't there.
_LOAD_BEARING = (
    *("css-display-flex", "css-display-grid", "css-position", "css-variables", "css-column-count"),
    *("css-grid-template", "css-function-clamp", "css-function-light-dark", "css-modern-color"),
)
_MOVES_NOTHING = frozenset({"static", "relative", "inherit", "initial"})
_DROPPED = {
    "form": "html-form", "button": "html-button-submit", "select": "html-select", "textarea": "html-textarea",
    "svg": "html-svg", "video": "html-video", "audio": "html-audio", "picture": "html-picture", "object": "html-object",
    "dialog": "html-dialog", "iframe": "", "embed": "", "canvas": "", "math": "",
}  # fmt: skip
_FONT = re.compile(r"fonts?[./]|typekit|\.woff", re.IGNORECASE)
_DATA_IMAGE = re.compile(r"url\(\s*[\"']?data:", re.IGNORECASE)


def _check_css(mail: OutgoingMail, report: Report) -> None:
    page = mail.page
    # One finding for each way of writing it: a template repeats itself.
    said: set[str] = set()
    for element in page.body_elements:
        for slug, declaration in _load_bearing(element.own, element):
            words = f"{declaration.name}: {declaration.value}"
            if words not in said and element.is_seen:
                said.add(words)
                _report_css(report, slug, words, InTemplate(element))
    for rule in page.rules:
        if rule.conditions or rule.selector.startswith("@") or not rule.declarations:
            continue
        for element in page.matching(rule.selector)[:1]:
            for slug, declaration in _load_bearing(rule.declarations, element):
                words = f"{declaration.name}: {declaration.value}"
                if words not in said and element.is_seen:
                    said.add(words)
                    pattern = rf"{re.escape(declaration.name)}\s*:\s*{re.escape(declaration.value)}"
                    _report_css(report, slug, words, report.origin.style_sheet(pattern))


def _load_bearing(written: tuple[Declaration, ...], element: Element) -> Iterator[tuple[str, Declaration]]:
    for at, declaration in enumerate(written):
        value = declaration.value.lower()
        for slug in features_of(declaration):
            if slug not in _LOAD_BEARING or declaration.name.startswith("--"):
                continue
            if slug == "css-position" and value in _MOVES_NOTHING:
                continue
            if slug.startswith("css-display-") and len(_parts(element)) < 2:
                continue  # nothing stands beside anything
            # An older value before it is what the others take.
            if any(earlier.name == declaration.name for earlier in written[:at]):
                continue
            yield slug, declaration


def _parts(element: Element) -> list[Element | str]:
    return [part for part in element.content if not isinstance(part, str) or part.strip()]


def _report_css(report: Report, slug: str, words: str, place: InTemplate | Place) -> None:
    without = unsupporting(slug)
    report.add(
        "NL720",
        f"`{words[:60]}` isn't known to all of {_listed(without)}",
        place,
        help="use a table, or write an older value before it",
    )


def _listed(names: tuple[str, ...]) -> str:
    shown = names[:4]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "") if names else "the big clients"


def _check_elements(mail: OutgoingMail, report: Report) -> None:
    for element in mail.page.body_elements:
        tag = element.tag
        if tag == "input":
            if (
                element.attributes.get("type", "text").lower() == "hidden"
                or element.closest("form") is not None
            ):
                continue
        elif tag not in _DROPPED or element.closest(*_DROPPED) is not element:
            continue
        if (
            tag in {"video", "audio", "picture", "object"} and _has_another_way(element)
        ) or not element.is_seen:
            continue
        if any(around.tag in _DROPPED for around in element.ancestors()):
            continue
        without = unsupporting(_DROPPED.get(tag) or "html-input-text") if _DROPPED.get(tag, "-") else ()
        report.add(
            "NL721",
            f"`<{tag}>` doesn't work in {_listed(without)}",
            element,
            help="link to a page that has it, or use a picture",
        )


def _has_another_way(element: Element) -> bool:
    return any(one.tag in {"img", "a"} for one in element)


def _check_scripts(mail: OutgoingMail, report: Report) -> None:
    for element in mail.page.elements:
        handler = next((n for n in element.attributes if re.fullmatch(r"on[a-z]{3,}", n)), "")
        link = element.attributes.get("href", "").strip().lower()
        if element.tag == "script" and element.attributes.get("type", "").lower() != "application/ld+json":
            report.add(
                "NL722",
                "a script",
                InTemplate(element),
                help="take it out",
            )
        elif handler:
            report.add("NL722", f"`{handler}` on `<{element.tag}>`", element, help="take it out")
        elif link.startswith("javascript:"):
            report.add("NL722", "a link to `javascript:`", element, help="link to a page")


def _check_fetched(mail: OutgoingMail, report: Report) -> None:
    page = mail.page
    for link in page.all("link"):
        if "stylesheet" in link.attributes.get("rel", "").lower() and link.attributes.get("href"):
            address = link.attributes["href"]
            kind = "a font" if _FONT.search(address) else "a style sheet"
            report.add(
                "NL723", f"{kind} is fetched from {address[:80]}", InTemplate(link),
                help="use a system font, or put the styles into the mail",
            )  # fmt: skip
    for _, statement in page.imports:
        report.add(
            "NL723", f"`{statement.strip()[:80]}` is fetched when the mail is opened",
            report.origin.style_sheet(r"@import"), help="put the styles into the mail",
        )  # fmt: skip
    for rule in page.rules:
        if rule.selector == "@font-face" and any("url(" in d.value for d in rule.declarations):
            report.add(
                "NL723", "a font is fetched when the mail is opened", report.origin.style_sheet(r"@font-face"),
                help="name a system font behind it",
            )  # fmt: skip
            break


def _check_data(mail: OutgoingMail, report: Report) -> None:
    for element in mail.page.elements:
        source = element.attributes.get("src", "") or element.attributes.get("background", "")
        if source.strip().lower().startswith("data:") and element.tag != "script":
            report.add(
                "NL724",
                f"`<{element.tag}>` holds its picture as `data:`",
                element,
                help="name the picture's file",
            )
        elif any(_DATA_IMAGE.search(declaration.value) for declaration in element.own):
            report.add(
                "NL724", f"the ground of `<{element.tag}>` is a picture in `data:`", element,
                help="link to the picture, or use a colour",
            )  # fmt: skip


def _check_style_size(mail: OutgoingMail, report: Report) -> None:
    total = sum(len(css.encode("utf-8", "replace")) for _, css in mail.page.sheets)
    if total > _STYLE_LIMIT:
        report.add(
            "NL725",
            f"`<style>` has {total:,} bytes; Gmail reads {_STYLE_LIMIT:,}",
            report.origin.layout(),
            help="leave out rules, or put them on the elements",
        )


RULES = (
    OutputRule(("NL720",), _check_css),
    OutputRule(("NL721",), _check_elements),
    OutputRule(("NL722",), _check_scripts),
    OutputRule(("NL723",), _check_fetched),
    OutputRule(("NL724",), _check_data),
    OutputRule(("NL725",), _check_style_size),
)
