"""From a message over real SMTP to its bounce in a mailbox, by the commands alone."""

from __future__ import annotations

import email
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_send import PEOPLE, Home
from tests.fakes.mailboxes import PASSWORD, USER, imap, settings
from tests.fakes.smtp import FakeSmtp, Received
from tests.send.desk import in_memory


@pytest.fixture
def home() -> Iterator[Home]:
    with in_memory() as folder:
        yield Home(folder)


def table(title: str, /, **values: object) -> str:
    return f"[{title}]\n" + "\n".join(
        f'{key} = "{v}"' if isinstance(v, str) else f"{key} = {v}" for key, v in values.items()
    )


def sent(home: Home) -> list[Received]:
    """The messages as a mail server got them."""
    with FakeSmtp() as server:
        home.settings(
            table(
                "provider",
                name="smtp",
                host="127.0.0.1",
                port=server.port,
                bounce_address="bounces@example.com",
            )
        )
        home.settings(table("web", unsubscribe_address="leave@example.com"))
        home.send()
        return list(server.messages)


def bounce(message: Received) -> bytes:
    [recipient] = message.recipients
    return (
        f"From: MAILER-DAEMON@mx.example.net\nTo: {message.sender}\nSubject: Undelivered Mail\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n--b--\n"
    ).encode()


def leave(message: Received) -> bytes:
    """What a mail program sends for who presses Unsubscribe and whose program knows `mailto:` only."""
    header = str(email.message_from_bytes(message.data)["List-Unsubscribe"])
    [address] = re.findall(r"<mailto:([^?>]+)\?subject=unsubscribe>", header)
    return f"From: {message.recipients[0]}\nTo: {address.upper()}\nSubject: unsubscribe\n\n".encode()


def test_a_bounce_and_a_wish_to_leave_come_back_and_are_carried_out(home: Home) -> None:
    messages = sent(home)
    assert len({message.sender for message in messages}) == PEOPLE
    reply = b"From: x@example.org\nSubject: Lovely\n\nThanks!\n"
    with imap(bounce(messages[0]), leave(messages[1]), reply) as server:
        home.settings(table("bounces", **settings(server, "imap")))
        home.env["NEWSLETTER_BOUNCES_PASSWORD"] = PASSWORD
        dry = home.json("bounces", "poll", "--dry-run")
        assert dry["results"] == {"hard bounce": 1, "unsubscribed": 1, "not a report": 1}
        assert home.json("subscribers", "show", messages[0].recipients[0])["status"] == "active"
        out, err = home.run("bounces", "poll", "--once")
        assert f"hard bounce  {messages[0].recipients[0]}" in out
        assert "3 mails read" in out
        assert PASSWORD not in out + err
        assert list(server.folders["INBOX"].values()) == [reply]
        assert home.run("bounces", "poll", "--once")[0] == "Nothing new in the mailbox.\n"
    status = [home.json("subscribers", "show", message.recipients[0])["status"] for message in messages[:3]]
    assert status == ["bounced", "unsubscribed", "active"]


def test_what_is_missing_is_said_with_a_way_out(home: Home) -> None:
    assert "--maildir" in home.run("bounces", "poll", "--once", code=2)[1]
    home.settings(table("bounces", protocol="imap", host="127.0.0.1", port=1, user=USER))
    assert "NEWSLETTER_BOUNCES_PASSWORD" in home.run("bounces", "poll", "--once", code=2)[1]
    home.env["NEWSLETTER_BOUNCES_PASSWORD"] = PASSWORD
    assert "nothing is lost" in home.run("bounces", "poll", "--once", code=1)[1]


def test_it_goes_on_looking_until_it_is_told_to_end(home: Home) -> None:
    messages = sent(home)
    maildir = home.folder / "Maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    (maildir / "new" / "1.a").write_bytes(bounce(messages[0]))
    with home.start("bounces", "poll", "--maildir", str(maildir)) as process:
        wait_for(maildir / ".Newsletter-Done" / "cur" / "1.a:2,S", process)
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "1 mail read: 1 hard bounce." in out
    assert home.json("subscribers", "show", messages[0].recipients[0])["status"] == "bounced"


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
