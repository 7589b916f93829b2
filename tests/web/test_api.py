"""A site of one's own can ask people to join, find, tag and take them off; by the same rules, and no faster than allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from starlette.routing import Route

from newsletter.clock import FakeClock
from newsletter.store import api_keys
from newsletter.store.api_keys import Scope
from newsletter.web.api.access import Pace
from newsletter.web.app import make_app
from tests.waiting import wait_for
from tests.web.conftest import Running, make_home

ALL = frozenset(Scope)


def key_for(site: Running, *scopes: Scope) -> dict[str, str]:
    """The headers of a site that may do `scopes`, or everything."""
    with site.service.audience.database.write() as tx:
        _, key = api_keys.create(tx, "example.com", scopes or ALL, site.service.clock.now())
    return {"authorization": f"Bearer {key}"}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document, which is one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    return body


def post(site: Running, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    return site.client.post(f"/api/subscribers{path}", json=body, headers=headers)


def test_asking_somebody_to_join_mails_them_and_puts_them_on_no_list(site: Running) -> None:
    key = key_for(site, Scope.WRITE)
    known = site.add("known@example.com")
    fresh = post(
        site, "", {"email": "Fresh@Example.com", "ip": "203.0.113.9", "source": "https://x.example/"}, key
    )
    again = post(site, "", {"email": "known@example.com"}, key)
    assert (fresh.status_code, fresh.json()) == (202, {"status": "asked"})
    assert (again.status_code, again.content) == (fresh.status_code, fresh.content), (
        "it tells nobody who is on the list"
    )
    database = site.service.database
    wait_for(lambda: database.query("SELECT count(*) FROM outgoing") == [(2,)])
    kinds: dict[str, str] = dict(
        database.query("SELECT s.email, o.kind FROM outgoing o JOIN subscribers s ON s.id = o.subscriber_id")
    )
    assert kinds == {"Fresh@Example.com": "confirmation", "known@example.com": "already"}
    [(number, status)] = database.query(
        "SELECT id, status FROM subscribers WHERE email = 'Fresh@Example.com'"
    )
    assert status == "pending"
    [event] = site.history(number)
    assert (event.action, event.source, event.ip) == ("requested", "https://x.example/", "203.0.113.9")
    assert site.status(known) == "active"


def test_an_address_the_provider_cannot_reach_is_refused_whoever_it_belongs_to(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    site = start(make_home(tmp_path / "n", '[provider]\nname = "resend"\n'))
    site.add("jörg@example.com")
    key = key_for(site)
    for email in ("jörg@example.com", "jürg@example.com"):
        for more in ({}, {"confirmed": True, "proof": "in the shop"}):
            refused = problem(post(site, "", {"email": email, **more}, key), 422)
            assert refused["errors"][0]["pointer"] == "#/email"


def test_the_forms_limits_hold_for_keys_as_well(site: Running) -> None:
    key = key_for(site, Scope.WRITE)
    answers = [post(site, "", {"email": "victim@example.com"}, key) for _ in range(5)]
    assert {(a.status_code, a.content) for a in answers} == {(202, b'{"status":"asked"}')}
    database = site.service.database
    wait_for(lambda: database.query("SELECT count(*) FROM join_requests") == [(0,)])
    assert database.query("SELECT count(*) FROM outgoing") == [(1,)]


def test_who_confirmed_elsewhere_is_added_with_the_proof(site: Running) -> None:
    key = key_for(site, Scope.IMPORT)
    body = {
        "email": "ada@example.com",
        "confirmed": True,
        "proof": "button in our mail of 2026-01-05",
        "name": "Ada",
        "tags": ["rag"],
    }
    first, second = post(site, "", body, key), post(site, "", body, key)
    assert (first.status_code, second.status_code) == (201, 200)
    person = first.json()
    assert (person["email"], person["name"], person["status"], person["tags"]) == (
        "ada@example.com",
        "Ada",
        "active",
        ["rag"],
    )
    [event] = site.history(person["id"])
    assert (event.action, event.source, event.detail) == (
        "added",
        "api:example.com",
        "api:example.com: button in our mail of 2026-01-05",
    )
    faults = problem(post(site, "", {"email": "b@example.com", "confirmed": True}, key), 422)["errors"]
    assert faults[0]["pointer"] == "#/proof"


@pytest.mark.parametrize("status", ["unsubscribed", "erased"])
def test_who_left_is_not_brought_back_by_a_key(site: Running, status: str) -> None:
    key = key_for(site)
    reader = site.add("gone@example.com")
    site.client.post(site.leave_path(reader), data={"List-Unsubscribe": "One-Click"})
    if status == "erased":
        site.service.audience.erase("gone@example.com")
    body = {"email": "gone@example.com", "confirmed": True, "proof": "they said so"}
    assert "only their own press" in problem(post(site, "", body, key), 409)["detail"]
    assert post(site, "", {"email": "gone@example.com"}, key).status_code == 202
    wait_for(lambda: site.service.database.query("SELECT count(*) FROM join_requests") == [(0,)])
    with site.service.audience.database.write() as tx:
        assert site.service.audience.suppressions.reason(tx, "gone@example.com"), "until they press"
    assert site.status(reader) != "active"


def test_people_are_found_tagged_and_taken_off(site: Running) -> None:
    key = key_for(site)
    reader = site.add("ada@example.com", "Ada", ("rag",))
    found = post(site, "/lookup", {"email": "ADA@example.com"}, key).json()
    assert found == site.client.get(f"/api/subscribers/{reader}", headers=key).json()
    assert (found["id"], found["email"], found["tags"]) == (reader, "ada@example.com", ["rag"])
    tagged = post(site, f"/{reader}/tags", {"add": ["search", " search "], "remove": ["rag"]}, key).json()
    assert tagged["tags"] == ["search"]
    left, again = (
        post(site, f"/{reader}/unsubscribe", None, key),
        post(site, f"/{reader}/unsubscribe", None, key),
    )
    assert left.json() == {"id": reader, "status": "unsubscribed", "changed": True}
    assert again.json() == {"id": reader, "status": "unsubscribed", "changed": False}
    last = site.history(reader)[-1]
    assert (last.action, last.source, last.actor) == ("unsubscribed", "api:example.com", "operator")
    with site.service.audience.database.write() as tx:
        assert site.service.audience.suppressions.reason(tx, "ada@example.com") == "unsubscribed"


@pytest.mark.parametrize("number", ["0", "999", "-1", "x", "9" * 19, "9" * 40, "1e3", "%00", "１"])
def test_nobody_of_that_number_is_a_404(standing: Running, number: str) -> None:
    key = key_for(standing)
    problem(standing.client.get(f"/api/subscribers/{number}", headers=key), 404)
    problem(post(standing, f"/{number}/tags", {"add": ["a"]}, key), 404)
    problem(post(standing, f"/{number}/unsubscribe", None, key), 404)


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        (("POST", "", {"email": "a@example.com"}), {Scope.WRITE}),
        (("POST", "", {"email": "a@example.com", "confirmed": True, "proof": "x"}), {Scope.IMPORT}),
        (("POST", "/lookup", {"email": "scoped@example.com"}), {Scope.READ}),
        (("GET", "/1", None), {Scope.READ}),
        (("POST", "/1/tags", {"add": ["t"]}), {Scope.WRITE}),
        (("POST", "/1/unsubscribe", None), {Scope.WRITE}),
    ],
)
def test_a_key_may_do_what_its_scopes_say_and_nothing_else(
    standing: Running, call: tuple[str, str, Any], allowed: set[Scope]
) -> None:
    standing.add("scoped@example.com")
    method, path, body = call
    for scope in Scope:
        answer = standing.client.request(
            method, f"/api/subscribers{path}", json=body, headers=key_for(standing, scope)
        )
        if scope in allowed:
            assert answer.status_code in {200, 201, 202}
        else:
            problem(answer, 403)


def test_without_a_key_that_works_nothing_is_told(site: Running) -> None:
    key = key_for(site)
    assert site.client.get("/api/subscribers/1", headers=key).status_code == 404
    with site.service.audience.database.write() as tx:
        assert api_keys.revoke(tx, 1, site.service.clock.now())
    for headers in (
        {},
        key,
        {"authorization": "Bearer nlk_wrong"},
        {"authorization": "Basic eDp5"},
        {"authorization": "Bearer"},
    ):
        answer = site.client.get("/api/subscribers/1", headers=headers)
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_the_store_holds_no_key_and_the_day_it_was_used(site: Running) -> None:
    key = key_for(site, Scope.READ)
    site.client.get("/api/subscribers/1", headers=key)
    text = key["authorization"].removeprefix("Bearer ")
    folder = site.workspace.state_dir
    assert all(text.encode() not in path.read_bytes() for path in folder.iterdir() if path.is_file())
    [kept] = api_keys.all_keys(site.service.database)
    assert kept.last_used_at == site.service.clock.now().date().isoformat()


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"email": "a@example.com"', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"email": "\\ud800@example.com"}', "application/json", 400),
        (b'"text"', "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"email": "not an address"}', "application/json; charset=utf-8", 422),
        (b'{"email": "a@example.com", "unknown/key": 1}', "application/json", 422),
        (b'{"email": "a@example.com", "ip": "not one"}', "application/json", 422),
        (b'{"email": "a@example.com", "name": "Ada"}', "application/json", 422),
        (b'{"email": 5}', "application/json", 422),
        (b"email=a%40example.com", "application/x-www-form-urlencoded", 415),
        (b"{}", "", 415),
        (b" " * 20_000, "application/json", 413),
        (b"[" * 10_000, "application/json", 400),
    ],
)
def test_a_bad_body_gets_a_problem_and_changes_nothing(
    standing: Running, content: bytes, kind: str, status: int
) -> None:
    before = standing.service.database.query("SELECT count(*) FROM subscribers")
    headers = key_for(standing) | ({"content-type": kind} if kind else {})
    body = problem(standing.client.post("/api/subscribers", content=content, headers=headers), status)
    assert "not an address" not in json.dumps(body), "what was sent is not repeated"
    assert standing.service.database.query("SELECT count(*) FROM subscribers") == before


def test_unknown_addresses_and_methods_get_problems_too(standing: Running) -> None:
    problem(standing.client.get("/api/nothing"), 404)
    problem(standing.client.get("/api/"), 404)
    answer = standing.client.delete("/api/subscribers/1")
    problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"


def test_each_key_has_a_pace_of_its_own(start: Callable[..., Running], tmp_path: Path) -> None:
    site = start(make_home(tmp_path / "n", "[web]\napi_requests_per_minute = 3\n"), FakeClock())
    one, other = key_for(site), key_for(site)
    answers = [site.client.get("/api/subscribers/1", headers=one) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
    problem(answers[-1], 429)
    assert answers[-1].headers["retry-after"] == "20"
    assert site.client.get("/api/subscribers/1", headers=other).status_code == 404
    site.service.clock.sleep(20.5)
    assert site.client.get("/api/subscribers/1", headers=one).status_code == 404
    assert site.client.get("/api/subscribers/1", headers=one).status_code == 429


def test_guessing_keys_is_slowed_down_by_network(start: Callable[..., Running], tmp_path: Path) -> None:
    site = start(make_home(tmp_path / "n"), FakeClock())
    wrong = {"authorization": "Bearer nlk_wrong"}
    statuses = [site.client.get("/api/subscribers/1", headers=wrong).status_code for _ in range(31)]
    assert statuses == [401] * 30 + [429]
    site.service.clock.sleep(60)
    assert site.client.get("/api/subscribers/1", headers=key_for(site)).status_code == 404


def test_a_pace_forgets_whom_it_has_not_heard_of_for_longest() -> None:
    pace = Pace(1)
    for number in range(10_001):
        assert pace.wait(str(number), 0.0) == 0.0
    assert pace.wait("0", 0.0) == 0.0
    assert pace.wait("10000", 0.0) == 60.0


def test_a_locked_store_is_a_503_with_a_time(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from newsletter.errors import StoreError

    key = key_for(site)
    site.client.get("/api/subscribers/1", headers=key)
    reader = site.add()

    def refuse(_: object) -> None:
        raise StoreError("locked")

    monkeypatch.setattr(site.service.writer, "_hand_over", lambda *_: refuse(None))
    answer = post(site, f"/{reader}/unsubscribe", None, key)
    problem(answer, 503)
    assert answer.headers["retry-after"] == "10"
    assert site.status(reader) == "active"


def test_the_document_describes_every_address_and_nothing_else(standing: Running) -> None:
    answer = standing.client.get("/api/openapi.json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    served = {route.path for route in make_app_routes(standing) if route.path.startswith("/api/subscribers")}
    assert set(document["paths"]) == served
    for path, methods in document["paths"].items():
        for method in methods:
            answer = standing.client.request(method.upper(), path.replace("{id}", "1"))
            problem(answer, 401)
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name


def make_app_routes(site: Running) -> list[Route]:
    return [route for route in make_app(site.service).routes if isinstance(route, Route)]


def test_the_page_needs_nothing_from_elsewhere(standing: Running) -> None:
    page = standing.client.get("/api")
    assert page.status_code == 200
    assert "/api/subscribers/{id}/unsubscribe" in page.text
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
