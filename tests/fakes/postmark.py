"""Postmark's batch endpoint and message search on loopback: their limits, answers and errors.

    python tests/fakes/postmark.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

A ledger line also has `metadata` and `stream`.
Sources: postmarkapp.com/developer/api (overview, email-api, messages-api); support articles 1125 and 1180.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.http import Answer, Call, FakeHttp

_MAX_BATCH = 500
_CALL_BYTES = 50_000_000
_BODY_BYTES = 5_000_000
_TEST_TOKEN = "POSTMARK_API_TEST"
_ADDRESS = re.compile(
    r"(?:(?P<name>.*)<)?(?P<mailbox>[A-Za-z0-9.!#$%&'`*+\-/=^_{}|~]+)@(?P<domain>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)>?"
)


def error(status: int, code: int, message: str) -> Answer:
    """An error in Postmark's form."""
    return Answer(status, _refusal(code, message))


def _refusal(code: int, message: str) -> dict[str, Any]:
    return {"ErrorCode": code, "Message": message}


@dataclass
class FakePostmark(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        streams: the message streams it has.
        inactive: addresses that bounced or complained before.
        approved: whether the account may write to other domains than its own.
        indexed: whether the search has caught up.
        delayed: whether it answers as it does while it is behind: accepted, without an `ErrorCode`.
    """

    name = "postmark"

    secret: str = "11111111-2222-3333-4444-555555555555"
    streams: tuple[str, ...] = ("outbound", "broadcast")
    inactive: tuple[str, ...] = ()
    approved: bool = True
    indexed: bool = True
    delayed: bool = False

    def __post_init__(self) -> None:
        self._index: defaultdict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
        super().__post_init__()

    def too_many(self, wait: float) -> Answer:
        return error(429, 429, "Rate limit exceeded.")

    def saying(self, status: int) -> Answer:
        return _SAYINGS.get(status, Answer(status, {}))

    def shortened(self, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body[:-1])

    def shuffled(self, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body[::-1])

    def answer(self, call: Call) -> Answer:
        """What Postmark says to `POST /email/batch` and `GET /messages/outbound`."""
        address = urlsplit(call.path)
        token = call.headers.get("x-postmark-server-token", "")
        if token not in (self.secret, _TEST_TOKEN):
            return error(401, 10, "Bad or missing Server API token.")
        match call.method, address.path:
            case "POST", "/email/batch":
                return self._take(call, test=token == _TEST_TOKEN)
            case "GET", "/messages/outbound":
                return self._search(parse_qs(address.query))
            case _:
                return error(404, 404, "The requested resource doesn't exist.")

    def _take(self, call: Call, *, test: bool) -> Answer:
        if len(call.body) > _CALL_BYTES:
            return error(413, 413, "The request exceeded the size limit of 50 MB.")
        if call.headers.get("content-type", "").partition(";")[0] != "application/json":
            return error(422, 409, "Your HTTP request doesn't have the Accept and Content-Type JSON headers.")
        try:
            items = json.loads(call.body)
        except ValueError:
            return error(422, 402, "The JSON input you provided is syntactically incorrect.")
        if not isinstance(items, list):
            return error(422, 403, "The JSON you supplied isn't what we were expecting.")
        if len(items) > _MAX_BATCH:
            return error(422, 410, "A batch may hold 500 messages at most.")
        answers: list[dict[str, Any]] = []
        taken: list[dict[str, Any]] = []
        for item in items:
            refusal = self._complaint(item, len(taken))
            if refusal is not None:
                answers.append(refusal)
                continue
            number = str(uuid.uuid4())
            taken.append(_received(item, number))
            said = {"To": item["To"], "SubmittedAt": "2026-01-06T09:00:00.0000000-05:00", "MessageID": number}
            if self.delayed:
                answers.append({**said, "Message": "Message accepted, but delivery may be delayed."})
            else:
                answers.append({**said, "ErrorCode": 0, "Message": "Test job accepted" if test else "OK"})
        if not test:
            with self._lock:
                for message in taken:
                    for name, value in message["metadata"].items():
                        self._index[message["stream"], name, value].append(_listed(message))
            self.deliver(taken)
        return Answer(200, answers)

    def _complaint(self, item: Any, before: int) -> dict[str, Any] | None:
        """What is wrong with one message of a batch."""
        if not isinstance(item, dict):
            return _refusal(403, "The JSON you supplied isn't what we were expecting.")
        wrong = _invalid(item)
        if wrong:
            return _refusal(300, wrong)
        sender, domain = _parts(item["From"])
        if self.verified and domain not in self.verified:
            text = f"The 'From' address you supplied ({sender}) is not a Sender Signature on your account."
            return _refusal(400, text)
        if item.get("MessageStream", "outbound") not in self.streams:
            return _refusal(1235, "The 'MessageStream' provided does not exist on this server.")
        if not self.approved and _parts(item["To"])[1] != domain:
            text = "While your account is pending approval, all recipient addresses must share the same domain as the 'From' address."
            return _refusal(412, text)
        if item["To"].lower() in self.inactive:
            text = (
                "You tried to send to recipient(s) that have been marked as inactive. "
                f"Found inactive addresses: {item['To'].lower()}. Inactive recipients are ones that have "
                "generated a hard bounce, a spam complaint, or a manual suppression."
            )
            return _refusal(406, text)
        if self.over_quota(before + 1):
            return _refusal(405, "You've run out of credits.")
        return None

    def _search(self, query: dict[str, list[str]]) -> Answer:
        try:
            count, offset = int(query["count"][0]), int(query["offset"][0])
        except (KeyError, ValueError):
            return error(422, 600, "You must specify the number of messages to return and to skip.")
        if not 1 <= count <= 500 or count + offset > 10_000:
            return error(422, 600, "Count may be 500 at most, and count and offset together 10000.")
        wanted = [(name.removeprefix("metadata_"), v[0]) for name, v in query.items() if "metadata_" in name]
        if len(wanted) != 1:
            return error(422, 600, "This server searches by a single metadata field.")
        stream = query.get("messagestream", ["outbound"])[0]
        with self._lock:
            found = list(self._index[stream, *wanted[0]]) if self.indexed else []
        return Answer(200, {"TotalCount": len(found), "Messages": found[offset : offset + count]})


def _received(item: dict[str, Any], number: str) -> dict[str, Any]:
    metadata = item.get("Metadata", {})
    return {
        "recipient": _parts(item["To"])[0],
        "id": number,
        "delivery_id": metadata.get("delivery_id", ""),
        "metadata": metadata,
        "stream": item.get("MessageStream", "outbound"),
        "headers": {header["Name"].lower(): header["Value"] for header in item.get("Headers", [])},
        "subject": item.get("Subject", ""),
        "html": item.get("HtmlBody", ""),
        "text": item.get("TextBody", ""),
    }


def _listed(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "Tag": "",
        "MessageID": message["id"],
        "MessageStream": message["stream"],
        "To": [{"Email": message["recipient"], "Name": None}],
        "Cc": [],
        "Bcc": [],
        "Recipients": [message["recipient"]],
        "ReceivedAt": "2026-01-06T09:00:00.0000000-05:00",
        "Subject": message["subject"],
        "Attachments": [],
        "Status": "Sent",
        "Metadata": message["metadata"],
    }


def _parts(address: str) -> tuple[str, str]:
    """The bare address and its domain."""
    found = _ADDRESS.fullmatch(address)
    return (f"{found['mailbox']}@{found['domain']}", found["domain"]) if found else ("", "")


def _invalid(item: dict[str, Any]) -> str:
    """What error 300 says; empty where nothing is wrong."""
    for name in ("From", "To"):
        value = item.get(name)
        if not isinstance(value, str) or not value:
            return f"Invalid '{name}' value."
        if not _ADDRESS.fullmatch(value):
            domain = value.rpartition("@")[2].rstrip(">")
            return f"Error parsing '{name}': Illegal email domain '{domain}' in address '{value}'."
    bodies = [item[name] for name in ("HtmlBody", "TextBody") if item.get(name)]
    if not bodies:
        return "Provide either email TextBody or HtmlBody or both."
    if any(len(body) > _BODY_BYTES and len(body.encode()) > _BODY_BYTES for body in bodies):
        return "The HtmlBody and the TextBody may have 5 MB each."
    metadata = item.get("Metadata", {})
    if len(metadata) > 10 or any(len(n) > 20 or len(str(v)) > 80 for n, v in metadata.items()):
        return "Invalid metadata content. Names may have 20 characters and values 80."
    headers = item.get("Headers", [])
    if not all(set(h) == {"Name", "Value"} and "\n" not in h["Value"] for h in headers):
        return "Invalid 'Headers' value."
    return ""


_SAYINGS = {
    401: error(401, 10, "Bad or missing Server API token."),
    422: error(422, 300, "Invalid email request."),
    500: error(500, 500, "An internal server error occurred."),
    503: error(503, 100, "The Postmark API is offline for maintenance."),
}

if __name__ == "__main__":
    FakePostmark.main()
