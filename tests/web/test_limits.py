"""How much a form may do on somebody's behalf: by mailbox, domain, network and in all; kept across restarts, given back by time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.limits import Limit, SignupLimits, forget, is_disposable, mailbox_of, network_of

LIMITS = SignupLimits(b"a secret key for tests, long enough", 1000)
_WHOM = count()
HOUR, DAY = 3600.0, 86400.0
NOW = 1_767_690_000.0


def admit(database: SqliteDatabase, key: str, client: str, now: float, *, vouched: bool = True) -> str:
    with database.write() as tx:
        return LIMITS.admit(tx, LIMITS.of(key, client, vouched=vouched), now)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(tmp_path / "newsletter.db") as opened:
        yield opened


def test_a_mailbox_is_asked_once_a_day_and_three_times_a_week(database: SqliteDatabase) -> None:
    asked = [
        hour
        for hour in range(7 * 24)
        if not admit(database, "ada@example.com", f"10.0.{hour}.1", NOW + hour * HOUR)
    ]
    # Three at once, then one each 56 hours, and never two within a day.
    assert asked == [0, 24, 48, 72, 112]


def test_a_restart_forgives_nobody(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "newsletter.db") as database:
        assert admit(database, "ada@example.com", "192.0.2.1", NOW) == ""
    with SqliteDatabase(tmp_path / "newsletter.db") as database:
        assert admit(database, "ada@example.com", "192.0.2.1", NOW + 60) == "recipient"
        assert admit(database, "ada@example.com", "192.0.2.1", NOW + DAY) == ""


def test_one_network_asks_for_so_many_and_less_without_our_form(database: SqliteDatabase) -> None:
    vouched = [admit(database, f"a{n}@d{n}.example", "192.0.2.1", NOW) for n in range(62)]
    assert vouched == [""] * 60 + ["network"] * 2
    elsewhere = [admit(database, f"b{n}@d{n}.example", "198.51.100.1", NOW, vouched=False) for n in range(22)]
    assert elsewhere == [""] * 20 + ["network-unvouched"] * 2
    assert admit(database, "c@d.example", "203.0.113.9", NOW) == ""
    assert admit(database, "d@d.example", "192.0.2.200", NOW) == "network", "the same /24"
    assert admit(database, "d@d.example", "192.0.2.200", NOW + 61) == "", "a minute gives one back"


def test_a_small_domain_is_protected_and_a_large_one_is_everybody(database: SqliteDatabase) -> None:
    answers = [admit(database, f"a{n}@small.example", f"10.{n}.0.1", NOW) for n in range(101)]
    assert answers == [""] * 100 + ["domain"]
    assert not any(admit(database, f"a{n}@gmail.com", f"10.{n}.1.1", NOW) for n in range(101))


def test_what_is_over_uses_nothing_up(database: SqliteDatabase) -> None:
    assert admit(database, "ada@example.com", "192.0.2.1", NOW) == ""
    for _ in range(500):
        assert admit(database, "ada@example.com", "192.0.2.1", NOW) == "recipient"
    assert admit(database, "bob@example.com", "192.0.2.1", NOW) == ""


def test_looking_without_charging_keeps_nobody_out(database: SqliteDatabase) -> None:
    with database.write() as tx:
        limits = LIMITS.of("ada@example.com", "192.0.2.1", vouched=True)
        assert LIMITS.admit(tx, limits, NOW, charged=False) == ""
    assert admit(database, "ada@example.com", "192.0.2.1", NOW) == ""


def test_a_clock_set_back_locks_nobody_out_for_longer_than_the_limit(database: SqliteDatabase) -> None:
    assert admit(database, "ada@example.com", "192.0.2.1", NOW + 1000 * DAY) == ""
    assert admit(database, "ada@example.com", "192.0.2.1", NOW) == "recipient"
    assert admit(database, "ada@example.com", "192.0.2.1", NOW + 3 * DAY) == ""


def test_neither_addresses_nor_networks_are_kept_and_old_ones_are_dropped(database: SqliteDatabase) -> None:
    admit(database, "ada@example.com", "192.0.2.1", NOW)
    rows = database.query("SELECT key FROM signup_limits")
    assert rows
    assert all(isinstance(key, bytes) and len(key) == 16 for (key,) in rows)
    with database.write() as tx:
        assert forget(tx, NOW + 8 * DAY) == len(rows)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.floats(0, 600), min_size=1, max_size=60), st.integers(1, 9))
def test_no_window_holds_more_than_a_burst_and_what_time_gave_back(
    database: SqliteDatabase, gaps: list[float], most: int
) -> None:
    limit = Limit("test", str(next(_WHOM)), most, HOUR)
    moments = [NOW + passed for passed in accumulate(gaps)]
    with database.write() as tx:
        admitted = [at for at in moments if not LIMITS.admit(tx, [limit], at)]
    assert admitted[:most] == moments[:most], "a burst is let through"
    for first, start in enumerate(admitted):
        for number, at in enumerate(admitted[first:], 1):
            assert number <= most + (at - start + 1) / (HOUR / most)


@pytest.mark.parametrize(
    ("key", "mailbox"),
    [
        ("ada+list@example.com", "ada@example.com"),
        ("a.d.a@example.com", "a.d.a@example.com"),
        ("a.d.a+x+y@gmail.com", "ada@gmail.com"),
        ("ada@googlemail.com", "ada@gmail.com"),
        ("+odd@example.com", "+odd@example.com"),
    ],
)
def test_spellings_that_end_in_one_mailbox_share_its_limit(key: str, mailbox: str) -> None:
    assert mailbox_of(key) == mailbox


def test_a_household_is_one_network() -> None:
    assert network_of("192.0.2.7") == network_of("192.0.2.250") != network_of("192.0.3.7")
    assert (
        network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    )
    assert network_of("") == network_of("nonsense") == "unknown"


def test_where_no_network_is_known_none_is_limited(database: SqliteDatabase) -> None:
    assert not any(admit(database, f"a{n}@d{n}.example", "", NOW, vouched=False) for n in range(100))


def test_throwaway_domains_are_known_with_what_is_below_them() -> None:
    assert is_disposable("a@mailinator.com")
    assert is_disposable("a@sub.mailinator.com")
    assert not is_disposable("a@notmailinator.com")
    assert not is_disposable("a@example.com")
