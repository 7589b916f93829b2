"""What a whole SPF record costs, counted by us and by checkdmarc on the same name server."""

from __future__ import annotations

import dns.resolver
import pytest
from checkdmarc.spf import SPFError, SPFTooManyDNSLookups, SPFTooManyVoidDNSLookups, check_spf, get_spf_record

from newsletter.checks.setup.spf.evaluate import MOST_LOOKUPS, MOST_VOID_LOOKUPS
from newsletter.checks.setup.spf.tree import follow
from tests.checks.setup.conftest import Serve
from tests.fakes.dns import SERVFAIL, Zone

A: Zone = {
    "mail.example.org": [("A", "192.0.2.9")],
    "six.example.org": [("AAAA", "2001:db8::1")],
    "mx.example.org": [("MX", "10 mail.example.org")],
    "leaf.example.org": [("TXT", "v=spf1 ip4:192.0.2.0/24 -all")],
    "branch.example.org": [("TXT", "v=spf1 include:leaf.example.org a:mail.example.org ~all")],
    "loop.example.org": [("TXT", "v=spf1 include:example.com -all")],
    "many.example.org": [
        ("TXT", f"v=spf1 {' '.join(f'include:leaf{n}.example.org' for n in range(9))} -all")
    ],
    **{f"leaf{n}.example.org": [("TXT", f"v=spf1 ip4:192.0.2.{n} -all")] for n in range(9)},
}


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 -all",
        "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 ~all",
        "v=spf1 include:leaf.example.org -all",
        "v=spf1 include:branch.example.org include:leaf.example.org mx:mx.example.org -all",
        "v=spf1 a:mail.example.org a:six.example.org ?all",
        "v=spf1 redirect=branch.example.org",
        "v=spf1 include:many.example.org -all",
        "v=spf1 include:many.example.org a:mail.example.org -all",
        "v=spf1 a:gone1.example.org a:gone2.example.org -all",
        "v=spf1 a:gone1.example.org a:gone2.example.org mx:gone3.example.org -all",
        "v=spf1 exists:mail.example.org -all",
        "v=spf1 include:loop.example.org -all",
        "v=spf1 include:gone.example.org -all",
        "v=spf1 ip4:300.0.0.1 -all",
        "v=spf1 a:mail.example.org/33 -all",
        "v=spf1 includes:leaf.example.org -all",
        # Not `ptr`: what a receiver asks for depends on who sends, and checkdmarc asks for the domain's own name.
    ],
)
def test_checkdmarc_counts_and_refuses_the_same(
    serve: Serve, checkdmarc_asks: dns.resolver.Resolver, text: str
) -> None:
    tree = follow(serve({**A, "example.com": [("TXT", text)]}), "example.com")
    broken = bool(tree.problems) or tree.lookups > MOST_LOOKUPS or tree.voids > MOST_VOID_LOOKUPS
    try:
        theirs = get_spf_record("example.com", resolver=checkdmarc_asks, timeout=60)
    except (SPFTooManyDNSLookups, SPFTooManyVoidDNSLookups):
        assert not tree.problems
        assert tree.lookups > MOST_LOOKUPS or tree.voids > MOST_VOID_LOOKUPS
        return
    except SPFError:
        assert tree.problems
        return
    assert not broken, tree
    assert (tree.lookups, tree.voids) == (theirs["dns_lookups"], theirs["void_dns_lookups"])


def test_two_records_are_an_error_to_both(serve: Serve, checkdmarc_asks: dns.resolver.Resolver) -> None:
    resolver = serve({"example.com": [("TXT", "v=spf1 -all"), ("TXT", "v=spf1 mx -all")]})
    assert follow(resolver, "example.com").problems
    theirs = check_spf("example.com", resolver=checkdmarc_asks, timeout=60)
    assert theirs["valid"] is False


@pytest.mark.parametrize(
    ("text", "open_to_all", "ends"),
    [
        ("v=spf1 +all", True, "+"),
        ("v=spf1 all", True, "+"),
        ("v=spf1 ip4:0.0.0.0/0 -all", True, "-"),
        ("v=spf1 include:wide.example.org -all", True, "-"),
        ("v=spf1 include:leaf.example.org ~all", False, "~"),
        ("v=spf1 mx", False, ""),
        ("v=spf1 redirect=leaf.example.org", False, "-"),
    ],
)
def test_who_is_let_in_is_seen_through_includes(
    serve: Serve, text: str, open_to_all: bool, ends: str
) -> None:
    zone: Zone = {**A, "wide.example.org": [("TXT", "v=spf1 +all")], "example.com": [("TXT", text)]}
    tree = follow(serve(zone), "example.com")
    assert (bool(tree.open_to_all), tree.ends) == (open_to_all, ends)


def test_what_nobody_answered_is_kept_apart_from_what_is_wrong(serve: Serve) -> None:
    tree = follow(
        serve(
            {"example.com": [("TXT", "v=spf1 include:ill.example.org -all")], "ill.example.org": [SERVFAIL]}
        ),
        "example.com",
    )
    assert tree.problems == []
    assert "SERVFAIL" in tree.unasked[0]


def test_a_tree_without_end_is_left_after_a_few_dozen_questions(serve: Serve) -> None:
    zone: Zone = {
        f"d{n}.example.com": [
            ("TXT", f"v=spf1 include:d{n + 1}.example.com include:d{n + 1}.example.com -all")
        ]
        for n in range(60)
    }
    assert follow(serve(zone), "d0.example.com").lookups < 200
