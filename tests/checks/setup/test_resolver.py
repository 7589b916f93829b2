"""Every way in which a name server can answer, or not, over real UDP and TCP."""

from __future__ import annotations

import pytest

from newsletter.checks.setup.resolver import DnsResolver, Found
from tests.checks.setup.conftest import Serve
from tests.fakes.dns import SERVFAIL, SILENT, FakeDns


def test_an_answer_too_large_for_udp_is_asked_for_again_over_tcp(serve: Serve, server: FakeDns) -> None:
    resolver = serve({"big.example.com": [("TXT", b"x" * 3000)]})
    server.small = 512
    answer = resolver.lookup("big.example.com", "TXT")
    assert answer.values == ("x" * 3000,)
    assert [transport for _, _, transport in server.asked] == ["udp", "tcp"]


def test_what_isnt_there_and_what_isnt_known_are_told_apart(serve: Serve) -> None:
    resolver = serve(
        {
            "here.example.com": [("A", "192.0.2.1")],
            "broken.example.com": [SERVFAIL],
            "alias.example.com": [("CNAME", "here.example.com")],
            "dangling.example.com": [("CNAME", "gone.example.com")],
        }
    )
    assert resolver.lookup("here.example.com", "MX").found is Found.NOTHING
    assert resolver.lookup("gone.example.com", "A").found is Found.NO_NAME
    assert resolver.lookup("dangling.example.com", "A").found is Found.NO_NAME
    assert resolver.lookup("broken.example.com", "A").failed
    alias = resolver.lookup("ALIAS.example.com.", "A")
    assert (alias.values, alias.canonical) == (("192.0.2.1",), "here.example.com")


@pytest.mark.parametrize("name", ["a" * 64 + ".example.com", "two..dots.example.com", "x." * 130 + "com"])
def test_a_text_that_cant_be_a_name_is_no_name(serve: Serve, server: FakeDns, name: str) -> None:
    resolver = serve({"example.com": [("A", "192.0.2.1")]})
    assert resolver.lookup(name, "A").found is Found.NO_NAME
    assert server.asked == []


def test_a_loop_of_aliases_ends(serve: Serve) -> None:
    resolver = serve(
        {"a.example.com": [("CNAME", "b.example.com")], "b.example.com": [("CNAME", "a.example.com")]}
    )
    assert resolver.lookup("a.example.com", "A").values == ()


def test_a_name_server_without_a_network_knows_nothing_rather_than_denies_everything(serve: Serve) -> None:
    answer = serve({}).lookup("example.com", "A")
    assert answer.failed
    assert "no network" in answer.reason


def test_silence_is_given_up_and_the_same_question_asked_once(serve: Serve, server: FakeDns) -> None:
    serve({"quiet.example.com": [SILENT]})
    resolver = DnsResolver(0.4, "127.0.0.1", server.port)
    first = resolver.lookup("quiet.example.com", "A")
    asked = len(server.asked)
    assert first.failed
    assert resolver.lookup("quiet.example.com", "A") is first
    assert len(server.asked) == asked
    assert resolver.lookup("other.example.com", "A").reason == "no time was left to ask"


def test_a_closed_port_is_a_failure_in_words() -> None:
    assert DnsResolver(0.5, "127.0.0.1", 1).lookup("example.com", "A").failed
