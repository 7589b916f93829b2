"""Does it carry what mailbox providers and the law want of a newsletter, and does Gmail show all of it?"""

from __future__ import annotations

import re
from email.utils import parseaddr
from html import unescape
from urllib.parse import urlsplit

from newsletter.checks.output.mail import OutgoingMail
from newsletter.checks.output.origin import Place
from newsletter.checks.output.rule import OutputRule, Report

# Gmail shows the first 102 KB of the HTML and hides the rest behind "View entire message".
CLIPPED_AT, NEAR = 102 * 1024, 90 * 1024
_ONCE = ("From", "Date", "Message-ID", "Subject")
_LEAVE = re.compile(
    r"unsubscri|opt.?out|abmeld|abbestell|désabonn|désinscri|se désinscrire|darse de baja|cancelar|disiscri|afmeld|uitschrijv"
    r"|avregistr|avsluta|odhlás|wypisz|отпис|配信停止|退订",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"<([^<>]+)>")


def _check_size(mail: OutgoingMail, report: Report) -> None:
    largest = max(mail.encoded, mail.decoded)
    if largest <= NEAR:
        return
    shown = f"the HTML is {mail.decoded / 1024:.0f} KB, {mail.encoded / 1024:.0f} KB as it travels"
    if largest > CLIPPED_AT:
        report.add(
            "NL741", f"{shown}: Gmail hides what follows the first 102", report.origin.whole,
            help="shorten it, or publish a part in the archive and link to that",
        )  # fmt: skip
    else:
        report.add(
            "NL740", f"{shown}: Gmail clips at 102", report.origin.whole,
            help="shorten it while it is a matter of a paragraph",
        )  # fmt: skip


def _footer(report: Report) -> Place:
    """Where the duties are usually seen to: the footer, else the layout."""
    return report.origin.style_sheet(r"publication\.postal_address|unsubscribe_url|</body>")


def _check_leaving(mail: OutgoingMail, report: Report) -> None:
    named = set(_ADDRESS.findall(mail.header("list-unsubscribe")))
    links = {unescape(one.attributes.get("href", "")) for one in mail.page.all("a") if one.is_seen}
    by_words = any(
        _LEAVE.search(f"{one.words} {one.attributes.get('href', '')}") for one in mail.page.all("a")
    )
    if mail.html and not (named & links) and (named or not by_words):
        report.add(
            "NL750", "the HTML has no link to unsubscribe", _footer(report),
            help='put `<a href="{{ unsubscribe_url }}">Unsubscribe</a>` into the footer',
        )  # fmt: skip
    # A long address may be wrapped nowhere: the text part keeps it whole.
    if (
        mail.text.strip()
        and not any(address in mail.text for address in named)
        and (named or not _LEAVE.search(mail.text))
    ):
        report.add(
            "NL750", "the text part has no address to unsubscribe at", _footer(report),
            help="put `{{ unsubscribe_url }}` into email/issue.txt.j2",
        )  # fmt: skip


def _check_postal(mail: OutgoingMail, report: Report) -> None:
    address = mail.publication.postal_address if mail.publication else ""
    if not address:
        return  # a send refuses without one
    wanted = _plain(address)
    shown = [
        ("HTML", _plain(mail.page.body.words if mail.page.body else ""), bool(mail.html)),
        ("text part", _plain(mail.text), bool(mail.text.strip())),
    ]
    for name, words, there in shown:
        if there and wanted not in words:
            report.add(
                "NL751", f"the {name} doesn't show the postal address", _footer(report),
                help="put `{{ publication.postal_address }}` into the footer",
            )  # fmt: skip


def _plain(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _check_web_view(mail: OutgoingMail, report: Report) -> None:
    page = _ADDRESS.findall(mail.header("archived-at"))
    links = {one.attributes.get("href", "").partition("#")[0] for one in mail.page.all("a")}
    tracked = mail.publication is not None and any(
        f"{mail.publication.base_url}/c/" in link for link in links
    )
    if mail.html and page and page[0] not in links and not tracked:
        report.add(
            "NL752", "nothing links to the issue on the web", _footer(report),
            help='put `<a href="{{ web_url }}">View in browser</a>` into the header',
        )  # fmt: skip


def _check_list_headers(mail: OutgoingMail, report: Report) -> None:
    if not mail.headers:
        return
    addresses = _ADDRESS.findall(mail.header("list-unsubscribe"))
    web = [a for a in addresses if urlsplit(a).scheme in {"http", "https"}]
    place = report.origin.of_setting("base_url")
    if not web:
        report.add(
            "NL753", "`List-Unsubscribe` has no web address" if addresses else "there is no `List-Unsubscribe`", place,
            help="set `base_url` to where `newsletter serve` is reached",
        )  # fmt: skip
    elif mail.header("list-unsubscribe-post").replace(" ", "").lower() != "list-unsubscribe=one-click":
        secure = web[0].startswith("https:")
        report.add(
            "NL753",
            "there is no `List-Unsubscribe-Post`"
            if secure
            else f"`{web[0][:60]}` is not encrypted, so nobody offers one-click",
            place,
            help="set `base_url` to an `https://` address",
        )


def _check_headers(mail: OutgoingMail, report: Report) -> None:
    if not mail.headers:
        return
    for name in _ONCE:
        values = mail.headers.get(name.lower(), ())
        if len(values) != 1 or not values[0].strip():
            said = (
                "is missing"
                if not values
                else "is empty"
                if len(values) == 1
                else f"stands {len(values)} times"
            )
            place = report.origin.of_setting("from") if name == "From" else report.origin.whole
            report.add("NL754", f"`{name}` {said}", place, help="a message has each of these once")


def _check_alignment(mail: OutgoingMail, report: Report) -> None:
    sender = _domain(parseaddr(mail.header("from"))[1])
    if not sender:
        return
    signed = re.search(r"\bd\s*=\s*([^;\s]+)", mail.header("dkim-signature"))
    if signed and not _belong_together(signed[1].lower(), sender):
        report.add(
            "NL755", f"DKIM signs for {signed[1]}, `From` is {sender}", report.origin.of_setting("dkim_domain"),
            help="let it sign for the domain of `from`",
        )  # fmt: skip
    named = _domain(mail.header("message-id").strip("<> "))
    if named and not _belong_together(named, sender):
        report.add(
            "NL755", f"`Message-ID` is under {named}, `From` under {sender}", report.origin.of_setting("from"),
            help="use the domain of `from`",
        )  # fmt: skip


def _domain(address: str) -> str:
    return address.rpartition("@")[2].strip().lower() if "@" in address else ""


def _belong_together(one: str, other: str) -> bool:
    """Relaxed alignment (RFC 7489, section 3.1.1), as far as it shows without a list of public suffixes."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _check_text_part(mail: OutgoingMail, report: Report) -> None:
    if mail.headers and not mail.text.strip():
        report.add(
            "NL756", "the text part is missing or empty", report.origin.whole,
            help="mend `email/issue.txt.j2` in your templates, or delete it to use ours",
        )  # fmt: skip


RULES = (
    OutputRule(("NL740", "NL741"), _check_size),
    OutputRule(("NL750",), _check_leaving, of_any=False),
    OutputRule(("NL751",), _check_postal, of_any=False),
    OutputRule(("NL752",), _check_web_view, of_any=False),
    OutputRule(("NL753",), _check_list_headers, of_any=False),
    OutputRule(("NL754",), _check_headers, of_any=False),
    OutputRule(("NL755",), _check_alignment, of_any=False),
    OutputRule(("NL756",), _check_text_part, of_any=False),
)
