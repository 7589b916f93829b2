"""How is a mailbox read and tidied, whatever its protocol? And the one that is a folder: Maildir."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from pydantic import SecretStr

from newsletter.errors import NewsletterError, UsageError
from newsletter.providers.smtp.options import Security
from newsletter.providers.this_machine import is_this_machine

# A bounce that returns all of an issue with its images has a few megabytes.
LARGEST_MAIL: Final = 10 * 1024 * 1024


class Entry(NamedTuple):
    """A mail that waits.

    Attributes:
        key: names it in this mailbox for good.
        size: in bytes, as the mailbox says.
    """

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class BoxOptions:
    """Where the mailbox is, as the settings say.

    Attributes:
        path: of a Maildir.
        copies: a folder of ours, for a mailbox that has no folders.
    """

    protocol: str
    host: str = ""
    port: int = 0
    user: str = ""
    tls: bool | None = None
    starttls: bool = False
    folder: str = "INBOX"
    done: str = "Newsletter-Done"
    aside: str = "Newsletter-Aside"
    path: Path = Path()
    copies: Path = Path()
    password: SecretStr | None = None
    timeout: float = 30.0


class Box(Protocol):
    """A mailbox. What it does to a mail it does when told, and nothing is ever deleted that isn't kept elsewhere."""

    def waiting(self) -> Iterator[Entry]:
        """The mails in it, the oldest first."""
        ...

    def read(self, entry: Entry) -> bytes:
        """A mail, whole; it isn't changed by that.

        Raises:
            KeyError: it is gone: somebody else took it.
            NewsletterError: the mailbox fails.
        """
        ...

    def done(self, entry: Entry, data: bytes) -> None:
        """Move a mail that was dealt with out of the way."""
        ...

    def set_aside(self, entry: Entry, data: bytes | None) -> bool:
        """Move a mail that can't be dealt with out of the way; False where it has to stay."""
        ...

    def close(self) -> None:
        """Make the changes last, and let go."""
        ...


class Maildir:
    """A Maildir, whose subfolders are named as Courier and Dovecot name theirs (`.Name`).

    Args:
        path: the folder with `new` and `cur`.
        done: the subfolder of what was dealt with.
        aside: the subfolder of what can't be.

    Raises:
        UsageError: it isn't a Maildir.
    """

    def __init__(self, path: Path, done: str, aside: str) -> None:
        if not (path / "new").is_dir() or not (path / "cur").is_dir():
            raise UsageError(
                f"{path} is not a Maildir",
                hint="it has the folders `new`, `cur` and `tmp`; name the one above them",
            )
        self._path = path
        self._places: dict[str, str] = {}
        self._done, self._aside = (path / f".{name.lstrip('.')}" for name in (done, aside))

    def waiting(self) -> Iterator[Entry]:
        """The mails in `new` and `cur`, by the time in their names."""
        found: list[tuple[float, Entry]] = []
        for folder in ("new", "cur"):
            with os.scandir(self._path / folder) as entries:
                for entry in entries:
                    with suppress(OSError):  # taken by somebody else meanwhile
                        if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                            stat = entry.stat(follow_symlinks=False)
                            # A mail program that moves it from `new` to `cur` only adds flags behind the colon.
                            key = entry.name.partition(":")[0]
                            self._places[key] = f"{folder}/{entry.name}"
                            found.append((stat.st_mtime, Entry(key, stat.st_size)))
        yield from (entry for _, entry in sorted(found))

    def read(self, entry: Entry) -> bytes:
        """See `Box.read`."""
        try:
            with (self._path / self._places[entry.key]).open("rb") as file:
                return file.read(LARGEST_MAIL + 1)
        except FileNotFoundError:
            raise KeyError(entry.key) from None

    def done(self, entry: Entry, data: bytes) -> None:  # noqa: ARG002 - moved, not written anew
        """Move it to the subfolder, as seen."""
        self._move(entry, self._done, ":2,S")

    def set_aside(self, entry: Entry, data: bytes | None) -> bool:  # noqa: ARG002 - moved, not written anew
        """Move it to the other subfolder, flagged."""
        self._move(entry, self._aside, ":2,F")
        return True

    def close(self) -> None:
        """Nothing is held open."""

    def _move(self, entry: Entry, folder: Path, flags: str) -> None:
        make_maildir(folder)
        with suppress(FileNotFoundError):  # gone already
            (self._path / self._places[entry.key]).rename(folder / "cur" / f"{entry.key}{flags}")


def make_maildir(folder: Path) -> None:
    """A Maildir in `folder`, where there is none yet."""
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "maildirfolder").touch()


def password_of(options: BoxOptions) -> str:
    """The password.

    Raises:
        UsageError: there is none, or no user or host.
    """
    for name in ("host", "user"):
        if not getattr(options, name):
            raise UsageError(f"`bounces.{name}` is missing", hint=f'name it under [bounces]: {name} = "…"')
    if options.password is None:
        raise UsageError(
            "NEWSLETTER_BOUNCES_PASSWORD isn't set",
            hint="put it into the environment or .env; never into the settings",
        )
    return options.password.get_secret_value()


def security_of(options: BoxOptions) -> Security:
    """How the connection is protected: by TLS from the first byte, but on this machine where nothing is said.

    Raises:
        UsageError: the password would travel in clear text, or two settings contradict each other.
    """
    if options.tls and options.starttls:
        raise UsageError(
            "`bounces.tls` and `bounces.starttls` contradict each other",
            hint="keep `tls = true` for ports 993 and 995, `starttls = true` for 143 and 110",
        )
    if options.starttls:
        return Security.STARTTLS
    local = is_this_machine(options.host)
    if options.tls is False and not local:
        raise UsageError(
            f"`bounces.tls = false` would send your password to {options.host} in clear text",
            hint="leave it out: port 993 for IMAP, 995 for POP3; or `starttls = true` for 143 and 110",
        )
    wanted = options.tls if options.tls is not None else not local
    return Security.TLS if wanted else Security.CLEAR


@contextmanager
def handshake(options: BoxOptions) -> Iterator[None]:
    """Around the beginning of TLS, which comes before the password.

    Raises:
        NewsletterError: the certificate can't be trusted, or it isn't TLS that is spoken there.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise NewsletterError(
            f"the certificate of {options.host} can't be trusted: {error.verify_message}",
            hint="your password wasn't sent; set `bounces.host` to the name in the certificate; for a certificate "
            "of your own, name its file in SSL_CERT_FILE",
        ) from None
    except ssl.SSLError as error:
        raise NewsletterError(
            f"{options.host} doesn't speak TLS there: {error.reason or error}",
            hint="your password wasn't sent; port 993 is for IMAP and 995 for POP3; for 143 and 110 set "
            "`starttls = true` under [bounces]",
        ) from None


def no_starttls(options: BoxOptions) -> NewsletterError:
    """What a user is told where the server, or somebody in between, keeps the connection in clear text."""
    return NewsletterError(
        f"{options.host} doesn't offer STARTTLS, and your password isn't sent in clear text",
        hint="leave `starttls` out of [bounces]: port 993 is for IMAP, 995 for POP3. If it was offered before, "
        "somebody on the way may be taking it out",
    )


def failed(options: BoxOptions, error: Exception) -> NewsletterError:
    """What a user is told when the mailbox fails; a server's words don't hold the password, but may be long."""
    said = " ".join(str(error).replace("b'", "'").split())[:200] or type(error).__name__
    return NewsletterError(
        f"the mailbox {options.user}@{options.host} failed: {said}",
        hint="nothing is lost: what was read is settled, the rest is read next time; check [bounces] and the password",
    )
