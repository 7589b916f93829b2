"""Each topic has a page of its own, whatever it is called, and one however it is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.site.page import tag_address
from tests.site.conftest import Newsletter, issue


@pytest.mark.parametrize(
    ("tag", "address"),
    [
        ("c", "/tags/c/"),
        ("C++", "/tags/c-plus-plus/"),
        ("c#", "/tags/c-sharp/"),
        (".NET", "/tags/dot-net/"),
        ("node.js", "/tags/node-js/"),
        ("été", "/tags/ete/"),
        ("日本語 RAG", "/tags/%E6%97%A5%E6%9C%AC%E8%AA%9E-rag/"),
    ],
)
def test_a_topic_is_spelled_in_its_address(tag: str, address: str) -> None:
    assert tag_address(tag) == address


@given(st.text(min_size=1, max_size=300))
def test_any_topic_has_a_folder_below_tags_and_no_other(tag: str) -> None:
    try:
        tag.encode()
    except UnicodeEncodeError:  # no file can say that
        return
    name = unquote(tag_address(tag).removeprefix("/tags/").removesuffix("/"))
    assert name
    assert not re.search(r"[/\\\x00-\x1f]", name)
    assert name.strip(".")
    assert not re.fullmatch(r"page-\d+", name)
    assert len(name.encode()) <= 255


def test_topics_whose_letters_are_the_same_have_pages_of_their_own(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "On C", tags="[c]"))
    newsletter.write("002-second.md", issue(2, "On C++", tags='["c++"]'))
    newsletter.write("003-third.md", issue(3, "On 日本", tags='["日本", "..", "page-2"]'))
    assert newsletter.build().replaced
    assert "On C</a>" in newsletter.page("/tags/c/")
    assert "On C++</a>" not in newsletter.page("/tags/c/")
    assert "On C++</a>" in newsletter.page("/tags/c-plus-plus/")
    assert "On 日本</a>" in newsletter.page("/tags/日本/")
    assert 'href="/tags/%E6%97%A5%E6%9C%AC/"' in newsletter.page("/third/")
    folders = {path.name for path in Path(newsletter.out / "tags").iterdir() if path.is_dir()}
    assert len(folders) == 5
    questions = newsletter.page("/questions/")
    assert 'href="/questions/topic/c-plus-plus/"' in questions
    assert "Why 2?" in newsletter.page("/questions/topic/c-plus-plus/")
    assert "Why 1?" not in newsletter.page("/questions/topic/c-plus-plus/")


def test_a_topic_that_is_written_in_two_ways_has_one_page(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", tags="[RAG]"))
    newsletter.write("002-second.md", issue(2, "The second", tags="[rag, Rag]"))
    newsletter.write("003-third.md", issue(3, "The third", tags="[rag]"))
    assert newsletter.build().replaced
    listed = newsletter.page("/tags/rag/")
    for title in ("The first", "The second", "The third"):
        assert listed.count(f"{title}</a>") == 1
    assert "<h1>rag</h1>" in listed
    assert newsletter.page("/second/").count('href="/tags/rag/"') == 1
    assert newsletter.page("/tags/").count('href="/tags/rag/"') == 1
    assert newsletter.page("/questions/").count('href="/questions/topic/rag/"') == 1


def test_topics_go_on_by_the_alphabet_and_issues_by_age(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", tags="[a, b, c, d, e, f, g, h]"))
    assert newsletter.build().replaced
    assert '<a rel="next" href="/tags/page-2/">Next →</a>' in newsletter.page("/tags/")
    assert '<a rel="prev" href="/tags/">← Previous</a>' in newsletter.page("/tags/page-2/")


def test_many_topics_of_the_question_bank_are_folded_the_commonest_first(newsletter: Newsletter) -> None:
    many = ", ".join(f"rare-{at:02}" for at in range(30))
    newsletter.write("005-fifth.md", issue(5, "The fifth", tags=f"[zebra, {many}]"))
    newsletter.write("006-sixth.md", issue(6, "The sixth", tags="[zebra]"))
    newsletter.build()
    page = newsletter.page("/questions/")
    shown, folded = page.split("<details>")
    assert 'href="/questions/topic/zebra/"' in shown
    assert re.findall(r"<summary>(\d+) more</summary>", folded) == [str(folded.count("/questions/topic/"))]
    assert len(set(re.findall(r"/questions/topic/[^/]+/", page))) == 30 + 3
    assert "<details open>" in newsletter.page("/questions/topic/rare-29/")
    assert "<details" not in newsletter.page("/archive/")


def test_topics_are_sorted_as_readers_look_for_them(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(5, "The fifth", tags="[Agents, zebra, 'c#']"))
    newsletter.options = replace(newsletter.options, per_page=25)
    newsletter.build()
    names = re.findall(r"<h2><a[^>]*>([^<]+)</a></h2>", newsletter.page("/tags/"))
    assert names == sorted(names, key=str.casefold)
    assert names[0] == "Agents"


def test_a_topic_too_rare_for_the_filter_is_in_it_where_it_is_chosen(newsletter: Newsletter) -> None:
    for number in (1, 2):
        common = ", ".join(f"common-{n}" for n in range(70))
        name = ("first", "second")[number - 1]
        newsletter.write(f"00{number}-{name}.md", issue(number, f"Common {number}", tags=f"[{common}]"))
    newsletter.write("003-third.md", issue(3, "The third", tags="[rare]"))
    assert newsletter.build().replaced
    chosen = 'href="/questions/topic/rare/" aria-current="true"'
    assert chosen in newsletter.page("/questions/topic/rare/")
    assert "/questions/topic/rare/" not in newsletter.page("/questions/")
