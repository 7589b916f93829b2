"""Brevo's transactional API on loopback: limits, answers, errors, idempotency and its template language.

    python tests/fakes/brevo.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

Sources: developers.brevo.com/reference/sendtransacemail, …/docs/heterogenous-versions-batch-emails, …/docs/using-sandbox-mode.
"""

from __future__ import annotations

import html
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

_KEY_LIFETIME = 30 * 60.0
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_TOKEN = re.compile(r"\{\{\s*params\.(\w+)\s*\}\}|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{[{%#]", re.DOTALL)


def render(template: str, params: dict[str, str], *, escape: bool) -> str:
    """`template` as Brevo reads it: parameters escaped for HTML, anything else it doesn't know is dropped."""

    def filled(match: re.Match[str]) -> str:
        if match[1] is None:
            return ""
        value = params.get(match[1], "")
        return html.escape(value) if escape else value

    return _TOKEN.sub(filled, template)


@dataclass
class FakeBrevo(FakeHttp):
    """A server on 127.0.0.1."""

    name = "brevo"

    secret: str = "xkeysib-test"

    def __post_init__(self) -> None:
        self._keys: dict[str, float] = {}
        super().__post_init__()

    def too_many(self, wait: float) -> Answer:
        headers = {
            "x-sib-ratelimit-limit": "100",
            "x-sib-ratelimit-remaining": "0",
            "x-sib-ratelimit-reset": f"{wait:.0f}",
        }
        return Answer(429, {"message": "too many requests", "code": "too_many_requests"}, headers)

    def saying(self, status: int) -> Answer:
        code = {401: "unauthorized", 403: "permission_denied", 400: "bad_request"}.get(status, "error")
        return Answer(status, {"message": "Key not found" if status == 401 else "Sorry", "code": code})

    def shortened(self, answer: Answer) -> Answer:
        return Answer(answer.status, {})

    def answer(self, call: Call) -> Answer:
        if call.headers.get("api-key") != self.secret:
            return Answer(401, {"message": "Key not found", "code": "unauthorized"})
        path = urlsplit(call.path)
        if (call.method, path.path) == ("GET", "/v3/smtp/statistics/events"):
            return self._events(parse_qs(path.query))
        if (call.method, path.path) == ("POST", "/v3/smtp/email"):
            return self._send(call.body)
        return Answer(404, {"message": "Not found", "code": "document_not_found"})

    def _events(self, query: dict[str, list[str]]) -> Answer:
        email, tag = query.get("email", [""])[0], query.get("tags", [""])[0]
        found = [
            {
                "email": entry["recipient"],
                "date": entry["at"],
                "messageId": entry["id"],
                "event": "requests",
                "tag": tag,
            }
            for entry in self.ledger.entries
            if entry["recipient"] == email and tag in entry["tags"]
        ]
        return Answer(200, {"events": found} if found else {})

    def _send(self, body: bytes) -> Answer:
        try:
            tree = json.loads(body)
        except ValueError:
            return _wrong("bad_request", "The request body is not valid JSON")
        complaint = self._complaint(tree)
        if complaint is not None:
            return complaint
        headers = tree["headers"]
        key = headers.get("idempotencyKey")
        if key is not None:
            try:
                uuid.UUID(key)
            except ValueError:
                return _wrong("invalid_parameter", "idempotencyKey is not a valid UUID")
            with self._lock:
                if self.clock() - self._keys.get(key, -_KEY_LIFETIME) < _KEY_LIFETIME:
                    return _wrong("duplicate_parameter", "Duplicate idempotencyKey")
                self._keys[key] = self.clock()
        number = f"<{uuid.uuid4().hex}@smtp-relay.mailin.fr>"
        if headers.get("X-Sib-Sandbox") != "drop":
            self.deliver([self._received(tree, number)])
        return Answer(201, {"messageId": number})

    def _complaint(self, tree: dict[str, Any]) -> Answer | None:
        sender = str(tree.get("sender", {}).get("email", ""))
        if not _ADDRESS.fullmatch(sender):
            return _wrong("invalid_parameter", "sender email is not valid")
        if self.verified and sender.rpartition("@")[2] not in self.verified:
            said = "Sending has been rejected because the sender you used is not valid. Validate your sender or authenticate your domain"
            return _wrong("invalid_parameter", said)
        to = tree.get("to") or []
        if len(to) != 1 or not _ADDRESS.fullmatch(str(to[0].get("email", ""))):
            return _wrong("invalid_parameter", "email is not valid in to")
        if not tree.get("subject") or not tree.get("htmlContent"):
            return _wrong("missing_parameter", "subject and htmlContent are required")
        if not all(isinstance(value, str) and value.isascii() for value in tree.get("headers", {}).values()):
            return _wrong("invalid_parameter", "headers should be strings")
        if self.over_quota(1):
            return Answer(402, {"message": "Insufficient credit", "code": "not_enough_credits"})
        return None

    def _received(self, tree: dict[str, Any], number: str) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in tree["headers"].items()}
        entry = {
            "recipient": tree["to"][0]["email"],
            "id": number,
            "delivery_id": json.loads(headers.get("x-mailin-custom", "{}")).get("delivery_id", ""),
            "headers": headers,
            "tags": tree.get("tags", []),
            "at": datetime.now(UTC).isoformat(),
        }
        if self.keep:
            params = tree.get("params", {})
            entry["subject"] = render(tree["subject"], params, escape=False)
            entry["html"] = render(tree["htmlContent"], params, escape=True)
            entry["text"] = render(tree.get("textContent", ""), params, escape=False)
        return entry


def _wrong(code: str, message: str) -> Answer:
    return Answer(400, {"code": code, "message": message})


if __name__ == "__main__":
    FakeBrevo.main()
