"""SendGrid's Mail Send and Email Logs on loopback: their limits, answers and errors.

    python tests/fakes/sendgrid.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

A ledger line also has `categories` and `custom_args`. Substitutions are replaced one after the other, several times
over, and a reader's headers stand instead of the message's: the worst that the documents leave open.
Sources: as of newsletter/providers/sendgrid/.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.http import Answer, Call, FakeHttp

_LARGEST = 30_000_000
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_RESERVED = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
    "to", "from", "subject", "reply-to", "cc", "bcc",
}  # fmt: skip
_QUERY = re.compile(
    r"categories IN \('((?:[^']|'')*)'\) AND sg_message_id_created_at >= TIMESTAMP \"([^\"]+)\""
)
# Nested substitutions were once replaced to this depth.
_ROUNDS = 4

Complaints = Iterator[tuple[str, str | None]]


def error(status: int, *complaints: tuple[str, str | None]) -> Answer:
    """An answer in SendGrid's form."""
    return Answer(
        status, {"errors": [{"message": m, "field": field, "help": None} for m, field in complaints]}
    )


@dataclass
class FakeSendGrid(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        logs: whether the plan has the Email Logs.
    """

    name = "sendgrid"

    secret: str = "SG.test-key"
    logs: bool = True

    def __post_init__(self) -> None:
        self._sent: list[dict[str, str]] = []
        super().__post_init__()

    def too_many(self, wait: float) -> Answer:
        answer = error(429, ("too many requests", None))
        answer.headers.update(
            {
                "X-RateLimit-Limit": f"{self.rate or 600:g}",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(math.ceil(time.time() + wait)),
            }
        )
        return answer

    def saying(self, status: int) -> Answer:
        said = {
            400: "Bad Request",
            401: "The provided authorization grant is invalid, expired, or revoked",
            403: "access forbidden",
            404: "not found",
            405: "method not allowed",
            413: "content too large",
        }
        return error(status, (said.get(status, "internal server error"), None))

    def answer(self, call: Call) -> Answer:
        """What SendGrid says to a call."""
        if call.path not in ("/v3/mail/send", "/v3/logs"):
            return self.saying(404)
        if call.method != "POST":
            return self.saying(405)
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return self.saying(401)
        if call.headers.get("content-type", "").partition(";")[0] != "application/json":
            return error(415, ("Content-Type should be application/json.", None))
        if len(call.body) > _LARGEST:
            return self.saying(413)
        try:
            document = json.loads(call.body)
        except ValueError:
            return self.saying(400)
        return self._send(document) if call.path == "/v3/mail/send" else self._search(document)

    def _send(self, document: Any) -> Answer:
        if not isinstance(document, dict):
            return self.saying(400)
        complaints = list(_complaints(document))
        if complaints:
            return error(400, *complaints)
        readers = document["personalizations"]
        if self.verified and document["from"]["email"].rpartition("@")[2] not in self.verified:
            said = "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved."
            return error(403, (said, "from"))
        if document.get("mail_settings", {}).get("sandbox_mode", {}).get("enable"):
            return Answer(200, b"")
        if self.over_quota(len(readers)):
            return error(401, ("Maximum credits exceeded", None))
        number = uuid.uuid4().hex[:22]
        self.deliver(_received(document, reader, number, whole=self.keep) for reader in readers)
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._lock:
            self._sent += [
                {
                    "from_email": document["from"]["email"],
                    "to_email": reader["to"][0]["email"].lower(),
                    "subject": reader.get("subject") or document.get("subject", ""),
                    "sg_message_id": f"{number}.recvd-5f54b5d587-54slr-1-636427DA-{index:X}.0",
                    "sg_message_id_created_at": created,
                    "status": "processed",
                    "category": document.get("categories", [""])[0],
                }
                for index, reader in enumerate(readers)
            ]
        left = {
            "X-RateLimit-Limit": "600",
            "X-RateLimit-Remaining": "599",
            "X-RateLimit-Reset": str(int(time.time()) + 60),
        }
        return Answer(202, b"", {"X-Message-Id": number, **left})

    def _search(self, document: Any) -> Answer:
        if not self.logs:
            return self.saying(403)
        query = _QUERY.fullmatch(str(document.get("query")))
        if query is None:
            return error(400, ("invalid query", "query"))
        category, since = query[1].replace("''", "'"), query[2]
        with self._lock:
            found = [
                {name: value for name, value in sent.items() if name != "category"}
                for sent in self._sent
                if sent["category"] == category and sent["sg_message_id_created_at"] >= since
            ]
        return Answer(200, {"messages": found[: document.get("limit", 10)]})


def _complaints(document: Mapping[str, Any]) -> Complaints:
    """What SendGrid's validation says about a message."""
    readers = document.get("personalizations")
    if not isinstance(readers, list) or not readers:
        yield (
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        )
        return
    if len(readers) > 1000:
        yield f"The personalization block is limited to 1000 personalizations per API request. You have provided {len(readers)} personalizations.", "personalizations"  # fmt: skip
        return
    seen: set[str] = set()
    for index, reader in enumerate(readers):
        yield from _reader_complaints(
            reader, f"personalizations.{index}", seen, has_subject="subject" in document
        )
    if not _ADDRESS.fullmatch(str(document.get("from", {}).get("email", ""))):
        yield "Does not contain a valid address.", "from.email"
    kinds = [part.get("type") for part in document.get("content", [])]
    if not kinds:
        yield "Unless a valid template_id is provided, the content parameter is required.", "content"
    if kinds not in (["text/plain"], ["text/html"], ["text/plain", "text/html"]):
        yield "If present, text/plain and text/html may only be provided once, and in that order.", "content"
    for index, part in enumerate(document.get("content", [])):
        if not isinstance(part.get("value"), str) or not part["value"]:
            yield (
                "The content value must be a string at least one character in length.",
                f"content.{index}.value",
            )
    categories = document.get("categories", [])
    if (
        len(categories) > 10
        or len(set(categories)) != len(categories)
        or any(len(c) > 255 for c in categories)
    ):
        yield "You can have up to 10 unique categories of 255 characters.", "categories"  # fmt: skip
    if "ip_pool_name" in document and not 2 <= len(document["ip_pool_name"]) <= 64:
        yield "The ip_pool_name must be between 2 and 64 characters.", "ip_pool_name"


def _reader_complaints(
    reader: Mapping[str, Any], at: str, seen: set[str], *, has_subject: bool
) -> Complaints:
    to = reader.get("to") or [{}]
    for number, someone in enumerate(to):
        address = someone.get("email", "")
        if not _ADDRESS.fullmatch(address):
            yield "Does not contain a valid address.", f"{at}.to.{number}.email"
        if address in seen:
            yield f"Each unique email address in the personalizations array should only be included once. You have included [{address}] more than once.", "personalizations"  # fmt: skip
        seen.add(address)
    if not has_subject and not reader.get("subject"):
        yield "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.", "subject"  # fmt: skip
    for part in ("headers", "custom_args", "substitutions"):
        if not all(isinstance(value, str) for value in reader.get(part, {}).values()):
            yield "Bad Request", None
    taken = sorted(_RESERVED & {name.lower() for name in reader.get("headers", {})})
    if taken:
        yield f"You cannot override the header {taken[0]}.", f"{at}.headers"
    for part in ("custom_args", "substitutions"):
        size = sum(len(n.encode()) + len(v.encode()) for n, v in reader.get(part, {}).items())
        if size > 10_000:
            yield f"The {part} may not exceed 10000 bytes.", f"{at}.{part}"


def _received(
    document: Mapping[str, Any], reader: Mapping[str, Any], number: str, *, whole: bool
) -> dict[str, Any]:
    bodies = {part["type"]: part["value"] for part in document["content"]}
    marks = reader.get("substitutions", {}) if whole else {}
    custom = reader.get("custom_args", {})
    return {
        "recipient": reader["to"][0]["email"],
        "id": number,
        "delivery_id": custom.get("delivery_id", ""),
        "custom_args": custom,
        "categories": document.get("categories", []),
        "headers": {n.lower(): v for n, v in (reader.get("headers") or document.get("headers", {})).items()},
        "subject": _replaced(reader.get("subject") or document.get("subject", ""), marks),
        "html": _replaced(bodies.get("text/html", ""), marks),
        "text": _replaced(bodies.get("text/plain", ""), marks),
    }


def _replaced(text: str, marks: Mapping[str, str]) -> str:
    for _ in range(_ROUNDS):
        before = text
        for mark, value in marks.items():
            text = text.replace(mark, value)
        if text == before:
            break
    return text


if __name__ == "__main__":
    FakeSendGrid.main()
