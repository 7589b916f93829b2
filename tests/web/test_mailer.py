"""The thread that sends single mails: through every provider, never twice, through outages and crashes, and what it says of itself."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path

import dkim
import pytest

from newsletter.audience.joining import Consent, Joining, JoinRequest
from newsletter.audience.keys import KEY_VARIABLE, rotate
from newsletter.clock import FakeClock
from newsletter.store import outgoing
from newsletter.store.base import utc_text
from newsletter.store.outgoing import MailKind, MailState
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.mailer import Mailer
from newsletter.web.service import Service, open_service
from tests.fakes.catalogue import HTTP_PROVIDERS, fake_class
from tests.fakes.ledger import Fault
from tests.fakes.smtp import FakeSmtp
from tests.web.conftest import Running, make_home
from tests.web.joining import confirm_path, mails, settled, smtp_home, text_of, wait_for

LINK = re.compile(r"https://notes\.example/confirm/[A-Za-z0-9_-]{22}")


def states(running: Running) -> Counter[str]:
    """How many mails there are in each state."""
    with SqliteDatabase(running.workspace.database_path) as database:
        return Counter(dict(database.query("SELECT state, count(*) FROM outgoing GROUP BY state")))


def joined(running: Running, email: str = "ada@example.com") -> None:
    assert running.client.post("/join", data={"email": email}).status_code == 200


@pytest.mark.parametrize("name", HTTP_PROVIDERS)
def test_a_confirmation_and_a_welcome_leave_through_any_provider(
    name: str, start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_class(name)() as server:
        options = server.options()
        assert options.secret is not None
        monkeypatch.setenv(f"NEWSLETTER_{name.upper()}_API_KEY", options.secret.get_secret_value())
        table = {"name": name, "base_url": server.url, "region": options.region, "domain": options.domain}
        lines = "".join(f'{key} = "{value}"\n' for key, value in table.items() if value)
        home = make_home(tmp_path / "notes", f"\n[provider]\n{lines}")
        (home / "issues" / "welcome.md").write_text(
            "---\ntitle: Welcome\n---\n100 % glad, {{ok}} & well.\n", "utf-8"
        )
        site = start(home)
        joined(site)
        [asked] = wait_for(lambda: server.ledger.entries)
        assert asked["recipient"] == "ada@example.com"
        assert asked["subject"] == "Confirm your subscription to Field Notes"
        text = asked["text"].replace("=\r\n", "").replace("=3D", "=")
        found = LINK.search(text)
        assert found is not None, asked["text"]
        assert found[0] in unescape(asked["html"])
        assert not [header for header in asked["headers"] if header.startswith("list-")], asked["headers"]
        site.client.post(found[0].removeprefix("https://notes.example"), data={"confirm": "yes"})
        _, welcome = wait_for(lambda: len(server.ledger.entries) == 2 and server.ledger.entries)  # type: ignore[misc] # two by then
        assert welcome["subject"] == "Welcome"
        assert "100 % glad, {{ok}} & well." in welcome["text"]
        wait_for(lambda: settled(site))
        assert states(site) == {"sent": 2}


def test_the_outbox_is_a_provider_like_any_other(site: Running) -> None:
    joined(site)
    wait_for(lambda: settled(site))
    [file] = (site.home / ".newsletter" / "outbox" / "single").glob("*.eml")
    assert b"ada@example.com" in file.read_bytes()


def test_an_answer_that_is_lost_is_not_answered_by_a_second_mail(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp() as server:
        server.faults.add(Fault("END", "accept-close"))
        site = start(smtp_home(tmp_path / "n", server))
        joined(site)
        wait_for(lambda: states(site)["unknown"] == 1)
        server.faults.clear()
        joined(site, "bob@example.com")
        wait_for(lambda: states(site)["sent"] == 1)
        assert server.ledger.recipients == {"ada@example.com": 1, "bob@example.com": 1}
        [first, _] = mails(server)
        pressed = site.client.post(confirm_path(first), data={"confirm": "yes"})
        assert "You’re in" in pressed.text, "the link in it works all the same"


def test_a_mail_whose_process_died_is_unknown_and_not_sent_again(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp() as server:
        home = smtp_home(tmp_path / "n", server)
        clock = FakeClock()
        _claim_and_die(home, clock)
        site = start(home, clock)
        joined(site, "bob@example.com")
        wait_for(lambda: states(site)["sent"] == 1)
        assert states(site) == {"sent": 1, "claimed": 1}, "another process may be sending it"
        clock.sleep(16 * 60)
        wait_for(lambda: states(site) == {"sent": 1, "unknown": 1})
        assert server.ledger.recipients == {"bob@example.com": 1}


def test_the_outbox_knows_whether_a_dead_process_wrote_the_mail(
    start: Callable[..., Running], home: Path
) -> None:
    clock = FakeClock()
    _claim_and_die(home, clock)
    clock.sleep(16 * 60)
    site = start(home, clock)
    wait_for(lambda: states(site) == {"sent": 1})
    assert len(list((home / ".newsletter" / "outbox" / "single").glob("*.eml"))) == 1


def _claim_and_die(home: Path, clock: FakeClock) -> None:
    """Leave a confirmation claimed, as a process does that is killed between claim and answer."""
    from newsletter.app import open_workspace
    from newsletter.audience.joining import JoinRequest

    workspace = open_workspace(home)
    workspace.clock = clock
    service = open_service(workspace)
    mailer = Mailer(service)
    with service.audience.database.write() as tx:
        mailer.joining.admit(tx, JoinRequest("ada@example.com", "ada@example.com", utc_text(clock.now())))
        number = outgoing.next_due(tx, clock.now())
        assert number is not None
        outgoing.claim(tx, number, clock.now())
    service.close()


def test_a_provider_that_is_away_is_waited_for(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeSmtp() as server:
        server.faults.add(Fault("CONNECT", "421 4.3.2 come back later", times=2))
        clock = FakeClock()
        site = start(smtp_home(tmp_path / "n", server), clock)
        with caplog.at_level(logging.WARNING):
            joined(site)
            wait_for(lambda: "single mails wait for" in caplog.text)
        assert states(site)["waiting"] == 1
        assert "ada@example.com" not in caplog.text

        def sent_by_now() -> bool:
            # The next wait begins whenever the mailer has heard the answer: the clock goes on until it is over.
            clock.sleep(60)
            return states(site) == {"sent": 1}

        wait_for(sent_by_now)
        assert server.connections == 3
        assert server.ledger.recipients == {"ada@example.com": 1}


def test_a_recipient_put_off_is_tried_again_and_a_refused_one_is_not(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp() as server:
        server.faults.add(Fault("RCPT", "451 4.7.1 greylisted", match="grey", times=1))
        server.faults.add(Fault("RCPT", "550 5.1.1 no such user", match="gone"))
        clock = FakeClock()
        site = start(smtp_home(tmp_path / "n", server), clock)
        joined(site, "grey@example.com")
        joined(site, "gone@example.com")
        wait_for(lambda: states(site) == {"waiting": 1, "refused": 1})
        clock.sleep(61)
        wait_for(lambda: states(site) == {"sent": 1, "refused": 1})
        assert server.ledger.recipients == {"grey@example.com": 1}


def test_an_address_the_provider_cannot_write_is_refused_and_holds_nobody_up(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp() as server:
        site = start(smtp_home(tmp_path / "n", server))
        # The form refuses it; who asked while another provider was set is in the store.
        rules = Joining(site.service.audience, Consent("x"))
        asked = JoinRequest("jörg@example.com", "jörg@example.com", utc_text(site.service.clock.now()))
        with site.service.audience.database.write() as tx:
            rules.receive(tx, asked)
        joined(site, "bob@example.com")
        wait_for(lambda: settled(site))
        assert server.ledger.recipients["bob@example.com"] == 1


def test_a_template_that_is_broken_holds_the_mails_and_says_where(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeSmtp() as server:
        home = smtp_home(tmp_path / "n", server)
        broken = home / "templates" / "email" / "confirm.txt.j2"
        broken.parent.mkdir(parents=True)
        broken.write_text("Subject: x\n\n{{ nobody_knows }}\n", "utf-8")
        clock = FakeClock()
        site = start(home, clock)
        with caplog.at_level(logging.WARNING):
            joined(site)
            wait_for(lambda: "confirm.txt.j2:3" in caplog.text and states(site)["waiting"] == 1)
        broken.unlink()
        clock.sleep(3600)
        wait_for(lambda: states(site) == {"sent": 1})


def test_somebody_who_leaves_before_the_welcome_is_not_welcomed(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp() as server:
        home = smtp_home(tmp_path / "n", server)
        clock = FakeClock()
        from newsletter.app import open_workspace

        workspace = open_workspace(home)
        workspace.clock = clock
        audience = workspace.open_audience()
        person, _ = audience.add("ada@example.com")
        with audience.database.write() as tx:
            outgoing.enqueue(tx, MailKind.WELCOME, person.id, at=clock.now())
            outgoing.enqueue(tx, MailKind.WELCOME, person.id, at=clock.now())
        audience.unsubscribe("ada@example.com")
        audience.database.close()
        site = start(home, clock)
        wait_for(lambda: states(site) == {"dropped": 1})
        assert not server.messages


def test_a_reader_on_the_list_is_told_so_with_a_way_out(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp() as server:
        site = start(smtp_home(tmp_path / "n", server))
        number = site.add("ada@example.com")
        joined(site)
        [told] = wait_for(lambda: mails(server))
        assert told["Subject"] == "You’re on the list of Field Notes already"
        found = re.search(r"https://notes\.example(/u/\S+)", text_of(told))
        assert found is not None
        site.client.post(found[1], data={"List-Unsubscribe": "One-Click"})
        assert site.status(number) == "unsubscribed"


def test_a_preferences_link_is_mailed_and_works(start: Callable[..., Running], tmp_path: Path) -> None:
    with FakeSmtp() as server:
        site = start(smtp_home(tmp_path / "n", server))
        number = site.add("ada@example.com")
        token = site.service.signer.preferences(number)
        site.client.post(f"/p/{token}", data={"mail": "yes"})
        [sent] = wait_for(lambda: mails(server))
        found = re.search(r"https://notes\.example(/preferences/\S+)", text_of(sent))
        assert found is not None
        assert "ada@example.com" in site.client.get(found[1]).text


def test_links_mailed_after_the_keys_were_rotated_work_without_a_restart(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with FakeSmtp() as server:
        site = start(smtp_home(tmp_path / "n", server))
        number = site.add("ada@example.com")
        token = site.service.signer.preferences(number)
        rotate(site.workspace.key_file)
        assert site.client.post(f"/p/{token}", data={"mail": "yes"}).status_code == 200
        [sent] = wait_for(lambda: mails(server))
        found = re.search(r"https://notes\.example(/preferences/\S+)", text_of(sent))
        assert found is not None
        path = found[1]
        assert wait_for(lambda: "ada@example.com" in site.client.get(path).text, seconds=5)


def test_a_reminder_comes_by_itself_and_its_link_joins(start: Callable[..., Running], tmp_path: Path) -> None:
    with FakeSmtp() as server:
        clock = FakeClock()
        site = start(smtp_home(tmp_path / "n", server), clock)
        joined(site)
        wait_for(lambda: states(site) == {"sent": 1})
        clock.sleep(timedelta(days=3, minutes=2).total_seconds())
        wait_for(lambda: len(server.messages) == 2)
        reminder = mails(server)[1]
        assert reminder["Subject"].startswith("Still one press away")
        assert "You’re in" in site.client.post(confirm_path(reminder), data={"confirm": "yes"}).text


def test_smtp_mails_are_signed_where_a_key_is_set(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + b"".join(public.splitlines()[1:-1])
    monkeypatch.setenv("NEWSLETTER_DKIM_PRIVATE_KEY", pem.decode())
    with FakeSmtp() as server:
        home = smtp_home(tmp_path / "n", server)
        with (home / "newsletter.toml").open("a") as toml:
            toml.write('dkim_selector = "a"\n')
        site = start(home)
        joined(site)
        wait_for(lambda: server.messages)
        data = server.messages[0].data
        assert data.startswith(b"DKIM-Signature:")
        assert dkim.verify(data, dnsfunc=lambda *_args, **_named: record)
        assert not dkim.verify(
            data.replace(b"One press", b"Two press"), dnsfunc=lambda *_args, **_named: record
        )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("no front matter", "front matter"),
        ("---\ntitle: x\n---\n", "says nothing"),
        ("---\ntitle: ''\n---\nHello\n", "title is missing"),
        ("---\ntitel: x\n---\nHello\n", "did you mean `title`"),
        ("---\ntitle: [x]\n---\nHello\n", "are texts"),
        ("---\ntitle: x: y\n---\nHello\n", "not valid YAML"),
        ("---\ntitle: x\n---\n[a](javascript:alert(1))\n", "doesn't work in email"),
        ("---\ntitle: x\n---\n![a](nowhere.png)\n", "nowhere.png"),
    ],
)
def test_a_welcome_that_cannot_be_mailed_is_said_at_the_start(
    home: Path, written: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    from newsletter.app import open_workspace
    from newsletter.errors import NewsletterError

    (home / "issues" / "welcome.md").write_text(written, "utf-8")
    service: Service = open_service(open_workspace(home))
    with pytest.raises(NewsletterError) as caught:
        Mailer(service).check()
    service.close()
    assert said in caught.value.message + caught.value.hint


def test_the_states_are_those_the_schema_knows(home: Path) -> None:
    from newsletter.app import open_workspace

    with open_workspace(home).open_database() as database:
        [(sql,)] = database.query("SELECT sql FROM sqlite_master WHERE name = 'outgoing'")
    assert all(f"'{state}'" in sql for state in MailState)
