"""Does a provider know our key, and may our domain send through it? Calls that only read, and what their answers say."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, Final, Protocol, runtime_checkable

from newsletter.providers.api import answered
from newsletter.providers.base import Request, Response

_DOMAIN_KEY: Final = "._domainkey."


class Access(Enum):
    """What the provider makes of the key."""

    ACCEPTED = auto()
    LIMITED = auto()  # it is known, and may not read what we asked: a key that may only send is a good key
    REFUSED = auto()
    UNKNOWN = auto()  # no answer that says it


class DomainState(Enum):
    """What the provider makes of the sending domain."""

    VERIFIED = auto()
    PENDING = auto()  # it is known, and not all of its records were found
    MISSING = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class WantedRecord:
    """A DNS record the provider wants.

    Attributes:
        name: fully qualified, without the final dot.
        type: `TXT`, `CNAME`, `MX`.
        value: for MX with its preference in front.
        found: whether the provider sees it.
    """

    name: str
    type: str
    value: str
    found: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a provider says about us.

    Attributes:
        access: about the key.
        said: in its words, or ours; one sentence without the key.
        hint: what to do about the key.
        domain: about the sending domain.
        records: what it wants in the DNS for that.
        warnings: what keeps an account from sending freely: a sandbox, a pause.
    """

    access: Access
    said: str = ""
    hint: str = ""
    domain: DomainState = DomainState.UNKNOWN
    records: tuple[WantedRecord, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    @property
    def selectors(self) -> tuple[str, ...]:
        """The DKIM selectors among the records."""
        names = (record.name.lower() for record in self.records)
        return tuple(dict.fromkeys(name.partition(_DOMAIN_KEY)[0] for name in names if _DOMAIN_KEY in name))


Questions = Generator[Request, Response, Diagnosis]


@runtime_checkable
class Diagnosable(Protocol):
    """An HTTP provider that can be asked about its account without anything being sent."""

    def diagnose(self, domain: str) -> Questions:
        """Ask: yields calls and is sent their answers; returns what they say about the key and `domain`."""
        ...


def trouble(
    title: str, response: Response, secrets: Sequence[str], hint: str, limited: str = ""
) -> Diagnosis | None:
    """What an answer other than success says about the key; None for success.

    Args:
        title: of the provider.
        response: its answer.
        secrets: what must not be repeated.
        hint: what to do about a key that is refused.
        limited: a word in the body of a refusal that means the key is good, for other things.
    """
    if 200 <= response.status < 300:
        return None
    said = answered(title, response.status, "", response.body, *secrets)
    if response.status in (401, 403):
        if limited and limited in response.body[:4000].decode("utf-8", "replace").lower():
            return Diagnosis(Access.LIMITED, said)
        return Diagnosis(Access.REFUSED, said, hint)
    return Diagnosis(Access.UNKNOWN, said)


def unreadable(title: str) -> Diagnosis:
    """An answer of success in a form nobody documented."""
    return Diagnosis(Access.UNKNOWN, f"{title}'s answer can't be read")


def concluded(records: Sequence[WantedRecord], *, verified: bool, warnings: Sequence[str] = ()) -> Diagnosis:
    """The key was accepted, and the provider knows the domain."""
    state = DomainState.VERIFIED if verified else DomainState.PENDING
    return Diagnosis(Access.ACCEPTED, domain=state, records=tuple(records), warnings=tuple(warnings))


def without_domain(found: Diagnosis | None = None) -> Diagnosis:
    """The key was accepted, and the provider doesn't know the domain."""
    return replace(found or Diagnosis(Access.ACCEPTED), domain=DomainState.MISSING)


def full_name(name: str, domain: str) -> str:
    """A record's name as a zone has it: providers name some below the domain, and some in full."""
    name = name.strip().rstrip(".").lower()
    if name in ("", "@"):
        return domain
    return name if name == domain or name.endswith(f".{domain}") else f"{name}.{domain}"


def members(value: Any, *path: str) -> list[Mapping[str, Any]]:
    """The objects in the list at `path` of a JSON value; none where there is no such list."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
