"""Mailtrap's batch endpoint and e-mail logs on loopback: their limits, answers and errors.

    python tests/fakes/mailtrap.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

A ledger line also has `custom_variables`. `POST /api/batch/<number>` is the sandbox, which delivers nothing.
Sources: mailtrap/mailtrap-openapi (email-sending-bulk, email-sending); docs.mailtrap.io/developers/rate-limits.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from newsletter.providers.base import ProviderOptions
from tests.fakes.http import Answer, Call, FakeHttp

_MAX_BATCH = 500
_CALL_BYTES = 50_000_000
_PAGE = 30
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_FIELDS = {
    "from", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "attachments", "headers", "category",
    "custom_variables", "template_uuid", "template_variables",
}  # fmt: skip


def error(status: int, *errors: str) -> Answer:
    """An error in the form of the sending API."""
    return Answer(status, {"success": False, "errors": list(errors)})


@dataclass
class FakeMailtrap(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        sandbox: the number of its sandbox.
        suppressed: addresses it no longer writes to.
        domain_status: what it says with about a domain that isn't verified.
        indexed: whether the logs have caught up.
    """

    name = "mailtrap"

    secret: str = "0123456789abcdef"
    sandbox: str = "4711"
    suppressed: tuple[str, ...] = ()
    domain_status: int = 403
    indexed: bool = True

    def __post_init__(self) -> None:
        self._index: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        super().__post_init__()

    def options(self) -> ProviderOptions:
        return replace(super().options(), stream=self.sandbox)

    def too_many(self, wait: float) -> Answer:
        return replace(error(429, "Rate limit exceeded"), headers={"Retry-After": f"{max(1, round(wait))}"})

    def saying(self, status: int) -> Answer:
        words = {401: "Unauthorized", 403: "Forbidden", 500: "Internal server error"}
        return error(status, words.get(status, f"Error {status}"))

    def shortened(self, answer: Answer) -> Answer:
        return Answer(answer.status, {**answer.body, "responses": answer.body["responses"][:-1]})

    def answer(self, call: Call) -> Answer:
        """What Mailtrap says to `POST /api/batch` and `GET /api/email_logs`."""
        if not call.headers.get("user-agent"):
            return error(403, "Forbidden")
        keys = (call.headers.get("authorization", "").removeprefix("Bearer "), call.headers.get("api-token"))
        address = urlsplit(call.path)
        if self.secret not in keys:
            if address.path == "/api/email_logs":
                return Answer(401, {"error": "Incorrect API token"})
            return error(401, "Unauthorized")
        match call.method, address.path:
            case "POST", "/api/batch":
                return self._take(call, test=False)
            case "POST", path if path == f"/api/batch/{self.sandbox}":
                return self._take(call, test=True)
            case "GET", "/api/email_logs":
                return self._logs(parse_qs(address.query))
            case _:
                return error(404, "Not Found")

    def _take(self, call: Call, *, test: bool) -> Answer:
        if len(call.body) > _CALL_BYTES:
            return error(413, "Request Entity Too Large")
        try:
            body = json.loads(call.body)
        except ValueError:
            return error(400, "Invalid JSON")
        requests = body.get("requests") if isinstance(body, dict) else None
        base = body.get("base", {}) if isinstance(body, dict) else None
        if not isinstance(requests, list) or not isinstance(base, dict):
            return error(400, "'requests' is required")
        if len(requests) > _MAX_BATCH:
            return error(400, "'requests' may hold 500 messages at most")
        # What an item has replaces the base's, headers and variables too.
        items = [{**base, **item} for item in requests]
        if self.verified:
            strangers = [d for i in items if (d := _domain(i)) not in self.verified]
            if strangers:
                words = "Unauthorized" if self.domain_status == 401 else _not_allowed(strangers[0])
                return error(self.domain_status, words)
        if self.over_quota(len(items)):
            return error(403, "You have reached the daily sending limit of your plan.")
        taken: list[dict[str, Any]] = []
        responses: list[dict[str, Any]] = []
        for item in items:
            errors = _complaints(item)
            recipient = "" if errors else item["to"][0]["email"]
            if not errors and recipient in self.suppressed:
                errors = ["Recipient in suppression list. Reason: unsubscription"]
            if errors:
                responses.append({"success": False, "errors": errors})
                continue
            number = str(uuid.uuid4())
            taken.append(_received(item, recipient, number))
            responses.append({"success": True, "message_ids": [number]})
        if not test:
            with self._lock:
                for message in taken:
                    self._index[message["recipient"].lower()].append(_listed(message))
            self.deliver(taken)
        return Answer(200, {"success": True, "responses": responses})

    def _logs(self, query: dict[str, list[str]]) -> Answer:
        """By `filters[to]` and `filters[sent_after]`; as Mailtrap does, it ignores what it doesn't know."""
        wanted = query.get("filters[to][value][]", []) + query.get("filters[to][value]", [])
        with self._lock:
            found = [m for address in wanted for m in self._index[address.lower()]] if self.indexed else []
        since = query.get("filters[sent_after]", [""])[0]
        found = [message for message in found if message["sent_at"] >= since]
        ids = [message["message_id"] for message in found]
        after = query.get("search_after", [""])[0]
        start = ids.index(after) + 1 if after in ids else 0
        page = found[start : start + _PAGE]
        more = page[-1]["message_id"] if start + _PAGE < len(found) else None
        return Answer(
            200,
            {
                "messages": page,
                "total_count": len(found),
                "next_page_cursor": more,
            },
        )


def _domain(item: Any) -> str:
    return str(item.get("from", {}).get("email", "")).rpartition("@")[2]


def _not_allowed(domain: str) -> str:
    return f"Sending from domain {domain} is not allowed"


def _complaints(item: Any) -> list[str]:
    """What Mailtrap's validation says about one message of a batch."""
    if unknown := set(item) - _FIELDS:
        return [f"unknown field '{name}'" for name in sorted(unknown)]
    found: list[str] = []
    if not _ADDRESS.fullmatch(str(item.get("from", {}).get("email", ""))):
        found.append("'from' address is invalid")
    to = item.get("to") or []
    if not to:
        found.append("'to', 'cc' or 'bcc' address is required")
    elif not all(_ADDRESS.fullmatch(str(address.get("email"))) for address in to):
        found.append("'to' address is invalid")
    if not item.get("subject"):
        found.append("'subject' is required")
    if not item.get("text") and not item.get("html"):
        found.append("must specify either text or html body")
    found += [
        f"'{name}' must hold strings"
        for name in ("headers", "custom_variables")
        if not all(isinstance(value, str) for value in item.get(name, {}).values())
    ]
    if len(json.dumps(item.get("custom_variables", {}))) > 1000:
        found.append("'custom_variables' is too long")
    return found


def _received(item: dict[str, Any], recipient: str, number: str) -> dict[str, Any]:
    variables = item.get("custom_variables", {})
    return {
        "recipient": recipient,
        "id": number,
        "delivery_id": variables.get("delivery_id", ""),
        "custom_variables": variables,
        "from": item["from"],
        "reply_to": item.get("reply_to"),
        "headers": {name.lower(): value for name, value in item.get("headers", {}).items()},
        "subject": item["subject"],
        "html": item.get("html", ""),
        "text": item.get("text", ""),
    }


def _listed(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "message_id": message["id"],
        "status": "delivered",
        "subject": message["subject"],
        "from": message["from"]["email"],
        "to": message["recipient"],
        "sent_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "client_ip": None,
        "category": None,
        "custom_variables": message["custom_variables"],
        "sending_stream": "bulk",
        "domain_id": 1,
        "template_id": None,
        "template_variables": {},
        "opens_count": 0,
        "clicks_count": 0,
    }


if __name__ == "__main__":
    FakeMailtrap.main()
