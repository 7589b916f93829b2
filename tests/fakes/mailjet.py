"""Mailjet's Send API v3.1 and its message look-up on loopback: limits, answers, errors, and its template language.

    python tests/fakes/mailjet.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

Sources: dev.mailjet.com/email/reference/send-emails, …/template-language/reference.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.http import Answer, Call, FakeHttp

_MAX_BATCH = 50
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_FORBIDDEN = {
    "from",
    "sender",
    "subject",
    "to",
    "cc",
    "bcc",
    "list-id",
    "dkim-signature",
    "received",
    "x-mailer",
}
# An expression, a statement or a comment: whatever opens one must be one.
_EXPRESSION = re.compile(r'\{\{\s*var:(\w+)(?::"([^"]*)")?\s*\}\}')
_OPENING = re.compile(r"\{[{%#]")


class TemplateError(Exception):
    """The template can't be interpreted: Mailjet blocks the message."""


def render(template: str, variables: dict[str, str]) -> str:
    """`template` as Mailjet's language reads it, in one pass; values are not read again."""
    out, at = [], 0
    while (opening := _OPENING.search(template, at)) is not None:
        out.append(template[at : opening.start()])
        expression = _EXPRESSION.match(template, opening.start())
        if expression is None:
            raise TemplateError(template[opening.start() :][:40])
        name, default = expression.groups()
        value = variables.get(name, "")
        if not value and default is None:
            raise TemplateError(name)
        out.append(value or default or "")
        at = expression.end()
    return "".join([*out, template[at:]])


@dataclass
class FakeMailjet(FakeHttp):
    """A server on 127.0.0.1."""

    name = "mailjet"

    secret: str = "public:private"

    def too_many(self, wait: float) -> Answer:
        return _error(429, "Too many requests", {"retry-after": f"{wait:.2f}"})

    def saying(self, status: int) -> Answer:
        return _error(status, {401: "API key authentication/authorization failure"}.get(status, "Sorry"))

    def shortened(self, answer: Answer) -> Answer:
        return Answer(answer.status, {"Messages": answer.body.get("Messages", [])[:-1]})

    def shuffled(self, answer: Answer) -> Answer:
        return Answer(answer.status, {"Messages": answer.body.get("Messages", [])[::-1]})

    def answer(self, call: Call) -> Answer:
        token = base64.b64encode(self.secret.encode()).decode()
        if call.headers.get("authorization") != f"Basic {token}":
            return _error(
                401, "API key authentication/authorization failure. You may be unauthorized to access the API"
            )
        path = urlsplit(call.path)
        if (call.method, path.path) == ("GET", "/v3/REST/message"):
            return self._messages(parse_qs(path.query))
        if (call.method, path.path) == ("POST", "/v3.1/send"):
            return self._send(call.body)
        return _error(404, "Resource not found")

    def _messages(self, query: dict[str, list[str]]) -> Answer:
        wanted = query.get("CustomID", [""])[0]
        data = [
            {"ID": int(entry["id"]), "ArrivedAt": entry["at"], "CustomID": wanted, "Status": "sent"}
            for entry in self.ledger.entries
            if entry["delivery_id"] == wanted
        ]
        return Answer(200, {"Count": len(data), "Data": data, "Total": len(data)})

    def _send(self, body: bytes) -> Answer:
        try:
            tree = json.loads(body)
        except ValueError:
            return _error(400, "Malformed JSON, please review the syntax and properties types.")
        messages = tree.get("Messages")
        if not isinstance(messages, list) or not 1 <= len(messages) <= _MAX_BATCH:
            return _error(400, "The request must hold 1 to 50 messages.")
        if self.over_quota(len(messages)):
            return _error(403, "Your account has reached its sending quota for the day.")
        shared = tree.get("Globals", {})
        answers, accepted = [], []
        for own in messages:
            message = {**shared, **own}
            complaint = self._complaint(message)
            if complaint is not None:
                answers.append({"Status": "error", "Errors": [complaint]})
                continue
            number = str(uuid.uuid4().int >> 75)
            entry = self._received(message, number)
            accepted.append(entry)
            to = {
                "Email": entry["recipient"],
                "MessageUUID": str(uuid.uuid4()),
                "MessageID": int(number),
                "MessageHref": f"https://api.mailjet.com/v3/message/{number}",
            }
            answers.append({"Status": "success", "CustomID": message.get("CustomID", ""), "To": [to]})
        if not tree.get("SandboxMode"):
            self.deliver(accepted)
        failed = all(answer["Status"] == "error" for answer in answers)
        return Answer(400 if failed else 200, {"Messages": answers})

    def _complaint(self, message: dict[str, Any]) -> dict[str, Any] | None:
        sender = message.get("From", {}).get("Email", "")
        if self.verified and sender.rpartition("@")[2] not in self.verified:
            said = f'"{sender}" is not an authorized sender email address for your account.'
            return _item("send-0008", 403, said, "From")
        to = message.get("To") or []
        if len(to) != 1 or not _ADDRESS.fullmatch(str(to[0].get("Email", ""))):
            address = to[0].get("Email", "") if to else ""
            return _item("mj-0013", 400, f'"{address}" is an invalid email address.', "To[0].Email")
        for name, value in message.get("Headers", {}).items():
            if name.lower() in _FORBIDDEN:
                return _item("send-0011", 400, f'Header cannot be customized: "{name}"', f"Headers[{name}]")
            if not isinstance(value, str) or not value.isascii():
                return _item("mj-0002", 400, "Type mismatch.", f"Headers[{name}]")
        if len(str(message.get("CustomID", ""))) > 64 or not message.get("Subject"):
            return _item("mj-0005", 400, "Invalid CustomID or Subject.", "CustomID")
        if any(not isinstance(value, str) for value in message.get("Variables", {}).values()):
            return _item("mj-0002", 400, "Type mismatch.", "Variables")
        return None

    def _received(self, message: dict[str, Any], number: str) -> dict[str, Any]:
        entry = {
            "recipient": message["To"][0]["Email"],
            "id": number,
            "delivery_id": message.get("CustomID", ""),
            "campaign": message.get("CustomCampaign", ""),
            "at": datetime.now(UTC).isoformat(),
            "headers": {name.lower(): value for name, value in message.get("Headers", {}).items()},
        }
        if self.keep:
            variables = message.get("Variables", {})
            for name, part in (("subject", "Subject"), ("html", "HTMLPart"), ("text", "TextPart")):
                content = message.get(part, "")
                entry[name] = render(content, variables) if message.get("TemplateLanguage") else content
        return entry


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(
        status,
        {"ErrorIdentifier": str(uuid.uuid4()), "StatusCode": status, "ErrorMessage": message},
        headers or {},
    )


def _item(code: str, status: int, message: str, related: str) -> dict[str, Any]:
    return {
        "ErrorIdentifier": str(uuid.uuid4()),
        "ErrorCode": code,
        "StatusCode": status,
        "ErrorMessage": message,
        "ErrorRelatedTo": [related],
    }


if __name__ == "__main__":
    FakeMailjet.main()
