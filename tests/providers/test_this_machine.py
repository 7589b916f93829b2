"""Which hosts are this machine? What is said to them needs neither TLS nor a proxy."""

from __future__ import annotations

import pytest

from newsletter.providers.this_machine import is_this_machine


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("localhost.example.com", False),
        ("127.0.0.1.nip.io", False),
        ("10.0.0.1", False),
        ("mail.example.com", False),
        ("", False),
        (None, False),
    ],
)
def test_only_a_loopback_address_and_localhost_are_this_machine(host: str | None, *, is_it: bool) -> None:
    assert is_this_machine(host) is is_it
