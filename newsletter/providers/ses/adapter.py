"""What does a batch look like to Amazon SES, and what do its answers mean for each message?

Sources: the API reference of SES v2 (SendBulkEmail, BulkEmailEntryResult, MessageHeader, MessageTag), the
developer guide (send-personalized-email-api: an inline template and its data have 1 MB; quotas; send-email-simulator).

SES has no key against sending twice and can't be asked what became of a message without its id. What a lost
answer was about stays unknown until an event names our delivery id (tag `delivery_id`), or a person decides.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from newsletter.errors import UsageError
from newsletter.model.event import Event
from newsletter.model.message import Message, Outcome, OutcomeKind, SharedContent
from newsletter.model.template import InlineImage
from newsletter.providers.api import USER_AGENT, api_key, base_url, to_json
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    ProviderOptions,
    Request,
    Response,
)
from newsletter.providers.diagnosis import Questions
from newsletter.providers.ses.answers import KEY_HINT, KEY_VARIABLE, read_answer
from newsletter.providers.ses.events import read_events
from newsletter.providers.ses.signature import Credentials, signed_headers
from newsletter.providers.ses.template import Translated, encoded_mailbox, translated
from newsletter.providers.signatures import WebhookCall, WebhookSecrets

_PATH = "/v2/email/outbound-bulk-emails"
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}").fullmatch
_CONFIGURATION_SET = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_-]")

# Sender threads have a `SharedContent` each; more than these are of sends that are over.
_KEPT = 64
_TOO_LARGE = "what the issue says of this reader alone has more than the 256 KB that Amazon SES takes"
_RATE_NOTE = (
    "SES lets a new account send 14 messages a second: put what yours may (SES console, Account dashboard) "
    "into `rate` under [sending]."
)


class SesProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`.

    Args:
        options: of `[provider]`; `stream` names a configuration set.
        now: the time a signature is made for.

    Raises:
        UsageError: the key or the region is missing or can't be one, or a sandbox is asked for.
    """

    name = "ses"
    capabilities = Capabilities(
        content=ContentForm.VALUES,
        max_batch=50,
        connections=4,
        attachments=True,  # once a call: `Template.Attachments`
        per_item_result=True,
        # What an account usually starts with outside the sandbox; its own is under [sending].
        messages_per_second=14.0,
        max_call_bytes=1_000_000,
        rate_note=_RATE_NOTE,
    )

    def __init__(
        self, options: ProviderOptions, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        if options.sandbox:
            raise UsageError(
                "Amazon SES has no `sandbox` that checks and delivers nothing",
                hint="leave it out and use --test success@simulator.amazonses.com, a mailbox of theirs",
            )
        self._credentials = _credentials(options)
        self._region = _region(options.region)
        suffix = ".cn" if self._region.startswith("cn-") else ""
        self._base = base_url(options, f"https://email.{self._region}.amazonaws.com{suffix}")
        self._url = self._base + _PATH
        if options.stream and not _CONFIGURATION_SET(options.stream):
            raise UsageError(
                f"`provider.stream` can't be a configuration set of SES: {options.stream}",
                hint="its name has letters, digits, - and _, at most 64 (SES console, Configuration sets)",
            )
        self._configuration_set = options.stream
        self._now = now
        self._kept: dict[int, tuple[SharedContent, Translated, bytes]] = {}

    def build_request(self, batch: Batch) -> Request:
        """`POST /v2/email/outbound-bulk-emails`: the issue as an inline template, an entry for each message.

        Who brings more than SES takes is left out, and rejected when the answer is read. The same batch always has the same body; its signature has the time in it.
        """
        assert batch.shared is not None
        content, opening = self._opening(batch.shared)
        key = to_json(_NOT_IN_TAGS.sub("-", batch.key)[:256])
        entries = ",".join(_entry(message, content) for message in batch.messages if content.fits(message))
        body = (
            opening,
            f',"DefaultEmailTags":[{{"Name":"batch","Value":{key}}}],"BulkEmailEntries":[{entries}]}}'.encode(),
        )
        return Request("POST", self._url, self._signed("POST", self._url, body), body)

    @property
    def _known(self) -> tuple[str, str, str]:
        """What no answer's words may repeat."""
        return (self._credentials.access_key_id, self._credentials.secret, self._credentials.session_token)

    def _signed(self, method: str, url: str, body: Sequence[bytes]) -> dict[str, str]:
        headers = signed_headers(
            method,
            url,
            {"Content-Type": "application/json"},
            body,
            credentials=self._credentials,
            region=self._region,
            service="ses",
            at=self._now(),
        )
        return {**headers, "User-Agent": USER_AGENT}

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about each message; see `answers`."""
        known = self._known
        assert batch.shared is not None
        content, _ = self._opening(batch.shared)
        sent = [message for message in batch.messages if content.fits(message)]
        if len(sent) == len(batch.messages):
            return read_answer(batch, response, known)
        result = read_answer(replace(batch, messages=sent), response, known) if sent else BatchResult([])
        too_large = [
            Outcome(message.delivery_id, OutcomeKind.REJECTED, reason=_TOO_LARGE)
            for message in batch.messages
            if not content.fits(message)
        ]
        return replace(result, outcomes=[*result.outcomes, *too_large])

    def diagnose(self, domain: str) -> Questions:
        """What Amazon SES says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account(
            "Amazon SES", self._base, lambda url: self._signed("GET", url, ()), self._known, KEY_HINT
        )
        return accounts.ses(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call is an envelope SNS signed for a topic of ours; see `sns`.

        Raises:
            WebhookRefusedError: it isn't.
        """
        # Certificates are read by who receives reports, not by who sends.
        from newsletter.providers.ses.sns import verify_envelope

        verify_envelope(secrets, call)

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        """The events in one notification of SNS, or in what it delivers raw; see `events`."""
        return read_events(headers, body)

    def _opening(self, shared: SharedContent) -> tuple[Translated, bytes]:
        """What a call begins with: all that is the same for every batch of a send, made once."""
        kept = self._kept.get(id(shared))
        if kept is None or kept[0] is not shared:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            content = translated(shared)
            kept = self._kept[id(shared)] = (shared, content, self._encoded_opening(shared, content))
        return kept[1], kept[2]

    def _encoded_opening(self, shared: SharedContent, content: Translated) -> bytes:
        template: dict[str, Any] = {
            "TemplateContent": {"Subject": content.subject, "Html": content.html, "Text": content.text},
            "TemplateData": "{}",
            "Headers": [{"Name": name, "Value": value} for name, value in shared.headers],
        }
        if shared.images:
            template["Attachments"] = [_attachment(image) for image in shared.images]
        call: dict[str, Any] = {"FromEmailAddress": encoded_mailbox(shared.from_header)}
        if shared.reply_to:
            call["ReplyToAddresses"] = [shared.reply_to]
        if self._configuration_set:
            call["ConfigurationSetName"] = self._configuration_set
        call["DefaultContent"] = {"Template": template}
        return to_json(call).encode()[:-1]


def _entry(message: Message, content: Translated) -> str:
    """One recipient's own: the values, the unsubscribe header, and our id as a header and as a tag."""
    headers = ",".join(
        f'{{"Name":{to_json(name)},"Value":{to_json(value)}}}' for name, value in message.headers
    )
    return (
        f'{{"Destination":{{"ToAddresses":[{to_json(message.recipient)}]}},'
        f'"ReplacementTags":[{{"Name":"delivery_id","Value":{to_json(message.delivery_id)}}}],'
        f'"ReplacementEmailContent":{{"ReplacementTemplate":{{"ReplacementTemplateData":{to_json(content.data(message))}}}}},'
        f'"ReplacementHeaders":[{headers}]}}'
    )


def _attachment(image: InlineImage) -> dict[str, str]:
    return {
        "RawContent": base64.b64encode(image.data).decode("ascii"),
        "ContentDisposition": "INLINE",
        "FileName": image.filename,
        "ContentId": image.content_id,
        "ContentType": image.media_type,
        "ContentTransferEncoding": "BASE64",
    }


def _credentials(options: ProviderOptions) -> Credentials:
    if options.secret is None or not options.secret.get_secret_value().strip():
        raise UsageError(
            f"{KEY_VARIABLE} is missing",
            hint=f"make an access key in the IAM console and put {KEY_VARIABLE}=ACCESS_KEY_ID:SECRET into the "
            "environment or .env; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY will do as well",
        )
    access_key_id, _, rest = api_key(options, KEY_VARIABLE, "the IAM console").partition(":")
    secret, _, token = rest.partition(":")
    if not access_key_id or not secret:
        raise UsageError(
            f"{KEY_VARIABLE} isn't an access key with its secret",
            hint="write it as ACCESS_KEY_ID:SECRET; a temporary one ends in :SESSION_TOKEN",
        )
    return Credentials(access_key_id, secret, token)


def _region(region: str) -> str:
    if not region:
        raise UsageError(
            "Amazon SES needs a region",
            hint='set `region = "eu-central-1"` (yours, where the domain is verified) under [provider]',
        )
    if not _REGION(region):
        raise UsageError(
            f"`{region}` can't be a region of Amazon SES",
            hint="`provider.region` is such as `eu-central-1` or `us-east-1`: the one where the domain is verified",
        )
    return region
