"""A newsletter in a scratch folder and its public service on loopback, with a plain client to talk to it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from newsletter.app import Workspace, open_workspace
from newsletter.app.http_server import listen
from newsletter.audience.consent import ConsentEvent, history
from newsletter.clock import Clock
from newsletter.model.subscriber import Subscriber
from newsletter.store import subscribers as people
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.app import make_app
from newsletter.web.server import make_server
from newsletter.web.service import Service, open_service

ROOT = Path(__file__).parents[2]
SETTINGS = """\
name = "Field Notes"
tagline = "What we learned this week."
from = "Ada Byron <ada@notes.example>"
postal_address = "1 Example Street, 12345 Example Town"
base_url = "https://notes.example"
"""
SECRET = "a-test-secret-that-nobody-else-ever-has"


class Running:
    """A public service that answers on loopback.

    Attributes:
        home: the newsletter's folder.
        service: what its requests get; its clock may be replaced before it starts.
        url: where it answers, without a trailing slash.
        client: follows no redirect.
    """

    def __init__(self, home: Path, clock: Clock | None = None) -> None:
        self.home = home
        self.workspace: Workspace = open_workspace(home)
        if clock is not None:
            self.workspace.clock = clock
        self.service: Service = open_service(self.workspace)
        self._listening = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._server = make_server(make_app(self.service))
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],))
        self._thread.start()
        deadline = time.monotonic() + 90
        while not self._server.started:
            assert self._thread.is_alive(), "the service didn't start"
            assert time.monotonic() < deadline, "the service didn't start in time"
            time.sleep(0.005)
        self.client = httpx.Client(base_url=self.url, timeout=90)

    def stop(self) -> None:
        """End it, the store closed; a second time does nothing."""
        self.client.close()
        self._server.should_exit = True
        self._thread.join(timeout=90)
        assert not self._thread.is_alive()
        self._listening.close()

    # What a test wants to know ------------------------------------------------------------------

    def add(self, email: str = "reader@example.com", name: str = "", tags: tuple[str, ...] = ()) -> int:
        """Put somebody on the list; returns their number."""
        person, _ = self.service.audience.add(email, name=name, tags=tags)
        return person.id

    def leave_path(self, subscriber_id: int) -> str:
        """The path of the unsubscribe link in their mails."""
        return f"/u/{self.service.signer.unsubscribe(subscriber_id)}"

    def person(self, subscriber_id: int) -> Subscriber | None:
        """What the store says of somebody, read on a connection of its own."""
        with SqliteDatabase(self.workspace.database_path) as database:
            return people.find(database, id=subscriber_id)

    def status(self, subscriber_id: int) -> str:
        """Their status."""
        found = self.person(subscriber_id)
        return found.status.value if found is not None else "gone"

    def history(self, subscriber_id: int) -> list[ConsentEvent]:
        """Their consent record."""
        with SqliteDatabase(self.workspace.database_path) as database:
            return history(database, subscriber_id)


def make_home(folder: Path, settings: str = "") -> Path:
    """A newsletter's folder; `settings` are added to its own."""
    folder.mkdir(parents=True)
    (folder / "issues").mkdir()
    (folder / "newsletter.toml").write_text(SETTINGS + settings, "utf-8")
    return folder


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A newsletter's folder."""
    return make_home(tmp_path / "notes")


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts services, `start(home, clock=None)`, and ends them with the test."""
    with contextlib.ExitStack() as stack:

        def begin(home: Path, clock: Clock | None = None) -> Running:
            running = Running(home, clock)
            stack.callback(running.stop)
            return running

        yield begin


@pytest.fixture
def site(start: Callable[..., Running], home: Path) -> Running:
    """The service of `home`."""
    return start(home)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all tests of a module; each brings readers of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEWSLETTER_SECRET_KEY", SECRET)
        running = Running(make_home(tmp_path_factory.mktemp("standing") / "notes"))
        yield running
        running.stop()
