"""Where is the server, and how is the way there protected?

The rule: TLS, with the certificate verified, everywhere but on this machine.

| settings | what happens |
|---|---|
| `tls = true`, or port 465 | TLS from the first byte (RFC 8314) |
| neither, another machine | STARTTLS is required: a server that doesn't offer it is refused |
| neither, this machine (`localhost`, `127.0.0.1`, `::1`) | clear text |
| `starttls = true` | STARTTLS is required, on this machine too |
| `starttls = false` | clear text; refused where a password would travel to another machine |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

from newsletter.errors import UsageError
from newsletter.providers.base import ProviderOptions
from newsletter.providers.this_machine import is_this_machine

PASSWORD_VARIABLE = "NEWSLETTER_SMTP_PASSWORD"  # noqa: S105 - the name of a variable


class Security(StrEnum):
    """How the connection is protected."""

    TLS = "tls"  # from the first byte
    STARTTLS = "starttls"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class SmtpOptions:
    """A server and how to reach it; without `username` nobody logs in."""

    host: str
    port: int
    security: Security
    username: str = ""
    password: SecretStr | None = None


def read_options(options: ProviderOptions) -> SmtpOptions:
    """What `[provider]` means for SMTP.

    The port is 465 with `tls`, 25 on this machine without a login, else 587 (RFC 6409).

    Raises:
        UsageError: the host or the password is missing, two settings contradict each other,
            or the password would travel in clear text.
    """
    host = options.host.strip().removeprefix("[").removesuffix("]")
    if not host:
        raise UsageError(
            "`provider.host` is missing", hint='name your SMTP server: host = "smtp.example.com"'
        )
    if "://" in host or "/" in host:
        raise UsageError(
            f"`provider.host` is a host name, not an address like `{host}`",
            hint='write host = "smtp.example.com" and, where it differs, port = 587',
        )
    try:
        host.encode("idna")
    except UnicodeError:
        raise UsageError(
            f"`provider.host` can't be a host name: {host}", hint='write host = "smtp.example.com"'
        ) from None
    local = is_this_machine(host)
    security = _security(options, local=local)
    if options.username and options.secret is None:
        raise UsageError(
            f"`provider.username` is set but {PASSWORD_VARIABLE} isn't",
            hint=f"put {PASSWORD_VARIABLE}=… into the environment or .env",
        )
    if options.username and security is Security.CLEAR and not local:
        raise UsageError(
            f"`starttls = false` would send your password to {host} in clear text",
            hint="leave `starttls` out, or set `tls = true` where the server speaks TLS at once (port 465)",
        )
    default = 465 if security is Security.TLS else 25 if local and not options.username else 587
    return SmtpOptions(
        host=host,
        port=options.port or default,
        security=security,
        username=options.username,
        password=options.secret if options.username else None,
    )


def _security(options: ProviderOptions, *, local: bool) -> Security:
    if options.tls and options.starttls:
        raise UsageError(
            "`provider.tls` and `provider.starttls` contradict each other",
            hint="keep `tls = true` for port 465, `starttls = true` for port 587",
        )
    if options.tls or (options.tls is None and options.port == 465 and not options.starttls):
        return Security.TLS
    if options.starttls or (options.starttls is None and not local):
        return Security.STARTTLS
    return Security.CLEAR
