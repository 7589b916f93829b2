"""Which headers tell a mailbox provider that this is a newsletter, and how to leave it?

RFC 2369 (`List-*`), RFC 2919 (`List-Id`), RFC 8058 (one-click unsubscribe), RFC 3834 and Microsoft's
`X-Auto-Response-Suppress` (no holiday replies), Gmail's `Feedback-ID`.
"""

from __future__ import annotations

import re

from newsletter.errors import NewsletterError
from newsletter.model.delivery import Recipient
from newsletter.model.publication import Publication
from newsletter.render.headers import MAX_LINE, literal, mailbox, phrase, require_safe
from newsletter.render.idn import ascii_domain, ascii_url

ONE_CLICK_FIELD = ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
ONE_CLICK_HEADER = literal(*ONE_CLICK_FIELD)

_HOST = r"[A-Za-z0-9.\[\]:-]+"
_REST = r"(?:[/?#][!-;=?-~]*)?"
_ONE_CLICK_URL = re.compile(
    rf"(?:https://{_HOST}|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?){_REST}"
).fullmatch
_PLAIN_URL = re.compile(rf"mailto:[!-;=?-~]+|http://{_HOST}{_REST}").fullmatch
_LIST_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*").fullmatch
_MAILTO = re.compile(r"mailto:[!-;=?-~]{1,300}").fullmatch
_LONGEST_URL = MAX_LINE - len("List-Unsubscribe: <>")


def unsubscribe_url(recipient: Recipient) -> tuple[str, bool]:
    """What stands in `List-Unsubscribe`, and whether `List-Unsubscribe-Post` goes with it.

    RFC 8058 §3.1 wants an HTTPS address. Plain HTTP to this machine (localhost, 127.0.0.1, [::1]) gets
    the same headers: there somebody tries the service out, and no mailbox provider can reach it anyway.
    Plain HTTP elsewhere and `mailto:` are RFC 2369's and get no `List-Unsubscribe-Post`: planning a
    send refuses them unless it stays on this machine. Without any address there is no message.

    Raises:
        NewsletterError: there is no such address, or it is too long for one line.
    """
    url = recipient.values.get("unsubscribe_url", "")
    if not url.isascii() and url.isprintable():
        url = ascii_url(url)
    if len(url) <= _LONGEST_URL:
        if _ONE_CLICK_URL(url):
            return url, True
        if _PLAIN_URL(url):
            return url, False
    whom = f"the message to {ascii(recipient.email)[1:-1]}"
    if not url:
        raise NewsletterError(
            f"{whom} has no unsubscribe address", hint="set `base_url` to where `newsletter serve` is reached"
        )
    if len(url) > _LONGEST_URL:
        raise NewsletterError(
            f"{whom} has an unsubscribe address of {len(url)} characters; a header line holds {_LONGEST_URL}",
            hint="use a shorter `base_url`",
        )
    raise NewsletterError(
        f"{whom} has an unsubscribe address that no header can carry: {ascii(url)[1:-1]}",
        hint="set `base_url` to an https:// address in ASCII",
    )


def list_unsubscribe(recipient: Recipient) -> tuple[str, bool]:
    """The value of `List-Unsubscribe`, and whether `List-Unsubscribe-Post` goes with it.

    The `mailto:` of `values["unsubscribe_mailto"]` stands behind the web address where there is one: RFC 2369 §2
    wants them in the order of preference, and mail programs that don't know RFC 8058 often know only `mailto:`.

    Raises:
        NewsletterError: as `unsubscribe_url`.
    """
    url, one_click = unsubscribe_url(recipient)
    mailto = recipient.values.get("unsubscribe_mailto", "")
    if mailto and _MAILTO(mailto) and len(url) + len(mailto) + len(">, <") <= _LONGEST_URL:
        return f"<{url}>, <{mailto}>", one_click
    return f"<{url}>", one_click


def is_one_click(base_url: str) -> bool:
    """Whether addresses under `base_url` get `List-Unsubscribe-Post`; see `unsubscribe_url`."""
    return _ONE_CLICK_URL(ascii_url(base_url) if not base_url.isascii() else base_url) is not None


def fixed_fields(
    publication: Publication, web_url: str, send_key: str, domain: str
) -> tuple[tuple[str, str], ...]:
    """The list headers that are the same for everybody, as names and unfolded ASCII values.

    `List-Post: NO` is RFC 2369 §3.4's mark of a list that only announces. The archive and the help
    are named where there is a `base_url`.

    Args:
        publication: who sends.
        web_url: the issue's own address, for `Archived-At` (RFC 5064), or empty.
        send_key: names the send.
        domain: the sending domain, in ASCII.

    Raises:
        NewsletterError: an address or the name can't stand in a header.
    """
    listed = [("List-Post", "NO")]
    if publication.list_id:
        list_id = (
            ascii_domain(publication.list_id) if not publication.list_id.isascii() else publication.list_id
        )
        if not _LIST_ID(list_id):
            raise NewsletterError(
                f"`list_id` can't be {publication.list_id!a}",
                hint="write it like a host name of yours, such as `notes.example.com`",
            )
        words = phrase("List-Id", publication.name, MAX_LINE) if publication.name else []
        listed.insert(0, ("List-Id", " ".join([*words, f"<{list_id}>"])))
    if publication.base_url:
        home = f"<{_header_url('base_url', publication.base_url)}/>"
        listed += [("List-Archive", home), ("List-Help", home)]
    if web_url:
        listed.append(("Archived-At", f"<{_header_url('the address of the issue', web_url)}>"))
    return (
        *listed,
        ("Precedence", "bulk"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ("Feedback-ID", feedback_id(publication, send_key, domain)),
    )


def fixed_lines(publication: Publication, fields: tuple[tuple[str, str], ...]) -> bytes:
    """`fields` as header lines; `List-Id` is folded, the others stand literally on one line each.

    Raises:
        NewsletterError: an address is not ASCII or too long.
    """
    return b"".join(
        mailbox(name, publication.name, value.rpartition("<")[2].rstrip(">"))
        if name == "List-Id" and publication.name
        else literal(name, value)
        for name, value in fields
    )


def feedback_id(publication: Publication, send_key: str, domain: str) -> str:
    """Gmail's `campaign:customer:mailtype:senderid`; the last is the sending domain in 5 to 15 letters and digits."""
    sender = re.sub(r"[^a-z0-9]", "", domain.lower())[:15].ljust(5, "0")
    customer = publication.list_id if publication.list_id.isascii() and publication.list_id else domain
    return f"{_identifier(send_key)}:{_identifier(customer)}:newsletter:{sender}"


def _header_url(what: str, url: str) -> str:
    require_safe(what, url)
    return ascii_url(url)


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:64] or "none"
