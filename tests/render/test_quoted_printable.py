"""Pieces encoded apart and joined decode to the text they were cut from, in legal lines."""

from __future__ import annotations

import quopri

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.render.quoted_printable import encode_literal, encode_value

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=300) | st.text(
    " .=\t\nFrom é", max_size=300
)


def assert_legal(encoded: bytes) -> None:
    assert encoded.isascii()
    assert b"\n" not in encoded.replace(b"\r\n", b"")
    assert b"\r" not in encoded.replace(b"\r\n", b"")
    for line in encoded.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))


@given(TEXT, st.booleans())
@example("a" * 74 + "=" + "b" * 75 + ".c", False)
@example("x" * 75 + "From me", True)
@example("\t" * 80 + "\n", False)
@example("é" * 25 + "." * 200, True)
def test_a_literal_decodes_to_itself_with_crlf(text: str, closed: bool) -> None:
    encoded = encode_literal(text, closed=closed)
    assert_legal(encoded)
    assert quopri.decodestring(encoded).decode() == text.replace("\n", "\r\n")
    if closed and text:
        assert encoded.endswith(b"\r\n")


@given(st.lists(TEXT, max_size=6))
def test_pieces_that_end_closed_can_be_joined_in_any_way(pieces: list[str]) -> None:
    values = [piece.replace("\n", " ") for piece in pieces]
    joined = b"".join(
        encode_literal(piece, closed=True) + encode_value(value)
        for piece, value in zip(pieces, values, strict=True)
    )
    joined += encode_literal("the end\n")
    assert_legal(joined)
    meant = "".join(piece + value for piece, value in zip(pieces, values, strict=True)) + "the end\n"
    assert quopri.decodestring(joined).decode() == meant.replace("\n", "\r\n")


@pytest.mark.parametrize(
    "text", [".", "..", "From ", "From x", " ", "\t", "=", "x ", "a" * 75, "a" * 76, "é" * 400]
)
def test_a_value_is_whole_lines(text: str) -> None:
    encoded = encode_value(text)
    assert_legal(encoded)
    assert encoded.endswith(b"=\r\n")
    assert quopri.decodestring(encoded).decode() == text


def test_an_empty_value_is_no_line_at_all() -> None:
    assert encode_value("") == b""
