"""Can every word be seen: by day, in the mail's own dark colours, and where a client inverts it by force?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from newsletter.checks.output.colours import attribute_colour, colour_in, inverted
from newsletter.checks.output.css import StyleRule
from newsletter.checks.output.mail import OutgoingMail
from newsletter.checks.output.page import UNSEEN, Element, Page
from newsletter.checks.output.rule import InTemplate, OutputRule, Report
from newsletter.diagnostics import Severity
from newsletter.render.colour import READABLE, contrast

_LARGE = 3.0  # WCAG 2.2, success criterion 1.4.3: 24 px, or 18.66 px bold
_SMALLEST = 11.0
_DARK = re.compile(r"prefers-color-scheme\s*:\s*dark", re.IGNORECASE)
_PLAIN_MEDIA = re.compile(r"@media\s+(?:only\s+)?(?:all|screen)$", re.IGNORECASE)
_OGSC, _OGSB = re.compile(r"^\[data-ogsc\]\s*"), re.compile(r"^\[data-ogsb\]\s*")
# Neither a resting look nor an element.
_STATE = re.compile(r":(?:hover|active|focus|visited|target|checked|before|after|first-l)|::", re.IGNORECASE)
_PICTURE = re.compile(r"url\(|gradient\(", re.IGNORECASE)
_SIZES = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h5": 0.83, "h6": 0.67, "small": 0.83, "sub": 0.83, "sup": 0.83}
_BOLD = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "b", "strong", "th"})
_KEYWORDS = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0, "xx-large": 32.0,
}  # fmt: skip
_UNITS = {"px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "rem": 16.0}
_LENGTH = re.compile(r"([\d.]+)(px|pt|pc|in|cm|mm|rem|em|%)")
_PROPERTIES = (
    *("color", "background-color", "background", "background-image", "font-size", "font-weight", "font"),
    *("text-align", "text-decoration", "text-decoration-line", "display", "border-bottom", "border"),
)
_BLOCKS = ("p", "td", "th", "li", "div", "blockquote", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "body")
# The initial colours of a link, and of a page that says it knows dark schemes (HTML Living Standard, section 15.3.4).
_LINK, _DARK_TEXT, _DARK_GROUND = "#0000ee", "#ffffff", "#121212"


class Look(NamedTuple):
    """How an element's text is shown.

    Attributes:
        colour: `#rrggbb`; None where it can't be told.
        ground: the same of what is behind it.
        size: CSS pixels.
        bold: at least 700.
    """

    colour: str | None = "#000000"
    ground: str | None = "#ffffff"
    size: float = 16.0
    bold: bool = False


class Looks:
    """How each element of a page is shown under one set of style rules."""

    def __init__(self, page: Page, rules: list[StyleRule], initial: Look, *, dark: bool = False) -> None:
        self.page = page
        self.styles = page.cascade(rules, *_PROPERTIES)
        self._dark = dark
        self._looks: dict[int, Look] = {}
        for element in page.elements:
            around = self._looks[element.parent.order] if element.parent is not None else initial
            self._looks[element.order] = self._look(element, around)

    def of(self, element: Element) -> Look:
        """How the text right in `element` is shown."""
        return self._looks[element.order]

    def style(self, element: Element, name: str) -> str:
        """A property's value in lower case, or empty."""
        return self.styles.get(element.order, {}).get(name, "").lower()

    def texts(self) -> Iterator[tuple[Element, str]]:
        """Each element that shows words of its own, with these words."""
        hidden: set[int] = set()
        for element in self.page.elements:
            parent = element.parent
            if (parent is not None and parent.order in hidden) or self.style(element, "display") == "none":
                hidden.add(element.order)
            elif element.is_seen and element.tag not in UNSEEN and element.content:
                own = " ".join("".join(part for part in element.content if isinstance(part, str)).split())
                if re.search(r"\w", own):
                    yield element, own

    def _look(self, element: Element, around: Look) -> Look:
        styles = self.styles.get(element.order, {})
        colour, ground = around.colour, self._ground(element, styles, around.ground)
        written = styles.get("color", "")
        if written:
            if written.lower() not in {"inherit", "currentcolor"}:
                found = colour_in(written)
                colour = found.over(ground) if found and ground else found.hex if found else None
        elif element.tag == "a" and element.attributes.get("href"):
            colour = None if self._dark else _LINK
        elif legacy := element.attributes.get("text" if element.tag == "body" else "color", ""):
            named = attribute_colour(legacy)
            colour = named.hex if named else colour
        font = styles.get("font", "")
        size = self._size(element, styles.get("font-size") or font, around.size)
        weight = (styles.get("font-weight") or font).lower()
        bold = around.bold or element.tag in _BOLD
        if re.search(r"\b(?:normal|lighter|[1-6]00)\b", weight):
            bold = False
        elif re.search(r"\b(?:bold|bolder|[789]00)\b", weight):
            bold = True
        return Look(colour, ground, size, bold)

    @staticmethod
    def _ground(element: Element, styles: dict[str, str], around: str | None) -> str | None:
        shorthand = styles.get("background", "")
        picture = styles.get("background-image", "")
        if _PICTURE.search(shorthand) or _PICTURE.search(picture) or "background" in element.attributes:
            return None  # what the words lie on is in the picture
        written = styles.get("background-color") or shorthand
        if not written:
            named = attribute_colour(element.attributes.get("bgcolor", ""))
            return named.hex if named else around
        found = colour_in(written)
        if found is None:
            return None if "var(" in written else around
        if found.opacity >= 1:
            return found.hex
        return found.over(around) if around else None

    @staticmethod
    def _size(element: Element, written: str, around: float) -> float:
        match = _LENGTH.search(written)
        if match is not None:
            try:
                number = float(match[1])
            except ValueError:
                return around
            if match[2] == "em":
                return number * around
            return number * around / 100 if match[2] == "%" else number * _UNITS[match[2]]
        if written.lower() in _KEYWORDS:
            return _KEYWORDS[written.lower()]
        return around * _SIZES.get(element.tag, 1.0) if not written else around


def _is_plain(rule: StyleRule) -> bool:
    return not _STATE.search(rule.selector) and all(_PLAIN_MEDIA.match(one) for one in rule.conditions)


def rules_by_day(page: Page) -> list[StyleRule]:
    """The rules that hold under no condition."""
    return [rule for rule in page.rules if _is_plain(rule) and not rule.selector.startswith("[data-ogs")]


def rules_in_the_dark(page: Page) -> list[StyleRule]:
    """The rules that hold where `prefers-color-scheme` is dark; none where the mail has nothing to say of it."""

    def is_meant(rule: StyleRule) -> bool:
        return not _STATE.search(rule.selector) and all(
            _PLAIN_MEDIA.match(one) or (_DARK.search(one) and "width" not in one) for one in rule.conditions
        )

    found = [rule for rule in page.rules if is_meant(rule) and not rule.selector.startswith("[data-ogs")]
    return found if any(rule.conditions and _DARK.search(rule.conditions[-1]) for rule in found) else []


def _in_outlook(page: Page) -> list[StyleRule]:
    """What Outlook.com shows in the dark; nothing where the mail leaves the grounds to it, which can't be foreseen."""
    found, grounds = rules_by_day(page), False
    for rule in page.rules:
        if not _is_plain(rule):
            continue
        for prefix, names in ((_OGSC, ("color",)), (_OGSB, ("background-color", "background"))):
            if prefix.match(rule.selector):
                meant = tuple(d for d in rule.declarations if d.name in names)
                grounds = grounds or (bool(meant) and names[0] != "color")
                found.append(
                    rule._replace(selector=prefix.sub("", rule.selector) or "html", declarations=meant)
                )
    return found if grounds else []


def _check_looks(mail: OutgoingMail, report: Report) -> None:
    day = Looks(mail.page, rules_by_day(mail.page), Look())
    _check_contrast(mail.page, day, report)
    _check_links(mail.page, day, report)
    _check_text(mail.page, day, report)


def _check_contrast(page: Page, day: Looks, report: Report) -> None:
    faint = _report_faint(day, report, "NL710", "", lambda colour: colour)
    schemes = next(
        (
            m.attributes.get("content", "")
            for m in page.all("meta")
            if m.attributes.get("name") == "color-scheme"
        ),
        "",
    )
    dark_initial = Look(_DARK_TEXT, _DARK_GROUND) if "dark" in schemes else Look()
    for rules, initial, where in (
        (rules_in_the_dark(page), dark_initial, " in the mail's own dark colours"),
        (_in_outlook(page), Look(), " in Outlook.com's dark mode"),
    ):
        if rules:
            _report_faint(
                Looks(page, rules, initial, dark=True), report, "NL711", where, lambda colour: colour
            )
    # A pair that can't be read by day is said once.
    _report_faint(day, report, "NL712", " once a client inverts it", inverted, known=faint)


def _report_faint(
    looks: Looks,
    report: Report,
    code: str,
    where: str,
    seen: Callable[[str], str],
    *,
    known: frozenset[tuple[str, str]] = frozenset(),
) -> frozenset[tuple[str, str]]:
    """Note each pair of colours once that is too close; returns the pairs."""
    pairs: set[tuple[str, str]] = set()
    ratios: dict[tuple[str, str], float] = {}
    for element, words in looks.texts():
        look = looks.of(element)
        if (
            look.colour is None
            or look.ground is None
            or look.size <= 1
            or (look.colour, look.ground) in known
        ):
            continue
        needed = _LARGE if look.size >= 24 or (look.bold and look.size >= 18.66) else READABLE
        pair = (look.colour, look.ground)
        ratio = ratios.get(pair) or ratios.setdefault(pair, contrast(seen(look.colour), seen(look.ground)))
        if ratio >= needed or pair in pairs:
            continue
        pairs.add(pair)
        report.add(
            code,
            f"{look.colour} on {look.ground} has a contrast of {ratio:.2f}{where}, less than {needed:g}: “{words[:40]}”",
            report.origin.of_colours(element, look.colour, look.ground),
            help="choose colours further apart",
            # Each client inverts in its own way: what comes close to enough may well be enough.
            severity=Severity.INFO if code == "NL712" and ratio >= _LARGE else None,
        )
    return frozenset(pairs)


def _check_links(page: Page, looks: Looks, report: Report) -> None:
    for link in page.all("a"):
        if not link.attributes.get("href") or not link.words or not link.is_seen:
            continue
        if _is_marked(looks, link) or any(_is_marked(looks, one) for one in link):
            continue
        decoration = looks.style(link, "text-decoration") or looks.style(link, "text-decoration-line")
        block = link.closest(*_BLOCKS)
        if "none" not in decoration or block is None:
            continue  # a client underlines it
        beside = _words_beside(block)
        own, around = looks.of(_innermost(link)).colour, looks.of(block).colour
        if len(re.findall(r"\w{2,}", beside)) < 3 or own is None or around is None:
            continue  # it stands alone, as a button or in a list of links
        if contrast(own, around) < 3:
            report.add(
                "NL708",
                f"nothing but a colour close to its text tells the link `{link.words[:60]}`",
                link,
                help="underline it",
            )


def _innermost(link: Element) -> Element:
    inside = link.children
    while len(inside) == 1 and not any(isinstance(part, str) and part.strip() for part in link.content):
        link, inside = inside[0], inside[0].children
    return link


def _is_marked(looks: Looks, element: Element) -> bool:
    styles = looks.styles.get(element.order, {})
    decoration = styles.get("text-decoration", "") + styles.get("text-decoration-line", "")
    border = styles.get("border-bottom", "") + styles.get("border", "")
    ground = colour_in(styles.get("background-color", "") + " " + styles.get("background", ""))
    return (
        "underline" in decoration
        or element.tag in {"u", "img"}
        or bool(re.search(r"[1-9]\d*px", border))
        or (ground is not None and ground.opacity > 0)
    )


def _words_beside(block: Element) -> str:
    """The words of a block that stand in no link and in no block of their own."""
    found, waiting = [], block.content[::-1]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            found.append(part)
        elif part.tag not in {"a", "table", *_BLOCKS, *UNSEEN}:
            waiting += part.content[::-1]
    return " ".join(found)


def _check_text(page: Page, looks: Looks, report: Report) -> None:
    for element, words in looks.texts():
        size = looks.of(element).size
        if size < _SMALLEST and size > 1:
            report.add(
                "NL714",
                f"text of {size:.3g} px: “{words[:40]}”",
                InTemplate(element),
                help="13 px is small enough for a footer",
            )
    for element in page.body_elements:
        if looks.style(element, "text-align") == "justify" and element.words and element.is_seen:
            report.add(
                "NL713",
                f"justified text: “{element.words[:40]}”",
                InTemplate(element),
                help="align it to the side it starts at",
            )


RULES = (OutputRule(("NL708", "NL710", "NL711", "NL712", "NL713", "NL714"), _check_looks),)
