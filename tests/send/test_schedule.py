"""Words to a moment and back: every form a person writes, every hour clocks play tricks with."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.errors import UsageError
from newsletter.send.schedule import FORMS, WEEKDAYS, in_words, read_moment, until
from newsletter.send.zones import find_zone, fixed_name, moments_at, place, system_zone, zone_called

NOW = datetime(2026, 11, 22, 16, 59, 30, tzinfo=UTC)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
MOMENTS = st.integers(631_152_000, 3_786_912_000).map(
    lambda s: datetime.fromtimestamp(s, UTC)
)  # 1990 to 2090


def words(text: str, *, now: datetime = NOW, zone: str = "Europe/Berlin") -> str:
    chosen = read_moment(text, now=now, zone=zone)
    return in_words(chosen.moment, chosen.zone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Tuesday 09:00 Europe/London", "Tuesday 24 November 2026, 09:00 in London (GMT)"),
        ("tue 9:00 london", "Tuesday 24 November 2026, 09:00 in London (GMT)"),
        ("Tues at 9am in New York", "Tuesday 24 November 2026, 09:00 in New York (EST)"),
        ("tuesday  9.00", "Tuesday 24 November 2026, 09:00 in Berlin (CET)"),
        ("tomorrow 9:00", "Monday 23 November 2026, 09:00 in Berlin (CET)"),
        ("today 18:30", "Sunday 22 November 2026, 18:30 in Berlin (CET)"),
        ("sunday 18:00", "Sunday 22 November 2026, 18:00 in Berlin (CET)"),
        ("sunday 17:59", "Sunday 29 November 2026, 17:59 in Berlin (CET)"),
        ("today 12pm UTC-9", "Sunday 22 November 2026, 12:00 (UTC-9)"),
        ("tomorrow 12am", "Monday 23 November 2026, 00:00 in Berlin (CET)"),
        ("2026-11-24 09:00", "Tuesday 24 November 2026, 09:00 in Berlin (CET)"),
        ("2026-11-24T09:00:15+01:00", "Tuesday 24 November 2026, 09:00:15 (UTC+1)"),
        ("2026-11-24T09:00-0330", "Tuesday 24 November 2026, 09:00 (UTC-3:30)"),
        ("2026-11-24T09:00Z", "Tuesday 24 November 2026, 09:00 UTC"),
        ("24 Nov 09:00", "Tuesday 24 November 2026, 09:00 in Berlin (CET)"),
        ("2 january, 7pm", "Saturday 2 January 2027, 19:00 in Berlin (CET)"),
        ("in 2 hours", "Sunday 22 November 2026, 19:59:30 in Berlin (CET)"),
        ("in an hour and 30 min", "Sunday 22 November 2026, 19:29:30 in Berlin (CET)"),
        ("in 3 weeks", "Sunday 13 December 2026, 17:59:30 in Berlin (CET)"),
        ("2026-11-24 09:00 Etc/GMT+5", "Tuesday 24 November 2026, 09:00 in Etc/GMT+5 (UTC-5)"),
    ],
)
def test_what_a_person_writes_is_said_back_in_full(text: str, said: str) -> None:
    assert words(text) == said


@pytest.mark.parametrize(
    ("text", "message", "way_out"),
    [
        ("", "no time is named", FORMS),
        ("soon", "`soon` is not a time that can be read", FORMS),
        ("x" * 5000, "is not a time that can be read", FORMS),
        ("Tuesday\x1b[2J 09:00", "is not a time that can be read", FORMS),
        ("9:00", "doesn't say on which day", "tomorrow 9:00"),
        ("next tuesday 09:00", "is not a time that can be read", FORMS),
        ("Tuesday 25:00", "the time can't be read", "09:00"),
        ("Tuesday 13pm", "the time can't be read", "9am"),
        ("Tuesday 09", "the time can't be read", "09:00"),
        ("Wednesday 24 November 2026 09:00", "24 November 2026 is a Tuesday", "correct the day"),
        ("31 February 09:00", "there is no such day", "calendar"),
        ("today 9:00", "is past: Sunday 22 November 2026, 09:00 in Berlin (CET), 8 hours 59", "later"),
        ("0001-01-01 00:00", "is long past", "later"),
        ("in 0 seconds", "is past", "later"),
        ("2062-11-24 09:00", "is more than a year ahead", "look at the year"),
        ("9999-12-31 23:59", "is more than a year ahead", "look at the year"),
        ("in 99999 weeks", "is more than a year ahead", "look at the year"),
        ("Tuesday 09:00 Europe/Lodnon", "no time zone `Europe/Lodnon`", "did you mean `Europe/London`?"),
        ("Tuesday 09:00 PST", "no time zone `PST`", "an abbreviation belongs to several zones"),
        ("Tuesday 09:00 ../../etc/passwd", "no time zone", "Europe/London"),
        ("Tuesday 09:00 America", "no time zone `America`", "?"),
        ("Tuesday 09:00 +31:00", "no time zone is +31:00 from UTC", "+01:00"),
        ("Tuesday 09:00 London (BST)", "clocks in London show GMT then, not BST", "brackets"),
    ],
)
def test_what_cant_be_meant_is_refused_with_the_way_out(text: str, message: str, way_out: str) -> None:
    with pytest.raises(UsageError) as refused:
        words(text)
    assert message in refused.value.message
    assert way_out in refused.value.hint


def test_an_hour_that_clocks_skip_is_refused_and_its_neighbours_are_offered() -> None:
    with pytest.raises(UsageError) as refused:
        words("2027-03-28 01:30 London")
    assert "there is no 01:30 on Sunday 28 March 2027 in London" in refused.value.message
    for offered in ("2027-03-28 00:30", "2027-03-28 02:30"):
        assert offered in refused.value.hint
        assert words(f"{offered} London")
    with pytest.raises(UsageError, match="clocks are set forward"):
        words("in 1 day", now=datetime(2027, 3, 27, 1, 30, tzinfo=UTC), zone="Europe/London")


def test_an_hour_that_comes_twice_is_refused_and_both_are_offered() -> None:
    with pytest.raises(UsageError) as refused:
        words("2027-10-31 01:30 London")
    assert "comes twice in London" in refused.value.message
    offered = [part for part in refused.value.hint.split('"') if part.startswith("2027")]
    moments = [read_moment(text, now=NOW, zone="UTC").moment for text in offered]
    assert [m.hour for m in moments] == [0, 1]
    assert words("31 October 2027, 01:30 in London (GMT)").endswith("(GMT, UTC+0)")
    assert words("31 October 2027, 01:30 in London (BST)").endswith("(BST, UTC+1)")


def test_days_are_those_of_the_calendar_and_hours_are_true_hours() -> None:
    eve = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
    assert words("in 1 day", now=eve, zone="Europe/London") == "Sunday 28 March 2027, 12:00 in London (BST)"
    assert (
        words("in 24 hours", now=eve, zone="Europe/London") == "Sunday 28 March 2027, 13:00 in London (BST)"
    )


@given(MOMENTS, st.sampled_from(ZONES), st.integers(1, 300 * 86_400))
@example(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/London", 60)
@example(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/London", 60)
@example(datetime(2026, 4, 4, 15, 15, tzinfo=UTC), "Australia/Lord_Howe", 60)
@example(datetime(2026, 2, 14, 23, 30, tzinfo=UTC), "Africa/Casablanca", 60)
@example(datetime(2026, 2, 14, 23, 30, tzinfo=UTC), "GMT", 60)
def test_what_is_said_back_means_the_same_moment_in_every_zone(
    moment: datetime, zone: str, ahead: int
) -> None:
    now = moment - timedelta(seconds=ahead)
    said = in_words(moment, zone)
    for text in (said, f"{said}, {until(moment, now)}", said.upper()):
        assert read_moment(text, now=now, zone="Asia/Kolkata").moment == moment


@given(MOMENTS, st.integers(-23 * 60 - 59, 23 * 60 + 59), st.integers(1, 10_000))
def test_what_is_said_back_means_the_same_moment_at_every_offset(
    moment: datetime, minutes: int, ahead: int
) -> None:
    sign = "-" if minutes < 0 else "+"
    name = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "UTC"
    assert fixed_name(zone_called(name)) == name
    now = moment - timedelta(seconds=ahead)
    chosen = read_moment(in_words(moment, name), now=now, zone="Asia/Kolkata")
    assert (chosen.moment, chosen.zone, chosen.named) == (moment, name, True)


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(WEEKDAYS), st.times())
def test_a_weekday_is_the_next_one_whose_time_is_still_ahead(
    now: datetime, zone: str, weekday: str, at: time
) -> None:
    text = f"{weekday} {at:%H:%M} {zone}"
    try:
        chosen = read_moment(text, now=now, zone="UTC")
    except UsageError as error:
        assert "clocks are set" in error.message  # noqa: PT017 - the only reason there may be
        return
    local = chosen.moment.astimezone(zone_called(chosen.zone))
    assert (WEEKDAYS[local.weekday()], f"{local:%H:%M}") == (weekday, f"{at:%H:%M}")
    assert timedelta() < chosen.moment - now <= timedelta(days=7, hours=2)


@given(st.text(max_size=120))
def test_any_text_is_a_moment_or_a_sentence(text: str) -> None:
    try:
        moment = read_moment(text, now=NOW, zone="Europe/London").moment
    except UsageError as error:
        moment, said = NOW, error
    else:
        said = UsageError("", hint="none")
    assert moment > NOW or (said.message.isprintable() and said.hint)


@given(st.sampled_from(ZONES), MOMENTS)
def test_a_moment_is_among_those_its_own_clock_shows(zone: str, moment: datetime) -> None:
    clock = ZoneInfo(zone)
    assert moment in moments_at(moment.astimezone(clock).replace(tzinfo=None), clock)


def test_every_zone_is_found_by_its_name_in_any_case_and_by_what_it_is_called_here() -> None:
    for zone in ZONES:
        for name in (zone, place(zone)):
            found = find_zone(name)
            assert found == zone or (found == "UTC" and ZoneInfo(zone).utcoffset(NOW) == timedelta())
    assert find_zone("new york") == "America/New_York"
    assert find_zone("europe/LONDON") == "Europe/London"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (1, "in 1 second"),
        (90, "in 1 minute 30 seconds"),
        (3600, "in 1 hour"),
        (3605, "in 1 hour"),
        (40 * 3600, "in 1 day 16 hours"),
        (8 * 86_400 + 3600, "in 8 days"),
        (-7500, "2 hours 5 minutes ago"),
    ],
)
def test_how_long_until_then_is_said_in_the_two_units_that_matter(seconds: int, said: str) -> None:
    assert until(NOW + timedelta(seconds=seconds), NOW) == said


def test_the_zone_of_this_machine_is_what_tz_or_the_system_names(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    plain = tmp_path / "copy"
    plain.write_bytes(b"TZif")
    assert system_zone({"TZ": "Asia/Tokyo"}, link) == "Asia/Tokyo"
    assert system_zone({"TZ": ":Asia/Tokyo"}, link) == "Asia/Tokyo"
    assert system_zone({}, link) == "Europe/Berlin"
    assert system_zone({"TZ": "nonsense"}, link) == "Europe/Berlin"
    assert system_zone({}, plain) == "UTC"
