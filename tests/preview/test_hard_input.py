"""Whatever an author saves, the preview goes on, keeps the last good picture and names the cause."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter.app import open_workspace
from newsletter.preview.picture import Broken, Picture
from newsletter.preview.process import RenderProcess
from newsletter.preview.studio import Studio
from newsletter.preview.variants import Client, Variant
from newsletter.preview.viewers import Viewer
from newsletter.preview.watch import Watcher
from tests.waiting import wait_for

NAME = "issues/001-first.md"


@pytest.fixture(scope="module")
def impatient() -> Iterator[RenderProcess]:
    """A process that gives up after less than a second of work."""
    process = RenderProcess(cpu_seconds=0.8)
    yield process
    process.close()


@pytest.fixture
def template(home: Path) -> Path:
    """The footer, in the author's own hands."""
    path = home / "templates" / "email" / "footer.html.j2"
    path.parent.mkdir(parents=True)
    path.write_text("<p>My footer</p>")
    return path


class Tab:
    """An open page, without a browser."""

    def __init__(self, studio: Studio, key: str = "001-first", reader: str = "") -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.viewer = Viewer(key, Variant(), self._push, reader)
        studio.join(self.viewer)

    def _push(self, event: bytes | None) -> None:
        if event is not None:
            name, data = event.decode().rstrip("\n").split("\n", 1)
            self.events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))

    def last(self, name: str) -> dict[str, Any]:
        return next(data for said, data in reversed(self.events) if said == name)


def written(path: Path, text: str) -> None:
    """Save, so that the time of the change differs from that of the last one."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    while path.stat().st_mtime_ns == before:
        time.sleep(0.002)
        path.write_text(text)


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        ("\n{{ 1 / 0 }}", "division by zero", 2),
        (
            "{% for n in range(10 ** 9) %}{% set x = n * n %}{% endfor %}",
            "rendering took more than 0.8 seconds",
            1,
        ),
        ("{{ range(10 ** 10) | list | length }}", "MemoryError", 1),
        # Nothing of Python runs in there that could be told to stop.
        ("{{ range(10 ** 10) | sum }}", "and was ended", 0),
    ],
    ids=["raises", "loops", "takes all memory", "loops in C"],
)
def test_a_template_that_misbehaves_is_named_and_the_last_good_picture_stays(
    home: Path, template: Path, impatient: RenderProcess, *, source: str, said: str, line: int
) -> None:
    studio = Studio(open_workspace(home), impatient, owner=False)
    tab = Tab(studio)
    assert "My footer" in tab.last("picture")["body"]
    written(template, source)
    studio.changed({template.resolve()})
    shown = tab.last("picture")
    (finding,) = shown["broken"]
    assert said in finding["message"]
    assert finding["line"] == line
    if line:
        assert finding["place"] == f"templates/email/footer.html.j2:{line}"
        assert finding["source"][line - 1]["text"] in source.split("\n")
    assert finding["help"]
    assert "My footer" in shown["body"]
    written(template, "<p>Mended</p>")
    studio.changed({template.resolve()})
    assert tab.last("picture")["broken"] is None
    assert "Mended" in tab.last("picture")["body"]


def test_very_large_things_are_shown_or_named_in_good_time(
    home: Path, impatient: RenderProcess, issue_text: Callable[..., str]
) -> None:
    issue, image = home / NAME, home / "issues" / "images" / "shape.png"
    impatient.open(home, "")
    row = "|" + "cell|" * 40 + "\n"
    issue.write_text(issue_text(concept=row + "|" + "---|" * 40 + "\n" + row * 30))
    assert isinstance(impatient.build(issue, NAME, ""), Picture)

    issue.write_text(issue_text(concept="A word. " * 260_000))
    large = impatient.build(issue, NAME, "")
    assert isinstance(large, Broken)
    assert "NL109" in {found.code for found in large.diagnostics}

    issue.write_text(issue_text(concept="[" * 20_000))
    assert isinstance(impatient.build(issue, NAME, ""), Picture)
    assert "NL411" in {found.code for found in impatient.findings(issue, NAME)}

    issue.write_text(issue_text())
    with image.open("r+b") as file:
        file.truncate(80 << 20)
    heavy = impatient.build(issue, NAME, "")
    found = impatient.findings(issue, NAME)
    assert isinstance(heavy, Picture)
    assert len(heavy.message.raw) < 1 << 20
    assert any("shape.png" in finding.message or "MB" in finding.message for finding in found)


def test_a_file_that_goes_or_is_renamed_is_said_and_the_others_stay(
    home: Path, impatient: RenderProcess
) -> None:
    studio = Studio(open_workspace(home), impatient, owner=False)
    tab = Tab(studio)
    path = home / NAME
    renamed = path.rename(path.with_name("001-renamed.md"))
    studio.changed({path.resolve(), renamed.resolve()})
    assert tab.last("gone") == {"key": "001-first", "now": "001-renamed"}
    assert [issue["key"] for issue in tab.last("index")["issues"]] == ["002-second", "001-renamed"]
    assert studio.picture("001-first") is None
    assert studio.picture("001-renamed") is not None


class Slow:
    """A process that answers late: the file is whole again by then, and has been for a while."""

    def __init__(self, process: RenderProcess, path: Path, whole: str) -> None:
        self._process, self._path, self._whole = process, path, whole
        self.built = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._process, name)

    def build(self, path: Path, name: str, reader: str) -> Picture | Broken:
        self.built += 1
        result = self._process.build(path, name, reader)
        if self.built == 2:
            self._path.write_text(self._whole)
            time.sleep(0.2)
        return result


def test_a_file_that_was_half_saved_when_it_was_read_is_read_again(home: Path) -> None:
    path = home / NAME
    whole = path.read_text()
    process = RenderProcess()
    slow = Slow(process, path, whole.replace("number: 1", "number: 1\nauthor: Ada"))
    studio = Studio(open_workspace(home), slow)  # type: ignore[arg-type]  # it answers as the process does, later
    try:
        tab = Tab(studio)
        written(path, whole[:60])
        studio.changed({path})
        assert slow.built == 3
        assert all(not data["broken"] for said, data in tab.events if said == "picture")
    finally:
        studio.close()
        process.close()


def test_two_tabs_each_see_their_own_reader_and_program(
    home: Path, impatient: RenderProcess, issue_text: Callable[..., str]
) -> None:
    studio = Studio(open_workspace(home), impatient, owner=False)
    ada, nobody = Tab(studio), Tab(studio, reader="sample:unnamed")
    nobody.viewer.variant = Variant(client=Client.PLAIN)
    (home / NAME).write_text(issue_text(opening="saved once."))
    studio.changed({(home / NAME).resolve()})
    assert "Hello Ada Lovelace, saved once." in ada.last("picture")["body"]
    assert "Hello there, saved once." in nobody.last("picture")["body"]
    assert "<style" in ada.last("picture")["shell"]
    assert "<style" not in nobody.last("picture")["shell"]
    stranger = Tab(studio, reader="nobody@example.org")
    assert "there is no subscriber" in stranger.last("picture")["broken"][0]["message"]
    assert "Hello Ada" in ada.last("picture")["body"]


def test_two_hundred_issues_are_listed_at_once(
    home: Path, impatient: RenderProcess, issue_text: Callable[..., str]
) -> None:
    for number in range(3, 201):
        (home / "issues" / f"{number:03}-more.md").write_text(issue_text(number, f"Issue number {number}"))
    studio = Studio(open_workspace(home), impatient, owner=False)
    tab = Tab(studio, "200-more")
    assert tab.events[0][0] == "index"
    assert [issue["number"] for issue in tab.events[0][1]["issues"]] == [*range(200, 0, -1)]
    assert tab.last("picture")["subject"] == "Issue number 200"


def test_a_file_whose_name_is_no_text_is_listed_and_the_next_save_is_shown(
    preview: Any, issue_text: Callable[..., str]
) -> None:
    tab = Tab(preview.studio)
    name = os.fsencode(preview.home / "issues") + b"/003-\xff\xfe.md"
    try:
        Path(os.fsdecode(name)).write_text(issue_text(3, "Of bytes"))
    except OSError:
        pytest.skip("this file system takes no such name")
    wait_for(lambda: preview.studio.keys()[0] == "003-??")
    assert Tab(preview.studio, "003-??").last("picture")["subject"] == "Of bytes"
    preview.issue().write_text(issue_text(title="After that"))
    wait_for(lambda: tab.last("picture").get("subject") == "After that")


def test_a_change_that_brings_about_a_fault_of_ours_is_not_the_last_one_seen(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[set[Path]] = []

    def changed(paths: set[Path]) -> None:
        seen.append(paths)
        if len(seen) == 1:
            msg = "a fault of ours"
            raise RuntimeError(msg)

    watcher = Watcher(home, [], changed)
    watcher.start()
    try:
        for count in (1, 2):
            # The system begins to watch some time after it was asked to.
            while len(seen) < count:
                (home / "issues" / "001-first.md").touch()
                time.sleep(0.02)
    finally:
        watcher.stop()
    assert "RuntimeError: a fault of ours" in caplog.text


def test_a_process_that_is_killed_begins_again(home: Path) -> None:
    process = RenderProcess()
    try:
        process.open(home, "")
        assert process._process is not None
        process._process.kill()
        lost = process.build(home / NAME, NAME, "")
        assert isinstance(lost, Broken)
        assert lost.text.startswith("---")
        assert isinstance(process.build(home / NAME, NAME, ""), Picture)
    finally:
        process.close()
    assert isinstance(process.build(home / NAME, NAME, ""), Broken)


def test_a_folder_that_is_removed_and_made_again_is_seen_again(
    preview: Any, tmp_path: Path, issue_text: Callable[..., str]
) -> None:
    aside = tmp_path / "aside"
    preview.home.rename(aside)
    wait_for(lambda: preview.studio.keys() == [])
    shutil.copytree(aside, preview.home)
    wait_for(lambda: preview.studio.keys() == ["002-second", "001-first"])
    preview.issue("003-third.md").write_text(issue_text(3, "A third issue"))
    wait_for(lambda: bool(preview.studio.path_of("003-third")))
