"""Whatever would make a broken site is a finding with a place, and the site stays as it is."""

from __future__ import annotations

import re

import pytest

from newsletter.checks.run import check_files
from newsletter.diagnostics import Severity
from tests.site.conftest import ROOT, Newsletter, issue, tree

GUIDE = (ROOT / "issues" / "guides" / "rag-vs-fine-tuning.md").read_text("utf-8")
GUIDE = re.sub(
    r"\]\((?!http)[^)]*\)|^related:.*\n",
    lambda found: "](https://example.com)" if found[0][0] == "]" else "",
    GUIDE,
    flags=re.MULTILINE,
)


def refused(newsletter: Newsletter) -> list[tuple[str, str, int, int]]:
    """What an attempt to build finds; the folder is as it was."""
    before = tree(newsletter.out)
    built = newsletter.build()
    assert built.failed
    assert not built.replaced
    assert tree(newsletter.out) == before
    return [
        (found.code, found.path, found.line, found.column)
        for found in built.findings
        if found.severity is Severity.ERROR
    ]


@pytest.fixture(autouse=True)
def built(newsletter: Newsletter) -> None:
    assert newsletter.build().replaced


def test_two_issues_with_one_slug(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(5, "The fifth", extra="slug: second\n"))
    assert refused(newsletter) == [("NL902", "issues/005-fifth.md", 8, 7)]


def test_two_issues_with_one_number(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(2, "The fifth"))
    assert refused(newsletter) == [("NL901", "issues/005-fifth.md", 2, 9)]


def test_a_draft_that_takes_the_number_of_an_issue_that_is_as_it_was(newsletter: Newsletter) -> None:
    newsletter.write("900-later.md", issue(2, "Later"), sent=False)
    found = refused(newsletter)
    assert found == [("NL901", "issues/002-second.md", 2, 9)]
    newsletter.inputs().cache.unlink()
    assert refused(newsletter) == found, "what is kept makes no difference"


def test_a_guide_that_is_as_it_was_names_an_issue_that_is_gone(newsletter: Newsletter) -> None:
    draft = newsletter.write("900-later.md", issue(900, "Later"), sent=False)
    newsletter.write("guides/one.md", GUIDE.replace("---\n", "---\nrelated: [900, later]\n", 1))
    assert newsletter.build().replaced
    draft.unlink()
    found = refused(newsletter)
    assert [code for code, *_ in found] == ["NL515", "NL515"]
    newsletter.inputs().cache.unlink()
    assert refused(newsletter) == found


def test_an_alias_that_is_taken(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(5, "The fifth", extra="aliases: [first]\n"))
    assert refused(newsletter) == [("NL902", "issues/005-fifth.md", 8, 11)]


def test_an_alias_on_a_line_of_its_own_that_is_taken(newsletter: Newsletter) -> None:
    newsletter.write(
        "005-fifth.md", issue(5, "The fifth", extra="aliases:\n  - older  # than that\n  - 'first'\n")
    )
    assert refused(newsletter) == [("NL902", "issues/005-fifth.md", 10, 6)]


def test_an_alias_where_a_guide_is(newsletter: Newsletter) -> None:
    newsletter.write("guides/rag-vs-fine-tuning.md", GUIDE)
    assert newsletter.build().replaced
    newsletter.write("005-fifth.md", issue(5, "The fifth", extra="aliases: [guides/rag-vs-fine-tuning]\n"))
    assert refused(newsletter) == [("NL902", "issues/005-fifth.md", 8, 11)]
    found = check_files(
        [newsletter.home / "issues" / "005-fifth.md"],
        beside=[newsletter.home / "issues/guides/rag-vs-fine-tuning.md"],
    )
    assert [(d.code, d.line, d.column) for d in found if d.code == "NL902"] == [("NL902", 8, 11)]


def test_a_guide_that_comes_where_an_alias_is(newsletter: Newsletter) -> None:
    newsletter.write("005-fifth.md", issue(5, "The fifth", extra="aliases: [guides/rag-vs-fine-tuning]\n"))
    assert newsletter.build().replaced
    newsletter.write("guides/rag-vs-fine-tuning.md", GUIDE)
    assert [found.code for found in newsletter.build().findings if found.severity is Severity.ERROR] == [
        "NL902"
    ]


@pytest.mark.parametrize(
    "name", ["archive", "join", "assets", "feed.xml", "404.html", "fourth/index.html", "Robots.TXT"]
)
def test_an_address_of_the_site_or_the_service(newsletter: Newsletter, name: str) -> None:
    newsletter.write("005-fifth.md", issue(5, "The fifth", extra=f"aliases: [{name}]\n"))
    assert refused(newsletter) == [("NL603", "issues/005-fifth.md", 8, 11)]
    found = check_files([newsletter.home / "issues" / "005-fifth.md"])
    assert [(d.code, d.line, d.column) for d in found if d.code == "NL603"] == [("NL603", 8, 11)]


@pytest.mark.parametrize("alias", ["../../outside", "a/../../../b", ".hidden", "a b", "a?b"])
def test_an_alias_never_leads_out_of_the_folder(newsletter: Newsletter, alias: str) -> None:
    newsletter.write("005-fifth.md", issue(5, "The fifth", extra=f"aliases: ['{alias}']\n"))
    assert refused(newsletter) == [("NL603", "issues/005-fifth.md", 8, 12)]


@pytest.mark.parametrize("source", ["gone.png", "../../gone%20away.png"])
def test_a_picture_that_is_missing_is_said_in_the_words_of_the_check(
    newsletter: Newsletter, source: str
) -> None:
    newsletter.write("003-third.md", issue(3, "The third", body=f"![Boxes]({source})"))
    assert refused(newsletter) == [("NL306", "issues/003-third.md", 12, 10)]
    [found] = newsletter.build().findings
    path = newsletter.home / "issues" / "003-third.md"
    [checked] = [other for other in check_files([path]) if other.code == "NL306"]
    assert (found.message, found.help, found.severity) == (checked.message, checked.help, checked.severity)


def test_a_picture_that_is_there_and_cannot_be_shown_is_not_said_to_be_missing(
    newsletter: Newsletter,
) -> None:
    (newsletter.home / "issues" / "folder.png").mkdir()
    newsletter.write("003-third.md", issue(3, "The third", body="![Boxes](folder.png)"))
    assert refused(newsletter) == [("NL403", "issues/003-third.md", 12, 10)]


@pytest.mark.parametrize(
    "link", ["009-nothing.md", "/nowhere/", "/pricing/", "/u2/", "#nothing", "001-first.md#nothing"]
)
def test_a_link_that_leads_nowhere(newsletter: Newsletter, link: str) -> None:
    newsletter.write("003-third.md", issue(3, "The third", body=f"See [{link}]({link})."))
    assert refused(newsletter) == [("NL601", "issues/003-third.md", 12, 8 + len(link))]


def test_a_file_that_is_broken_is_told_about_and_not_who_links_to_it(newsletter: Newsletter) -> None:
    newsletter.write("001-first.md", issue(1, "The first").replace("### Answer", "### Anser"))
    assert {path for _, path, _, _ in refused(newsletter)} == {"issues/001-first.md"}


def test_a_page_that_goes_takes_links_to_it_along(newsletter: Newsletter) -> None:
    (newsletter.home / "issues" / "001-first.md").unlink()
    newsletter.sent.remove("first")
    assert refused(newsletter) == [("NL601", "issues/003-third.md", 12, 17)]


def test_a_link_to_an_issue_that_is_not_sent_is_words_until_then(newsletter: Newsletter) -> None:
    newsletter.write("003-third.md", issue(3, "The third", body="See [the next](004-unsent.md)."))
    built = newsletter.build()
    assert [(found.code, found.line, found.column) for found in built.findings] == [("NL602", 12, 16)]
    assert "See <span>the next</span>." in newsletter.page("/third/")
    newsletter.sent.add("unsent")
    newsletter.build()
    assert '<a href="/unsent/">the next</a>' in newsletter.page("/third/")


def test_a_sent_issue_without_a_file_is_told(newsletter: Newsletter) -> None:
    newsletter.sent.add("vanished")
    built = newsletter.build()
    assert [(found.code, found.severity) for found in built.findings] == [("NL604", Severity.WARNING)]


def test_an_issue_that_can_not_be_read(newsletter: Newsletter) -> None:
    newsletter.write("003-third.md", issue(3, "The third").replace("### Answer", "### Anser"))
    assert refused(newsletter)
