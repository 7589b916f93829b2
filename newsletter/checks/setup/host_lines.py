"""Does the domain exist, does it take mail, and does our own mail server's address lead back to its name?"""

from __future__ import annotations

import ipaddress
from functools import partial

from newsletter.checks.setup.dmarc import walk
from newsletter.checks.setup.line import Area, DnsRecord, Line, Status
from newsletter.checks.setup.resolver import Answer, Found, Resolver, reverse_name
from newsletter.checks.setup.senders import envelope_of, sender_of
from newsletter.checks.setup.subject import Identity

_AGAIN = "ask again with a network, or later"


def judge_hosts(identity: Identity, resolver: Resolver) -> list[Line]:
    """A line for the From domain, and for the envelope's and Reply-To's where they are others."""
    wanted = {"dns.mx": identity.domain}
    envelope = envelope_of(identity)
    if envelope:
        wanted["dns.mx.envelope"] = envelope
    if identity.reply:
        wanted["dns.mx.reply"] = identity.reply
    seen: set[str] = set()
    lines = []
    for name, domain in wanted.items():
        if domain not in seen:
            lines.append(_judge_mx(name, domain, resolver))
        seen.add(domain)
    return lines


def _judge_mx(id_: str, domain: str, resolver: Resolver) -> Line:
    """Whether a domain takes mail: bounces and answers come back to it, and a From that can't is refused by some."""
    made = partial(Line, id_, Area.DNS)
    asked = f"MX {domain}"
    mx = resolver.lookup(domain, "MX")
    if mx.failed:
        return made(Status.UNKNOWN, asked, mx.reason, _AGAIN)
    if mx.found is Found.NO_NAME:
        return made(
            Status.FAIL,
            asked,
            "there is no such domain",
            "mend the address in the settings, or register the domain: mail from nowhere is turned away",
        )
    hosts = [value.partition(" ")[2] for value in mx.values]
    if not hosts:
        addresses = [*resolver.lookup(domain, "A").values, *resolver.lookup(domain, "AAAA").values]
        if addresses:
            return made(Status.OK, asked, f"no MX; mail goes to its address {addresses[0]} (RFC 5321 §5.1)")
        return made(
            Status.WARN,
            asked,
            "neither MX nor address: answers and bounces are lost, and some receivers refuse such senders",
            "publish the MX records of where you read your mail",
        )
    if hosts == [""]:
        return made(
            Status.WARN,
            asked,
            "a null MX (RFC 7505): the domain says that it takes no mail, and answers to you bounce",
            "set `reply_to` to an address that takes mail, or publish MX records",
        )
    return _judge_mx_hosts(made, asked, hosts, resolver)


def _judge_mx_hosts(made: partial[Line], asked: str, hosts: list[str], resolver: Resolver) -> Line:
    lost, aliases, unknown = [], [], []
    for host in filter(None, hosts):
        answers: list[Answer] = [resolver.lookup(host, kind) for kind in ("A", "AAAA")]
        if any(answer.values for answer in answers):
            if any(answer.canonical not in ("", host) for answer in answers if answer.values):
                aliases.append(host)
        elif any(answer.failed for answer in answers):
            unknown.append(host)
        else:
            lost.append(host)
    if len(lost) == len(hosts):
        said = f"no MX host has an address: {', '.join(lost[:3])}"
        return made(Status.FAIL, asked, said, "mend the MX records: nobody can answer you")
    if lost:
        return made(Status.WARN, asked, f"{lost[0]} has no address", "take it out of the MX records")
    if aliases:
        said = f"{aliases[0]} is an alias (CNAME), which RFC 2181 §10.3 forbids"
        return made(Status.WARN, asked, said, "name the host itself in the MX record")
    if len(unknown) == len(hosts):
        return made(Status.UNKNOWN, asked, f"no answer about {unknown[0]}", _AGAIN)
    more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
    return made(Status.OK, asked, f"mail is taken by {hosts[0]}{more}")


def own_addresses(identity: Identity, resolver: Resolver) -> tuple[str, ...]:
    """The public addresses of the SMTP server, where it is ours: of the same organisation as the From domain."""
    host = identity.smtp_host.lower().rstrip(".")
    if not host or "." not in host:
        return ()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        organisation = walk(resolver, identity.domain).organisational_domain
        if host != organisation and not host.endswith(f".{organisation}"):
            return ()
        return tuple(value for kind in ("A", "AAAA") for value in resolver.lookup(host, kind).values)
    return (str(address),) if address.is_global else ()


def judge_reverse(identity: Identity, resolver: Resolver, addresses: tuple[str, ...]) -> list[Line]:
    """A line for each address of our own mail server: its name has to lead back to it (Gmail's rule for all senders)."""
    if identity.provider != "smtp" or sender_of(identity) is not None:
        return []
    if not addresses:
        local = identity.smtp_host in ("localhost", "127.0.0.1", "::1")
        if not local:
            return []  # a service's server: its reverse DNS is its business
        return [
            Line(
                "dns.ptr",
                Area.DNS,
                Status.UNKNOWN,
                "reverse DNS of this machine's mail server",
                "which address it sends from isn't known here",
                "send yourself a test (newsletter send ISSUE --test YOU) and look the sending address up: dig -x ADDRESS",
            )
        ]
    return [_judge_ptr(address, identity, resolver, number) for number, address in enumerate(addresses)]


def _judge_ptr(address: str, identity: Identity, resolver: Resolver, number: int) -> Line:
    made = partial(Line, f"dns.ptr{f'.{number + 1}' if number else ''}", Area.DNS)
    name = reverse_name(address)
    answer = resolver.lookup(name, "PTR")
    asked = f"PTR of {address}"
    if answer.failed:
        return made(Status.UNKNOWN, asked, answer.reason, _AGAIN)
    # Where the settings name the server by its address, it needs a name first.
    named = identity.smtp_host != address
    wanted = DnsRecord(name, "PTR", f"{identity.smtp_host if named else f'mail.{identity.domain}'}.")
    whose = "ask whoever gave you the address (your hosting provider) to set it"
    if not answer.values:
        return made(
            Status.FAIL, asked, "the address has no name; Gmail turns its mail away", whose, publish=(wanted,)
        )
    kind = "AAAA" if ":" in address else "A"
    mine = ipaddress.ip_address(address)
    for host in answer.values:
        if any(ipaddress.ip_address(value) == mine for value in resolver.lookup(host, kind).values):
            return made(Status.OK, asked, f"{host}, which leads back to it")
    said = f"{answer.values[0]}, which doesn't lead back to {address}"
    return made(Status.FAIL, asked, said, whose, publish=(wanted,))
