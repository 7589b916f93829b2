"""Which providers are there, and what makes one? A provider's module is imported when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple, cast

from newsletter.errors import UsageError
from newsletter.providers.base import Capabilities, Provider, ProviderOptions, Webhook


class Entry(NamedTuple):
    """Where a provider lives, and what it is in one clause."""

    module: str
    attribute: str
    summary: str


PROVIDERS: Mapping[str, Entry] = {
    "outbox": Entry("newsletter.providers.outbox", "OutboxProvider", "a folder of .eml files; sends nothing"),
    "smtp": Entry("newsletter.providers.smtp", "SmtpProvider", "any SMTP server, with STARTTLS and a login"),
    "resend": Entry("newsletter.providers.resend", "ResendProvider", "resend.com, a hundred messages a call"),
    "mailtrap": Entry(
        "newsletter.providers.mailtrap", "MailtrapProvider", "mailtrap.io, 500 messages a call"
    ),
    "postmark": Entry(
        "newsletter.providers.postmark", "PostmarkProvider", "postmarkapp.com, 500 messages a call"
    ),
    "mailjet": Entry("newsletter.providers.mailjet", "MailjetProvider", "mailjet.com, fifty messages a call"),
    "brevo": Entry("newsletter.providers.brevo", "BrevoProvider", "brevo.com, one message a call"),
    "mailersend": Entry(
        "newsletter.providers.mailersend", "MailerSendProvider", "mailersend.com, 500 messages a call"
    ),
    "sendgrid": Entry(
        "newsletter.providers.sendgrid", "SendGridProvider", "sendgrid.com, a thousand messages a call"
    ),
    "ses": Entry("newsletter.providers.ses", "SesProvider", "Amazon SES, fifty messages a call"),
    "sparkpost": Entry(
        "newsletter.providers.sparkpost", "SparkPostProvider", "sparkpost.com, one message a call"
    ),
    "mailgun": Entry(
        "newsletter.providers.mailgun", "MailgunProvider", "mailgun.com, a thousand messages a call"
    ),
}


def make_provider(options: ProviderOptions) -> Provider:
    """The provider called `options.name`.

    Raises:
        UsageError: there is no such provider, or it lacks a setting or a key.
    """
    entry = PROVIDERS.get(options.name)
    if entry is None:
        close = difflib.get_close_matches(options.name.lower(), PROVIDERS, n=1)
        known = ", ".join(f"`{name}`" for name in PROVIDERS)
        raise UsageError(
            f"there is no provider `{options.name}`",
            hint=f"did you mean `{close[0]}`?" if close else f"`provider.name` is one of {known}",
        )
    factory = getattr(import_module(entry.module), entry.attribute)
    return cast("Provider", factory(options))


def capabilities_of(name: str) -> Capabilities | None:
    """What the provider called `name` can do, without its key; None where there is none of that name."""
    entry = PROVIDERS.get(name)
    return getattr(import_module(entry.module), entry.attribute).capabilities if entry else None


def webhook_reader(name: str) -> Webhook | None:
    """What reads the reports of the provider called `name`, without its key; None where it has none, or isn't one."""
    entry = PROVIDERS.get(name)
    provider = getattr(import_module(entry.module), entry.attribute) if entry else None
    return provider if isinstance(provider, Webhook) else None
