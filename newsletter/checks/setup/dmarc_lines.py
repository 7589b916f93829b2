"""Is there a DMARC policy, and do our mails meet it? RFC 9989, as far as records alone can tell."""

from __future__ import annotations

from functools import partial

from newsletter.checks.setup import dmarc
from newsletter.checks.setup.line import Area, DnsRecord, Line, Status
from newsletter.checks.setup.resolver import Resolver
from newsletter.checks.setup.senders import envelope_of, sender_of
from newsletter.checks.setup.subject import Identity

_line = partial(Line, "dns.dmarc", Area.DNS)


def judge_dmarc(identity: Identity, resolver: Resolver) -> list[Line]:
    """One line for the policy, and one for what is aligned with the From domain."""
    walked = dmarc.walk(resolver, identity.domain)
    asked = f"TXT _dmarc.{identity.domain}"
    if len(walked.steps) > 1:
        asked += f" and upwards to _dmarc.{walked.steps[-1].domain}"
    there = dmarc.exists([resolver.lookup(identity.domain, kind) for kind in ("A", "MX")])
    policy = dmarc.policy_of(walked, exists=there)
    if policy is None:
        return [_without(identity, walked, asked)]
    assert policy.step.record is not None
    record = policy.step.record
    return [
        _judge_policy(identity, policy, asked),
        _judge_alignment(identity, resolver, record),
        *_judge_reports(policy.step.domain, resolver, record),
    ]


def _without(identity: Identity, walked: dmarc.Walk, asked: str) -> Line:
    if walked.unasked:
        return _line(Status.UNKNOWN, asked, walked.unasked, "ask again with a network, or later")
    start = walked.steps[0]
    new = DnsRecord(
        f"_dmarc.{identity.domain}", "TXT", f"v=DMARC1; p=none; rua=mailto:dmarc@{identity.domain}"
    )
    if start.count > 1:
        said = f"there are {start.count} DMARC records; receivers take none of them"
        return _line(Status.FAIL, asked, said, "keep one")
    if start.count == 1:
        problems = dmarc.parse_dmarc(next(t for t in start.answer.values if dmarc.is_dmarc(t))).problems
        said = f"the DMARC record can't be used: {problems[0]}"
        return _line(Status.FAIL, asked, said, "mend it", publish=(new,))
    status = Status.FAIL if identity.bulk else Status.WARN
    who = (
        "Gmail, Yahoo and Microsoft turn bulk mail away without one"
        if identity.bulk
        else ("Gmail, Yahoo and Microsoft want one from 5,000 mails a day on; `p=none` is enough")
    )
    return _line(status, asked, "there is no DMARC record", f"publish one: {who}", publish=(new,))


def _judge_policy(identity: Identity, policy: dmarc.Policy, asked: str) -> Line:
    record = policy.step.record
    assert record is not None
    where = f"_dmarc.{policy.step.domain}"
    said = f"{policy.tag or 'p'}={policy.action}"
    if policy.step.domain != identity.domain:
        said += f", from {where}"
    if policy.testing:
        said += f", in test (`t=y`), so `{policy.effective}`"
    if record.problems:
        return _line(Status.WARN, asked, f"{said}; {record.problems[0]}", f"mend the record at {where}")
    if "p" not in record.tags:
        return _line(
            Status.WARN,
            asked,
            f"the record at {where} has no `p=`: that means none now (RFC 9989), but older receivers ignore it",
            "say it: `p=none`",
        )
    if record.removed:
        gone = ", ".join(f"`{name}`" for name in record.removed)
        return _line(
            Status.WARN,
            asked,
            f"{said}; {gone} no longer mean anything (RFC 9989)",
            f"take them out of the record at {where}; to try a policy out, write `t=y`",
        )
    if policy.action == "none":
        advice = (
            "" if record.reports_to else f"rua=mailto:dmarc@{identity.domain} would tell who sends as you"
        )
        return _line(
            Status.OK,
            asked,
            f"{said}: enough for Gmail's rules, but anybody may still send as {identity.domain}",
            advice or "once all your mail is aligned, move on to quarantine",
            optional=True,
        )
    return _line(Status.OK, asked, said)


def _judge_alignment(identity: Identity, resolver: Resolver, record: dmarc.DmarcRecord) -> Line:
    """Whether the envelope or a signature can vouch for the From domain; one of them is enough."""
    made = partial(Line, "dns.dmarc.alignment", Area.DNS)
    sender = sender_of(identity)
    base = identity.provider_domain or identity.domain
    signed = identity.dkim_domain or base
    envelope = envelope_of(identity)
    asked = (
        f"From {identity.domain}, d={signed}, envelope {envelope or f'of {sender.title if sender else None}'}"
    )
    by_dkim = dmarc.aligned(identity.domain, signed, resolver, strict=record.strict_dkim)
    by_spf = bool(envelope) and dmarc.aligned(identity.domain, envelope, resolver, strict=record.strict_spf)
    if by_dkim and (by_spf or not envelope):
        return made(Status.OK, asked, "aligned by DKIM" + (" and by SPF" if by_spf else ""))
    if by_dkim or by_spf:
        lone = "DKIM" if by_dkim else "SPF"
        return made(Status.OK, asked, f"aligned by {lone} alone, which is enough as long as it passes")
    return made(
        Status.FAIL if identity.bulk else Status.WARN,
        asked,
        "neither the signature nor the envelope is of the From domain: DMARC fails",
        "sign with the domain of `from`, or send from the domain that signs",
    )


def _judge_reports(domain: str, resolver: Resolver, record: dmarc.DmarcRecord) -> list[Line]:
    """One line where reports go to another organisation: that one has to agree (RFC 9990 §4)."""
    made = partial(Line, "dns.dmarc.reports", Area.DNS)
    hosts = dict.fromkeys(uri.partition("@")[2].partition("!")[0].lower() for uri in record.reports_to)
    others = [host for host in hosts if not dmarc.aligned(domain, host, resolver, strict=False)]
    if not others:
        return []
    missing = []
    for host in others:
        name = f"{domain}._report._dmarc.{host}"
        answer = resolver.lookup(name, "TXT")
        if answer.failed:
            return [made(Status.UNKNOWN, f"TXT {name}", answer.reason, "ask again with a network, or later")]
        if not any(dmarc.is_dmarc(text) for text in answer.values):
            missing.append(DnsRecord(name, "TXT", "v=DMARC1"))
    asked = f"whether {', '.join(others)} takes DMARC reports about {domain}"
    if not missing:
        return [made(Status.OK, asked, "agreed")]
    said = f"{missing[0].name} doesn't say so, and no reports are sent there"
    advice = f"have its owner publish this, or take the address out of `rua` at _dmarc.{domain}"
    return [made(Status.WARN, asked, said, advice, publish=tuple(missing))]
