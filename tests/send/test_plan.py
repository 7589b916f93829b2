"""What can be known before the first message is refused before there is a send."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from newsletter.app import Workspace, open_workspace
from newsletter.cli import main
from newsletter.cli.desk import preparation
from newsletter.errors import NewsletterError
from newsletter.providers.base import Capabilities, ContentForm
from newsletter.send.plan import FindingsError, Prepared, attaches, prepare

MIME = Capabilities(ContentForm.MIME, max_batch=10)
FIELDS = Capabilities(ContentForm.FIELDS, max_batch=10, attachments=False)


@pytest.fixture
def workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A newsletter as `init` makes it."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NEWSLETTER_HOME", str(folder))
    words = "newsletter init . --name Notes --from ada@example.com --postal-address Street"
    monkeypatch.setattr(sys, "argv", words.split())
    with pytest.raises(SystemExit):
        main()
    return open_workspace()


def plan(
    workspace: Workspace, capabilities: Capabilities = MIME, path: Path | None = None, **changes: Any
) -> Prepared:
    [first, *_] = workspace.issue_files()
    made = preparation(workspace)
    made = replace(made, publication=replace(made.publication, **changes))
    return prepare(path or first, made, capabilities, local=True)


@pytest.mark.parametrize("capabilities", [MIME, FIELDS], ids=["mime", "fields"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("list_id", "no list id"),
        ("from_email", "ada@exam ple.com"),
        ("from_name", "Ada\nBcc: all"),
        ("reply_to", "nobody"),
        ("base_url", "https://notes.example.com/" + "x" * 1000),
    ],
)
def test_an_identity_no_message_can_express_is_refused(
    workspace: Workspace, capabilities: Capabilities, field: str, value: str
) -> None:
    assert plan(workspace, capabilities).subject
    with pytest.raises(NewsletterError):
        plan(workspace, capabilities, None, **{field: value})


@pytest.mark.parametrize(("field", "code"), [("number", "NL901"), ("slug", "NL902")])
def test_an_issue_that_takes_what_another_has_is_not_sent(
    workspace: Workspace, field: str, code: str
) -> None:
    [first] = workspace.issue_files()
    text = first.read_text()
    second = first.with_name("002-second.md")
    second.write_text(text.replace("number: 1\n", "number: 1\nslug: second\n"))
    if field == "slug":
        second.write_text(text.replace("number: 1\n", "number: 2\nslug: hello\n"))
    with pytest.raises(FindingsError) as refused:
        plan(workspace, path=second)
    assert code in {finding.code for finding in refused.value.diagnostics}
    second.unlink()
    assert plan(workspace).subject


def test_pictures_travel_where_they_can_unless_they_are_to_be_linked() -> None:
    assert attaches("auto", MIME)
    assert not attaches("auto", FIELDS)
    assert not attaches("link", MIME)
