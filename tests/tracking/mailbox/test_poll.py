from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from newsletter.errors import NewsletterError, UsageError
from newsletter.tracking.mailbox import boxes, poll
from newsletter.tracking.mailbox.boxes import BoxOptions
from newsletter.tracking.mailbox.intake import Intake, Settled
from newsletter.tracking.mailbox.poll import Look, Memory, look, one_at_a_time, open_box
from tests.fakes.mailboxes import PASSWORD, USER, Mailbox, imap, pop3
from tests.tracking.mailbox.corpus import CASES
from tests.tracking.reported import SIGNER, Desk

MAILS = {case.name: case for case in CASES}
BOUNCE = MAILS["postfix-user-unknown"].mail(1)
COMPLAINT = MAILS["arf-headers-only"].mail(2)
REPLY = MAILS["reply"].mail(3)
LONG_LINE = b"Subject: Lunch?\r\nFrom: x@example.org\r\n\r\n" + b"y" * 50_000 + b"\r\n.\r\n..\r\n"


class Polling:
    """A mailbox that is looked into, and the list behind."""

    def __init__(self, folder: Path, options: BoxOptions) -> None:
        self.folder, self.options = folder, options
        self.desk = Desk(folder, people=3)
        with self.desk.db.write() as tx:
            tx.execute("UPDATE subscribers SET email = 'ann@mail.example.org' WHERE id = 1")
        self.desk.send("smtp")
        self.intake = Intake(self.desk.audience, SIGNER, self.desk.applier)

    def take(self, mails: Sequence[bytes]) -> list[Settled]:
        """Take mails in, and commit."""
        with self.desk.db.write() as tx:
            return self.intake.take(tx, mails)

    def look(self, *, limit: int = 100, dry_run: bool = False, options: BoxOptions | None = None) -> Look:
        """One look, as the command does it."""
        box = open_box(options or self.options)
        try:
            take = self.take if not dry_run else lambda mails: self.intake.look(self.desk.db, mails)
            return look(box, Memory(self.folder / "read.json", "it"), take, limit=limit, dry_run=dry_run)
        finally:
            box.close()

    def status(self, number: int) -> str:
        """Where a reader stands."""
        [(status,)] = self.desk.db.query("SELECT status FROM subscribers WHERE id = ?", (number,))
        return str(status)

    def events(self) -> int:
        """How many reports were kept."""
        [(count,)] = self.desk.db.query("SELECT count(*) FROM events")
        return int(count)


def options_of(server: Mailbox, protocol: str, folder: Path) -> BoxOptions:
    return BoxOptions(
        protocol,
        "127.0.0.1",
        server.port,
        USER,
        copies=folder / "copies",
        password=SecretStr(PASSWORD),
        timeout=60,
    )


def maildir(folder: Path, *mails: bytes) -> Path:
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    for number, mail in enumerate(mails):
        (folder / "new" / f"{number}.M1.host").write_bytes(mail)
    return folder


Serve = Callable[..., AbstractContextManager[Mailbox]]


@pytest.fixture(params=["imap", "pop3"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Mailbox, Polling]]:
    serve = {"imap": imap, "pop3": pop3}[request.param]
    with serve(BOUNCE, COMPLAINT, REPLY) as server:
        polling = Polling(tmp_path, options_of(server, request.param, tmp_path))
        yield server, polling
        polling.desk.db.close()


def kept_copies(polling: Polling, server: Mailbox, folder: str = "Newsletter-Done") -> int:
    """How many mails were moved out of the way, wherever that is."""
    if polling.options.protocol == "imap":
        return len(server.folders.get(folder, {}))
    return len(list((polling.options.copies / folder / "cur").glob("*")))


def test_what_is_ours_is_moved_away_and_the_rest_stays_and_is_read_once(
    served: tuple[Mailbox, Polling],
) -> None:
    server, polling = served
    found = polling.look()
    assert found.results == {"hard bounce": 1, "complaint": 1, "not a report": 1}
    assert (polling.status(1), polling.status(2), polling.status(3)) == ("bounced", "complained", "active")
    assert list(server.folders["INBOX"].values()) == [REPLY]
    assert kept_copies(polling, server) == 2
    assert polling.look().read == 0


def test_a_dry_run_changes_nothing_anywhere(served: tuple[Mailbox, Polling]) -> None:
    server, polling = served
    assert polling.look(dry_run=True).read == 3
    assert polling.events() == 0
    assert len(server.folders["INBOX"]) == 3
    assert not (polling.folder / "read.json").exists()
    assert not {"MOVE", "COPY", "STORE", "DELE", "CREATE"} & set(server.commands)


@pytest.mark.parametrize("when", ["cut_before", "cut_after"])
@pytest.mark.parametrize(
    ("served", "word"),
    [("imap", "FETCH"), ("imap", "MOVE"), ("pop3", "RETR"), ("pop3", "DELE"), ("pop3", "QUIT")],
    indirect=["served"],
)
def test_a_connection_that_breaks_anywhere_loses_nothing_and_counts_nothing_twice(
    served: tuple[Mailbox, Polling], when: str, word: str
) -> None:
    server, polling = served
    setattr(server, when, word)
    with suppress(NewsletterError):  # said where the break is before the last word
        polling.look()
    before = polling.events()
    polling.look()
    assert (polling.status(1), polling.status(2)) == ("bounced", "complained")
    assert polling.events() == 2 >= before
    everywhere = len(server.folders["INBOX"]) + kept_copies(polling, server)
    assert everywhere == 3
    assert polling.look().read == 0


def test_a_crash_between_the_commit_and_the_move_repeats_the_mail_and_changes_nothing(
    served: tuple[Mailbox, Polling],
) -> None:
    server, polling = served
    box = open_box(polling.options)

    def take_and_die(mails: Sequence[bytes]) -> list[Settled]:
        polling.take(mails)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(box, Memory(polling.folder / "read.json", "it"), take_and_die, limit=10)
    box.close()
    assert polling.status(1) == "bounced"
    assert len(server.folders["INBOX"]) == 3
    again = polling.look()
    assert again.read == 3
    assert [settled.result for settled in again.shown] == ["not a report"]
    assert polling.events() == 2


def test_a_look_is_bounded_and_says_that_there_is_more(served: tuple[Mailbox, Polling]) -> None:
    _, polling = served
    assert (polling.look(limit=2).more, polling.look(limit=2).more) == (True, False)


def test_what_is_too_large_or_no_mail_is_set_aside_with_a_reason(
    served: tuple[Mailbox, Polling], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, polling = served
    monkeypatch.setattr(poll, "LARGEST_MAIL", 40_000)
    server.folders["INBOX"] = {8: b"\x00\x01 no headers\r\n", 9: LONG_LINE}
    found = polling.look()
    assert [reason for _, reason in found.aside] == [
        "it has no headers: this is no mail",
        "0 MB is more than the 0 MB that are read",
    ]
    # Over POP3 the large one was never fetched, so it stays where it is.
    assert len(server.folders["INBOX"]) == (0 if polling.options.protocol == "imap" else 1)
    assert not polling.look().aside


def test_lines_longer_than_the_standard_allows_are_read(served: tuple[Mailbox, Polling]) -> None:
    server, polling = served
    server.folders["INBOX"] = {5: LONG_LINE}
    box = open_box(polling.options)
    [entry] = box.waiting()
    assert box.read(entry) == LONG_LINE
    box.close()


def test_a_wrong_password_is_said_without_saying_it(served: tuple[Mailbox, Polling]) -> None:
    _, polling = served
    wrong = replace(polling.options, password=SecretStr("let-me-in"))
    with pytest.raises(NewsletterError) as raised:
        polling.look(options=wrong)
    assert "let-me-in" not in raised.value.message + raised.value.hint


def test_nobody_there_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with imap() as server:
        options = options_of(server, "imap", tmp_path)
    for protocol in ("imap", "pop3"):
        with pytest.raises(NewsletterError, match="the mailbox"):
            open_box(replace(options, protocol=protocol))


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 UIDPLUS"])
def test_a_server_without_move_copies_and_deletes(tmp_path: Path, capabilities: str) -> None:
    with imap(BOUNCE, REPLY) as server:
        server.capabilities = capabilities
        polling = Polling(tmp_path, options_of(server, "imap", tmp_path))
        polling.look()
        assert len(server.folders["Newsletter-Done"]) == 1
        assert (1 in server.folders["INBOX"]) is ("UIDPLUS" not in capabilities)
        assert polling.look().read == 0
        polling.desk.db.close()


def test_a_maildir_is_tidied_by_renaming(tmp_path: Path) -> None:
    folder = maildir(tmp_path / "Maildir", BOUNCE, COMPLAINT, REPLY, b"\xff\n")
    polling = Polling(tmp_path, BoxOptions("maildir", path=folder))
    found = polling.look()
    assert found.results == {"hard bounce": 1, "complaint": 1, "not a report": 1}
    assert sorted(p.name for p in (folder / ".Newsletter-Done" / "cur").iterdir()) == [
        "0.M1.host:2,S",
        "1.M1.host:2,S",
    ]
    assert [p.name for p in (folder / ".Newsletter-Aside" / "cur").iterdir()] == ["3.M1.host:2,F"]
    # A mail program looks at what is left.
    (folder / "new" / "2.M1.host").rename(folder / "cur" / "2.M1.host:2,S")
    assert polling.look().read == 0
    polling.desk.db.close()


def test_a_damaged_memory_costs_a_second_look_and_nothing_else(tmp_path: Path) -> None:
    folder = maildir(tmp_path / "Maildir", REPLY)
    polling = Polling(tmp_path, BoxOptions("maildir", path=folder))
    polling.look()
    (tmp_path / "read.json").write_text('{"it": ', "utf-8")
    assert polling.look().read == 1
    assert polling.look().read == 0
    polling.desk.db.close()


def test_two_looks_at_once_are_one_too_many(tmp_path: Path) -> None:
    with (
        one_at_a_time(tmp_path),
        pytest.raises(NewsletterError, match="another process"),
        one_at_a_time(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": ""}, "no mailbox is named"),
        ({"protocol": "maildir", "path": Path("/nonexistent")}, "not a Maildir"),
        ({"host": ""}, "`bounces.host` is missing"),
        ({"user": ""}, "`bounces.user` is missing"),
        ({"password": None}, "NEWSLETTER_BOUNCES_PASSWORD"),
        ({"host": "mail.example.com", "tls": False}, "clear text"),
    ],
)
def test_a_missing_setting_is_named(changes: dict[str, object], said: str) -> None:
    options = BoxOptions("imap", "127.0.0.1", 1, "u", password=SecretStr("p"))
    with pytest.raises(UsageError) as raised:
        open_box(replace(options, **changes))  # type: ignore[arg-type]
    assert said in raised.value.message + raised.value.hint


def test_the_largest_mail_holds_an_issue_with_its_pictures() -> None:
    assert boxes.LARGEST_MAIL >= 8 * 1024 * 1024
