"""What does a person mean by "at most 14 messages a second", and how is such a number said back?"""

from __future__ import annotations

import math
import re
from typing import Final

_SECONDS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_UNITS: Final = {"a second": 1, "a minute": 60, "an hour": 3600}
_NUMBER: Final = r"(?P<number>\d{1,3}(?:[,_]\d{3})+|\d+(?:\.\d+)?)"
_WHAT: Final = r"(?:\s*(?:messages?|mails?|e-?mails?|recipients?|calls?|requests?))?"
# No rate anybody keeps has more to it, and no number in it is infinite.
_LONGEST: Final = 60
_AT_MOST: Final = r"(?:(?:at most|up to|no more than|max\.?|maximum)\s+)?"
# Compiled where one is read: settings without such words are read at the beginning of every command.
_RATE: Final = rf"(?i){_AT_MOST}{_NUMBER}{_WHAT}(?:\s*(?:/|\b(?:per|an?|each|every)\b)\s*(?P<unit>[a-z]+))?"
_COUNT: Final = rf"(?i){_AT_MOST}{_NUMBER}{_WHAT}(?:\s*(?:/|\b(?:per|a|each|every)\b)\s*(?:day|d))?"
_NO_LIMIT: Final = frozenset({"", "none", "no limit", "unlimited"})


def parse_rate(value: object, name: str = "rate") -> float:
    """Messages (or calls) a second: a number, or words such as "600 per minute"; 0 for no limit.

    Args:
        value: what the settings say.
        name: of the setting.

    Raises:
        ValueError: it is neither; says so in one sentence, with an example.
    """
    msg = (
        f"`{str(value)[:_LONGEST]}` is no rate: "
        f'write `{name} = 14`, "14 a second", "600 per minute" or "5,000 an hour"; 0 for no limit'
    )
    if isinstance(value, str):
        return _rate_of_words(value.strip(), name, msg)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(msg)
    return float(value)


def _rate_of_words(words: str, name: str, msg: str) -> float:
    if words.lower() in _NO_LIMIT:
        return 0.0
    match = re.fullmatch(_RATE, words)
    seconds = _SECONDS.get((match["unit"] or "second").lower()) if match else None
    if match is None or seconds is None or len(words) > _LONGEST:
        raise ValueError(msg)
    number = _number(match["number"])
    if seconds == _SECONDS["day"]:
        msg = f"a limit for a whole day is a quota: write `daily_quota = {number:.0f}` instead of `{name}`"
        raise ValueError(msg)
    return number / seconds


def parse_daily_quota(value: object) -> int:
    """Messages in 24 hours: a whole number, or words such as "50,000 a day"; 0 for no quota.

    Raises:
        ValueError: it is neither; says so in one sentence, with an example.
    """
    if isinstance(value, str) and value.strip().lower() in _NO_LIMIT:
        return 0
    match = re.fullmatch(_COUNT, value.strip()) if isinstance(value, str) else None
    number = _number(match["number"]) if match else value
    if (
        isinstance(number, bool)
        or not isinstance(number, (int, float))
        or not 0 <= number < 1e12
        or number % 1
    ):
        msg = (
            f"`{str(value)[:60]}` is no number of messages: "
            'write `daily_quota = 50000` or "50,000 a day"; 0 for no quota'
        )
        raise ValueError(msg)
    return int(number)


def rate_in_words(rate: float, *, what: str = "message", each: str = "") -> str:
    """A rate above 0 as it would be said: "14 messages a second", "5,000 messages an hour".

    Args:
        rate: things a second.
        what: one of them.
        each: what is to be said of each: "10 calls of 500 messages a minute".
    """
    numbers = [(rate * seconds, unit) for unit, seconds in _UNITS.items()]
    # In the first unit in which it comes out even, else in the first in which it is one or more.
    even = (n for n in numbers if n[0] >= 1 and math.isclose(n[0], round(n[0]), rel_tol=1e-6))
    number, unit = next(even, None) or next((n for n in numbers if n[0] >= 1), numbers[-1])
    return f"{_plain(number)} {what}{'' if math.isclose(number, 1) else 's'}{each} {unit}"


def duration_in_words(seconds: float) -> str:
    """A span as somebody would say it: "40 seconds", "6 minutes", "2.5 hours", "3 days"."""
    if seconds < 90:
        return _counted(max(1, round(seconds)), "second")
    if seconds < 5400:
        return _counted(round(seconds / 60), "minute")
    if seconds < 172_800:
        return _counted(round(seconds / 3600, 1), "hour")
    return _counted(round(seconds / 86400, 1), "day")


def _counted(amount: float, unit: str) -> str:
    return f"{_plain(amount)} {unit}{'' if amount == 1 else 's'}"


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("_", ""))


def _plain(number: float) -> str:
    """With thousands apart, and as many decimals as say something."""
    if abs(number - round(number)) < 1e-6 * max(1.0, number):
        return f"{round(number):,}"
    return f"{number:,.1f}" if number >= 10 else f"{number:.3g}"
