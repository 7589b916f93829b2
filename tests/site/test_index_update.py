"""Keeping the index up to date: whose text is shown where files contradict one another, or can't be read."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from newsletter.site.index import SearchIndex
from newsletter.site.index_update import Updated, taken_by_others
from tests.site.conftest import Newsletter, issue
from tests.site.test_index import found
from tests.site.test_passages import files_of


def draft(extra: str, *, number: int = 7, words: str = "Zebrafish.") -> str:
    """A copy of an issue with new words, as the next one is begun."""
    return issue(number, "Next", extra=extra, body=words).replace("status: ready", "status: draft")


def told(updated: Updated) -> set[tuple[str, str]]:
    """Which files have which findings."""
    return {(finding.code, finding.path) for finding in updated.findings}


@pytest.mark.parametrize(
    ("name", "extra", "number", "code"),
    [
        ("007-next.md", "slug: first\n", 7, "NL902"),
        ("000-next.md", "slug: first\n", 7, "NL902"),
        ("007-next.md", "aliases: [first]\n", 7, "NL902"),
        ("007-next.md", "aliases:\n  - /first/\n", 7, "NL902"),
        ("007-first.md", "", 7, "NL902"),
        ("007-next.md", "slug: gone\n", 1, "NL901"),
    ],
)
def test_a_draft_that_claims_what_a_sent_issue_has_is_not_shown(
    newsletter: Newsletter, name: str, extra: str, number: int, code: str
) -> None:
    newsletter.sent.add("gone")
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        newsletter.write(name, draft(extra, number=number), sent=False)
        for body in ("Body.", "Body, and nothing else.", "Body once more."):
            updated = index.update(files_of(newsletter))
            assert told(updated) == {(code, f"issues/{name}")}
            assert updated.unknown == {f"issues/{name}"}
            assert found(index, "zebrafish") == []
            assert len(found(index, "because")) == 3
            # Whoever had the address may still be mended.
            newsletter.write("001-first.md", issue(1, "The first", body=body))
        (newsletter.home / "issues" / name).unlink()
        assert not index.update(files_of(newsletter)).findings


def test_where_nothing_was_indexed_before_neither_of_two_is_shown(newsletter: Newsletter) -> None:
    path = newsletter.write("007-next.md", draft("slug: first\n"), sent=False)
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        for _ in range(2):
            updated = index.update(files_of(newsletter))
            assert told(updated) == {("NL902", f"issues/{name}.md") for name in ("001-first", "007-next")}
            assert updated.unknown == {"issues/001-first.md", "issues/007-next.md"}
            assert sorted(found(index, "because")) == ["second#answer", "third#answer"]
        path.unlink()
        assert not index.update(files_of(newsletter)).findings
        assert len(found(index, "because")) == 3


def test_an_index_of_other_rules_is_not_searched_before_it_is_made_anew(newsletter: Newsletter) -> None:
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        assert index.ready
        index._db.execute("UPDATE about SET value = substr(value, 3)")
        index._db.execute("UPDATE found SET text = 'zebrafish'")
        assert not index.ready
        index.update(files_of(newsletter))
        assert index.ready
        assert found(index, "zebrafish") == []


def test_an_issue_with_an_error_still_has_its_address(newsletter: Newsletter) -> None:
    broken = issue(1, "The first").replace("### Answer", "### Anser")
    newsletter.write("001-first.md", broken)
    newsletter.write("007-next.md", draft("aliases: [first]\n"), sent=False)
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        assert found(index, "zebrafish") == []
        (newsletter.home / "issues" / "001-first.md").write_bytes(b"\xff\xfe")
        index.update(files_of(newsletter))
        assert found(index, "zebrafish") == []


def test_an_issue_that_claims_more_than_it_had_is_searched_as_it_was(newsletter: Newsletter) -> None:
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        newsletter.write("001-first.md", draft("aliases: [second]\n", number=1))
        updated = index.update(files_of(newsletter))
        assert (told(updated), updated.unknown) == ({("NL902", "issues/001-first.md")}, frozenset())
        assert found(index, "zebrafish") == []
        assert len(found(index, "because")) == 3


def test_a_file_may_be_renamed_and_addresses_change_hands(newsletter: Newsletter) -> None:
    issues = newsletter.home / "issues"
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        (issues / "001-first.md").rename(issues / "011-renamed.md")
        newsletter.write("011-renamed.md", issue(1, "The first", extra="slug: first\n"), sent=False)
        assert not index.update(files_of(newsletter)).findings
        assert len(found(index, "because")) == 3
        [(path,)] = index._db.execute("SELECT DISTINCT file FROM passages WHERE id LIKE 'first#%'")
        assert path == str(issues / "011-renamed.md")
        newsletter.write("011-renamed.md", issue(2, "Now the second", extra="slug: second\n"), sent=False)
        newsletter.write("002-second.md", issue(1, "Now the first", extra="slug: first\n"))
        assert not index.update(files_of(newsletter)).findings
        assert {p.id: p.title for p in index.passages()}["first#concept"] == "Now the first"
        assert len({p.id for p in index.passages()}) == len(index.passages()) == 18


def test_of_two_guides_at_one_address_the_newcomer_is_not_shown(samples: Newsletter, tmp_path: Path) -> None:
    made = Newsletter(tmp_path)
    text = (samples.home / "issues" / "guides" / "rag-vs-fine-tuning.md").read_text("utf-8")
    made.write("guides/rag-vs-fine-tuning.md", text)
    with SearchIndex(tmp_path / "search.db", "en") as index:
        index.update(files_of(made))
        before = index.passages()
        copy = made.write("guides/a-copy.md", text.replace("\n---\n", "\nslug: rag-vs-fine-tuning\n---\n", 1))
        for _ in range(2):
            assert told(index.update(files_of(made))) == {("NL902", "issues/guides/a-copy.md")}
            assert index.passages() == before
        copy.write_text(copy.read_text("utf-8").replace("status: ready", "status: draft"), "utf-8")
        assert not index.update(files_of(made)).findings
        assert index.passages() == before


def test_whatever_comes_and_goes_no_copy_of_an_issue_is_shown_beside_it(newsletter: Newsletter) -> None:
    """Random copies, edits, renames and removals: only the files that had the addresses are ever shown."""
    chance = random.Random(5)
    issues = newsletter.home / "issues"
    real = {1: "001-first.md", 2: "002-second.md"}
    with SearchIndex(newsletter.home / "kept.db", "en") as index:
        index.update(files_of(newsletter))
        for step in range(60):
            number = chance.choice([1, 2])
            slug = ("first", "second")[number - 1]
            copy = issues / f"{chance.choice(['000', '008', '009'])}-copy.md"
            match chance.randrange(4):
                case 0:
                    copy.unlink(missing_ok=True)
                case 1:
                    key = chance.choice([f"slug: {slug}\n", f"aliases: [{slug}]\n"])
                    copy.write_text(draft(key, number=chance.randrange(1, 9), words=f"Zebrafish {step}."))
                case 2:
                    text = issue(number, f"T{step}", extra=f"slug: {slug}\n", body=f"Words {step}.")
                    (issues / real[number]).write_text(text)
                case _:
                    if not list(issues.glob("*-copy.md")):
                        new = f"{chance.randrange(10, 99)}-moved-{number}.md"
                        (issues / real[number]).rename(issues / new)
                        text = issue(number, f"T{step}", extra=f"slug: {slug}\n")
                        (issues / new).write_text(text)
                        real[number] = new
            index.update(files_of(newsletter))
            assert found(index, "zebrafish") == []
            assert len(found(index, "because")) == 3
            with SearchIndex(newsletter.home / f"fresh{step}.db", "en") as fresh:
                fresh.update(files_of(newsletter))
                assert found(fresh, "zebrafish") == []


@pytest.mark.parametrize(
    ("claimed", "held", "failed", "lost"),
    [
        ({"a": {"x"}, "b": {"y"}}, {}, set(), ""),
        ({"a": {"x"}, "b": {"x"}}, {}, set(), "ab"),
        ({"a": {"x"}, "b": {"x"}}, {"b": {"x"}}, set(), "a"),
        ({"a": {"x"}, "b": {"y"}}, {"b": {"x"}}, set(), ""),
        # What stays as it was keeps what it had.
        ({"a": {"x"}, "b": {"y"}}, {"b": {"x"}}, {"b"}, "a"),
        ({"a": {"x"}, "b": {"y"}, "c": {"y"}}, {"b": {"x"}, "c": {"y"}}, set(), "ab"),
        ({"a": {1, "x"}, "b": {1, "y"}}, {"a": {1, "x"}}, set(), "b"),
    ],
)
def test_who_had_a_claim_keeps_it(
    claimed: dict[str, set[str | int]], held: dict[str, set[str | int]], failed: set[str], lost: str
) -> None:
    def frozen(claims: dict[str, set[str | int]]) -> dict[str, frozenset[str | int]]:
        return {path: frozenset(those) for path, those in claims.items()}

    assert set(taken_by_others(frozen(claimed), frozen(held), failed)) == set(lost)


@pytest.mark.parametrize("drafts", [False, True])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to itself"])
def test_what_is_no_file_is_told_and_the_others_are_searched(
    newsletter: Newsletter, kind: str, drafts: bool
) -> None:
    path = newsletter.home / "issues" / "008-f.md"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        for _ in range(2):
            [finding] = (updated := index.update(files_of(newsletter, drafts=drafts))).findings
            assert finding.path == "issues/008-f.md"
            assert "can't be read" in finding.message
            assert updated.unknown == {"issues/008-f.md"}
            assert len(found(index, "because")) == 3 + drafts


def test_an_issue_that_became_a_pipe_is_searched_as_it_was(newsletter: Newsletter) -> None:
    path = newsletter.home / "issues" / "001-first.md"
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        path.unlink()
        os.mkfifo(path)
        updated = index.update(files_of(newsletter))
        assert ([f.path for f in updated.findings], updated.unknown) == (["issues/001-first.md"], frozenset())
        assert len(found(index, "because")) == 3
