"""Keys and personal data from the terminal: what is printed, what scripts get, and what never is."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from newsletter.app import open_workspace
from newsletter.audience.consent import ConsentEvent
from newsletter.cli.worker import Diary, look_once
from newsletter.clock import FakeClock
from newsletter.model.subscriber import SubscriberStatus
from newsletter.send.run import StopSwitch
from newsletter.store.base import utc_text
from tests.running import Run, forget_settings, run_here

KEY = "a-secret-key-of-forty-characters-or-more"


@pytest.fixture
def newsletter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`newsletter …` in a scratch folder, through the program's own entry point, in this process."""
    forget_settings(monkeypatch)
    (tmp_path / "newsletter.toml").write_text('name = "N"\n[privacy]\nleft_days = 30\n')
    monkeypatch.chdir(tmp_path)
    return partial(run_here, cwd=tmp_path)


def data(result: subprocess.CompletedProcess[str]) -> Any:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_rotation_puts_a_key_in_front_and_keeps_who_left_with_the_first(
    newsletter: Run, tmp_path: Path
) -> None:
    newsletter("subscribers", "add", "ada@example.com")
    newsletter("subscribers", "unsubscribe", "ada@example.com")
    [first] = data(newsletter("keys", "list", "--json"))
    assert (first["newest"], first["suppressions"]) == (True, True)
    made = data(newsletter("keys", "rotate", "--json"))
    assert (made["keys"], made["put_before"]) == (2, None)
    listed = data(newsletter("keys", "list", "--json"))
    assert listed == [
        {"id": made["id"], "newest": True, "suppressions": False},
        {"id": first["id"], "newest": False, "suppressions": True},
    ]
    assert newsletter("subscribers", "add", "ada@example.com").returncode == 2, (
        "she is still known to have left"
    )
    text = newsletter("keys", "list").stdout
    kept = (tmp_path / ".newsletter" / "secret.key").read_text().split()
    assert "recognises who left" in text
    assert not any(key in text for key in kept)


def test_a_key_from_the_environment_is_rotated_by_its_owner(newsletter: Run) -> None:
    def run(key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return newsletter(*arguments, env={"NEWSLETTER_SECRET_KEY": key})

    run(KEY, "subscribers", "add", "ada@example.com")
    run(KEY, "subscribers", "unsubscribe", "ada@example.com")
    said = run(KEY, "keys", "rotate")
    assert KEY not in said.stdout
    fresh = data(run(KEY, "keys", "rotate", "--json"))["put_before"]
    listed = data(run(f"{fresh},{KEY}", "keys", "list", "--json"))
    assert [key["suppressions"] for key in listed] == [False, True]
    refused = run(fresh, "keys", "rotate")
    assert refused.returncode == 1
    assert "another secret key" in refused.stderr


def test_an_api_key_is_shown_once(newsletter: Run) -> None:
    made = data(
        newsletter(
            "keys",
            "api",
            "create",
            "--name",
            "my  site",
            "--scope",
            "subscribers:read, subscribers:write",
            "--json",
        )
    )
    assert made["name"] == "my site"
    assert made["scopes"] == ["subscribers:read", "subscribers:write"]
    [listed] = data(newsletter("keys", "api", "list", "--json"))
    assert (listed["hint"], listed["last_used"], listed["revoked_at"]) == (made["key"][:8], None, None)
    assert made["key"] not in newsletter("keys", "api", "list").stdout
    assert newsletter("keys", "api", "revoke", "1").stdout == "key 1 is revoked\n"
    assert data(newsletter("keys", "api", "list", "--json"))[0]["revoked_at"]
    again = newsletter("keys", "api", "revoke", "1")
    assert (again.returncode, "no key 1 that works" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "scope", "said"),
    [
        ("x", "subscribers:raed", "did you mean `subscribers:read`?"),
        ("x", "", "name one of subscribers:read"),
        (" ", "subscribers:read", "a key needs a name"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(newsletter: Run, name: str, scope: str, said: str) -> None:
    result = newsletter("keys", "api", "create", "--name", name, "--scope", scope)
    assert result.returncode == 2
    assert said in result.stderr
    assert data(newsletter("keys", "api", "list", "--json")) == []


def test_all_that_is_kept_is_printed_or_written_for_one_alone(newsletter: Run, tmp_path: Path) -> None:
    newsletter("subscribers", "add", "ada@example.com", "--name", "Ada", "--tag", "rag")
    printed = data(newsletter("subscribers", "export-data", "ADA@example.com"))
    assert (printed["email"], printed["tags"], printed["consent"][0]["action"]) == (
        "ada@example.com",
        ["rag"],
        "added",
    )
    assert newsletter("subscribers", "export-data", "ada@example.com", "--out", "ada.json").returncode == 0
    assert json.loads((tmp_path / "ada.json").read_text()) == printed
    assert (tmp_path / "ada.json").stat().st_mode & 0o777 == 0o600
    newsletter("subscribers", "erase", "ada@example.com", "--yes")
    gone = newsletter("subscribers", "export-data", "ada@example.com")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "is not on the list" in gone.stderr


def test_retention_is_shown_and_applied_by_hand_and_by_the_worker(
    newsletter: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = data(newsletter("subscribers", "retention", "--json"))
    assert shown["days"] == {"networks": None, "people": 30, "reasons": 90, "reports": 30, "mails": 30}
    workspace = open_workspace(tmp_path)
    clock = workspace.clock = FakeClock()
    audience = workspace.open_audience()
    for number in range(2):
        person, _ = audience.add(f"left{number}@example.com")
        event = ConsentEvent("unsubscribed", utc_text(clock.now()), "cli", "operator")
        with audience.database.write() as tx:
            audience.leave(tx, person.id, SubscriberStatus.UNSUBSCRIBED, event)
    audience.database.close()
    assert data(newsletter("subscribers", "retention", "--json"))["due"]["people"] == 2, (
        "they left long ago by the real clock"
    )
    assert "2 to forget" in newsletter("subscribers", "retention").stdout

    clock.set(clock.now() + timedelta(days=29))
    look_once(workspace, StopSwitch(), Diary(clock))
    assert "forgotten" not in capsys.readouterr().out
    assert data(newsletter("subscribers", "stats", "--json"))["total"] == 2
    clock.set(clock.now() + timedelta(days=2))
    look_once(workspace, StopSwitch(), Diary(clock))
    assert "forgotten, as [privacy] says: 2 people" in capsys.readouterr().out
    assert data(newsletter("subscribers", "stats", "--json"))["total"] == 0
    assert data(newsletter("subscribers", "retention", "--now", "--json"))["forgotten"]["people"] == 0
