"""When is `Tuesday 09:00 Europe/London`, and how is a moment said back? Words in, moments out, no clock of its own.

What the words leave open is decided the way a person means it; what can't be decided (an hour that
clocks skip or show twice, a date of another weekday, a time that is past) is refused with the way out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from newsletter.errors import UsageError
from newsletter.send.zones import find_zone, fixed_name, moments_at, place, zone_called

# An issue planned further ahead is a slip of the pen more often than a plan.
FURTHEST: Final = timedelta(days=400)
FORMS: Final = (
    '"Tuesday 09:00 Europe/London", "tomorrow 9:00", "today 18:30", "2026-11-24 09:00", '
    '"2026-11-24T09:00+01:00" or "in 2 hours"'
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_LATER: Final = "name a later time, or leave --at out to send now"
_UNITS: Final = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def _any_of(names: tuple[str, ...]) -> str:
    # Cut to no fewer than three letters: Tue, Tues, Tuesday.
    return "|".join("".join((n[:3], *(f"(?:{c}" for c in n[3:]), ")?" * len(n[3:]))) for n in names)


_DAY: Final = (
    r"(?:(?P<near>today|tomorrow)"
    r"|(?P<iso>\d{4}-\d{2}-\d{2})"
    rf"|(?P<weekday>{_any_of(WEEKDAYS)})?\.?,?\s*(?:(?P<day>\d{{1,2}})\.?\s+(?P<month>{_any_of(_MONTHS)})\.?(?:\s+(?P<year>\d{{4}}))?)?)"
)
_TIME: Final = r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2})(?::(?P<second>\d{2}))?)?\s*(?P<half>(?:am|pm)\b)?"
_MOMENT: Final = re.compile(
    rf"{_DAY}(?:,?\s+(?:at\s+)?|T){_TIME}(?![\d:.])(?P<zone>.*)", re.IGNORECASE | re.ASCII | re.DOTALL
)
_TIME_ALONE: Final = re.compile(rf"{_TIME}(?![\d:.-])(?P<zone>.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_SPAN: Final = re.compile(
    r"(?P<count>\d{1,6}|an?)\s*(?P<unit>week|day|hour|minute|min|second|sec)s?", re.IGNORECASE | re.ASCII
)
_SPANS: Final = re.compile(
    rf"in\s+{_SPAN.pattern}(?:(?:,?\s+(?:and\s+)?){re.sub('[?]P<[a-z]+>', '?:', _SPAN.pattern)})*",
    re.IGNORECASE | re.ASCII,
)
# As `in_words` writes it: the place, then how its clocks are set.
_LABELLED: Final = re.compile(r"(?P<place>[^()]*)\((?P<label>[^()]*)\)", re.DOTALL)
_TAIL: Final = re.compile(r",\s*in\s+\d[\w ]*$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A moment somebody chose.

    Attributes:
        moment: in UTC.
        zone: the zone it was said in, as `zones.zone_called` knows it.
        named: whether the words named the zone.
    """

    moment: datetime
    zone: str
    named: bool


def read_moment(text: str, *, now: datetime, zone: str) -> Chosen:
    """The moment that `text` means, after `now`.

    Args:
        text: see `FORMS`; also what `in_words` wrote.
        now: in any zone.
        zone: of a time that names none.

    Raises:
        UsageError: it can't be read, is past or too far ahead, or clocks skip it or show it twice.
    """
    words = " ".join(text.split())
    if not words or len(words) > 100 or not words.isprintable():
        raise _unreadable(words)
    if _SPANS.fullmatch(words):
        return _within(Chosen(_after(words, now, zone), zone, named=False), now, words)
    match = _MOMENT.fullmatch(words)
    if match is None:
        if not words.isdigit() and _TIME_ALONE.fullmatch(words):
            raise UsageError(
                f"`{words}` doesn't say on which day", hint=f'say "today {words}" or "tomorrow {words}"'
            )
        raise _unreadable(words)
    if not any(match[part] for part in ("near", "iso", "weekday", "day")):
        raise _unreadable(words)
    tail = match["zone"]
    if match["year"]:
        # The whole of what was said back, "in 2 days" included, may be said again.
        tail = _TAIL.sub("", tail)
    named, label = _named_zone(tail)
    zone = named or zone
    clock = zone_called(zone)
    local = datetime.combine(_on_day(match, now.astimezone(clock), words), _at_time(match, words))
    if match["weekday"] and not match["day"] and _is_over(local, clock, now):
        local += timedelta(days=7)
    _refuse_far(local - now.astimezone(clock).replace(tzinfo=None), words)
    return _within(Chosen(_only(local, zone, label, words), zone, named=bool(named)), now, words)


def in_words(moment: datetime, zone: str) -> str:
    """`Tuesday 24 November 2026, 09:00 in London (GMT)`; `read_moment` gives the same moment for it."""
    clock = zone_called(zone)
    local = moment.astimezone(clock)
    seconds = f":{local.second:02}" if local.second else ""
    hour = f"{local.hour:02}:{local.minute:02}{seconds}"
    day = f"{WEEKDAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year:04}, {hour}"
    if zone == "UTC":
        return f"{day} UTC"
    if zone[0] in "+-":
        return f"{day} ({_label(local)})"
    return f"{day} in {place(zone)} ({_label(local)})"


def until(moment: datetime, now: datetime) -> str:
    """`in 1 day 16 hours`, `3 minutes ago`, `now`: the two largest units that say something."""
    seconds = round((moment - now).total_seconds())
    left, parts = abs(seconds), list[str]()
    for unit in ("day", "hour", "minute", "second"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{count:,} {unit}{'s' if count != 1 else ''}")
        if len(parts) == 2 or (unit == "day" and count >= 7) or (parts and not count):
            break
    if not parts:
        return "now"
    return f"in {' '.join(parts)}" if seconds > 0 else f"{' '.join(parts)} ago"


# The parts of a moment ------------------------------------------------------------------------------


def _named_zone(text: str) -> tuple[str, str]:
    """The zone at the end of the words, or empty; and what is said in brackets about its clocks."""
    text = text.strip(" ,")
    labelled = _LABELLED.fullmatch(text)
    label = ""
    if labelled:
        text, label = labelled["place"].strip(), labelled["label"].strip()
    if text[:3].casefold() == "in ":
        text = text[3:]
    if not text:
        return (find_zone(label), "") if label else ("", "")
    return find_zone(text), label


def _on_day(match: re.Match[str], now: datetime, words: str) -> date:
    """The day that is meant, seen from `now` in the zone of the words."""
    today = now.date()
    if match["near"]:
        return today + timedelta(days=match["near"].casefold() == "tomorrow")
    try:
        if match["iso"]:
            return date.fromisoformat(match["iso"])
        weekday = _position(match["weekday"], WEEKDAYS) if match["weekday"] else None
        if not match["day"]:
            assert weekday is not None
            return today + timedelta(days=(weekday - today.weekday()) % 7)
        month = _position(match["month"], _MONTHS) + 1
        day = date(int(match["year"] or today.year), month, int(match["day"]))
        if not match["year"] and day < today:
            day = day.replace(year=day.year + 1)
    except (ValueError, OverflowError):
        raise UsageError(f"`{words}`: there is no such day", hint="look at the calendar again") from None
    if weekday is not None and day.weekday() != weekday:
        raise UsageError(
            f"`{words}`: {day.day} {_MONTHS[day.month - 1]} {day.year} is a {WEEKDAYS[day.weekday()]}",
            hint="correct the day or the date",
        )
    return day


def _at_time(match: re.Match[str], words: str) -> time:
    hour, half = int(match["hour"]), (match["half"] or "").casefold()
    wrong = not 1 <= hour <= 12 if half else match["minute"] is None
    if half and not wrong:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        if wrong:
            raise ValueError  # noqa: TRY301 - one sentence for all wrong times
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0))
    except ValueError:
        raise UsageError(
            f"`{words}`: the time can't be read", hint="write it like 09:00, 18:30 or 9am"
        ) from None


def _after(words: str, now: datetime, zone: str) -> datetime:
    """So much later: weeks and days on the calendar, whatever clocks do meanwhile; the rest in true time."""
    days = seconds = 0
    for found in _SPAN.finditer(words):
        count = 1 if found["count"][0] in "aA" else int(found["count"])
        unit = found["unit"].casefold()
        unit = {"min": "minute", "sec": "second"}.get(unit, unit)
        if unit in ("week", "day"):
            days += count * (7 if unit == "week" else 1)
        else:
            seconds += count * _UNITS[unit]
    _refuse_far(timedelta(days=days, seconds=seconds), words)
    moment = now.astimezone(UTC)
    if days:
        local = now.astimezone(zone_called(zone)).replace(tzinfo=None) + timedelta(days=days)
        whole = local.replace(microsecond=0)
        moment = _only(whole, zone, "", words).replace(microsecond=local.microsecond)
    moment += timedelta(seconds=seconds)
    return moment.replace(microsecond=0) + timedelta(seconds=bool(moment.microsecond))


def _only(local: datetime, zone: str, label: str, words: str) -> datetime:
    """The one moment at which clocks in `zone` show `local`.

    Raises:
        UsageError: there is none, or two and `label` doesn't say which.
    """
    clock = zone_called(zone)
    moments = moments_at(local, clock)
    if label:
        fitting = [m for m in moments if _is_labelled(m.astimezone(clock), label)]
        if moments and not fitting:
            raise UsageError(
                f"`{words}`: clocks in {place(zone)} show {_label(moments[0].astimezone(clock))} then, not {label}",
                hint="leave the brackets out",
            )
        moments = fitting
    if len(moments) == 1:
        return moments[0]
    when = f"{local:%H:%M} on {WEEKDAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    if not moments:
        before = local.replace(tzinfo=clock, fold=1).astimezone(UTC).astimezone(clock)
        after = local.replace(tzinfo=clock, fold=0).astimezone(UTC).astimezone(clock)
        raise UsageError(
            f"`{words}`: there is no {when} in {place(zone)}: clocks are set forward over it",
            hint=f'say "{before:%Y-%m-%d %H:%M}" or "{after:%Y-%m-%d %H:%M}"',
        )
    first, second = (f"{local:%Y-%m-%dT%H:%M}{_offset(m.astimezone(clock))}" for m in moments)
    raise UsageError(
        f"`{words}`: {when} comes twice in {place(zone)}: clocks are set back over it",
        hint=f'for the first say "{first}", for the second "{second}"',
    )


def _is_over(local: datetime, clock: tzinfo, now: datetime) -> bool:
    moments = moments_at(local, clock)
    return bool(moments) and moments[-1] <= now


def _within(chosen: Chosen, now: datetime, words: str) -> Chosen:
    """`chosen`, unless it is past."""
    if chosen.moment <= now:
        raise UsageError(
            f"`{words}` is past: {in_words(chosen.moment, chosen.zone)}, {until(chosen.moment, now)}",
            hint=_LATER,
        )
    return chosen


def _refuse_far(ahead: timedelta, words: str) -> None:
    if ahead > FURTHEST:
        raise UsageError(
            f"`{words}` is more than a year ahead",
            hint=f"look at the year; an issue is scheduled {FURTHEST.days} days ahead at most",
        )
    if -ahead > FURTHEST:
        raise UsageError(f"`{words}` is long past", hint=_LATER)


# How clocks are set ---------------------------------------------------------------------------------


def _offset(local: datetime) -> str:
    shift = local.utcoffset()
    assert shift is not None
    return "+00:00" if not shift else _fixed_text(shift)


def _fixed_text(shift: timedelta) -> str:
    from datetime import timezone

    return fixed_name(timezone(shift))


def _hours(local: datetime) -> str:
    """`UTC+1`, `UTC-3:30`."""
    sign, hours, minutes = re.fullmatch(r"(.)(\d\d):(.*)", _offset(local)).groups()  # type: ignore[union-attr]
    return f"UTC{sign}{int(hours)}" + ("" if minutes == "00" else f":{minutes}")


def _label(local: datetime) -> str:
    """`GMT` where that says all; with the offset where it doesn't, as in the hour that comes twice."""
    name = local.tzname() or ""
    twice = local.tzinfo is not None and len(moments_at(local.replace(tzinfo=None), local.tzinfo)) > 1
    if not name.isalpha() or name.startswith("UTC"):
        return _hours(local)
    return f"{name}, {_hours(local)}" if twice else name


def _is_labelled(local: datetime, label: str) -> bool:
    said = {part.strip().casefold() for part in label.split(",")}
    names = {(local.tzname() or "").casefold(), _hours(local).casefold(), _offset(local)}
    # Clocks at Greenwich in winter, and a zone of that name, are called by either.
    return said <= (names if local.utcoffset() else names | {"gmt", "utc"})


def _position(name: str, names: tuple[str, ...]) -> int:
    return next(n for n, full in enumerate(names) if full[:3].casefold() == name[:3].casefold())


def _unreadable(words: str) -> UsageError:
    if not words:
        return UsageError("no time is named", hint=f"write it like {FORMS}")
    shown = "".join(c if c.isprintable() else "�" for c in words[:60])
    return UsageError(f"`{shown}` is not a time that can be read", hint=f"write it like {FORMS}")
