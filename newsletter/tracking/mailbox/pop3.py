"""A mailbox behind POP3 (RFC 1939): what was dealt with is kept in a Maildir of ours before it is deleted there."""

from __future__ import annotations

import os
import poplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

from newsletter.providers.smtp.options import Security
from newsletter.tracking.mailbox.boxes import (
    BoxOptions,
    Entry,
    failed,
    handshake,
    make_maildir,
    no_starttls,
    password_of,
    security_of,
)

_T = TypeVar("_T")
_LONGEST_LINE: Final = 1 << 20


class _LongLines:
    """The standard library ends the session over a line of more than 2,048 bytes; mail has longer ones."""

    file: Any

    def _getline(self) -> tuple[bytes, int]:
        line: bytes = self.file.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise poplib.error_proto("a line is longer than a megabyte")
        if not line:
            raise poplib.error_proto("the server ended the connection")
        return line.rstrip(b"\n").removesuffix(b"\r"), len(line)


class _Clear(_LongLines, poplib.POP3):
    pass


class _Encrypted(_LongLines, poplib.POP3_SSL):
    pass


class Pop3Box:
    """A POP3 account. It has no folders, so copies are kept in `copies`.

    Raises:
        UsageError: a setting or the password is missing.
        NewsletterError: the server can't be reached, or refuses.
    """

    def __init__(self, options: BoxOptions) -> None:
        password = password_of(options)
        self._options = options
        self._numbers: dict[str, int] = {}
        self._connection = self._doing(lambda: self._connect(password))

    def waiting(self) -> Iterator[Entry]:
        """The mails, by the ids the server gives them for good (UIDL)."""
        listed = self._doing(lambda: (self._connection.uidl()[1], self._connection.list()[1]))
        sizes = {int(number): int(size) for number, size in (line.split()[:2] for line in listed[1])}
        for line in listed[0]:
            number, _, name = line.partition(b" ")
            key = name.decode("ascii", "replace").strip()
            self._numbers[key] = int(number)
            yield Entry(key, sizes.get(int(number), 0))

    def read(self, entry: Entry) -> bytes:
        """See `Box.read`."""
        number = self._numbers[entry.key]
        return b"\r\n".join(self._doing(lambda: self._connection.retr(number))[1]) + b"\r\n"

    def done(self, entry: Entry, data: bytes) -> None:
        """Keep a copy, then have it deleted when the session ends."""
        self._keep(self._options.copies / self._options.done, data, ":2,S")
        self._doing(lambda: self._connection.dele(self._numbers[entry.key]))

    def set_aside(self, entry: Entry, data: bytes | None) -> bool:
        """Keep a copy, then have it deleted; one that was too large to be read stays on the server."""
        if data is None:
            return False
        self._keep(self._options.copies / self._options.aside, data, ":2,F")
        self._doing(lambda: self._connection.dele(self._numbers[entry.key]))
        return True

    def close(self) -> None:
        """End the session, which carries out the deletions; where that fails the mails are there next time."""
        try:
            self._connection.quit()
        except (poplib.error_proto, OSError):
            with suppress(OSError):
                self._connection.close()

    def _connect(self, password: str) -> poplib.POP3:
        options = self._options
        security = security_of(options)
        connection: poplib.POP3
        if security is Security.TLS:
            context = ssl.create_default_context()
            with handshake(options):
                connection = _Encrypted(
                    options.host, options.port or 995, timeout=options.timeout, context=context
                )
        else:
            connection = _Clear(options.host, options.port or 110, timeout=options.timeout)
        try:
            if security is Security.STARTTLS:
                self._begin_tls(connection)
            connection.user(options.user)
            connection.pass_(password)
        except BaseException:
            with suppress(OSError):
                connection.close()
            raise
        return connection

    def _begin_tls(self, connection: poplib.POP3) -> None:
        if "STLS" not in _capabilities(connection):
            raise no_starttls(self._options)
        with handshake(self._options):
            connection.stls(ssl.create_default_context())

    def _keep(self, folder: Path, data: bytes, flags: str) -> None:
        """Write a copy under a name of its content: again after a crash, it is the same file."""
        make_maildir(folder)
        name = f"{sha256(data).hexdigest()[:40]}.newsletter"
        final = folder / "cur" / f"{name}{flags}"
        if final.exists():
            return
        draft = folder / "tmp" / name
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(final)

    def _doing(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except (poplib.error_proto, OSError, ValueError, UnicodeError) as error:
            raise failed(self._options, error) from None


def _capabilities(connection: poplib.POP3) -> Mapping[str, list[str]]:
    try:
        return connection.capa()
    except poplib.error_proto:  # it has none to tell (RFC 2449 came after RFC 1939)
        return {}
