"""What became of a send, as a user asks for it: status, reconcile, the refused again, a copied store, a sandbox."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli.running import told_once
from tests.cli.test_send import PEOPLE, Home
from tests.fakes.ledger import Fault
from tests.fakes.postmark import FakePostmark
from tests.fakes.smtp import FakeSmtp
from tests.send.desk import in_memory, set_status


@pytest.fixture
def home() -> Iterator[Home]:
    with in_memory() as folder:
        yield Home(folder)


@contextmanager
def through_smtp(home: Home, *faults: Fault) -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        for fault in faults:
            server.faults.add(fault)
        home.settings(
            f'[provider]\nname = "smtp"\nhost = "127.0.0.1"\nport = {server.port}\nstarttls = false'
        )
        yield server


@contextmanager
def through_postmark(home: Home, more: str = "") -> Iterator[FakePostmark]:
    with FakePostmark() as server:
        home.settings(f'[provider]\nname = "postmark"\nbase_url = "{server.url}"\n{more}')
        home.env["NEWSLETTER_POSTMARK_API_KEY"] = server.secret
        yield server


IN_THREES = "[sending]\nbatch = 3\nconnections = 1"


def stopped_after(home: Home, server: FakePostmark, *, calls: int) -> None:
    """A send whose key is refused after so many calls: it is paused, and the rest still to go."""
    server.faults.add(Fault("POST", "401", after=calls))
    _, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE), code=1)
    assert "the send is paused" in err
    server.faults.clear()


REFUSED = (
    Fault("RCPT", "550 5.1.1 no such user", match="<r3@"),
    Fault("RCPT", "550 5.7.1 not\x1b[31m here", match="<r9@"),
)


def mailed(server: FakeSmtp) -> dict[str, int]:
    return dict(server.ledger.recipients)


# Who didn't get it ------------------------------------------------------------------------------------


def test_after_a_send_the_table_names_the_command_that_lists_the_refused(home: Home) -> None:
    with through_smtp(home, *REFUSED, Fault("END", "accept-close", match="r5@")):
        out, _ = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE))
        assert re.search(r"rejected +2 .*newsletter status hello --failed", out)
        out, _ = home.run("status", "1", "--failed")
    lines = out.splitlines()
    assert lines[0].endswith(": 2 refused, 1 unknown")
    assert re.match(r" +address +state +attempts +reason$", lines[1])
    assert re.match(r"  r3@example.org +rejected +1 +550 5\.1\.1 no such user$", lines[2])
    assert "\x1b" not in out
    assert re.match(r"  r5@example.org +unknown +1 +", lines[4])
    assert lines[5] == "Try the refused again: newsletter resume hello --failed"
    listed = home.json("status", "1", "--failed")["deliveries"]
    assert [(one["email"], one["state"], one["attempts"]) for one in listed] == [
        ("r3@example.org", "rejected", 1),
        ("r9@example.org", "rejected", 1),
        ("r5@example.org", "unknown", 1),
    ]
    assert listed[0]["reason"] == "550 5.1.1 no such user"


def test_who_left_before_their_turn_is_listed_with_the_reason(home: Home) -> None:
    with through_postmark(home, IN_THREES) as server:
        stopped_after(home, server, calls=1)
        with home.store() as db:
            set_status(db, "r12@example.org", "unsubscribed")
        assert home.json("resume", "1", "--yes")["skipped"] == 1
    [one] = home.json("status", "1", "--failed")["deliveries"]
    assert (one["email"], one["state"], one["reason"]) == ("r12@example.org", "skipped", "unsubscribed")


def test_nobody_failed_is_said_in_words(home: Home) -> None:
    home.send()
    out, _ = home.run("status", "1", "--failed")
    assert out.strip().endswith(": nobody was refused or left out")
    assert home.json("status", "1", "--failed")["deliveries"] == []
    _, err = home.run("status", "--failed", code=2)
    assert "newsletter status ISSUE --failed" in err


# The refused again ------------------------------------------------------------------------------------


def test_only_the_refused_are_tried_again_and_the_count_must_be_known(home: Home) -> None:
    with through_smtp(home, *REFUSED, Fault("END", "accept-close", match="r5@")) as server:
        home.run("send", "1", "--yes", "--expect-count", str(PEOPLE))
        before = mailed(server)
        _, err = home.run("resume", "1", "--failed", code=2)
        assert "--yes --expect-count 2" in err
        home.run("resume", "1", "--failed", "--yes", code=2)
        home.run("resume", "1", "--failed", "--yes", "--expect-count", "3", code=2)
        assert home.json("status", "1")["rejected"] == 2
        server.faults.clear()
        ended = home.json("resume", "1", "--failed", "--yes", "--expect-count", "2")
        assert (ended["accepted"], ended["rejected"], ended["unknown"]) == (PEOPLE - 1, 0, 1)
        again = {email for email, count in mailed(server).items() if count != before.get(email, 0)}
        assert again == {"r3@example.org", "r9@example.org"}
        _, err = home.run("resume", "1", "--failed", "--yes", "--expect-count", "0", code=1)
        assert "nobody of the last send of `hello` was refused" in err


def test_who_was_refused_and_left_since_is_left_alone(home: Home) -> None:
    with through_smtp(home, *REFUSED) as server:
        home.run("send", "1", "--yes", "--expect-count", str(PEOPLE))
        server.faults.clear()
        with home.store() as db:
            set_status(db, "r3@example.org", "unsubscribed")
        assert home.json("resume", "1", "--failed", "--yes", "--expect-count", "1")["rejected"] == 1
        _, err = home.run("resume", "1", "--failed", "--yes", "--expect-count", "1", code=1)
        assert "the 1 who were have left the list since" in err
        assert "r3@example.org" not in mailed(server)


# A cancelled send -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "hint"), [(0, "newsletter send 1\n"), (1, "newsletter send 1 --new-only\n")]
)
def test_a_cancelled_send_is_not_gone_on_with_and_the_way_to_the_others_is_named(
    home: Home, calls: int, hint: str
) -> None:
    with through_postmark(home, IN_THREES) as server:
        stopped_after(home, server, calls=calls)
        home.run("cancel", "1", "--yes")
        for arguments in (("--yes",), ("--failed", "--yes", "--expect-count", "1")):
            _, err = home.run("resume", "1", *arguments, code=1)
            assert re.search(r"the send of `hello` was cancelled on \d{4}-\d\d-\d\d", err)
            assert err.endswith(hint)
        assert len(server.ledger.entries) == 3 * calls


def test_nobody_is_asked_about_a_send_that_is_over_or_was_none(home: Home) -> None:
    _, err = home.run("cancel", "1", code=2)
    assert "was not sent yet" in err
    home.send()
    _, err = home.run("cancel", "1", code=2)
    assert "there is nothing to stop" in err


# Asking the provider ----------------------------------------------------------------------------------


def lost(home: Home, server: FakePostmark) -> None:
    server.faults.add(Fault("POST", "accept-close"))
    out, _ = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE))
    assert f"  unknown    {PEOPLE}  " in out
    server.faults.clear()


def test_reconcile_asks_the_provider_by_itself_and_says_what_it_found(home: Home) -> None:
    with through_postmark(home) as server:
        lost(home, server)
        server.indexed = False
        out, _ = home.run("reconcile", "1")
        assert f"asked postmark about {PEOPLE}: 0 were accepted, {PEOPLE} not found; its index may lag" in out
        assert "newsletter reconcile hello --mark-sent" in out
        server.indexed = True
        calls = len(server.calls)
        assert home.json("reconcile", "1", "--offline")["unknown"] == PEOPLE
        assert len(server.calls) == calls
        found = home.json("reconcile", "1")
        [asked] = found["asked"]
        assert (asked["provider"], asked["asked"], asked["accepted"]) == ("postmark", PEOPLE, PEOPLE)
        assert (found["unknown"], found["deliveries"]) == (0, [])
    assert home.json("status", "1")["accepted"] == PEOPLE
    assert set(server.ledger.recipients.values()) == {1}


def test_before_anything_is_sent_again_the_provider_is_asked(home: Home) -> None:
    with through_postmark(home) as server:
        lost(home, server)
        # All of them are found: there is nothing left to send again.
        assert home.json("reconcile", "1", "--resend", "--yes", "--expect-count", "12")["changed"] == 0
    assert home.json("status", "1")["accepted"] == PEOPLE


def test_a_provider_that_will_not_say_is_a_sentence_and_the_list_is_shown_all_the_same(home: Home) -> None:
    with through_postmark(home) as server:
        lost(home, server)
        home.env["NEWSLETTER_POSTMARK_API_KEY"] = "another"
        out, _ = home.run("reconcile", "1")
        assert f"postmark wasn't asked about {PEOPLE}: " in out
        assert "Server API token" in out
        del home.env["NEWSLETTER_POSTMARK_API_KEY"]
        out, _ = home.run("reconcile", "1")
        assert "NEWSLETTER_POSTMARK_API_KEY is missing" in out
        assert f"the answer was lost for {PEOPLE}" in out


# Webhooks ---------------------------------------------------------------------------------------------


def delivered(server: FakePostmark, record: str = "Delivery") -> list[dict[str, Any]]:
    return [
        {
            "RecordType": record,
            "MessageID": entry["id"],
            "Recipient": entry["recipient"],
            "DeliveredAt": "2026-01-06T09:00:05Z",
            "Metadata": {"delivery_id": entry["delivery_id"]},
        }
        for entry in server.ledger.entries
    ]


@pytest.mark.parametrize("form", ["lines", "one", "list"])
def test_a_file_of_webhook_bodies_settles_what_they_prove(home: Home, form: str) -> None:
    with through_postmark(home) as server:
        lost(home, server)
        reports = delivered(server)
        text = {
            "lines": "\n".join(json.dumps(report) for report in reports) + "\n\n",
            "one": json.dumps(reports[0], indent=2),
            "list": json.dumps(reports),
        }[form]
        (home.folder / "hooks.json").write_text(text)
        found = home.json("reconcile", "1", "--events", "hooks.json", "--offline")
    settled = 1 if form == "one" else PEOPLE
    assert found["events"] == {"events": settled, "accepted": settled, "rejected": 0}
    assert found["unknown"] == PEOPLE - settled


def test_forged_webhooks_change_nothing(home: Home) -> None:
    with through_postmark(home) as server:
        lost(home, server)
        reports = delivered(server)
        for report in reports:
            token = report["Metadata"]["delivery_id"]
            report["Metadata"]["delivery_id"] = token[:-1] + ("A" if token[-1] != "A" else "Q")
            report["MessageID"] = "guessed"
        (home.folder / "hooks.json").write_text(json.dumps(reports))
        out, _ = home.run("reconcile", "1", "--events", "hooks.json", "--offline")
    assert f"read {PEOPLE} events: 0 turned out to be accepted, 0 refused" in out
    assert home.json("status", "1")["unknown"] == PEOPLE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "hooks.json can't be read: No such file"),
        ('{"RecordType": "Delivery"}\nnot json\n', "hooks.json: line 2 is not JSON"),
        ('{"event": "delivered"}', "body 1 is not what postmark sends"),
        ("[1, 2]", "body 1 is not what postmark sends"),
    ],
)
def test_a_file_that_holds_no_webhooks_is_one_clear_sentence(
    home: Home, text: str | None, words: str
) -> None:
    with through_postmark(home) as server:
        lost(home, server)
        if text is not None:
            (home.folder / "hooks.json").write_text(text)
        _, err = home.run("reconcile", "1", "--events", "hooks.json", code=2)
        assert words in err
    assert home.json("status", "1")["unknown"] == PEOPLE


# A sandbox --------------------------------------------------------------------------------------------


def test_a_sandbox_send_reaches_nobody_and_is_not_mixed_with_a_real_one(home: Home) -> None:
    with through_postmark(home, "sandbox = true") as server:
        sent = home.send()
        assert (sent["state"], sent["accepted"], sent["sandbox"]) == ("sent", PEOPLE, True)
        assert not server.ledger.entries
        out, _ = home.run("status", "1")
        assert "sent (sandbox) through postmark" in out
        assert "nothing was delivered" in out
        out, _ = home.run("status")
        assert "(sandbox)" in out
        home.edit("newsletter.toml", "^sandbox = true$", "sandbox = false")
        # Nobody has it: it is sent as if for the first time.
        real = home.send()
        assert (real["accepted"], real["sandbox"]) == (PEOPLE, False)
        assert set(server.ledger.recipients.values()) == {1}
        assert len(server.ledger.recipients) == PEOPLE
        _, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE), code=2)
        assert "was sent before" in err


@pytest.mark.parametrize("first", ["true", "false"])
def test_a_send_is_finished_in_the_sandbox_or_for_real_as_it_was_begun(home: Home, first: str) -> None:
    then = "false" if first == "true" else "true"
    with through_postmark(home, f"sandbox = {first}") as server:
        stopped_after(home, server, calls=0)
        home.edit("newsletter.toml", f"^sandbox = {first}$", f"sandbox = {then}")
        _, err = home.run("resume", "1", "--yes", code=2)
        assert f"set `sandbox = {first}`" in err
        assert not server.ledger.entries
        home.edit("newsletter.toml", f"^sandbox = {then}$", f"sandbox = {first}")
        assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE
        assert len(server.ledger.entries) == (0 if first == "true" else PEOPLE)


def test_a_mail_server_has_no_sandbox(home: Home) -> None:
    with through_smtp(home) as server:
        home.settings("sandbox = true")
        _, err = home.run("send", "1", "--yes", "--expect-count", str(PEOPLE), code=2)
        assert "SMTP has no sandbox" in err
        assert not server.ledger.entries


# A copy -----------------------------------------------------------------------------------------------


def test_a_copied_folder_goes_on_only_when_told_to_and_then_mails_nobody_by_itself(home: Home) -> None:
    with through_postmark(home, IN_THREES) as server:
        stopped_after(home, server, calls=1)
        assert home.json("status", "1")["accepted"] == 3
        with in_memory() as elsewhere:
            clone = copied(home, elsewhere / "clone")
            assert "\nMind: this store is a copy" in clone.run("status", "1")[0]
            assert "Mind" not in home.run("status", "1")[0]
            assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE
            _, err = clone.run("resume", "1", "--yes", code=1)
            assert "this store is a copy" in err
            assert "newsletter resume hello --take-over" in err
            _, err = clone.run("resume", "1", "--take-over", "--yes", "--expect-count", "1", code=2)
            assert "there are 9, not 1" in err
            taken = clone.json("resume", "1", "--take-over", "--yes", "--expect-count", "9")
            assert (taken["state"], taken["accepted"], taken["unknown"]) == ("sent", 3, 9)
            out, _ = clone.run("reconcile", "1")
            assert "can't be asked about" in out
            _, err = clone.run("resume", "1", "--take-over", code=2)
            assert "nothing to take over" in err
        assert set(server.ledger.recipients.values()) == {1}


def test_what_a_copy_may_not_know_is_said_before_an_issue_is_sent_from_it(home: Home) -> None:
    home.send()
    with in_memory() as elsewhere:
        clone = copied(home, elsewhere / "clone")
        _, err = clone.run("send", "1", "--new-only", "--dry-run", code=1)
        assert "newsletter resume hello --take-over" in err
        clone.run("resume", "1", "--take-over", "--yes", "--expect-count", "0")
        _, err = clone.run("send", "1", "--new-only", "--dry-run", code=2)
        assert "everybody on the list has been sent `hello`" in err
    with in_memory() as elsewhere:
        clone = copied(home, elsewhere / "clone")
        text = (clone.folder / clone.issue).read_text()
        (clone.folder / "issues" / "002-another.md").write_text(text.replace("number: 1\n", "number: 2\n"))
        out, _ = clone.run("send", "2", "--dry-run")
        assert re.search(r"Warning +this store is a copy", out)


def copied(home: Home, folder: Path) -> Home:
    shutil.copytree(home.folder, folder)
    clone = Home.__new__(Home)
    clone.folder, clone.env = folder, home.env
    return clone


# Whom the provider can't reach ------------------------------------------------------------------------


def test_mailboxes_the_provider_cannot_reach_are_counted_before_anything_leaves(home: Home) -> None:
    with home.store() as db, db.write() as tx:
        tx.execute("UPDATE subscribers SET email = 'jürgen@example.org' WHERE id = 3")
        tx.execute("UPDATE subscribers SET email = 'r4@bücher.example' WHERE id = 4")
    with through_postmark(home):
        out, _ = home.run("send", "1", "--dry-run")
        assert f"1 of {PEOPLE} can't be reached through postmark: a mailbox with non-ASCII letters" in out
        assert home.json("send", "1", "--dry-run")["unreachable"] == 1
        sent = home.send()
        assert (sent["accepted"], sent["rejected"]) == (PEOPLE - 1, 1)


def test_a_mail_server_says_itself_whether_it_reaches_letters_outside_ascii(home: Home) -> None:
    with home.store() as db, db.write() as tx:
        tx.execute("UPDATE subscribers SET email = 'jürgen@example.org' WHERE id = 3")
    with through_smtp(home) as server:
        out, _ = home.run("send", "1", "--dry-run")
        assert f"1 of {PEOPLE} can be reached only if the mail server offers SMTPUTF8" in out
        assert home.json("send", "1", "--dry-run")["unreachable"] == 0
        sent = home.send()
        assert (sent["accepted"], sent["rejected"]) == (PEOPLE - 1, 1)
        [refused] = home.json("status", "1", "--failed")["deliveries"]
        assert refused["email"] == "jürgen@example.org"
        assert "the server doesn't offer SMTPUTF8" in refused["reason"]
        server.extensions = ("8BITMIME", "SMTPUTF8")
        assert home.json("resume", "1", "--failed", "--yes", "--expect-count", "1")["accepted"] == PEOPLE
        message = server.messages[-1]
    assert message.recipients == ("jürgen@example.org",)
    assert "\r\nTo: jürgen@example.org\r\n".encode() in message.data


def test_why_a_send_waits_is_said_once_for_each_reason(capsys: pytest.CaptureFixture[str]) -> None:
    tell = told_once()
    for reason, seconds in (("gone", 1.0), ("gone", 4.0), ("gone", 8.0), ("busy\x1b[2J", 60.0)):
        tell(reason, seconds)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "waiting, and trying again: gone"
    assert len(said) == 2
    assert "\x1b" not in said[1]
