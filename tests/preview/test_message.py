"""The message panel reads what leaves: the stdlib's parser is the oracle."""

from __future__ import annotations

import email
import email.policy
import re
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.app import open_workspace
from newsletter.preview.build import Builder
from newsletter.preview.message import folded_source, read_message
from newsletter.preview.picture import Picture


@pytest.fixture
def picture(home: Path) -> Picture:
    found = Builder(open_workspace(home)).build(home / "issues" / "001-first.md")
    assert isinstance(found, Picture), found
    return found


def test_parts_decode_as_the_standard_library_decodes_them(picture: Picture) -> None:
    oracle = email.message_from_bytes(picture.message.raw, policy=email.policy.default)
    leaves = [part for part in oracle.walk() if not part.is_multipart()]
    assert [part.media_type for part in picture.message.parts] == [p.get_content_type() for p in leaves]
    assert [part.content for part in picture.message.parts] == [p.get_payload(decode=True) for p in leaves]


def test_headers_decode_as_the_standard_library_decodes_them(picture: Picture) -> None:
    oracle = email.message_from_bytes(picture.message.raw, policy=email.policy.default)
    assert [(h.name, h.text) for h in picture.message.headers] == [(n, str(v)) for n, v in oracle.items()]


def test_sizes_are_those_on_the_wire(picture: Picture) -> None:
    for part in picture.message.parts:
        assert part.encoded >= len(part.content)
    assert sum(part.encoded for part in picture.message.parts) < len(picture.message.raw)


def test_a_sample_reader_is_addressed_by_name_in_both_parts(picture: Picture) -> None:
    assert "Hello Ada Lovelace" in picture.html
    assert "Hello Ada Lovelace" in picture.text
    assert picture.message.header("To") == "ada@example.com"


def test_the_picture_is_what_a_send_delivers_but_for_what_names_the_send(home: Path) -> None:
    """A real send through the outbox, to a person of the list, against the preview as that person."""
    command = [sys.executable, "-m", "newsletter"]
    for arguments in (
        ["subscribers", "add", "grace@example.com", "--name", "Grace Hopper"],
        ["send", "1", "--yes", "--expect-count", "1"],
    ):
        subprocess.run([*command, *arguments], cwd=home, check=True, capture_output=True, timeout=60)
    (delivered,) = (home / ".newsletter" / "outbox").glob("*/*.eml")
    shown = Builder(open_workspace(home), "grace@example.com").build(home / "issues" / "001-first.md")
    assert isinstance(shown, Picture), shown

    def comparable(raw: bytes) -> bytes:
        # The date, the delivery and the send's own number in Message-ID, Feedback-ID and boundaries.
        raw = re.sub(rb"(?m)^(Date|Message-ID|X-Newsletter-Delivery|Feedback-ID): .*\r\n", rb"\1: -\r\n", raw)
        return re.sub(rb"=_(\w+)_[0-9a-f]{16}", rb"=_\1", raw)

    assert comparable(shown.message.raw) == comparable(delivered.read_bytes())
    assert "Hello Grace Hopper" in shown.text


def test_long_base64_is_folded_and_text_is_not() -> None:
    raw = b"X: y\r\n\r\n" + b"\r\n".join([b"A" * 76] * 20) + b"\r\nplain words"
    shown = folded_source(raw)
    assert "more lines of base64" in shown
    assert shown.endswith("plain words")
    assert shown.count("A" * 76) == 3


def test_a_message_without_parts_is_read_as_one() -> None:
    view = read_message(b"Subject: =?utf-8?q?caf=C3=A9?=\r\nContent-Type: text/plain\r\n\r\nHi\r\n")
    assert view.header("subject") == "café"
    assert [part.text for part in view.parts] == ["Hi\n"]
