"""Is this an address mail can be sent to, and which addresses are the same person's?

email-validator decides. Plain ASCII addresses, nearly all of a real list, take a fast path with the
same answer: each distinct domain is judged once, and the local parts of a whole vector of rows are
tested together.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.errors import UsageError

# RFC 5322, 3.2.3: atext. A local part in the fast path is a dot-atom of these.
_ATEXT: Final = string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~"
_ATOM_BYTES: Final = (_ATEXT + ".\n").encode()
# RFC 1123, 2.1 and RFC 1035, 2.3.1; hosts under a top-level domain of letters alone.
_DOMAIN: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
_LONGEST: Final = 254  # RFC 5321, 4.5.3.1.3 less the angle brackets
_MOST_DOMAINS: Final = 100_000  # remembered at once, so that memory stays flat


@dataclass(frozen=True, slots=True)
class Address:
    """A valid address.

    Attributes:
        email: what mail is sent to: as written where it is plain ASCII, else in its normal form
            (NFC, the domain's full-width and other variants folded).
        match_key: the same for every spelling that is surely the same mailbox.
    """

    email: str
    match_key: str


class AddressError(UsageError):
    """The text is not an address mail can be sent to; the message says why."""


def parse_address(text: str) -> Address:
    """`text`, surrounding space aside, as an address.

    Raises:
        AddressError: it isn't one; no DNS is asked.
    """
    email = text.strip()
    checked = _check(email)
    if isinstance(checked, str):
        shown = email if len(email) <= 80 else f"{email[:77]}…"
        raise AddressError(
            f"`{shown}` is not an email address: {checked}", hint="write it as name@example.com"
        )
    return checked


def match_key(email: str) -> str:
    """What two spellings of one mailbox have in common: NFC, the domain in IDNA, the local part casefolded.

    Dots and `+tags` stay: whether they matter is the mailbox provider's business.

    Args:
        email: a valid address; of any other text the key merely matches itself.
    """
    if email.isascii() and "xn--" not in (lowered := email.lower()):
        return lowered
    local, at, domain = email.rpartition("@")
    return f"{_fold(local)}{at}{_idna(domain)}"


def _fold(text: str) -> str:
    # Canonical caseless matching (Unicode, D145): folding may undo normalisation, so it is done again.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _idna(domain: str) -> str:
    import idna

    try:
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        return ".".join(
            label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split(".")
        )
    except (idna.IDNAError, UnicodeError):
        return _fold(domain)


class AddressChecker:
    """Checks vectors of addresses, remembering the domains it has seen. Not for several threads at once."""

    def __init__(self) -> None:
        from email_validator import SPECIAL_USE_DOMAIN_NAMES

        self._domains: set[str] = set()
        self._special = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES)

    def check(self, emails: Sequence[str]) -> list[Address | str | None]:
        """For each address: None where it is fine and its key is `email.lower()`, else an `Address`, else why not.

        Surrounding space has to be stripped before.
        """
        if self._all_plain(emails):
            return [None] * len(emails)
        if len(emails) <= 32:
            return [None if self._all_plain((email,)) else _check(email) for email in emails]
        middle = len(emails) // 2
        return self.check(emails[:middle]) + self.check(emails[middle:])

    def _all_plain(self, emails: Sequence[str]) -> bool:
        text = "\n".join(emails)
        if not text.isascii() or max(map(len, emails), default=0) > _LONGEST:
            return False
        # An address without an @ has no second half, one with two has an @ in its local part.
        try:
            locals_, domains = zip(*[email.rsplit("@", 1) for email in emails], strict=True)
        except ValueError:
            return False
        lines = ("\n" + "\n".join(locals_) + "\n").encode("ascii")
        if (
            lines.translate(None, _ATOM_BYTES)
            or b".." in lines
            or b"\n." in lines
            or b".\n" in lines
            or b"\n\n" in lines
            or lines.count(b"\n") != len(emails) + 1
        ):
            return False
        return self._known(set(domains))

    def _plain_domain(self, domain: str) -> bool:
        if (
            len(domain) <= 253
            and "--" not in domain
            and _DOMAIN.fullmatch(domain)
            and not f".{domain.lower()}".endswith(self._special)
        ):
            return True
        # A-labels (xn--) have rules of their own, and a key of their own.
        return "xn--" not in domain.lower() and not _validate(f"a@{domain}")[1]

    def _known(self, domains: set[str]) -> bool:
        fresh = domains - self._domains
        for domain in fresh:
            if not self._plain_domain(domain):
                return False
            if len(self._domains) >= _MOST_DOMAINS:
                self._domains.clear()
            self._domains.add(domain)
        return True


def _check(email: str) -> Address | str:
    normal, reason = _validate(email)
    if reason:
        return reason
    return Address(email if email.isascii() else normal, match_key(email))


def _validate(email: str) -> tuple[str, str]:
    """email-validator's normal form of `email`, or why it isn't valid."""
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(email, check_deliverability=False).normalized, ""
    except EmailNotValidError as error:
        return "", str(error).rstrip(".")
