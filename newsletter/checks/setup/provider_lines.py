"""Will the provider take our mails? Its own words about the key and the domain, or a login at the mail server."""

from __future__ import annotations

from functools import partial

from newsletter.checks.setup.line import Area, DnsRecord, Line, Status
from newsletter.providers.diagnosis import Access, Diagnosis, DomainState


def judge_diagnosis(title: str, domain: str, found: Diagnosis) -> list[Line]:
    """A line for the key, one for the domain, and one for each thing that keeps the account from sending."""
    lines = [_judge_key(title, found)]
    if found.access in (Access.ACCEPTED, Access.LIMITED):
        lines.append(_judge_domain(title, domain, found))
    lines += [
        Line(
            f"provider.account{f'.{n + 1}' if n else ''}",
            Area.PROVIDER,
            Status.FAIL,
            f"the account at {title}",
            said,
        )
        for n, said in enumerate(found.warnings)
    ]
    return lines


def _judge_key(title: str, found: Diagnosis) -> Line:
    made = partial(Line, "provider.key", Area.PROVIDER)
    asked = f"the key for {title}"
    match found.access:
        case Access.ACCEPTED:
            return made(Status.OK, asked, "accepted")
        case Access.LIMITED:
            return made(
                Status.OK, asked, "accepted; it may send, and not read the account, which is as it should be"
            )
        case Access.REFUSED:
            return made(Status.FAIL, asked, found.said, found.hint)
        case Access.UNKNOWN:
            return made(Status.UNKNOWN, asked, found.said, "ask again later")


def _judge_domain(title: str, domain: str, found: Diagnosis) -> Line:
    made = partial(Line, "provider.domain", Area.PROVIDER)
    asked = f"{domain} at {title}"
    match found.domain:
        case DomainState.VERIFIED:
            return made(Status.OK, asked, "verified")
        case DomainState.PENDING:
            missing = tuple(
                DnsRecord(record.name, record.type, record.value)
                for record in found.records
                if not record.found and record.value
            )
            said = f"{title} knows it, and doesn't find all of its records yet"
            return made(
                Status.FAIL,
                asked,
                said,
                "publish these, then have them checked there"
                if missing
                else f"see which in {title}'s settings",
                publish=missing,
            )
        case DomainState.MISSING:
            return made(
                Status.FAIL,
                asked,
                f"{title} doesn't know the domain",
                f"add {domain} in {title}'s settings, and publish the records it names",
            )
        case DomainState.UNKNOWN:
            return made(
                Status.UNKNOWN,
                asked,
                "this key may not read domains",
                f"look at {title}'s settings whether it is verified",
            )
