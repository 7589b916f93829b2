"""Whom do the checks judge? The sending identity, as the settings and the command line give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# RFC 2606, RFC 6761: names nobody can own, and so nobody can send from.
_RESERVED_ENDS: Final = ("test", "example", "invalid", "localhost", "local", "internal")
_RESERVED: Final = ("example.com", "example.net", "example.org")
# Gmail, Yahoo and Microsoft ask for more from here on, in mails to their users a day.
BULK: Final = 5000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends.

    Attributes:
        domain: of the From address, in ASCII and lower case.
        provider: its name in the settings.
        mailbox: the From address's part before the `@`.
        provider_domain: the sending domain as the provider knows it, where that is another.
        envelope: the envelope domain of mails that leave over SMTP; empty for the From domain.
        reply: the domain of Reply-To; empty for the From domain.
        dkim_domain: `d=` of our own signatures.
        selectors: to look keys up under: of our own signatures, and those named on the command line.
        own_key: our own public key as `p=` has it, by the selector it signs under; empty without one.
        own_key_kind: `rsa` or `ed25519`.
        smtp_host: our own mail server, where mails leave over SMTP.
        audience: how many people get an issue.
    """

    domain: str
    provider: str
    mailbox: str = ""
    provider_domain: str = ""
    envelope: str = ""
    reply: str = ""
    dkim_domain: str = ""
    selectors: tuple[str, ...] = ()
    own_key: str = ""
    own_selector: str = ""
    own_key_kind: str = "rsa"
    smtp_host: str = ""
    audience: int = 0

    @property
    def bulk(self) -> bool:
        """Whether the rules for bulk senders may apply: all of the audience may be at one mailbox provider."""
        return self.audience >= BULK

    @property
    def reserved(self) -> bool:
        """Whether the domain is one for documents and tests, which nobody owns."""
        ends = tuple(f".{name}" for name in (*_RESERVED_ENDS, *_RESERVED))
        return f".{self.domain}".endswith(ends)
