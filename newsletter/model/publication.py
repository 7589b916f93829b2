"""Who publishes, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Publication:
    """The newsletter's identity, as it appears in every message.

    Attributes:
        name: the newsletter's name.
        from_email: the bare address of `From:`; its domain is the sending domain.
        from_name: the display name of `From:`.
        postal_address: the sender's postal address; CAN-SPAM §7704(a)(5) wants one in every issue.
        base_url: where the archive and the public service live, without a trailing slash.
        tagline: one line under the name.
        reply_to: a bare address, or empty.
        list_id: the stable identifier of RFC 2919, such as `notes.example.com`.
        language: BCP 47 tag of the text, such as `en`.
        bounce_address: where bounces of mail sent over SMTP come back to, each with a tag of its own; or empty.
        unsubscribe_address: who mails it, with a tag of theirs, leaves; or empty.
    """

    name: str
    from_email: str
    from_name: str = ""
    postal_address: str = ""
    base_url: str = ""
    tagline: str = ""
    reply_to: str = ""
    list_id: str = ""
    language: str = "en"
    bounce_address: str = ""
    unsubscribe_address: str = ""


@dataclass(frozen=True, slots=True)
class Theme:
    """The `[theme]` table: what re-skins the email, the pages and the preview.

    Attributes:
        accent: colour of links and marks on a light ground, `#rrggbb`.
        accent_dark: the same on a dark ground; derived from `accent` where empty.
        font: font stack of the text.
        font_mono: font stack of code.
        logo: absolute URL of an image shown above the name, or empty.
        logo_alt: its alternative text.
        logo_width: its width in CSS pixels.
    """

    accent: str = "#1f5fbf"
    accent_dark: str = ""
    font: str = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
    font_mono: str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"
    logo: str = ""
    logo_alt: str = ""
    logo_width: int = 120
