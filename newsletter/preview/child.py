"""The other side of `RenderProcess`: takes orders from one pipe and answers on another until the first one closes.

Run as `python -m newsletter.preview.child ORDERS ANSWERS`, both the numbers of inherited pipes.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from newsletter.errors import NewsletterError, UsageError
from newsletter.preview.process import Order, Refusal, TooLongError

if TYPE_CHECKING:
    from newsletter.diagnostics import Diagnostic
    from newsletter.preview.build import Builder
    from newsletter.preview.picture import Broken, Picture, Summary, WebPage
    from newsletter.preview.support import Support

# Bytes of address space: a message with an 80 MB picture takes about one of these three gigabytes.
_MEMORY = 3 << 30
# Processor seconds between asking a loop to end and ending the process: C code doesn't hear the first.
_GRACE = 1.0


class Bench:
    """Carries orders out; its methods are what `RenderProcess` asks for by name."""

    def __init__(self) -> None:
        self._builder: Builder | None = None

    @property
    def _made(self) -> Builder:
        assert self._builder is not None
        return self._builder

    def open(self, home: Path, reader: str) -> dict[str, Any]:
        """Read the settings."""
        from newsletter.app import open_workspace
        from newsletter.preview.build import Builder

        self._builder = Builder(open_workspace(home), reader)
        return dict(self._builder.identity())

    def build(self, path: Path, reader: str) -> Picture | Broken:
        """The picture of a file."""
        return self._made.build(path, reader)

    def findings(self, path: Path, as_before: bool) -> list[Diagnostic]:  # noqa: FBT001 - orders go by place
        """What the checks say about a file."""
        return self._made.findings(path, as_before=as_before)

    def keep_findings(self) -> None:
        """Remember what was found."""
        self._made.keep_findings()

    def support(self, path: Path) -> Support | None:
        """Which mail programs know what a file's message is made of."""
        return self._made.support(path)

    def summary(self, path: Path) -> Summary | None:
        """What the front matter of a file says."""
        return self._made.summary(path)

    def web_page(self, path: Path, base: str, folder: Path) -> WebPage:
        """A file as the site shows it."""
        from newsletter.preview.web_page import build_web_page

        return build_web_page(self._made.workspace, path, base, folder)

    def frozen(self, path: Path) -> bytes:
        """A file as a send would freeze it."""
        return self._made.frozen(path)


def serve(orders: Connection, answers: Connection) -> None:
    """Carry out orders until nobody gives any more."""
    bench = Bench()
    while True:
        try:
            order: Order = orders.recv()
        except EOFError:
            return
        try:
            with _limited(order.cpu):
                answer = getattr(bench, order.name)(*order.arguments)
        except NewsletterError as error:
            answer = Refusal(error.message, error.hint, isinstance(error, UsageError))
        except Exception as error:  # noqa: BLE001 - what an author's files bring about must not end the preview
            answer = Refusal(f"{type(error).__name__}: {error}")
        try:
            answers.send(answer)
        except BrokenPipeError:
            return


@contextlib.contextmanager
def _limited(seconds: float) -> Any:
    """Raise `TooLongError` after so much processor time; end the process a little later, if even that went unheard."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TooLongError(
            f"rendering took more than {seconds:g} seconds of processor time, and was given up"
        )

    # Processor time and not the clock: on a busy machine a slow answer is no endless one.
    signal.signal(signal.SIGPROF, ring)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds + _GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def main() -> None:
    """Begin."""
    with contextlib.suppress(ValueError, OSError):  # not every system knows it
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    first, second = map(int, sys.argv[1:3])
    with Connection(first, writable=False) as orders, Connection(second, readable=False) as answers:
        serve(orders, answers)


if __name__ == "__main__":
    main()
