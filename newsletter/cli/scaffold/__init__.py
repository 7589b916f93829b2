"""What a new newsletter's folder starts with: settings, a first issue, and what git should not see."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

from newsletter.content.whole_files import write_whole

_SETTINGS = """\
# Everything but `name`, `from`, `postal_address` and `base_url` may stay as it is.
name = {name}
tagline = {tagline}
from = {sender}
# Printed at the end of every issue; CAN-SPAM asks for one.
postal_address = {postal_address}
# Where the archive and the unsubscribe page live.
base_url = {base_url}

# Messages go to .newsletter/outbox until you choose a provider: smtp, or by their API resend, postmark,
# sendgrid, mailgun, ses, brevo, mailjet, mailtrap, sparkpost or mailersend. The password or key comes from
# the environment or from .env: NEWSLETTER_SMTP_PASSWORD, NEWSLETTER_RESEND_API_KEY and so on.
# [provider]
# name = "smtp"
# host = "smtp.example.com"
# username = "you"

# [theme]
# accent = "#1f5fbf"
"""
_IGNORED = (".newsletter/", ".env")
_WORKFLOW = """\
# Checks every pull request; findings stand beside the lines they are about.
name: Newsletter
on:
  pull_request:
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "3.13"
          cache: pip
          cache-dependency-path: newsletter.toml
      - run: pip install "newsletter-toolkit[diagrams]=={version}"
      - run: newsletter check --format github
"""


def settings_text(*, name: str, sender: str, postal_address: str, base_url: str, tagline: str = "") -> str:
    """The text of a new `newsletter.toml`."""
    # A JSON string of printable text is a TOML basic string.
    return _SETTINGS.format(
        name=json.dumps(name, ensure_ascii=False),
        tagline=json.dumps(tagline, ensure_ascii=False),
        sender=json.dumps(sender, ensure_ascii=False),
        postal_address=json.dumps(postal_address, ensure_ascii=False),
        base_url=json.dumps(base_url, ensure_ascii=False),
    )


def workflow_text() -> str:
    """A GitHub Actions workflow that checks pull requests with the version that wrote it."""
    from newsletter import __version__

    return _WORKFLOW.replace("{version}", __version__)


def first_issue(date: dt.date) -> str:
    """The text of the first issue: complete, so that it checks clean and can be sent."""
    text = (Path(__file__).parent / "001-hello.md").read_text("utf-8")
    return text.replace("@DATE@", date.isoformat())


def write_new(path: Path, text: str) -> bool:
    """Write a file unless it exists; whether it was written. Nothing is left behind if it can't be finished.

    Raises:
        OSError: it can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            # Of a full disk the system says no more than that.
            error.filename = error.filename or str(path)
        raise
    return True


def ignore_state(home: Path) -> None:
    """Keep the list and the secrets out of git: add what `.gitignore` lacks."""
    path = home / ".gitignore"
    # In whatever encoding it is, which git doesn't ask about either.
    there = path.read_bytes() if path.exists() else b""
    missing = [name for name in map(str.encode, _IGNORED) if name not in there.splitlines()]
    if missing:
        if there and not there.endswith(b"\n"):
            there += b"\n"
        write_whole(path, there + b"\n".join(missing) + b"\n")
