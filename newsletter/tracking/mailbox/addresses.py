"""Which addresses stand in a text written by a mail system?"""

from __future__ import annotations

import re
from typing import Final

# RFC 5321, section 4.5.3.1: 64 before the `@`, 255 behind it. A quoted local part only where brackets tell its end.
_ADDRESS = re.compile(
    r"(?<![\w.+%=/!#$&'*^`{|}~-])([\w.+%=/!#$&'*^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,10}[\w-]{2,63})(?![\w@])"
)
_BRACKETED = re.compile(r"<\s*((?:\"[^\"<>\n]{1,62}\"|[^\s<>\"@]{1,64})@[^\s<>@\"]{1,255})\s*>")
_PREFIX = re.compile(r"^(?:smtp|rfc822|mailto)[=:]", re.IGNORECASE)
_WRAPPING: Final = "<>()[]{}\"'`,;:. \t"


def addresses_in(text: str) -> list[str]:
    """All of them, in order, each once."""
    return list(dict.fromkeys(_bare(found[1]) for found in _ADDRESS.finditer(text)))


def bracketed_in(text: str) -> list[str]:
    """Those that stand in `<` and `>`, in order, each once."""
    return list(dict.fromkeys(_bare(found[1]) for found in _BRACKETED.finditer(text)))


def _bare(text: str) -> str:
    """Without the quotes around it and Exchange's `SMTP=` and `SMTP:` before it."""
    return _PREFIX.sub("", text.lstrip("'").rstrip("'."))


def first_address(text: str) -> str:
    """The bare address in a header's or a report's field; empty where there is none."""
    text = text[:1_000].removeprefix("mailto:")
    found = _BRACKETED.search(text) or _ADDRESS.search(text)
    if found:
        return _bare(found[1]).strip(_WRAPPING)
    bare = text.strip().strip(_WRAPPING)
    # An address beyond ASCII (RFC 6533) has no pattern of its own.
    return bare if bare.count("@") == 1 and " " not in bare and len(bare) <= 320 else ""
