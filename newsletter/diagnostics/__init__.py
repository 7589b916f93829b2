"""A finding is a value: a code, a place, a sentence and a way out. Checks return findings and never print."""

from newsletter.diagnostics.codes import CODES, Code
from newsletter.diagnostics.types import Diagnostic, Fix, Severity

__all__ = ["CODES", "Code", "Diagnostic", "Fix", "Severity"]
