"""Keys can be rotated as often as one likes: old links work, who left stays known, and no key is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.app import Workspace
from newsletter.audience.keys import fresh_key, kept_ring, key_id, ring_from_variable, rotate
from newsletter.audience.membership import Audience
from newsletter.audience.suppression import Suppressions, bound_to, fingerprint
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import FakeClock
from newsletter.config import Secrets, Settings
from newsletter.errors import NewsletterError, StoreError, UsageError
from newsletter.store.sqlite import SqliteDatabase

OLD, MIDDLE, NEW = b"the oldest of all keys", b"the one in the middle", b"the newest of the keys"


def workspace(home: Path, **environ: str) -> Workspace:
    return Workspace(home, Settings(), Secrets(home, environ))


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_links_in_old_mails_go_on_working_after_any_number_of_rotations(send: int, person: int) -> None:
    signer = TokenSigner(NEW, MIDDLE, OLD)
    for key in (OLD, MIDDLE, NEW):
        before = TokenSigner(key)
        assert signer.read_unsubscribe(before.unsubscribe(person)) == person
        assert signer.read_preferences(before.preferences(person)) == person
        assert signer.read_delivery(before.delivery(send, person)) == (send, person)
    assert signer.unsubscribe(person) == TokenSigner(NEW).unsubscribe(person)
    assert TokenSigner(OLD).read_unsubscribe(signer.unsubscribe(person)) is None


def test_what_opens_more_than_the_way_out_ends_with_its_key() -> None:
    old, signer = TokenSigner(OLD), TokenSigner(NEW, OLD)
    assert signer.read_manage(old.manage(7, 4_000_000_000, 1), 0) is None
    assert signer.read_left(old.left(7, 8, 4_000_000_000), 0) is None
    assert signer.read_manage(signer.manage(7, 4_000_000_000, 1), 0) == (7, 4_000_000_000, 1)
    assert signer.read_left(signer.left(7, 8, 4_000_000_000), 0) == (7, 8)


def test_keys_that_share_an_id_are_told_apart_by_what_they_sign() -> None:
    twin = next(
        k for n in range(100_000) if key_id(k := b"another key %d" % n) == key_id(OLD) and len(k) >= 16
    )
    signer = TokenSigner(twin, OLD)
    assert signer.read_unsubscribe(TokenSigner(OLD).unsubscribe(5)) == 5
    assert signer.read_unsubscribe(TokenSigner(twin).unsubscribe(6)) == 6


def test_a_rotation_keeps_every_key_and_its_file_private(tmp_path: Path) -> None:
    path = tmp_path / ".newsletter" / "secret.key"
    first = kept_ring(path)
    second = rotate(path)
    third = rotate(path)
    assert kept_ring(path) == third
    assert third[1:] == second
    assert second[1:] == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret.key"]
    assert len({key_id(key) for key in third}) == 3


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    first = kept_ring(path)
    code = "import sys; from pathlib import Path; from newsletter.audience.keys import rotate; rotate(Path(sys.argv[1]))"
    started = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(5)]
    assert [process.wait(timeout=60) for process in started] == [0] * 5
    assert len(set(kept_ring(path))) == 6
    assert kept_ring(path)[-1:] == first


def test_a_ring_with_a_damaged_key_is_neither_used_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    rotate(path)
    broken = path.read_text().replace("\n", "\n???", 1)
    path.write_text(broken)
    for attempt in (kept_ring, rotate):
        with pytest.raises(NewsletterError, match="doesn't hold a key"):
            attempt(path)
    assert path.read_text() == broken


def test_the_variable_holds_several_keys_and_none_that_is_short() -> None:
    assert ring_from_variable(f"{'n' * 32}, {'o' * 32}") == (b"n" * 32, b"o" * 32)
    for value in (f"{'n' * 32},hunter2", f"{'n' * 32},", "hunter2"):
        with pytest.raises(UsageError, match="too short") as caught:
            ring_from_variable(value)
        assert "hunter2" not in caught.value.message + caught.value.hint


def test_an_added_key_never_shares_the_id_of_another() -> None:
    ring = tuple(fresh_key(()).encode() for _ in range(60))
    assert key_id(fresh_key(ring).encode()) not in {key_id(key) for key in ring}


def test_who_left_stays_known_through_rotations_erased_or_not(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "n.db") as database:
        audience = Audience(database, Suppressions(database, OLD), FakeClock())
        for email in ("left@example.com", "erased@example.com"):
            audience.add(email)
        audience.unsubscribe("left@example.com")
        audience.erase("erased@example.com")
        rotated = Suppressions(database, NEW, MIDDLE, OLD)
        with database.write() as tx:
            assert rotated.reason(tx, "left@example.com") == "unsubscribed"
            assert rotated.reason(tx, "erased@example.com") == "erased"
        audience = Audience(database, rotated, FakeClock())
        audience.add("later@example.com")
        audience.unsubscribe("later@example.com")
        with database.write() as tx:
            assert Suppressions(database, OLD).reason(tx, "later@example.com") == "unsubscribed"
        assert bound_to(database) == fingerprint(OLD)


def test_a_store_is_not_opened_with_a_ring_that_lacks_its_key(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "n.db") as database:
        audience = Audience(database, Suppressions(database, OLD), FakeClock())
        audience.add("a@example.com")
        audience.unsubscribe("a@example.com")
        with pytest.raises(StoreError, match="another secret key"):
            Suppressions(database, NEW, MIDDLE)
        assert bound_to(database) == fingerprint(OLD), "a refusal leaves the store as it was"
        Suppressions(database, NEW, OLD)


def test_a_process_that_runs_notices_a_rotation(tmp_path: Path) -> None:
    running, another = workspace(tmp_path), workspace(tmp_path)
    before = running.signer.unsubscribe(1)
    rotate(tmp_path / ".newsletter" / "secret.key")
    after = another.signer.unsubscribe(1)
    assert after != before
    assert running.signer.read_unsubscribe(after) == 1
    assert running.signer.read_unsubscribe(before) == 1
    assert running.signer.unsubscribe(1) == after


def test_a_workspace_takes_a_ring_from_the_environment(tmp_path: Path) -> None:
    alone = workspace(tmp_path, NEWSLETTER_SECRET_KEY="o" * 40)
    ring = workspace(tmp_path, NEWSLETTER_SECRET_KEY=f"{'n' * 40},{'o' * 40}")
    assert ring.secret_key == b"n" * 40
    assert ring.signer.read_unsubscribe(alone.signer.unsubscribe(3)) == 3
    with alone.open_database() as database:
        assert bound_to(database) == fingerprint(b"o" * 40)
    with ring.open_database() as database:
        assert bound_to(database) == fingerprint(b"o" * 40)
