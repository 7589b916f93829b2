"""A thousand issues are looked at one after the other, in nobody's way, and not again the next time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.app import open_workspace
from newsletter.checks.output.kept import CACHE
from newsletter.preview.studio import Studio
from tests.preview.conftest import Processes
from tests.waiting import wait_for


def known(studio: Studio) -> dict[str, list[str] | None]:
    """By issue, the messages of what was found in it; None where nobody has looked yet."""
    return {
        key: None if entry.findings is None else [found.message for found in entry.findings]
        for key, entry in studio._shelf.items()
    }


def test_what_was_found_is_remembered_for_the_next_preview_wherever_it_begins(
    home: Path, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    footer = home / "templates" / "email" / "footer.html.j2"
    footer.parent.mkdir(parents=True)
    footer.write_text(
        "<p>{{ publication.postal_address }}</p>"
    )  # no way to leave: the mail's own rules say so
    with processes.one() as process:
        first = Studio(open_workspace(home), process, owner=False)
        first.check_all()
        found = known(first)
        assert any("unsubscribe" in message.lower() for message in found["001-first"] or [])
        kept = home / ".newsletter" / CACHE
        wait_for(kept.is_file)
        tree = json.loads(kept.read_text())
        row = tree["issues"]["issues/001-first.md"]["found"][0]
        row[2] = "remembered"
        kept.write_text(json.dumps(tree))
        second = Studio(open_workspace(home), process, owner=False)
        second.check_all()
        again = second._shelf.get("001-first")
        assert again is not None
        [remembered] = [one for one in again.findings or [] if one.message == "remembered"]
        # Named from the newsletter's folder, which isn't the one the preview began in.
        assert remembered.path in {"templates/email/footer.html.j2", "issues/001-first.md"}
        (home / "issues" / "001-first.md").write_text(
            (home / "issues" / "001-first.md").read_text().replace("A body.", "Another body.")
        )
        second.changed({(home / "issues" / "001-first.md").resolve()})
        wait_for(lambda: "remembered" not in (known(second)["001-first"] or ["remembered"]))


def test_two_issues_of_one_number_are_both_told_at_the_first_look(
    home: Path, processes: Processes, issue_text: Callable[..., str]
) -> None:
    (home / "issues" / "003-third.md").write_text(issue_text(2, "A third issue"))
    with processes.one() as process:
        studio = Studio(open_workspace(home), process, owner=False)
        studio.check_all()
        found = known(studio)
        assert "issue number 2 is taken by issues/003-third.md" in (found["002-second"] or [])
        assert "issue number 2 is taken by issues/002-second.md" in (found["003-third"] or [])
        (home / "issues" / "003-third.md").unlink()
        studio.changed({(home / "issues" / "003-third.md").resolve()})
        wait_for(lambda: known(studio)["002-second"] == [])
