"""What is a rule on a finished message? A function from the message to findings, and the codes it may report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from newsletter.checks.output.mail import OutgoingMail
from newsletter.checks.output.origin import Origin, Place
from newsletter.checks.output.page import Element
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.diagnostics.codes_output import OUTPUT

# A fault of a template shows in every row: so many are said, and that there are more.
_MOST_OF_A_CODE = 8


class InTemplate(NamedTuple):
    """An element whose look or tag is the matter, which a template decides rather than the issue's words."""

    element: Element


class Report:
    """Collects findings about one message and works out their places.

    Args:
        origin: what the message was made of.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._found: dict[tuple[str, Place], Diagnostic] = {}
        self._more: set[str] = set()

    def add(
        self,
        code: str,
        message: str,
        at: Element | InTemplate | Place,
        *,
        help: str,  # noqa: A002 - the field's name in every format
        severity: Severity | None = None,
    ) -> None:
        """Note a finding about an element, or about a place that is known."""
        if sum(known == code for known, _ in self._found) >= _MOST_OF_A_CODE:
            self._more.add(code)
            return
        if isinstance(at, InTemplate):
            place = self.origin.of_template(at.element) or self.origin.of(at.element)
        else:
            place = self.origin.of(at) if isinstance(at, Element) else at
        key = (code, place)
        if key in self._found:
            return
        self._found[key] = Diagnostic(
            code=code,
            severity=severity or OUTPUT[code].severity,
            message=message,
            path=place.path,
            line=place.line,
            column=place.column,
            length=place.length,
            help=help,
        )

    @property
    def found(self) -> list[Diagnostic]:
        """The findings, in the order they were noted."""
        shown = list(self._found.values())
        for code in self._more:
            last = max(at for at, diagnostic in enumerate(shown) if diagnostic.code == code)
            shown[last] = replace(shown[last], message=f"{shown[last].message} (and more like it)")
        return shown


class OutputRule(NamedTuple):
    """One check of a finished message.

    Attributes:
        codes: what it may report.
        check: adds its findings.
        of_any: whether it holds for any HTML mail; else it is about a newsletter's own duties and headers.
    """

    codes: tuple[str, ...]
    check: Callable[[OutgoingMail, Report], None]
    of_any: bool = True
