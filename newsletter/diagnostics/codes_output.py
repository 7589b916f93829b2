"""NL4xx: what is wrong with the rendered message, whatever its source looks like."""

from __future__ import annotations

from newsletter.diagnostics.types import Code

OUTPUT: tuple[Code, ...] = ()
