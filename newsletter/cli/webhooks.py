"""`newsletter webhooks`: what a provider is to be given, and what to do about a flood of reports."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import counted, paint, print_json
from newsletter.errors import UsageError
from newsletter.store import events as kept
from newsletter.store.base import utc_text

app = typer.Typer(no_args_is_help=True, help="What providers report: addresses to give them, and floods.")

_JSON = typer.Option(False, "--json", help="Print it as JSON.")


class _SetUp(NamedTuple):
    """How a provider is told where to report.

    Attributes:
        where: the page to paste the address into.
        events: what to tick there.
        key: where the signing secret is found; empty where the provider signs nothing.
        token: the address has our token in it.
        note: what else there is to know.
    """

    where: str
    events: str
    key: str = ""
    token: bool = False
    note: str = ""


_UNSIGNED: Final = "the provider signs nothing: the address is the secret, so keep it to yourself"
_SET_UP: Final = {
    "resend": _SetUp("resend.com/webhooks, Add Webhook", "all of email.*", "the webhook's Signing Secret, whsec_…"),
    "sendgrid": _SetUp(
        "app.sendgrid.com, Settings, Mail Settings, Event Webhooks",
        "all deliverability events, spam reports and unsubscribes",
        "the Verification Key, after Signed Event Webhook is switched on",
    ),
    "mailgun": _SetUp(
        "app.mailgun.com, Send, Webhooks, of your domain",
        "all of them, each with this address",
        "the HTTP webhook signing key, on the same page",
        token=True,
        note="Mailgun doesn't sign the report itself: keep the address to yourself",
    ),
    "mailersend": _SetUp(
        "app.mailersend.com, Domains, Manage, Webhooks", "all of activity.*", "the webhook's Signing Secret"
    ),
    "mailtrap": _SetUp(
        "mailtrap.io, Settings, Webhooks", "all of them", "the webhook's signature secret"
    ),
    "postmark": _SetUp(
        "account.postmarkapp.com, your server, the message stream, Webhooks",
        "Delivery, Bounce, Spam Complaint, Subscription Change",
        token=True,
        note=_UNSIGNED,
    ),
    "brevo": _SetUp(
        "app.brevo.com, Transactional, Settings, Webhook", "all of them", token=True, note=_UNSIGNED
    ),
    "mailjet": _SetUp(
        "app.mailjet.com/account/triggers", "Sent, Bounce, Blocked, Spam, Unsub", token=True, note=_UNSIGNED
    ),
    "sparkpost": _SetUp(
        "app.sparkpost.com/webhooks", "all message and unsubscribe events", token=True, note=_UNSIGNED
    ),
    "ses": _SetUp(
        "the SNS topic of your configuration set: an HTTPS subscription, raw message delivery off",
        "Bounce, Complaint, Delivery, Reject, DeliveryDelay, Rendering Failure",
        note="name the topic in newsletter.toml: [tracking] sns_topics; its subscription is confirmed by itself",
    ),
}  # fmt: skip


@app.command()
def url(
    provider: str = typer.Argument("", metavar="PROVIDER", help="Instead of the one in the settings."),
    json_: bool = _JSON,
) -> None:
    """Print the address a provider is to report to, and what else to set up.

    Example: newsletter webhooks url
    """
    workspace = open_workspace()
    made = _made(workspace, provider or workspace.settings.provider.name)
    if json_:
        print_json(made)
        return
    steps = _SET_UP[made["provider"]]
    print(f"{paint(made['url'], 1)}\n\n  paste into  {steps.where}\n  tick        {steps.events}")
    if steps.key:
        state = "set" if made["ready"] else paint("not set yet", 33)
        print(f"  then put    {steps.key}\n  into        {made['variable']} ({state})")
    if made["provider"] == "ses" and not made["ready"]:
        print(f"  {paint('not ready', 33)}: [tracking] sns_topics names no topic")
    if steps.note:
        print(f"\n{steps.note[0].upper()}{steps.note[1:]}.")
    print("The public service has to run: newsletter serve")


def _made(workspace: Workspace, name: str) -> dict[str, Any]:
    """What to set up, as values.

    Raises:
        UsageError: the provider has no webhooks, or nobody could reach the address.
    """
    from newsletter.web.webhook_secrets import keys_variable, signing_keys, webhook_token

    steps = _SET_UP.get(name)
    if steps is None:
        raise UsageError(
            f"{name} reports nothing over HTTP",
            hint="bounces of what leaves over SMTP come by mail: newsletter bounces"
            if name == "smtp"
            else f"name one of {', '.join(_SET_UP)}",
        )
    base = workspace.settings.base_url.rstrip("/")
    if not base:
        raise UsageError(
            "`base_url` isn't set: the provider needs an address it can reach",
            hint='in newsletter.toml: base_url = "https://news.example.com"',
        )
    token = f"/{webhook_token(workspace.secret_key, name)}" if steps.token else ""
    ready = bool(signing_keys(workspace, name)) if steps.key else True
    if name == "ses":
        ready = bool(workspace.settings.tracking.sns_topics)
    return {
        "provider": name,
        "url": f"{base}/hooks/{name}{token}",
        "variable": keys_variable(name) if steps.key else "",
        "ready": ready,
    }


@app.command()
def status(json_: bool = _JSON) -> None:
    """Show which reports wait, and whether a flood is held.

    Example: newsletter webhooks status
    """
    with open_workspace().open_database() as database:
        holds, waiting = kept.holds(database), kept.waiting_counts(database)
    if json_:
        print_json({"waiting": waiting, "holds": [hold._asdict() for hold in holds]})
        return
    for line in warnings(holds):
        print(line)
    for provider, count in sorted(waiting.items()):
        print(f"{provider}: {counted(count, 'report')} not applied yet")
    if not waiting and not any(hold.since for hold in holds):
        print("Every report was applied.")


@app.command()
def release(
    provider: str = typer.Argument(..., metavar="PROVIDER", help="Whose reports were held."),
    yes: bool = typer.Option(False, "--yes", help="Don't ask."),
    json_: bool = _JSON,
) -> None:
    """Believe a flood that was held: whoever bounced or complained in it is not mailed again.

    Example: newsletter webhooks release postmark
    """
    _decide(provider, "Apply", yes=yes, json_=json_)


@app.command()
def discard(
    provider: str = typer.Argument(..., metavar="PROVIDER", help="Whose reports were held."),
    yes: bool = typer.Option(False, "--yes", help="Don't ask."),
    json_: bool = _JSON,
) -> None:
    """Take a flood that was held for forged or mistaken: it suppresses nobody, ever.

    Example: newsletter webhooks discard postmark
    """
    _decide(provider, "Discard", yes=yes, json_=json_)


def _decide(provider: str, what: str, *, yes: bool, json_: bool) -> None:
    from newsletter.cli.sending import agreed

    workspace = open_workspace()
    with workspace.open_database() as database:
        held = [hold for hold in kept.holds(database, provider) if hold.since]
        if not held:
            raise UsageError(f"nothing of {provider or 'anybody'} is held", hint="newsletter webhooks status")
        reports = counted(held[0].waiting, "report")
        if not agreed(f"{what} {reports} of {provider}, held since {held[0].since[:16]}?", yes=yes):
            raise typer.Exit(1)
        with database.write() as tx:
            if what == "Apply":
                count = kept.release(tx, provider)
            else:
                count = kept.discard(tx, provider, utc_text(workspace.clock.now()))
    if json_:
        print_json({"provider": provider, "reports": count})
    elif what == "Apply":
        print(f"{counted(count, 'report')} of {provider} will be applied by newsletter serve.")
    else:
        print(f"{counted(count, 'report')} of {provider} discarded.")


def warnings(holds: list[kept.Hold]) -> list[str]:
    """What somebody has to know about floods, a line each; empty where there is nothing."""
    lines = []
    for hold in holds:
        if hold.since:
            lines.append(
                f"{paint('warning', 1, 33)}: {counted(hold.waiting, 'report')} of {hold.provider} held since "
                f"{hold.since[:16].replace('T', ' ')} UTC: {hold.reason}\n"
                f"  those people are still mailed. Look at them, then: newsletter webhooks release {hold.provider}, "
                f"or discard {hold.provider}"
            )
        if hold.refused_at:
            lines.append(
                f"note: {counted(hold.refused, 'call')} in the name of {hold.provider} were refused within a "
                f"minute, last on {hold.refused_at[:16].replace('T', ' ')} UTC; if they weren't forged, compare: newsletter webhooks url {hold.provider}"
            )
    return lines
