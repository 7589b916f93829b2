"""The catalogue of codes: what each finding means and why it matters, for `newsletter explain`.

One module per hundred; a new code is an entry in its module's tuple.
"""

from __future__ import annotations

from newsletter.diagnostics.codes_compiled import COMPILED_CODES
from newsletter.diagnostics.codes_front_matter import FRONT_MATTER
from newsletter.diagnostics.codes_guide import GUIDE
from newsletter.diagnostics.codes_links import LINKS
from newsletter.diagnostics.codes_newsletter import NEWSLETTER
from newsletter.diagnostics.codes_output import OUTPUT
from newsletter.diagnostics.codes_rendered import RENDERED_CODES
from newsletter.diagnostics.codes_site import SITE
from newsletter.diagnostics.codes_structure import STRUCTURE
from newsletter.diagnostics.codes_text import TEXT
from newsletter.diagnostics.codes_words import WORDS
from newsletter.diagnostics.types import Code

__all__ = ["CODES", "Code"]

CODES: dict[str, Code] = {
    code.code: code
    for group in (
        FRONT_MATTER,
        STRUCTURE,
        TEXT,
        RENDERED_CODES.values(),
        COMPILED_CODES.values(),
        GUIDE,
        SITE.values(),
        OUTPUT.values(),
        LINKS,
        WORDS,
        NEWSLETTER,
    )
    for code in group
}
