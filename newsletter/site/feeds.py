"""What do feed readers, search engines and agents get? Atom, RSS, JSON Feed, the sitemap, robots.txt, llms.txt."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from email.utils import format_datetime
from typing import NamedTuple

from newsletter.model.publication import Publication
from newsletter.site.entry import Entry, literal
from newsletter.site.page import Page

# What XML 1.0 can't carry at all (section 2.2), in pieces: as one set it would take ten milliseconds to compile.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]|[\ud800-\udfff]|\ufffe|\uffff")
# Of a tag, never of code that shows one: its `<` is escaped.
_ROOTED = re.compile(r'(<[^<>]*\s(?:href|src)=")(/[^"]*)(")')
_IN_PAGE = re.compile(r'(<[^<>]*\shref=")(#[^"]*")')


class Item(NamedTuple):
    """An issue in a feed: its page's text as HTML."""

    entry: Entry
    html: str


def absolute(html: str, origin: str, page: str) -> str:
    """`html` whose links and pictures lead somewhere from wherever it is read."""
    return _IN_PAGE.sub(rf"\g<1>{page}\2", _ROOTED.sub(rf"\g<1>{origin}\2\3", html))


def text(words: str) -> str:
    """`words` as XML's character data, or the value of an attribute in double quotes."""
    clean = _FORBIDDEN.sub("", words)
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def moment(date: str) -> dt.datetime:
    """The beginning of a calendar day in UTC."""
    return dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), dt.UTC)


def rfc3339(date: str) -> str:
    """A date as Atom and JSON Feed want it (RFC 3339)."""
    return f"{date}T00:00:00Z"


def rfc822(date: str) -> str:
    """A date as RSS wants it (RFC 822, with four digits for the year)."""
    return format_datetime(moment(date), usegmt=True)


def last_change(items: Sequence[Item]) -> str:
    """The newest date of all; that of the epoch where there is nothing."""
    return max((max(item.entry.date, item.entry.updated) for item in items), default="1970-01-01")


def atom(items: Sequence[Item], publication: Publication, licence: str) -> str:
    """The feed as Atom (RFC 4287)."""
    base = publication.base_url
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{text(publication.language)}">',
        f"<title>{text(publication.name)}</title>",
        *([f"<subtitle>{text(publication.tagline)}</subtitle>"] if publication.tagline else []),
        f"<id>{text(base)}/</id>",
        f'<link rel="alternate" type="text/html" href="{text(base)}/"/>',
        f'<link rel="self" type="application/atom+xml" href="{text(base)}/atom.xml"/>',
        f"<updated>{rfc3339(last_change(items))}</updated>",
        f"<author><name>{text(publication.name)}</name></author>",
        *([f"<rights>{text(licence)}</rights>"] if licence else []),
    ]
    for entry, html in items:
        lines += [
            "<entry>",
            f"<title>{text(entry.title)}</title>",
            f"<id>{text(base + entry.address)}</id>",
            f'<link rel="alternate" type="text/html" href="{text(base + entry.address)}"/>',
            f"<published>{rfc3339(entry.date)}</published>",
            f"<updated>{rfc3339(max(entry.date, entry.updated))}</updated>",
            *([f"<author><name>{text(entry.author)}</name></author>"] if entry.author else []),
            *(f'<category term="{text(tag)}"/>' for tag in entry.tags),
            f"<summary>{text(entry.description)}</summary>",
            f'<content type="html">{text(html)}</content>',
            "</entry>",
        ]
    return "\n".join([*lines, "</feed>", ""])


def rss(items: Sequence[Item], publication: Publication) -> str:
    """The feed as RSS 2.0 with the content module."""
    base = publication.base_url
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">',
        "<channel>",
        f"<title>{text(publication.name)}</title>",
        f"<link>{text(base)}/</link>",
        f"<description>{text(publication.tagline or publication.name)}</description>",
        f"<language>{text(publication.language.lower())}</language>",
        f'<atom:link rel="self" type="application/rss+xml" href="{text(base)}/feed.xml"/>',
        f"<lastBuildDate>{rfc822(last_change(items))}</lastBuildDate>",
    ]
    for entry, html in items:
        lines += [
            "<item>",
            f"<title>{text(entry.title)}</title>",
            f"<link>{text(base + entry.address)}</link>",
            f'<guid isPermaLink="true">{text(base + entry.address)}</guid>',
            f"<pubDate>{rfc822(entry.date)}</pubDate>",
            *([f"<dc:creator>{text(entry.author)}</dc:creator>"] if entry.author else []),
            *(f"<category>{text(tag)}</category>" for tag in entry.tags),
            f"<description>{text(entry.description)}</description>",
            f"<content:encoded>{text(html)}</content:encoded>",
            "</item>",
        ]
    return "\n".join([*lines, "</channel>", "</rss>", ""])


def json_feed(items: Sequence[Item], publication: Publication) -> str:
    """The feed as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    base = publication.base_url
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": publication.name,
        "home_page_url": f"{base}/",
        "feed_url": f"{base}/feed.json",
        **({"description": publication.tagline} if publication.tagline else {}),
        "language": publication.language,
        "authors": [{"name": publication.name, "url": f"{base}/"}],
        "items": [
            {
                "id": base + entry.address,
                "url": base + entry.address,
                "title": entry.title,
                "summary": entry.description,
                "content_html": html,
                "date_published": rfc3339(entry.date),
                **({"date_modified": rfc3339(entry.updated)} if entry.updated else {}),
                **({"authors": [{"name": entry.author}]} if entry.author else {}),
                **({"tags": entry.tags} if entry.tags else {}),
            }
            for entry, html in items
        ],
    }
    return json.dumps(feed, ensure_ascii=False, indent=1) + "\n"


def sitemap(pages: Sequence[Page], base: str) -> str:
    """The pages of the site at `base` that are worth finding (https://www.sitemaps.org/protocol.html)."""
    lines: list[str] = []
    for page in pages:
        if page.hidden:
            continue
        place, changed = base + page.address, ""
        if (entry := page.entry) is not None:
            place, changed = entry.canonical or place, max(entry.date, entry.updated)
            # A sitemap lists its own host alone; what is to be found elsewhere, that one's does.
            if not place.startswith(f"{base}/"):
                continue
        lines.append(f"{place} {changed}")
    # An address has no space; a thousand of them are escaped at once.
    urls = (line.rpartition(" ") for line in text("\n".join(lines)).split("\n"))
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
            *(
                f"<url><loc>{place}</loc>" + (f"<lastmod>{changed}</lastmod></url>" if changed else "</url>")
                for place, _, changed in urls
            ),
            "</urlset>",
            "",
        ]
    )


def robots(publication: Publication) -> str:
    """Everything may be read; the service's own pages are nothing to find."""
    return f"User-agent: *\nAllow: /\n\nSitemap: {publication.base_url}/sitemap.xml\n"


def llms_txt(issues: Sequence[Entry], guides: Sequence[Entry], publication: Publication, licence: str) -> str:
    """What an agent should know of the site, each page as Markdown (https://llmstxt.org)."""
    base = publication.base_url

    def line(entry: Entry) -> str:
        return f"- [{literal(entry.title)}]({base}{entry.address}index.md): {literal(entry.description)}"

    parts = [f"# {literal(publication.name)}", ""]
    if publication.tagline:
        parts += [f"> {literal(publication.tagline)}", ""]
    parts += [
        (
            "Every page has a Markdown twin: add `index.md` to its address. Sections of issues have fixed anchors, "
            "so that each can be cited."
        ),
        *([f"The text is available under {licence}."] if licence else []),
        "",
    ]
    if guides:
        parts += ["## Guides", "", *map(line, guides), ""]
    parts += ["## Issues", "", *map(line, issues), ""]
    parts += [
        "## Optional",
        "",
        f"- [All issues]({base}/archive/index.md)",
        f"- [Atom feed]({base}/atom.xml)",
        "",
    ]
    return "\n".join(parts)
