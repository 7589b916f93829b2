"""The fast path says what email-validator says, and spellings of one mailbox share a key."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.audience.addresses import Address, AddressChecker, AddressError, match_key, parse_address


def oracle(email: str) -> str | None:
    """email-validator's normal form, or None."""
    try:
        return validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError:
        return None


def strings_of(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for entry in value.values() for text in strings_of(entry)]
    return [text for entry in value for text in strings_of(entry)] if isinstance(value, list) else []


def corpus(shared_data: Path) -> list[str]:
    cases = json.loads((shared_data / "corpora/email-validator/test_syntax_cases.json").read_text())
    emails = strings_of(cases)
    for name in ("tests.xml", "tests-original.xml"):
        tree = ET.parse(shared_data / "corpora/isemail/test" / name)
        for element in tree.iter("address"):
            # The corpus writes control characters as their pictures.
            text = element.text or ""
            emails.append("".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) < 0x2421 else c for c in text))
    return emails


def assert_agrees(emails: list[str]) -> None:
    for email, checked in zip(emails, AddressChecker().check(emails), strict=True):
        normal = oracle(email)
        assert (normal is None) == isinstance(checked, str), email
        if checked is None:
            assert email.isascii()
            assert match_key(email) == email.lower()
        elif isinstance(checked, Address):
            assert checked.email == (email if email.isascii() else normal)
            assert checked.match_key == match_key(email)


def test_every_address_of_both_corpora_is_judged_as_email_validator_does(shared_data: Path) -> None:
    emails = corpus(shared_data)
    assert len(emails) > 500
    assert_agrees(emails)


def test_a_bad_address_in_a_vector_of_good_ones_is_the_only_one_refused(shared_data: Path) -> None:
    good = [f"person{i}@mail{i % 7}.example.com" for i in range(1000)]
    for bad in corpus(shared_data)[::37]:
        checked = AddressChecker().check([*good[:500], bad, *good[500:]])
        assert isinstance(checked[500], str) == (oracle(bad) is None), bad
        assert checked[:500] + checked[501:] == [None] * 1000


ATOMS = "abcXYZ019.!#$%&'*+-/=?^_`{|}~@\"\\ <>()[],;:\n\r\t\x00éß"
domains = st.sampled_from(
    [
        "example.com",
        "EXAMPLE.com",
        "x.test",
        "localhost",
        "bücher.example",
        "xn--bcher-kva.ch",
        "a..b",
        "-a.com",
        "1.2.3.4",
        "[1.2.3.4]",
        "com",
    ]
)


@given(
    st.lists(
        st.builds("{}@{}".format, st.text(ATOMS, max_size=12), domains)
        | st.text(ATOMS + "domc", max_size=20),
        max_size=60,
    )
)
@example(["a@b.com\nc@d.com", "x@y.com"])
@example(["\n@b.com", "x@y.com"])
@example(["a" * 243 + "@example.com", "a" * 242 + "@example.com"])
def test_any_vector_is_judged_as_email_validator_does(emails: list[str]) -> None:
    assert_agrees(emails)


labels = st.one_of(
    st.text("abcXYZ09-", min_size=0, max_size=8),
    st.sampled_from(
        ["a" * 63, "a" * 64, "xn--bcher-kva", "ab--cd", "com", "test", "invalid", "arpa", "onion", "ü"]
    ),
)


@given(st.lists(labels, min_size=1, max_size=5).map(".".join))
@example(".".join(["a" * 62] * 4) + ".com")
@example(".".join(["a" * 49] * 5) + ".com")
def test_any_domain_is_judged_as_email_validator_does(domain: str) -> None:
    assert_agrees([f"a@{domain}"])


international = st.builds(
    "{}@{}".format,
    st.text(st.characters(codec="utf-8", categories=("L", "N", "M")), min_size=1, max_size=8),
    st.sampled_from(["Example.com", "BÜCHER.ch", "faß.de", "ｅxample.com", "例え。jp"])
    | st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=6).map(
        "{}.com".format
    ),
)


@given(international)
def test_the_key_of_an_address_is_its_own_key(email: str) -> None:
    if oracle(email) is not None:
        key = match_key(email)
        assert match_key(key) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("x@bücher.ch", "X@xn--bcher-kva.CH"),
        ("jose\u0301@example.com", "JOS\u00c9@example.com"),
        ("x@faß.de", "x@xn--fa-hia.de"),
        ("a@ｅｘａｍｐｌｅ.com", "a@example.com"),
    ],
)
def test_spellings_of_one_mailbox_share_a_key(one: str, other: str) -> None:
    assert parse_address(one).match_key == parse_address(other).match_key


@pytest.mark.parametrize(
    ("one", "other"),
    [("a.b@example.com", "ab@example.com"), ("a+x@example.com", "a@example.com"), ("x@fass.de", "x@faß.de")],
)
def test_dots_tags_and_different_domains_stay_different(one: str, other: str) -> None:
    assert parse_address(one).match_key != parse_address(other).match_key


def test_the_domain_of_a_key_is_email_validators_ascii_domain(shared_data: Path) -> None:
    for email in corpus(shared_data):
        if oracle(email) is not None:
            expected = validate_email(email, check_deliverability=False).ascii_domain
            assert match_key(email).rpartition("@")[2] == expected


def test_a_plain_address_is_kept_verbatim_and_another_in_its_normal_form() -> None:
    assert parse_address("  Ada.Lovelace+X@Example.COM ").email == "Ada.Lovelace+X@Example.COM"
    assert parse_address("a@ＥＸＡＭＰＬＥ.com").email == "a@example.com"


def test_a_wrong_address_says_why() -> None:
    with pytest.raises(AddressError, match=r"`ada` is not an email address: .*@-sign"):
        parse_address("ada")
