"""This machine's part: a store that is whole or isn't, room, clock, permissions; nothing is changed by looking."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from newsletter.checks.setup import machine_lines as machine
from newsletter.checks.setup.line import Line, Status
from newsletter.store.sqlite import SqliteDatabase

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "newsletter.db"
    with SqliteDatabase(path) as database, database.write() as tx:
        tx.executemany(
            "INSERT INTO subscribers (email, match_key, status, name, created_at, updated_at) VALUES (?, ?, 'active', ?, ?, ?)",
            [(f"r{n}@x.dev", f"r{n}@x.dev", "N" * 200, "2026-01-01", "2026-01-01") for n in range(400)],
        )
    return path


def judged(path: Path) -> dict[str, Line]:
    return {line.id: line for line in machine.judge_store(path, 5)}


def test_a_store_that_is_whole_passes_and_stays_as_it_is(store: Path) -> None:
    before = store.read_bytes()
    lines = judged(store)
    assert {line.status for line in lines.values()} == {Status.OK}
    assert set(lines) == {"machine.store", "machine.log", "machine.lock"}
    assert machine.count_active(store) == 400
    assert store.read_bytes() == before


def test_a_store_that_isnt_there_is_not_made(tmp_path: Path) -> None:
    [line] = machine.judge_store(tmp_path / "newsletter.db", 5)
    assert line.status is Status.OK
    assert machine.count_active(tmp_path / "newsletter.db") == 0
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found(store: Path) -> None:
    data = bytearray(store.read_bytes())
    for at in range(8192, len(data) - 4096, 4096):
        data[at : at + 600] = b"\xff" * 600
    store.write_bytes(data)
    [line] = judged(store).values()
    assert (line.status, ".recover" in line.advice) == (Status.FAIL, True), line


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["PRAGMA user_version = 9999"], "knows up to"),
        (["PRAGMA application_id = 7"], "another program"),
    ],
)
def test_a_store_that_isnt_for_us_is_refused(store: Path, statements: list[str], said: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        for statement in statements:
            connection.execute(statement)
    [line] = judged(store).values()
    assert (line.status, said in line.answer) == (Status.FAIL, True), line


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db"
    path.write_bytes(b"hello" * 1000)
    [line] = judged(path).values()
    assert (line.status, "no database" in line.answer) == (Status.FAIL, True), line


def test_a_lock_that_is_held_is_a_warning(store: Path) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        lines = judged(store)
        assert (lines["machine.store"].status, lines["machine.lock"].status) == (Status.OK, Status.WARN)
        other.execute("ROLLBACK")


def test_a_store_too_large_for_the_time_is_left_unjudged(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) "
            "INSERT INTO subscribers (email, match_key, status, name, created_at) "
            "SELECT i || '@y.dev', i || '@y.dev', 'active', hex(randomblob(250)), '2026' FROM n"
        )
    # On a busy machine the timer may come when all is read: then it is asked once more.
    found = [machine.judge_store(store, 0.001)[0] for _ in range(5)]
    stopped = [line for line in found if line.status is Status.UNKNOWN]
    assert stopped
    assert "quick_check" in stopped[0].advice


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        (0, Status.OK),
        (-4, Status.OK),
        (45, Status.WARN),
        (-45, Status.WARN),
        (-400, Status.FAIL),
        (400, Status.FAIL),
    ],
)
def test_the_clock_is_held_against_that_of_others(seconds: int, status: Status) -> None:
    theirs = format_datetime(NOW - timedelta(seconds=seconds), usegmt=True)
    line = machine.judge_clock({"resend": (theirs, NOW)}, NOW, NOW)
    assert line.status is status
    assert ("ahead" in line.answer) is (seconds >= 45)


def test_a_clock_that_was_set_back_is_noticed_without_asking_anybody() -> None:
    assert machine.judge_clock({}, NOW + timedelta(days=1), NOW).status is Status.FAIL
    assert machine.judge_clock({}, NOW - timedelta(days=1), NOW).status is Status.OK
    assert machine.judge_clock({"x": ("no date", NOW)}, NOW, NOW).status is Status.OK


def test_what_others_may_read_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret, store = tmp_path / "secret.key", tmp_path / "newsletter.db"
    secret.write_text("k")
    store.write_text("s")
    secret.chmod(0o600)
    store.chmod(0o644)
    line = machine.judge_permissions((secret, store, tmp_path / ".env"))
    assert (line.status, "newsletter.db" in line.answer, "secret.key" in line.answer) == (
        Status.WARN,
        True,
        False,
    )
    tmp_path.chmod(0o700)
    assert machine.judge_permissions((secret, store)).status is Status.OK


def test_room_is_measured_against_what_a_send_writes(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert machine.judge_disk(tmp_path, 10, keeps_mails=False).status is Status.OK
    assert machine.judge_disk(tmp_path, free // 1000, keeps_mails=False).status is Status.FAIL
    assert machine.judge_disk(tmp_path, free // 200_000, keeps_mails=True).status is Status.WARN


def test_extras_that_lack_something_are_named_with_what_installs_them() -> None:
    known = set(metadata.metadata("newsletter-toolkit").get_all("Provides-Extra") or [])
    assert set(machine.missing_extras()) <= known - {"test"}
    [_, line] = machine.judge_python(["diagrams", "mcp"])
    assert line.advice == 'pip install "newsletter-toolkit[diagrams,mcp]"'
    assert len(machine.judge_python([])) == 1


def test_a_store_that_could_never_be_made_fails_before_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / ".newsletter").write_text("")
    [line] = machine.judge_store(tmp_path / ".newsletter" / "newsletter.db", 5)
    assert line.status is Status.FAIL
    assert line.answer == f"not there yet, and {tmp_path / '.newsletter'} is a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_in_a_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    [line] = machine.judge_store(tmp_path / "newsletter.db", 5)
    tmp_path.chmod(0o755)
    assert line.status is Status.FAIL
    assert line.answer.endswith("can't be written")


def test_a_full_disk_says_nothing_of_readers_there_are_none_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=0))
    assert machine.judge_disk(tmp_path, 0, keeps_mails=True).answer == "0 MB free"
    assert "a send to 7 writes" in machine.judge_disk(tmp_path, 7, keeps_mails=True).answer
