"""The shape of a finding, and of the code that names its kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """How much a finding matters: a send refuses on errors and shows warnings."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Code(NamedTuple):
    """One kind of finding.

    Attributes:
        code: `NL` and three digits; never reused for another meaning.
        title: a short name in a few words.
        severity: what it is unless the settings say otherwise.
        explanation: why it matters and how to mend it, in Markdown.
    """

    code: str
    title: str
    severity: Severity
    explanation: str


class Fix(NamedTuple):
    """A replacement that is safe to make without asking.

    Attributes:
        start: offset in characters into the file's text where the replacement begins.
        end: offset where it ends, exclusive.
        text: what stands there afterwards.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about one place in one file.

    Attributes:
        code: the stable code, as in `NL102`.
        severity: error, warning or info.
        message: what is wrong, one clause without a full stop.
        path: the file as the user named it.
        line: line number, from 1; 0 where the finding is about the whole file.
        column: column in characters, from 1; 0 where it is about the whole line.
        length: how many characters the carets cover.
        help: the way out; may be empty.
        fix: a safe replacement, where there is one.
    """

    code: str
    severity: Severity
    message: str
    path: str
    line: int = 0
    column: int = 0
    length: int = 1
    help: str = ""
    fix: Fix | None = None
