"""What can go wrong with a file: wrong version, wrong owner, no permission, no room, several processes at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import StoreError
from newsletter.store.sqlite import SqliteDatabase, migrations

INSERT = "INSERT INTO subscribers (email, match_key, status, created_at, updated_at) VALUES (?, ?, 'active', '', '')"


def schema(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
        ).fetchall()


def test_a_log_whose_store_is_gone_is_not_thrown_away(tmp_path: Path) -> None:
    path, log = tmp_path / "n.db", tmp_path / "n.db-wal"
    with SqliteDatabase(path) as database:
        with database.write() as tx:
            tx.execute(INSERT, ("a@example.com", "a@example.com"))
        committed = log.read_bytes()
        path.unlink()
        with pytest.raises(StoreError, match=r"is gone, but its log n\.db-wal is still there") as caught:
            SqliteDatabase(path)
        assert "from a backup" in caught.value.hint
        assert (log.read_bytes(), path.exists()) == (committed, False)


def test_a_migrated_store_equals_a_fresh_one(tmp_path: Path) -> None:
    fresh, migrated = tmp_path / "fresh.db", tmp_path / "migrated.db"
    SqliteDatabase(fresh).close()
    # Each version opened, used and closed before the next comes along.
    for number, sql in migrations():
        with closing(sqlite3.connect(migrated, isolation_level=None)) as connection:
            connection.executescript(sql)
            connection.execute(f"PRAGMA user_version = {number}")
    SqliteDatabase(migrated).close()
    assert schema(migrated) == schema(fresh)
    assert len(schema(fresh)) > 10


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_that_fails_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "n.db"
    SqliteDatabase(path).close()
    before = schema(path)
    broken = [*migrations(), (len(migrations()) + 1, "CREATE TABLE half (x);\nCREATE TABLE half (x);\n")]
    monkeypatch.setattr("newsletter.store.sqlite.migrations", lambda: broken)
    with pytest.raises(StoreError, match="half"):
        SqliteDatabase(path)
    assert schema(path) == before


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    with SqliteDatabase(path) as database, database.write() as tx:
        tx.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="schema 999; this newsletter knows up to") as caught:
        SqliteDatabase(path)
    assert "upgrade" in caught.value.hint


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="another program's database"):
        SqliteDatabase(path)
    assert [row[1] for row in schema(path)] == ["theirs"]


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=6000))
def test_a_file_that_is_no_database_is_said_to_be_none(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("junk") / "n.db"
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is not a database") as caught:
        SqliteDatabase(path)
    assert caught.value.hint
    assert path.read_bytes() == data


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_store_is_one_clear_sentence(tmp_path: Path, seed: int) -> None:
    import random

    path = tmp_path / "n.db"
    with SqliteDatabase(path) as database:
        with database.write() as tx:
            tx.executemany(INSERT, [(f"p{i}@example.com", f"p{i}@example.com") for i in range(2000)])
        database.checkpoint()
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 40] = rng.randbytes(40)
    path.write_bytes(data)
    with (  # noqa: PT012 - any of these may be the first to notice
        pytest.raises(StoreError, match=r"damaged|not a database") as caught,
        SqliteDatabase(path) as database,
    ):
        list(database.stream("SELECT * FROM subscribers ORDER BY match_key"))
        database.query("SELECT * FROM subscribers ORDER BY match_key")
    assert caught.value.hint


def test_a_full_store_keeps_what_was_committed(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "n.db") as database:
        with database.write() as tx:
            tx.execute(INSERT, ("first", "first"))
        [(pages,)] = database.query("PRAGMA page_count")
        database.query(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(StoreError, match="the disk is full") as caught, database.write() as tx:  # noqa: PT012
            for index in range(5000):
                tx.execute(INSERT, (f"p{index}@example.com", f"p{index}@example.com"))
        assert "make room" in caught.value.hint
        assert database.query("SELECT email FROM subscribers") == [("first",)]
        database.query("PRAGMA max_page_count = 100000")
        with database.write() as tx:
            tx.execute(INSERT, ("second", "second"))
        assert database.query("SELECT count(*) FROM subscribers") == [(2,)]


AS_NOBODY = """
import os, sys
from pathlib import Path
from newsletter.errors import StoreError
from newsletter.store.sqlite import SqliteDatabase, migrations
migrations()
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with SqliteDatabase(Path(sys.argv[1])) as database, database.write() as tx:
        tx.execute("INSERT INTO meta VALUES ('a', 'b')")
except StoreError as error:
    print(error.message, "|", error.hint)
"""


@pytest.mark.parametrize("what", ["folder", "file"])
def test_no_permission_is_one_clear_sentence(what: str) -> None:
    import tempfile

    # Not below pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / "n.db"
        if what == "file":
            SqliteDatabase(path).close()
            path.chmod(0o444)
        folder.chmod(0o555)
        result = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(path)], check=False, capture_output=True, text=True
        )
        assert "can't be opened: Permission denied | give yourself permission" in result.stdout, result
        folder.chmod(0o755)


def test_new_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".newsletter" / "n.db"
    with SqliteDatabase(path) as database, database.write() as tx:
        tx.execute(INSERT, ("a", "a"))
        assert path.parent.stat().st_mode & 0o077 == 0
        for file in path.parent.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


WRITER = """
import sys
from pathlib import Path
from newsletter.store.sqlite import SqliteDatabase
with SqliteDatabase(Path(sys.argv[1])) as database:
    for index in range(150):
        with database.write() as tx:
            [(number,)] = tx.query("SELECT count(*) FROM subscribers")
            email = f"{sys.argv[2]}-{index}-{number}"
            tx.execute(sys.argv[3], (email, email))
"""


def test_processes_that_make_and_write_a_store_at_once_meet_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "new" / "n.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, INSERT], stderr=subprocess.PIPE)
        for name in "abcd"
    ]
    for writer in writers:
        _, said = writer.communicate()
        assert writer.returncode == 0, said.decode()
    with SqliteDatabase(path) as database:
        assert database.query("SELECT count(*) FROM subscribers") == [(600,)]
        # Each saw the count that was true when it wrote: no two transactions overlapped.
        assert database.query(
            "SELECT count(DISTINCT substr(email, length(rtrim(email, '0123456789')) + 1)) FROM subscribers"
        ) == [(600,)]


def test_a_lock_that_is_never_given_back_is_named_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "n.db"
    with SqliteDatabase(path) as one, SqliteDatabase(path) as other, one.write() as tx:
        tx.execute(INSERT, ("a", "a"))
        monkeypatch.setattr("newsletter.store.sqlite._BUSY_SECONDS", 0.05)
        with pytest.raises(StoreError, match="another process has held"), other.write():
            pytest.fail("two writers at once")
        assert other.query("SELECT count(*) FROM subscribers") == [(0,)]


def test_a_mistake_in_our_own_sql_is_not_dressed_up_as_the_users(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "n.db") as database, database.write() as tx:
        tx.execute(INSERT, ("a", "a"))
        with pytest.raises(sqlite3.IntegrityError):
            tx.execute(INSERT, ("a", "a"))


def test_what_is_deleted_is_gone_from_the_files(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    secret = "very.recognisable.person@example.com"
    with SqliteDatabase(path) as database:
        with database.write() as tx:
            tx.execute(INSERT, (secret, secret))
        with database.write() as tx:
            tx.execute("DELETE FROM subscribers")
        database.checkpoint()
        for file in path.parent.iterdir():
            assert secret.encode() not in file.read_bytes()


HOLD = """
import sys
from pathlib import Path
from newsletter.store.sqlite import SqliteDatabase
with SqliteDatabase(Path(sys.argv[1])) as database:
    pass
"""


def test_opening_a_store_twice_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    with SqliteDatabase(path) as first:
        SqliteDatabase(path).close()
        with first.write() as tx:
            tx.execute(INSERT, ("a", "a"))
        # The last to leave deletes the log; another process must not take itself for the last.
        subprocess.run([sys.executable, "-c", HOLD, str(path)], check=True)
        assert path.with_name("n.db-wal").exists()
