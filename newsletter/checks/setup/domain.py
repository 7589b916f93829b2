"""Is the sending domain set up as Gmail, Yahoo and Microsoft want it? All questions to the DNS about one identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from newsletter.checks.setup.dkim_lines import judge_dkim
from newsletter.checks.setup.dmarc_lines import judge_dmarc
from newsletter.checks.setup.extra_lines import judge_extras
from newsletter.checks.setup.host_lines import judge_hosts, judge_reverse, own_addresses
from newsletter.checks.setup.line import Area, Line, Status
from newsletter.checks.setup.resolver import Resolver
from newsletter.checks.setup.spf_lines import judge_spf
from newsletter.checks.setup.subject import Identity


def judge_reserved(identity: Identity) -> Line:
    """The one line about a domain that nobody can own."""
    return Line(
        "dns.from",
        Area.DNS,
        Status.WARN if identity.provider == "outbox" else Status.FAIL,
        f"the domain of `from`, {identity.domain}",
        "it is set aside for documents and tests (RFC 2606, RFC 6761): nobody can send from it",
        "write your own address as `from` in newsletter.toml before you send",
    )


def domain_questions(
    identity: Identity, resolver: Resolver, told: Callable[[], Sequence[str]] = tuple
) -> list[tuple[str, Callable[[], list[Line]]]]:
    """The questions, each with its id, to be asked side by side.

    Args:
        identity: who sends.
        resolver: asks the DNS; called from several threads.
        told: the DKIM selectors that the provider names; may wait for its answer.
    """
    if identity.reserved:
        return [("dns.from", lambda: [judge_reserved(identity)])]

    def spf() -> list[Line]:
        return judge_spf(identity, resolver, own_addresses(identity, resolver))

    def reverse() -> list[Line]:
        return judge_reverse(identity, resolver, own_addresses(identity, resolver))

    return [
        ("dns.mx", lambda: judge_hosts(identity, resolver)),
        ("dns.spf", spf),
        ("dns.dkim", lambda: judge_dkim(identity, resolver, told())),
        ("dns.dmarc", lambda: judge_dmarc(identity, resolver)),
        ("dns.ptr", reverse),
        ("dns.extras", lambda: judge_extras(identity.domain, resolver)),
    ]
