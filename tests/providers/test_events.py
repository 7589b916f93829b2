"""Moments, fields and digests of reports, whatever stands in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from newsletter.providers.events import digest, moment, read_report, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2016-04-27T16:28:50.3963933-04:00", "2016-04-27T20:28:50.396393+00:00"),
        ("2022-06-05T17:17:32Z", "2022-06-05T17:17:32+00:00"),
        ("2022-06-05T17:17:32", "2022-06-05T17:17:32+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
        (1498093527.5, "2017-06-22T01:05:27.500000+00:00"),
    ],
)
def test_a_moment_has_a_zone(value: Any, expected: str) -> None:
    at = moment(value)
    assert at is not None
    assert at.astimezone(UTC) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("value", [None, True, "", "yesterday", 1e300, float("nan"), float("inf"), [], {}])
def test_what_is_no_moment_is_none(value: Any) -> None:
    assert moment(value) is None


def test_a_field_is_found_through_fields_and_is_empty_where_it_is_none() -> None:
    report = {"a": {"b": "c", "n": 7, "yes": True}, "list": [1]}
    assert text(report, "a", "b") == "c"
    assert text(report, "a", "n") == "7"
    assert text(report, "a", "yes") == text(report, "a") == text(report, "list", "b") == text([], "a") == ""


def test_a_digest_is_the_same_whatever_the_order_of_fields() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_isnt_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_report(body)
