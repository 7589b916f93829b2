"""Which calls tell what a provider makes of our key and our domain? One function for each, yielding calls that only read.

| provider | calls | source |
|---|---|---|
| Resend | GET /domains, /domains/{id} | resend/resend-openapi |
| Postmark | GET /server | postmarkapp.com/developer/api/server-api; a server's token may not read domains |
| SendGrid | GET /v3/scopes, /v3/whitelabel/domains | twilio.com/docs/sendgrid/api-reference/api-key-permissions, …/domain-authentication |
| Mailgun | GET /v4/domains/{name} | mailgun/mailgun-mcp-server openapi.yaml |
| Amazon SES | GET /v2/email/account, /v2/email/identities/{name} | API reference of SES v2 |
| Brevo | GET /v3/senders/domains/{name} | developers.brevo.com/reference/get-domain-configuration |
| Mailjet | GET /v3/REST/dns/{name} | dev.mailjet.com/email/reference/sender-addresses-and-domains/dns |
| MailerSend | GET /v1/domains, /v1/domains/{id}/dns-records | developers.mailersend.com/api/v1/domains.html |
| SparkPost | GET /api/v1/sending-domains/{name} | developers.sparkpost.com/api/sending-domains |
| Mailtrap | GET /api/accounts, /api/accounts/{id}/sending_domains | docs.mailtrap.io, api-docs.mailtrap.io |
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from newsletter.providers.api import read_json
from newsletter.providers.base import Request, Response
from newsletter.providers.diagnosis import (
    Access,
    Diagnosis,
    Questions,
    WantedRecord,
    concluded,
    full_name,
    members,
    trouble,
    unreadable,
    without_domain,
)
from newsletter.providers.events import text


@dataclass(frozen=True, slots=True)
class Account:
    """How an account is asked about.

    Attributes:
        title: of the provider.
        base: where its API is, without a trailing slash.
        headers: of every call, for its address: the key is in them, or they are signed with it.
        secrets: what must not be repeated.
        hint: what to do about a key that is refused.
    """

    title: str
    base: str
    headers: Callable[[str], Mapping[str, str]]
    secrets: Sequence[str]
    hint: str

    def get(self, path: str) -> Request:
        """A call that only reads."""
        url = self.base + path
        return Request("GET", url, self.headers(url), ())


def _of_domain(account: Account, path: str) -> Generator[Request, Response, object]:
    """What is at a path that names the domain, as JSON; a diagnosis where nothing is, or something else is in the way."""
    response = yield account.get(path)
    if response.status == 404:
        return without_domain()
    refusal = trouble(account.title, response, account.secrets, account.hint)
    return refusal or read_json(response.body)


def resend(account: Account, domain: str) -> Questions:
    """A key that may only send can't read domains: it is a good key all the same."""
    response = yield account.get("/domains")
    refusal = trouble(account.title, response, account.secrets, account.hint, limited="restricted_api_key")
    if refusal:
        return refusal
    found = [
        item for item in members(read_json(response.body), "data") if text(item, "name").lower() == domain
    ]
    if not found:
        return without_domain()
    response = yield account.get(f"/domains/{quote(text(found[0], 'id'), safe='')}")
    details = read_json(response.body) if response.status == 200 else None
    records = [
        WantedRecord(
            full_name(text(item, "name"), domain),
            text(item, "type"),
            " ".join(filter(None, (text(item, "priority"), text(item, "value")))),
            text(item, "status") == "verified",
        )
        for item in members(details, "records")
        if text(item, "record") in ("SPF", "DKIM")
    ]
    return concluded(records, verified=text(found[0], "status") == "verified")


def postmark(account: Account, domain: str) -> Questions:  # noqa: ARG001 - a server's token says nothing of domains
    """The server the token belongs to; domains are for the account's token, which sending doesn't need."""
    response = yield account.get("/server")
    refusal = trouble(account.title, response, account.secrets, account.hint)
    if refusal:
        body = read_json(response.body)
        # 10: "Bad or missing API token", which comes as 401, and as 422 too.
        return (
            replace(refusal, access=Access.REFUSED, hint=account.hint)
            if text(body, "ErrorCode") == "10"
            else refusal
        )
    if text(read_json(response.body), "DeliveryType") == "Sandbox":
        return Diagnosis(
            Access.ACCEPTED, warnings=("the token is of a sandbox server, which delivers nothing",)
        )
    return Diagnosis(Access.ACCEPTED)


def sendgrid(account: Account, domain: str) -> Questions:
    """What the key may do, then the authenticated domains, which a key that only sends may not read."""
    response = yield account.get("/v3/scopes")
    refusal = trouble(account.title, response, account.secrets, account.hint)
    if refusal:
        return refusal
    body = read_json(response.body)
    scopes = body.get("scopes") if isinstance(body, dict) else None
    if not isinstance(scopes, list):
        return unreadable(account.title)
    if "mail.send" not in scopes:
        return Diagnosis(Access.REFUSED, "the key may not send: it lacks the scope mail.send", account.hint)
    response = yield account.get(f"/v3/whitelabel/domains?{urlencode({'domain': domain})}")
    if response.status != 200:
        return Diagnosis(Access.LIMITED, "the key may send, and not read the account's domains")
    found = [item for item in members(read_json(response.body)) if text(item, "domain").lower() == domain]
    if not found:
        return without_domain()
    best = next((item for item in found if item.get("valid") is True), found[0])
    wanted = best.get("dns")
    records = [
        WantedRecord(
            text(item, "host").lower(),
            text(item, "type").upper(),
            text(item, "data"),
            item.get("valid") is True,
        )
        for item in (wanted.values() if isinstance(wanted, dict) else ())
        if isinstance(item, dict)
    ]
    return concluded(records, verified=best.get("valid") is True)


def mailgun(account: Account, domain: str) -> Questions:
    """The domain with its records; a key of one domain alone may not read them."""
    body = yield from _of_domain(account, f"/v4/domains/{quote(domain, safe='')}")
    if isinstance(body, Diagnosis):
        return body
    state = text(body, "domain", "state")
    records = [
        WantedRecord(
            full_name(text(item, "name"), domain),
            text(item, "record_type").upper(),
            text(item, "value"),
            text(item, "valid") == "valid",
        )
        for item in members(body, "sending_dns_records")
    ]
    warnings = ["Mailgun has disabled the domain: ask its support why"] if state == "disabled" else []
    return concluded(records, verified=state == "active", warnings=warnings)


def ses(account: Account, domain: str) -> Questions:
    """The account, then the identity of the domain or of one above it, which covers those below."""
    response = yield account.get("/v2/email/account")
    refusal = trouble(
        account.title, response, account.secrets, account.hint, limited="not authorized to perform"
    )
    if refusal:
        return refusal
    state = read_json(response.body)
    if not isinstance(state, dict):
        return unreadable(account.title)
    warnings = []
    if state.get("ProductionAccessEnabled") is False:
        warnings.append(
            "the account is in the SES sandbox and reaches verified addresses alone: ask for production access"
        )
    if state.get("SendingEnabled") is False:
        warnings.append("sending is paused for the account: see the SES console, Reputation metrics")
    labels = domain.split(".")
    for at in range(len(labels) - 1):
        name = ".".join(labels[at:])
        response = yield account.get(f"/v2/email/identities/{quote(name, safe='')}")
        if response.status == 404:
            continue
        if response.status != 200:
            return Diagnosis(Access.LIMITED, "the key may not read identities", warnings=tuple(warnings))
        return _ses_identity(read_json(response.body), name, warnings)
    return without_domain(Diagnosis(Access.ACCEPTED, warnings=tuple(warnings)))


def _ses_identity(body: object, name: str, warnings: Sequence[str]) -> Diagnosis:
    keys = body.get("DkimAttributes") if isinstance(body, dict) else None
    tokens = keys.get("Tokens") if isinstance(keys, dict) else None
    done = text(keys, "Status") == "SUCCESS"
    # Its own keys have tokens; of a key one brought along, the selector is the only one.
    own = text(keys, "SigningAttributesOrigin") != "EXTERNAL"
    zone = text(keys, "SigningHostedZone") or "dkim.amazonses.com"
    records = [
        WantedRecord(f"{token}._domainkey.{name}", "CNAME", f"{token}.{zone}", done)
        for token in (tokens if isinstance(tokens, list) and own else ())
    ]
    verified = isinstance(body, dict) and body.get("VerifiedForSendingStatus") is True
    return concluded(records, verified=verified and done, warnings=warnings)


def brevo(account: Account, domain: str) -> Questions:
    """The domain's configuration."""
    body = yield from _of_domain(account, f"/v3/senders/domains/{quote(domain, safe='')}")
    if isinstance(body, Diagnosis):
        return body
    wanted = body.get("dns_records") if isinstance(body, dict) else None
    records = [
        WantedRecord(
            full_name(text(item, "host_name"), domain),
            text(item, "type").upper(),
            text(item, "value"),
            item.get("status") is True,
        )
        for item in (wanted.values() if isinstance(wanted, dict) else ())
        if isinstance(item, dict) and text(item, "value")
    ]
    return concluded(records, verified=isinstance(body, dict) and body.get("authenticated") is True)


def mailjet(account: Account, domain: str) -> Questions:
    """What Mailjet last saw of the domain's records."""
    body = yield from _of_domain(account, f"/v3/REST/dns/{quote(domain, safe='')}")
    if isinstance(body, Diagnosis):
        return body
    found = members(body, "Data")
    if not found:
        return unreadable(account.title)
    item = found[0]
    signed = text(item, "DKIMStatus") == "OK"
    records = [
        WantedRecord(
            full_name(text(item, "DKIMRecordName"), domain), "TXT", text(item, "DKIMRecordValue"), signed
        )
    ]
    return concluded(records, verified=signed)


def mailersend(account: Account, domain: str) -> Questions:
    """The account's domains, then the records of ours."""
    response = yield account.get("/v1/domains?limit=100")
    refusal = trouble(account.title, response, account.secrets, account.hint, limited="scope")
    if refusal:
        return refusal
    found = [
        item for item in members(read_json(response.body), "data") if text(item, "name").lower() == domain
    ]
    if not found:
        return without_domain()
    response = yield account.get(f"/v1/domains/{quote(text(found[0], 'id'), safe='')}/dns-records")
    body = read_json(response.body) if response.status == 200 else None
    wanted = body.get("data") if isinstance(body, dict) else None
    verified = found[0].get("is_verified") is True
    records = [
        WantedRecord(
            full_name(text(item, "hostname"), domain),
            text(item, "type").upper(),
            text(item, "value"),
            verified,
        )
        for name, item in (wanted.items() if isinstance(wanted, dict) else ())
        if name in ("spf", "dkim", "return_path") and isinstance(item, dict)
    ]
    return concluded(records, verified=verified)


def sparkpost(account: Account, domain: str) -> Questions:
    """The sending domain with its key."""
    body = yield from _of_domain(account, f"/sending-domains/{quote(domain, safe='')}")
    if isinstance(body, Diagnosis):
        return body
    signed = text(body, "results", "status", "dkim_status") == "valid"
    selector, key = (text(body, "results", "dkim", name) for name in ("selector", "public"))
    signing = text(body, "results", "dkim", "signing_domain") or domain
    records = []
    if selector and key:
        value = f"v=DKIM1; k=rsa; h=sha256; p={key}"
        records.append(WantedRecord(f"{selector}._domainkey.{signing}", "TXT", value, signed))
    compliance = text(body, "results", "status", "compliance_status")
    warnings = (
        [f"SparkPost's compliance status of the domain is {compliance}"] if compliance == "blocked" else []
    )
    return concluded(records, verified=signed, warnings=warnings)


def mailtrap(account: Account, domain: str) -> Questions:
    """The account the token belongs to, then its sending domains."""
    response = yield account.get("/api/accounts")
    refusal = trouble(account.title, response, account.secrets, account.hint)
    if refusal:
        return refusal
    numbers = [text(item, "id") for item in members(read_json(response.body))]
    if not numbers:
        return unreadable(account.title)
    for number in numbers[:5]:
        response = yield account.get(f"/api/accounts/{quote(number, safe='')}/sending_domains")
        if response.status != 200:
            return Diagnosis(Access.LIMITED, "the token may not read the account's domains")
        for item in members(read_json(response.body), "data"):
            if text(item, "domain_name").lower() == domain:
                return _mailtrap_domain(item, domain)
    return without_domain()


def _mailtrap_domain(item: Mapping[str, object], domain: str) -> Diagnosis:
    records = [
        WantedRecord(
            full_name(text(record, "name"), domain),
            text(record, "type").upper(),
            text(record, "value"),
            text(record, "status") == "pass",
        )
        for record in members(item, "dns_records")
    ]
    compliance = text(item, "compliance_status")
    warnings = []
    if compliance and compliance != "compliant":
        warnings.append(
            f"Mailtrap's compliance check of the domain is `{compliance}`: it sends once that is done"
        )
    return concluded(records, verified=item.get("dns_verified") is True, warnings=warnings)
