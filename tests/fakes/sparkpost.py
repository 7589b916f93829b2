"""SparkPost's transmissions and events on loopback: one recipient or many, its headers, limits and errors.

    python tests/fakes/sparkpost.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

What it does to a message is what the reader gets: a `List-Unsubscribe` of its own unless `options.transactional`,
expressions in headers always, in bodies unless `options.perform_substitutions` is off, links rewritten unless click
tracking is off. Sources: developers.sparkpost.com/api (Transmissions, Template Language, Events);
support.sparkpost.com (remove-list-unsubscribe-header, extended-error-codes).
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.http import Answer, Call, FakeHttp

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_EXPRESSION = re.compile(r"(\{\{\{|\{\{)\s*(.*?)\s*(\}\}\}|\}\})", re.DOTALL)
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_CONTENT = 20_000_000
_OF_THE_MESSAGE = ("subject", "from", "to", "reply-to", "content-type", "content-transfer-encoding")


def error(
    status: int, code: str, message: str, description: str = "", results: Mapping[str, Any] | None = None
) -> Answer:
    """An error in SparkPost's form."""
    found = {"message": message, "code": code, **({"description": description} if description else {})}
    return Answer(status, {"errors": [found], **({"results": results} if results else {})})


class UnrenderableError(Exception):
    """An expression that isn't one."""


@dataclass
class FakeSparkPost(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        pools: IP pools that exist.
        may_read_events: whether the key may search events.
        page: events to a page at most.
        events: what it knows of messages.
    """

    name = "sparkpost"

    secret: str = "sp_test_14ac5499"
    pools: tuple[str, ...] = ("newsletters",)
    may_read_events: bool = True
    page: int = 1000
    events: list[dict[str, Any]] = field(default_factory=list)

    def too_many(self, wait: float) -> Answer:
        return Answer(429, {"errors": [{"message": "Too many requests"}]})

    def saying(self, status: int) -> Answer:
        return Answer(status, {"errors": [{"message": _SAYINGS.get(status, f"fault {status}")}]})

    def shortened(self, answer: Answer) -> Answer:
        return Answer(answer.status, {"results": {}})

    def answer(self, call: Call) -> Answer:
        """What SparkPost says to a transmission or to a search."""
        if call.headers.get("authorization") != self.secret:
            return Answer(401, {"errors": [{"message": "Unauthorized."}]})
        address = urlsplit(call.path)
        match call.method, address.path:
            case "POST", "/api/v1/transmissions":
                return self._transmit(call)
            case "GET", "/api/v1/events/message" if not self.may_read_events:
                return Answer(403, {"errors": [{"message": "Forbidden."}]})
            case "GET", "/api/v1/events/message":
                return self._search({name: values[0] for name, values in parse_qs(address.query).items()})
            case _:
                return error(404, "1101", "invalid URI")

    def _transmit(self, call: Call) -> Answer:
        if call.headers.get("content-type", "").partition(";")[0] != "application/json":
            return Answer(415, {"errors": [{"message": "Unsupported Media Type"}]})
        try:
            body = json.loads(call.body)
        except ValueError:
            return error(400, "1300", "invalid data format/type", "Problems parsing request as JSON")
        content, options = body.get("content"), body.get("options", {})
        refusal = self._refusal(content, options, body)
        if refusal is not None:
            return refusal
        good: list[dict[str, Any]] = []
        wrong: list[dict[str, Any]] = []
        for recipient in body["recipients"]:
            email = recipient["address"]["email"]
            (good if _ADDRESS.fullmatch(email) else wrong).append(recipient)
        errors = [
            {
                "message": "invalid data format/type",
                "description": f"Error validating domain name syntax for domain: '{r['address']['email'].rpartition('@')[2]}'",
                "code": "1300",
            }
            for r in wrong
        ]
        if not good:
            counts = {"total_rejected_recipients": len(wrong), "total_accepted_recipients": 0}
            text = "At least one valid recipient is required"
            return error(400, "5002", text, results={"rcpt_to_errors": errors, **counts})
        if self.over_quota(len(good)):
            return error(420, "2102", "Exceed Sending Limit (daily)")
        with self._lock:
            number = str(102618457586465882 + self._taken)
        try:
            messages = [_message(body, content, options, recipient, number) for recipient in good]
        except UnrenderableError as why:
            return error(400, "1901", "Message generation failed", str(why))
        now = datetime.now(UTC)
        self.deliver(messages)
        with self._lock:
            self.events += [_injection(body, recipient, number, now) for recipient in good]
        results: dict[str, Any] = {
            "total_rejected_recipients": len(wrong),
            "total_accepted_recipients": len(good),
            "id": number,
        }
        if errors:
            results["rcpt_to_errors"] = errors
        return Answer(200, {"results": results})

    def _refusal(self, content: Any, options: Mapping[str, Any], body: Mapping[str, Any]) -> Answer | None:
        """What is wrong with all of it."""
        if not isinstance(content, dict) or not isinstance(body.get("recipients"), list):
            return error(422, "1400", "required field is missing", "content object or template_id required")
        if not content.get("subject") or not (content.get("html") or content.get("text")):
            return error(422, "1400", "required field is missing", "content.subject is required")
        if len(content.get("html", "") + content.get("text", "")) > _LARGEST_CONTENT:
            return error(413, "1307", "content too large")
        if len(body.get("campaign_id", "").encode()) > 64:
            return error(422, "1300", "invalid data format/type", "campaign_id is longer than 64 bytes")
        if any(name.lower() in _OF_THE_MESSAGE for name in content.get("headers", {})):
            return error(422, "1300", "invalid data format/type", "a header that is not allowed")
        if not all(_KEY.fullmatch(name) for name in body.get("substitution_data", {})):
            return error(
                422, "1300", "invalid data format/type", "substitution_data has a key that is not allowed"
            )
        domain = content["from"]["email"].rpartition("@")[2]
        if self.verified and domain not in self.verified:
            return error(400, "7001", "Invalid domain", "Unconfigured or unverified sending domain.")
        if options.get("ip_pool") not in (None, *self.pools):
            return error(422, "1300", "invalid data format/type", "options.ip_pool doesn't exist")
        return None

    def _search(self, query: Mapping[str, str]) -> Answer:
        since = datetime.strptime(query["from"], "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
        wanted = query.get("recipients", "").split(",")
        with self._lock:
            found = [
                event
                for event in self.events
                if event["rcpt_to"] in wanted and datetime.fromisoformat(event["timestamp"]) >= since
            ]
        size = min(int(query.get("per_page", "1000")), self.page)
        cursor = query.get("cursor", "initial")
        start = 0 if cursor == "initial" else int(cursor.removeprefix("at-"))
        links = []
        if start + size < len(found):
            following = urlencode({**query, "cursor": f"at-{start + size}"})
            links.append({"href": f"/api/v1/events/message?{following}", "rel": "next"})
        return Answer(
            200, {"results": found[start : start + size], "total_count": len(found), "links": links}
        )


def _message(
    body: Mapping[str, Any],
    content: Mapping[str, Any],
    options: Mapping[str, Any],
    recipient: Mapping[str, Any],
    number: str,
) -> dict[str, Any]:
    email = recipient["address"]["email"]
    data = {
        **body.get("metadata", {}),
        **body.get("substitution_data", {}),
        **recipient.get("metadata", {}),
        **recipient.get("substitution_data", {}),
        "email": email,
    }
    headers = {name.lower(): rendered(value, data) for name, value in content.get("headers", {}).items()}
    if not options.get("transactional"):
        headers["list-unsubscribe"] = f"<mailto:unsubscribe@unsub.spmta.com?subject=unsubscribe:{number}>"
        headers.pop("list-unsubscribe-post", None)
    parts = {"html": content.get("html", ""), "text": content.get("text", "")}
    if options.get("perform_substitutions", True):
        parts = {name: rendered(text, data, escape=name == "html") for name, text in parts.items()}
    if options.get("click_tracking", True):
        parts["html"] = re.sub(
            r'href="https?://[^"]*"', 'href="https://go.sparkpostmail.com/f/x"', parts["html"]
        )
    sender = content["from"]
    return {
        "recipient": email,
        "id": number,
        "delivery_id": recipient.get("metadata", {}).get("delivery_id", ""),
        "from": (rendered(sender.get("name", ""), data), sender["email"]),
        "reply_to": content.get("reply_to", ""),
        "campaign": body.get("campaign_id", ""),
        "headers": headers,
        "subject": rendered(content["subject"], data),
        **parts,
    }


def rendered(text: str, data: Mapping[str, Any], *, escape: bool = False) -> str:
    """`text` with its expressions replaced; three braces put a value in as it is.

    Raises:
        UnrenderableError: an expression this can't be.
    """

    def value(found: re.Match[str]) -> str:
        opening, name, closing = found.groups()
        if len(opening) != len(closing) or not _KEY.fullmatch(name):
            raise UnrenderableError(f"unexpected symbol near '{name}'")
        given = str(data.get(name, ""))
        return html.escape(given) if escape and len(opening) == 2 else given

    pieces, at = [], 0
    for found in _EXPRESSION.finditer(text):
        pieces += [text[at : found.start()], value(found)]
        at = found.end()
    rest = text[at:]
    if "{{" in rest:
        raise UnrenderableError("'}}' expected")
    return "".join([*pieces, rest])


def _injection(
    body: Mapping[str, Any], recipient: Mapping[str, Any], number: str, at: datetime
) -> dict[str, Any]:
    return {
        "type": "injection",
        "event_id": f"9{number}",
        "campaign_id": body.get("campaign_id", ""),
        "rcpt_to": recipient["address"]["email"],
        "raw_rcpt_to": recipient["address"]["email"],
        "rcpt_meta": recipient.get("metadata", {}),
        "timestamp": at.isoformat(),
        "transmission_id": number,
    }


_SAYINGS = {401: "Unauthorized.", 403: "Forbidden.", 500: "Internal Server Error", 503: "Service Unavailable"}

if __name__ == "__main__":
    FakeSparkPost.main()
