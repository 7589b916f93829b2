"""What does the DNS say? Questions with a time limit; every way to fail becomes an answer that says so."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Protocol

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.reversename

# One question's share of the time: a name server that is silent leaves room to ask about the rest.
_LONGEST_QUESTION: Final = 3.0
_TRY_AGAIN: Final = 1.0
# A name server that is cut off from the world denies every name; this one is there as long as the DNS is.
_KNOWN: Final = ("com", "SOA")


class Found(Enum):
    """How a question was answered."""

    RECORDS = auto()
    NOTHING = auto()  # the name exists, without such a record
    NO_NAME = auto()  # NXDOMAIN, or a text that can't be a name
    FAILED = auto()  # SERVFAIL, a timeout, no network: nobody knows


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        found: how it was answered.
        values: of the records. TXT: the strings joined, a character for each byte. MX: preference, a space
            and the host. Names have no final dot, and are in lower case.
        canonical: the name that holds the records: another than was asked where CNAMEs lead there.
        reason: why it failed.
    """

    found: Found
    values: tuple[str, ...] = ()
    canonical: str = ""
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether nobody knows."""
        return self.found is Found.FAILED


class Resolver(Protocol):
    """Answers questions to the DNS."""

    def lookup(self, name: str, kind: str) -> Answer:
        """The records of type `kind` (`TXT`, `A`, `MX` …) at `name`; never raises for what the network does."""
        ...


class DnsResolver:
    """Asks real name servers; safe to use from several threads. The same question is asked once.

    Args:
        seconds: after which everything still to be asked fails.
        nameserver: an address to ask instead of the system's own name servers; empty for those.
        port: of `nameserver`.
    """

    def __init__(self, seconds: float, nameserver: str = "", port: int = 53) -> None:
        self._deadline = time.monotonic() + seconds
        self._answers: dict[tuple[str, str], Answer] = {}
        self._lock = threading.Lock()
        self._resolver: dns.resolver.Resolver | None
        try:
            self._resolver = dns.resolver.Resolver(configure=not nameserver)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = None
            return
        if nameserver:
            self._resolver.nameservers = [nameserver]
            self._resolver.port = port
        self._resolver.timeout = min(_TRY_AGAIN, seconds)

    def lookup(self, name: str, kind: str) -> Answer:
        """See `Resolver.lookup`."""
        name = name.rstrip(".").lower()
        with self._lock:
            known = self._answers.get((name, kind))
        if known is None:
            known = self._ask(name, kind)
            with self._lock:
                self._answers[name, kind] = known
        return known

    def _ask(self, name: str, kind: str) -> Answer:
        left = self._deadline - time.monotonic()
        if self._resolver is None:
            return Answer(Found.FAILED, reason="this machine has no name server")
        if left <= 0:
            return Answer(Found.FAILED, reason="no time was left to ask")
        try:
            # From its labels: a backslash that came from a macro is a character, not an escape.
            asked = dns.name.Name([*(label.encode() for label in name.split(".")), b""])
            answer = self._resolver.resolve(
                asked, kind, lifetime=min(left, _LONGEST_QUESTION), raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN:
            if kind != _KNOWN[1] and self.lookup(*_KNOWN).found in (Found.NO_NAME, Found.FAILED):
                return Answer(
                    Found.FAILED, reason="the name server doesn't even know .com: there is no network"
                )
            return Answer(Found.NO_NAME)
        except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.NameTooLong, UnicodeError):
            return Answer(Found.NO_NAME, reason="this can't be a name")
        except dns.resolver.LifetimeTimeout:
            return Answer(Found.FAILED, reason="no name server answered in time")
        except dns.resolver.NoNameservers:
            return Answer(Found.FAILED, reason="the name server answered with an error (SERVFAIL or REFUSED)")
        except (dns.exception.DNSException, OSError) as error:
            return Answer(Found.FAILED, reason=" ".join(str(error).split())[:200] or type(error).__name__)
        canonical = _name(answer.canonical_name)
        if answer.rrset is None:
            return Answer(Found.NOTHING, canonical=canonical)
        return Answer(Found.RECORDS, tuple(_value(record) for record in answer.rrset), canonical)


def _value(record: dns.rdata.Rdata) -> str:
    # A class for each type is loaded as records of it arrive: what they are is told by the type.
    known: Any = record
    match record.rdtype:
        case dns.rdatatype.TXT:
            return b"".join(known.strings).decode("latin-1")
        case dns.rdatatype.MX:
            return f"{known.preference} {_name(known.exchange)}"
        case dns.rdatatype.PTR | dns.rdatatype.CNAME:
            return _name(known.target)
        case _:
            return str(record.to_text())


def _name(name: dns.name.Name) -> str:
    # The root, which a null MX names, is left empty.
    return name.to_text().rstrip(".").lower()


def reverse_name(address: str) -> str:
    """The name under `in-addr.arpa` or `ip6.arpa` at which the PTR record of `address` stands."""
    return dns.reversename.from_address(address).to_text(omit_final_dot=True)
