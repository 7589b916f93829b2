"""`[web]`, `[bounces]`, `[tracking]` and `[privacy]`: how readers come and go, what is heard back of them, and how long it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from newsletter.config.table import TAGGABLE, Table

if TYPE_CHECKING:
    # Every command reads the settings; few of them render.
    from newsletter.render.tracked import TrackingWishes


class WebSettings(Table):
    """`[web]`: the public service."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Networks whose X-Forwarded-For is believed, such as 127.0.0.1 or 10.0.0.0/8; nobody's by default.",
    )
    topics: tuple[str, ...] = Field(
        default=(), description="Tags a reader may choose among on the preferences page."
    )
    double_opt_in: bool = Field(
        default=True, description="Whether joining needs a press in a mail; who left needs one in any case."
    )
    consent_text: str = Field(
        default="",
        max_length=1000,
        description="What a reader agrees to, beside the button; says by itself what comes and how often.",
    )
    reminder_after_days: int = Field(
        default=3,
        ge=0,
        le=6,
        description="Days after which who hasn't confirmed is reminded, once; 0 for never.",
    )
    embedded_forms: bool = Field(
        default=True,
        description="Whether forms on other sites may post here; their visitors can't bring a token.",
    )
    proof_of_work: int = Field(
        default=0,
        ge=0,
        le=24,
        description="Zero bits a reader's browser has to find before the form is taken: 16 takes it a second or two; 0 for none.",
    )
    disposable: Literal["flag", "refuse"] = Field(
        default="flag", description="What is done about addresses made to be thrown away."
    )
    signups_per_hour: int = Field(
        default=1000,
        ge=1,
        description="Confirmations mailed in an hour, at most; what is over it looks like success.",
    )
    stream: str = Field(
        default="",
        description="The message stream of confirmations and other single mails; `provider.stream` unless given.",
    )
    unsubscribe_address: str = Field(
        default="",
        pattern=TAGGABLE,
        description="A mailbox that takes readers off the list by mail, such as leave@example.com; each has a tag of their own. `newsletter bounces poll` reads it.",
    )

    site: str = Field(
        default="", description="The folder of the built site, to be served as well; empty for none."
    )
    metrics_from: tuple[str, ...] = Field(
        default=("127.0.0.0/8", "::1"), description="Networks that may read /metrics."
    )
    access_log: bool = Field(
        default=False,
        description="Write a line of JSON for each request to standard output, without addresses or tokens.",
    )
    api_requests_per_minute: int = Field(
        default=600, ge=1, description="Requests a key of the API may make in a minute."
    )

    @field_validator("trusted_proxies", "metrics_from")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from ipaddress import ip_network

        for text in value:
            try:
                ip_network(text)
            except ValueError:
                msg = f"`{text}` is not a network: write an address or one such as 10.0.0.0/8"
                raise ValueError(msg) from None
        return value


class BouncesSettings(Table):
    """`[bounces]`: the mailbox that bounces, complaints and unsubscribes by mail arrive in."""

    protocol: Literal["", "imap", "pop3", "maildir"] = Field(
        default="", description="How it is read; nothing is unless given."
    )
    host: str = ""
    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="993 for IMAP and 995 for POP3 unless given; 143 and 110 with `starttls`.",
    )
    user: str = ""
    tls: bool | None = Field(
        default=None,
        description="TLS, from the first byte; false only on this machine. On by default elsewhere.",
    )
    starttls: bool = Field(
        default=False,
        description="TLS after a first word in clear text, for ports 143 and 110; a server that doesn't offer it is refused.",
    )
    folder: str = Field(
        default="",
        description="The IMAP folder, INBOX unless given; for maildir its path, from the newsletter's folder.",
    )
    done: str = Field(
        default="Newsletter-Done", min_length=1, description="Where what was dealt with is moved to."
    )
    aside: str = Field(
        default="Newsletter-Aside",
        min_length=1,
        description="Where what can't be read is moved to, for a person.",
    )
    every: int = Field(default=300, ge=10, description="Seconds between two looks.")
    limit: int = Field(default=5000, ge=1, le=100_000, description="Mails read in one look, at most.")


class TrackingSettings(Table):
    """`[tracking]`: what is made of reports about messages."""

    opens: bool = Field(default=False, description="Count who opens an issue, by a picture nobody sees.")
    clicks: bool = Field(
        default=False, description="Count who follows a link, by an address of ours in between."
    )
    soft_bounces: int = Field(
        default=3, ge=1, le=20, description="Deliveries in a row that came back for now, until that is final."
    )
    flood_percent: float = Field(
        default=10.0,
        gt=0,
        le=100,
        description="Bounces and complaints within an hour, in percent of a send, from which a person decides.",
    )
    keep_days: int = Field(
        default=30,
        ge=1,
        description="Days after which a report's own words, addresses included, are emptied.",
    )
    leave_alone: tuple[str, ...] = Field(
        default=(), description="Beginnings of addresses whose clicks are never counted."
    )
    sns_topics: tuple[str, ...] = Field(
        default=(), description="ARNs of the Amazon SNS topics that Amazon SES reports through."
    )

    @property
    def wishes(self) -> TrackingWishes:
        """What is counted, as the lower layers know it."""
        from newsletter.render.tracked import TrackingWishes

        return TrackingWishes(opens=self.opens, clicks=self.clicks, leave_alone=self.leave_alone)


class PrivacySettings(Table):
    """`[privacy]`: how long what is kept; `newsletter serve` and `newsletter worker` see to it once a day."""

    left_days: int = Field(
        default=0,
        ge=0,
        description="Days after which who left, bounced or complained is erased, all but the keyed hash; 0 for never.",
    )
    network_days: int = Field(
        default=0,
        ge=0,
        description="Days after which network addresses and browsers leave the consent record; 0 for never.",
    )
    reason_days: int = Field(
        default=90,
        ge=0,
        description="Days after the end of a send that the words of receiving servers are kept; 0 for ever.",
    )
    mail_days: int = Field(
        default=30,
        ge=2,
        le=30,
        description="Days it is kept that somebody was sent a confirmation or another single mail.",
    )
