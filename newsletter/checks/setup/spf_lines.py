"""Does the SPF record let the newsletter's mails through? Judged for the envelope's domain, which is what receivers look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address

from newsletter.checks.setup.line import Area, DnsRecord, Line, Status
from newsletter.checks.setup.resolver import Resolver
from newsletter.checks.setup.senders import Sender, envelope_of, sender_of
from newsletter.checks.setup.spf.evaluate import MOST_LOOKUPS, MOST_VOID_LOOKUPS, SpfResult, check_host
from newsletter.checks.setup.spf.tree import SpfTree, follow
from newsletter.checks.setup.subject import Identity

_line = partial(Line, "dns.spf", Area.DNS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the record has to let in.

    Attributes:
        domain: of the envelope.
        include: of the provider; empty where there is none.
        addresses: of our own server.
        who: in words.
    """

    domain: str
    include: str = ""
    addresses: tuple[str, ...] = ()
    who: str = ""

    @property
    def terms(self) -> tuple[str, ...]:
        """The mechanisms that let it in."""
        own = tuple(f"ip{ip_address(address).version}:{address}" for address in self.addresses)
        return (f"include:{self.include}", *own) if self.include else own


def judge_spf(identity: Identity, resolver: Resolver, own_addresses: Sequence[str] = ()) -> list[Line]:
    """One line for the envelope's domain, and one for each of our own addresses.

    Args:
        identity: who sends.
        resolver: asks the DNS.
        own_addresses: of the SMTP server, where it is ours.
    """
    sender = sender_of(identity)
    envelope = envelope_of(identity)
    if sender is not None and not envelope:
        return [_beside_the_provider(identity, resolver, sender)]
    if sender is not None:
        wanted = Wanted(envelope, sender.include, who=sender.title)
    else:
        who = identity.smtp_host if identity.provider == "smtp" else ""
        wanted = Wanted(envelope, "", tuple(own_addresses), who)
    tree = follow(resolver, wanted.domain)
    line = judge_tree(tree, wanted, certain=identity.bulk or sender is not None)
    if line.status is Status.FAIL:
        return [line]
    # One record for all that is to be mended: a domain has only one.
    text = line.publish[0].value if line.publish else next(iter(tree.texts), "v=spf1 ~all")
    mended = DnsRecord(wanted.domain, "TXT", _with(text, wanted.terms))
    judged = [
        _judge_address(resolver, wanted, address, identity, mended=mended, number=number)
        for number, address in enumerate(wanted.addresses)
    ]
    if line.publish and any(one.publish for one in judged):
        line = replace(line, publish=(mended,))
    return [line, *judged]


def _beside_the_provider(identity: Identity, resolver: Resolver, sender: Sender) -> Line:
    """Where SPF passes by itself: the From domain's record matters to other mail alone."""
    line = judge_tree(follow(resolver, identity.domain), Wanted(identity.domain), certain=False)
    said = f"mails leave with an envelope domain of {sender.title}'s own, which passes SPF; DKIM does the aligning"
    if not line.publish and line.status is Status.OK:
        return replace(line, answer=f"{said}; {line.answer}")
    if line.status is Status.UNKNOWN:
        return line
    if line.publish:
        return _line(Status.OK, line.asked, f"{said}; {identity.domain} itself has no SPF record")
    return replace(line, status=Status.WARN, answer=f"{line.answer} ({said})")


def judge_tree(tree: SpfTree, wanted: Wanted, *, certain: bool) -> Line:
    """What a record is worth.

    Args:
        tree: the record, followed.
        wanted: what it has to let in.
        certain: whether mails are turned away without one; else it is a warning.
    """
    asked = f"TXT {wanted.domain}"
    if not tree.texts:
        if tree.unasked:
            return _line(Status.UNKNOWN, asked, tree.unasked[0], "ask again with a network, or later")
        return _line(
            Status.FAIL if certain else Status.WARN,
            asked,
            "there is no SPF record",
            "publish one: Gmail, Yahoo and Microsoft want SPF and DKIM of everybody who sends much",
            publish=(_record(wanted.domain, wanted.terms),),
        )
    if len(tree.texts) > 1:
        merged = " ".join(dict.fromkeys(" ".join(text.split(" ", 1)[-1] for text in tree.texts).split()))
        return _line(
            Status.FAIL,
            asked,
            f"there are {len(tree.texts)} SPF records; receivers take none of them (permerror)",
            "keep one of them with the terms of both, and delete the others",
            publish=(DnsRecord(wanted.domain, "TXT", f"v=spf1 {_all_last(merged)}"),),
        )
    text = tree.texts[0]
    if tree.problems:
        return _line(
            Status.FAIL,
            asked,
            f"the SPF record can't be evaluated (permerror): {tree.problems[0]}",
            "mend that part; until then receivers count it as no record at all",
        )
    if tree.lookups > MOST_LOOKUPS:
        return _line(
            Status.FAIL,
            asked,
            f"the SPF record costs {tree.lookups} lookups; receivers stop after {MOST_LOOKUPS} (permerror)",
            "take out the includes of services you no longer use, or give each service a subdomain of its own",
        )
    if tree.voids > MOST_VOID_LOOKUPS:
        return _line(
            Status.FAIL,
            asked,
            f"{tree.voids} terms of the SPF record lead to nothing; receivers stop after {MOST_VOID_LOOKUPS} (permerror)",
            "take out the `a`, `mx` and `include` terms whose names are gone",
        )
    if tree.open_to_all:
        return _line(
            Status.FAIL,
            asked,
            f"the SPF record lets everybody in the world send as you: {tree.open_to_all}",
            "end it in `~all`",
            publish=(DnsRecord(wanted.domain, "TXT", text.replace("+all", "~all").replace(" all", " ~all")),),
        )
    return _judge_readable(tree, wanted, asked, text)


def _judge_readable(tree: SpfTree, wanted: Wanted, asked: str, text: str) -> Line:
    if wanted.include and not tree.includes(wanted.include):
        if tree.unasked:
            return _line(Status.UNKNOWN, asked, tree.unasked[0], "ask again with a network, or later")
        return _line(
            Status.FAIL,
            asked,
            f"the SPF record doesn't let {wanted.who} send: {text}",
            f"add include:{wanted.include}",
            publish=(DnsRecord(wanted.domain, "TXT", _with(text, wanted.terms)),),
        )
    cost = f"{tree.lookups} of {MOST_LOOKUPS} lookups"
    if tree.uses_ptr:
        return _line(
            Status.WARN, asked, f"{text} uses `ptr`, which many receivers skip", "name addresses instead"
        )
    if tree.ends in ("", "?") and tree.record is not None and not tree.unasked:
        return _line(
            Status.WARN,
            asked,
            f"the SPF record says nothing about everybody else: {text}",
            "end it in `~all`",
            publish=(DnsRecord(wanted.domain, "TXT", f"{_without_all(text)} ~all"),),
        )
    lets = f", lets {wanted.who} send" if wanted.include else ""
    return _line(Status.OK, asked, f"one SPF record, {cost}{lets}")


def _judge_address(
    resolver: Resolver, wanted: Wanted, address: str, identity: Identity, *, mended: DnsRecord, number: int
) -> Line:
    verdict = check_host(resolver, address, f"{identity.mailbox or 'postmaster'}@{wanted.domain}", wanted.who)
    asked = f"{wanted.domain} for {address}"
    made = partial(Line, f"dns.spf.address{number or ''}", Area.DNS)
    if verdict.result is SpfResult.PASS:
        return made(Status.OK, asked, f"pass, by {verdict.because}")
    if verdict.result is SpfResult.TEMPERROR:
        return made(Status.UNKNOWN, asked, verdict.because, "ask again, or look at the name servers")
    said = f" (“{verdict.explanation}”)" if verdict.explanation else ""
    return made(
        Status.FAIL,
        asked,
        f"receivers conclude `{verdict.result.value}`, by {verdict.because}{said}",
        f"let {address} send, which is {wanted.who}",
        publish=(mended,),
    )


def _record(domain: str, terms: Sequence[str]) -> DnsRecord:
    return DnsRecord(domain, "TXT", " ".join(("v=spf1", *(terms or ("mx",)), "~all")))


def _with(text: str, terms: Sequence[str]) -> str:
    """`text` with `terms` before what ends it."""
    words = text.split()
    at = next(
        (
            i
            for i, word in enumerate(words)
            if word.lower().lstrip("+-~?") == "all" or word.lower().startswith("redirect=")
        ),
        len(words),
    )
    new = [term for term in terms if term not in words]
    return " ".join([*words[:at], *new, *words[at:]])


def _without_all(text: str) -> str:
    return " ".join(word for word in text.split() if word.lower().lstrip("+-~?") != "all")


def _all_last(terms: str) -> str:
    words = [word for word in terms.split() if word.lower() != "v=spf1"]
    others = [word for word in words if word.lower().lstrip("+-~?") != "all"]
    return " ".join([*others, "~all"])
