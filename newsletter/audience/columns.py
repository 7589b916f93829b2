"""Which column is which, and what does a cell mean?

`find_columns` knows the generic names. A product's own export is another function that returns
`Columns` for a header it recognises; nothing after it needs to know where the list came from.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from newsletter.audience.signs import Sign, find_signs
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store.base import utc_text

_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "email": frozenset(
        {
            *("email", "e mail", "email address", "e mail address", "mail", "subscriber", "subscriber email"),
            *(
                "emailaddress",
                "address email",
                "e mail adresse",
                "email adresse",
                "adresse e mail",
                "adresse email",
            ),
            *(
                "correo",
                "correo electronico",
                "correo electrónico",
                "indirizzo email",
                "user email",
                "contact email",
            ),
        }
    ),
    "name": frozenset({"name", "full name", "fullname", "display name", "subscriber name", "contact name"}),
    "first_name": frozenset(
        {"first name", "firstname", "given name", "vorname", "prénom", "prenom", "fname"}
    ),
    "last_name": frozenset({"last name", "lastname", "surname", "family name", "nachname", "lname"}),
    "tags": frozenset({"tags", "tag", "labels", "label", "groups", "segments"}),
    "status": frozenset({"status", "state", "subscription status", "subscriber status", "email status"}),
    "created_at": frozenset(
        {
            *(
                "created at",
                "created",
                "creation date",
                "created date",
                "date created",
                "joined",
                "joined at",
            ),
            *(
                "signup date",
                "signed up at",
                "sign up date",
                "subscribed at",
                "subscription date",
                "date added",
            ),
            *("optin time", "opt in time", "date subscribed", "start date"),
        }
    ),
    "left_at": frozenset(
        {"unsubscribed at", "unsubscription date", "unsubscribe date", "unsub time", "opted out at"}
    ),
    "metadata": frozenset({"metadata", "attributes"}),
}

_STATUSES: Final[Mapping[str, SubscriberStatus]] = {
    **dict.fromkeys(
        ("active", "subscribed", "enabled", "confirmed", "regular", "opted in"), SubscriberStatus.ACTIVE
    ),
    **dict.fromkeys(("pending", "unconfirmed", "unactivated", "not confirmed"), SubscriberStatus.PENDING),
    **dict.fromkeys(
        (
            *(
                "unsubscribed",
                "unsubscribe",
                "inactive",
                "cancelled",
                "canceled",
                "opted out",
                "optout",
                "removed",
            ),
            *("disabled", "blocked", "blocklisted", "suppressed"),
        ),
        SubscriberStatus.UNSUBSCRIBED,
    ),
    **dict.fromkeys(
        ("bounced", "bounce", "hard bounced", "hard bounce", "cleaned", "undeliverable", "invalid"),
        SubscriberStatus.BOUNCED,
    ),
    **dict.fromkeys(
        ("complained", "complaint", "spam", "junk", "marked as spam", "abuse"), SubscriberStatus.COMPLAINED
    ),
}

MAPPABLE: Final = ("email", "name", "first_name", "last_name", "tags", "status", "created_at")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_NEXT_ID: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row things stand; None where the file doesn't have them.

    Attributes:
        width: cells in a full row.
        email: the address.
        names: cells that make the display name, in order.
        tags: see `read_tags`.
        status: see `read_status`.
        created_at: when the person joined.
        left_at: when the person left; a value means they did.
        metadata: a JSON object.
        others: cells kept as metadata, with their names.
        signs: other columns that say who left.
    """

    width: int
    email: int
    names: tuple[int, ...] = ()
    tags: int | None = None
    status: int | None = None
    created_at: int | None = None
    left_at: int | None = None
    metadata: int | None = None
    others: tuple[tuple[int, str], ...] = field(default=())
    signs: tuple[Sign, ...] = ()

    @property
    def decide(self) -> bool:
        """Whether the file says of each row who may be mailed: one that says nothing is not taken as active."""
        return self.status is not None or any(sign.decides for sign in self.signs)


def find_columns(header: Sequence[str], mapping: Mapping[str, str], file: str) -> Columns:
    """The columns of a header, by what they are usually called or by what the operator says.

    Args:
        header: the names in the file.
        mapping: one of `MAPPABLE` → the name of a column.
        file: named in errors.

    Raises:
        UsageError: a mapping names something that isn't there.
        NewsletterError: no column holds the address.
    """
    plain = [re.sub(r"[\s_\-]+", " ", name.strip().casefold()).strip() for name in header]
    found: dict[str, int] = {}
    for what, wanted in mapping.items():
        found[what] = _named(what, wanted, header, plain, file)
    for index, name in enumerate(plain):
        what = next((key for key, names in _NAMES.items() if name in names), "")
        if what and what not in found and index not in found.values():
            found[what] = index
    if "email" not in found:
        listed = ", ".join(f"`{name}`" for name in header[:12])
        if any("@" in name for name in header):
            raise NewsletterError(
                f"{file} has no header: its first line holds an address",
                hint="put a line with the columns' names on top, such as email,name",
            )
        raise NewsletterError(
            f"{file} has no email column; its columns are {listed}",
            hint='say which one it is: --map email="Your column"',
        )
    parts = ("name",) if "name" in found else ("first_name", "last_name")
    names = tuple(found[part] for part in parts if part in found)
    used = {index for what, index in found.items() if what not in ("first_name", "last_name")} | set(names)
    # Our own errors file, mended and brought in again: what was wrong is not the person's metadata.
    if plain[:2] == ["line", "reason"]:
        used |= {0, 1}
    return Columns(
        width=len(header),
        email=found["email"],
        names=names,
        tags=found.get("tags"),
        status=found.get("status"),
        created_at=found.get("created_at"),
        left_at=found.get("left_at"),
        metadata=found.get("metadata"),
        others=_others(header, used),
        signs=find_signs(plain, used),
    )


def _named(what: str, wanted: str, header: Sequence[str], plain: Sequence[str], file: str) -> int:
    if what not in MAPPABLE:
        raise UsageError(f"--map can't set `{what}`", hint=f"it sets {', '.join(MAPPABLE)}")
    for names, name in ((header, wanted), (plain, re.sub(r"[\s_\-]+", " ", wanted.strip().casefold()))):
        if name in names:
            return names.index(name)
    listed = ", ".join(f"`{name}`" for name in header[:12])
    raise UsageError(f"{file} has no column `{wanted}`", hint=f"its columns are {listed}")


def _others(header: Sequence[str], used: set[int]) -> tuple[tuple[int, str], ...]:
    taken: set[str] = set()
    others = []
    for index, name in enumerate(header):
        if index in used:
            continue
        label = base = name or f"column {index + 1}"
        for number in range(2, _NEXT_ID):
            if label not in taken:
                break
            label = f"{base} {number}"
        taken.add(label)
        others.append((index, label))
    return tuple(others)


def read_status(cell: str) -> SubscriberStatus | None:
    """What a status cell says; None where we can't tell, which never means active."""
    return _STATUSES.get(re.sub(r"[\s_\-]+", " ", cell.strip().casefold()))


_LEFT_FILES: Final = frozenset(
    {
        "unsubscribed",
        "unsubscribes",
        "cleaned",
        "bounced",
        "bounces",
        "complained",
        "complaints",
        "suppressed",
    }
)


def status_of_file_name(stem: str) -> SubscriberStatus | None:
    """What a file called so holds: some products export the people who left into a file of their own."""
    words = [word for word in re.split(r"[^a-z]+", stem.casefold()) if word in _LEFT_FILES]
    return read_status(words[0].removesuffix("s")) if words else None


def read_tags(cell: str) -> tuple[str, ...]:
    """The tags of a cell: split at `;` or `,`, a quoted list, or a JSON array; each once, in order."""
    text = cell.strip()
    items: Sequence[Any] = ()
    if text.startswith("["):
        try:
            items = json.loads(text)
        except ValueError:
            items = text.strip("[]").split(",")
    if not items and text:
        delimiter = ";" if ";" in text and '"' not in text else ","
        try:
            [items] = csv.reader([" ".join(text.splitlines())], delimiter=delimiter, skipinitialspace=True)
        except (csv.Error, ValueError):
            items = text.split(delimiter)
    return clean_tags(str(item) for item in items)


def clean_tags(tags: Any) -> tuple[str, ...]:
    """Tags without stray space and control characters, each once, in order."""
    return tuple(dict.fromkeys(tag for tag in map(clean_text, tags) if tag))


def clean_text(text: str) -> str:
    """`text` on one line, without control characters and direction overrides: it ends up in headers and tables."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def read_time(cell: str, latest: str) -> str:
    """A date as the store writes it, never later than `latest`; empty where it can't be read.

    A time without a zone is taken as UTC. `2026/04/19`, ISO 8601 and `… +0000 UTC` are known;
    `04/05/2026` is not: it has two meanings.
    """
    if not cell:
        return ""
    try:
        return _utc(cell, latest)
    except (ValueError, OverflowError):
        pass
    text = cell.strip()
    text = text.replace("/", "-") if re.match(r"\d{4}/", text) else text
    text = re.sub(r" ?(UTC|GMT)$", "", text)
    text = re.sub(r" ([+-]\d\d:?\d\d)$", r"\1", text)
    # Python reads at most six digits of a second.
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        return _utc(text, latest)
    except (ValueError, OverflowError):
        return ""


def _utc(text: str, latest: str) -> str:
    moment = datetime.fromisoformat(text)
    # Nearly what the store writes: a million of these need no detour through the parts of a time.
    if (
        len(text) == 20
        and text[4] == "-"
        and text[10:14:3] == "T:"
        and text[19] == "Z"
        and text[11:13] != "24"
    ):
        return min(f"{text[:19]}.000Z", latest)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(utc_text(moment), latest)
