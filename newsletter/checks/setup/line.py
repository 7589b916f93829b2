"""What does `newsletter doctor` say? One line for each question: what was asked, what came back, what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

# RFC 1035 §3.3.14: a character-string of a TXT record has a length of one byte.
_LONGEST_STRING: Final = 255


class Status(StrEnum):
    """A verdict, from good to bad in the order of `_GRAVITY`."""

    OK = "ok"
    UNKNOWN = "unknown"  # it couldn't be asked, or no answer came
    WARN = "warn"
    FAIL = "fail"


class Area(StrEnum):
    """What a line is about; `--only` chooses among them."""

    DNS = "dns"
    PROVIDER = "provider"
    SERVICE = "service"
    MACHINE = "machine"


_GRAVITY: Final = (Status.OK, Status.UNKNOWN, Status.WARN, Status.FAIL)


_LABELS: Final = {
    "mx": "MX",
    "mx.envelope": "MX of the envelope",
    "mx.reply": "MX of Reply-To",
    "spf": "SPF",
    "spf.address": "SPF of our address",
    "dmarc": "DMARC",
    "dmarc.alignment": "alignment",
    "dmarc.reports": "DMARC reports",
    "ptr": "reverse DNS",
    "mta_sts": "MTA-STS",
    "tls_rpt": "TLS reporting",
    "bimi": "BIMI",
    "name": "the outbox, where nothing leaves",
    "one_click": "one-click",
    "headers": "List-Unsubscribe",
    "extras": "optional parts",
    "lock": "lock for writing",
    "disk": "room on the disk",
    "python": "Python",
    "timezone": "time zone",
}


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish.

    Attributes:
        name: fully qualified, without the final dot.
        type: `TXT`, `CNAME`, `MX`.
        value: as it is meant; `pasteable` is what a form or a zone file takes.
    """

    name: str
    type: str
    value: str

    @property
    def pasteable(self) -> str:
        """The value; a TXT value longer than 255 bytes in several quoted strings, which readers join (RFC 7208 §3.3)."""
        if self.type != "TXT" or len(self.value) <= _LONGEST_STRING:
            return self.value
        parts = (self.value[at : at + _LONGEST_STRING] for at in range(0, len(self.value), _LONGEST_STRING))
        return " ".join(f'"{part}"' for part in parts)


@dataclass(frozen=True, slots=True)
class Line:
    """One question and its answer.

    Attributes:
        id: stable, such as `dns.dmarc`.
        asked: what was looked at, such as `TXT _dmarc.example.com`.
        answer: what came back, in one sentence.
        advice: what to do; empty where nothing is to be done.
        publish: DNS records that do it.
        optional: whether the advice is an improvement nobody's mailbox depends on.
    """

    id: str
    area: Area
    status: Status
    asked: str
    answer: str
    advice: str = ""
    publish: tuple[DnsRecord, ...] = ()
    optional: bool = False

    @property
    def label(self) -> str:
        """What it is about in a word or two, for a list of what is well."""
        part = self.id.partition(".")[2]
        if part.startswith("dkim."):
            return f"DKIM {part.removeprefix('dkim.')}"
        return _LABELS.get(part.rstrip("0123456789").rstrip("."), part.replace("_", " "))

    def as_json(self) -> dict[str, Any]:
        """The line as `--format json` has it; the shape is a contract."""
        return {
            "id": self.id,
            "area": self.area.value,
            "status": self.status.value,
            "asked": self.asked,
            "answer": self.answer,
            "advice": self.advice,
            "publish": [{"name": r.name, "type": r.type, "value": r.pasteable} for r in self.publish],
        }


def worst(statuses: Iterable[Status]) -> Status:
    """The gravest of `statuses`; ok where there is none."""
    return max(statuses, key=_GRAVITY.index, default=Status.OK)


def as_report(lines: Sequence[Line]) -> dict[str, Any]:
    """All lines as `--format json` prints them."""
    return {
        "checks": [line.as_json() for line in lines],
        "status": worst(line.status for line in lines).value,
    }
