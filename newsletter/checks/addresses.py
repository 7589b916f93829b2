"""Will a reader know where a link leads, and does its address say only that?"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from newsletter.checks.rule import Rule, Subject
from newsletter.checks.targets import Target
from newsletter.content.document import Findings
from newsletter.content.suggest import listed, nearest
from newsletter.diagnostics import Fix, Severity
from newsletter.model.issue import Issue, Subsection, markers

# Domains nobody can have (RFC 2606, RFC 6761).
_RESERVED = ("example", "invalid", "test")
_RESERVED_HOSTS = frozenset(f"example.{end}" for end in ("com", "net", "org"))
_SHORTENERS = frozenset(
    [
        "bit.ly",
        "buff.ly",
        "cutt.ly",
        "dlvr.it",
        "goo.gl",
        "is.gd",
        "lnkd.in",
        "ow.ly",
        "rb.gy",
        "rebrand.ly",
        "shorturl.at",
        "t.co",
        "t.ly",
        "tiny.cc",
        "tinyurl.com",
        "trib.al",
        "v.gd",
    ]
)
# Each names one reader, one click or one campaign of the page the address was copied from.
_CLICK_IDS = frozenset(
    [
        "_hsenc",
        "_hsmi",
        "dclid",
        "fbclid",
        "gbraid",
        "gclid",
        "gclsrc",
        "hsctatracking",
        "igsh",
        "igshid",
        "li_fat_id",
        "mc_cid",
        "mc_eid",
        "mkt_tok",
        "msclkid",
        "oly_anon_id",
        "oly_enc_id",
        "rb_clickid",
        "s_cid",
        "ttclid",
        "twclid",
        "vero_conv",
        "vero_id",
        "wbraid",
        "wickedid",
        "yclid",
        "__hsfp",
        "__hssc",
        "__hstc",
    ]
)
_CAMPAIGN = "utm_"
# Who puts these into an address is where it was copied from; a deal of one's own with a site looks otherwise.
_COPIED_FROM = frozenset(
    [
        "chatgpt.com",
        "facebook",
        "google",
        "hackernews",
        "linkedin",
        "openai",
        "perplexity",
        "reddit",
        "rss",
        "share",
        "twitter",
        "x",
    ]
)
_VAGUE = frozenset(
    [
        "article",
        "click",
        "click here",
        "click this",
        "click this link",
        "details",
        "find out more",
        "full article",
        "full story",
        "go",
        "here",
        "info",
        "learn more",
        "link",
        "more",
        "more details",
        "more info",
        "more information",
        "page",
        "post",
        "read",
        "read more",
        "read on",
        "read this",
        "see here",
        "see more",
        "source",
        "that",
        "there",
        "this",
        "this article",
        "this link",
        "this page",
        "this post",
        "view",
        "view more",
        "website",
    ]
)
_TYPED_DOMAINS = {
    "gamil.com": "gmail.com",
    "gmai.com": "gmail.com",
    "gmail.co": "gmail.com",
    "gmail.con": "gmail.com",
    "gmial.com": "gmail.com",
    "gnail.com": "gmail.com",
    "hotmai.com": "hotmail.com",
    "hotmail.con": "hotmail.com",
    "hotmial.com": "hotmail.com",
    "outlok.com": "outlook.com",
    "outlook.con": "outlook.com",
    "yaho.com": "yahoo.com",
    "yahoo.con": "yahoo.com",
}


def _check_links(subject: Subject, findings: Findings) -> None:
    """Everything about one link; the address is only taken apart once."""
    for target in subject.targets:
        address = target.address
        if "{{" in address:
            continue
        if address[:7].casefold() == "mailto:":
            _check_mailbox(target, findings)
        elif _is_broken(address):
            findings.add(
                "NL820",
                f"`{address[:60]}` is no address",
                target.start,
                target.end,
                help="an address begins with `https://` and a host",
            )
        elif address[:4].casefold() == "http":
            _check_web_address(target, findings)
        if not target.image and target.worded:
            _check_text(target, findings)


def _is_broken(address: str) -> bool:
    """Whether it was meant to be an address of the web and is none: `https:/a.org`, `https//a.org`, `https://https://…`, `//[a`."""
    if "[" in address:
        try:
            urlsplit(address)
        except ValueError:  # such as an unclosed bracket of an IPv6 address
            return True
    start = address[:20].casefold()
    if not start.startswith("http"):
        return False
    rest = start[4:].removeprefix("s")
    if not rest.startswith("://"):
        return rest.startswith((":", "//", ";//", ".//"))
    return rest[3:].startswith(("/", "http:", "https:", "http//", "https//"))


def _check_web_address(target: Target, findings: Findings) -> None:
    address = target.address
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return
    if _is_reserved(host):
        findings.add(
            "NL811",
            f"`{host}` is a placeholder",
            target.start,
            target.end,
            help="put in the address that is meant",
        )
    elif host in _SHORTENERS and len(parts.path) > 1:
        findings.add(
            "NL812",
            f"`{host}` hides where the {'image comes from' if target.image else 'link leads'}",
            target.start,
            target.end,
            help="open it, and use the address it leads to",
        )
    if parts.query:
        _check_query(target, parts.query, findings)


def _is_reserved(host: str) -> bool:
    labels = host.rsplit(".", 2)
    return labels[-1] in _RESERVED or ".".join(labels[-2:]) in _RESERVED_HOSTS


def _check_query(target: Target, query: str, findings: Findings) -> None:
    pairs = [(pair.partition("=")[0].casefold(), pair) for pair in query.split("&")]
    clicks = [name for name, _ in pairs if name in _CLICK_IDS]
    campaign = [name for name, _ in pairs if name.startswith(_CAMPAIGN)]
    if not clicks and not campaign:
        return
    kept = "&".join(pair for name, pair in pairs if name not in _CLICK_IDS and not name.startswith(_CAMPAIGN))
    clean = target.address.replace(f"?{query}", f"?{kept}" if kept else "", 1)
    source = next((pair.partition("=")[2].casefold() for name, pair in pairs if name == "utm_source"), "")
    named = ", ".join(f"`{name}`" for name in [*clicks, *campaign][:3])
    start = target.start + target.address.index("?")
    findings.add(
        "NL813" if clicks else "NL814",
        f"the address carries {named}",
        start,
        start + 1 + len(query),
        help=f"`{clean[:80]}` is enough",
        fix=Fix(target.start, target.end, clean) if clicks or source in _COPIED_FROM else None,
    )


def _check_mailbox(target: Target, findings: Findings) -> None:
    written = target.address[7:]
    mailbox = written.partition("?")[0]
    if not mailbox and "?" in written:
        return  # a letter whose reader chooses its recipient
    start = target.start + 7
    local, at, domain = mailbox.rpartition("@")
    if not at or not local or "." not in domain or mailbox.startswith("/") or re.search(r"\s|%20", mailbox):
        findings.add(
            "NL818",
            f"`{mailbox[:60]}` is no mail address" if mailbox else "the mail address is empty",
            target.start,
            target.end,
            help="write `mailto:name@host.org`",
            severity=Severity.ERROR,
        )
        return
    meant = _TYPED_DOMAINS.get(domain.casefold())
    if meant:
        findings.add(
            "NL818",
            f"`{domain}` is probably a slip",
            start + len(local) + 1,
            start + len(mailbox),
            help=f"did you mean `{meant}`?",
        )
    elif _is_reserved(domain.casefold()):
        findings.add(
            "NL811",
            f"`{domain}` is a placeholder",
            target.start,
            target.end,
            help="put in the address that is meant",
        )


def _check_text(target: Target, findings: Findings) -> None:
    words = " ".join(target.text.split()).strip(" *_.…!:→›»>").casefold()
    if words in _VAGUE:
        start = target.whole_start + 1
        findings.add(
            "NL819",
            f"the link's words are `{' '.join(target.text.split())[:40]}`",
            start,
            start + len(target.text),
            help="let the words say what is there: its title, or what it shows",
        )


def _check_same_words(subject: Subject, findings: Findings) -> None:
    if len(subject.targets) < 2:
        return
    first: dict[str, Target] = {}
    for target in sorted(subject.targets, key=lambda t: t.start):
        if target.image or not target.worded or "![" in target.text:
            continue
        words = " ".join(target.text.split()).casefold()
        if not words or words in _VAGUE:
            continue
        other = first.setdefault(words, target)
        if other.address.rstrip("/") != target.address.rstrip("/"):
            line, _ = findings.place(other.start)
            start = target.whole_start + 1
            findings.add(
                "NL816",
                f"`{target.text[:40]}` leads elsewhere than on line {line}",
                start,
                start + len(target.text),
                help="give each its own words",
            )


def _check_anchors(subject: Subject, findings: Findings) -> None:
    """A link within an issue: in the mail it leads to the web page, where the part must exist."""
    for target in subject.targets:
        if not target.address.startswith("#") or len(target.address) < 2 or target.image:
            continue
        fragment = unquote(target.address[1:])
        anchors = _anchors_of(subject.issue) if subject.issue else ()
        if anchors and fragment not in anchors and not fragment.startswith("fn"):
            near = nearest(fragment, anchors)
            findings.add(
                "NL518",
                f"the issue has no part `#{fragment[:60]}`",
                target.start,
                target.end,
                help=f"did you mean `#{near}`?"
                if near
                else f"its parts are {listed([f'`#{a}`' for a in anchors], 'and')}",
            )
            continue
        findings.add(
            "NL817",
            f"`{target.address[:60]}` leads out of the mail, to the issue's web page",
            target.start,
            target.end,
            help="name the section in words, where a reader need not go there",
        )


def _anchors_of(issue: Issue) -> list[str]:
    """The parts of an issue's page: its sections, and what stands under an H3 of theirs."""
    found: list[str] = []
    for section in issue.sections:
        found.append(section.kind)
        fields = markers(type(section)).items()
        found += [name.replace("_", "-") for name, mark in fields if isinstance(mark, Subsection)]
    return found


RULES = (
    Rule(("NL811", "NL812", "NL813", "NL814", "NL818", "NL819", "NL820"), _check_links),
    Rule(("NL816",), _check_same_words),
    Rule(("NL518", "NL817"), _check_anchors, of_mail=True),
)
