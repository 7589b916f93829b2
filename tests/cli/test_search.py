"""`newsletter search` as a reader of one's own archive runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.site.conftest import issue
from tests.site.test_command import home, run  # noqa: F401 - a fixture


@pytest.fixture
def archive(home: Path) -> Path:  # noqa: F811 - the fixture
    (home / "issues" / "002-second.md").write_text(issue(2, "The second", body="About `top_k`.\n\n- one"))
    return home


def test_drafts_are_found_only_when_asked_for(archive: Path) -> None:
    nothing = run(archive, "search", "top_k")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == "nothing is published yet; --drafts searches what was not sent\n"
    done = run(archive, "search", "top_k", "--drafts")
    assert done.stdout == (
        "Ideas · The second (2026-01-02)\nhttps://notes.example.com/second/#concept\n"
        "  About top_k. · one Takeaway: Remember this.\n\n"
    )
    assert done.stderr == "1 passage\n"
    assert not (archive / ".newsletter" / "newsletter.db").exists()


def test_json_has_what_a_script_needs(archive: Path) -> None:
    done = run(archive, "search", "becaus", "--drafts", "--json", "--limit", "1")
    told = json.loads(done.stdout)
    assert (told["total"], told["loosened"], told["did_you_mean"]) == (2, False, "")
    [first] = told["results"]
    assert first["url"].endswith("/#answer")
    assert first["snippet"] == "Because."
    assert {"id", "title", "heading", "kind", "date", "tags", "score"} <= set(first)


def test_nothing_to_search_for_is_said(archive: Path) -> None:
    done = run(archive, "search", "!!", "--drafts")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is nothing to search for")


def test_a_damaged_index_is_made_anew_while_searching(archive: Path) -> None:
    run(archive, "search", "top_k", "--drafts")
    path = archive / ".newsletter" / "search-drafts.db"
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 600] = b"\xff" * 600
    path.write_bytes(data)
    done = run(archive, "search", "top_k", "--drafts")
    assert done.returncode == 0, done.stderr
    assert "second/#concept" in done.stdout


def send_first(home: Path) -> None:  # noqa: F811 - the fixture
    """The first issue goes out."""
    assert run(home, "subscribers", "add", "ada@example.com").returncode == 0
    assert run(home, "send", "1", "--yes", "--expect-count", "1").returncode == 0


@pytest.mark.parametrize("key", ["slug: first", "aliases: [first]"])
@pytest.mark.parametrize("indexed", [True, False])
def test_a_draft_that_claims_the_address_of_a_sent_issue_is_told_and_not_shown(
    home: Path,  # noqa: F811 - the fixture
    key: str,
    indexed: bool,
) -> None:
    send_first(home)
    if indexed:
        assert "/first/#answer" in run(home, "search", "because").stdout
    text = issue(2, "Next", extra=f"{key}\n", body="Zebrafish.").replace("status: ready", "status: draft")
    (home / "issues" / "002-next.md").write_text(text)
    told = {"issues/002-next.md"} if indexed else {"issues/001-first.md", "issues/002-next.md"}
    for _ in range(2):
        done = run(home, "search", "zebrafish")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert {line.partition(" ")[0] for line in done.stderr.splitlines() if "check" in line} == told
        assert "002-next.md has errors and isn't searched:" in done.stderr
    asked = run(home, "ask", "zebrafish", "--json")
    assert "Zebrafish" not in asked.stdout
    assert ("/first/#answer" in run(home, "search", "because").stdout) == indexed


@pytest.mark.parametrize("drafts", [(), ("--drafts",)])
def test_a_pipe_among_the_issues_is_told_and_not_waited_for(
    home: Path,  # noqa: F811 - the fixture
    drafts: tuple[str, ...],
) -> None:
    send_first(home)
    os.mkfifo(home / "issues" / "004-f.md")
    done = run(home, "search", "because", *drafts)
    assert done.returncode == 0, done.stderr
    assert "/first/#answer" in done.stdout
    assert done.stderr.count("issues/004-f.md ") == 1
    exported = run(home, "export", "corpus", "--out", "corpus.jsonl")
    assert exported.returncode == 0, exported.stderr
