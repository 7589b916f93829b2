"""Leaving: the mail program's one-click, the button, Undo and the reason; and everything that must not act."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from newsletter.audience.suppression import Suppressions
from newsletter.clock import FakeClock
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.base import utc_text
from newsletter.store.sqlite import SqliteDatabase
from tests.web.conftest import Running, make_home

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
MULTIPART = "multipart/form-data; boundary=cut-here"
FORM_DATA = b'--cut-here\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--cut-here--\r\n'
URLENCODED = "application/x-www-form-urlencoded"


def proof_in(page: str) -> str:
    found = re.search(r'name="proof" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"List-Unsubscribe=One-Click"),
        (f"{URLENCODED}; charset=UTF-8", b"List-Unsubscribe=One-Click\r\n"),
        (MULTIPART, FORM_DATA),
        (MULTIPART.replace("cut-here", '"cut-here"'), b"a preamble\r\n" + FORM_DATA + b"and an epilogue"),
        ("", b"List-Unsubscribe=One-Click"),
        ("text/plain", b"List-Unsubscribe=One-Click"),
    ],
)
def test_one_click_takes_a_reader_off_in_either_encoding(
    standing: Running, content_type: str, body: bytes
) -> None:
    reader = standing.add(f"{abs(hash((content_type, body)))}@example.com")
    headers = {"content-type": content_type} if content_type else {}
    answer = standing.client.post(standing.leave_path(reader), content=body, headers=headers)
    assert (answer.status_code, answer.text) == (200, "You are unsubscribed.\n")
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert standing.status(reader) == "unsubscribed"


def test_what_one_click_leaves_behind_is_a_suppression_and_one_entry(site: Running) -> None:
    reader = site.add()
    for _ in range(3):
        answer = site.client.post(
            site.leave_path(reader), data=ONE_CLICK, headers={"user-agent": "Mail/1" * 100}
        )
        assert answer.status_code == 200, "it is idempotent"
    added, left = site.history(reader)
    assert added.action == "added"
    assert (left.action, left.actor, left.source) == ("unsubscribed", "subscriber", "https://notes.example/u")
    assert left.ip == "127.0.0.1"
    assert left.user_agent == ("Mail/1" * 100)[:300]
    with SqliteDatabase(site.workspace.database_path) as database, database.write() as tx:
        suppressions = Suppressions(database, site.workspace.secret_key)
        assert suppressions.reason(tx, "reader@example.com") == "unsubscribed"


def test_reading_the_link_changes_nothing(standing: Running) -> None:
    reader = standing.add("looks@example.com")
    path = standing.leave_path(reader)
    page = standing.client.get(path)
    assert page.status_code == 200
    assert page.text.count("<button") == 1
    assert "<script" not in page.text
    head = standing.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == page.headers["content-length"]
    assert standing.status(reader) == "active"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"List-Unsubscribe=Two-Click",
        b"One-Click",
        b"proof=x&undo=yes",
        b"<script>",
        b"list-unsubscribe",
        b"unsubscribe=1",
    ],
)
def test_a_form_sent_without_its_button_asks_again(standing: Running, body: bytes) -> None:
    reader = standing.add("scanned@example.com")
    answer = standing.client.post(
        standing.leave_path(reader), content=body, headers={"content-type": URLENCODED}
    )
    assert answer.status_code == 400
    assert "<button" in answer.text
    assert standing.status(reader) == "active"


def test_the_button_leads_out_and_undo_back_again(site: Running) -> None:
    reader = site.add()
    page = site.client.post(site.leave_path(reader), data={"leave": "yes"})
    assert page.status_code == 200
    assert "You’re out" in page.text
    assert site.status(reader) == "unsubscribed"

    proof = proof_in(page.text)
    back = site.client.post("/left/undo", data={"proof": proof, "undo": "yes"})
    assert back.status_code == 200
    assert "You’re back" in back.text
    assert site.status(reader) == "active"
    assert [event.action for event in site.history(reader)] == ["added", "unsubscribed", "resubscribed"]
    with SqliteDatabase(site.workspace.database_path) as database, database.write() as tx:
        suppressions = Suppressions(database, site.workspace.secret_key)
        assert suppressions.reason(tx, "reader@example.com") == ""

    again = site.client.post("/left/undo", data={"proof": proof, "undo": "yes"})
    assert again.status_code == 400


def test_an_old_undo_doesnt_bring_back_who_left_again(site: Running) -> None:
    reader = site.add()
    first = proof_in(site.client.post(site.leave_path(reader), data={"leave": "yes"}).text)
    assert site.client.post("/left/undo", data={"proof": first, "undo": "yes"}).status_code == 200
    assert site.client.post(site.leave_path(reader), data=ONE_CLICK).status_code == 200
    assert site.client.post("/left/undo", data={"proof": first, "undo": "yes"}).status_code == 400
    assert site.status(reader) == "unsubscribed"


def test_a_page_reloaded_offers_undo_again(site: Running) -> None:
    reader = site.add()
    site.client.post(site.leave_path(reader), data={"leave": "yes"})
    again = site.client.post(site.leave_path(reader), data={"leave": "yes"})
    answer = site.client.post("/left/undo", data={"proof": proof_in(again.text), "undo": "yes"})
    assert answer.status_code == 200
    assert site.status(reader) == "active"


def test_undo_ends_after_half_an_hour(start: Callable[..., Running], home: Path) -> None:
    clock = FakeClock()
    site = start(home, clock)
    reader = site.add()
    proof = proof_in(site.client.post(site.leave_path(reader), data={"leave": "yes"}).text)
    clock.set(clock.now() + timedelta(minutes=31))
    assert site.client.post("/left/undo", data={"proof": proof, "undo": "yes"}).status_code == 400
    later = site.client.post(site.leave_path(reader), data={"leave": "yes"})
    assert "You’re out" in later.text
    assert "Undo" not in later.text, "the same person leaves again a day later: no undo of the first time"
    assert site.status(reader) == "unsubscribed"


def test_undo_makes_no_subscriber_of_who_never_confirmed(site: Running) -> None:
    with site.service.audience.database.write() as tx:
        reader = people.insert(
            tx,
            email="pending@example.com",
            match_key="pending@example.com",
            status=SubscriberStatus.PENDING,
            at=utc_text(site.service.clock.now()),
        )
    for _ in range(2):
        page = site.client.post(site.leave_path(reader), data={"leave": "yes"})
        assert "Undo" not in page.text
    assert site.status(reader) == "unsubscribed"


def test_a_bounce_or_a_complaint_isnt_undone(site: Running) -> None:
    reader = site.add()
    proof = proof_in(site.client.post(site.leave_path(reader), data={"leave": "yes"}).text)
    from newsletter.audience.consent import ConsentEvent

    event = ConsentEvent("complained", utc_text(site.service.clock.now()), "webhook", "provider")
    with site.service.audience.database.write() as tx:
        site.service.audience.leave(tx, reader, SubscriberStatus.COMPLAINED, event)
    assert site.client.post("/left/undo", data={"proof": proof, "undo": "yes"}).status_code == 400
    assert site.status(reader) == "complained"


def test_a_reason_is_kept_once_and_only_by_who_left(site: Running) -> None:
    reader = site.add()
    proof = proof_in(site.client.post(site.leave_path(reader), data={"leave": "yes"}).text)
    words = "more  code,\r\n please" + "x" * 600
    for _ in range(2):
        answer = site.client.post("/left/reason", data={"proof": proof, "reason": "often", "words": words})
        assert answer.status_code == 200
    reasons = [event.detail for event in site.history(reader) if event.action == "reason"]
    assert reasons == ["Too many emails: " + ("more code, please" + "x" * 600)[:500]]
    assert site.client.post("/left/undo", data={"proof": proof, "undo": "yes"}).status_code == 200
    assert site.status(reader) == "active", "a reason doesn't stand in the way of Undo"
    link = site.service.signer.unsubscribe(reader)
    assert site.client.post("/left/reason", data={"proof": link, "reason": "often"}).status_code == 400


@pytest.mark.parametrize(
    "token",
    ["x", "A" * 19, "A" * 400, "..%2f..%2fetc", "%00", "%F0%9F%92%8C", "tøken"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_an_unknown_token_gets_a_page(standing: Running, method: str, token: str) -> None:
    answer = standing.client.request(method, f"/u/{token}", data=ONE_CLICK if method == "POST" else None)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_no_changed_letter_of_a_token_is_taken(standing: Running) -> None:
    reader = standing.add("exact@example.com")
    path = standing.leave_path(reader)
    token = path.removeprefix("/u/")
    other = standing.service.signer.preferences(reader)
    damaged = {token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))}
    for wrong in [*damaged, token[:-1], token + "A", other]:
        answer = standing.client.post(f"/u/{wrong}", data=ONE_CLICK)
        assert answer.status_code == 404, wrong
    assert standing.status(reader) == "active"


def test_who_was_erased_leaves_without_a_fuss(site: Running) -> None:
    reader = site.add()
    site.service.audience.erase("reader@example.com")
    assert site.client.post(site.leave_path(reader), data=ONE_CLICK).status_code == 200
    assert site.client.post(site.leave_path(reader), data={"leave": "yes"}).status_code == 200


def test_the_clients_address_is_taken_from_our_own_proxy_alone(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    forwarded = {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}
    direct = start(make_home(tmp_path / "direct"))
    reader = direct.add()
    direct.client.post(direct.leave_path(reader), data=ONE_CLICK, headers=forwarded)
    assert direct.history(reader)[-1].ip == "127.0.0.1"

    behind = start(make_home(tmp_path / "behind", '[web]\ntrusted_proxies = ["127.0.0.0/8"]\n'))
    reader = behind.add()
    behind.client.post(behind.leave_path(reader), data=ONE_CLICK, headers=forwarded)
    assert behind.history(reader)[-1].ip == "198.51.100.7"


def test_many_at_once_are_all_written(site: Running) -> None:
    from concurrent.futures import ThreadPoolExecutor

    readers = [site.add(f"r{number}@example.com") for number in range(100)]
    with ThreadPoolExecutor(16) as pool:
        answers: list[httpx.Response] = list(
            pool.map(lambda reader: site.client.post(site.leave_path(reader), data=ONE_CLICK), readers)
        )
    assert {answer.status_code for answer in answers} == {200}
    assert {site.status(reader) for reader in readers} == {"unsubscribed"}
