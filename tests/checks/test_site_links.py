"""A check finds the links that a build of the site refuses, and no others: both are asked about the same table."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.checks.run import check_file, check_files, check_guide_text, check_text
from newsletter.content import addresses
from newsletter.content.guide_files import guide_files
from tests.site.conftest import Newsletter, issue

GUIDE = (Path(__file__).parent.parent / "cases" / "NL501" / "good.md").read_text("utf-8")
SETTINGS = 'base_url = "https://notes.example.com"\n'
ALIASES = "aliases: [before, older/one]\n"
# Said of an address that is none, of a page that isn't there, of its part.
REFUSED = {"NL410", "NL518", "NL601", "NL820"}

# A link from an issue or a guide; the folder differs, and so does how a file is named.
OF_EITHER = {
    "/": True,
    "/first/": True,
    "/first": True,
    "/first//": False,
    "/fir%73t/": False,
    "/x/../first/": True,
    "/first/?x=1": True,
    "/first/#concept": True,
    "/first/#answer": True,
    "/first/#intro": True,
    "/first/#follow-ups": False,
    "/first/#nope": False,
    "/first/index.md": False,
    "/before/": True,
    "/before/#concept": True,
    "/before/#nope": False,
    "/older/": False,
    "/older/one/": True,
    "/nowhere/": False,
    "/nowhere/#concept": False,
    "/queue-or-cron/": False,
    "/guides/": True,
    "/guides/queue-or-cron/": True,
    "/guides/queue-or-cron": True,
    "/guides/queue-or-cron/#comparison": True,
    "/guides/queue-or-cron/#comparison-caption": True,
    "/guides/queue-or-cron/#choose-cron": True,
    "/guides/queue-or-cron/#nope": False,
    "/guides/queue-or-cron.md": False,
    "/guides/nowhere/": False,
    "/guides/cron/": True,
    "/guides/named/": False,
    "/guides/other-name/": True,
    "/404.html": True,
    "/archive/": True,
    "/archive": True,
    "/archive/2026/": True,
    "/archive/older/": False,
    "/tags/": True,
    "/tags/rag/": True,
    "/questions/": True,
    "/questions/mid/": True,
    "/questions/mid/rag/": True,
    "/questions/topic/rag/": True,
    "/questions/easy/": False,
    **{f"/{name}": True for name in sorted(addresses._OF_THE_SERVICE)},
    **dict.fromkeys(sorted(addresses._FILES), True),
    "/view/first/abc": True,
    "/join?from=here": True,
    "/u2/": False,
    "/assets/pic.png": False,
    "/static/site.css": False,
    "/healthz": False,
    "/index.html": False,
    "/pic.png": False,
    "pic.png": False,
    "pic.png?size=2": False,
    "<a pic.png>": False,
    "welcome.md": False,
    "folder/": False,
    "./": True,
    "../": True,
    "https://arxiv.org/abs/1": True,
    "//arxiv.org/abs/1": True,
    "mailto:a@field-notes.dev": True,
    "//[x": False,
}
OF_ISSUES = {
    "001-first.md": True,
    "001-first.md#concept": True,
    "001-first.md#intro": True,
    "001-first.md#nope": False,
    "guides/queue-or-cron.md": True,
    "guides/queue-or-cron.md#choose%2Dcron": True,
    "guides/queue-or-cron.md#nope": False,
    "guides/README.md": False,
    "guides/queue-or-cron.txt": False,
}
OF_GUIDES = {
    "../001-first.md": True,
    "../001-first.md#concept": True,
    "../001-first.md#nope": False,
    "queue-or-cron.md#choose-cron": True,
    "queue-or-cron.md#nope": False,
    "README.md": False,
    "#comparison-caption": True,
    "#nope": False,
}
# Pictures, and what isn't shown as a link.
NO_LINKS = [
    "![a][pic]\n\n[pic]: pic.png",
    "[never used]: pic.png",
    "Code:\n\n    [x](/nowhere/)",
    "Code:\n\n\t[x](/nowhere/)",
    "![see [x](/nowhere/)](pic.png)",
    "`[x](/nowhere/)`",
    r"\[x](/nowhere/)",
    "<!-- [x](/nowhere/) -->",
    "Some. <!-- One.\n\n[x](/nowhere/) --> More. <!-- [y](pic.png) -->",
]
LINKS = [
    "<!-- One. --> [a](/nowhere/)",
    "[a][pic]\n\n[pic]: pic.png",
    "[pic]\n\n[Pic]: /nowhere/",
    "[![a](pic.png)](/nowhere/)",
]


class OwnFiles(Newsletter):
    """Its site is made of the files that `newsletter site build` makes it of."""

    def _files(self, folder: str) -> list[tuple[Path, Path]]:
        pages = [guide.name for guide in guide_files(self.home / "issues")]
        found = super()._files(folder)
        return [
            pair
            for pair in found
            if (pair[0].name in pages if "/" in folder else pair[0].name[0].isdecimal())
        ]


@pytest.fixture
def home(tmp_path: Path) -> Newsletter:
    """With a guide under its file's name, one under another, and files that have no page."""
    newsletter = OwnFiles(tmp_path)
    (newsletter.home / "newsletter.toml").write_text(SETTINGS)
    newsletter.write("004-unsent.md", issue(4, "A draft"), sent=False)
    newsletter.write("001-first.md", issue(1, "The first", extra=ALIASES))
    newsletter.write("guides/queue-or-cron.md", GUIDE)
    named = GUIDE.replace("type: guide\n", "type: guide\nslug: other-name\naliases: [guides/cron]\n", 1)
    newsletter.write("guides/named.md", named)
    for folder in (newsletter.home / "issues", newsletter.home / "issues" / "guides"):
        for name in ("pic.png", "a pic.png", "queue-or-cron.txt"):
            (folder / name).write_bytes(PNG)
        (folder / "folder").mkdir()
        for name in ("welcome.md", "README.md"):
            (folder / name).write_text("Hello.\n")
    (newsletter.home / "issues" / "guides" / "welcome.md").unlink()
    return newsletter


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)


def checked(path: Path) -> list[tuple[int, str]]:
    """The lines of the links that a check refuses, each with what it says."""
    return [(d.line, d.message) for d in check_files([path]) if d.code in REFUSED | {"NL312"}]


def refused(newsletter: Newsletter, path: Path) -> list[tuple[int, str]]:
    """The same of a build."""
    name = str(path.relative_to(newsletter.home))
    return [(d.line, d.message) for d in newsletter.build().findings if d.code in REFUSED and d.path == name]


def in_lines(links: list[str]) -> str:
    return "\n".join(f"[link {at}]({link})\n" for at, link in enumerate(links))


def wrong_in(text: str, found: list[tuple[int, str]], links: list[str]) -> set[str]:
    """Which of the links the findings are about."""
    lines = text.splitlines()
    said = [lines[line - 1] for line, _ in found]
    return {link for at, link in enumerate(links) if f"[link {at}]({link})" in said}


def test_an_issue_s_links_are_refused_by_a_check_where_a_build_refuses_them(home: Newsletter) -> None:
    table = OF_EITHER | OF_ISSUES
    text = issue(3, "The third", body=in_lines([*table]))
    path = home.write("003-third.md", text)
    expected = {link for link, good in table.items() if not good}
    assert wrong_in(text, refused(home, path), [*table]) == expected
    assert wrong_in(text, checked(path), [*table]) == expected


def test_a_guide_s_links_are_refused_by_a_check_where_a_build_refuses_them(home: Newsletter) -> None:
    # A file that isn't there is the check's own; the build has another name for it.
    table = {link: good for link, good in OF_EITHER.items() if link != "welcome.md"} | OF_GUIDES
    text = GUIDE.replace("## Comparison", f"{in_lines([*table])}\n## Comparison", 1)
    path = home.write("guides/table.md", text)
    expected = {link for link, good in table.items() if not good}
    assert wrong_in(text, refused(home, path), [*table]) == expected
    assert wrong_in(text, checked(path), [*table]) == expected


@pytest.mark.parametrize("body", NO_LINKS)
def test_what_is_no_link_leads_nowhere(home: Newsletter, body: str) -> None:
    path = home.write("003-third.md", issue(3, "The third", body=body))
    assert refused(home, path) == []
    assert checked(path) == []


@pytest.mark.parametrize("body", LINKS)
def test_a_link_by_its_definition_or_around_a_picture_is_one(home: Newsletter, body: str) -> None:
    path = home.write("003-third.md", issue(3, "The third", body=body))
    assert refused(home, path)
    assert checked(path) == refused(home, path)


@pytest.mark.parametrize("link", ["/nowhere/", "pic.png", "welcome.md"])
def test_a_check_says_it_in_the_words_of_a_build_and_at_the_same_place(home: Newsletter, link: str) -> None:
    path = home.write("003-third.md", issue(3, "The third", body=f"See [it]({link})."))
    [built] = [d for d in home.build().findings if d.path == "issues/003-third.md"]
    [found] = [d for d in check_files([path]) if d.code == "NL601"]
    assert (found.message, found.line, found.column, found.length, found.severity) == (
        built.message,
        built.line,
        built.column,
        built.length,
        built.severity,
    )
    assert ("write the whole address" in (found.help or "")) == link.startswith("/")


def test_one_letter_off_is_told_the_right_address(home: Newsletter) -> None:
    path = home.write("003-third.md", issue(3, "The third", body="[a](/guides/queue-or-corn/)"))
    [found] = [d for d in check_files([path]) if d.code == "NL601"]
    assert found.help == "did you mean `/guides/queue-or-cron/`?"


@pytest.mark.parametrize(
    ("link", "good"),
    [("/notes/first/", True), ("/notes/", True), ("/notes", True), ("/notes/nowhere/", False), ("/gone/", False), ("pic.png", False)],
)  # fmt: skip
def test_a_site_below_a_path_is_known_by_its_settings(home: Newsletter, link: str, good: bool) -> None:
    base = "https://example.com/notes"
    home.publication = replace(home.publication, base_url=base)
    (home.home / "newsletter.toml").write_text(f'base_url = "{base}/"\n')
    path = home.write("003-third.md", issue(3, "The third", body=f"[a]({link})"))
    assert bool(refused(home, path)) is not good
    assert bool(checked(path)) is not good


def test_a_link_to_an_issue_that_may_yet_be_sent_is_no_error(home: Newsletter) -> None:
    path = home.write(
        "003-third.md", issue(3, "The third", body="[a](/unsent/) and [b](004-unsent.md#concept)")
    )
    assert checked(path) == []


def test_a_link_to_the_page_of_a_guide_that_is_a_draft_is_one(home: Newsletter) -> None:
    home.write("guides/later.md", GUIDE.replace("type: guide\n", "type: guide\nstatus: draft\n", 1))
    text = issue(3, "The third", body="[a](/guides/later/)")
    path = home.write("003-third.md", text)
    assert checked(path) == refused(home, path) != []
    path.write_text(text.replace("status: ready", "status: draft"))
    assert checked(path) == []


def test_where_there_is_no_newsletter_there_is_no_site(home: Newsletter, tmp_path: Path) -> None:
    path = home.write(
        "003-third.md", issue(3, "The third", body="[a](/nowhere/) [b](pic.png) [c](README.md)")
    )
    assert len(checked(path)) == 3
    (home.home / "newsletter.toml").write_text("no = settings")
    assert checked(path) == []
    (home.home / "newsletter.toml").unlink()
    assert checked(path) == []
    (home.home / "pyproject.toml").write_text("[tool.newsletter]\n" + SETTINGS)
    assert len(checked(path)) == 3
    aside = tmp_path / "003-third.md"
    aside.write_text(path.read_text())
    assert {message for _, message in checked(aside)} == {
        "there is no file `pic.png`",
        "there is no file `README.md`",
    }


def test_a_text_that_is_not_saved_has_its_own_address(home: Newsletter) -> None:
    text = issue(3, "The third", extra="slug: renamed\n", body="[a](/renamed/) [b](/nowhere/)")
    found = check_text(text, "003-third.md", folder=home.home / "issues")[1]
    assert [d.message for d in found if d.code == "NL601"] == ["the site has no page `/nowhere/`"]
    assert "NL601" not in {d.code for d in check_text(text, "003-third.md")[1]}


def test_a_guide_with_an_unclosed_bracket_for_a_host_is_refused_by_a_check(home: Newsletter) -> None:
    text = GUIDE.replace("## Comparison", "[x](//[x)\n\n## Comparison", 1)
    assert [d.code for d in check_guide_text(text, "x.md")[1]] == ["NL820"]
    path = home.write("guides/x.md", text)
    assert refused(home, path)


def test_a_code_that_is_off_is_not_heard_of(home: Newsletter) -> None:
    path = home.write("003-third.md", issue(3, "The third", body="[a](/nowhere/)"))
    assert "NL601" in {d.code for d in check_file(path)[1]}
    assert "NL601" not in {d.code for d in check_file(path, off=["NL601"])[1]}


def test_many_links_of_many_issues_are_looked_up_in_one_pass(home: Newsletter) -> None:
    paths = [
        home.write(
            f"{at}-n{at}.md", issue(at % 27 + 1, f"Issue {at}", body=f"[a](/n{at + 1}/) [b](/before/)")
        )
        for at in range(100, 300)
    ]
    started = time.process_time()
    found = [d.path for d in check_files(paths) if d.code == "NL601"]
    assert found == [str(paths[-1])]
    assert time.process_time() - started < 5
