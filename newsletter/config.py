"""From `newsletter.toml` (or `[tool.newsletter]`) and the environment to `Settings`.

Nothing below this module imports it: settings reach the other parts as arguments.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from newsletter.content.kinds import kinds_from_table
from newsletter.content.suggest import did_you_mean
from newsletter.errors import UsageError
from newsletter.model.issue import DEFAULT_KINDS, SectionKind
from newsletter.model.publication import Publication, Theme
from newsletter.render.tracked import TrackingWishes
from newsletter.send.rates import parse_daily_quota, parse_rate

CONFIG_NAME = "newsletter.toml"
_HEX_COLOUR = r"^#[0-9a-fA-F]{6}$"
_HEX_COLOUR_OR_NONE = r"^$|" + _HEX_COLOUR
_WEB_ADDRESS = r"^$|^https?://[^\s/\"'<>]+(/[^\s\"'<>]*)?$"
_SECURE_ADDRESS = r"^$|^https://[^\s\"'<>]+$"
_LIST_ID = r"^$|^[A-Za-z0-9.-]+$"
# 24 characters before the `@` leave room for the tag; a comma or a percent sign means something in a `mailto:`.
_TAGGABLE = r"^$|^[A-Za-z0-9._-]{1,24}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
_LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
# What each pattern asks for, in words.
_FORMS = {
    _HEX_COLOUR: "write a colour as #1f5fbf",
    _HEX_COLOUR_OR_NONE: "write a colour as #1f5fbf",
    _WEB_ADDRESS: "write an address such as https://news.example.com",
    _SECURE_ADDRESS: "write an address such as https://example.com/logo.png",
    _LIST_ID: "write a list id such as newsletter.example.com",
    _TAGGABLE: "write a plain address with at most 24 characters before the @, such as bounces@example.com",
    _LANGUAGE: "write a language tag such as en or pt-BR",
}
# A display name and an address in angle brackets, or a bare address.
_FROM = re.compile(r"^\s*(?:(?P<name>[^<>]*?)\s*<(?P<bracketed>[^<>\s]+)>|(?P<bare>[^<>\s]+))\s*$")


class _Table(BaseModel):
    # A table's validator is built inside that of `Settings`: building it alone as well doubles the start,
    # which is also why the defaults below are constructed without it.
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)


class ProviderSettings(_Table):
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
        pattern=_TAGGABLE,
        description="Where bounces of what leaves over SMTP come back to, such as bounces@example.com; each message gets a tag of its own: bounces+TAG@example.com.",
    )


class SendingSettings(_Table):
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
    images: Literal["auto", "attach", "link"] = "auto"

    @field_validator("rate", "calls", mode="before")
    @classmethod
    def _is_a_rate(cls, value: object, info: ValidationInfo) -> float:
        return parse_rate(value, info.field_name or "rate")

    @field_validator("daily_quota", mode="before")
    @classmethod
    def _is_a_quota(cls, value: object) -> int:
        return parse_daily_quota(value)


_DEFAULT_THEME = Theme()


class ThemeSettings(_Table):
    """`[theme]`: accent, fonts, logo."""

    accent: str = Field(default=_DEFAULT_THEME.accent, pattern=_HEX_COLOUR)
    accent_dark: str = Field(default="", pattern=_HEX_COLOUR_OR_NONE)
    font: str = _DEFAULT_THEME.font
    font_mono: str = _DEFAULT_THEME.font_mono
    logo: str = Field(default="", pattern=_SECURE_ADDRESS)
    logo_alt: str = ""
    logo_width: int = Field(default=_DEFAULT_THEME.logo_width, ge=16, le=600)

    @field_validator("font", "font_mono")
    @classmethod
    def _is_a_font_stack(cls, value: str) -> str:
        # The stack lands in a style attribute: anything that could end it is refused.
        if re.search(r'[";{}<>\\]', value):
            msg = "a font stack holds names, commas and single quotes only"
            raise ValueError(msg)
        return value


class InterviewSettings(_Table):
    """`[interview]`: the interview question in email."""

    answer_in_email: bool = False


class WebSettings(_Table):
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
        pattern=_TAGGABLE,
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


class BouncesSettings(_Table):
    """`[bounces]`: the mailbox that bounces, complaints and unsubscribes by mail arrive in."""

    protocol: Literal["", "imap", "pop3", "maildir"] = Field(
        default="", description="How it is read; nothing is unless given."
    )
    host: str = ""
    port: int = Field(default=0, ge=0, le=65535, description="993 for IMAP and 995 for POP3 unless given.")
    user: str = ""
    tls: bool | None = Field(
        default=None,
        description="TLS, from the first byte; false only on this machine. On by default elsewhere.",
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


class TrackingSettings(_Table):
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
        return TrackingWishes(opens=self.opens, clicks=self.clicks, leave_alone=self.leave_alone)


class PrivacySettings(_Table):
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


class SiteSettings(_Table):
    """`[site]`: the public archive that `newsletter site build` makes; name, colours and address are the newsletter's."""

    out: str = Field(default="site", min_length=1, description="The folder it is built into.")
    per_page: int = Field(default=25, ge=5, le=100, description="Issues or questions on one page of a list.")
    feed_items: int = Field(default=20, ge=1, le=100, description="Issues in the feeds, newest first.")
    licence: str = Field(
        default="",
        max_length=200,
        description='Of the text, such as "CC BY 4.0"; none is claimed unless given.',
    )
    licence_url: str = Field(default="", pattern=_SECURE_ADDRESS, description="Where it can be read.")


class ChecksSettings(_Table):
    """`[checks]`: rules turned off or up."""

    off: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class Settings(_Table):
    """Everything `newsletter.toml` says, validated."""

    name: str = "Untitled newsletter"
    tagline: str = ""
    from_: str = Field(default="", alias="from")
    reply_to: str = ""
    postal_address: str = ""
    base_url: str = Field(default="", pattern=_WEB_ADDRESS)
    list_id: str = Field(default="", pattern=_LIST_ID)
    language: str = Field(default="en", pattern=_LANGUAGE)
    timezone: str = "UTC"
    provider: ProviderSettings = ProviderSettings.model_construct()
    sending: SendingSettings = SendingSettings.model_construct()
    sections: dict[str, Any] = {}
    theme: ThemeSettings = ThemeSettings.model_construct()
    interview: InterviewSettings = InterviewSettings.model_construct()
    site: SiteSettings = SiteSettings.model_construct()
    web: WebSettings = WebSettings.model_construct()
    tracking: TrackingSettings = TrackingSettings.model_construct()
    bounces: BouncesSettings = BouncesSettings.model_construct()
    privacy: PrivacySettings = PrivacySettings.model_construct()
    checks: ChecksSettings = ChecksSettings.model_construct()

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


class Secrets:
    """Keys and passwords, from the process's environment and then from `.env`; never printed, never written."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._dotenv_path = home / ".env"
        self._dotenv: dict[str, str | None] | None = None

    def get(self, name: str) -> SecretStr | None:
        """The secret called `name` (`NEWSLETTER_…`), or None where it isn't set or empty."""
        value = self._environ.get(name)
        if value is None:
            if self._dotenv is None:
                self._dotenv = _read_dotenv(self._dotenv_path)
            value = self._dotenv.get(name)
        return SecretStr(value) if value else None


def _read_dotenv(path: Path) -> dict[str, str | None]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return dict(dotenv_values(path, interpolate=False))


def find_home(start: Path, environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the newsletter: `NEWSLETTER_HOME`, else the nearest folder upwards with settings, else `start`.

    Raises:
        UsageError: `NEWSLETTER_HOME` names something that is not a folder.
    """
    named = (os.environ if environ is None else environ).get("NEWSLETTER_HOME")
    if named:
        home = Path(named).expanduser()
        if not home.is_dir():
            raise UsageError(
                f"NEWSLETTER_HOME names {named}, which is not a folder", hint="unset it or make the folder"
            )
        return home
    for folder in (start, *start.parents):
        # A folder above that nobody may look into is not where this newsletter lives.
        with suppress(PermissionError):
            if _named_there(folder / CONFIG_NAME) or _pyproject_table(folder / "pyproject.toml") is not None:
                return folder
    return start


def _named_there(path: Path) -> bool:
    """Whether its folder has such an entry, be it a file that can be read or not: settings are never passed over in silence.

    Raises:
        OSError: the folder can't be looked into.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _pyproject_table(path: Path) -> dict[str, Any] | None:
    """`[tool.newsletter]` of a pyproject.toml, or None; another project's broken file is not our business."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if "newsletter" not in text:
        return None
    try:
        tool = _parse_toml(text, path).get("tool")
    except UsageError:
        if "[tool.newsletter" in text:
            raise
        return None
    table = tool.get("newsletter") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: `tool.newsletter` is not a table", hint="write it as [tool.newsletter]")
    return table


def _parse_toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"{path}: not valid TOML: {error}", hint="text stands in quotes; see https://toml.io"
        ) from None


def load_settings(home: Path) -> Settings:
    """The settings of the newsletter in `home`; all defaults where it has none.

    Raises:
        UsageError: the file can't be read or parsed, has an unknown key or a wrong value.
    """
    path = home / CONFIG_NAME
    try:
        text = path.read_text("utf-8") if _named_there(path) else None
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {error.strerror}", hint="it has to be a file that you may read"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} can't be read: byte {error.start + 1} is not UTF-8", hint="save it as UTF-8"
        ) from None
    if text is not None:
        return settings_from_table(_parse_toml(text, path), path, text)
    pyproject = home / "pyproject.toml"
    table = _pyproject_table(pyproject)
    if table is None:
        return Settings()
    return settings_from_table(table, pyproject, pyproject.read_text("utf-8"))


def settings_from_table(table: Mapping[str, Any], path: Path, text: str = "") -> Settings:
    """Validate a parsed table; `text` is its source, to say the line of what is wrong.

    Raises:
        UsageError: an unknown key or a wrong value, all of them in one message.
    """
    try:
        settings = Settings.model_validate(dict(table))
    except ValidationError as error:
        lines = [_explain(problem, path, text) for problem in error.errors(include_url=False)]
        raise UsageError("\n".join(lines)) from None
    try:
        _ = settings.kinds  # a wrong [sections] table is refused here, not when the first issue is read
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None
    return settings


def _explain(problem: Any, path: Path, text: str) -> str:
    keys = [str(part) for part in problem["loc"]]
    dotted = ".".join(keys)
    where = f"{path}{_line_of(keys[-1], text)}"
    if problem["type"] == "extra_forbidden":
        meant = did_you_mean(keys[-1], _known_keys(keys[:-1]))
        return f"{where}: unknown key `{dotted}`" + (f"; {meant}" if meant else "")
    return f"{where}: `{dotted}`: {_said(problem)}"


def _said(problem: Any) -> str:
    """What is wrong with a value, in the words of somebody who writes TOML."""
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "string_type":
            return 'it has to be text in quotes, such as "words"'
        case "bool_type" | "bool_parsing":
            return "it has to be true or false"
        case "int_type" | "int_parsing" | "int_from_float":
            return "it has to be a whole number"
        case "tuple_type":
            return 'it has to be a list, such as ["a", "b"]'
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"it has to be a table: [{'.'.join(map(str, problem['loc']))}] on a line of its own"
        case "greater_than_equal":
            return f"it has to be {limits['ge']:g} or more"
        case "less_than_equal":
            return f"it has to be {limits['le']:g} or less"
        case "literal_error":
            return f"it has to be one of {limits['expected']}"
        case "string_pattern_mismatch":
            wanted = _FORMS.get(limits["pattern"], f"it has to match {limits['pattern']}")
            return f"`{str(problem['input'])[:60]}` won't do: {wanted}"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")


def _known_keys(parents: list[str]) -> list[str]:
    model: Any = Settings
    for parent in parents:
        field = model.model_fields.get(parent)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        model = field.annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _line_of(key: str, text: str) -> str:
    """`:LINE` of the first assignment to `key`; tomllib keeps no positions."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*\[?[\w.]*\b{re.escape(key)}\b\s*(=|\])", line):
            return f":{number}"
    return ""
