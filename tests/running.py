"""How does a test run the program? As a process, or in its own, which saves a start; the machine's own settings don't count."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from newsletter.cli import main
from tests.conftest import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]
NEWSLETTER = ("-m", "newsletter")


def environment(**more: str) -> dict[str, str]:
    """This process's, without what is meant for a newsletter of somebody's own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    return clean | {"PYTHONPATH": str(ROOT)} | more


def python(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """A Python program that has ended by itself, of this interpreter; on no terminal."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Take out of this process's environment what is meant for a newsletter of somebody's own."""
    for name in [name for name in os.environ if name.startswith("NEWSLETTER_")]:
        patch.delenv(name)


@contextmanager
def _left_as_it_was() -> Iterator[None]:
    """A command that is its process sets up signals and the collector for itself; here it is a guest."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    heard = {number: signal.getsignal(number) for number in numbers}
    unraisable, thresholds, collects = sys.unraisablehook, gc.get_threshold(), gc.isenabled()
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        if collects:
            gc.enable()


def run_here(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`newsletter …`, through the program's own entry point, in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        pytest.MonkeyPatch.context() as patch,
        _left_as_it_was(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patch.chdir(cwd)
        forget_settings(patch)
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["newsletter", *arguments])
        patch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as left:
            main()
    said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))
    assert "Traceback" not in complained
    return subprocess.CompletedProcess(arguments, int(str(left.value.code or 0)), said, complained)
