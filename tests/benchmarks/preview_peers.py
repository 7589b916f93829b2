"""The same way from a save to the screen in the previews of Maizzle and react-email, for `preview.py --peers DIR`.

DIR is a folder of this script's own: what npm puts there is kept for the next run. Each peer shows one small
email, where ours shows a whole issue; it is looked at every few milliseconds, so that its times are up to 15 ms long.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Page

_REACT = """\
import { Html, Body, Text } from "@react-email/components";
export default function Issue() { return <Html><Body><Text>MARK</Text></Body></Html>; }
"""
_HTML = "<html><body><p>MARK</p></body></html>\n"
_SERVE = """\
import { serve } from "@maizzle/framework";
await serve({ server: { port: PORT }, build: { content: ["emails/*.html"], output: { path: "out" } } });
"""


@dataclass(frozen=True)
class Peer:
    """One preview of somebody else's.

    Attributes:
        packages: what npm installs.
        file: of the email, below the folder.
        source: its text, with `MARK` where the change goes.
        command: starts it on `PORT`.
        path: of the page that shows the email.
    """

    name: str
    packages: tuple[str, ...]
    file: str
    source: str
    command: tuple[str, ...]
    path: str


PEERS = (
    Peer(
        "react-email",
        # Both parts have to be of one version.
        ("react-email@6.11.6", "@react-email/ui@6.11.6", "@react-email/components", "react", "react-dom"),
        "emails/issue.tsx",
        _REACT,
        ("node_modules/.bin/email", "dev", "--port", "PORT"),
        "/preview/issue",
    ),
    Peer(
        "Maizzle",
        # The last that runs with Node 20.
        ("@maizzle/framework@5",),
        "emails/issue.html",
        _HTML,
        ("node", "serve.mjs"),
        "/emails/issue.html",
    ),
)


def measure(peer: Peer, folder: Path, browser: Browser, rounds: int) -> list[float]:
    """Milliseconds from before a write until the change is in the page."""
    home = folder / peer.name
    email = home / peer.file
    email.parent.mkdir(parents=True, exist_ok=True)
    if not (home / "node_modules").is_dir():
        (home / "package.json").write_text('{"private": true, "type": "module"}')
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *peer.packages]
        subprocess.run(command, cwd=home, check=True, timeout=600)
    email.write_text(peer.source.replace("MARK", "mark begin"))
    times = []
    with running(peer, home) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        # What a peer fetches from elsewhere is none of the measured way.
        page.route(re.compile(r"https?://(?!localhost[:/])"), lambda route: route.abort())
        page.goto(address, timeout=120_000)
        waited(page, "mark begin", 120)
        for number in range(-2, rounds):
            time.sleep(0.5)
            mark = f"mark {number + 100}."
            started = time.monotonic()
            email.write_text(peer.source.replace("MARK", mark))
            waited(page, mark, 60)
            if number >= 0:
                times.append((time.monotonic() - started) * 1000)
        page.close()
    return times


@contextlib.contextmanager
def running(peer: Peer, home: Path) -> Iterator[str]:
    """The peer's server, and the address of its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (home / "serve.mjs").write_text(_SERVE.replace("PORT", port))
    command = [part.replace("PORT", port) for part in peer.command]
    process = subprocess.Popen(
        command,
        cwd=home,
        env={**os.environ, "PORT": port, "NEXT_TELEMETRY_DISABLED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("localhost", int(port)), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"{peer.name} didn't start"
                raise RuntimeError(message)
            time.sleep(0.2)
        yield f"http://localhost:{port}{peer.path}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def waited(page: Page, mark: str, seconds: float) -> None:
    """Wait until any frame of the page holds `mark`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for frame in page.frames:
            # A frame may be replaced while it is asked.
            with contextlib.suppress(Error):
                if frame.evaluate("mark => document.body?.textContent.includes(mark)", mark):
                    return
        time.sleep(0.003)
    message = f"{mark!r} never came"
    raise RuntimeError(message)
