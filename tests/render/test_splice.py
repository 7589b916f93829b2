"""The short cut for plain values gives what the long way gives; holes are filled where they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.template import Context, Slot, Template
from newsletter.render import splice
from newsletter.render.escape import fill
from newsletter.render.quoted_printable import SOFT_BREAK, encode_literal, encode_value
from newsletter.render.splice import Skeleton

AWKWARD = [
    "From x", "From ", "Fromage", "a=3Db", "a=b", "x" * 75, "x" * 76, ".a", "a.", "a b ", "a  b", "a&b", "a<b", "O'Brien", 'a"b',
    "https://x.org/u/abc", "https://x.org/?a=b&c", "javascript:alert(1)", "a@b.org", "a+b", "a/b?c", "é", "-", "_", "~a", "a%41",
    "https://" + "x" * 75, "x\n", "x\r\n", "a\tb",
]  # fmt: skip


def spliced(slot: Slot, value: str) -> bytes:
    skeleton = Skeleton()
    skeleton.template(Template(("<", slot, ">", slot)), lambda text, _: text.encode())
    skeleton.close()
    parts = skeleton.parts.copy()
    skeleton.filler(encode_value, SOFT_BREAK).fill(parts, {slot.field: value})
    assert skeleton.parts != parts or not value, "a skeleton is never written to"
    return b"".join(parts)


@pytest.mark.parametrize("context", list(Context))
@given(
    value=st.sampled_from(AWKWARD)
    | st.from_regex(splice._PLAIN_TEXT.pattern, fullmatch=True)
    | st.from_regex(splice._PLAIN_URL.pattern, fullmatch=True)
    | st.from_regex(splice._PLAIN_COMPONENT.pattern, fullmatch=True)
    | st.text(" -~", max_size=3).flatmap(lambda s: st.just("x" + s))
)
def test_a_plain_value_is_spliced_as_the_long_way_would(context: Context, value: str) -> None:
    slot = Slot("subscriber.name", "you", context)
    piece = encode_value(fill(slot, value))
    assert spliced(slot, value) == b"<" + piece + b">" + piece + b"\n"


@pytest.mark.parametrize("value", AWKWARD)
@pytest.mark.parametrize("context", list(Context))
def test_an_awkward_value_is_spliced_as_the_long_way_would(context: Context, value: str) -> None:
    slot = Slot("subscriber.name", "you", context)
    piece = encode_value(fill(slot, value))
    assert spliced(slot, value) == b"<" + piece + b">" + piece + b"\n"


def test_a_literal_before_a_slot_is_closed_unless_it_ends_a_line() -> None:
    assert encode_literal("a", closed=True) == b"a=\r\n"
    assert encode_literal("a\n", closed=True) == b"a\r\n"
    assert encode_literal("", closed=True) == b""
