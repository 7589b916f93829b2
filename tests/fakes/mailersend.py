"""MailerSend's bulk email API on loopback: it takes a call first, checks it afterwards, and tells when asked.

    python tests/fakes/mailersend.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

Sources: developers.mailersend.com/api/v1/email (bulk), …/general.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.http import Answer, Call, FakeHttp

_MAX_BATCH = 500
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@dataclass
class FakeMailerSend(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        professional: whether the account's plan has `list_unsubscribe`.
        checks: how often it is asked before a check is done.
        suppressed: addresses it keeps from being mailed.
    """

    name = "mailersend"

    secret: str = "mlsn.test"
    professional: bool = True
    checks: int = 1
    suppressed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._checked: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, int] = {}
        super().__post_init__()

    def too_many(self, wait: float) -> Answer:
        headers = {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "retry-after": f"{wait:.0f}"}
        return Answer(429, {"message": "Too Many Attempts."}, headers)

    def saying(self, status: int) -> Answer:
        return Answer(status, {"message": "Unauthenticated." if status == 401 else "Sorry"})

    def shortened(self, answer: Answer) -> Answer:
        # The check says that one was refused, and not which.
        for data in self._checked.values():
            data["validation_errors_count"] = 1
        return answer

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return Answer(401, {"message": "Unauthenticated."})
        if call.method == "POST" and call.path == "/v1/bulk-email":
            return self._take(call.body)
        number = call.path.removeprefix("/v1/bulk-email/")
        if call.method == "GET" and number in self._checked:
            self._asked[number] = self._asked.get(number, 0) + 1
            if self._asked[number] < self.checks:
                return Answer(200, {"data": {"id": number, "state": "queued"}})
            return Answer(200, {"data": self._checked[number]})
        return Answer(404, {"message": "Resource not found."})

    def _take(self, body: bytes) -> Answer:
        try:
            messages = json.loads(body)
        except ValueError:
            return Answer(422, {"message": "The given data was invalid.", "errors": {"": ["not JSON"]}})
        if not isinstance(messages, list) or not 1 <= len(messages) <= _MAX_BATCH:
            return Answer(
                422, {"message": "The given data was invalid.", "errors": {"": ["1 to 500 messages"]}}
            )
        if self.over_quota(len(messages)):
            return Answer(
                429, {"message": "You have reached the quota of your plan."}, {"x-apiquota-remaining": "0"}
            )
        number = uuid.uuid4().hex[:24]
        errors = {
            f"message.{i}": [c] for i, m in enumerate(messages) if (c := self._complaint(m)) is not None
        }
        held = {m["to"][0]["email"] for m in messages if m["to"][0]["email"] in self.suppressed}
        good = [
            (uuid.uuid4().hex[:24], m)
            for i, m in enumerate(messages)
            if f"message.{i}" not in errors and m["to"][0]["email"] not in held
        ]
        self._checked[number] = {
            "id": number,
            "state": "completed",
            "total_recipients_count": len(messages),
            "suppressed_recipients_count": len(held),
            "suppressed_recipients": {a: {"reasons": ["hard_bounced"]} for a in held} or None,
            "validation_errors_count": len(errors),
            "validation_errors": errors or None,
            "messages_id": [own for own, _ in good],
        }
        self.deliver(self._received(message, own) for own, message in good)
        return Answer(202, {"message": "The bulk email is being processed.", "bulk_email_id": number})

    def _complaint(self, message: dict[str, Any]) -> str | None:
        sender = str(message.get("from", {}).get("email", ""))
        if self.verified and sender.rpartition("@")[2] not in self.verified:
            return "The from.email domain must be verified in your account to send emails. #MS42207"
        if message.get("list_unsubscribe") and not self.professional:
            return "The list_unsubscribe feature is not available in your plan. #MS42233"
        if not _ADDRESS.fullmatch(str(message.get("to", [{}])[0].get("email", ""))):
            return "The to.0.email must be a valid email address. #MS42209"
        if not message.get("subject") or len(message.get("tags", [])) > 5:
            return "The subject field is required."
        return None

    def _received(self, message: dict[str, Any], number: str) -> dict[str, Any]:
        tags = message.get("tags", [])
        entry = {
            "recipient": message["to"][0]["email"],
            "id": number,
            "delivery_id": tags[1] if len(tags) == 2 else "",
            "headers": _headers(message),
        }
        for part in ("subject", "html", "text"):
            # Without personalization nothing is compiled.
            personal = "personalization" in message
            entry[part] = _TEMPLATE.sub("", message.get(part, "")) if personal else message.get(part, "")
        return entry


def _headers(message: dict[str, Any]) -> dict[str, str]:
    """The list headers it writes, where it is asked for them."""
    headers = {"precedence": "bulk"} if message.get("precedence_bulk") else {}
    if leave := message.get("list_unsubscribe"):
        headers |= {"list-unsubscribe": leave, "list-unsubscribe-post": "List-Unsubscribe=One-Click"}
    return headers


if __name__ == "__main__":
    FakeMailerSend.main()
