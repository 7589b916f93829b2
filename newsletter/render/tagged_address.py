"""Which address says by itself whom a mail to it is about? `bounces+TAG@example.com`, and how a tag is read back.

A bounce goes to the envelope sender whatever it says inside, so an address of its own for each message
(VERP) tells which message came back. Tokens are spelt in hexadecimal there: mail systems that fold the
local part to lower case on the way back are known well enough for SRS to provide for them (SRS, section 4.2).
"""

from __future__ import annotations

import base64
import re
from binascii import Error as Base64Error
from binascii import a2b_base64

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(r"(?:[0-9a-f]{2}){8,32}").fullmatch
_LONGEST_LOCAL_PART = 64  # RFC 5321, section 4.5.3.1.1


def tagged_address(address: str, token: str) -> str:
    """`address` with `+` and `token` in hexadecimal before the `@`; as it is where that can't be."""
    local, _, domain = address.rpartition("@")
    try:
        tag = a2b_base64(token.encode("ascii").translate(_URL_SAFE) + b"=" * (-len(token) % 4)).hex()
    except (Base64Error, UnicodeEncodeError):
        return address
    if not tag or len(local) + 1 + len(tag) > _LONGEST_LOCAL_PART:
        return address
    return f"{local}+{tag}@{domain}"


def token_of_tag(tag: str) -> str:
    """The token that `tagged_address` spelt as `tag`, in any case of letters; empty where it is none."""
    tag = tag.lower()
    if not _HEX(tag):
        return ""
    return base64.urlsafe_b64encode(bytes.fromhex(tag)).rstrip(b"=").decode("ascii")


def unsubscribe_mailto(address: str, token: str) -> str:
    """The `mailto:` address that takes one person off the list (RFC 2369, section 3.2)."""
    # In a mailto, `+` stands for itself (RFC 6068, section 2); only blanks would be another matter.
    return f"mailto:{tagged_address(address, token)}?subject=unsubscribe"
