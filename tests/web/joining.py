"""What tests of joining share: a service whose mails go to a real SMTP server on loopback, and reading them."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

from newsletter.clock import Clock
from newsletter.store.outgoing import MailState
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.smtp import FakeSmtp
from tests.waiting import wait_for
from tests.web.conftest import Running, make_home


def smtp_settings(server: FakeSmtp) -> str:
    """`[provider]` for a loopback server."""
    return f'[provider]\nname = "smtp"\nhost = "127.0.0.1"\nport = {server.port}\nstarttls = false\n'


def smtp_home(folder: Path, server: FakeSmtp, web: str = "", port: int = 0, welcome: bool = True) -> Path:
    """A newsletter that mails through `server`; its links lead to `port` of this machine where one is given."""
    home = make_home(folder, f"\n{web}\n{smtp_settings(server)}")
    if port:
        toml = home / "newsletter.toml"
        toml.write_text(
            toml.read_text("utf-8").replace("https://notes.example", f"http://127.0.0.1:{port}"), "utf-8"
        )
    if welcome:
        (home / "issues" / "welcome.md").write_text(
            "---\ntitle: Glad you’re here\ndescription: What comes next\n---\nHello, and **thank you**.\n\n"
            "Start with [the archive](https://notes.example/).\n",
            "utf-8",
        )
    return home


def settled(running: Running) -> bool:
    """Whether nothing is left to look at, to send or to hear of."""
    with SqliteDatabase(running.workspace.database_path) as database:
        waiting = database.query("SELECT count(*) FROM join_requests")[0][0]
        states = {state for (state,) in database.query("SELECT DISTINCT state FROM outgoing")}
    return not waiting and not states & {MailState.WAITING, MailState.CLAIMED}


def mails(server: FakeSmtp) -> list[EmailMessage]:
    """What arrived, parsed by the standard library."""
    return [
        email.message_from_bytes(received.data, policy=email.policy.default, _class=EmailMessage)
        for received in list(server.messages)
    ]


def text_of(message: EmailMessage) -> str:
    """Its text part."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def confirm_path(message: EmailMessage) -> str:
    """The path of the link in a confirmation."""
    found = re.search(r"(/confirm/[A-Za-z0-9_-]+)", text_of(message))
    assert found is not None, text_of(message)
    return found[1]


__all__ = ["Clock", "Running", "confirm_path", "mails", "settled", "smtp_home", "text_of", "wait_for"]
