"""Headers as bytes: folded, encoded words of legal length, addresses never encoded, nothing injected."""

from __future__ import annotations

import email
import email.header
import email.policy
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.errors import NewsletterError
from newsletter.render.headers import (
    display_mailbox,
    encoded_words,
    format_date,
    literal,
    mailbox,
    unstructured,
    wire_address,
)
from newsletter.render.idn import ascii_domain, ascii_url

LEGAL = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    max_size=200,
)  # fmt: skip
UNSAFE = [
    "\r",
    "\n",
    "\r\n",
    "\x00",
    "\x1b",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\u2069",
    "\ud800",
]


def read(line: bytes, name: str) -> str:
    value = email.message_from_bytes(line + b"\r\n", policy=email.policy.default)[name]
    assert value.defects == ()
    return str(value)


def assert_legal(line: bytes) -> None:
    assert line.endswith(b"\r\n")
    for physical in line[:-2].split(b"\r\n"):
        assert b"\r" not in physical
        assert b"\n" not in physical
        assert physical.strip(), "a line of white space alone would end the header for some"
        words = re.findall(rb"=\?utf-8\?[bq]\?[^? ]*\?=", physical)
        assert all(len(word) <= 75 for word in words)
        assert len(physical) <= (76 if words else 998)


@given(LEGAL)
@example("a" * 70)
@example("word " * 40)
@example("x" * 1200)
@example("=?utf-8?q?x?=")
@example("💌" * 60)
@example("ends in a space ")
@example("two  spaces")
@example("é")
@example("a=?b")
def test_a_subject_is_read_back_by_both_parsers(text: str) -> None:
    line = unstructured("Subject", text)
    assert line.isascii()
    if text:
        assert_legal(line)
    assert read(line, "Subject") == text
    raw = email.message_from_bytes(line + b"\r\n")["Subject"].replace("\r\n", "")
    assert str(email.header.make_header(email.header.decode_header(raw))) == text


@given(LEGAL, st.integers(30, 75))
def test_no_character_is_split_between_two_encoded_words(text: str, first: int) -> None:
    for number, word in enumerate(encoded_words(text, first)):
        assert len(word) <= (first if number == 0 else 75)
        ((data, charset),) = email.header.decode_header(word)
        if isinstance(data, bytes):
            data.decode(charset or "ascii")


@given(LEGAL)
@example('Smith, "Jo" \\ Co')
@example("a@b <c@d>")
@example("(comment) x;y:z")
@example('Ünï, code "q"')
@example("long " * 30)
@example("x" * 120)
def test_a_display_name_is_read_back_and_the_address_is_never_encoded(name: str) -> None:
    line = mailbox("From", name, "notes@example.com")
    assert_legal(line)
    assert b"<notes@example.com>" in line or not name
    (address,) = email.message_from_bytes(line + b"\r\n", policy=email.policy.default)["From"].addresses
    assert address.addr_spec == "notes@example.com"
    # The modern parser of 3.11 keeps the white space between adjacent encoded words of a phrase, against
    # RFC 2047 §6.2, so the older one reads the name.
    raw = email.message_from_bytes(line + b"\r\n")["From"].replace("\r\n", "")
    shown, bare = parseaddr(raw)
    assert bare == "notes@example.com"
    assert _spaces(str(email.header.make_header(email.header.decode_header(shown)))) == _spaces(name)


def _spaces(text: str) -> str:
    # White space around and within a phrase is folding white space: parsers may collapse it.
    return re.sub(r"[ \t]+", " ", text).strip(" ")


@pytest.mark.parametrize("character", UNSAFE)
def test_what_could_start_another_header_or_turn_text_around_is_refused(character: str) -> None:
    text = f"a{character}Bcc: b@example.org"
    for write in (
        lambda: unstructured("Subject", text),
        lambda: mailbox("From", text, "a@example.com"),
        lambda: literal("List-Unsubscribe", text),
        lambda: display_mailbox(text, "a@example.com"),
        lambda: wire_address(f"a{character}b@example.com"),
        lambda: wire_address(f"ab@exam{character}ple.com"),
        lambda: wire_address(f"é{character}b@example.com", non_ascii_mailbox=True),
    ):
        with pytest.raises(NewsletterError) as caught:
            write()
        assert caught.value.message.isprintable()
        caught.value.message.encode()


@pytest.mark.parametrize("length", [43, 64, 85, 300, 900])
def test_a_long_list_unsubscribe_stays_literal_on_one_line(length: int) -> None:
    url = "<https://x.org/" + "T" * length + ">"
    assert literal("List-Unsubscribe", url) == f"List-Unsubscribe: {url}\r\n".encode()


def test_a_literal_header_that_cannot_stand_is_refused() -> None:
    with pytest.raises(NewsletterError, match="998"):
        literal("List-Unsubscribe", "<https://x.org/" + "T" * 998 + ">")
    with pytest.raises(NewsletterError, match="not ASCII"):
        literal("List-Archive", "<https://münchen.example/>")


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("joe@example.org", "joe@example.org"),
        ("o'brien+news@mail.example.org", "o'brien+news@mail.example.org"),
        ("joe@exämple.org", "joe@xn--exmple-cua.org"),
        ("joe@EXÄMPLE.org", "joe@xn--exmple-cua.org"),
        ("joe@例え.jp", "joe@xn--r8jz45g.jp"),
        ('"a b"@example.org', '"a b"@example.org'),
        ('"a\\"b"@example.org', '"a\\"b"@example.org'),
        ("joe@localhost", "joe@localhost"),
    ],
)
def test_an_address_goes_out_with_its_domain_in_a_labels(address: str, wire: str) -> None:
    assert wire_address(address) == wire


@pytest.mark.parametrize(
    "address",
    ["", "@", "a@", "@b.org", "a b@example.org", "a@exa mple.org", "a@b..org", "a,b@example.org", "a<b@example.org",
     '"a"b"@example.org', "a@[127.0.0.1]", "a@b@c.org", "a@-", "a@" + "é" * 300 + ".org", "a@example.org, b@example.org",
     "x" * 400 + "@example.org", "a@xn--\u00ad.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    for allowed in (False, True):
        with pytest.raises(NewsletterError):
            wire_address(address, non_ascii_mailbox=allowed)


def test_letters_outside_ascii_before_the_at_need_a_provider_that_carries_them() -> None:
    with pytest.raises(NewsletterError, match="RFC 6531"):
        wire_address("jörg@exämple.org")
    assert wire_address("jörg@exämple.org", non_ascii_mailbox=True) == "jörg@xn--exmple-cua.org"
    with pytest.raises(NewsletterError):
        wire_address("jö rg,@exämple.org", non_ascii_mailbox=True)


@given(st.text(max_size=40), st.booleans())
def test_any_address_is_either_safe_on_the_wire_or_refused_by_our_error(address: str, allowed: bool) -> None:
    try:
        wire = wire_address(address, non_ascii_mailbox=allowed)
    except NewsletterError:
        return
    assert "\r" not in wire
    assert "\n" not in wire
    assert wire.rpartition("@")[2].isascii()


def test_a_domain_that_is_none_says_so() -> None:
    for domain in ("", ".", "a..b", "ex ample.org", "\ud800.org", "x" * 64 + ".org"):
        with pytest.raises(NewsletterError, match="is not a domain"):
            ascii_domain(domain)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Notes", "Notes <a@b.org>"),
        ("Prödüction Notes", "Prödüction Notes <a@b.org>"),
        ("Smith, Jo", '"Smith, Jo" <a@b.org>'),
        ('The "AI" \\ Notes', '"The \\"AI\\" \\\\ Notes" <a@b.org>'),
        ("", "a@b.org"),
    ],
)
def test_the_sender_for_json_is_quoted_where_it_has_specials(name: str, shown: str) -> None:
    assert display_mailbox(name, "a@b.org") == shown


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2199, 1, 1)), st.integers(-720, 720))  # noqa: DTZ001 - Hypothesis wants naive bounds
def test_a_date_is_written_as_the_standard_library_does_in_utc(moment: datetime, minutes: int) -> None:
    at = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert format_date(at) == format_datetime(at.astimezone(UTC))


@pytest.mark.parametrize(
    ("url", "ascii_form"),
    [
        ("https://x.org/u?a=%41&b=[c]", "https://x.org/u?a=%41&b=[c]"),
        ("https://Exämple.com:8443/ü?ö#é", "https://xn--exmple-cua.com:8443/%C3%BC?%C3%B6#%C3%A9"),
        ("https://例え.jp", "https://xn--r8jz45g.jp"),
        ("https://ex ämple.com/", "https://ex%20%C3%A4mple.com/"),
    ],
)
def test_a_page_outside_ascii_is_reached_by_an_ascii_address(url: str, ascii_form: str) -> None:
    assert ascii_url(url) == ascii_form
