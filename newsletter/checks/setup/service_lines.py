"""Can readers leave? The public service as a mailbox provider's one-click sees it, from outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from newsletter.checks.setup.line import Area, Line, Status
from newsletter.checks.setup.web import Outside, Seen

# Certificates of 90 days are renewed 30 days before they end; who is late has a fault to find.
_SOON_DAYS: Final = 14
# What protects sites from scripts stands before the service, and answers in its place.
_CHALLENGES: Final = (
    ("cf-mitigated", "Cloudflare"),
    ("x-vercel-mitigated", "Vercel"),
    ("x-amzn-waf-action", "AWS WAF"),
)
_CHALLENGE_WORDS: Final = re.compile(
    r"just a moment|challenge-platform|captcha|enable javascript", re.IGNORECASE
)
_WHERE: Final = "set `base_url` to where `newsletter serve` is reached, beginning with https://"


def judge_address(base_url: str, *, one_click: bool, needed: bool, header: str) -> Line:
    """Whether the address in the mails is one that `List-Unsubscribe-Post` may stand beside (RFC 8058 §3.1).

    Args:
        base_url: of the settings.
        one_click: whether our messages get the header.
        needed: whether mails leave this machine.
        header: `List-Unsubscribe` as a message of ours has it; empty where there can be none.
    """
    made = partial(Line, "service.headers", Area.SERVICE)
    asked = "List-Unsubscribe in our own message"
    bad = Status.FAIL if needed else Status.WARN
    if not base_url:
        return made(bad, asked, "there is no `base_url`, so readers can't leave by themselves", _WHERE)
    if not one_click or not base_url.startswith("https://"):
        said = f"{base_url} isn't reached by https: Gmail and Yahoo want one-click over https (RFC 8058)"
        return made(bad, asked, said, _WHERE)
    return made(Status.OK, asked, f"{header}, with List-Unsubscribe-Post")


def judge_certificate(base_url: str, outside: Outside, now: datetime) -> list[Line]:
    """One line about the certificate; none where the address isn't https."""
    parts = urlsplit(base_url)
    if parts.scheme != "https" or not parts.hostname:
        return []
    made = partial(Line, "service.certificate", Area.SERVICE)
    asked = f"the certificate of {parts.hostname}"
    shown = outside.certificate(parts.hostname, parts.port or 443)
    if shown.problem:
        advice = "renew it, and serve the whole chain; mail programs follow no link they don't trust"
        return [made(Status.FAIL, asked, f"not trusted: {shown.problem}", advice)]
    if shown.until is None:
        return [made(Status.UNKNOWN, asked, shown.failed, "start the service, or ask again with a network")]
    days = (shown.until - now).days
    said = f"trusted, until {shown.until:%Y-%m-%d} ({days} days)"
    if days < _SOON_DAYS:
        return [made(Status.WARN, asked, said, "see why it wasn't renewed: it ends soon")]
    return [made(Status.OK, asked, said)]


def judge_service(
    base_url: str, outside: Outside, probe: str, tell_date: Callable[[str, str], None]
) -> list[Line]:
    """Lines on whether it is reached, what its one-click route answers, and whether it has our key.

    Args:
        base_url: of the settings.
        outside: makes the requests.
        probe: an unsubscribe token of ours for nobody: the service says yes to it and changes nothing. Empty
            where there is no key to make one with.
        tell_date: told the `Date` of an answer, and whose it is.
    """
    health = outside.get(f"{base_url}/healthz")
    reached = _judge_health(f"GET {base_url}/healthz", health)
    if reached.status is not Status.OK:
        return [reached]
    tell_date(urlsplit(base_url).netloc, health.headers.get("date", ""))
    wrong = outside.post_one_click(f"{base_url}/u/{'x' * 24}")
    lines = [reached, _judge_one_click(f"POST {base_url}/u/…, a token that isn't ours", wrong)]
    if probe and lines[-1].status is Status.OK:
        lines.append(
            _judge_key(
                f"POST {base_url}/u/…, a token for nobody", outside.post_one_click(f"{base_url}/u/{probe}")
            )
        )
    return lines


def _judge_health(asked: str, seen: Seen) -> Line:
    made = partial(Line, "service.reached", Area.SERVICE)
    if seen.failed:
        if seen.untrusted:
            return made(Status.FAIL, asked, seen.failed, "see the certificate's line")
        return made(
            Status.UNKNOWN,
            asked,
            seen.failed,
            "start newsletter serve; where it runs, look at its name in the DNS, at the proxy and at the firewall",
        )
    if seen.status == 200 and seen.body.strip() == "ok":
        return made(Status.OK, asked, "the service answers")
    blocked = _challenge(seen)
    if blocked:
        return made(Status.FAIL, asked, f"{blocked} stands in the way", _let_through(blocked))
    if 300 <= seen.status < 400:
        to = seen.headers.get("location", "elsewhere")
        return made(
            Status.FAIL,
            asked,
            f"it redirects to {to}",
            "set `base_url` to where that leads: one-click POSTs follow nothing",
        )
    return made(
        Status.FAIL,
        asked,
        f"{seen.status}, and not the service's own answer",
        "have the proxy pass everything below `base_url` to newsletter serve",
    )


def _judge_one_click(asked: str, seen: Seen) -> Line:
    """A token that isn't ours gets the service's own 4xx, at once and uncached: then the route is reached."""
    made = partial(Line, "service.one_click", Area.SERVICE)
    if seen.failed:
        return made(Status.UNKNOWN, asked, seen.failed, "ask again: the service answered a moment ago")
    blocked = _challenge(seen)
    if blocked:
        return made(Status.FAIL, asked, f"{blocked} stops POSTs of mail programs", _let_through(blocked))
    if 300 <= seen.status < 400:
        said = f"it redirects to {seen.headers.get('location', 'elsewhere')}, which RFC 8058 §3.1 forbids"
        return made(Status.FAIL, asked, said, "let the proxy pass POSTs to /u/ without a redirect")
    if seen.status in (200, 405) or not 400 <= seen.status < 500:
        return made(
            Status.FAIL,
            asked,
            f"{seen.status}: something else than newsletter serve answers there",
            "have the proxy pass everything below /u/ to newsletter serve, POST included",
        )
    kept = seen.headers.get("cache-control", "")
    if "no-store" not in kept or seen.headers.get("age", "0") != "0":
        return made(
            Status.WARN,
            asked,
            f"the answer may be cached (Cache-Control: {kept or 'none'})",
            "have the proxy or CDN pass /u/ on without caching, its headers untouched",
        )
    return made(Status.OK, asked, f"{seen.status} from the service itself, no redirect, not cached")


def _judge_key(asked: str, seen: Seen) -> Line:
    made = partial(Line, "service.key", Area.SERVICE)
    if seen.failed:
        return made(Status.UNKNOWN, asked, seen.failed, "ask again: the service answered a moment ago")
    if seen.status == 200:
        return made(Status.OK, asked, "understood: the service has this newsletter's secret key")
    if 400 <= seen.status < 500:
        return made(
            Status.FAIL,
            asked,
            f"{seen.status}: the service doesn't know this newsletter's secret key, so links in its mails would be dead",
            "give both the same key: the file .newsletter/secret.key, or NEWSLETTER_SECRET_KEY",
        )
    return made(
        Status.WARN,
        asked,
        f"{seen.status}: the service is in trouble",
        "look at what it says where it runs; /readyz tells",
    )


def _challenge(seen: Seen) -> str:
    """Who answers in the service's place, asking for a person; empty for nobody."""
    named = next((who for header, who in _CHALLENGES if header in seen.headers), "")
    if named:
        return f"a challenge of {named}"
    if seen.status in (403, 429, 503) and _CHALLENGE_WORDS.search(seen.body):
        return "a challenge of the CDN"
    return ""


def _let_through(blocked: str) -> str:
    return f"exempt /u/ from {blocked.removeprefix('a ')}: mail programs are machines, and they press for your readers"
