"""Sending as a user does it: commands, their words, their exit codes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.ledger import Fault
from tests.fakes.resend import FakeResend
from tests.fakes.smtp import FakeSmtp
from tests.running import environment, run_here
from tests.send.desk import add_subscribers, in_memory, set_status

PEOPLE = 12


class Home:
    """A newsletter as `init` makes it, with a list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env: dict[str, str] = {}
        self.run(
            "init", ".", "--name", "Notes", "--from", "Ada <ada@example.com>", "--postal-address", "1 Street"
        )
        with self.store() as db:
            add_subscribers(db, PEOPLE)

    def store(self) -> SqliteDatabase:
        return SqliteDatabase(self.folder / ".newsletter" / "newsletter.db")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "newsletter", *arguments],
            cwd=self.folder,
            env=environment(COLUMNS="120", **self.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Output and error output of a command that ends with `code`; in this process, to save a start."""
        done = run_here(*arguments, cwd=self.folder, env=self.env)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout, done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code)[0])

    def settings(self, text: str) -> None:
        with (self.folder / "newsletter.toml").open("a") as file:
            file.write(f"\n{text}\n")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert re.search(old, text, re.MULTILINE)
        path.write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE))

    @property
    def issue(self) -> str:
        [path] = (self.folder / "issues").glob("*.md")
        return f"issues/{path.name}"

    def outbox(self) -> list[Path]:
        return sorted((self.folder / ".newsletter" / "outbox").glob("*/*.eml"))

    def send(self, *arguments: str, code: int = 0, count: int = PEOPLE) -> Any:
        return self.json("send", "1", "--yes", "--expect-count", str(count), *arguments, code=code)


@pytest.fixture
def home() -> Iterator[Home]:
    with in_memory() as folder:
        yield Home(folder)


CONTRACT = {
    "state",
    "audience",
    "pending",
    "claimed",
    "accepted",
    "rejected",
    "deferred",
    "unknown",
    "skipped",
}


def test_unattended_sending_says_every_count_and_so_does_status(home: Home) -> None:
    before = home.json("status", "1")
    assert (before["state"], before["audience"], before["next"]) == ("not sent", 0, "newsletter send 1")
    sent = home.send()
    assert sent.keys() >= CONTRACT
    assert (sent["state"], sent["audience"], sent["accepted"]) == ("sent", PEOPLE, PEOPLE)
    assert len(home.outbox()) == PEOPLE
    status = home.json("status", "hello")
    assert {key: status[key] for key in CONTRACT} == {key: sent[key] for key in CONTRACT}
    assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE
    [listed] = home.json("status")
    assert listed["issue"] == "hello"


def test_the_ledger_knows_an_issue_whose_file_is_gone(home: Home) -> None:
    path = home.issue
    home.send()
    (home.folder / path).unlink()
    for name in ("1", "hello", path):
        assert home.json("status", name)["accepted"] == PEOPLE
    assert home.json("resume", "hello", "--yes")["state"] == "sent"
    out, _ = home.run("status", "1")
    assert re.search(rf"accepted +{PEOPLE}", out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--yes",), "--yes needs --expect-count"),
        (("--yes", "--expect-count", "11"), "the audience is 12, not 11"),
        ((), "no terminal to ask at"),
        (("--new-only", "--yes", "--expect-count", "12"), "was not sent yet"),
        (("--tag", "nobody", "--yes", "--expect-count", "0"), "no active subscriber with the tag `nobody`"),
        (("--provider", "resnd", "--dry-run"), "there is no provider `resnd`"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_the_way_out(
    home: Home, arguments: tuple[str, ...], words: str
) -> None:
    _, err = home.run("send", "1", *arguments, code=2)
    assert words in err
    assert "help: " in err
    assert home.json("status", "1")["state"] == "not sent"
    assert home.outbox() == []


@pytest.mark.parametrize(
    ("file", "edit", "words"),
    [
        ("newsletter.toml", (r"^postal_address.*$", ""), "no postal address"),
        ("newsletter.toml", (r"^from.*$", ""), "no sender"),
        ("newsletter.toml", (r"^base_url.*$", ""), "no `base_url`"),
        ("issues/001-hello.md", (r"^status: ready$", "status: draft"), "--test you@example.com"),
        ("issues/001-hello.md", (r"^description:.*$", ""), "error[NL"),
    ],
)
def test_what_must_not_leave_is_refused_with_the_way_out(
    home: Home, file: str, edit: tuple[str, str], words: str
) -> None:
    home.edit(file, *edit)
    code = 1 if words.startswith("error[") else 2
    _, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE), code=code)
    assert words in err
    assert "help: " in err
    assert home.outbox() == []


def test_what_only_rendering_finds_is_refused_at_its_place_and_names_what_shows_it_again(home: Home) -> None:
    home.edit(
        home.issue, r"^## Concept", '[Vote](https://vote.ranked.dev/ "{{ subscriber.name }}")\n\n## Concept'
    )
    assert "NL401" in home.run("check", code=1)[0]
    home.run("check", "--no-render")
    out, err = home.run("send", "1", "--dry-run", code=1)
    assert re.search(rf"--> {re.escape(home.issue)}:\d+:34$", out + err, re.MULTILINE)
    assert f"newsletter check {home.issue} shows them again" in err
    assert home.outbox() == []


def test_plain_http_is_for_this_machine_alone(home: Home) -> None:
    home.edit("newsletter.toml", r"^base_url.*$", 'base_url = "http://example.com"')
    home.settings('[provider]\nname = "smtp"\nhost = "127.0.0.1"\nport = 9\nstarttls = false')
    _, err = home.run("send", "1", "--dry-run", code=2)
    assert "https" in err
    home.edit("newsletter.toml", r"^base_url.*$", 'base_url = "http://localhost:8000"')
    home.run("send", "1", "--dry-run")


def test_a_dry_run_shows_the_page_and_a_messages_headers_and_sends_nothing(home: Home) -> None:
    out, _ = home.run("send", "1", "--dry-run")
    for words in (
        "Subject",
        "Preheader",
        "12 active subscribers",
        "outbox",
        "KB of HTML",
        "List-Unsubscribe: <https",
    ):
        assert words in out
    assert home.outbox() == []
    assert home.json("send", "1", "--dry-run")["audience"] == PEOPLE


def test_a_test_message_is_marked_works_for_drafts_and_leaves_no_trace(home: Home) -> None:
    home.edit(home.issue, r"^status: ready$", "status: draft")
    home.run("send", "1", "--test", "me@example.com")
    [message] = home.outbox()
    text = message.read_text()
    assert "To: me@example.com" in text
    assert re.search(r"^Subject: .*\[Test\]", text, re.MULTILINE)
    assert home.json("status", "1")["state"] == "not sent"
    home.run("send", "1", "--test", "me@example.com")
    assert len(home.outbox()) == 2
    home.run("send", "1", "--test", "nobody", code=2)


def test_a_segment_then_the_rest_then_whoever_joins_later(home: Home) -> None:
    with home.store() as db, db.write() as tx:
        tx.execute("INSERT INTO subscriber_tags SELECT id, 'rag' FROM subscribers WHERE id <= 5")
    assert home.send("--tag", "rag", count=5)["accepted"] == 5
    _, err = home.run("send", "1", "--yes", "--expect-count", "12", code=2)
    assert "was sent before" in err
    assert "--new-only" in err
    assert home.send("--new-only", count=7)["accepted"] == 7
    with home.store() as db:
        add_subscribers(db, 1, first=50)
    assert home.send("--new-only", count=1)["accepted"] == 1
    assert len(home.outbox()) == 13
    status = home.json("status", "1")
    assert [entry["accepted"] for entry in status["earlier"]] == [5, 7]


def test_nobody_who_left_gets_it(home: Home) -> None:
    with home.store() as db:
        set_status(db, "r3@example.org", "unsubscribed")
        set_status(db, "r4@example.org", "bounced")
    assert home.send(count=10)["accepted"] == 10


def test_the_first_interrupt_finishes_what_is_under_way_and_resume_does_the_rest(home: Home) -> None:
    with FakeResend(latency=0.3) as server:
        home.settings(
            f'[provider]\nname = "resend"\nbase_url = "{server.url}"\n[sending]\nbatch = 2\nconnections = 1'
        )
        home.env["NEWSLETTER_RESEND_API_KEY"] = "re_test"
        process = home.start("send", "1", "--yes", "--expect-count", str(PEOPLE), "--json")
        while not server.ledger.entries and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130
        assert "newsletter resume hello" in err
        stopped = json.loads(out)
        assert stopped["state"] == "paused"
        assert stopped["unknown"] == stopped["claimed"] == 0
        assert 0 < stopped["accepted"] < PEOPLE
        assert sum(server.ledger.recipients.values()) == stopped["accepted"]
        assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE
        assert set(server.ledger.recipients.values()) == {1}


def test_the_second_interrupt_ends_at_once_and_resume_settles_it(home: Home) -> None:
    with FakeResend(latency=60) as server:
        home.settings(f'[provider]\nname = "resend"\nbase_url = "{server.url}"')
        home.env["NEWSLETTER_RESEND_API_KEY"] = "re_test"
        process = home.start("send", "1", "--yes", "--expect-count", str(PEOPLE))
        while not server.calls and process.poll() is None:
            time.sleep(0.01)
        # What comes within half a second is the same press, as a terminal and a supervisor deliver it.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert not server.ledger.recipients, "it waited for the answer"
        assert process.returncode == 130
        process.communicate()
        server.latency = 0
        assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE
        assert set(server.ledger.recipients.values()) == {1}


def test_pause_cancel_and_a_second_sender_from_another_terminal(home: Home) -> None:
    home.settings("[sending]\nrate = 4\nbatch = 1")
    process = home.start("send", "1", "--yes", "--expect-count", str(PEOPLE))
    while len(home.outbox()) < 2 and process.poll() is None:
        time.sleep(0.01)
    _, err = home.run("resume", "1", "--yes", code=1)
    assert f"being sent already, by process {process.pid}" in err
    _, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE), code=2)
    assert "not finished" in err
    home.run("pause", "1")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "paused by the operator" in err
    home.run("cancel", "1", code=2)
    cancelled = home.json("cancel", "1", "--yes")
    assert cancelled["state"] == "cancelled"
    assert cancelled["accepted"] + cancelled["pending"] == PEOPLE
    _, err = home.run("resume", "1", "--yes", code=1)
    assert "was cancelled on" in err
    assert "newsletter send 1 --new-only" in err
    _, err = home.run("pause", "1", code=2)
    assert "nothing to stop" in err
    left = PEOPLE - cancelled["accepted"]
    home.edit("newsletter.toml", "^rate = 4$", "rate = 0")
    assert home.send("--new-only", count=left)["accepted"] == left
    assert len(home.outbox()) == PEOPLE


def test_why_a_send_stopped_and_what_to_do_are_said_once(home: Home) -> None:
    with FakeResend(secret="another") as server:
        home.settings(f'[provider]\nname = "resend"\nbase_url = "{server.url}"')
        home.env["NEWSLETTER_RESEND_API_KEY"] = "wrong"
        out, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE), code=1)
        said = out + err
        assert said.count("API key is invalid") == 1
        assert said.count("newsletter resume hello") == 1
        # Later, on its own, it has to say both.
        out, _ = home.run("status", "1")
        assert "API key is invalid" in out
        assert "newsletter resume hello" in out
    # Going on with other settings says through whom, and where it will go.
    settings = home.folder / "newsletter.toml"
    settings.write_text(settings.read_text().replace('name = "resend"', 'name = "outbox"'))
    del home.env["NEWSLETTER_RESEND_API_KEY"]
    _, err = home.run("resume", "1", "--yes", code=2)
    assert "NEWSLETTER_RESEND_API_KEY is missing" in err
    assert "goes on through resend" in err


def test_a_provider_s_usual_rate_is_mentioned_only_where_none_is_set(home: Home) -> None:
    home.env["NEWSLETTER_SES_API_KEY"] = "AKIDEXAMPLE:secret"
    home.settings('[provider]\nname = "ses"\nregion = "eu-central-1"')
    out, _ = home.run("send", "1", "--dry-run")
    assert "SES lets a new account send 14 messages a second" in out
    home.settings("[sending]\nrate = 50")
    out, _ = home.run("send", "1", "--dry-run")
    assert "SES lets a new account" not in out
    assert "50 messages a second" in out


def test_an_empty_list_is_called_empty_whatever_was_expected(home: Home) -> None:
    with home.store() as db, db.write() as tx:
        tx.execute("UPDATE subscribers SET status = 'unsubscribed'", ())
    for expected in ("0", "3"):
        _, err = home.run("send", "1", "--yes", "--expect-count", expected, code=2)
        assert "there is no active subscriber" in err
        assert "newsletter subscribers import FILE" in err


def test_what_is_unknown_is_listed_left_alone_and_decided_only_by_a_person(home: Home) -> None:
    with FakeSmtp() as server:
        # The answer to these two's final dot is lost, after acceptance.
        server.faults.add(Fault("END", "accept-close", match="r5@"))
        server.faults.add(Fault("END", "accept-close", match="r8@"))
        home.settings(
            f'[provider]\nname = "smtp"\nhost = "127.0.0.1"\nport = {server.port}\nstarttls = false'
        )
        out, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE))
        assert "unknown" in out
        assert (out + err).count("newsletter reconcile hello") == 1
        found = home.json("reconcile", "1")
        assert [entry["email"] for entry in found["deliveries"]] == ["r5@example.org", "r8@example.org"]
        assert home.json("resume", "1", "--yes")["unknown"] == 2
        home.run("reconcile", "1", "--mark-sent", code=2)
        home.run("reconcile", "1", "--resend", "--yes", "--expect-count", "3", code=2)
        server.faults.clear()
        assert home.json("reconcile", "1", "--resend", "--yes", "--expect-count", "2")["changed"] == 2
        assert home.json("status", "1")["state"] == "paused"
        assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE
        assert server.ledger.recipients["r5@example.org"] == 2
        assert server.ledger.recipients["r1@example.org"] == 1


def test_a_closed_port_is_one_clear_sentence_and_loses_nothing(home: Home) -> None:
    with FakeResend(secret="another") as server:
        home.settings(f'[provider]\nname = "resend"\nbase_url = "{server.url}"')
        home.env["NEWSLETTER_RESEND_API_KEY"] = "re_test"
        _, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE), code=1)
    assert "the send is paused" in err
    assert "newsletter resume hello" in err
    assert "re_test" not in err
    state = home.json("status", "1")
    assert state["pending"] + state["deferred"] == PEOPLE
