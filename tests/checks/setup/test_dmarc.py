"""DMARC's walk up the tree, its policies and its alignment, with RFC 9989 and checkdmarc as the judges."""

from __future__ import annotations

import dns.resolver
import pytest
from checkdmarc.dmarc import get_dmarc_record

from newsletter.checks.setup import dmarc
from tests.checks.setup.conftest import Serve
from tests.fakes.dns import SERVFAIL, Entry, FakeDns


def record(text: str) -> list[Entry]:
    return [("TXT", text)]


@pytest.mark.parametrize(
    ("domain", "asked"),
    [
        ("example.com", ["example.com", "com"]),
        ("mail.example.com", ["mail.example.com", "example.com", "com"]),
        ("a.b.c.d.e.f.g", ["a.b.c.d.e.f.g", "b.c.d.e.f.g", "c.d.e.f.g", "d.e.f.g", "e.f.g", "f.g", "g"]),
        # RFC 9989, section 4.10: after the first question a long name is cut down to seven labels.
        (
            "z.a.b.c.d.e.f.g.mail.example.com",
            [
                "z.a.b.c.d.e.f.g.mail.example.com",
                "d.e.f.g.mail.example.com",
                "e.f.g.mail.example.com",
                "f.g.mail.example.com",
                "g.mail.example.com",
                "mail.example.com",
                "example.com",
                "com",
            ],
        ),
    ],
)
def test_the_walk_asks_at_most_eight_times_upwards(
    serve: Serve, server: FakeDns, domain: str, asked: list[str]
) -> None:
    # The name server has to know of the world, or it is taken for one without a network.
    resolver = serve({"example.com": [], "g": []})
    dmarc.walk(resolver, domain)
    names = [name.removeprefix("_dmarc.") for name, kind, _ in server.asked if kind == "TXT"]
    assert names == asked
    assert len(names) <= 8


@pytest.mark.parametrize(
    ("zone", "domain", "organisation"),
    [
        ({}, "a.example.com", "a.example.com"),
        ({"example.com": "v=DMARC1; p=none"}, "a.b.example.com", "example.com"),
        (
            {"b.example.com": "v=DMARC1; p=none; psd=n", "example.com": "v=DMARC1; p=reject"},
            "a.b.example.com",
            "b.example.com",
        ),
        ({"com": "v=DMARC1; p=reject; psd=y"}, "a.b.example.com", "example.com"),
        ({"example.com": "v=DMARC1; p=none; psd=y"}, "a.b.example.com", "b.example.com"),
        # A public suffix that sends mail itself is its own organisation.
        ({"gov.uk": "v=DMARC1; p=none; psd=y"}, "gov.uk", "gov.uk"),
        (
            {"a.example.com": "v=DMARC1; p=none", "example.com": "v=DMARC1; p=none"},
            "a.example.com",
            "example.com",
        ),
    ],
)
def test_the_organisational_domain_is_found(
    serve: Serve, zone: dict[str, str], domain: str, organisation: str
) -> None:
    resolver = serve({"known.com": [], **{f"_dmarc.{name}": record(text) for name, text in zone.items()}})
    assert dmarc.walk(resolver, domain).organisational_domain == organisation


@pytest.mark.parametrize(
    ("zone", "there", "expected"),
    [
        ({"a.example.com": "v=DMARC1; p=reject; sp=none"}, True, ("reject", "p", "a.example.com")),
        (
            {"example.com": "v=DMARC1; p=reject; sp=quarantine; np=none"},
            True,
            ("quarantine", "sp", "example.com"),
        ),
        ({"example.com": "v=DMARC1; p=reject; sp=quarantine; np=none"}, False, ("none", "np", "example.com")),
        ({"example.com": "v=DMARC1; p=reject; sp=quarantine"}, False, ("quarantine", "sp", "example.com")),
        ({"example.com": "v=DMARC1; p=reject"}, True, ("reject", "p", "example.com")),
        ({"example.com": "v=DMARC1; rua=mailto:d@example.com"}, True, ("none", "", "example.com")),
        ({"com": "v=DMARC1; p=none; sp=reject; psd=y"}, True, ("reject", "sp", "com")),
        (
            {"example.com": "v=DMARC1; p=nonsense; rua=mailto:d@example.com"},
            True,
            ("none", "p", "example.com"),
        ),
        ({"example.com": "v=DMARC1; p=nonsense"}, True, None),
        ({"example.com": "v=dmarc1; p=reject"}, True, None),
        ({"example.com": "p=reject; v=DMARC1"}, True, None),
        ({}, True, None),
    ],
)
def test_the_policy_is_the_one_that_applies(
    serve: Serve, zone: dict[str, str], there: bool, expected: tuple[str, str, str] | None
) -> None:
    resolver = serve({"known.com": [], **{f"_dmarc.{name}": record(text) for name, text in zone.items()}})
    policy = dmarc.policy_of(dmarc.walk(resolver, "a.example.com"), exists=there)
    assert (policy and (policy.action, policy.tag, policy.step.domain)) == expected


def test_two_records_are_as_good_as_none_and_the_walk_goes_on(serve: Serve) -> None:
    two: list[Entry] = [("TXT", "v=DMARC1; p=reject"), ("TXT", "v=DMARC1; p=none")]
    resolver = serve({"_dmarc.a.example.com": two, "_dmarc.example.com": record("v=DMARC1; p=quarantine")})
    policy = dmarc.policy_of(dmarc.walk(resolver, "a.example.com"), exists=True)
    assert policy is not None
    assert (policy.action, policy.step.domain) == ("quarantine", "example.com")


def test_while_testing_receivers_are_a_step_milder(serve: Serve) -> None:
    resolver = serve({"_dmarc.example.com": record("v=DMARC1; p=reject; t=y")})
    policy = dmarc.policy_of(dmarc.walk(resolver, "example.com"), exists=True)
    assert policy is not None
    assert policy.effective == "quarantine"


def test_a_name_server_in_trouble_is_not_a_missing_policy(serve: Serve) -> None:
    walked = dmarc.walk(serve({"_dmarc.example.com": [SERVFAIL], "example.com": []}), "example.com")
    assert "SERVFAIL" in walked.unasked


@pytest.mark.parametrize(
    ("other", "strict", "expected"),
    [
        ("example.com", False, True),
        ("send.example.com", False, True),
        ("send.example.com", True, False),
        ("example.com", True, False),
        ("news.example.com", True, True),
        ("example.org", False, False),
    ],
)
def test_alignment_goes_by_the_organisation(serve: Serve, other: str, strict: bool, expected: bool) -> None:
    resolver = serve({"_dmarc.example.com": record("v=DMARC1; p=none"), "example.org": []})
    assert dmarc.aligned("news.example.com", other, resolver, strict=strict) is expected


@pytest.mark.parametrize(
    ("zone", "domain"),
    [
        ({"example.com": "v=DMARC1; p=none"}, "example.com"),
        ({"example.com": "v=DMARC1; p=reject; sp=none"}, "x.y.example.com"),
        (
            {"y.example.com": "v=DMARC1; p=none; psd=n", "example.com": "v=DMARC1; p=reject"},
            "x.y.example.com",
        ),
        ({"com": "v=DMARC1; p=none; psd=y"}, "x.example.com"),
        ({"com": "v=DMARC1; p=none; psd=y", "example.com": "v=DMARC1; p=reject"}, "x.example.com"),
        ({"example.com": "v=DMARC1; p=none"}, "a.b.c.d.e.f.g.h.i.example.com"),
    ],
)
def test_checkdmarc_finds_the_same_record_at_the_same_place(
    serve: Serve, checkdmarc_asks: dns.resolver.Resolver, zone: dict[str, str], domain: str
) -> None:
    resolver = serve(
        {domain: [("A", "192.0.2.1")], **{f"_dmarc.{name}": record(text) for name, text in zone.items()}}
    )
    theirs = get_dmarc_record(domain, resolver=checkdmarc_asks, timeout=60)
    policy = dmarc.policy_of(dmarc.walk(resolver, domain), exists=True)
    assert policy is not None
    assert policy.step.record is not None
    assert (policy.step.domain, policy.step.record.text) == (theirs["location"], theirs["record"])
