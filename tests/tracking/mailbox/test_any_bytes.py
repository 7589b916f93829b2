from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.model.event import BounceClass
from newsletter.tracking.mailbox.classes import verdict_on
from newsletter.tracking.mailbox.mime import decode_words, read_mail
from newsletter.tracking.mailbox.read import read
from newsletter.tracking.mailbox.reading import Kind, Reading
from tests.tracking.mailbox.corpus import CASES

MAILS = [case.mail() for case in CASES]
PIECES = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"\x00", b"\xff", b": ", b"--=_part", b"--", b"<", b">", b"@", b"=?utf-8?b?", b"?=", b";",
     b'Content-Type: multipart/report; boundary="', b"Content-Transfer-Encoding: base64\n", b"charset=hex",
     b"Content-Type: message/rfc822\n\n", b"Final-Recipient: rfc822;", b"Status: 5.", b"Date: ", b" "]
)  # fmt: skip


def is_a_reading(reading: Reading) -> None:
    assert isinstance(reading.kind, Kind)
    assert reading.rule
    assert (reading.kind is not Kind.BOUNCE) or reading.reports
    for report in reading.reports:
        assert isinstance(report.verdict.bounce_class, BounceClass)
        assert report.verdict.rule
        assert report.verdict.source
    for token in (*reading.deliveries, *reading.answered, *reading.leaving):
        assert token.isascii()


@given(st.binary(max_size=3_000))
def test_any_bytes_give_a_reading(data: bytes) -> None:
    is_a_reading(read(data))


@given(st.lists(PIECES | st.binary(max_size=30), max_size=60))
def test_any_pieces_of_mail_give_a_reading(pieces: list[bytes]) -> None:
    is_a_reading(read(b"".join(pieces)))


@settings(max_examples=150)
@given(st.sampled_from(MAILS), st.data())
def test_a_mail_that_was_damaged_on_the_way_gives_a_reading(mail: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(mail)))
        end = data.draw(st.integers(begin, min(len(mail), begin + 200)))
        mail = mail[:begin] + data.draw(PIECES | st.binary(max_size=20)) + mail[end:]
    is_a_reading(read(mail))


@given(st.text(max_size=12), st.text(max_size=400))
def test_any_words_have_a_class(status: str, words: str) -> None:
    verdict = verdict_on(status, words)
    assert verdict.rule
    assert verdict.source


@pytest.mark.parametrize(
    "charset", ["hex", "base64", "rot13", "idna", "punycode", "undefined", "no-such", "utf-16", "\x00"]
)
def test_a_charset_that_is_none_is_read_as_text(charset: str) -> None:
    mail = f"From: postmaster@x.example\nSubject: =?{charset}?q?a=ff?=\nContent-Type: text/plain; charset={charset}\n\nfailed: \xe4\n"
    is_a_reading(read(mail.encode("latin-1")))
    assert isinstance(decode_words(f"=?{charset}?b?/w==?= x"), str)


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 20_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 100_000,
        b"Content-Type: message/rfc822\n\n" * 20_000,
        b"Subject: " + b"=?utf-8?b?YQ==?= " * 50_000,
        b"X: " + b"a" * 1_000_000,
        b"X:\n" + b" a\n" * 300_000,
        b"".join(b"X-%d: y\n" % n for n in range(50_000)),
        b"From: mailer-daemon@x\nSubject: undeliverable\n\n" + b"<a@b" * 200_000,
        b"From: mailer-daemon@x\nSubject: undeliverable\n\n" + b"a" * 500_000 + b"@",
        b"From: mailer-daemon@x\nSubject: undeliverable\nContent-Type: text/html\n\n" + b"<style " * 100_000,
        b"From: mailer-daemon@x\nSubject: undeliverable\n\n" + b"user " * 100_000 + b"unknown",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
        + b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\n" * 20_000,
    ],
    ids=lambda mail: mail[:40].decode("latin-1").replace("\n", " ") + f" {len(mail)}",
)  # fmt: skip
def test_a_mail_made_to_be_slow_isnt(mail: bytes) -> None:
    # The suite's time limit fails what would take minutes; `tests/benchmarks/bounces.py` prints the ratios.
    is_a_reading(read(mail))


def test_parts_headers_and_depth_are_bounded() -> None:
    deep = read_mail(b"Content-Type: message/rfc822\n\n" * 100)
    assert len(list(deep.walk())) <= 8
    wide = read_mail(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 1_000)
    assert len(wide.parts) <= 64
