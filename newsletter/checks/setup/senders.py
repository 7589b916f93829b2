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
| Google Workspace | knowledge.workspace.google.com, Set up SPF; Set up DKIM |
| Microsoft 365 | learn.microsoft.com, Set up SPF / DKIM to identify valid email sources |
| Fastmail | fastmail.help, Domains: advanced configuration |
| Migadu | migadu.com/guides/dns |
| Proton Mail | proton.me/support/custom-domain |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from newsletter.checks.setup.subject import Identity


@dataclass(frozen=True, slots=True)
class Sender:
    """A provider, as the DNS of its customers shows it.

    Attributes:
        title: its name.
        envelope: the envelope domain of its mails, with the sending domain as `{domain}` or that of the settings
            as `{envelope}` in it; empty where it is one of its own, or one only the customer's account knows.
        include: what the SPF record of `envelope` lets in.
        selectors: under which its keys stand; empty where each customer has others.
    """

    title: str
    envelope: str = ""
    include: str = ""
    selectors: tuple[str, ...] = ()


SENDERS: Final[Mapping[str, Sender]] = {
    "resend": Sender("Resend", "send.{domain}", "amazonses.com", ("resend",)),
    "postmark": Sender("Postmark"),
    "sendgrid": Sender("SendGrid", selectors=("s1", "s2")),
    "mailgun": Sender("Mailgun", "{domain}", "mailgun.org", ("mx", "pic", "k1", "smtp", "mailo", "email")),
    "ses": Sender("Amazon SES"),
    "brevo": Sender("Brevo", selectors=("brevo1", "brevo2", "mail")),
    "mailjet": Sender("Mailjet", selectors=("mailjet",)),
    "mailersend": Sender("MailerSend", selectors=("mlsend", "mlsend2")),
    "sparkpost": Sender("SparkPost"),
    "mailtrap": Sender("Mailtrap", selectors=("rwmt1", "rwmt2")),
}
_GOOGLE: Final = Sender("Google Workspace", "{envelope}", "_spf.google.com", ("google",))
_MICROSOFT: Final = Sender(
    "Microsoft 365", "{envelope}", "spf.protection.outlook.com", ("selector1", "selector2")
)
# Who sends for a mail server of that domain, as `[provider] host` names it.
_RELAYS: Final[Mapping[str, Sender]] = {
    "gmail.com": _GOOGLE,
    "google.com": _GOOGLE,
    "office365.com": _MICROSOFT,
    "outlook.com": _MICROSOFT,
    "fastmail.com": Sender("Fastmail", "{envelope}", "spf.messagingengine.com", ("fm1", "fm2", "fm3")),
    "migadu.com": Sender("Migadu", "{envelope}", "spf.migadu.com", ("key1", "key2", "key3")),
    "protonmail.ch": Sender(
        "Proton Mail", "{envelope}", "_spf.protonmail.ch", ("protonmail", "protonmail2", "protonmail3")
    ),
    "resend.com": SENDERS["resend"],
    "postmarkapp.com": SENDERS["postmark"],
    "sendgrid.net": SENDERS["sendgrid"],
    "mailgun.org": SENDERS["mailgun"],
    "amazonaws.com": SENDERS["ses"],
    "brevo.com": SENDERS["brevo"],
    "mailjet.com": SENDERS["mailjet"],
    "mailersend.net": SENDERS["mailersend"],
    "sparkpostmail.com": SENDERS["sparkpost"],
    "mailtrap.io": SENDERS["mailtrap"],
}


def sender_of(identity: Identity) -> Sender | None:
    """What is known of who sends for `identity`; None for the outbox and for mail servers we know nothing of."""
    if identity.provider != "smtp":
        return SENDERS.get(identity.provider)
    labels = identity.smtp_host.lower().rstrip(".").split(".")
    return _RELAYS.get(".".join(labels[-2:]))


def envelope_of(identity: Identity) -> str:
    """The envelope domain of the mails of `identity`; empty where it is the provider's own."""
    sender = sender_of(identity)
    own = identity.envelope or identity.domain
    if sender is None:
        return own
    return sender.envelope.format(domain=identity.provider_domain or identity.domain, envelope=own)
