"""A mailbox behind IMAP (RFC 9051): read by peeking, tidied by moving."""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from newsletter.errors import NewsletterError
from newsletter.providers.smtp.options import Security
from newsletter.tracking.mailbox.boxes import (
    BoxOptions,
    Entry,
    failed,
    handshake,
    no_starttls,
    password_of,
    security_of,
)

_T = TypeVar("_T")
_SIZE = re.compile(rb"UID (\d+)\b.*?RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+).*?UID (\d+)\b")
_AT_ONCE: Final = 200


class ImapBox:
    """One folder of an IMAP account.

    Raises:
        UsageError: a setting or the password is missing.
        NewsletterError: the server can't be reached, or refuses.
    """

    def __init__(self, options: BoxOptions) -> None:
        password = password_of(options)
        self._options = options
        self._made: set[str] = set()
        self._validity = ""
        self._connection = self._doing(lambda: self._connect(password))

    def waiting(self) -> Iterator[Entry]:
        """The mails that aren't marked as deleted, by their unique ids."""
        [ids] = self._ask("SEARCH", "UNDELETED")[-1:]
        numbers = sorted({int(one) for one in (ids or b"").split() if one.isdigit()})
        for at in range(0, len(numbers), _AT_ONCE):
            part = ",".join(map(str, numbers[at : at + _AT_ONCE]))
            sizes: dict[int, int] = {}
            for line in self._ask("FETCH", part, "(UID RFC822.SIZE)"):
                found = _SIZE.search(line if isinstance(line, bytes) else line[0]) if line else None
                if found:
                    sizes[int(found[1] or found[4])] = int(found[2] or found[3])
            for number in numbers[at : at + _AT_ONCE]:
                if number in sizes:
                    yield Entry(f"{self._validity}/{number}", sizes[number])

    def read(self, entry: Entry) -> bytes:
        """See `Box.read`; the mail isn't marked as seen."""
        for part in self._ask("FETCH", _uid(entry), "(BODY.PEEK[])"):
            if isinstance(part, tuple) and len(part) == 2:
                return bytes(part[1])
        raise KeyError(entry.key)

    def done(self, entry: Entry, data: bytes) -> None:  # noqa: ARG002 - moved by the server
        """Move it to the folder of what was dealt with."""
        self._move(entry, self._options.done)

    def set_aside(self, entry: Entry, data: bytes | None) -> bool:  # noqa: ARG002 - moved by the server
        """Move it to the folder of what can't be dealt with."""
        self._move(entry, self._options.aside)
        return True

    def close(self) -> None:
        """Log out; quiet when the connection is gone."""
        _leave(self._connection)

    def _connect(self, password: str) -> imaplib.IMAP4:
        options = self._options
        security = security_of(options)
        connection: imaplib.IMAP4
        if security is Security.TLS:
            context = ssl.create_default_context()
            with handshake(options):
                connection = imaplib.IMAP4_SSL(
                    options.host, options.port or 993, ssl_context=context, timeout=options.timeout
                )
        else:
            connection = imaplib.IMAP4(options.host, options.port or 143, timeout=options.timeout)
        try:
            if security is Security.STARTTLS:
                self._begin_tls(connection)
            _log_in(connection, options.user, password)
            _answer(connection.select(_quoted(options.folder)), f"the folder {options.folder}")
            validity = connection.response("UIDVALIDITY")[1]
            self._validity = (validity[0] or b"").decode("ascii", "replace") if validity else ""
        except BaseException:
            _leave(connection)
            raise
        return connection

    def _begin_tls(self, connection: imaplib.IMAP4) -> None:
        # Logged in before TLS, by whoever speaks for the server: RFC 9051 §7.1.4 says to leave.
        if connection.state != "NONAUTH" or "STARTTLS" not in connection.capabilities:
            raise no_starttls(self._options)
        with handshake(self._options):
            connection.starttls(ssl.create_default_context())

    def _move(self, entry: Entry, folder: str) -> None:
        uid, target = _uid(entry), _quoted(folder)
        if folder not in self._made:
            # A refusal mostly means that it is there; if it isn't, the move says so.
            self._doing(lambda: self._connection.create(target))
            self._made.add(folder)
        if "MOVE" in self._connection.capabilities:  # RFC 6851
            self._ask("MOVE", uid, target)
            return
        self._ask("COPY", uid, target)
        self._ask("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
        if "UIDPLUS" in self._connection.capabilities:  # RFC 4315: others' deleted mails stay
            self._ask("EXPUNGE", uid)

    def _ask(self, command: str, *arguments: str) -> Sequence[Any]:
        return self._doing(lambda: _answer(self._connection.uid(command, *arguments), command))

    def _doing(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except (imaplib.IMAP4.error, OSError, ValueError, UnicodeError) as error:
            raise failed(self._options, error) from None


def _log_in(connection: imaplib.IMAP4, user: str, password: str) -> None:
    if (user + password).isascii():
        connection.login(user, password)
    else:
        # LOGIN knows ASCII alone; PLAIN takes UTF-8 (RFC 4616).
        connection.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())


def _leave(connection: imaplib.IMAP4) -> None:
    try:
        connection.logout()
    except (imaplib.IMAP4.error, OSError):
        with suppress(OSError):
            connection.shutdown()


def _answer(answer: tuple[str, Sequence[Any]], what: str) -> Sequence[Any]:
    kind, said = answer
    if kind != "OK":
        words = said[0].decode("utf-8", "replace") if said and isinstance(said[0], bytes) else kind
        raise imaplib.IMAP4.error(f"{what}: {words}")
    return said


def _uid(entry: Entry) -> str:
    return entry.key.rpartition("/")[2]


def _quoted(folder: str) -> str:
    if not folder.isascii() or not folder.isprintable():
        raise NewsletterError(f"the folder {folder!a} has no name in plain ASCII", hint="use another one")
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
