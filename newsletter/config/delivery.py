"""`[provider]` and `[sending]`: how messages leave, how fast, and when."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from newsletter.config.table import TAGGABLE, Table
from newsletter.send.rates import parse_daily_quota, parse_rate


class ProviderSettings(Table):
    """`[provider]`: how messages leave."""

    name: str = "outbox"
    base_url: str = ""
    host: str = ""
    port: int = Field(default=0, ge=0, le=65535)
    username: str = ""
    starttls: bool | None = None
    tls: bool | None = None
    region: str = Field(default="", pattern=r"^[a-z0-9-]*$", description="`eu`, or an AWS region.")
    domain: str = Field(default="", description="The sending domain, where a provider's address needs it.")
    stream: str = Field(default="", description="The message stream or IP pool, where there are several.")
    sandbox: bool = Field(
        default=False, description="Have the provider check everything and deliver nothing."
    )
    dkim_selector: str = ""
    dkim_domain: str = ""
    bounce_address: str = Field(
        default="",
        pattern=TAGGABLE,
        description="Where bounces of what leaves over SMTP come back to, such as bounces@example.com; each message gets a tag of its own: bounces+TAG@example.com.",
    )


class SendingSettings(Table):
    """`[sending]`: how fast, and when."""

    rate: float = Field(
        default=0,
        description='At most so many messages a second, or words: "600 per minute"; 0 for no limit.',
    )
    burst: int = Field(default=0, ge=0, description="Messages that may leave at once; 0 for one batch.")
    daily_quota: int = Field(
        default=0, description="At most so many messages in any 24 hours; 0 for no quota."
    )
    calls: float = Field(
        default=0, description='Calls a second, or words: "10 a minute"; 0 for what the provider documents.'
    )
    batch: int = Field(default=0, ge=0, description="Recipients per call; 0 for what the provider takes.")
    connections: int = Field(default=0, ge=0, le=64, description="Parallel connections; 0 to let us choose.")
    hold: int = Field(default=0, ge=0, description="Seconds to wait before the first message leaves.")
    late: int = Field(
        default=3600,
        ge=60,
        description="Seconds after its hour from which a scheduled send is held for a person to decide.",
    )
    day: Literal["", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = ""
    images: Literal["auto", "attach", "link"] = Field(
        default="auto",
        description="Pictures travel with the mail or are linked under `base_url`; `auto` attaches where the provider can.",
    )

    @field_validator("rate", "calls", mode="before")
    @classmethod
    def _is_a_rate(cls, value: object, info: ValidationInfo) -> float:
        return parse_rate(value, info.field_name or "rate")

    @field_validator("daily_quota", mode="before")
    @classmethod
    def _is_a_quota(cls, value: object) -> int:
        return parse_daily_quota(value)
