"""Everything the settings say, as one value, and what the lower layers are handed of it."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from newsletter.config.asking import AskSettings
from newsletter.config.content import ChecksSettings, InterviewSettings, SiteSettings, ThemeSettings
from newsletter.config.delivery import ProviderSettings, SendingSettings
from newsletter.config.readers import BouncesSettings, PrivacySettings, TrackingSettings, WebSettings
from newsletter.config.table import LANGUAGE, LIST_ID, WEB_ADDRESS, Table
from newsletter.content.kinds import kinds_from_table
from newsletter.model.issue import DEFAULT_KINDS, SectionKind
from newsletter.model.publication import Publication, Theme

# A display name and an address in angle brackets, or a bare address.
_FROM = re.compile(r"^\s*(?:(?P<name>[^<>]*?)\s*<(?P<bracketed>[^<>\s]+)>|(?P<bare>[^<>\s]+))\s*$")


class Settings(Table):
    """Everything `newsletter.toml` says, validated."""

    name: str = "Untitled newsletter"
    tagline: str = ""
    from_: str = Field(default="", alias="from")
    reply_to: str = ""
    postal_address: str = ""
    base_url: str = Field(default="", pattern=WEB_ADDRESS)
    list_id: str = Field(default="", pattern=LIST_ID)
    language: str = Field(default="en", pattern=LANGUAGE)
    timezone: str = "UTC"
    provider: ProviderSettings = ProviderSettings.model_construct()
    sending: SendingSettings = SendingSettings.model_construct()
    sections: dict[str, Any] = Field(default_factory=dict)
    theme: ThemeSettings = ThemeSettings.model_construct()
    interview: InterviewSettings = InterviewSettings.model_construct()
    site: SiteSettings = SiteSettings.model_construct()
    web: WebSettings = WebSettings.model_construct()
    tracking: TrackingSettings = TrackingSettings.model_construct()
    bounces: BouncesSettings = BouncesSettings.model_construct()
    privacy: PrivacySettings = PrivacySettings.model_construct()
    checks: ChecksSettings = ChecksSettings.model_construct()
    ask: AskSettings = AskSettings.model_construct()

    @field_validator("from_", "reply_to", "postal_address", "name", "tagline")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", value):
            msg = "control characters, line breaks and direction overrides are not allowed here"
            raise ValueError(msg)
        return value

    @field_validator("from_")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        match = _FROM.match(value)
        if value and (match is None or "@" not in (match["bracketed"] or match["bare"])):
            msg = 'write it as "Name <address@example.com>" or as a bare address'
            raise ValueError(msg)
        return value

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, value: str) -> str:
        if value != "UTC":
            from zoneinfo import ZoneInfo

            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError):
                msg = f"there is no time zone `{value}`: write one such as Europe/Berlin or UTC"
                raise ValueError(msg) from None
        return value

    @property
    def kinds(self) -> tuple[SectionKind, ...]:
        """The section kinds of this newsletter, in the order an issue has them."""
        return kinds_from_table(self.sections) if self.sections else DEFAULT_KINDS

    @property
    def publication(self) -> Publication:
        """The identity, as the lower layers know it."""
        match = _FROM.match(self.from_)
        address = (match["bracketed"] or match["bare"]) if match else ""
        from_name = ((match["name"] or "").strip().strip('"')) if match else ""
        domain = address.rpartition("@")[2]
        return Publication(
            name=self.name,
            from_email=address,
            from_name=from_name or self.name,
            postal_address=self.postal_address,
            base_url=self.base_url.rstrip("/"),
            tagline=self.tagline,
            reply_to=self.reply_to,
            list_id=self.list_id or (f"newsletter.{domain}" if domain else "newsletter.invalid"),
            language=self.language,
            bounce_address=self.provider.bounce_address,
            unsubscribe_address=self.web.unsubscribe_address,
        )

    @property
    def consent_words(self) -> str:
        """What a reader agrees to beside the button: what comes, how often, and how it ends."""
        if self.web.consent_text:
            return self.web.consent_text
        said = f"You get {self.name} by email."
        if self.tagline:
            said += f" {self.tagline}"
        return f"{said} No spam. Unsubscribe anytime."

    @property
    def look(self) -> Theme:
        """The theme, as the lower layers know it."""
        return Theme(**self.theme.model_dump())
