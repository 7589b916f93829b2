"""How does the preview outlive what it renders? In a process of its own, which is ended when it takes too long or too much.

A template is a program of the author's: it may loop for ever, or ask for more memory than there is. The
server and its pages must not notice.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError, UsageError
from newsletter.preview.files import text_of
from newsletter.preview.picture import Broken, Picture, Summary, WebPage

if TYPE_CHECKING:
    # What finds it is the other process's.
    from newsletter.preview.support import Support

# Code of what no check foresaw: a template of the author's own that raises, a picture that can't be read.
NOT_RENDERED = "preview"
# Seconds of processor time for one answer: a 2 MB issue takes about two.
CPU_SECONDS = 6.0
_LOOK_FOR = (
    "look for a loop without an end in your own templates/, or for very long lines and tables in the issue"
)
# Seconds on the clock: only for what waits for something, such as a pipe that nobody writes to.
_WALL_SECONDS = 60.0
# Everything that renders is imported first.
_OPEN_CPU_SECONDS = 30.0
# A site of hundreds of issues is read once, and kept.
_SITE_CPU_SECONDS = 60.0


class TooLongError(Exception):
    """An order took more processor time than it may have."""


class ProcessLostError(Exception):
    """The rendering process ended, or was ended, before it answered."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A `NewsletterError` of the other side; `usage` where it is a `UsageError`."""

    message: str
    hint: str = ""
    usage: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What the other side is to do: one of its methods, with these arguments, within `cpu` seconds of processor time."""

    name: str
    arguments: tuple[Any, ...]
    cpu: float


class RenderProcess:
    """The rendering process: begun when it is first needed, and again whenever it was lost.

    Its methods are those of `Builder`; none waits for ever.

    Args:
        cpu_seconds: processor time for one answer.
    """

    def __init__(self, cpu_seconds: float = CPU_SECONDS) -> None:
        self._cpu = cpu_seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: Connection | None = None
        self._answers: Connection | None = None
        self._opened: tuple[Path, str] | None = None
        self._ended = False

    def open(self, home: Path, reader: str) -> Mapping[str, Any]:
        """Read the settings of the newsletter in `home`; returns what the page calls it.

        Raises:
            NewsletterError: they are wrong, or there is no such reader.
        """
        with self._turn:
            try:
                identity: Mapping[str, Any] = self._ask("open", home, reader, cpu=_OPEN_CPU_SECONDS)
            except ProcessLostError as error:
                raise NewsletterError(f"the settings can't be read: {error}") from None
            self._opened = (home, reader)
            return identity

    def build(self, path: Path, name: str, reader: str) -> Picture | Broken:
        """The picture of the file as it is now; see `Builder.build`."""
        try:
            found: Picture | Broken = self._call("build", path, reader)
        except ProcessLostError as error:
            return Broken((_lost(name, error),), text_of(path))
        except NewsletterError as error:
            return Broken((_refused(name, error),), text_of(path))
        return found

    def findings(self, path: Path, name: str, *, as_before: bool = False) -> list[Diagnostic]:
        """Everything the checks say about the file; see `Builder.findings`."""
        try:
            found: list[Diagnostic] = self._call("findings", path, as_before)
        except ProcessLostError as error:
            return [_lost(name, error)]
        except NewsletterError as error:
            return [_refused(name, error)]
        return found

    def keep_findings(self) -> None:
        """Remember what was found for the next time; see `Builder.keep_findings`."""
        with contextlib.suppress(ProcessLostError, NewsletterError):
            self._call("keep_findings")

    def support(self, path: Path) -> Support | None:
        """Which mail programs know what the issue is made of; see `Builder.support`."""
        try:
            found: Support | None = self._call("support", path)
        except (ProcessLostError, NewsletterError):
            return None
        return found

    def summary(self, path: Path) -> Summary | None:
        """What the front matter says, or None where it can't be read."""
        try:
            found: Summary | None = self._call("summary", path)
        except (ProcessLostError, NewsletterError):
            return None
        return found

    def web_page(self, path: Path, name: str, base: str, folder: Path) -> WebPage:
        """The issue as the site at `base` shows it, built into `folder`."""
        try:
            found: WebPage = self._call("web_page", path, base, folder, cpu=_SITE_CPU_SECONDS)
        except ProcessLostError as error:
            return WebPage(findings=(_lost(name, error),))
        except NewsletterError as error:
            return WebPage(findings=(_refused(name, error),))
        return found

    def frozen(self, path: Path, name: str) -> bytes:
        """The issue as a send of it would freeze it.

        Raises:
            NewsletterError: it can't be sent.
        """
        try:
            content: bytes = self._call("frozen", path)
        except ProcessLostError as error:
            raise NewsletterError(f"{name} can't be sent: {error}") from None
        return content

    def kill(self) -> None:
        """End the process, whatever it does, and begin no other; waits for nothing, so that a signal handler may."""
        self._ended = True
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()

    def close(self) -> None:
        """End the process, whatever it does, and wait until it has."""
        # First without the turn: an answer that is under way must not delay the end.
        self.kill()
        with self._turn:
            self._forget()

    def _call(self, name: str, *arguments: Any, cpu: float = 0.0) -> Any:
        with self._turn:
            if self._process is None and self._opened is not None:
                self._ask("open", *self._opened, cpu=_OPEN_CPU_SECONDS)
            return self._ask(name, *arguments, cpu=cpu)

    def _ask(self, name: str, *arguments: Any, cpu: float = 0.0) -> Any:
        if self._process is None and not self._ended:
            self._begin()
        # Who closed meanwhile may not have seen the process that was just begun.
        if self._ended:
            self._forget()
            raise ProcessLostError("the preview has ended")
        assert self._orders is not None
        assert self._answers is not None
        limit = cpu or self._cpu
        try:
            self._orders.send(Order(name, arguments, limit))
            answered = self._answers.poll(limit + _WALL_SECONDS)
            answer = self._answers.recv() if answered else None
        except (EOFError, OSError):
            self._forget()
            raise ProcessLostError(
                f"rendering took more than {limit:g} seconds or more memory than it may have, and was ended"
            ) from None
        if not answered:
            self._forget()
            raise ProcessLostError(f"rendering didn't end within {limit + _WALL_SECONDS:.0f} seconds")
        if isinstance(answer, Refusal):
            kind = UsageError if answer.usage else NewsletterError
            raise kind(answer.message, hint=answer.hint)
        return answer

    def _begin(self) -> None:
        their_orders, self._orders = Pipe(duplex=False)
        self._answers, their_answers = Pipe(duplex=False)
        with their_orders, their_answers:
            ends = (their_orders.fileno(), their_answers.fileno())
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
                [sys.executable, "-m", "newsletter.preview.child", *map(str, ends)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=ends,
                # Ctrl-C reaches a terminal's whole group, but is meant for the server: it closes the pipe
                # when it has ended in order.
                process_group=0,
            )

    def _forget(self) -> None:
        for end in (self._orders, self._answers):
            if end is not None:
                end.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._orders = self._answers = None


def given_up(name: str, error: TooLongError) -> Diagnostic:
    """A rendering without an end that no template was at."""
    return unforeseen(name, str(error), _LOOK_FOR)


def unforeseen(name: str, message: str, hint: str = "", line: int = 0) -> Diagnostic:
    """What no rule has a code for, as a finding about the file `name`."""
    return Diagnostic(
        code=NOT_RENDERED, severity=Severity.ERROR, message=message, path=name, line=line, help=hint
    )


def _lost(name: str, error: ProcessLostError) -> Diagnostic:
    return unforeseen(
        name,
        str(error),
        _LOOK_FOR,
    )


def _refused(name: str, error: NewsletterError) -> Diagnostic:
    return unforeseen(name, error.message, error.hint)
