"""How do names outside ASCII go out? Domains as A-labels (RFC 5890), addresses of pages as RFC 3986 writes them."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from urllib.parse import quote

import idna

from newsletter.errors import NewsletterError

# What RFC 3986 lets stand in an address, and `%`, which is already its escape.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"
_HOST = re.compile(r"(?P<scheme>https?://)(?P<host>[^/?#:@]+)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """`domain` as A-labels, the form in which the DNS and every mail server know it.

    Raises:
        NewsletterError: it isn't a domain.
    """
    try:
        return idna.encode(domain, uts46=not domain.isascii(), std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise NewsletterError(
            f"`{domain}` is not a domain: {error}".encode("ascii", "backslashreplace").decode("ascii")
        ) from None


def ascii_url(url: str) -> str:
    """`url` in ASCII: its host as A-labels, every other character RFC 3986 doesn't allow percent-encoded.

    A host that is no domain is percent-encoded like the rest: it leads nowhere either way.
    """
    match = None if url.isascii() else _HOST.fullmatch(url)
    if match:
        with suppress(NewsletterError):
            url = f"{match['scheme']}{ascii_domain(match['host'])}{match['rest']}"
    return quote(url, safe=_URL_SAFE)
