"""What every table of the settings has in common: how it is validated, and the forms that text in it takes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

HEX_COLOUR = r"^#[0-9a-fA-F]{6}$"
HEX_COLOUR_OR_NONE = r"^$|" + HEX_COLOUR
WEB_ADDRESS = r"^$|^https?://[^\s/\"'<>]+(/[^\s\"'<>]*)?$"
SECURE_ADDRESS = r"^$|^https://[^\s\"'<>]+$"
LIST_ID = r"^$|^[A-Za-z0-9.-]+$"
# 24 characters before the `@` leave room for the tag; a comma or a percent sign means something in a `mailto:`.
TAGGABLE = r"^$|^[A-Za-z0-9._-]{1,24}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
# What each pattern asks for, in words.
FORMS = {
    HEX_COLOUR: "write a colour as #1f5fbf",
    HEX_COLOUR_OR_NONE: "write a colour as #1f5fbf",
    WEB_ADDRESS: "write an address such as https://news.example.com",
    SECURE_ADDRESS: "write an address such as https://example.com/logo.png",
    LIST_ID: "write a list id such as newsletter.example.com",
    TAGGABLE: "write a plain address with at most 24 characters before the @, such as bounces@example.com",
    LANGUAGE: "write a language tag such as en or pt-BR",
}


class Table(BaseModel):
    """A table that takes no key it doesn't know and never changes once it is read."""

    # A table's validator is built inside that of `Settings`: building it alone as well doubles the start,
    # which is also why the defaults below are constructed without it.
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)
