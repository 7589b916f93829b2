"""A newsletter in a scratch folder, its preview on loopback, and one Chromium for the whole run."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from newsletter.app import open_workspace
from newsletter.preview.process import RenderProcess
from newsletter.preview.server import PreviewServer
from newsletter.preview.studio import Studio
from newsletter.preview.watch import Watcher

ROOT = Path(__file__).parents[2]
SETTINGS = """\
name = "Field Notes"
tagline = "What we learned this week."
from = "Ada Byron <ada@notes.example>"
postal_address = "1 Example Street, 12345 Example Town"
base_url = "https://notes.example"
"""
ISSUE = """\
---
number: {number}
title: {title}
date: 2026-01-06
description: What the inbox shows after the subject.
status: ready
---
Hello {{{{ subscriber.name | default("there") }}}}, {opening}

## Concept: A first idea
{concept}

**Takeaway:** One sentence to keep.

## Architecture: A shape
![Boxes and arrows](images/shape.png "A shape")

- **Trade-off:** It costs something.

## Project idea: Something to build
- **Difficulty:** easy
- **Time:** 4h
- **Stack:** Python

Build it.

## Interview question: What did you learn?
- **Level:** mid

### Answer
This.
"""


def _issue_text(
    number: int = 1, title: str = "A first issue", opening: str = "welcome.", concept: str = "A body."
) -> str:
    """A whole issue that checks clean."""
    return ISSUE.format(number=number, title=title, opening=opening, concept=concept)


@pytest.fixture
def issue_text() -> Callable[..., str]:
    """Writes whole issues that check clean."""
    return _issue_text


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A newsletter of two issues with a picture."""
    return _make_home(tmp_path / "notes")


def _make_home(folder: Path) -> Path:
    (folder / "issues" / "images").mkdir(parents=True)
    (folder / "newsletter.toml").write_text(SETTINGS)
    (folder / "issues" / "001-first.md").write_text(_issue_text())
    (folder / "issues" / "002-second.md").write_text(_issue_text(2, "A second issue"))
    shutil.copy(ROOT / "issues" / "images" / "001-two-loops.png", folder / "issues" / "images" / "shape.png")
    return folder


class Running:
    """A preview that answers on loopback."""

    def __init__(self, home: Path, process: RenderProcess) -> None:
        workspace = open_workspace(home)
        self.home = home
        self.studio = Studio(workspace, process, owner=False)
        self.server = PreviewServer(self.studio, Watcher(workspace.home, [], self.studio.changed))
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()
        deadline = time.monotonic() + 90
        while not self.server.started:
            assert time.monotonic() < deadline, "the preview didn't start"
            time.sleep(0.01)

    @property
    def url(self) -> str:
        return self.server.url

    def issue(self, name: str = "001-first.md") -> Path:
        return self.home / "issues" / name

    def stop(self) -> None:
        """End it; that it doesn't end fails the test."""
        self.server.stop()
        self._thread.join(timeout=90)
        assert not self._thread.is_alive()


class Processes:
    """Rendering processes, each used by one preview at a time: they take half a second to begin."""

    def __init__(self) -> None:
        self._idle: list[RenderProcess] = []

    @contextlib.contextmanager
    def one(self) -> Iterator[RenderProcess]:
        taken = self._idle.pop() if self._idle else RenderProcess()
        yield taken
        self._idle.append(taken)

    def close(self) -> None:
        for process in self._idle:
            process.close()


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Those of the whole run."""
    kept = Processes()
    yield kept
    kept.close()


@pytest.fixture
def start(processes: Processes) -> Iterator[Callable[[Path], Running]]:
    """Starts previews, and ends them with the test."""
    with contextlib.ExitStack() as stack:

        def begin(home: Path) -> Running:
            running = Running(home, stack.enter_context(processes.one()))
            stack.callback(running.stop)
            return running

        yield begin


@pytest.fixture
def preview(start: Callable[[Path], Running], home: Path) -> Running:
    """The preview of `home`."""
    return start(home)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, processes: Processes) -> Iterator[Running]:
    """A preview for tests that change nothing: one for a whole module."""
    with processes.one() as process:
        running = Running(_make_home(tmp_path_factory.mktemp("standing") / "notes"), process)
        yield running
        running.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    fresh = browser.new_context(viewport={"width": 1280, "height": 800})
    # Generous: a loaded machine is slow, and a failing test may take its time.
    fresh.set_default_timeout(90_000)
    expect.set_options(timeout=60_000)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which an uncaught error or a blocked resource fails the test."""
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    assert complaints == []
