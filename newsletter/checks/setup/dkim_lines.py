"""Can receivers check the signature? The key under each selector that may be in use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from newsletter.checks.setup.dkim_key import GOOD_BITS, PublishedKey, parse_key
from newsletter.checks.setup.line import Area, DnsRecord, Line, Status
from newsletter.checks.setup.resolver import Answer, Resolver
from newsletter.checks.setup.senders import sender_of
from newsletter.checks.setup.subject import Identity


def judge_dkim(identity: Identity, resolver: Resolver, told: Sequence[str] = ()) -> list[Line]:
    """A line for each selector with a key, and for each that should have one.

    Args:
        identity: who sends.
        resolver: asks the DNS.
        told: selectors the provider names for this domain.
    """
    sender = sender_of(identity)
    domain = identity.dkim_domain or identity.domain
    named = tuple(dict.fromkeys((*identity.selectors, *told)))
    lines = [_judge_selector(identity, resolver, selector, domain) for selector in named]
    guessed = sender.selectors if sender is not None and not told else ()
    base = identity.provider_domain or identity.domain
    for selector in guessed:
        if selector in named:
            continue
        name = f"{selector}._domainkey.{base}"
        answer = resolver.lookup(name, "TXT")
        if answer.values or (answer.canonical and answer.canonical != name):
            lines.append(_judge_key(selector, base, answer))
        elif answer.failed:
            lines.append(_unknown(selector, name, answer))
    if lines:
        return lines
    return [_nothing_found(identity, guessed, base)]


def _nothing_found(identity: Identity, guessed: Sequence[str], domain: str) -> Line:
    sender = sender_of(identity)
    if sender is None:
        how = (
            "set `dkim_selector` under [provider] and NEWSLETTER_DKIM_PRIVATE_KEY, or, where your mail server signs, "
            "name its selector: newsletter doctor --selector S"
        )
        if identity.provider == "outbox":
            how = "the provider you will send with signs; its selector is asked for with --selector S"
        status = Status.WARN if identity.provider == "smtp" else Status.UNKNOWN
        return Line("dns.dkim", Area.DNS, status, f"DKIM of {domain}", "no selector is known", how)
    where = f"authenticate {domain} in {sender.title}'s settings, which name the records to publish"
    if guessed:
        asked = f"TXT {', '.join(guessed)}._domainkey.{domain}"
        return Line(
            "dns.dkim",
            Area.DNS,
            Status.FAIL,
            asked,
            f"none of the selectors {sender.title} uses has a key",
            f"{where}; where they have another selector: --selector S",
        )
    return Line(
        "dns.dkim",
        Area.DNS,
        Status.UNKNOWN,
        f"DKIM of {domain}",
        f"{sender.title} gives each customer a selector of their own",
        f"name it: newsletter doctor --selector S; or {where}",
    )


def _judge_selector(identity: Identity, resolver: Resolver, selector: str, domain: str) -> Line:
    name = f"{selector}._domainkey.{domain}"
    answer = resolver.lookup(name, "TXT")
    if answer.failed:
        return _unknown(selector, name, answer)
    own = identity.own_key if selector == identity.own_selector else ""
    if own:
        record = DnsRecord(name, "TXT", f"v=DKIM1; k={identity.own_key_kind}; p={own}")
        if not answer.values:
            return _made(selector)(
                Status.FAIL,
                f"TXT {name}",
                "there is no key: every signature of ours counts as broken",
                "publish it",
                publish=(record,),
            )
        published = parse_key(answer.values[0])
        if published.data != own:
            return _made(selector)(
                Status.FAIL,
                f"TXT {name}",
                published.problem or "another key is published than NEWSLETTER_DKIM_PRIVATE_KEY signs with",
                "publish ours, or sign with the one that belongs to it; a second key goes under a second selector",
                publish=(record,),
            )
    return _judge_key(selector, domain, answer)


def _judge_key(selector: str, domain: str, answer: Answer) -> Line:
    name = f"{selector}._domainkey.{domain}"
    made, asked = _made(selector), f"TXT {name}"
    via = f" (by way of {answer.canonical})" if answer.canonical and answer.canonical != name else ""
    if not answer.values:
        return made(
            Status.FAIL,
            asked,
            f"there is no key{via}",
            "publish what your provider's settings name for this domain",
        )
    if len(answer.values) > 1:
        return made(
            Status.FAIL,
            asked,
            f"there are {len(answer.values)} records; which one is read is chance (RFC 6376 §3.6.2.2)",
            "delete all but the one in use",
        )
    key: PublishedKey = parse_key(answer.values[0])
    if key.problem:
        return made(
            Status.FAIL, asked, f"{key.problem}{via}", "publish the key anew, or choose a new selector"
        )
    if key.testing:
        return made(
            Status.WARN,
            asked,
            f"the key is marked as a test (`t=y`): receivers may ignore its signatures{via}",
            "take `t=y` out",
        )
    if key.kind == "rsa" and key.bits < GOOD_BITS:
        return made(
            Status.WARN,
            asked,
            f"an RSA key of {key.bits} bits{via}",
            f"make one of {GOOD_BITS}; what is shorter loses trust",
        )
    if key.kind == "ed25519":
        return made(
            Status.WARN,
            asked,
            f"an Ed25519 key{via}: Gmail and Microsoft don't check those yet",
            "sign with RSA as well, or instead",
        )
    return made(Status.OK, asked, f"an RSA key of {key.bits} bits{via}")


def _made(selector: str) -> partial[Line]:
    return partial(Line, f"dns.dkim.{selector}", Area.DNS)


def _unknown(selector: str, name: str, answer: Answer) -> Line:
    return _made(selector)(Status.UNKNOWN, f"TXT {name}", answer.reason, "ask again with a network, or later")
