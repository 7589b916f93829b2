"""Signing up over HTTP: the same answer for everybody, one mail a day for anybody, nothing from the form in any mail."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.joining import Joining, JoinRequest
from newsletter.clock import FakeClock
from newsletter.store import subscribers as people
from newsletter.store.base import Transaction, utc_text
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.forms import FormGuard
from tests.fakes.smtp import FakeSmtp
from tests.web.conftest import ROOT, SECRET, Running, make_home
from tests.web.joining import confirm_path, mails, settled, smtp_home, text_of, wait_for


@pytest.fixture
def inbox() -> Iterator[FakeSmtp]:
    """A mail server on loopback."""
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def club(start: Callable[..., Running], tmp_path: Path, inbox: FakeSmtp) -> Running:
    """A service that mails through `inbox`."""
    return start(smtp_home(tmp_path / "club", inbox))


def find(running: Running, email: str) -> str:
    with SqliteDatabase(running.workspace.database_path) as database:
        found = people.find(database, match_key=email)
    return found.status.value if found is not None else "nobody"


def test_a_form_on_another_site_joins_by_the_press_in_the_mail(club: Running, inbox: FakeSmtp) -> None:
    answer = club.client.post(
        "/join",
        data={"email": "ada@example.com", "form": "sidebar", "name": "BUY NOW http://spam.example"},
        headers={"origin": "https://blog.example", "referer": "https://blog.example/post?secret=1"},
    )
    assert answer.status_code == 200
    assert "Check your inbox" in answer.text
    [asked] = wait_for(lambda: mails(inbox))
    assert find(club, "ada@example.com") == "pending"
    page = club.client.get(confirm_path(asked))
    assert page.status_code == 200
    assert "No spam. Unsubscribe anytime." in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-robots-tag"] == "noindex"
    assert find(club, "ada@example.com") == "pending", "looking changes nothing"
    pressed = club.client.post(confirm_path(asked), data={"confirm": "yes"})
    assert "You’re in" in pressed.text
    assert find(club, "ada@example.com") == "active"
    again = club.client.post(confirm_path(asked), data={"confirm": "yes"})
    assert (again.status_code, "already" in again.text) == (200, True)
    _, welcome = wait_for(lambda: len(mails(inbox)) == 2 and mails(inbox))  # type: ignore[misc] # true once there are two
    assert welcome["Subject"] == "Glad you’re here"
    assert "thank you" in text_of(welcome)
    assert welcome["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    with SqliteDatabase(club.workspace.database_path) as database:
        found = people.find(database, match_key="ada@example.com")
        assert found is not None
    first, last = club.history(found.id)
    assert (first.source, first.form_id) == ("https://blog.example/post", "sidebar")
    assert last.message_id == asked["Message-ID"]


def test_a_confirmation_says_nothing_that_the_form_said(club: Running, inbox: FakeSmtp) -> None:
    poison = "CheapPills-7719"
    club.client.post(
        "/join",
        data={
            "email": "ada@example.com",
            "name": poison,
            "form": poison,
            "website2": poison,
            "subject": poison,
        },
        headers={
            "user-agent": poison,
            "referer": f"https://{poison}.example/{poison}",
            "accept-language": poison,
        },
    )
    wait_for(lambda: mails(inbox))
    assert poison.lower() not in inbox.messages[0].data.decode().lower()


def test_an_address_the_provider_cannot_reach_is_said_so_whoever_it_belongs_to(
    club: Running, inbox: FakeSmtp
) -> None:
    # A domain has a form in ASCII; that is reached. And with its mail the server has said what it can't do.
    assert club.client.post("/join", data={"email": "ada@bücher.example"}).status_code == 200
    wait_for(lambda: inbox.ledger.recipients["ada@xn--bcher-kva.example"] == 1)
    wait_for(lambda: settled(club))
    club.add("jörg@example.com")
    answers = [
        club.client.post("/join", data={"email": email}) for email in ("jörg@example.com", "jürg@example.com")
    ]
    assert {answer.status_code for answer in answers} == {422}
    texts = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert len(texts) == 1, "it tells nobody who is on the list"
    assert "can’t get to this address" in texts.pop()
    assert find(club, "jürg@example.com") == "nobody"


def test_a_mail_server_that_offers_it_reaches_every_mailbox(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp(extensions=("8BITMIME", "SMTPUTF8")) as server:
        site = start(smtp_home(tmp_path / "n", server))
        emails = ("jörg@example.com", "jürg@example.com")
        assert {site.client.post("/join", data={"email": email}).status_code for email in emails} == {200}
        wait_for(lambda: all(server.ledger.recipients[email] == 1 for email in emails))


def test_where_mail_goes_to_a_folder_every_mailbox_is_reached(site: Running) -> None:
    assert site.client.post("/join", data={"email": "jörg@example.com"}).status_code == 200
    wait_for(lambda: settled(site))
    outbox = site.workspace.state_dir / "outbox" / "single"
    assert "jörg@example.com" in wait_for(lambda: list(outbox.glob("*.eml")))[0].read_text("utf-8")


def test_a_confirmation_is_marked_automatic_and_has_no_list_headers(club: Running, inbox: FakeSmtp) -> None:
    club.client.post("/join", data={"email": "ada@example.com"})
    [asked] = wait_for(lambda: mails(inbox))
    assert asked["Auto-Submitted"] == "auto-generated"
    assert asked["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert not [name for name in dict(asked) if name.lower().startswith("list-") or name == "Precedence"]
    assert inbox.messages[0].recipients == ("ada@example.com",)
    assert asked.get_content_type() == "multipart/alternative"


def test_the_answer_is_the_same_whoever_it_is_about(club: Running) -> None:
    club.add("active@example.com")
    left = club.add("left@example.com")
    club.client.post(club.leave_path(left), data={"List-Unsubscribe": "One-Click"})
    club.client.post("/join", data={"email": "limited@example.com"})
    answers = [
        club.client.post("/join", data=fields)
        for fields in (
            {"email": "unknown@example.com"},
            {"email": "active@example.com"},
            {"email": "left@example.com"},
            {"email": "limited@example.com"},
            {"email": "trapped@example.com", "website": "https://spam.example"},
            {"email": "x@mailinator.com"},
        )
    ]
    seen = {
        (
            answer.status_code,
            answer.text,
            tuple((name, value) for name, value in answer.headers.items() if name != "date"),
        )
        for answer in answers
    }
    assert len(seen) == 1


def test_the_same_statements_run_whoever_it_is_about(start: Callable[..., Running], home: Path) -> None:
    """What an answer waits for is one transaction of the same statements: its length says nothing."""
    site = start(home, FakeClock())
    site.add("active@example.com")
    left = site.add("left@example.com")
    site.client.post(site.leave_path(left), data={"List-Unsubscribe": "One-Click"})
    site.client.post("/join", data={"email": "limited@example.com"})
    wait_for(lambda: settled(site))
    database = site.service.audience.database
    shapes: dict[str, list[str]] = {}
    for name, fields in {
        "unknown": {"email": "unknown@example.com"},
        "active": {"email": "active@example.com"},
        "left": {"email": "left@example.com"},
        "limited": {"email": "limited@example.com"},
        "trapped": {"email": "trapped@example.com", "website": "x"},
    }.items():
        ran: list[str] = []
        joined = threading.Event()

        def trace(sql: str, ran: list[str] = ran, joined: threading.Event = joined) -> None:
            if not joined.is_set():
                # Parameters are spelled out in what is traced: the first words are the statement.
                ran.append(" ".join(sql.split()[:4]))
                if sql == "COMMIT":
                    joined.set()

        # Never while the writer is in SQLite: it would hold the connection and wait for this thread to let go of the
        # interpreter, and this thread, which sqlite3 doesn't make let go here, would wait for the connection.
        with database._lock:
            database._connection.set_trace_callback(trace)
        site.client.post("/join", data=fields)
        with database._lock:
            database._connection.set_trace_callback(None)
        shapes[name] = ran
        wait_for(lambda: settled(site))
    assert len(shapes["unknown"]) > 5
    assert all(shape == shapes["unknown"] for shape in shapes.values()), shapes
    assert not any("FROM subscribers" in statement for statement in shapes["unknown"])


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "ada",
        "ada@",
        "@example.com",
        "a b@example.com",
        "ada@exa\nmple.com",
        "a@b\x00.example",
        "x" * 400 + "@example.com",
        "ada@example.com, bob@example.com",
        "<script>@example.com",
    ],
)
def test_what_is_no_address_is_said_to_be_none(standing: Running, typed: str) -> None:
    answer = standing.client.post("/join", data={"email": typed})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "<script>@" not in answer.text


def test_a_script_of_another_site_gets_json_and_may_read_it(standing: Running) -> None:
    preflight = standing.client.options("/join", headers={"origin": "https://blog.example"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    answer = standing.client.post(
        "/join",
        content=json.dumps({"email": "script@example.com"}),
        headers={"content-type": "application/json", "accept": "application/json"},
    )
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert answer.headers["access-control-allow-origin"] == "*"
    wrong = standing.client.post("/join", data={"email": "x"}, headers={"accept": "application/json"})
    assert (wrong.status_code, wrong.json()["ok"]) == (422, False)
    for path in ("/healthz", "/u/x", "/confirm/x", "/p/x", "/join"):
        assert "access-control-allow-origin" not in standing.client.get(path).headers


def test_the_form_to_embed_is_plain_and_whole(standing: Running) -> None:
    snippet = standing.client.get("/join/embed")
    assert snippet.headers["content-type"].startswith("text/plain")
    assert 'action="https://notes.example/join"' in snippet.text
    assert "No spam. Unsubscribe anytime." in snippet.text
    assert "<script" not in snippet.text


def test_our_own_form_is_pressed_again_when_it_was_filled_in_faster_than_anybody_reads(
    start: Callable[..., Running], home: Path
) -> None:
    clock = FakeClock()
    site = start(home, clock)
    page = site.client.get("/join").text
    token = page.split('name="form_token" value="')[1].split('"')[0]
    fields = {"email": "ada@example.com", "form_token": token}
    early = site.client.post("/join", data=fields)
    assert "One more press" in early.text
    assert 'value="ada@example.com"' in early.text
    clock.sleep(2)
    assert "Check your inbox" in site.client.post("/join", data=fields).text


def test_forms_elsewhere_can_be_led_to_ours(start: Callable[..., Running], tmp_path: Path) -> None:
    clock = FakeClock()
    site = start(make_home(tmp_path / "n", "\n[web]\nembedded_forms = false\n"), clock)
    shown = site.client.post("/join", data={"email": "ada@example.com"})
    assert "One more press" in shown.text
    token = shown.text.split('name="form_token" value="')[1].split('"')[0]
    clock.sleep(3)
    answer = site.client.post("/join", data={"email": "ada@example.com", "form_token": token})
    assert "Check your inbox" in answer.text


def test_work_is_asked_for_where_it_is_switched_on(start: Callable[..., Running], tmp_path: Path) -> None:
    clock = FakeClock()
    site = start(make_home(tmp_path / "n", "\n[web]\nproof_of_work = 8\n"), clock)
    page = site.client.get("/join").text
    assert 'data-work="8"' in page
    assert "This form needs JavaScript" in page
    script = page.split('<script src="')[1].split('"')[0]
    assert site.client.get(script).headers["content-type"].startswith("text/javascript")
    token = page.split('name="form_token" value="')[1].split('"')[0]
    clock.sleep(3)
    fields = {"email": "ada@example.com", "form_token": token}
    assert "One more press" in site.client.post("/join", data=fields).text
    guard = FormGuard(SECRET.encode(), 8)
    nonce = next(str(n) for n in range(100_000) if guard.worked(token, "ada@example.com", str(n)))
    assert "Check your inbox" in site.client.post("/join", data={**fields, "work": nonce}).text


def test_throwaway_addresses_are_refused_only_where_that_is_asked_for(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    site = start(make_home(tmp_path / "n", '\n[web]\ndisposable = "refuse"\n'))
    answer = site.client.post("/join", data={"email": "x@mailinator.com"})
    assert answer.status_code == 422
    assert "Check your inbox" in site.client.post("/join", data={"email": "x@example.com"}).text


def test_single_opt_in_joins_at_once_and_says_so(
    start: Callable[..., Running], tmp_path: Path, inbox: FakeSmtp
) -> None:
    site = start(smtp_home(tmp_path / "n", inbox, web="[web]\ndouble_opt_in = false\n"))
    answer = site.client.post("/join", data={"email": "ada@example.com"})
    assert "the next issue comes to it" in answer.text
    assert "one link to confirm; until" not in site.client.get("/join").text
    [welcome] = wait_for(lambda: mails(inbox))
    assert welcome["Subject"] == "Glad you’re here"
    assert find(site, "ada@example.com") == "active"


def test_a_proxy_nobody_was_told_about_is_named_in_the_log(
    start: Callable[..., Running], home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    site = start(home, clock)
    for number in range(22):
        site.client.post("/join", data={"email": f"a{number}@example.com"})
    wait_for(lambda: settled(site))
    with caplog.at_level(logging.WARNING):
        clock.sleep(61)
        wait_for(lambda: "signups came to nothing" in caplog.text)
    assert "2 signups came to nothing: network-unvouched 2 (behind a proxy" in caplog.text
    assert "@example.com" not in caplog.text


def test_the_command_line_shows_who_asked_and_what_they_agreed_to(club: Running, inbox: FakeSmtp) -> None:
    club.client.post("/join", data={"email": "ada@example.com", "form": "footer"})
    wait_for(lambda: mails(inbox) and settled(club))
    shown = show(club.home)
    assert shown["status"] == "pending"
    assert shown["joining"]["form_id"] == "footer"
    assert (shown["joining"]["mail"], shown["joining"]["mail_state"]) == ("confirmation", "sent")
    [words] = shown["consent_texts"].values()
    assert words.endswith("No spam. Unsubscribe anytime.")
    club.client.post(confirm_path(mails(inbox)[0]), data={"confirm": "yes"})
    after = show(club.home)
    assert (after["status"], after["joining"]) == ("active", None)
    assert [event["action"] for event in after["consent"]] == ["requested", "confirmed"]
    assert after["consent"][1]["message_id"] == mails(inbox)[0]["Message-ID"]


def show(home: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "newsletter", "subscribers", "show", "ada@example.com"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "agreed to: You get Field Notes by email." in said
    as_json = subprocess.run(
        [*command, "--json"], cwd=home, env=environment, capture_output=True, text=True, check=True
    )
    shown: dict[str, Any] = json.loads(as_json.stdout)
    return shown


def test_a_trap_filled_in_does_not_keep_its_owner_from_joining(club: Running, inbox: FakeSmtp) -> None:
    club.client.post("/join", data={"email": "ada@example.com", "website": "spam"})
    wait_for(lambda: settled(club))
    assert find(club, "ada@example.com") == "nobody"
    club.client.post("/join", data={"email": "ada@example.com"})
    wait_for(lambda: mails(inbox))
    assert find(club, "ada@example.com") == "pending"


def test_a_link_nobody_made_and_a_link_past_its_time_lead_back_to_the_form(
    start: Callable[..., Running], tmp_path: Path, inbox: FakeSmtp
) -> None:
    clock = FakeClock()
    site = start(smtp_home(tmp_path / "n", inbox), clock)
    assert site.client.get("/confirm/nonsense").status_code == 404
    site.client.post("/join", data={"email": "ada@example.com"})
    [asked] = wait_for(lambda: mails(inbox))
    clock.sleep(7 * 86400 + 1)
    late = site.client.post(confirm_path(asked), data={"confirm": "yes"})
    # Told apart only until the request is forgotten, which may have happened already.
    assert late.status_code in (404, 410)
    assert 'href="/join"' in late.text


def test_ten_thousand_signups_for_nine_victims_send_each_at_most_one_mail_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A botnet of 500 machines, four days long, every spelling of each address it can think of, through the store."""
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
    from newsletter.app import open_workspace
    from newsletter.store import outgoing
    from newsletter.store.outgoing import MailState
    from newsletter.web.limits import SignupLimits, mailbox_of
    from newsletter.web.mailer import make_joining
    from newsletter.web.service import open_service

    workspace = open_workspace(make_home(tmp_path / "n"))
    workspace.clock = clock = FakeClock()
    service = open_service(workspace)
    joining: Joining = make_joining(service, workspace.issues_dir / "welcome.md")
    limits = SignupLimits(workspace.secret_key, 1000)
    dice = random.Random(9)
    victims = [
        f"victim{n}@{domain}" for n in range(3) for domain in ("small.example", "gmail.com", "a.example")
    ]
    machines = [f"{dice.randrange(1, 223)}.{dice.randrange(256)}.{dice.randrange(256)}.7" for _ in range(500)]
    sent: list[tuple[float, str]] = []
    database = service.audience.database
    for turn in range(100):
        with database.write() as tx:
            now = clock.now()
            for _ in range(100):
                local, _, domain = dice.choice(victims).partition("@")
                spelled = f"{local}{dice.choice(['', '+a', '+b1', '+x+y'])}@{domain}"
                request = JoinRequest(spelled, spelled, utc_text(now), ip=dice.choice(machines))
                over = limits.admit(tx, limits.of(spelled, request.ip, vouched=False), now.timestamp())
                joining.receive(tx, request.holding_back(over))
            for request in joining.take(tx, 1000):
                joining.admit(tx, request)

            def may_be_mailed(key: str, tx: Transaction = tx, now: float = now.timestamp()) -> bool:
                return not limits.admit(tx, limits.of_mailbox(key), now)

            joining.remind(tx, now, 100, may_be_mailed)
            joining.expire(tx, now, 100)
        while (number := outgoing.next_due(database, now)) is not None:
            with database.write() as tx:
                mail = outgoing.claim(tx, number, now)
                assert mail is not None
                outgoing.settle(tx, number, MailState.SENT, now)
            sent.append((now.timestamp(), mailbox_of(mail.email)))
        clock.sleep(4 * 86400 / 100)
        assert turn < 100
    service.close()
    assert len(sent) >= 9, "those who really want to join can"
    for victim in {mailbox for _, mailbox in sent}:
        times = sorted(at for at, mailbox in sent if mailbox == victim)
        assert all(later - earlier >= 86400 - 1 for earlier, later in pairwise(times)), victim
    assert max(Counter(mailbox for _, mailbox in sent).values()) <= 4


def test_a_storm_of_signups_over_http_mails_each_victim_once(club: Running, inbox: FakeSmtp) -> None:
    victims = [f"victim{n}@example.com" for n in range(9)]

    def storm(number: int) -> list[int]:
        with httpx.Client(base_url=club.url, timeout=30) as client:
            return [
                client.post("/join", data={"email": victims[(number + n) % 9]}).status_code for n in range(50)
            ]

    with ThreadPoolExecutor(8) as pool:
        answers = [status for some in pool.map(storm, range(8)) for status in some]
    assert Counter(answers) == {200: 400}
    wait_for(lambda: settled(club))
    assert inbox.ledger.recipients == Counter(victims)


_TEXT = st.text(max_size=80) | st.sampled_from(["ada@example.com", "yes", "\x00", "\u202e", "a@b.example"])
_FIELDS = st.dictionaries(
    st.sampled_from(["email", "form_token", "website", "form", "work", "confirm"]) | st.text(max_size=8),
    _TEXT,
    max_size=6,
)
_ANY = st.characters(exclude_categories=())
_TYPES = st.sampled_from(
    [
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "text/plain",
        "",
    ]
)


def _bodies() -> st.SearchStrategy[Any]:
    quoted = _FIELDS.map(lambda fields: httpx.QueryParams(fields).__str__().encode())
    # JSON can spell halves of surrogate pairs, which no UTF-8 has.
    as_json = st.dictionaries(
        st.sampled_from(["email", "form", "website", "form_token", "work"]), st.text(_ANY, max_size=20)
    ).map(lambda fields: json.dumps(fields).encode())
    deep = st.integers(1, 4000).map(lambda depth: b"[" * depth)
    return quoted | as_json | st.binary(max_size=400) | deep


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    body=_bodies(),
    content_type=_TYPES,
    path=st.sampled_from(["/join", "/confirm/abc", "/confirm/%00%ff"]),
    accept=st.sampled_from(["", "application/json"]),
)
def test_no_form_body_makes_the_service_stumble(
    standing: Running, body: bytes, content_type: str, path: str, accept: str
) -> None:
    headers = {"content-type": content_type, "accept": accept}
    answer = standing.client.post(path, content=body, headers=headers)
    assert answer.status_code < 500, (answer.status_code, body)


def test_a_programs_visits_change_nothing(club: Running, inbox: FakeSmtp) -> None:
    club.client.post("/join", data={"email": "ada@example.com"})
    [asked] = wait_for(lambda: mails(inbox))
    path = confirm_path(asked)
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
        club.client.request(method, path)
    club.client.post(path)
    club.client.post(path, data={"confirm": ""})
    club.client.post(path, data={"List-Unsubscribe": "One-Click"})
    time.sleep(0.05)
    assert find(club, "ada@example.com") == "pending"
