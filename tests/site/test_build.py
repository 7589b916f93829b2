"""What is published, what a page says, and that a build gives the same bytes however it came about."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from newsletter.errors import NewsletterError, UsageError
from newsletter.site.build import build_site
from tests.site.conftest import ROOT, Newsletter, issue, tree


def test_only_sent_issues_are_published(newsletter: Newsletter) -> None:
    built = newsletter.build()
    assert (built.replaced, built.issues) == (True, 3)
    assert (newsletter.out / "second" / "index.html").is_file()
    assert not (newsletter.out / "unsent").exists()
    assert all(b"Secret draft" not in data for data in tree(newsletter.out).values())


def test_drafts_are_shown_when_asked_for(newsletter: Newsletter) -> None:
    newsletter.build(drafts=True)
    assert "Secret draft" in newsletter.page("/unsent/")


def test_a_broken_draft_is_in_nobodys_way(newsletter: Newsletter) -> None:
    newsletter.write("005-wip.md", "---\nnumber: 5\n---\n## What", sent=False)
    assert newsletter.build().replaced


def test_an_issue_has_its_anchors_its_neighbours_and_no_slots(newsletter: Newsletter) -> None:
    newsletter.build()
    page = newsletter.page("/second/")
    for anchor in ("concept", "architecture", "project-idea", "interview-question", "answer"):
        assert page.count(f' id="{anchor}"') == 1
    assert '<a rel="prev" href="/first/">' in page
    assert '<a rel="next" href="/third/">' in page
    assert "Hi there," in page
    assert "{{" not in page
    assert "The &lt;second&gt; &amp; &#34;more&#34;" in page
    assert "min read" in page
    assert "Updated" not in page


def test_a_later_edit_is_marked(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", extra="updated: 2026-02-09\n"))
    newsletter.build()
    assert 'Updated <time datetime="2026-02-09">9 February 2026</time>' in newsletter.page("/first/")
    assert "<lastmod>2026-02-09</lastmod>" in (newsletter.out / "sitemap.xml").read_text()


def test_the_address_is_the_one_that_mails_link_to(newsletter: Newsletter) -> None:
    from newsletter.content.issue import read_issue
    from newsletter.model.issue import DEFAULT_KINDS
    from newsletter.model.publication import Theme
    from newsletter.render.email import EmailRenderer

    newsletter.build()
    path = newsletter.home / "issues" / "003-third.md"
    parsed = read_issue(path).issue
    assert parsed is not None
    renderer = EmailRenderer(
        publication=newsletter.publication,
        theme=Theme(),
        kinds=DEFAULT_KINDS,
        template_dirs=(ROOT / "templates",),
        images="link",
        answer_in_email=False,
    )
    rendered = renderer.render(parsed)
    assert f'<link rel="canonical" href="{rendered.web_url}">' in newsletter.page("/third/")


def test_pictures_have_the_names_the_mails_link_to(samples: Newsletter) -> None:
    page = samples.page("/rag-or-fine-tuning/")
    found = re.search(
        r'<img [^>]*src="/assets/(001-two-loops-[0-9a-f]{8}\.png)" width="\d+" height="\d+"', page
    )
    assert found is not None
    assert (samples.out / "assets" / found[1]).read_bytes() == (
        samples.home / "issues/images/001-two-loops.png"
    ).read_bytes()


def test_an_alias_leads_on(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", extra="aliases: [old-name]\n"))
    newsletter.build()
    page = newsletter.page("/old-name/")
    assert 'content="0; url=/first/"' in page
    assert '<link rel="canonical" href="https://notes.example.com/first/">' in page
    assert "old-name" not in (newsletter.out / "sitemap.xml").read_text()


def test_a_link_to_an_old_address_leads_to_the_page_at_once(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", extra="aliases:\n  - older\n"))
    newsletter.write("003-third.md", issue(3, "The third", body="See [it](/older/#concept)."))
    assert newsletter.build().replaced
    assert '<a href="/first/#concept">it</a>' in newsletter.page("/third/")


def test_a_link_to_the_service_keeps_what_it_asks_for(newsletter: Newsletter) -> None:
    newsletter.write(
        "003-third.md", issue(3, "The third", body="See [all](/search?q=rag&n=1), [it](/first/?a=b).")
    )
    assert newsletter.build().replaced
    assert '<a href="/search?q=rag&amp;n=1">all</a>' in newsletter.page("/third/")
    assert '<a href="/first/">it</a>' in newsletter.page("/third/")


def test_an_alias_that_is_the_address_itself_does_not_hide_the_page(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", extra="aliases: [first, older, /older/]\n"))
    assert newsletter.build().replaced
    assert "Ideas" in newsletter.page("/first/")


def test_an_issue_under_a_new_slug_is_still_the_one_that_was_sent(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first", extra="slug: new\naliases:\n  - 'first'\n"))
    built = newsletter.build()
    assert built.replaced
    assert built.issues == 3
    assert "Ideas" in newsletter.page("/new/")


def test_a_site_below_a_path_keeps_to_it(newsletter: Newsletter) -> None:

    newsletter.publication = replace(newsletter.publication, base_url="https://example.com/notes")
    newsletter.options = replace(newsletter.options, search="service")
    newsletter.build()
    assert 'href="/notes/first/#concept"' in newsletter.page("/third/")
    service = {"https://example.com/notes/join", "https://example.com/notes/search"}
    files = tree(newsletter.out)
    for name, data in files.items():
        text = data.decode()
        assert re.findall(r'(?:href|src|action)="/(?!notes/)[^"]*"', text) == [], name
        assert re.findall(r"https://notes\.example", text) == [], name
        inside = [f"https://example.com{path}" for path in re.findall(r'(?:href|src)="(/[^"]*)"', text)]
        for address in {*re.findall(r"https://example\.com[^\s\"'<>()\]]*", text), *inside} - service:
            assert address.startswith("https://example.com/notes"), (name, address)
            path = address.removeprefix("https://example.com/notes").partition("#")[0].lstrip("/")
            assert path in files or f"{path}index.html" in files, (name, address)
    assert b"Sitemap: https://example.com/notes/sitemap.xml" in files["robots.txt"]
    assert {"/notes/first/", "/notes/archive/"} <= set(
        re.findall(r"<loc>https://example\.com([^<]+)</loc>", files["sitemap.xml"].decode())
    )


def test_the_markdown_twin_has_the_words_and_whole_links(newsletter: Newsletter) -> None:
    newsletter.build()
    twin = (newsletter.out / "third" / "index.md").read_text("utf-8")
    assert twin.startswith("# The third\n\n> What issue 3 is about.\n")
    assert "[the first](https://notes.example.com/first/#concept)" in twin
    assert "Hi there," in twin


def test_comments_of_the_author_are_on_no_page_and_in_no_twin(newsletter: Newsletter) -> None:
    body = "Said. <!-- not for\nreaders -->\n\n```html\n<!-- in code -->\n```"
    newsletter.write("001-first.md", issue(1, "The first", body=body))
    newsletter.build()
    for name in ("index.html", "index.md"):
        text = (newsletter.out / "first" / name).read_text("utf-8")
        assert "readers" not in text
        assert "in code" in text


def test_questions_can_be_filtered_without_a_script(newsletter: Newsletter) -> None:
    newsletter.build()
    assert newsletter.page("/questions/").count('#interview-question"') == 3
    assert newsletter.page("/questions/senior/").count('#interview-question"') == 1
    assert newsletter.page("/questions/topic/evals/").count('#interview-question"') == 1
    assert newsletter.page("/questions/senior/evals/").count('#interview-question"') == 1
    assert not (newsletter.out / "questions" / "mid" / "evals").exists(), "nothing to show there"


def test_lists_are_cut_into_pages(newsletter: Newsletter) -> None:
    for number in range(5, 14):
        newsletter.write(f"{number:03}-more-{number}.md", issue(number, f"More {number}"))
    newsletter.build()
    assert "Page 2 of 3" in newsletter.page("/archive/page-2/")
    assert 'rel="next" href="/archive/page-2/"' in newsletter.page("/archive/")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda n: n.write("002-second.md", issue(2, "Renamed")), id="a title"),
        pytest.param(
            lambda n: n.write("002-second.md", issue(2, "The second", body="Other words.")), id="a body"
        ),
        pytest.param(lambda n: n.write("002-second.md", issue(2, "The second", tags="[new]")), id="topics"),
        pytest.param(lambda n: n.write("005-fifth.md", issue(5, "The fifth")), id="a new issue"),
        pytest.param(lambda n: n.sent.remove("second"), id="an issue less"),
        pytest.param(lambda n: n.sent.add("unsent"), id="an issue sent"),
    ],
)
def test_an_incremental_build_gives_the_bytes_of_a_full_one(newsletter: Newsletter, change: object) -> None:
    assert callable(change)
    newsletter.build()
    change(newsletter)
    assert newsletter.build().replaced
    assert tree(newsletter.out) == newsletter.fresh()


def test_what_did_not_change_is_not_built_again(newsletter: Newsletter) -> None:
    first = newsletter.build()
    before = tree(newsletter.out)
    inode = newsletter.out.stat().st_ino
    again = newsletter.build()
    assert (first.replaced, again.replaced) == (True, False)
    assert newsletter.out.stat().st_ino == inode
    newsletter.write("001-first.md", issue(1, "The first", body="Other words."))
    edited = newsletter.build()
    assert 0 < edited.written < len(before) / 2


def test_a_file_that_somebody_changed_or_deleted_comes_back(newsletter: Newsletter) -> None:
    newsletter.build()
    before = tree(newsletter.out)
    (newsletter.out / "first" / "index.html").write_text("defaced")
    (newsletter.out / "atom.xml").unlink()
    assert newsletter.build().replaced
    assert tree(newsletter.out) == before


def test_a_picture_that_changed_is_shown(newsletter: Newsletter) -> None:
    pictures = sorted((ROOT / "issues" / "images").glob("*.png"))
    shown = newsletter.home / "issues" / "p.png"
    shown.write_bytes(pictures[0].read_bytes())
    newsletter.write("001-first.md", issue(1, "The first", body="![Boxes](p.png)"))
    newsletter.build()
    shown.write_bytes(pictures[1].read_bytes())
    newsletter.build()
    assert tree(newsletter.out) == newsletter.fresh()


def test_a_mistake_in_a_template_leaves_the_old_site(newsletter: Newsletter) -> None:
    newsletter.build()
    before = tree(newsletter.out)
    own = newsletter.home / "templates" / "site"
    own.mkdir(parents=True)
    (own / "list.html.j2").write_text("{{ page.nothing_of_the_kind }}")
    with pytest.raises(NewsletterError, match=r"list\.html\.j2:1"):
        newsletter.build()
    assert tree(newsletter.out) == before
    assert not (newsletter.home / ".public.new").exists()


@pytest.mark.parametrize("moment", [1, 12, 30])
def test_a_process_that_dies_leaves_the_old_site(newsletter: Newsletter, moment: int) -> None:
    newsletter.build()
    before = tree(newsletter.out)
    for number in (1, 2, 3):
        newsletter.write(
            f"{number:03}-{['first', 'second', 'third'][number - 1]}.md", issue(number, f"New {number}")
        )
    inputs = json.dumps([str(newsletter.home), sorted(newsletter.sent), moment])
    script = """
import json, os, signal, sys
from pathlib import Path
from newsletter.site.folder import NewFolder
from tests.site.conftest import Newsletter
home, sent, moment = json.loads(sys.argv[1])
again = Newsletter(Path(home))
again.sent = set(sent)
written = NewFolder.write
count = 0
def write(self, path, data):
    global count
    count += 1
    if count == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    written(self, path, data)
NewFolder.write = write
again.build()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, inputs],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert tree(newsletter.out) == before
    assert newsletter.build().replaced
    assert tree(newsletter.out) == newsletter.fresh()


def test_a_folder_with_other_files_is_refused(newsletter: Newsletter) -> None:
    newsletter.out.mkdir()
    (newsletter.out / "thesis.doc").write_text("years of work")
    with pytest.raises(UsageError, match="no site build made"):
        newsletter.build()
    assert (newsletter.out / "thesis.doc").read_text() == "years of work"


def test_a_repository_in_the_folder_is_nothing_to_replace(newsletter: Newsletter) -> None:
    assert newsletter.build().replaced
    (newsletter.out / ".git").mkdir()
    newsletter.write("001-first.md", issue(1, "Another title"))
    with pytest.raises(UsageError, match="is a repository"):
        newsletter.build()
    assert (newsletter.out / ".git").is_dir()


def test_a_full_disk_is_named_and_leaves_the_old_site(newsletter: Newsletter) -> None:
    assert newsletter.build().replaced
    before = tree(newsletter.out)
    newsletter.write("001-first.md", issue(1, "Another title"))
    # A limit to the size of a file fails a write as a full disk does, without one; SIGXFSZ is ignored by Python.
    newsletter.write("002-second.md", issue(2, "The second", body="Many words. " * 20_000))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    cache = newsletter.home / "cache"
    resource.setrlimit(resource.RLIMIT_FSIZE, (cache.stat().st_size + 40_000, old[1]))
    try:
        with pytest.raises(NewsletterError, match="no room"):
            newsletter.build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert tree(newsletter.out) == before
    assert newsletter.build().replaced


def test_a_damaged_cache_is_begun_anew(newsletter: Newsletter) -> None:
    newsletter.build()
    before = tree(newsletter.out)
    (newsletter.home / "cache").write_bytes(b"no database" * 1000)
    newsletter.build()
    assert tree(newsletter.out) == before


def test_nothing_is_kept_of_a_file_that_is_gone(newsletter: Newsletter) -> None:
    gone = newsletter.write("003-third.md", issue(3, "The third", body="Words that are let go."))
    newsletter.build()
    gone.unlink()
    newsletter.sent.discard("third")
    newsletter.build()
    with closing(sqlite3.connect(newsletter.home / "cache")) as db:
        (bodies,) = db.execute("SELECT group_concat(path) FROM bodies").fetchone()
        (entries,) = db.execute("SELECT value FROM wholes WHERE name = 'entries'").fetchone()
    assert "001-first.md" in bodies
    assert "003-third.md" not in bodies
    assert b"001-first.md" in entries
    assert b"003-third.md" not in entries


def test_findings_call_a_file_as_it_is_seen_from_where_one_is(newsletter: Newsletter) -> None:
    newsletter.write("004-draft.md", issue(4, "The draft"), sent=False)
    newsletter.write("003-third.md", issue(3, "The third", body="See [it](004-draft.md)."))
    assert [found.path for found in newsletter.build().findings] == ["issues/003-third.md"]
    inputs = newsletter.inputs()
    elsewhere = [(path, f"../{name}") for path, name in inputs.issues]
    built = build_site(replace(inputs, issues=elsewhere), newsletter.out)
    assert [found.path for found in built.findings] == ["../issues/003-third.md"]
