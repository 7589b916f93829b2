"""How is a header written so that every mailbox provider reads it? A small serialiser of our own.

The standard library's folds an unfoldable `List-Unsubscribe` into encoded words (CPython #85725), which
silently breaks one-click unsubscribe, so here structured headers are written literally on one line of at
most 998 characters and only free text and display names are ever encoded (RFC 2047: words of at most 75,
lines of at most 76, no character split, never inside an address).
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

from newsletter.errors import NewsletterError
from newsletter.render.escape import BIDI_CONTROLS
from newsletter.render.idn import ascii_domain

MAX_LINE = 998  # RFC 5322 §2.1.1, without the CRLF
_FOLDED = 76  # RFC 2047 §2: a line that holds an encoded word
_WORD = 75
_OVERHEAD = len("=?utf-8?b??=")

_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{BIDI_CONTROLS}\ud800-\udfff]")
# RFC 2047 §5 (3): what may stand bare in an encoded word inside a phrase; strict enough for all places.
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+"
_ASCII_ADDRESS = re.compile(_ATEXT + r"@(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]*[A-Za-z0-9]").fullmatch
_LOCAL_PART = re.compile(rf'{_ATEXT}|"(?:[ !#-\[\]-~]|\\[ -~])*"')
_UTF8_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u00a1-\U0010ffff-]+")

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def require_safe(name: str, value: str) -> None:
    """Refuse what could start another header, turn text around, or has no UTF-8.

    Raises:
        NewsletterError: `value` holds CR, LF, another control, U+2028/9, a direction override or a
            lone surrogate.
    """
    match = _FORBIDDEN.search(value)
    if match:
        raise NewsletterError(
            f"{name} holds U+{ord(match[0]):04X}, which a mail header can't carry",
            hint="remove the control character, line break or direction override",
        )


def literal(name: str, value: str) -> bytes:
    """A structured header exactly as given, on one line.

    Raises:
        NewsletterError: `value` isn't printable ASCII, or the line would be longer than 998 characters.
    """
    line = f"{name}: {value}"
    if not (line.isascii() and line.isprintable()):
        require_safe(name, value)
        raise NewsletterError(f"{name} holds characters that are not ASCII: {value}")
    if len(line) > MAX_LINE:
        raise NewsletterError(
            f"{name} is {len(line)} characters long; a line of a message holds {MAX_LINE}",
            hint="a shorter base_url or metadata value helps",
        )
    return f"{line}\r\n".encode("ascii")


def unstructured(name: str, value: str) -> bytes:
    """A free-text header such as `Subject`, folded, encoded where it has to be.

    Raises:
        NewsletterError: `value` holds what no header can carry (`require_safe`).
    """
    require_safe(name, value)
    if not value:
        return f"{name}:\r\n".encode("ascii")
    head = f"{name}: "
    # `=?` would be read as the start of an encoded word, and white space at a fold may be lost.
    if value.isascii() and "=?" not in value and "  " not in value and value.strip(" ") == value:
        folded = _fold(head, value)
        if folded:
            return folded.encode("ascii")
    return f"{head}{_CRLF_SPACE.join(encoded_words(value, _FOLDED - len(head)))}\r\n".encode("ascii")


_CRLF_SPACE = "\r\n "


def _fold(head: str, value: str) -> str:
    """`value` on lines of at most 76 characters, or nothing where a word is too long for that."""
    lines, line = [], head
    for number, word in enumerate(value.split(" ")):
        joined = f"{line}{word}" if number == 0 else f"{line} {word}"
        if len(joined) <= _FOLDED:
            line = joined
        elif number == 0 or len(word) >= _FOLDED:
            return ""
        else:
            lines.append(line)
            line = f" {word}"
    return "\r\n".join([*lines, line, ""])


def encoded_words(text: str, first: int = _WORD) -> list[str]:
    """`text` as RFC 2047 encoded words in UTF-8: `first` characters for the first, 75 for each other.

    Base64 or Q, whichever is shorter; a character's bytes are never split between two words (§5).
    """
    data = text.encode()
    escaped = sum(byte not in _Q_SAFE and byte != 0x20 for byte in data)
    use_q = len(data) + 2 * escaped <= (len(data) + 2) // 3 * 4
    words: list[str] = []
    room = min(first, _WORD) - _OVERHEAD
    current = bytearray()
    width = 0
    for character in text:
        encoded = character.encode()
        if use_q:
            cost = sum(1 if byte in _Q_SAFE or byte == 0x20 else 3 for byte in encoded)
            fits = width + cost <= room
        else:
            cost = len(encoded)
            fits = (width + cost + 2) // 3 * 4 <= room
        if not fits and current:
            words.append(_encoded_word(bytes(current), use_q=use_q))
            current.clear()
            width, room = 0, _WORD - _OVERHEAD
        current += encoded
        width += cost
    return [*words, _encoded_word(bytes(current), use_q=use_q)]


def _encoded_word(data: bytes, *, use_q: bool) -> str:
    if use_q:
        body = "".join(
            "_" if byte == 0x20 else chr(byte) if byte in _Q_SAFE else f"={byte:02X}" for byte in data
        )
        return f"=?utf-8?q?{body}?="
    return f"=?utf-8?b?{base64.b64encode(data).decode('ascii')}?="


def phrase(name: str, text: str, first: int = _WORD) -> list[str]:
    """A display name as words to be joined by white space: bare atoms, one quoted string, or encoded words.

    Args:
        name: the header's name, for the error.
        text: the display name.
        first: characters there is room for on the first line.

    Raises:
        NewsletterError: `text` holds what no header can carry.
    """
    require_safe(name, text)
    if text.isascii() and "=?" not in text:
        if _PHRASE.fullmatch(text) and len(text) <= first:
            return [text]
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if len(quoted) <= first:
            return [quoted]
    return encoded_words(text, first)


def mailbox(name: str, display: str, address: str) -> bytes:
    """A header with one address, such as `From: Name <address>`; the address is never encoded.

    Args:
        name: the header's name.
        display: the display name, or empty for a bare address.
        address: as `wire_address` gives it; for `List-Id` the identifier.

    Raises:
        NewsletterError: the name holds what no header can carry.
    """
    head = f"{name}: "
    if not display:
        return f"{head}{address}\r\n".encode()
    words = phrase(name, display, _FOLDED - len(head))
    lines = (head + _CRLF_SPACE.join(words)).split("\r\n")
    tail = f" <{address}>"
    if len(lines[-1]) + len(tail) <= _FOLDED:
        lines[-1] += tail
    else:
        lines.append(tail)
    return "\r\n".join([*lines, ""]).encode()


def display_mailbox(display: str, address: str) -> str:
    """`Name <address>` in plain Unicode, for providers that take it in JSON; quoted where it has specials."""
    require_safe("the sender's name", display)
    if not display:
        return address
    bare = all(c.isalnum() or c in " !#$%&'*+-/=?^_`{|}~" or ord(c) > 0x7F for c in display)
    if not bare:
        display = '"' + display.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{display} <{address}>"


def wire_address(address: str, *, non_ascii_mailbox: bool = False) -> str:
    """`address` as it goes into `To:` and the envelope: its domain in A-labels.

    Args:
        address: a bare address.
        non_ascii_mailbox: whether the provider reaches a non-ASCII local part (RFC 6531).

    Raises:
        NewsletterError: it isn't an address, or its local part needs RFC 6531 and the provider can't.
    """
    if _ASCII_ADDRESS(address) and len(address) <= 320:
        return address
    shown = ascii(address)[1:-1]
    local, at, domain = address.rpartition("@")
    if not at or len(address) > 320 or _FORBIDDEN.search(address):
        raise NewsletterError(f"`{shown}` is not an address a message can be sent to")
    if not local.isascii():
        if not non_ascii_mailbox:
            raise NewsletterError(
                f"`{shown}` has letters before the @ that this provider can't carry (RFC 6531)",
                hint="ask for another address, or send through a provider that takes SMTPUTF8",
            )
        if not _UTF8_LOCAL_PART.fullmatch(local):
            raise NewsletterError(f"`{shown}` is not an address a message can be sent to")
    elif not _LOCAL_PART.fullmatch(local):
        raise NewsletterError(f"`{shown}` is not an address a message can be sent to")
    return f"{local}@{ascii_domain(domain)}"


def format_date(at: datetime) -> str:
    """`at` as RFC 5322 §3.3 writes it, in UTC: `Tue, 06 Jan 2026 09:00:00 +0000`."""
    utc = at.astimezone(UTC)
    return (
        f"{_DAYS[utc.weekday()]}, {utc.day:02d} {_MONTHS[utc.month - 1]} {utc.year:04d} "
        f"{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d} +0000"
    )
