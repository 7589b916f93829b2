"""What does an SPF record say? Its terms, or the first thing that makes it no record (RFC 7208 §4.6, §5, §6, §12)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

# RFC 7208 §4.6.4: terms that make the receiver ask the DNS.
ASKING: Final = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})

_VERSION: Final = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(.*)", re.DOTALL)
_MECHANISM: Final = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9]*)(.*)", re.DOTALL)
_LENGTHS: Final = re.compile(r"(.*?)(?:/(0|[1-9]\d{0,2}))?(?://(0|[1-9]\d{0,2}))?", re.DOTALL)
_LENGTH: Final = re.compile(r"0|[1-9]\d{0,2}")
_MACRO: Final = re.compile(r"%(?:[%_-]|\{([A-Za-z])(\d{0,4})(r?)([.\-+,/_=]*)\})", re.IGNORECASE)
_END: Final = re.compile(r"\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?\Z")
_DOMAIN_LETTERS: Final = frozenset("slodipvh")
_TEXT_LETTERS: Final = _DOMAIN_LETTERS | frozenset("crt")


class SpfSyntaxError(Exception):
    """The record can't be read; the text says which part and why. Receivers answer `permerror`."""


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism, or one of the modifiers `redirect` and `exp`.

    Attributes:
        name: in lower case.
        qualifier: `+`, `-`, `~` or `?`; `+` for modifiers.
        target: the domain-spec or the network, as written; empty where the current domain is meant.
        bits4: of an IPv4 address that have to match.
        bits6: of an IPv6 address that have to match.
        text: the term as written.
    """

    name: str
    qualifier: str
    target: str
    bits4: int
    bits6: int
    text: str


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record that can be read.

    Attributes:
        terms: the mechanisms, in order.
        redirect: where to go on when none of them matches.
        explanation: the domain-spec of `exp`.
    """

    terms: tuple[Term, ...]
    redirect: Term | None = None
    explanation: str = ""


def spf_texts(values: tuple[str, ...]) -> list[str]:
    """Those TXT values that are SPF records (§4.5), readable or not."""
    return [value for value in values if _VERSION.match(value)]


def parse_spf(text: str) -> SpfRecord:
    """Read a record.

    Args:
        text: a TXT value, a character for each byte.

    Raises:
        SpfSyntaxError: any part of it is wrong, wherever it stands (§4.6).
    """
    if not _VERSION.match(text):
        raise SpfSyntaxError("it doesn't begin with `v=spf1`")
    if not text.isascii():
        raise SpfSyntaxError("it has characters outside ASCII")
    terms: list[Term] = []
    modifiers: dict[str, Term] = {}
    for word in filter(None, text.split(" ")[1:]):
        modifier = _MODIFIER.fullmatch(word)
        if modifier is None:
            terms.append(_mechanism(word))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name not in ("redirect", "exp"):
            require_macros(value, _TEXT_LETTERS, word)
            continue
        if name in modifiers:
            raise SpfSyntaxError(f"`{name}=` stands there twice")
        _require_domain_spec(value, word)
        modifiers[name] = Term(name, "+", value, 32, 128, word)
    explanation = modifiers.get("exp")
    return SpfRecord(tuple(terms), modifiers.get("redirect"), explanation.target if explanation else "")


def _mechanism(word: str) -> Term:
    match = _MECHANISM.fullmatch(word)
    if match is None:
        raise SpfSyntaxError(f"`{_shown(word)}` is no mechanism")
    qualifier, name, rest = match[1] or "+", match[2].lower(), match[3]
    if name in ("ip4", "ip6"):
        return _network(qualifier, name, rest, word)
    bits4, bits6 = 32, 128
    if name in ("a", "mx"):
        lengths = _LENGTHS.fullmatch(rest)
        assert lengths is not None
        rest = lengths[1]
        bits4, bits6 = int(lengths[2] or 32), int(lengths[3] or 128)
        if bits4 > 32 or bits6 > 128:
            raise SpfSyntaxError(f"`{_shown(word)}` has a prefix that is too long")
    if name == "all":
        if rest:
            raise SpfSyntaxError(f"`{_shown(word)}`: `all` takes nothing")
        return Term(name, qualifier, "", bits4, bits6, word)
    if name not in ("include", "a", "mx", "ptr", "exists"):
        raise SpfSyntaxError(f"there is no mechanism `{_shown(name)}`")
    if not rest and name in ("include", "exists"):
        raise SpfSyntaxError(f"`{_shown(word)}` needs a domain: `{name}:example.com`")
    if rest:
        if not rest.startswith(":"):
            raise SpfSyntaxError(f"`{_shown(word)}` can't be read after `{name}`")
        _require_domain_spec(rest[1:], word)
    return Term(name, qualifier, rest[1:], bits4, bits6, word)


def _network(qualifier: str, name: str, rest: str, word: str) -> Term:
    four = name == "ip4"
    address, slash, length = rest.removeprefix(":").partition("/")
    bits = (32 if four else 128) if not slash else int(length) if _LENGTH.fullmatch(length) else -1
    try:
        found = (IPv4Address if four else IPv6Address)(address if rest.startswith(":") else "")
    except ValueError:
        found = None
    # Python reads a scope behind `%`; no record has one.
    if found is None or "%" in address or not 0 <= bits <= found.max_prefixlen:
        raise SpfSyntaxError(f"`{_shown(word)}` holds no {'IPv4' if four else 'IPv6'} network")
    return Term(name, qualifier, f"{address}/{bits}", bits, bits, word)


def _require_domain_spec(text: str, word: str) -> None:
    """A domain-spec (§7.1): it ends in a macro or in a label that can be a top-level domain's."""
    require_macros(text, _DOMAIN_LETTERS, word)
    last = 0
    for macro in _MACRO.finditer(text):
        last = macro.end()
    if not (text and last == len(text)) and not _END.search(text[last:]):
        raise SpfSyntaxError(f"`{_shown(word)}` names no domain")


def require_macros(text: str, letters: frozenset[str], word: str) -> None:
    """See that every `%` in `text` begins a macro whose letter is among `letters`.

    Raises:
        SpfSyntaxError: one doesn't, or a character can't stand there.
    """
    at = 0
    while at < len(text):
        if text[at] != "%":
            if not "!" <= text[at] <= "~":
                raise SpfSyntaxError(f"`{_shown(word)}` has a character that can't stand there")
            at += 1
            continue
        macro = _MACRO.match(text, at)
        if macro is None or (macro[1] and macro[1].lower() not in letters):
            raise SpfSyntaxError(f"`{_shown(word)}` has a `%` that begins no macro")
        if macro[2] and int(macro[2]) == 0:
            raise SpfSyntaxError(f"`{_shown(word)}` keeps no label of its macro")
        at = macro.end()


def macros_of(text: str) -> list[re.Match[str]]:
    """The macros in `text`, in order; groups: letter, digits, `r`, delimiters (all None for `%%`, `%_`, `%-`)."""
    return list(_MACRO.finditer(text))


def require_explanation(text: str) -> None:
    """See that `text` can be an explanation (§6.2): macros, and anything ASCII between them.

    Raises:
        SpfSyntaxError: it can't.
    """
    if not text.isascii():
        raise SpfSyntaxError("the explanation has characters outside ASCII")
    require_macros(text.replace(" ", ""), _TEXT_LETTERS, text)


def _shown(word: str) -> str:
    return word.encode("unicode_escape").decode("ascii")[:80]
