"""An import that is killed, interrupted or runs out of disk leaves the old list, or the whole new one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.app import open_workspace
from newsletter.audience.membership import Audience
from newsletter.audience.transfer import ImportOptions, import_csv
from newsletter.errors import StoreError
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.imports import import_lock, pending_imports
from newsletter.store.sqlite import SqliteDatabase

ROWS = 20_000


@pytest.fixture(scope="module")
def big_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list with leavers, tags and a known person."""
    path = tmp_path_factory.mktemp("big") / "list.csv"
    with path.open("w") as stream:
        stream.write("email,name,tags,status\nold@example.com,Old,t,active\n")
        for i in range(ROWS - 1):
            status = "unsubscribed" if i % 50 == 0 else "active"
            stream.write(f"p{i * 7919 % 1000003}@mail{i % 97}.example.com,Person {i},t{i % 3},{status}\n")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A newsletter with one person on the list."""
    audience = open_workspace(tmp_path).open_audience()
    audience.add("old@example.com", name="Before")
    audience.database.close()
    return tmp_path


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "newsletter", "subscribers", *map(str, arguments)]


def environment(home: Path) -> dict[str, str]:
    return {"NEWSLETTER_HOME": str(home), "PATH": os.environ["PATH"]}


@contextmanager
def opened(home: Path) -> Iterator[Audience]:
    audience = open_workspace(home).open_audience()
    try:
        yield audience
    finally:
        audience.database.close()


def assert_whole(home: Path, path: Path) -> int:
    """The list is the old or the new one; importing once more ends with the new one. Returns how many there were."""
    with opened(home) as audience:
        before = people.count(audience.database)
        assert before in (1, ROWS)
        assert pending_imports(audience.database) == []
        import_csv(audience, path, ImportOptions())
        again = import_csv(audience, path, ImportOptions()).counts
        assert (again.added, again.updated, again.unchanged, again.suppressed) == (0, 0, ROWS, 0)
        by_status = people.counts_by_status(audience.database)
        assert sum(by_status.values()) == ROWS
        [(suppressed,)] = audience.database.query("SELECT count(*) FROM suppressions")
        assert suppressed == by_status[SubscriberStatus.UNSUBSCRIBED] == ROWS // 50
        [(tags,)] = audience.database.query("SELECT count(*) FROM subscriber_tags")
        assert tags == ROWS
    assert list((home / ".newsletter").glob("*.staged*")) == []
    return before


def test_killed_at_any_moment_it_leaves_the_old_list_or_the_new_one(home: Path, big_csv: Path) -> None:
    rng = random.Random(20260106)
    started = time.monotonic()
    subprocess.run(command("import", big_csv), env=environment(home), check=True, capture_output=True)
    whole = time.monotonic() - started
    for round_ in range(4):
        for path in (home / ".newsletter").glob("newsletter.db*"):
            path.unlink()
        with opened(home) as audience:
            audience.add("old@example.com", name="Before")
        process = subprocess.Popen(
            command("import", big_csv), env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(whole * (0.25 + 0.2 * round_ + rng.random() * 0.1))
        process.kill()
        process.communicate()
        assert_whole(home, big_csv)


def kill_while_merging(home: Path, path: Path, sign: signal.Signals) -> tuple[int, int, str]:
    """Stop an import in the midst of its merge; returns its exit code, how many people there are, and its last words."""
    process = subprocess.Popen(
        command("import", path), env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said = b""
    with SqliteDatabase(home / ".newsletter" / "newsletter.db") as database:
        merging = False
        while not merging and process.poll() is None:
            time.sleep(0.001)
            # With the write lock in hand the merge can't go on while we stop it.
            with database.write() as tx:
                if tx.query("SELECT 1 FROM imports WHERE merged_to <> '' AND finished_at = ''"):
                    merging = True
                    process.send_signal(sign)
                    _, said = process.communicate()
        assert merging
        [(number,)] = database.query("SELECT count(*) FROM subscribers")
    return process.returncode, number, said.decode()


def test_killed_while_merging_the_next_command_finishes_it(home: Path, big_csv: Path) -> None:
    code, number, _ = kill_while_merging(home, big_csv, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert 1 < number < ROWS
    shown = subprocess.run(
        command("stats", "--json"), env=environment(home), check=True, capture_output=True, text=True
    )
    assert json.loads(shown.stdout)["total"] == ROWS
    assert assert_whole(home, big_csv) == ROWS


def test_interrupted_while_merging_it_says_what_becomes_of_the_rest(home: Path, big_csv: Path) -> None:
    code, number, said = kill_while_merging(home, big_csv, signal.SIGINT)
    assert code == 130, said
    assert 1 < number < ROWS
    assert "interrupted while merging" in said
    assert "Traceback" not in said
    assert assert_whole(home, big_csv) == ROWS


def test_an_interruption_while_an_address_is_hashed_is_still_an_interruption(
    home: Path, big_csv: Path
) -> None:
    with opened(home) as audience:
        hashed = 0

        def interrupted(key: str) -> bytes:
            nonlocal hashed
            hashed += 1
            if hashed == 300:
                raise KeyboardInterrupt
            return audience.suppressions.address_hmac(key)

        broken = replace(audience, suppressions=_Hashing(interrupted))  # type: ignore[arg-type] # its one method
        with pytest.raises(KeyboardInterrupt):
            import_csv(broken, big_csv, ImportOptions())
        assert pending_imports(audience.database) != []
    assert assert_whole(home, big_csv) == ROWS


class _Hashing:
    def __init__(self, address_hmac: Callable[[str], bytes]) -> None:
        self.address_hmac = address_hmac


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["newsletter", *sys.argv[2:]]
from newsletter.cli import main
main()
"""


@pytest.mark.parametrize("limit", [100_000, 1_000_000, 3_000_000])
def test_a_disk_that_fills_up_is_one_clear_sentence_and_nothing_is_lost(
    home: Path, big_csv: Path, limit: int
) -> None:
    arguments = [sys.executable, "-c", LIMITED, str(limit), *command("import", big_csv)[3:]]
    result = subprocess.run(arguments, env=environment(home), check=False, capture_output=True, text=True)
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    assert result.stderr.count("error") >= 1
    assert "help: " in result.stderr
    assert_whole(home, big_csv)


def test_a_full_file_system_is_one_clear_sentence_and_nothing_is_lost(tmp_path: Path, big_csv: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a tiny file system needs root")
    try:
        with opened(small) as audience:
            audience.add("old@example.com")
        result = subprocess.run(
            command("import", big_csv), env=environment(small), check=False, capture_output=True, text=True
        )
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        assert_whole(small, big_csv)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_two_imports_at_once_are_not_mixed(home: Path, big_csv: Path) -> None:
    with opened(home) as audience, import_lock(audience.database):
        result = subprocess.run(
            command("import", big_csv), env=environment(home), check=False, capture_output=True, text=True
        )
    assert result.returncode == 1
    assert "another import is running" in result.stderr


def test_an_import_whose_staged_rows_are_gone_says_so_once(home: Path, big_csv: Path) -> None:
    kill_while_merging(home, big_csv, signal.SIGKILL)
    [staged] = (home / ".newsletter").glob("*.staged")
    staged.unlink()
    with pytest.raises(StoreError, match=r"staged rows .* are gone"), opened(home):
        pass
    with opened(home) as audience:
        import_csv(audience, big_csv, ImportOptions())
        assert people.count(audience.database) == ROWS


def test_writers_beside_an_import_never_meet_a_lock(home: Path, big_csv: Path) -> None:
    process = subprocess.Popen(
        command("import", big_csv), env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    written = 0
    with opened(home) as audience:
        while process.poll() is None:
            audience.add(f"beside{written}@example.com")
            written += 1
    _, said = process.communicate()
    assert process.returncode == 0, said
    with opened(home) as audience:
        assert people.count(audience.database) == ROWS + written
