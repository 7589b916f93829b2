"""A name server on loopback for a whole module, its table replaced by each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dns.resolver
import pytest
from checkdmarc.utils import DNS_CACHE

from newsletter.checks.setup.resolver import DnsResolver
from tests.fakes.dns import FakeDns, Zone

Serve = Callable[[Zone], DnsResolver]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeDns]:
    with FakeDns() as server:
        yield server


@pytest.fixture
def serve(server: FakeDns) -> Serve:
    """Makes the server know a zone, and nothing else; returns who asks it."""

    def replace(zone: Zone) -> DnsResolver:
        server.zone = zone
        server.asked.clear()
        server.small = 1232
        return DnsResolver(60, "127.0.0.1", server.port)

    return replace


@pytest.fixture
def checkdmarc_asks(server: FakeDns) -> dns.resolver.Resolver:
    """What checkdmarc asks with: the same name server, and nothing remembered of the test before."""
    DNS_CACHE.clear()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
    return resolver
