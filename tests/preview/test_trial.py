"""A test message leaves by a press on our own page, as `newsletter send --test` sends it, and by nothing else."""

from __future__ import annotations

import email
import email.policy
import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect


def post(
    preview: Any,
    body: bytes = b'{"issue": "001-first", "to": "me@example.org"}',
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """What one POST is answered with; `Origin` and `Content-Type` as our page says them, unless given."""
    port = preview.server.port
    given = {
        "Content-Type": "application/json",
        "Origin": f"http://127.0.0.1:{port}",
        "Sec-Fetch-Site": "same-origin",
        **(headers or {}),
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(
            "POST", f"/{preview.server.token}/test", body, {k: v for k, v in given.items() if v}
        )
        answer = connection.getresponse()
        text = answer.read()
        kind = answer.headers["content-type"]
        return answer.status, json.loads(text) if "json" in kind else text.decode()
    finally:
        connection.close()


def sent(preview: Any) -> list[Path]:
    return sorted((preview.home / ".newsletter" / "outbox").rglob("*.eml"))


def test_a_press_sends_one_marked_message_and_the_ledger_knows_nothing_of_it(preview: Any) -> None:
    status, said = post(preview)
    assert status == 200, said
    assert (said["provider"], said["to"], said["accepted"]) == ("outbox", "me@example.org", True)
    (file,) = sent(preview)
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert message["To"] == "me@example.org"
    assert message["Subject"] == "[Test] A first issue"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    with preview.studio.workspace.open_database() as database:
        assert database.query("SELECT count(*) FROM sends") == [(0,)]
        assert database.query("SELECT count(*) FROM deliveries") == [(0,)]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Host": "evil.example"},
    ],
)
def test_no_other_page_can_have_one_sent(standing: Any, headers: dict[str, str]) -> None:
    status, _ = post(standing, headers=headers)
    assert status in {403, 421}
    assert sent(standing) == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"issue": "001-first", "to": "nobody"}', 400, "`nobody` is not an address"),
        (b'{"issue": "001-first", "to": "a@b.example c@d.example"}', 400, "is not an address"),
        (b'{"issue": "007-none", "to": "me@example.org"}', 400, "there is no issue"),
        (b'{"issue": "001-first"}', 400, "Name the issue"),
        (b"[]", 400, "Name the issue"),
        (b"\xff", 400, "Name the issue"),
        (b'{"to": "' + b"x" * 5000 + b'"}', 413, "no address"),
    ],
)
def test_what_cannot_be_sent_is_said_plainly(standing: Any, body: bytes, status: int, words: str) -> None:
    answered, said = post(standing, body)
    assert answered == status
    assert words in (said["message"] if isinstance(said, dict) else said)
    assert sent(standing) == []


def test_an_issue_with_errors_is_refused_as_a_send_refuses_it(
    preview: Any, issue_text: Callable[..., str]
) -> None:
    preview.issue().write_text(issue_text().replace("status: ready", "status: reday"))
    status, said = post(preview)
    assert status == 400
    assert "issues/001-first.md" in said["message"]
    assert sent(preview) == []


@pytest.mark.browser
def test_the_dialog_says_through_whom_and_what_became_of_it(page: Page, preview: Any) -> None:
    page.goto(preview.url + "#/001-first/text")
    expect(page.locator("#plain")).to_contain_text("Hello Ada Lovelace")
    page.keyboard.press("s")
    dialog = page.locator("#trial")
    expect(dialog).to_contain_text("leaves through outbox, from ada@notes.example")
    page.get_by_label("To", exact=True).fill("me@example.org")
    assert sent(preview) == []
    dialog.get_by_role("button", name="Send").click()
    expect(page.locator("#trial-said")).to_contain_text("Accepted by outbox for me@example.org")
    assert len(sent(preview)) == 1
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
