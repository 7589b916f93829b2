"""No mail has a broken picture: they travel along, or are linked where they can be seen when it is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from newsletter.cli import main
from newsletter.render.diagrams.drawers import drawer
from tests.conftest import missing
from tests.fakes.resend import FakeResend
from tests.render.test_images import png
from tests.web.conftest import Running

DIAGRAM = "```mermaid\n%% alt: One step.\nflowchart TD\n  Write --> Send\n```\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A newsletter of one reader, whose issue shows a picture and a diagram."""
    if not drawer("mermaid"):
        missing("merman")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEWSLETTER_HOME", str(tmp_path))
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", "k" * 40)
    run("init", ".", "--name", "Notes", "--from", "ada@example.com", "--postal-address", "Street",
        "--base-url", "http://127.0.0.1")  # fmt: skip
    run("subscribers", "add", "reader@example.org")
    issue = tmp_path / "issues" / "001-hello.md"
    text = issue.read_text("utf-8")
    words, rest = text.split("## Concept", 1)
    issue.write_text(f"{words}![Two lanes of a road](road.png)\n\n{DIAGRAM}\n## Concept{rest}", "utf-8")
    (tmp_path / "issues" / "road.png").write_bytes(png(1072, 40))
    return tmp_path


def run(*words: str) -> int:
    """What a command ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["newsletter", *words])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def send() -> int:
    return run("send", "1", "--yes", "--expect-count", "1")


def sources(html: str) -> list[str]:
    return [image.attributes["src"] or "" for image in LexborHTMLParser(html).css("img")]


def test_pictures_travel_in_one_part_with_the_html_that_shows_them(home: Path) -> None:
    assert send() == 0
    [file] = (home / ".newsletter" / "outbox").glob("*/*.eml")
    message = message_from_bytes(file.read_bytes(), policy=default)
    html = message.get_body(("html",))
    assert html is not None
    related = next(part for part in message.walk() if part.get_content_type() == "multipart/related")
    first, *pictures = related.iter_parts()
    assert first.get_content() == html.get_content()
    by_id = {f"cid:{part['Content-ID'].strip('<>')}": part for part in pictures}
    assert sources(html.get_content()) == list(by_id)
    for part in pictures:
        assert part.get_content_disposition() == "inline"
        assert part.get_content().startswith(b"\x89PNG")
    assert next(iter(by_id.values())).get_content() == png(1072, 40)
    assert not (home / ".newsletter" / "published").exists()


@pytest.fixture
def resend(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeResend]:
    """A provider whose batches carry no pictures."""
    fake = FakeResend()
    settings = home / "newsletter.toml"
    settings.write_text(f'{settings.read_text()}\n[provider]\nname = "resend"\nbase_url = "{fake.url}"\n')
    monkeypatch.setenv("NEWSLETTER_RESEND_API_KEY", fake.secret)
    yield fake
    fake.close()


def test_linked_pictures_are_shown_by_the_service_from_the_moment_they_are_sent(
    home: Path, resend: FakeResend, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send() == 0
    assert "`newsletter serve` has to be reached" in capsys.readouterr().out
    [entry] = resend.ledger.entries
    linked = sources(entry["html"])
    assert len(linked) == 2
    running = Running(home)
    try:
        for source in linked:
            path = httpx.URL(source).path
            answer = running.client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
            assert "immutable" in answer.headers["cache-control"]
        assert running.client.get("/assets/nothing.png").status_code == 404
        assert running.client.get("/assets/..%2f..%2fsecret.key").status_code == 404
    finally:
        running.stop()


def test_a_picture_that_the_built_site_has_not_is_an_error_until_it_is_built(
    home: Path, resend: FakeResend, capsys: pytest.CaptureFixture[str]
) -> None:
    issue = home / "issues" / "001-hello.md"
    ready = issue.read_text("utf-8")
    issue.write_text(ready.replace("status: ready", "status: draft"), "utf-8")
    assert run("site", "build") == 0
    assert not list((home / "site" / "assets").glob("road-*")), "a draft's pictures are nobody's business"
    issue.write_text(ready, "utf-8")
    capsys.readouterr()

    assert send() == 1
    said = capsys.readouterr()
    assert (said.out + said.err).count("NL469") == 2
    assert "newsletter check" not in said.out + said.err, "a check can't see what is published"
    assert resend.ledger.entries == []

    assert run("site", "build") == 0
    assert not (home / "site" / "hello").exists(), "what isn't sent has no page yet"
    assert send() == 0
    [entry] = resend.ledger.entries
    for source in sources(entry["html"]):
        assert (home / "site" / httpx.URL(source).path.lstrip("/")).is_file()

    # Now it has one, under the same names.
    assert run("site", "build") == 0
    page = (home / "site" / "hello" / "index.html").read_text("utf-8")
    assert [httpx.URL(source).path for source in sources(entry["html"])] == sources(page)


def test_who_builds_the_site_elsewhere_says_so(home: Path, resend: FakeResend) -> None:
    assert run("site", "build") == 0
    for file in (home / "site" / "assets").glob("*.png"):
        file.unlink()
    settings = home / "newsletter.toml"
    settings.write_text(settings.read_text() + '\n[checks]\noff = ["NL469"]\n')
    assert send() == 0
    assert len(resend.ledger.entries) == 1
