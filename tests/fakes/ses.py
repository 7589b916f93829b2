"""Amazon SES v2's SendBulkEmail on loopback: signatures checked, templates rendered, limits, statuses and errors.

    python tests/fakes/ses.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

What SES takes and can't render it never delivers: it answers SUCCESS, and the ledger has no line (`undelivered` has).
Sources: the API reference of SES v2, the developer guide (personalized email), aws/aws-sdk-js-v3#6657 (what inline
templates refuse), handlebarsjs.com's lexer (backslashes and braces).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from urllib.parse import quote

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from newsletter.providers.base import ProviderOptions
from tests.fakes.http import Answer, Call, FakeHttp

PATH = "/v2/email/outbound-bulk-emails"
_LARGEST_CALL = 1_048_576
_LARGEST_DATA = 262_144
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_HEADER_NAME = re.compile(r"[!-9;-@A-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/ses/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def error(status: int, name: str, message: str) -> Answer:
    """An error in the form of AWS's REST-JSON protocol."""
    return Answer(status, {"message": message}, {"x-amzn-ErrorType": f"{name}:"})


class RefusedError(Exception):
    """A whole call that is refused."""

    def __init__(self, name: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.answer = error(status, name, message)


class UnrenderableError(Exception):
    """A message whose data lacks what its template names."""


@dataclass
class FakeSes(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        sandbox_account: whether it mails `verified_recipients` alone.
        configuration_sets: those that exist.
        undelivered: messages it took and couldn't render.
    """

    name = "ses"

    secret: str = "AKIDEXAMPLE:wJalrXUtnFEMI"
    region: str = "eu-central-1"
    sandbox_account: bool = False
    verified_recipients: tuple[str, ...] = ()
    configuration_sets: tuple[str, ...] = ("weekly",)
    undelivered: list[str] = field(default_factory=list)

    def options(self) -> ProviderOptions:
        return replace(super().options(), region=self.region)

    def too_many(self, wait: float) -> Answer:
        return error(429, "TooManyRequestsException", "Maximum sending rate exceeded.")

    def saying(self, status: int) -> Answer:
        name = {403: "AccessDeniedException", 500: "InternalFailure", 503: "ServiceUnavailable"}.get(status)
        return error(status, name or "BadRequestException", f"fault {status}")

    def shortened(self, answer: Answer) -> Answer:
        return Answer(answer.status, {"BulkEmailEntryResults": answer.body["BulkEmailEntryResults"][:-1]})

    def answer(self, call: Call) -> Answer:
        """What SES says to `POST /v2/email/outbound-bulk-emails`."""
        if (call.method, call.path) != ("POST", PATH):
            return error(404, "UnknownOperationException", "")
        try:
            self._check_signature(call)
            return self._send(call.body)
        except RefusedError as refusal:
            return refusal.answer

    # Who calls ------------------------------------------------------------------------------------------

    def _check_signature(self, call: Call) -> None:
        found = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
        if found is None:
            raise RefusedError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        access_key_id, day, region, names, signature = found.groups()
        known_id, _, rest = self.secret.partition(":")
        secret, _, token = rest.partition(":")
        if access_key_id != known_id or call.headers.get("x-amz-security-token", "") != token:
            text = "The security token included in the request is invalid."
            raise RefusedError("UnrecognizedClientException", text, 403)
        stamp = call.headers["x-amz-date"]
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        age = (datetime.now(UTC) - signed_at).total_seconds()
        if abs(age) > 300:
            text = f"Signature expired: {stamp} is now earlier than …"
            raise RefusedError("InvalidSignatureException", text, 403)
        lines = [
            call.method,
            quote(call.path, safe="/~"),
            "",
            *(f"{n}:{' '.join(call.headers[n].split())}" for n in names.split(";")),
            "",
            names,
            hashlib.sha256(call.body).hexdigest(),
        ]
        must = {"host", "x-amz-date", "content-type"} <= set(names.split(";"))
        key: bytes = ("AWS4" + secret).encode()
        for part in (day, region, "ses", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{day}/{region}/ses/aws4_request\n{request}"
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if not must or day != stamp[:8] or region != self.region or signature != expected:
            text = "The request signature we calculated does not match the signature you provided."
            raise RefusedError("InvalidSignatureException", text, 403)

    # What it takes --------------------------------------------------------------------------------------

    def _send(self, body: bytes) -> Answer:
        if len(body) > _LARGEST_CALL:
            raise RefusedError(
                "RequestEntityTooLargeException", "Request must be smaller than 1048576 bytes.", 413
            )
        try:
            call = json.loads(body)
        except ValueError:
            raise RefusedError("SerializationException", "") from None
        entries = call["BulkEmailEntries"]
        if not 1 <= len(entries) <= 50:
            raise RefusedError("BadRequestException", "The number of destinations must be 1 to 50.")
        sender = self._sender(call)
        named = call.get("ConfigurationSetName")
        if named is not None and named not in self.configuration_sets:
            raise RefusedError("NotFoundException", f"Configuration set <{named}> does not exist.", 404)
        template = call["DefaultContent"]["Template"]
        parts = {part: parsed(text) for part, text in template["TemplateContent"].items()}
        shared = _headers(template.get("Headers", []))
        default = _data(template.get("TemplateData", "{}"))
        _tags(call.get("DefaultEmailTags", []))
        for attachment in template.get("Attachments", []):
            _check_attachment(attachment)
        results, messages = [], []
        for entry in entries:
            result, message = self._take(entry, parts, default, shared)
            results.append(result)
            if message is not None:
                messages.append({"from": sender, "attachments": template.get("Attachments", []), **message})
        self.deliver(messages)
        return Answer(200, {"BulkEmailEntryResults": results})

    def _sender(self, call: Mapping[str, Any]) -> str:
        sender = call["FromEmailAddress"]
        if not sender.isascii():
            raise RefusedError("BadRequestException", "Invalid From address: only ASCII is allowed.")
        readable = str(make_header(decode_header(sender)))
        address = readable.rpartition("<")[2].rstrip(">")
        if not _ADDRESS.fullmatch(address):
            raise RefusedError("BadRequestException", f"Invalid From address <{address}>.")
        if self.verified and address.rpartition("@")[2] not in self.verified:
            raise RefusedError(
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in region "
                f"{self.region.upper()}: {address}",
            )
        return readable

    def _take(
        self,
        entry: Mapping[str, Any],
        parts: Mapping[str, list[tuple[bool, str]]],
        default: Mapping[str, Any],
        shared: Mapping[str, str],
    ) -> tuple[dict[str, str], dict[str, Any] | None]:
        [recipient] = entry["Destination"]["ToAddresses"]
        if not _ADDRESS.fullmatch(recipient):
            text = f"Invalid email address <{recipient}>: Domain contains no dot"
            return {"Status": "INVALID_PARAMETER", "Error": text}, None
        if self.over_quota(1):
            return {"Status": "ACCOUNT_DAILY_QUOTA_EXCEEDED", "Error": "Daily message quota exceeded."}, None
        if self.sandbox_account and recipient not in self.verified_recipients:
            text = (
                "Email address is not verified. The following identities failed the check in region "
                f"{self.region.upper()}: {recipient}"
            )
            return {"Status": "MESSAGE_REJECTED", "Error": text}, None
        tags = _tags(entry.get("ReplacementTags", []))
        headers = {**shared, **_headers(entry.get("ReplacementHeaders", []))}
        if len(headers) > 15:
            raise RefusedError("BadRequestException", "Too many headers.")
        data = entry.get("ReplacementEmailContent", {}).get("ReplacementTemplate", {})
        own = _data(data.get("ReplacementTemplateData", "{}"))
        number = f"0107{uuid.uuid4()}-000000"
        success = {"Status": "SUCCESS", "MessageId": number}
        try:
            rendered = (
                {part: render(pieces, {**default, **own}) for part, pieces in parts.items()}
                if self.keep
                else {}
            )
        except UnrenderableError as missing:
            self.undelivered.append(str(missing))
            return success, None
        return success, {
            "recipient": recipient,
            "id": number,
            "delivery_id": tags.get("delivery_id", ""),
            "tags": tags,
            "headers": headers,
            "subject": rendered.get("Subject", ""),
            "html": rendered.get("Html", ""),
            "text": rendered.get("Text", ""),
        }


def parsed(source: str) -> list[tuple[bool, str]]:
    """An inline template as (is it a name?, text); as Handlebars reads it, and simple substitutions alone.

    Raises:
        RefusedError: it isn't one.
    """
    pieces: list[tuple[bool, str]] = []
    at = 0
    while (opening := source.find("{{", at)) >= 0:
        text = source[at:opening]
        slashes = len(text) - len(text.rstrip("\\"))
        if slashes >= 2:
            text = text[:-1]
        elif slashes == 1:
            # An escaped expression is text up to the next one.
            following = source.find("{{", opening + 2)
            following = len(source) if following < 0 else following
            pieces.append((False, text[:-1] + source[opening:following]))
            at = following
            continue
        pieces.append((False, text))
        found = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9]*)\s*\}\}(?!\})").match(source, opening)
        if found is None:
            raise RefusedError("BadRequestException", "Template contains unsupported operations.")
        pieces.append((True, found[1]))
        at = found.end()
    return [*pieces, (False, source[at:])]


def render(pieces: list[tuple[bool, str]], data: Mapping[str, Any]) -> str:
    """The values put in as they are; they aren't looked at for expressions.

    Raises:
        UnrenderableError: a name has no value.
    """
    out = []
    for is_name, text in pieces:
        if is_name and text not in data:
            raise UnrenderableError(f"Attribute '{text}' is not present in the rendering data.")
        out.append(str(data[text]) if is_name else text)
    return "".join(out)


def _data(text: str) -> dict[str, Any]:
    if len(text) > _LARGEST_DATA:
        raise RefusedError("BadRequestException", "Template data is too long.")
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise RefusedError("BadRequestException", "Template data must be a JSON object.")
    return data


def _headers(listed: list[dict[str, str]]) -> dict[str, str]:
    for header in listed:
        name, value = header["Name"], header["Value"]
        good = _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
        if not good or len(name) + len(value) > 996:
            raise RefusedError("BadRequestException", f"Invalid header <{name}>.")
    return {header["Name"].lower(): header["Value"] for header in listed}


def _tags(listed: list[dict[str, str]]) -> dict[str, str]:
    for tag in listed:
        if not _TAG.fullmatch(tag["Name"]) or not _TAG.fullmatch(tag["Value"]):
            raise RefusedError("BadRequestException", f"Invalid tag value <{tag['Value']}>.")
    return {tag["Name"]: tag["Value"] for tag in listed}


def _check_attachment(attachment: Mapping[str, str]) -> None:
    if len(attachment["FileName"]) > 255 or not 1 <= len(attachment.get("ContentId", "x")) <= 78:
        raise RefusedError("BadRequestException", "Invalid attachment.")


if __name__ == "__main__":
    FakeSes.main()
