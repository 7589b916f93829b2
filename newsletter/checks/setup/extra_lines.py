"""What else may a careful domain publish? MTA-STS, TLS reports, BIMI: said, never demanded."""

from __future__ import annotations

from typing import Final, NamedTuple

from newsletter.checks.setup.line import Area, Line, Status
from newsletter.checks.setup.resolver import Resolver


class _Extra(NamedTuple):
    id: str
    label: str
    begins: str
    title: str
    worth: str


_EXTRAS: Final = (
    _Extra(
        "dns.mta_sts", "_mta-sts", "v=STSv1", "MTA-STS", "keeps mail to you encrypted on its way (RFC 8461)"
    ),
    _Extra("dns.tls_rpt", "_smtp._tls", "v=TLSRPTv1", "TLS reporting", "tells when that fails (RFC 8460)"),
    _Extra(
        "dns.bimi",
        "default._bimi",
        "v=BIMI1",
        "BIMI",
        "shows your logo, once DMARC says quarantine or reject",
    ),
)


def judge_extras(domain: str, resolver: Resolver) -> list[Line]:
    """A line for each, ok whether it is there or not; records that can't be read are a warning."""
    return [_judge(extra, domain, resolver) for extra in _EXTRAS]


def _judge(extra: _Extra, domain: str, resolver: Resolver) -> Line:
    name = f"{extra.label}.{domain}"
    asked = f"TXT {name}"
    answer = resolver.lookup(name, "TXT")
    if answer.failed:
        return Line(extra.id, Area.DNS, Status.UNKNOWN, asked, answer.reason, optional=True)
    count = sum(1 for value in answer.values if value.startswith(extra.begins))
    if count > 1:
        said = f"there are {count} records of {extra.title}; none of them counts"
        return Line(extra.id, Area.DNS, Status.WARN, asked, said, "keep one")
    if count:
        return Line(extra.id, Area.DNS, Status.OK, asked, f"{extra.title} is published")
    advice = f"{extra.title} {extra.worth}"
    return Line(extra.id, Area.DNS, Status.OK, asked, "not published, and not needed", advice, optional=True)
