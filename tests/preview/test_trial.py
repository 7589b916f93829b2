"""A test message leaves by a press on our own page, as `newsletter send --test` sends it, and by nothing else."""

from __future__ import annotations

import email
import email.policy
import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.fakes.ledger import Fault
from tests.fakes.resend import FakeResend


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


@pytest.fixture
def resend(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeResend]:
    """Resend on loopback, and a newsletter that sends through it with a key of its own."""
    monkeypatch.delenv("NEWSLETTER_RESEND_API_KEY", raising=False)
    with FakeResend() as fake:
        with (home / "newsletter.toml").open("a") as settings:
            settings.write(f'[provider]\nname = "resend"\nbase_url = "{fake.url}"\n')
        (home / ".env").write_text(f"NEWSLETTER_RESEND_API_KEY={fake.secret}\n")
        yield fake


@pytest.mark.parametrize(
    ("fault", "words", "way_out"),
    [
        (Fault("POST", "403"), "API key is invalid", "check NEWSLETTER_RESEND_API_KEY"),
        (Fault("POST", "429", headers={"Retry-After": "7"}), "Too many requests", "try again in 7 seconds"),
        (Fault("POST", "500", body="key {secret}"), "Resend answered 500: key …", "try again in"),
    ],
)
def test_what_the_provider_refuses_is_said_with_a_way_out_and_without_the_key(
    resend: FakeResend, preview: Any, fault: Fault, words: str, way_out: str
) -> None:
    fault.body = fault.body and fault.body.format(secret=resend.secret)
    resend.faults.add(fault)
    status, said = post(preview)
    assert status == 400
    assert words in said["message"]
    assert way_out in said["hint"]
    assert resend.secret not in str(said)


def test_an_answer_that_is_lost_is_no_refusal(resend: FakeResend, preview: Any) -> None:
    resend.faults.add(Fault("POST", "accept-close"))
    status, said = post(preview)
    assert (status, said["accepted"], said["unsure"]) == (200, False, True)
    assert len(resend.ledger.entries) == 1


@pytest.mark.browser
def test_a_key_put_into_the_environment_file_is_taken_without_beginning_anew(
    context: BrowserContext, resend: FakeResend, home: Path, start: Callable[[Path], Any]
) -> None:
    page = context.new_page()  # one on which a refused request is no fault
    right = (home / ".env").read_text()
    (home / ".env").write_text("NEWSLETTER_RESEND_API_KEY=re_slip\n")
    preview = start(home)
    page.goto(preview.url)
    page.locator("#open-trial").click()
    page.get_by_label("To", exact=True).fill("me@example.org")
    said = page.locator("#trial-said")
    press = page.get_by_role("button", name="Send", exact=True)
    press.click()
    expect(said).to_contain_text("API key is invalid. Check NEWSLETTER_RESEND_API_KEY")
    before = preview.studio.workspace
    (home / ".env").write_text(right)
    deadline = time.monotonic() + 60
    while preview.studio.workspace is before:
        assert time.monotonic() < deadline, "the new key wasn't seen"
        page.wait_for_timeout(20)
    press.click()
    expect(said).to_contain_text("Accepted by resend for me@example.org")


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
