"""Preferences: the forwardable link gives nothing away, the fresh one works for an hour and once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.audience import preferences
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.suppression import Suppressions
from newsletter.clock import FakeClock
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store.base import utc_text
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase
from tests.web.conftest import Running, make_home

TOPICS = '[web]\ntopics = ["agents", "rag"]\n'
SAVE = {"save": "yes", "name": "Ada", "pause": "keep"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def site(start: Callable[..., Running], tmp_path: Path, clock: FakeClock) -> Running:
    return start(make_home(tmp_path / "notes", TOPICS), clock)


def fresh(site: Running, reader: int) -> str:
    """The path of a freshly mailed link."""
    return preferences.fresh_link(site.service.signer, "", reader, site.service.clock.now())


def mails(site: Running) -> list[tuple[str, int]]:
    with SqliteDatabase(site.workspace.database_path) as database:
        return [(kind, who) for kind, who in database.query("SELECT kind, subscriber_id FROM outgoing")]


def test_the_link_in_an_issue_shows_nothing_and_mails_a_fresh_one(site: Running) -> None:
    reader = site.add("reader@example.com", "Ada Lovelace", ("rag",))
    path = f"/p/{site.service.signer.preferences(reader)}"
    page = site.client.get(path)
    assert page.status_code == 200
    assert not {"reader@example.com", "Ada", "rag"} & set(re.findall(r"[\w@.]+", page.text))
    assert site.client.head(path).status_code == 200
    assert site.client.post(path, content=b"").status_code == 400, "a form sent without its button"
    assert mails(site) == []

    for _ in range(3):
        answer = site.client.post(path, data={"mail": "yes"})
        assert answer.status_code == 200
        assert "reader@example.com" not in answer.text
    assert mails(site) == [("preferences", reader)], "a forwarded issue can't be used to flood its reader"


def test_whoever_has_a_forwarded_issue_cant_have_its_reader_mailed_all_day(
    site: Running, clock: FakeClock
) -> None:
    reader = site.add()
    for _ in range(24 * 5):
        clock.sleep(12 * 60)
        site.client.post(f"/p/{site.service.signer.preferences(reader)}", data={"mail": "yes"})
    assert 1 <= len(mails(site)) <= 5, "a day and the edge of the next"


@pytest.mark.parametrize("status", [SubscriberStatus.COMPLAINED, SubscriberStatus.BOUNCED])
def test_who_called_it_spam_or_isnt_there_is_mailed_nothing_and_answered_alike(
    site: Running, status: SubscriberStatus
) -> None:
    reader, other = site.add(), site.add("other@example.com")
    audience = site.service.audience
    event = ConsentEvent(status, utc_text(audience.clock.now()), "test", "provider")
    with audience.database.write() as tx:
        assert audience.leave(tx, reader, status, event)
    answers = [
        site.client.post(f"/p/{site.service.signer.preferences(who)}", data={"mail": "yes"})
        for who in (reader, other)
    ]
    assert answers[0].content == answers[1].content
    assert mails(site) == [("preferences", other)]


def test_the_answer_is_the_same_for_who_is_gone(site: Running) -> None:
    reader, gone = site.add(), site.add("gone@example.com")
    site.service.audience.erase("gone@example.com")
    known, unknown = (
        site.client.post(f"/p/{site.service.signer.preferences(who)}", data={"mail": "yes"})
        for who in (reader, gone)
    )
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


def test_a_fresh_link_shows_and_keeps_what_is_chosen(site: Running) -> None:
    reader = site.add("reader@example.com", "Ada <b>", ("rag", "vip"))
    path = fresh(site, reader)
    page = site.client.get(path)
    assert page.status_code == 200
    assert "reader@example.com" in page.text
    assert 'value="Ada &lt;b&gt;"' in page.text
    assert 'value="rag" checked' in page.text
    assert 'value="agents">' in page.text
    assert "vip" not in page.text, "only what is offered is theirs to choose"

    saved = site.client.post(path, data={**SAVE, "name": " Ada\u202e\r\nBcc: x ", "topic": "agents"})
    assert saved.status_code == 200
    assert "Saved." in saved.text
    person = site.person(reader)
    assert person is not None
    assert (person.name, person.tags) == ("Ada Bcc: x", ("agents", "vip"))
    entry = site.history(reader)[-1]
    assert (entry.action, entry.actor) == ("preferences", "subscriber")
    assert entry.detail == "topics added: agents; topics removed: rag"


def test_the_page_leads_to_the_way_out(site: Running) -> None:
    number = site.add()
    path = f"/preferences/{site.service.signer.manage(number, 2**40, 7)}"
    assert f'href="{site.leave_path(number)}"' in site.client.get(path).text
    site.client.post(site.leave_path(number), data={"leave": "yes"})
    assert site.leave_path(number) not in site.client.get(path).text


def test_a_link_changes_something_once_and_the_page_after_it_goes_on(site: Running, clock: FakeClock) -> None:
    reader = site.add()
    path = fresh(site, reader)
    saved = site.client.post(path, data=SAVE)
    for method in ("GET", "POST"):
        again = site.client.request(method, path, data={**SAVE, "name": "Eve"} if method == "POST" else None)
        assert again.status_code == 410
        assert "Ada" not in again.text
        assert f"/p/{site.service.signer.preferences(reader)}" in again.text
    assert site.client.get(f"{path}/data.json").status_code == 410
    assert site.client.post(f"{path}/erase", data={"erase": "yes"}).status_code == 410

    found = re.search(r'action="(/preferences/[^"]+)"', saved.text)
    assert found is not None
    clock.sleep(50 * 60)
    assert site.client.post(found[1], data={**SAVE, "name": "Grace"}).status_code == 200
    clock.sleep(20 * 60)
    person = site.person(reader)
    assert person is not None
    assert person.name == "Grace"
    follow = re.search(r'action="(/preferences/[^"]+)"', saved.text)
    assert follow is not None
    assert site.client.get(follow[1]).status_code == 404, "going on doesn't stretch the hour"


def test_a_fresh_link_ends_after_an_hour(site: Running, clock: FakeClock) -> None:
    reader = site.add()
    path = fresh(site, reader)
    clock.set(clock.now() + timedelta(hours=1, seconds=2))
    for method, rest in (("GET", ""), ("POST", ""), ("GET", "/data.json"), ("POST", "/erase")):
        answer = site.client.request(method, path + rest, data={"erase": "yes"} if method == "POST" else None)
        assert answer.status_code == 404
        assert "had its time" in answer.text
    assert site.status(reader) == "active"


@pytest.mark.parametrize(
    "body",
    [
        {"save": "yes", "pause": "9999"},
        {"save": "yes", "topic": "not-offered"},
        {"save": "yes", "name": "x" * 201},
        {"name": "no button"},
        {},
    ],
)
def test_what_the_form_cant_say_changes_nothing(site: Running, body: dict[str, str]) -> None:
    reader = site.add("reader@example.com", "Ada", ("rag",))
    path = fresh(site, reader)
    assert site.client.post(path, data=body).status_code == 400
    person = site.person(reader)
    assert person is not None
    assert (person.name, person.tags) == ("Ada", ("rag",))
    assert site.client.get(path).status_code == 200, "and the link isn't spent by it"


def test_no_other_token_opens_preferences(site: Running) -> None:
    reader = site.add()
    signer = site.service.signer
    until = int(site.service.clock.now().timestamp()) + 100
    for token in (signer.unsubscribe(reader), signer.preferences(reader), signer.left(reader, 1, until), "x"):
        assert site.client.get(f"/preferences/{token}").status_code == 404
        assert site.client.post(f"/preferences/{token}/erase", data={"erase": "yes"}).status_code == 404
    assert site.status(reader) == "active"


def test_a_pause_keeps_a_reader_out_of_sends_until_it_ends(site: Running, clock: FakeClock) -> None:
    reader = site.add()
    site.add("other@example.com")
    assert site.client.post(fresh(site, reader), data={**SAVE, "pause": "4"}).status_code == 200

    def audience() -> int:
        with SqliteDatabase(site.workspace.database_path) as database:
            return SendLedger(database, clock).count_audience("any")

    assert audience() == 1
    page = site.client.get(fresh(site, reader))
    assert "Nothing until 3 February 2026" in page.text
    assert site.status(reader) == "active"
    clock.set(clock.now() + timedelta(weeks=4, seconds=1))
    assert audience() == 2
    assert "Nothing until" not in site.client.get(fresh(site, reader)).text
    clock.set(clock.now() - timedelta(weeks=1))
    assert audience() == 1
    assert site.client.post(fresh(site, reader), data={**SAVE, "pause": "0"}).status_code == 200
    assert audience() == 2


def test_export_is_a_file_with_all_that_is_kept(site: Running) -> None:
    reader = site.add("reader@example.com", "Ada", ("rag",))
    path = fresh(site, reader)
    answer = site.client.get(f"{path}/data.json")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    text = answer.text
    assert all(word in text for word in ("reader@example.com", "Ada", "rag", "added"))
    assert site.client.get(path).status_code == 200, "looking isn't changing"


def test_erasing_takes_two_presses_and_leaves_a_code(site: Running) -> None:
    reader = site.add("reader@example.com", "Ada Lovelace")
    path = fresh(site, reader)
    asked = site.client.post(f"{path}/erase", data={"erase": "ask"})
    assert asked.status_code == 200
    assert "reader@example.com" in asked.text
    assert site.status(reader) == "active"
    assert site.client.post(f"{path}/erase", content=b"").status_code == 400
    assert site.status(reader) == "active"

    done = site.client.post(f"{path}/erase", data={"erase": "yes"})
    assert done.status_code == 200
    assert "Erased" in done.text
    assert site.status(reader) == "gone"
    assert [(event.action, event.actor, event.ip) for event in site.history(reader)][-1] == (
        "erased",
        "subscriber",
        "",
    )
    with SqliteDatabase(site.workspace.database_path) as database, database.write() as tx:
        suppressions = Suppressions(database, site.workspace.secret_key)
        assert suppressions.reason(tx, "reader@example.com") == "erased"
    assert site.client.get(path).status_code == 404
    site.stop()
    for file in site.workspace.state_dir.glob("newsletter.db*"):
        content = file.read_bytes()
        assert b"reader@example.com" not in content
        assert b"Lovelace" not in content
