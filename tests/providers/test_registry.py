"""Names, and what a wrong one gets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from newsletter.errors import UsageError
from newsletter.providers.base import ProviderOptions
from newsletter.providers.registry import PROVIDERS, make_provider


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnd", "did you mean `resend`?"),
        ("SMTP", "did you mean `smtp`?"),
        ("pigeon", "`outbox`"),
        ("", "`smtp`"),
    ],
)
def test_an_unknown_name_is_refused_with_a_way_out(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="no provider") as caught:
        make_provider(ProviderOptions(name=name))
    assert hint in caught.value.hint


def test_every_provider_says_what_it_is() -> None:
    assert all(entry.summary for entry in PROVIDERS.values())


def test_a_provider_is_imported_only_when_it_is_asked_for() -> None:
    code = (
        "import sys, newsletter.providers.registry; "
        "print([m for m in sys.modules if m in ('smtplib', 'httpx') or m.startswith('newsletter.providers.')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    shared = [f"newsletter.providers.{name}" for name in ("signatures", "base", "registry")]
    assert found.strip() == str(shared)
