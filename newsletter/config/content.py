"""`[theme]`, `[interview]`, `[checks]` and `[site]`: what an issue and its archive look like, and what is checked."""

from __future__ import annotations

import re
from itertools import chain
from typing import Literal

from pydantic import Field, field_validator

from newsletter.config.table import HEX_COLOUR, HEX_COLOUR_OR_NONE, SECURE_ADDRESS, Table
from newsletter.model.publication import Theme

_DEFAULT_THEME = Theme()


class ThemeSettings(Table):
    """`[theme]`: accent, fonts, logo."""

    accent: str = Field(default=_DEFAULT_THEME.accent, pattern=HEX_COLOUR)
    accent_dark: str = Field(default="", pattern=HEX_COLOUR_OR_NONE)
    font: str = _DEFAULT_THEME.font
    font_mono: str = _DEFAULT_THEME.font_mono
    logo: str = Field(default="", pattern=SECURE_ADDRESS)
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


class InterviewSettings(Table):
    """`[interview]`: the interview question in email."""

    answer_in_email: bool = False


class SiteSettings(Table):
    """`[site]`: the public archive that `newsletter site build` makes; name, colours and address are the newsletter's."""

    out: str = Field(default="site", min_length=1, description="The folder it is built into.")
    per_page: int = Field(default=25, ge=5, le=100, description="Issues or questions on one page of a list.")
    feed_items: int = Field(default=20, ge=1, le=100, description="Issues in the feeds, newest first.")
    cards: bool = Field(
        default=True, description="Draw a picture of each page's title for where it is shared (extra `site`)."
    )
    precompress: bool = Field(
        default=False,
        description="Put .gz files beside the pages, and .br where the brotli package is, for a server that sends them.",
    )
    search: Literal["", "service", "pagefind"] = Field(
        default="",
        description='How readers search: "service" asks `newsletter serve` at `base_url`, "pagefind" makes an index for the browser (extra `site`); no box unless given.',
    )
    licence: str = Field(
        default="",
        max_length=200,
        description='Of the text, such as "CC BY 4.0"; none is claimed unless given.',
    )
    licence_url: str = Field(default="", pattern=SECURE_ADDRESS, description="Where it can be read.")


class ChecksSettings(Table):
    """`[checks]`: rules turned off or up; `[checks.files]`: rules turned off in some files."""

    off: tuple[str, ...] = Field(default=(), description="Codes that are not looked for.")
    errors: tuple[str, ...] = Field(default=(), description="Codes that count as errors.")
    files: dict[str, tuple[str, ...]] = Field(
        default={},
        description='Codes that are not looked for in the files a pattern names: "issues/001-*.md".',
    )

    def off_in(self, path: str) -> tuple[str, ...]:
        """The codes that are off in a file, named from the newsletter's folder with `/`.

        A pattern is meant for a whole path or for a name, and its `*` reaches over folders.
        """
        if not self.files:
            return self.off
        from fnmatch import fnmatchcase

        name = path.rpartition("/")[2]
        here = (
            codes
            for pattern, codes in self.files.items()
            if fnmatchcase(path, pattern) or fnmatchcase(name, pattern)
        )
        return (*self.off, *chain.from_iterable(here))
