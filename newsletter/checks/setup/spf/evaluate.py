"""May this address send for this domain? `check_host()` of RFC 7208 §4, as every receiver runs it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import quote

from newsletter.checks.setup.resolver import Answer, Found, Resolver, reverse_name
from newsletter.checks.setup.spf.record import (
    SpfSyntaxError,
    Term,
    macros_of,
    parse_spf,
    require_explanation,
    spf_texts,
)

MOST_LOOKUPS: Final = 10
MOST_VOID_LOOKUPS: Final = 2
MOST_HOSTS: Final = 10
_LONGEST_NAME: Final = 253
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[^.]{1,63}(?:\.[^.]{1,63})+")

Address = IPv4Address | IPv6Address


class SpfResult(StrEnum):
    """RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result, not a password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_QUALIFIERS: Final = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a receiver concludes.

    Attributes:
        result: its word.
        because: the term that matched, or what is wrong.
        explanation: the domain's own words for a `fail`; empty where it has none.
    """

    result: SpfResult
    because: str = ""
    explanation: str = ""


class _Ended(Exception):  # noqa: N818 - carries a result out of the recursion
    def __init__(self, result: SpfResult, because: str) -> None:
        super().__init__(because)
        self.verdict = Verdict(result, because)


@dataclass(slots=True)
class _Check:
    """One evaluation: who asks, and what it has cost so far."""

    resolver: Resolver
    ip: Address
    sender: str
    helo: str
    lookups: int = 0
    voids: int = 0


def check_host(resolver: Resolver, ip: str, mail_from: str, helo: str) -> Verdict:
    """What a receiver concludes about a message.

    Args:
        resolver: asks the DNS.
        ip: the sending host's address.
        mail_from: the envelope sender; empty for a bounce, which counts as `postmaster` at `helo`.
        helo: what the host calls itself.
    """
    address: Address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    local, _, domain = (mail_from or f"postmaster@{helo}").rpartition("@")
    check = _Check(resolver, address, f"{local or 'postmaster'}@{domain}", helo)
    try:
        return _evaluate(check, domain, explain=True)
    except _Ended as ended:
        return ended.verdict


def _evaluate(check: _Check, domain: str, *, explain: bool) -> Verdict:
    domain = domain.rstrip(".")
    if not _NAME.fullmatch(domain):
        return Verdict(SpfResult.NONE, f"{domain} is no domain")
    answer = check.resolver.lookup(domain, "TXT")
    if answer.failed:
        raise _Ended(SpfResult.TEMPERROR, f"{domain}: {answer.reason}")
    texts = spf_texts(answer.values)
    if not texts:
        return Verdict(SpfResult.NONE, f"{domain} has no SPF record")
    if len(texts) > 1:
        raise _Ended(SpfResult.PERMERROR, f"{domain} has {len(texts)} SPF records")
    try:
        record = parse_spf(texts[0])
    except SpfSyntaxError as error:
        raise _Ended(SpfResult.PERMERROR, f"{domain}: {error}") from None
    for term in record.terms:
        if _matches(check, term, domain):
            result = _QUALIFIERS[term.qualifier]
            words = ""
            if result is SpfResult.FAIL and explain and record.explanation:
                words = _explanation(check, record.explanation, domain)
            return Verdict(result, f"{term.text} of {domain}", words)
    if record.redirect is None:
        return Verdict(SpfResult.NEUTRAL, f"nothing in the record of {domain} matches")
    _count_lookup(check)
    target = expand(check, record.redirect.target, domain)
    verdict = _evaluate(check, target, explain=explain)
    if verdict.result is SpfResult.NONE:
        raise _Ended(SpfResult.PERMERROR, f"{record.redirect.text}: {verdict.because}")
    return verdict


def _matches(check: _Check, term: Term, domain: str) -> bool:
    match term.name:
        case "all":
            return True
        case "ip4" | "ip6":
            return check.ip in ip_network(term.target, strict=False)
        case _:
            return _asks_and_matches(check, term, domain)


def _asks_and_matches(check: _Check, term: Term, domain: str) -> bool:
    _count_lookup(check)
    target = expand(check, term.target, domain) if term.target else domain
    match term.name:
        case "include":
            verdict = _evaluate(check, target, explain=False)
            if verdict.result is SpfResult.NONE:
                raise _Ended(SpfResult.PERMERROR, f"{term.text}: {verdict.because}")
            return verdict.result is SpfResult.PASS
        case "exists":
            return _ask(check, target, "A").found is Found.RECORDS
        case "a":
            return _is_host(check, _ask(check, target, _kind(check.ip)), term)
        case "mx":
            hosts = [value.partition(" ")[2] for value in _ask(check, target, "MX").values]
            if len(hosts) > MOST_HOSTS:
                raise _Ended(
                    SpfResult.PERMERROR, f"{term.text}: {target} has more than {MOST_HOSTS} MX hosts"
                )
            return any(_is_host(check, _ask(check, host, _kind(check.ip)), term) for host in hosts if host)
        case _:
            return any(_is_below(name, target) for name in _validated_names(check))


def _is_host(check: _Check, answer: Answer, term: Term) -> bool:
    bits = term.bits4 if check.ip.version == 4 else term.bits6
    return any(check.ip in ip_network(f"{value}/{bits}", strict=False) for value in answer.values)


def _kind(ip: Address) -> str:
    return "A" if ip.version == 4 else "AAAA"


def _is_below(name: str, domain: str) -> bool:
    name, domain = name.lower(), domain.rstrip(".").lower()
    return name == domain or name.endswith(f".{domain}")


def _count_lookup(check: _Check) -> None:
    check.lookups += 1
    if check.lookups > MOST_LOOKUPS:
        raise _Ended(SpfResult.PERMERROR, f"more than {MOST_LOOKUPS} terms ask the DNS")


def _ask(check: _Check, name: str, kind: str) -> Answer:
    """A question of a mechanism, whose failure or emptiness counts (§4.6.4, §5)."""
    answer = check.resolver.lookup(name, kind)
    if answer.failed:
        raise _Ended(SpfResult.TEMPERROR, f"{kind} {name}: {answer.reason}")
    if answer.found is not Found.RECORDS:
        check.voids += 1
        if check.voids > MOST_VOID_LOOKUPS:
            raise _Ended(SpfResult.PERMERROR, f"more than {MOST_VOID_LOOKUPS} questions find nothing")
    return answer


def _validated_names(check: _Check) -> list[str]:
    """Names of the address that lead back to it (§5.5); what fails on the way counts as not there."""
    names = check.resolver.lookup(reverse_name(str(check.ip)), "PTR").values[:MOST_HOSTS]
    own = str(check.ip)
    return [
        name
        for name in names
        if own in (str(ip_address(value)) for value in check.resolver.lookup(name, _kind(check.ip)).values)
    ]


def _explanation(check: _Check, target: str, domain: str) -> str:
    """The domain's words (§6.2); any trouble on the way means there are none."""
    try:
        answer = check.resolver.lookup(expand(check, target, domain), "TXT")
        if len(answer.values) != 1:
            return ""
        require_explanation(answer.values[0])
        return expand(check, answer.values[0], domain, shorten=False)
    except (SpfSyntaxError, _Ended):
        return ""


def expand(check: _Check, text: str, domain: str, *, shorten: bool = True) -> str:
    """`text` with its macros replaced (§7.3); a name that is too long loses labels on the left."""
    pieces, at = [], 0
    for macro in macros_of(text):
        pieces += [text[at : macro.start()], _replaced(check, macro, domain)]
        at = macro.end()
    expanded = "".join([*pieces, text[at:]])
    if not shorten:
        return expanded
    expanded = expanded.rstrip(".")
    while len(expanded) > _LONGEST_NAME and "." in expanded:
        expanded = expanded.partition(".")[2]
    return expanded


def _replaced(check: _Check, macro: re.Match[str], domain: str) -> str:
    letter, digits, reverse, delimiters = macro.groups()
    if letter is None:
        return {"%%": "%", "%_": " ", "%-": "%20"}[macro[0]]
    value = _macro_value(check, letter.lower(), domain)
    if digits or reverse or delimiters:
        parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
        if reverse:
            parts.reverse()
        value = ".".join(parts[-int(digits) :] if digits else parts)
    return quote(value, safe="-._~") if letter.isupper() else value


def _macro_value(check: _Check, letter: str, domain: str) -> str:
    local, _, sender_domain = check.sender.rpartition("@")
    match letter:
        case "s":
            return check.sender
        case "l":
            return local
        case "o":
            return sender_domain
        case "d":
            return domain
        case "i":
            return (
                str(check.ip)
                if check.ip.version == 4
                else ".".join(check.ip.exploded.replace(":", "")).upper()
            )
        case "p":
            return _best_name(check, domain)
        case "v":
            return "in-addr" if check.ip.version == 4 else "ip6"
        case "h":
            return check.helo
        case "c":
            return str(check.ip)
        case "r":
            return "unknown"
        case _:
            return str(int(time.time()))


def _best_name(check: _Check, domain: str) -> str:
    """`%{p}` (§7.3): the domain itself, else a name below it, else any; `unknown` without one."""
    names = _validated_names(check)
    below = [name for name in names if _is_below(name, domain)]
    exact = [name for name in below if name.lower() == domain.lower()]
    return [*exact, *below, *names, "unknown"][0]
