"""What each context does to a value, and that literals stay the author's."""

from __future__ import annotations

import html
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.template import Context, Slot
from newsletter.render.escape import ESCAPES, clean, clean_literal, fill

ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("Ana\r\nBcc: x", "Ana Bcc: x"),
        ("a\rb\nc\vd\fe\x85f\u2028g\u2029h\ti", "a b c d e f g h i"),
        ("a\x00b\x1bc\x7fd\x9be", "abcde"),
        ("\u202egnp.exe\u202c \u2066x\u2069", "gnp.exe x"),
        ("\ud83d", "\ufffd"),
        ("شيماء\u200f \u200eZoë 👩‍👧", "شيماء\u200f \u200eZoë 👩‍👧"),
    ],
)
def test_a_value_is_one_line_without_controls(value: str, cleaned: str) -> None:
    assert clean(value) == cleaned


@given(ANY)
def test_cleaning_is_done_after_once_and_leaves_only_what_utf8_can_carry(value: str) -> None:
    cleaned = clean(value)
    assert clean(cleaned) == cleaned
    assert not set(cleaned) & set("\r\n\x00\x85\u2028\u2029\u202e\u2066")
    cleaned.encode()


@given(ANY)
def test_html_and_attributes_decode_to_the_cleaned_value(value: str) -> None:
    for context in (Context.HTML, Context.ATTRIBUTE):
        escaped = ESCAPES[context](value)
        assert html.unescape(escaped) == html.unescape(html.escape(clean(value)))
        assert not set(escaped) & set("<>\"'")


@given(ANY)
def test_a_url_component_decodes_to_the_cleaned_value_and_holds_only_unreserved_characters(
    value: str,
) -> None:
    escaped = ESCAPES[Context.URL_COMPONENT](value)
    assert unquote(escaped) == clean(value)
    assert escaped.isascii()
    assert all(c.isalnum() or c in "-._~%" for c in escaped)


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("https://x.org/u/abc?a=1&b=2", "https://x.org/u/abc?a=1&amp;b=2"),
        ("https://x.org/a b\"'<>", "https://x.org/a%20b%22&#x27;%3C%3E"),
        ("https://x.org/%41", "https://x.org/%41"),
        ("https://x.org/é", "https://x.org/%C3%A9"),
        ("https://exämple.com/u", "https://xn--exmple-cua.com/u"),
        ("mailto:leave@x.org", "mailto:leave@x.org"),
        ("javascript:alert(1)", "#"),
        ("data:text/html,x", "#"),
        ("//evil.example", "#"),
        ("java\nscript:alert(1)", "#"),
        ("x https://x.org", "#"),
    ],
)
def test_a_whole_address_is_ours_or_nothing(value: str, escaped: str) -> None:
    assert ESCAPES[Context.URL](value) == escaped


@pytest.mark.parametrize("value", [None, "", " ", "\x00", "\r\n", "\u202e"])
@pytest.mark.parametrize("context", list(Context))
def test_a_default_stands_in_for_a_missing_value_and_is_escaped_too(
    value: str | None, context: Context
) -> None:
    default = "https://x.org/?a&<" if context is Context.URL else "<dear> & reader"
    assert fill(Slot("subscriber.name", default, context), value) == ESCAPES[context](default)


def test_a_missing_value_without_a_default_is_nothing() -> None:
    for context in (Context.HTML, Context.ATTRIBUTE, Context.URL_COMPONENT, Context.TEXT, Context.HEADER):
        assert fill(Slot("subscriber.name", "", context), None) == ""


def test_an_authors_text_keeps_its_lines_tabs_and_directions() -> None:
    assert clean_literal("a\r\nb\rc\n\td \u2066e\u2069\u2028") == "a\nb\nc\n\td \u2066e\u2069\u2028"
    assert clean_literal("\x00a\x1b\x9b\x7f\ud800") == "a\ufffd"
