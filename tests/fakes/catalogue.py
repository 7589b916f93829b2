"""Which fake stands for which provider? Found by name, so that a new provider can't be forgotten by the suites that go through all."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from newsletter.providers.registry import PROVIDERS
from tests.fakes.http import FakeHttp

# They have a transport of their own, and a fake (or none) of another kind.
NOT_HTTP = ("outbox", "smtp")
HTTP_PROVIDERS = tuple(name for name in PROVIDERS if name not in NOT_HTTP)


def fake_class(name: str) -> type[FakeHttp]:
    """The fake of the HTTP provider called `name`: the one in `tests/fakes/<name>.py`."""
    module = import_module(f"tests.fakes.{name}")
    [found] = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, FakeHttp) and vars(value).get("name") == name
    ]
    return found


def fake_program(name: str) -> Path:
    """The same as a program; see `FakeHttp.main`."""
    return Path(__file__).with_name(f"{name}.py")
