"""Opens and clicks: off unless switched on, never an open redirect, and nobody is named after some days."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from newsletter.audience.tokens import TokenSigner
from newsletter.clock import FakeClock
from newsletter.model.template import Template
from newsletter.render.tracked import TrackingWishes, track
from newsletter.send.frozen import Frozen, freeze, frozen_hash
from newsletter.store import events, hits
from newsletter.store.base import utc_text
from newsletter.store.sqlite import SqliteDatabase
from newsletter.tracking.report import report_of
from tests.send.desk import COMPILED, PUBLICATION
from tests.web.conftest import Running, make_home

ON = "[tracking]\nopens = true\nclicks = true\nkeep_days = 30\n"
HTML = Template(('<a href="https://one.example/?a=1&amp;b=é">1</a><a href="https://two.example/">2</a>',))


def send(site: Running, people: int = 5) -> None:
    """An issue with two links has left to five people."""
    wishes = TrackingWishes(opens=True, clicks=True)
    content = freeze(Frozen(track(replace(COMPILED, html=HTML), wishes, PUBLICATION.base_url), PUBLICATION))
    with SqliteDatabase(site.workspace.database_path) as database, database.write() as tx:
        tx.execute(
            "INSERT INTO sends (slug, number, title, state, content, content_hash, provider, audience, created_at)"
            " VALUES ('hello', 1, 'Hello', 'sent', ?, ?, 'outbox', ?, ?)",
            (content, frozen_hash(content), people, utc_text(site.service.clock.now())),
        )
        tx.executemany(
            "INSERT INTO deliveries (send_id, subscriber_id, state) VALUES (1, ?, 2)",
            [(number,) for number in range(1, people + 1)],
        )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def site(start: Callable[..., Running], tmp_path: Path, clock: FakeClock) -> Running:
    running = start(make_home(tmp_path / "notes", ON), clock)
    send(running)
    return running


def token(site: Running, number: int = 1) -> str:
    return site.service.signer.delivery(1, number)


def follow(site: Running, number: int, link: int, method: str = "GET") -> Any:
    return site.client.request(method, f"/c/{token(site, number)}.{link}")


def rows(site: Running) -> list[tuple[Any, ...]]:
    return site.service.database.query("SELECT subscriber_id, link FROM hits ORDER BY 1, 2")


def test_a_link_leads_where_the_author_wrote_and_is_counted_once_a_reader(site: Running) -> None:
    for _ in range(3):
        answer = follow(site, 1, 1)
        assert answer.status_code == 302
        assert answer.headers["location"] == "https://one.example/?a=1&b=%C3%A9"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert follow(site, 2, 2).headers["location"] == "https://two.example/"
    assert rows(site) == [(1, 1), (2, 2)]
    assert hits.readers(site.service.database, 1) == {1: 1, 2: 1, hits.ANY_LINK: 2}


def test_the_picture_counts_an_open(site: Running) -> None:
    answer = site.client.get(f"/o/{token(site)}.gif")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert site.client.get("/o/-.gif").status_code == 200, "of a test or a preview"
    report = report_of(site.service.database, "hello")
    assert report is not None
    assert (report.opened, report.clicked) == (1, 0)


def test_asking_for_the_head_counts_nothing(site: Running) -> None:
    assert follow(site, 1, 1, "HEAD").status_code == 302
    assert site.client.head(f"/o/{token(site)}.gif").status_code == 200
    assert follow(site, 1, 1, "POST").status_code == 405
    assert rows(site) == []


@pytest.mark.parametrize("first", [0, 1])
def test_who_follows_the_link_nobody_sees_is_a_scanner(site: Running, clock: FakeClock, first: int) -> None:
    for link in (first, 1 - first, 2):
        follow(site, 1, link)
        clock.sleep(5)
    site.client.get(f"/o/{token(site)}.gif")
    assert hits.readers(site.service.database, 1) == {}
    clock.sleep(3600)
    follow(site, 1, 2)
    assert hits.readers(site.service.database, 1) == {2: 1, hits.ANY_LINK: 1}, "the reader came later"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/?#%"), max_size=40))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_redirect_can_be_made_up(site: Running, made_up: str) -> None:
    assume(made_up not in (".", "..") and not re.fullmatch(r"\.0*[012]", made_up))
    for path in (
        f"/c/{made_up}",
        f"/c/{made_up}.1",
        f"/c/{token(site)}.{made_up}9999",
        f"/c/{token(site)}{made_up}",
    ):
        answer = site.client.get(path, params={"url": "https://evil.example/"})
        assert answer.status_code in (404, 405), path
        assert "location" not in answer.headers
    assert site.client.get(f"/o/{made_up}").status_code in (200, 404)
    assert rows(site) == []


def test_a_delivery_that_isnt_there_or_of_another_key_counts_nothing(site: Running) -> None:
    other = TokenSigner(b"another key, of sixteen and more bytes")
    for id_ in (other.delivery(1, 1), site.service.signer.delivery(9, 1), site.service.signer.unsubscribe(1)):
        assert site.client.get(f"/c/{id_}.1").status_code == 404
    assert site.client.get(f"/c/{token(site, 99)}.1").status_code == 302, "it is a link of ours, but nobody's"
    assert rows(site) == []


def test_after_the_days_are_over_only_counts_are_left(site: Running, clock: FakeClock) -> None:
    follow(site, 1, 1)
    follow(site, 2, 1)
    follow(site, 3, 0)
    follow(site, 3, 1)
    before = report_of(site.service.database, "hello")
    clock.sleep(timedelta(days=31).total_seconds())
    with SqliteDatabase(site.workspace.database_path) as database, database.write() as tx:
        events.forget(tx, utc_text(clock.now() - timedelta(days=30)))
    assert rows(site) == []
    assert report_of(site.service.database, "hello") == before
    assert before is not None
    assert before.clicked == 2
    assert follow(site, 4, 1).status_code == 302
    assert rows(site) == [], "a link of an old issue leads on and counts nothing"


def test_switched_off_links_of_old_mails_lead_on_and_count_nothing(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    site = start(make_home(tmp_path / "off"))
    send(site)
    assert follow(site, 1, 1).status_code == 302
    assert site.client.get(f"/o/{token(site)}.gif").status_code == 200
    assert rows(site) == []


def test_what_leaves_holds_each_readers_own_addresses(site: Running) -> None:
    from newsletter.send.recipients import Recipients
    from newsletter.store.send_records import Person

    content = json.loads(site.service.database.query("SELECT content FROM sends")[0][0])
    fields = {part["field"] for part in content["compiled"]["html"] if isinstance(part, dict)}
    person = Person(1, "r@example.org", "", "{}", 1)
    values = Recipients(1, site.service.signer, "https://n.example", frozenset(fields)).make(person).values
    assert values["tracking.link.1"] == f"https://n.example/c/{token(site)}.1"
    assert values["tracking.open"] == f"https://n.example/o/{token(site)}.gif"
    tested = Recipients(0, site.service.signer, "https://n.example", frozenset(fields)).make(person).values
    assert not [field for field in tested if field.startswith("tracking.")]
