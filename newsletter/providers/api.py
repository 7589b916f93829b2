"""What do the adapters of HTTP APIs share? Keys, addresses, waits and refusals, read the same way everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from newsletter import __version__
from newsletter.errors import UsageError
from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.base import Allowance, Batch, BatchResult, Hold, ProviderOptions
from newsletter.providers.this_machine import is_this_machine

USER_AGENT: Final = f"newsletter-toolkit/{__version__}"
JSON_BODY: Final = {"Content-Type": "application/json"}
# `json.dumps` would make an encoder for each message.
to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_HOUR: Final = 3600.0
# A message found by a search may seem to be older than its batch by so much.
CLOCKS_DIFFER: Final = timedelta(minutes=10)
_LONGEST_SENTENCE: Final = 500


@dataclass(frozen=True, slots=True)
class Fixes:
    """What a person does about what is wrong with the account; each goes after "…: ".

    Attributes:
        key: a key that is wrong or may not send.
        address: the wrong server, or a redirection.
        size: a call that is too large.
    """

    key: str
    address: str
    size: str = "send fewer at once: batch = 20 under [sending]"


def api_key(options: ProviderOptions, variable: str, where: str) -> str:
    """The key in `options`.

    Args:
        options: of the provider.
        variable: the environment variable it comes from.
        where: where one is made, such as `resend.com/api-keys`.

    Raises:
        UsageError: it is missing or holds what no key holds.
    """
    key = options.secret.get_secret_value().strip() if options.secret is not None else ""
    if not key:
        raise UsageError(
            f"{variable} is missing",
            hint=f"make a key at {where} and put {variable}=… into the environment or .env",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"{variable} holds a character no key has", hint="copy the key again, without quotes"
        )
    return key


def call_headers(name: str, credential: str) -> dict[str, str]:
    """What every call of an API says of itself: `credential` in the header called `name`, and that JSON is read.

    Without a `User-Agent` Resend answers 403 (its error code 1010).
    """
    return {name: credential, "Accept": "application/json", "User-Agent": USER_AGENT}


def base_url(options: ProviderOptions, default: str) -> str:
    """Where the API is, without a trailing slash: `provider.base_url`, or `default`.

    Raises:
        UsageError: it isn't an address, or the key would travel in clear text to another machine.
    """
    base = (options.base_url or default).rstrip("/")
    if not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", base):
        raise UsageError(f"`provider.base_url` isn't an address: {base}", hint=f"leave it out for {default}")
    if base.startswith("http:") and not is_this_machine(urlsplit(base).hostname):
        raise UsageError(
            f"`provider.base_url` would send your key in clear text: {base}",
            hint="begin it with https://; http:// is for a server on this machine",
        )
    return base


def region(options: ProviderOptions, hosts: Mapping[str, str]) -> str:
    """The address of `provider.region` among `hosts`; the empty region is the default one.

    Raises:
        UsageError: the provider has no such region.
    """
    if options.region not in hosts:
        known = ", ".join(f'"{name}"' for name in hosts if name)
        raise UsageError(
            f"{options.name} has no region `{options.region}`",
            hint=f"`provider.region` is {known}, or left out" if known else "leave `provider.region` out",
        )
    return hosts[options.region]


def every(
    messages: Sequence[Message], kind: OutcomeKind, reason: str = "", hold: Hold | None = None
) -> BatchResult:
    """The same outcome for all."""
    return BatchResult([Outcome(m.delivery_id, kind, reason=reason) for m in messages], hold)


def refused(
    batch: Batch, status: int, said: str, headers: Mapping[str, str], fixes: Fixes, *, fallback: str = ""
) -> BatchResult:
    """What an answer other than success says where the provider has no words of its own for it.

    | answer | outcome | send |
    |---|---|---|
    | 401, 403 | deferred | holds: the key |
    | 404, 405, 3xx | deferred | holds: the address |
    | 413 | deferred | holds: a smaller batch |
    | 429 | deferred | waits as long as the headers say, else a second |
    | other 4xx but 408 | deferred | holds: a person must act |
    | 408, 5xx, 1xx | unknown: it may have been accepted | waits |

    Args:
        batch: what was refused.
        status: of the answer.
        said: what happened, in the provider's words.
        headers: of the answer.
        fixes: what a person does.
        fallback: what to do about another 4xx.
    """
    wait = seconds_to_wait(headers)
    deferred, hold = (
        OutcomeKind.DEFERRED,
        Hold(said, fallback or "mend what it names"),
    )
    if status == 429:
        hold = Hold(said, retry_after=wait or 1.0)
    elif status in (401, 403):
        hold = Hold(said, fixes.key)
    elif status in (404, 405) or 300 <= status < 400:
        hold = Hold(said, fixes.address)
    elif status == 413:
        hold = Hold(said, fixes.size)
    elif status == 408 or not 400 <= status < 500:
        # Accepting and then failing to say so is possible.
        return every(batch.messages, OutcomeKind.UNKNOWN, said, Hold(said, retry_after=wait or 10.0))
    return every(batch.messages, deferred, said, hold)


def seconds_to_wait(headers: Mapping[str, str], *names: str) -> float:
    """The first of `names` (`retry-after`, `ratelimit-reset` by default) that is a number of seconds.

    At least 0.05 and at most an hour; 0 where none is there.
    """
    for name in names or ("retry-after", "ratelimit-reset"):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return min(max(float(value), 0.05), _HOUR)
    return 0.0


def allowance(
    headers: Mapping[str, str], remaining: str, reset: str, *, now: float = 0.0
) -> Allowance | None:
    """What the headers called `remaining` and `reset` say about further calls; None where they don't.

    Args:
        headers: of an answer, names in lower case.
        remaining: the header with the number of calls left.
        reset: the header with the seconds until it begins anew.
        now: subtracted from `reset` where that is a moment in seconds since 1970.
    """
    left, again = headers.get(remaining, "").strip(), headers.get(reset, "").strip()
    if not re.fullmatch(r"\d{1,9}", left) or not re.fullmatch(r"\d{1,11}(\.\d{1,9})?", again):
        return None
    return Allowance(int(left), min(max(float(again) - now, 0.0), _HOUR))


def send_tag(key: str) -> str:
    """Names the send a batch belongs to, from the batch's key: a tag for each batch would drown a provider's statistics."""
    return key.rpartition("-")[0] or key


def read_json(body: bytes) -> Any:
    """The parsed body; None where it isn't JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def one_line(text: str, *secrets: str) -> str:
    """`text` on one line of moderate length, without the secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    return " ".join(text.split())[:_LONGEST_SENTENCE]


def answered(title: str, status: int, text: str, body: bytes, *secrets: str) -> str:
    """A sentence for people: what `title` answered, in its words, else as much of the body as fits."""
    words = text or body[:200].decode("utf-8", "replace")
    return one_line(
        f"{title} answered {status}: {words}" if words.strip() else f"{title} answered {status}", *secrets
    )
