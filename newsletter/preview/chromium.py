"""How does a page become a picture? In a headless Chromium of the machine's own, told what to do over a pair of pipes.

The pipes carry the Chrome DevTools Protocol (chromedevtools.github.io/devtools-protocol, `--remote-debugging-pipe`):
JSON objects, each ended by a zero byte. No port is opened, and nothing else is installed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from newsletter.errors import NewsletterError, UsageError
from newsletter.interrupts import uninterrupted

_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
# The browser reads from descriptor 3 and writes to 4; ours have other numbers, which may be the same ones crossed.
_LAUNCH = """
import fcntl, os, sys
told, said = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(told, 3)
os.dup2(said, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
# Seconds for one answer, on a machine that is busy.
_PATIENCE = 60.0
# Seconds for it to end in order, and between two looks whether it has.
_FAREWELL, _SOON = 3.0, 0.01


def find_chromium() -> str:
    """The path of a Chromium, or of a browser made of it.

    Raises:
        UsageError: there is none.
    """
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise UsageError(
        "pictures are taken by Chromium, and none was found",
        hint="install it (apt install chromium, brew install --cask chromium) or Chrome; "
        "newsletter preview --out DIR writes plain files without it",
    )


class Chromium:
    """One page of a headless browser, in a profile that is thrown away.

    Args:
        program: what `find_chromium` found.

    Raises:
        NewsletterError: it doesn't start.
    """

    def __init__(self, program: str) -> None:
        self._profile = Path(tempfile.gettempdir(), f"newsletter-chromium-{secrets.token_hex(6)}")
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = bytearray()
        self._number = 0
        self._session = ""
        told, self._tell = os.pipe()
        self._hear, said = os.pipe()
        try:
            # Interrupted while it begins, it would be nobody's.
            with uninterrupted():
                self._profile.mkdir(0o700)
                self._process = self._begun(program, told, said)
            os.close(told)
            os.close(said)
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        except BaseException as error:
            self.close(farewell=_farewell(error))
            raise

    def _begun(self, program: str, told: int, said: int) -> subprocess.Popen[bytes]:
        # Its sandbox refuses to work for root; what is shown is our own page from our own server.
        rest = ["--no-sandbox"] if os.geteuid() == 0 else []
        return subprocess.Popen(  # noqa: S603 - a browser by its own name, flags of ours
            [
                *(sys.executable, "-c", _LAUNCH, str(told), str(said)),
                *(program, *_FLAGS, *rest, f"--user-data-dir={self._profile}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(told, said),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.close(farewell=_farewell(error))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call one method of the protocol.

        Raises:
            NewsletterError: the browser refuses, has ended or doesn't answer.
        """
        self._number += 1
        order: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        try:
            data = json.dumps(order).encode() + b"\0"
            while data:
                data = data[os.write(self._tell, data) :]
        except OSError as error:
            raise NewsletterError(f"Chromium has ended: {error.strerror}") from None
        for answer in self._answers():
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise NewsletterError(f"Chromium refuses {method}: {answer['error'].get('message', '')}")
                result: dict[str, Any] = answer["result"]
                return result
        raise NewsletterError(f"Chromium doesn't answer {method}")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; waits for a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until a JavaScript expression holds.

        Raises:
            NewsletterError: it never did.
        """
        deadline = time.monotonic() + _PATIENCE
        while not self.evaluate(expression):
            if time.monotonic() > deadline:
                raise NewsletterError(f"the page never came to `{expression}`")
            time.sleep(0.03)

    def screenshot(self) -> bytes:
        """What the page shows, as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self, farewell: float = _FAREWELL) -> None:
        """End the browser, and forget what it kept; `farewell` are the seconds it has to end in order."""
        for end in (self._tell, self._hear):
            with contextlib.suppress(OSError):
                os.close(end)
        # Without its pipes it ends by itself; the processes it has begun write to the profile as long as they live.
        deadline = time.monotonic() + farewell
        if self._process is not None:
            while not _has_ended(self._process) and time.monotonic() < deadline:
                time.sleep(_SOON)
            # All of them, by their group; until it is waited for, its number is nobody else's.
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        # A browser that was killed left its socket elsewhere, in a folder of its own: the path here may be too long.
        with contextlib.suppress(OSError):
            elsewhere = (self._profile / "SingletonSocket").readlink().parent
            if elsewhere.parent == self._profile.parent:
                shutil.rmtree(elsewhere, ignore_errors=True)
        while self._profile.exists() and time.monotonic() < deadline + _FAREWELL:
            shutil.rmtree(self._profile, ignore_errors=True)
            time.sleep(_SOON)

    def _answers(self) -> Iterator[dict[str, Any]]:
        deadline = time.monotonic() + _PATIENCE
        while True:
            while (end := self._heard.find(b"\0")) >= 0:
                message = bytes(self._heard[:end])
                del self._heard[: end + 1]
                yield json.loads(message)
            ready, _, _ = select.select([self._hear], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._hear, 1 << 16) if ready else b""
            if not piece:
                return
            self._heard += piece


def _farewell(error: BaseException | None) -> float:
    """Whoever pressed Ctrl-C doesn't wait for a browser that has just begun, and hears nothing yet."""
    return 0.0 if isinstance(error, KeyboardInterrupt) else _FAREWELL


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the browser itself has ended; it isn't waited for yet."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
