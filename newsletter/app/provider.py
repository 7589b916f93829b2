"""Through whom does a newsletter's mail leave, and with which key is it signed?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from newsletter.config import ProviderSettings, Secrets, Settings
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.providers.base import Provider
    from newsletter.render.dkim import DkimSigner

_AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def provider_of(
    settings: Settings,
    secrets: Secrets,
    outbox: Path,
    *,
    name: str = "",
    send_name: str = "",
    stream: str = "",
) -> Provider:
    """The provider of the settings, or the one called `name`; `stream` stands in for that of the settings.

    One that is not the settings' own is reached at its default address and region: what `[provider]` says
    is about another, and this one's key would go to a stranger.

    Raises:
        UsageError: there is no such provider, or it lacks a setting or a key.
    """
    from newsletter.providers.base import ProviderOptions
    from newsletter.providers.registry import make_provider

    table = settings.provider
    name = name or table.name
    if name != table.name:
        table = ProviderSettings(name=name, domain=table.domain, sandbox=table.sandbox)
    return make_provider(
        ProviderOptions(
            name=name,
            base_url=table.base_url,
            host=table.host,
            port=table.port,
            username=table.username,
            starttls=table.starttls,
            tls=table.tls,
            region=table.region,
            domain=table.domain or settings.publication.from_email.rpartition("@")[2],
            stream=stream or table.stream,
            sandbox=table.sandbox,
            secret=_secret(name, secrets),
            outbox_dir=outbox,
            send_name=send_name,
        )
    )


def _secret(name: str, secrets: Secrets) -> SecretStr | None:
    """The key of a provider; for Amazon SES also from where AWS's own tools read it."""
    variable = "NEWSLETTER_SMTP_PASSWORD" if name == "smtp" else f"NEWSLETTER_{name.upper()}_API_KEY"
    secret = secrets.get(variable)
    if secret is not None or name != "ses":
        return secret
    parts = [secrets.get(part) for part in _AWS_VARIABLES]
    if parts[0] is None or parts[1] is None:
        return None
    return SecretStr(":".join(part.get_secret_value() for part in parts if part is not None))


def dkim_signer(settings: Settings, secrets: Secrets, home: Path) -> DkimSigner | None:
    """What signs messages for SMTP, where `dkim_selector` is set; providers with an API sign themselves.

    Raises:
        UsageError: the key is missing or can't be read.
    """
    table = settings.provider
    if not table.dkim_selector:
        return None
    from newsletter.render.dkim import DkimSigner

    key = secrets.get("NEWSLETTER_DKIM_PRIVATE_KEY")
    if key is None:
        raise UsageError(
            "`provider.dkim_selector` is set but NEWSLETTER_DKIM_PRIVATE_KEY isn't",
            hint="put the private key, in PEM or as the path of a PEM file, into the environment or .env",
        )
    domain = table.dkim_domain or settings.publication.from_email.rpartition("@")[2]
    pem = key.get_secret_value()
    if "-----BEGIN" not in pem:
        try:
            pem = (home / Path(pem).expanduser()).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            # The value itself stays unsaid: it may be the key, only mangled.
            raise UsageError(
                "NEWSLETTER_DKIM_PRIVATE_KEY is neither a PEM key nor the path of a readable PEM file"
            ) from None
    return DkimSigner(selector=table.dkim_selector, domain=domain, private_key_pem=pem.replace("\\n", "\n"))
