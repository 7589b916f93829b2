"""Resend's batch endpoint on loopback: its limits, answers and errors.

    python tests/fakes/resend.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

A ledger line also has `key` and `tags`. Replays are not recorded again.
Sources: resend.com/docs/api-reference (errors, rate-limit, send-batch-emails), docs/dashboard/emails (idempotency-keys,
batch-validation-modes).
"""

from __future__ import annotations

import hashlib
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

_MAX_BATCH = 100
_KEY_LIFETIME = 24 * 3600.0
_ADDRESS = re.compile(r"(?:[^<>]*<)?[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+>?")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


def error(status: int, name: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """An error in Resend's form."""
    return Answer(status, {"statusCode": status, "name": name, "message": message}, headers or {})


@dataclass
class _Remembered:
    digest: bytes
    at: float
    answer: Answer | None  # None while the first request is in progress


@dataclass
class FakeResend(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        rate: Resend's default is 2.
        permissive_mode: whether it knows `x-batch-validation: permissive`.
    """

    name = "resend"

    secret: str = "re_test"
    permissive_mode: bool = True

    def __post_init__(self) -> None:
        self._keys: dict[str, _Remembered] = {}
        super().__post_init__()

    def too_many(self, wait: float) -> Answer:
        text = "Too many requests. You can only make 2 requests per second."
        headers = {"retry-after": "1", "ratelimit-limit": f"{self.rate or 2:g}", "ratelimit-remaining": "0"}
        return error(429, "rate_limit_exceeded", text, {**headers, "ratelimit-reset": "1"})

    def saying(self, status: int) -> Answer:
        return _SAYINGS.get(status, Answer(status, {}))

    def shortened(self, answer: Answer) -> Answer:
        return Answer(answer.status, {"data": answer.body.get("data", [])[:-1]})

    def answer(self, call: Call) -> Answer:
        """What Resend says to `POST /emails/batch`."""
        headers, body = call.headers, call.body
        if (call.method, call.path) != ("POST", "/emails/batch"):
            return error(404, "not_found", "The requested endpoint does not exist.")
        refusal = self._refusal(headers)
        if refusal is not None:
            return refusal
        key = headers.get("idempotency-key")
        if key is None:
            return self._create(headers, body, "")
        if not 1 <= len(key) <= 256:
            return error(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        digest = hashlib.sha256(body).digest()
        with self._lock:
            known = self._keys.get(key)
            if known is not None and self.clock() - known.at < _KEY_LIFETIME:
                if known.digest != digest:
                    text = "Same idempotency key used with a different request payload."
                    return error(409, "invalid_idempotent_request", text)
                if known.answer is None:
                    text = "Same idempotency key used while original request is still in progress."
                    return error(409, "concurrent_idempotent_requests", text)
                return known.answer
            mine = self._keys[key] = _Remembered(digest, self.clock(), None)
        answer = self._create(headers, body, key)
        with self._lock:
            if answer.status == 200:
                mine.answer = answer
            else:
                del self._keys[key]
        return answer

    def _refusal(self, headers: dict[str, str]) -> Answer | None:
        if not headers.get("user-agent"):
            return error(403, "forbidden", "error code: 1010")
        authorization = headers.get("authorization", "")
        if not authorization:
            return error(401, "missing_api_key", "Missing API key in the authorization header.")
        if authorization != f"Bearer {self.secret}":
            return error(403, "invalid_api_key", "API key is invalid.")
        return None

    def _create(self, headers: dict[str, str], body: bytes, key: str) -> Answer:
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            return error(415, "invalid_content_type", "The content type must be application/json.")
        try:
            items = json.loads(body)
        except ValueError:
            return error(400, "validation_error", "The request body is not valid JSON.")
        if not isinstance(items, list) or not 1 <= len(items) <= _MAX_BATCH:
            return error(422, "validation_error", "The batch must hold 1 to 100 emails.")
        if self.over_quota(len(items)):
            return error(429, "daily_quota_exceeded", "You have reached your daily email sending quota.")
        if self.verified and (strangers := [i for i in items if _domain(i.get("from")) not in self.verified]):
            text = f"The {_domain(strangers[0].get('from'))} domain is not verified. Please, add and verify your domain."
            return error(403, "validation_error", text)
        errors = [
            {"index": index, "message": m}
            for index, i in enumerate(items)
            if (m := _complaint(i)) is not None
        ]
        permissive = self.permissive_mode and headers.get("x-batch-validation") == "permissive"
        if errors and not permissive:
            return error(422, "validation_error", str(errors[0]["message"]))
        wrong = {e["index"] for e in errors}
        good = [(str(uuid.uuid4()), item) for index, item in enumerate(items) if index not in wrong]
        self.deliver(_received(item, number, key) for number, item in good)
        data: dict[str, Any] = {"data": [{"id": number} for number, _ in good]}
        if permissive and errors:
            data["errors"] = errors
        return Answer(200, data)


def _received(item: dict[str, Any], number: str, key: str) -> dict[str, Any]:
    tags = {t["name"]: t["value"] for t in item.get("tags", [])}
    return {
        "recipient": _only(item["to"]),
        "id": number,
        "delivery_id": tags.get("delivery_id", ""),
        "key": key,
        "tags": tags,
        "headers": {n.lower(): v for n, v in item.get("headers", {}).items()},
        "subject": item["subject"],
        "html": item.get("html", ""),
        "text": item.get("text", ""),
    }


def _only(to: Any) -> str:
    return str(to[0] if isinstance(to, list) else to)


def _domain(address: Any) -> str:
    return str(address).rpartition("@")[2].rstrip(">")


def _complaint(item: Any) -> str | None:
    """What Resend's validation says about one email of a batch."""
    if not isinstance(item, dict):
        return "Each email must be an object."
    for name in ("from", "to", "subject"):
        if not item.get(name):
            return f"Missing `{name}` field."
    if "attachments" in item or "scheduled_at" in item:
        return "The `attachments` and `scheduled_at` fields are not supported in a batch."
    if not item.get("html") and not item.get("text"):
        return "Missing `html` or `text` field."
    for name in ("from", "to"):
        if not _ADDRESS.fullmatch(_only(item[name])):
            form = "The email address needs to follow the `email@example.com` or `Name <email@example.com>` format."
            return f"Invalid `{name}` field. {form}"
    if not all(_TAG.fullmatch(str(t.get(part))) for t in item.get("tags", []) for part in ("name", "value")):
        return "Tags should only contain ASCII letters, numbers, underscores, or dashes."
    if not all(isinstance(v, str) for v in item.get("headers", {}).values()):
        return "The `headers` field must hold strings."
    return None


_SAYINGS = {
    401: error(401, "missing_api_key", "Missing API key in the authorization header."),
    403: error(403, "invalid_api_key", "API key is invalid."),
    422: error(422, "missing_required_field", "The request body is missing one or more required fields."),
    500: error(500, "internal_server_error", "An unexpected error occurred."),
}

if __name__ == "__main__":
    FakeResend.main()
