"""Every page of the site: its links resolve, it is small, it runs nothing."""

from __future__ import annotations

import json
import re
from html import unescape
from urllib.parse import unquote, urljoin, urlsplit

from newsletter.site.index import SearchIndex
from tests.site.conftest import Newsletter, issue
from tests.site.test_passages import files_of


def pages(site: Newsletter) -> list[tuple[str, str]]:
    found = []
    for path in sorted(site.out.rglob("*.html")):
        address = "/" + str(path.relative_to(site.out)).removesuffix("index.html")
        found.append((address, path.read_text("utf-8")))
    return found


def test_every_link_inside_the_site_leads_to_a_page_and_a_part_of_it(samples: Newsletter) -> None:
    known = dict(pages(samples))
    for address, html in known.items():
        for link in re.findall(r'(?:href|src|action)="([^"]*)"', html):
            target = urlsplit(urljoin("https://notes.example.com" + address, unescape(link)))
            if (
                target.netloc != "notes.example.com"
                or target.path in {"/join", "/search"}
                or target.scheme == "data"
            ):
                continue
            path = unquote(target.path)
            there = samples.out / path.strip("/") / ("index.html" if path.endswith("/") else "")
            assert there.is_file(), f"{address} leads to {link}"
            if target.fragment:
                assert f'id="{target.fragment}"' in known[path], f"{address} leads to {link}"


def test_pages_are_small_and_run_nothing(samples: Newsletter) -> None:
    for address, html in pages(samples):
        assert len(html.encode()) <= 50_000, address
        assert re.findall(r"<script(?! type=\"application/ld\+json\">)", html) == [], address
        assert re.findall(r'\sstyle="|\son[a-z]+="|javascript:', html) == [], address
        assert html.count("<h1") == 1, address
        assert "<main" in html, address
        ids = re.findall(r'\sid="([^"]*)"', html)
        assert len(ids) == len(set(ids)), address
    [css] = samples.out.glob("assets/*.css")
    assert css.stat().st_size <= 12_000


def test_the_navigation_says_which_part_of_the_site_a_page_belongs_to(samples: Newsletter) -> None:
    for address, part, current in (
        ("/archive/", "/archive/", "page"),
        ("/hybrid-retrieval/", "/archive/", "true"),
        ("/guides/rag-vs-fine-tuning/", "/guides/", "true"),
        ("/tags/rag/", "/tags/", "true"),
    ):
        navigation = samples.page(address).partition('aria-label="Site"')[2].partition("</nav>")[0]
        assert re.findall(r'href="([^"]+)" aria-current="(\w+)"', navigation) == [(part, current)]


def test_a_guide_has_its_table_its_cards_and_its_form(samples: Newsletter) -> None:
    page = samples.page("/guides/rag-vs-fine-tuning/")
    assert re.search(r'role="region" tabindex="0" aria-labelledby="comparison-caption"', page)
    assert re.search(r'<caption id="comparison-caption"><span>[^<]+</span></caption>', page)
    assert page.count('<th scope="row">') >= 7
    assert page.count('<section class="choice"') == 2
    assert 'action="https://notes.example.com/join"' in page
    assert '<label for="email">' in page


def test_a_table_of_an_issue_has_the_caption_its_author_gave(newsletter: Newsletter) -> None:
    table = "| A | B |\n|---|---|\n| 1 | 2 |\n"
    body = f"{table}\n**Caption:** What *it* shows.\n\nText between.\n\n{table}\n**Bold** words."
    newsletter.write("001-first.md", issue(1, "Tables", body=body))
    assert newsletter.build().replaced
    page = newsletter.page("/first/")
    assert page.count("<table>") == 2
    assert page.count("<caption>") == 1
    assert "<table><caption><span>What <em>it</em> shows.</span></caption>" in page
    assert 'aria-label="What it shows."' in page
    assert "Caption:" not in page
    assert "<p><strong>Bold</strong> words.</p>" in page


def test_a_table_of_many_columns_is_wider_than_the_text(newsletter: Newsletter) -> None:
    for columns, width in ((5, "scroll"), (6, "scroll wide")):
        rows = ["| " + " | ".join(f"{row}{at}" for at in range(columns)) + " |" for row in "abc"]
        body = "\n".join([rows[0], "|---" * columns + "|", *rows[1:]])
        newsletter.write("001-first.md", issue(1, "The first", body=body))
        newsletter.build()
        assert f'<div class="{width}" role="region"' in newsletter.page("/first/")


def test_a_task_list_is_boxes_on_the_page_and_in_feeds_and_brackets_in_the_twin_and_the_corpus(
    newsletter: Newsletter,
) -> None:
    newsletter.write("003-third.md", issue(3, "The third", body="- [ ] Open\n- [x] Done"))
    assert newsletter.build().replaced
    box = '<span aria-label="done" role="img">☑\ufe0e</span> Done'
    page = (newsletter.out / "third" / "index.html").read_text("utf-8")
    assert box in page
    feed = json.loads((newsletter.out / "feed.json").read_bytes())
    assert any(box in item["content_html"] for item in feed["items"])
    assert "- [ ] Open\n- [x] Done" in (newsletter.out / "third" / "index.md").read_text("utf-8")
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        assert "- [ ] Open\n- [x] Done" in index.search("Open").hits[0].passage.text


def test_words_are_followed_by_their_punctuation(samples: Newsletter, newsletter: Newsletter) -> None:
    newsletter.write(
        "003-third.md",
        issue(3, "The third").replace("Why 3?", "Why does `git gc`, run **twice**, `fail`?"),
    )
    assert newsletter.build().replaced
    listed = newsletter.page("/questions/")
    assert "Why does git gc, run twice, fail?" in listed
    answers = re.findall(r'"text": ?"([^"]+)"', samples.page("/guides/rag-vs-fine-tuning/"))
    assert answers
    assert not [answer for answer in answers if re.search(r"\w [.,;)]", answer)]


def test_one_trade_off_stands_where_two_would(newsletter: Newsletter) -> None:
    text = issue(3, "The third").replace("- **Trade-off:** One.\n", "How it is built.\n\n")
    newsletter.write("003-third.md", text)
    assert newsletter.build().replaced
    page = newsletter.page("/third/")
    assert page.index("How it is built.") < page.index("<h3>Trade-off</h3>") < page.index("<li>Two.</li>")


def test_lists_of_an_issue_in_arabic_begin_on_the_right(newsletter: Newsletter) -> None:
    for text, attribute in (("متى", ' dir="auto"'), ("When “this”", "")):
        newsletter.write(
            "003-third.md",
            issue(
                3, "The third", body=f"- {text}\n\n1. {text}\n\n> {text}\n\n|{text}|b|\n|---|---|\n|1|2|\n"
            ),
        )
        assert newsletter.build().replaced
        page = newsletter.page("/third/")
        main = page[page.index('<section class="part"') : page.index("Remember this")]
        assert re.findall(r"<(?:ul|ol|blockquote|table)(.*?)>", main) == [attribute] * 4
