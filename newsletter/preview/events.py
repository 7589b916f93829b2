"""What travels to the page, and in which form?"""

from __future__ import annotations

import json
from email.utils import parseaddr
from typing import Any

from newsletter.errors import NewsletterError
from newsletter.preview.inbox import inbox_lines
from newsletter.preview.message import GMAIL_WARN
from newsletter.preview.picture import Picture
from newsletter.send.plan import GMAIL_CLIPS_AT


def event(name: str, data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    # JSON has no raw line break, so one data line carries it whole (WHATWG HTML, server-sent events). The name of a
    # file may hold bytes that are no UTF-8.
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="replace")


def message_json(picture: Picture) -> dict[str, Any]:
    """The Text and Message panels: text part, headers, parts with sizes, source."""
    message = picture.message
    html = message.first("text/html")
    return {
        "text": picture.text,
        "headers": [{"name": h.name, "raw": h.raw, "text": h.text} for h in message.headers],
        "parts": [
            {
                "type": part.media_type,
                "encoding": part.encoding,
                "name": part.filename,
                "encoded": part.encoded,
                "decoded": len(part.content),
            }
            for part in message.parts
        ],
        "size": len(message.raw),
        "html_encoded": html.encoded if html else 0,
        "html_decoded": len(html.content) if html else 0,
        "clip": GMAIL_CLIPS_AT,
        "warn": GMAIL_WARN,
        "boundaries": [f"--{boundary}" for boundary in message.boundaries],
        "source": message.source,
        "inbox": inbox_lines(_sender(message.header("From")), picture.subject, picture.preheader),
    }


def _sender(header: str) -> str:
    name, address = parseaddr(header)
    return name or address


def explained(error: NewsletterError) -> dict[str, str]:
    """What went wrong, for the page."""
    return {"message": error.message, "hint": error.hint}
