"""What does each provider want in the DNS? Their documented includes, selectors and return paths.

| provider | source |
|---|---|
| Resend | resend.com/docs/dashboard/domains/introduction |
| Postmark | postmarkapp.com/support/article/1046-how-do-i-verify-a-domain, …/910-custom-return-path |
| SendGrid | twilio.com/docs/sendgrid/ui/account-and-settings/how-to-set-up-domain-authentication |
| Mailgun | documentation.mailgun.com, Domain Verification Setup Guide |
| Amazon SES | docs.aws.amazon.com/ses/latest/dg/mail-from.html, …/send-email-authentication-dkim-easy.html |
| Brevo | help.brevo.com, Authenticate your domain |
| Mailjet | documentation.mailjet.com, Authenticating Domains with SPF & DKIM |
| MailerSend | mailersend.com/help/how-to-verify-and-authenticate-a-sending-domain |
| SparkPost | support.sparkpost.com, Sending Domains |
| Mailtrap | docs.mailtrap.io, Sending Domain Setup |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sender:
    """A provider, as the DNS of its customers shows it.

    Attributes:
        title: its name.
        envelope: the envelope domain of its mails, with `{domain}` in it; empty where it is a domain of its
            own, or one only the customer's account knows.
        include: what the SPF record of `envelope` lets in.
        selectors: under which its keys stand; empty where each customer has others.
        own_envelope: what to know where the envelope is the provider's own domain.
    """

    title: str
    envelope: str = ""
    include: str = ""
    selectors: tuple[str, ...] = ()
    own_envelope: str = ""


_PROVIDERS_OWN: Final = (
    "mails leave with an envelope domain of {title}'s own, which passes SPF; DKIM does the aligning"
)

SENDERS: Final[Mapping[str, Sender]] = {
    "resend": Sender("Resend", "send.{domain}", "amazonses.com", ("resend",)),
    "postmark": Sender("Postmark", own_envelope=_PROVIDERS_OWN),
    "sendgrid": Sender("SendGrid", selectors=("s1", "s2"), own_envelope=_PROVIDERS_OWN),
    "mailgun": Sender("Mailgun", "{domain}", "mailgun.org", ("mx", "pic", "k1", "smtp", "mailo", "email")),
    "ses": Sender("Amazon SES", own_envelope=_PROVIDERS_OWN),
    "brevo": Sender("Brevo", selectors=("brevo1", "brevo2", "mail"), own_envelope=_PROVIDERS_OWN),
    "mailjet": Sender("Mailjet", selectors=("mailjet",), own_envelope=_PROVIDERS_OWN),
    "mailersend": Sender("MailerSend", selectors=("mlsend", "mlsend2"), own_envelope=_PROVIDERS_OWN),
    "sparkpost": Sender("SparkPost", own_envelope=_PROVIDERS_OWN),
    "mailtrap": Sender("Mailtrap", selectors=("rwmt1", "rwmt2"), own_envelope=_PROVIDERS_OWN),
}


def sender_of(provider: str) -> Sender | None:
    """What is known of the provider called so; None for SMTP and the outbox."""
    return SENDERS.get(provider)
