"""A `base_url` with a path: the service answers below it, whether a proxy in front takes the path off or leaves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from tests.fakes.smtp import FakeSmtp
from tests.web.conftest import Running
from tests.web.joining import mails, smtp_home, text_of, wait_for

ROOT = "/our/letters"
BASE = f"https://notes.example{ROOT}"


class Links(HTMLParser):
    """Where a page leads on its own host, and its fields."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.places: list[str] = []
        self.fields: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        for name in ("href", "action", "src"):
            place = named.get(name) or ""
            if place.startswith(("/", BASE)):
                self.places.append(place.removeprefix("https://notes.example"))
        if tag in ("input", "button") and named.get("name"):
            self.fields[named["name"] or ""] = named.get("value") or ""


class Reader:
    """Somebody who reads by way of a proxy that takes the path off, or doesn't."""

    def __init__(self, site: Running, *, takes_off: bool) -> None:
        self.site, self.takes_off = site, takes_off
        self.seen: set[str] = set()

    def ask(self, path: str, data: dict[str, str] | None = None, status: int = 200) -> str:
        """What a page says; every link of it leads below the path, and its style sheet is there."""
        answer = self._ask(path, data)
        assert answer.status_code == status, (path, answer.text)
        if not answer.headers["content-type"].startswith("text/html"):
            return answer.text
        for place in Links(answer.text).places:
            assert place.startswith(f"{ROOT}/"), (path, place)
            if place.endswith((".css", ".js", "openapi.json", "/join", "/search")) and place not in self.seen:
                self.seen.add(place)
                assert self._ask(place).status_code == 200, (path, place)
        return answer.text

    def _ask(self, path: str, data: dict[str, str] | None = None) -> httpx.Response:
        if self.takes_off:
            path = path.removeprefix(ROOT)
        return self.site.client.request("GET" if data is None else "POST", path, data=data)


def form(html: str, number: int = 0) -> tuple[str, dict[str, str]]:
    """Where a page's form is posted, and its fields as they are pressed."""
    text = re.findall(r"<form.*?</form>", html, re.DOTALL)[number]
    found = Links(text)
    return found.places[0], found.fields


def link(message: str, kind: str) -> str:
    """A link of ours in a mail, as the path a browser asks for."""
    found = re.search(rf"https://notes\.example({ROOT}/{kind}/[A-Za-z0-9_-]+)", message)
    assert found is not None, message
    return found[1]


@pytest.mark.parametrize("takes_off", [False, True])
def test_everything_works_below_a_path(
    takes_off: bool, start: Callable[..., Running], tmp_path: Path
) -> None:
    with FakeSmtp() as server:
        home = smtp_home(tmp_path / "n", server, '[web]\nproof_of_work = 1\nsite = "built"\n')
        toml = home / "newsletter.toml"
        toml.write_text(toml.read_text("utf-8").replace("https://notes.example", BASE), "utf-8")
        (home / "built" / "guides").mkdir(parents=True)
        (home / "built" / "guides" / "index.html").write_text("the guides", "utf-8")
        site = start(home)
        reader = Reader(site, takes_off=takes_off)
        reader.ask(f"{ROOT}/")
        reader.ask(f"{ROOT}/api")
        reader.ask(f"{ROOT}/search?q=x")
        reader.ask(f"{ROOT}/nothing", status=404)
        assert reader.ask(f"{ROOT}/healthz") == "ok\n"
        assert "newsletter_subscribers" in reader.ask(f"{ROOT}/metrics")
        assert f'action="{BASE}/join"' in reader.ask(f"{ROOT}/join/embed")

        action, _ = form(reader.ask(f"{ROOT}/join"))
        assert action == f"{ROOT}/join"
        reader.ask(action, {"email": "nobody", "form_token": ""}, status=422)
        number = site.add("ada@example.com")
        site.service.audience.unsubscribe("ada@example.com")
        site.service.audience.add("ada@example.com", resubscribe="asked")

        action, fields = form(reader.ask(f"{ROOT}/p/{site.service.signer.preferences(number)}"))
        reader.ask(action, fields)
        [mailed] = wait_for(lambda: mails(server))
        action, fields = form(reader.ask(link(text_of(mailed), "preferences")))
        saved = reader.ask(action, {**fields, "name": "Ada"})
        reader.ask(action, {**fields, "name": "Eve"}, status=410)
        erase, asking = form(saved, 1)
        assert erase.startswith(f"{ROOT}/preferences/")
        reader.ask(erase, asking)

        action, fields = form(reader.ask(f"{ROOT}{site.leave_path(number)}"))
        left = reader.ask(action, fields)
        assert site.status(number) == "unsubscribed"
        undo, fields = form(left)
        reader.ask(undo, fields)
        assert site.status(number) == "active"
        reason, fields = form(left, 1)
        reader.ask(reason, fields)
        assert reader.ask(f"{ROOT}/guides/") == "the guides"


def test_the_confirmation_leads_below_the_path(start: Callable[..., Running], tmp_path: Path) -> None:
    with FakeSmtp() as server:
        home = smtp_home(tmp_path / "n", server)
        toml = home / "newsletter.toml"
        toml.write_text(toml.read_text("utf-8").replace("https://notes.example", BASE), "utf-8")
        site = start(home)
        reader = Reader(site, takes_off=False)
        action, _ = form(reader.ask(f"{ROOT}/join"))
        reader.ask(action, {"email": "ada@example.com"})
        [asked] = wait_for(lambda: mails(server))
        path = link(text_of(asked), "confirm")
        action, fields = form(reader.ask(path))
        assert action == path
        assert "You’re in" in reader.ask(action, fields)
        reader.ask(f"{ROOT}/confirm/nobodys", status=404)


def test_the_path_alone_leads_to_its_first_page(start: Callable[..., Running], home: Path) -> None:
    toml = home / "newsletter.toml"
    toml.write_text(toml.read_text("utf-8").replace("https://notes.example", f"{BASE}/"), "utf-8")
    site = start(home)
    moved = site.client.get(ROOT)
    assert (moved.status_code, moved.headers["location"]) == (308, f"{ROOT}/")
    assert site.client.post(ROOT).status_code in (404, 405)
    assert site.client.get(f"{ROOT}more/join").status_code == 404
