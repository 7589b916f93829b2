"""The feeds: dates as their specifications want them, every character escaped, the whole text, whole addresses."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from email.utils import parsedate_to_datetime
from pathlib import Path

from markdown import markdown

from newsletter.site.feeds import rfc822, text
from tests.site.conftest import Newsletter, issue

ATOM = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
# RFC 3339, section 5.6.
RFC3339 = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(Z|[+-]\d\d:\d\d)"
)
# RFC 822, section 5.1, with the four digits RSS 2.0 prefers.
RFC822 = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
TITLE = 'The <second> & "more"'


def parsed(newsletter: Newsletter, name: str) -> ET.Element:
    return ET.fromstring((newsletter.out / name).read_bytes())


def test_atom(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", extra="updated: 2026-02-09\n"))
    newsletter.build()
    feed = parsed(newsletter, "atom.xml")
    dates = [*feed.iter(f"{ATOM}updated"), *feed.iter(f"{ATOM}published")]
    assert len(dates) == 7
    assert all(RFC3339.fullmatch(date.text or "") for date in dates)
    assert feed.findtext(f"{ATOM}updated") == "2026-02-09T00:00:00Z"
    assert feed.findtext(f"{ATOM}title") == newsletter.publication.name
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == ["The third", TITLE, "The first"]
    assert entries[0].findtext(f"{ATOM}id") == "https://notes.example.com/third/"
    html = entries[0].findtext(f"{ATOM}content") or ""
    assert '<a href="https://notes.example.com/first/#concept">the first</a>' in html
    assert '<a href="https://notes.example.com/third/#concept">above</a>' in html
    assert "Because." in html


def test_rss(newsletter: Newsletter) -> None:
    newsletter.build()
    feed = parsed(newsletter, "feed.xml")
    items = feed.findall("channel/item")
    assert [item.findtext("title") for item in items] == ["The third", TITLE, "The first"]
    for item, day in zip(items, (3, 2, 1), strict=True):
        date = item.findtext("pubDate") or ""
        assert RFC822.fullmatch(date)
        assert parsedate_to_datetime(date).date().isoformat() == f"2026-01-0{day}"
        assert "Because." in (item.findtext(f"{CONTENT}encoded") or "")
    assert rfc822("2026-01-06") == "Tue, 06 Jan 2026 00:00:00 GMT"


def test_json_feed(newsletter: Newsletter) -> None:
    newsletter.build()
    feed = json.loads((newsletter.out / "feed.json").read_bytes())
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["title"] for item in feed["items"]] == ["The third", TITLE, "The first"]
    assert all(RFC3339.fullmatch(item["date_published"]) for item in feed["items"])
    assert all("Because." in item["content_html"] for item in feed["items"])


def test_no_address_in_a_feed_needs_a_page_around_it(samples: Newsletter) -> None:
    feed = json.loads((samples.out / "feed.json").read_bytes())
    for item in feed["items"]:
        assert re.findall(r'(?:href|src)="(?!https?:|mailto:)[^"]*"', item["content_html"]) == []


def test_the_sitemap_lists_every_page_that_may_be_found_and_no_other(samples: Newsletter) -> None:
    found = {
        element.text or ""
        for element in parsed(samples, "sitemap.xml").iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    }
    base = samples.publication.base_url
    pages = {
        f"{base}/{path.parent.relative_to(samples.out)}/".replace("/./", "/")
        for path in samples.out.rglob("index.html")
    }
    assert found == pages
    robots = (samples.out / "robots.txt").read_text()
    assert f"Sitemap: {base}/sitemap.xml" in robots


def test_llms_txt_leads_to_pages_as_markdown(samples: Newsletter) -> None:
    words = (samples.out / "llms.txt").read_text("utf-8")
    links = re.findall(r"\]\(https://notes\.example\.com/([^)]+\.md)\)", words)
    assert len(links) >= 8
    assert all((samples.out / link).is_file() for link in links)


def test_a_bracket_in_a_title_ends_no_link(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(5, "What [0] and ] do"))
    newsletter.build()
    for name in ("llms.txt", "archive/index.md"):
        line = r"- [What \[0\] and \] do](https://notes.example.com/fifth/"
        assert line in (newsletter.out / name).read_text("utf-8")


def test_signs_of_markdown_in_a_title_are_words(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(5, "<b> `x` < *y* & __init__ of snake_case"))
    newsletter.build()
    shown = r"\<b> \`x\` < \*y\* & \_\_init\_\_ of snake_case"
    for name in ("llms.txt", "archive/index.md", "fifth/index.md"):
        assert shown in (newsletter.out / name).read_text("utf-8")
    first = (newsletter.out / "fifth" / "index.md").read_text("utf-8").partition("\n")[0]
    assert (
        markdown(first.replace(r"\<", "&lt;"))
        == "<h1>&lt;b&gt; `x` &lt; *y* &amp; __init__ of snake_case</h1>"
    )


def test_code_that_shows_a_link_is_left_as_it_is(newsletter: Newsletter) -> None:
    newsletter.write(
        "005-fifth.md",
        issue(
            5,
            "The fifth",
            body='[That](001-first.md), [it][1]: `[That](001-first.md)` and `<a href="/about">`.\n\n'
            "```markdown\n[That](001-first.md)\n```\n\n[1]: 002-second.md\n",
        ),
    )
    newsletter.build()
    twin = (newsletter.out / "fifth" / "index.md").read_text("utf-8")
    base = newsletter.publication.base_url
    assert f"[That]({base}/first/), [it][1]: `[That](001-first.md)`" in twin
    assert "```markdown\n[That](001-first.md)\n```" in twin
    assert f"[1]: {base}/second/\n" in twin
    feed = json.loads((newsletter.out / "feed.json").read_bytes())
    [html] = [item["content_html"] for item in feed["items"] if item["title"] == "The fifth"]
    assert f'<a href="{base}/first/">' in html
    assert '&lt;a href="/about"&gt;' in html.replace("&#34;", '"').replace("&quot;", '"')


def test_what_is_to_be_found_elsewhere_is_in_the_sitemap_of_its_own_host(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(5, "Elsewhere", extra="canonical_url: https://other.example/x\n"))
    newsletter.write(
        "002-second.md",
        issue(2, "Here", extra=f"canonical_url: {newsletter.publication.base_url}/first/\n"),
    )
    newsletter.build()
    listed = (newsletter.out / "sitemap.xml").read_text("utf-8")
    assert "other.example" not in listed
    assert "/fifth/" not in listed
    assert listed.count("/first/</loc>") == 2


def test_what_xml_can_not_carry_is_left_out() -> None:
    wild = 'a\x00\x0b\ud800<b>&"\ufffe\U0001f600\u2028'
    read = ET.fromstring(f'<x y="{text(wild)}">{text(wild)}</x>')
    assert read.text == 'a<b>&"\U0001f600\u2028'
    assert read.get("y") == read.text


def test_structured_data_is_json_that_can_not_end_its_element(newsletter: Newsletter, tmp_path: Path) -> None:
    newsletter.write("001-first.md", issue(1, "</script><b> &"))
    newsletter.build()
    page = newsletter.page("/first/")
    blocks = [
        json.loads(block)
        for block in re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    ]
    assert {block["@type"] for block in blocks} == {"Article", "BreadcrumbList"}
    article = next(block for block in blocks if block["@type"] == "Article")
    assert article["headline"].startswith("</script><b>")
    assert article["datePublished"] == "2026-01-01"


def test_a_guide_says_its_questions(samples: Newsletter) -> None:
    page = samples.page("/guides/rag-vs-fine-tuning/")
    blocks = [
        json.loads(block)
        for block in re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    ]
    assert {block["@type"] for block in blocks} == {"Article", "BreadcrumbList", "FAQPage"}
    faq = next(block for block in blocks if block["@type"] == "FAQPage")
    names = [question["name"] for question in faq["mainEntity"]]
    assert "Is RAG cheaper than fine-tuning?" in names
    assert all(question["acceptedAnswer"]["text"] for question in faq["mainEntity"])
