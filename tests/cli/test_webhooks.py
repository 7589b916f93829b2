"""`newsletter webhooks` and `newsletter stats`, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.model.event import BounceClass, EventType
from newsletter.store.sqlite import SqliteDatabase
from tests.running import Run
from tests.tracking.reported import KEY, Desk

SETTINGS = 'name = "Notes"\nbase_url = "https://news.example.com"\n'
ENV = {"NEWSLETTER_SECRET_KEY": KEY.decode()}


@pytest.fixture
def desk(tmp_path: Path) -> Callable[[int], Desk]:
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    return lambda count: Desk(tmp_path / ".newsletter", count)


@pytest.mark.parametrize("provider", ["postmark", "resend", "mailgun", "ses", "sendgrid"])
def test_the_address_to_paste_is_printed_with_what_is_missing(
    run: Run, tmp_path: Path, provider: str
) -> None:
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    done = run("webhooks", "url", provider, env=ENV)
    assert done.returncode == 0, done.stderr
    assert f"https://news.example.com/hooks/{provider}" in done.stdout
    assert ("not " in done.stdout) is (provider != "postmark")
    made = json.loads(run("webhooks", "url", provider, "--json", env=ENV).stdout)
    assert made["ready"] is (provider == "postmark")
    assert (made["url"].count("/") == 5) is (provider in ("postmark", "mailgun"))


def test_a_set_signing_secret_is_said_and_never_shown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    done = run("webhooks", "url", "resend", env={**ENV, "NEWSLETTER_RESEND_WEBHOOK_KEY": "whsec_abc"})
    assert "(set)" in done.stdout
    assert "whsec_abc" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "arguments", "hint"),
    [
        (SETTINGS, ["smtp"], "newsletter bounces"),
        (SETTINGS, ["nobody"], "resend"),
        ("", ["resend"], "base_url"),
    ],
)
def test_what_can_t_be_is_said_with_a_way_out(
    run: Run, tmp_path: Path, settings: str, arguments: list[str], hint: str
) -> None:
    (tmp_path / "newsletter.toml").write_text(settings)
    done = run("webhooks", "url", *arguments, env=ENV)
    assert done.returncode == 2
    assert hint in done.stderr


def test_a_flood_is_shown_by_status_and_decided_upon(
    run: Run, tmp_path: Path, desk: Callable[[int], Desk]
) -> None:
    made = desk(60)
    made.send(people=60)
    made.tell(*(made.event(EventType.BOUNCED, number=n, bounce=BounceClass.HARD) for n in range(1, 61)))
    made.db.close()
    for command in (["status"], ["webhooks", "status"]):
        done = run(*command, env=ENV)
        assert done.returncode == 0, done.stderr
        assert "warning: 35 reports of resend held" in done.stdout
        assert "newsletter webhooks release resend" in done.stdout
    assert json.loads(run("webhooks", "status", "--json", env=ENV).stdout)["holds"][0]["waiting"] == 35
    refused = run("webhooks", "release", "postmark", "--yes", env=ENV)
    assert refused.returncode == 2
    assert (
        json.loads(run("webhooks", "release", "resend", "--yes", "--json", env=ENV).stdout)["reports"] == 35
    )
    assert "35 reports not applied yet" in run("webhooks", "status", env=ENV).stdout
    assert "warning" not in run("status", env=ENV).stdout


def test_who_sends_while_a_flood_is_held_is_told(run: Run, tmp_path: Path) -> None:
    done = run("init", "n", "--name", "N", "--from", "a@n.example", "--postal-address", "1 Street", env=ENV)
    assert done.returncode == 0, done.stderr
    made = Desk(tmp_path / "n" / ".newsletter", 60)
    made.send(people=60)
    with made.db.write() as tx:
        tx.execute("UPDATE sends SET slug = 'earlier', number = 9")
    made.tell(*(made.event(EventType.COMPLAINED, number=n) for n in range(1, 61)))
    made.db.close()
    page = run("send", "1", "--dry-run", cwd=tmp_path / "n", env=ENV)
    assert page.returncode == 0, page.stderr
    assert "35 reports of resend held: those people are still mailed" in page.stdout


def test_a_discarded_flood_suppresses_nobody(run: Run, tmp_path: Path, desk: Callable[[int], Desk]) -> None:
    made = desk(60)
    made.send(people=60)
    made.tell(*(made.event(EventType.COMPLAINED, number=n) for n in range(1, 61)))
    made.db.close()
    assert run("webhooks", "discard", "resend", "--yes", env=ENV).returncode == 0
    assert run("webhooks", "status", env=ENV).stdout == "Every report was applied.\n"
    with SqliteDatabase(tmp_path / ".newsletter" / "newsletter.db") as database:
        assert database.query("SELECT count(*) FROM subscribers WHERE status = 'active'") == [(35,)]


def test_stats_show_an_issue_and_all_of_them(run: Run, desk: Callable[[int], Desk]) -> None:
    made = desk(10)
    assert "Nothing was sent yet" in run("stats", env=ENV).stdout
    made.send(people=10)
    made.tell(
        *(made.event(EventType.DELIVERED, number=n) for n in range(1, 9)),
        made.event(EventType.BOUNCED, number=9, bounce=BounceClass.HARD),
        made.event(EventType.COMPLAINED, number=1),
    )
    made.db.close()
    done = run("stats", "hello", env=ENV)
    assert done.returncode == 0, done.stderr
    assert "delivered            8  80.00 %" in done.stdout
    assert "10.00 %: 1 hard" in done.stdout
    assert "Gmail turns mail away" in done.stdout
    assert "opened" not in done.stdout
    one = json.loads(run("stats", "1", "--json", env=ENV).stdout)
    assert one.pop("links") == []
    assert (one["issue"], one["delivered"], one["bounced"], one["complained"]) == ("hello", 8, 1, 1)
    assert json.loads(run("stats", "--json", env=ENV).stdout) == [one]
    assert "Hello" in run("stats", env=ENV).stdout
