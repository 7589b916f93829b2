"""A finding is a value: a code, a place, a sentence and a way out. Checks return findings and never print."""

from typing import TYPE_CHECKING, Any

from newsletter.diagnostics.types import Code, Diagnostic, Fix, Severity

if TYPE_CHECKING:
    from newsletter.diagnostics.codes import CODES

__all__ = ["CODES", "Code", "Diagnostic", "Fix", "Severity"]


def __getattr__(name: str) -> Any:
    # The catalogue is read at the first finding: most issues have none.
    if name == "CODES":
        from newsletter.diagnostics.codes import CODES

        return CODES
    raise AttributeError(name)
