"""Slots as authors write them, and what stands in their place where nobody reads."""

from __future__ import annotations

import pytest

from newsletter.content.slots import find_slots, parse_expression, to_nobody


@pytest.mark.parametrize(
    "inner",
    [
        ' subscriber.name | default("there") ',
        " subscriber.name | default('there') ",
        # As a cell of a table has it.
        r' subscriber.name \| default("there") ',
        'subscriber.name|default("there")',
    ],
)
def test_a_default_may_be_written_in_each_of_these_ways(inner: str) -> None:
    assert parse_expression(inner) == ("subscriber.name", "there")


def test_a_backslash_anywhere_else_is_no_slot() -> None:
    assert parse_expression(r' subscriber.name \\| default("there") ') is None
    assert parse_expression(r" subscriber.name | default(\"there\") ") is None


def test_a_line_without_a_reader_says_the_defaults_and_leaves_code_alone() -> None:
    text = 'For {{ subscriber.name | default("you") }}, {{ subscriber.email }}: `{{ subscriber.name }}`'
    assert to_nobody(text) == "For you, : `{{ subscriber.name }}`"
    assert [slot.field for slot in find_slots(text)] == ["subscriber.name", "subscriber.email"]
    assert to_nobody("Nothing to fill") == "Nothing to fill"
