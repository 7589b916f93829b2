"""Which time zone is meant by `Europe/London`, `London`, `UTC` or `+01:00`, and which one is this machine's?

Rules of the zones come from the IANA database through `zoneinfo` (PEP 615).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from newsletter.content.suggest import did_you_mean
from newsletter.errors import UsageError

_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?", re.ASCII)
# Names of these are no places: `Etc/GMT+5` even means five hours behind.
_NO_PLACES = ("Etc", "SystemV", "US", "Mexico", "Canada", "Brazil", "Chile")


def zone_called(name: str) -> tzinfo:
    """The zone that the store or the settings name: an IANA key, `UTC`, or an offset such as `+01:00`.

    Raises:
        UsageError: there is none of this name.
    """
    if name == "UTC":
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset:
        return _fixed(offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"there is no time zone `{name}`", hint=_advice(name)) from None


def find_zone(words: str) -> str:
    """The name of the zone a person means: any form of `zone_called`, in any case, or a city alone.

    Raises:
        UsageError: nothing or more than one place is called so.
    """
    words = " ".join(words.split())
    bare = re.sub(r"^(?:UTC|GMT)\s*(?=[+-])", "", words, flags=re.IGNORECASE)
    offset = _OFFSET.fullmatch(bare)
    if offset:
        return fixed_name(_fixed(offset))
    key = words.replace(" ", "_")
    if key.casefold() in ("utc", "z", "gmt", "etc/utc"):
        return "UTC"
    keys, cities = _keys()
    if key in keys.values():
        return key
    found = keys.get(key.casefold()) or cities.get(key.casefold())
    if found is None:
        raise UsageError(f"there is no time zone `{words}`", hint=_advice(key))
    return found


def place(name: str) -> str:
    """What a zone is called in a sentence: its city where no other has that, else its whole name."""
    city = name.rpartition("/")[2]
    return city.replace("_", " ") if _keys()[1].get(city.casefold()) == name else name


def fixed_name(zone: tzinfo) -> str:
    """The name of a zone that is always the same hours ahead: `+01:00`, or `UTC`."""
    shift = zone.utcoffset(None) or timedelta()
    if not shift:
        return "UTC"
    sign = "-" if shift < timedelta() else "+"
    minutes, seconds = divmod(int(abs(shift).total_seconds()), 60)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def system_zone(environ: Mapping[str, str] | None = None, localtime: Path = Path("/etc/localtime")) -> str:
    """The name of this machine's zone: `TZ`, else where `/etc/localtime` leads; `UTC` where that has no name."""
    named = (os.environ if environ is None else environ).get("TZ", "").removeprefix(":")
    for name in (named, str(localtime.resolve()).rpartition("/zoneinfo/")[2]):
        if name and name != "UTC":
            try:
                ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                continue
            return "UTC" if name in ("Etc/UTC", "UTC") else name
    return "UTC"


def moments_at(local: datetime, zone: tzinfo) -> list[datetime]:
    """The moments, in UTC, at which clocks in `zone` show `local` (PEP 495).

    None where they were set forward over it, two where they were set back, else one.
    """
    moments = sorted({local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})
    return [moment for moment in moments if moment.astimezone(zone).replace(tzinfo=None) == local]


def _fixed(offset: re.Match[str]) -> tzinfo:
    hours, minutes, seconds = (int(offset[n] or 0) for n in (2, 3, 4))
    if hours > 23 or minutes > 59 or seconds > 59:
        raise UsageError(f"no time zone is {offset[0]} from UTC", hint="write an offset such as +01:00")
    shift = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-shift if offset[1] == "-" else shift)


@cache
def _keys() -> tuple[dict[str, str], dict[str, str]]:
    """All keys, and those that only one zone's city has; both by the name in lower case."""
    names = sorted(available_timezones())
    cities = {name: name.rpartition("/")[2].casefold() for name in names if _is_place(name)}
    times = Counter(cities.values())
    keys = {name.casefold(): name for name in names}
    return keys, {city: n for n, city in cities.items() if times[city] == 1 and city not in keys}


def _is_place(name: str) -> bool:
    region, _, rest = name.partition("/")
    return bool(rest) and region not in _NO_PLACES


def _advice(name: str) -> str:
    keys, cities = _keys()
    if not keys:
        return "this system has no time zone database: install its tzdata package, or pip install tzdata"
    if re.fullmatch(r"[A-Za-z]{2,5}", name) and name.isupper():
        return "an abbreviation belongs to several zones: name the place, such as Europe/London"
    known = [*keys.values(), *(city.replace("_", " ").title() for city in cities)]
    meant = did_you_mean(name.rpartition("/")[2] if "/" not in name else name, known)
    return meant or "name one such as Europe/London, London, UTC or +01:00"
