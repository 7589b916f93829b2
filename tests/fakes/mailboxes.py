"""Mailboxes on loopback that speak IMAP (RFC 9051) and POP3 (RFC 1939) as far as a reader of bounces needs them."""

from __future__ import annotations

import base64
import re
import socketserver
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

USER, PASSWORD = "bounces@example.com", "correct horse"


class Mailbox(socketserver.ThreadingTCPServer):
    """A server with an account.

    Attributes:
        folders: mails by their ids, by folder.
        capabilities: what IMAP announces.
        cut_before: a command word; the connection is cut before it is obeyed, once.
        tls: "" for none, "implicit" from the first byte, "upgrade" by STARTTLS or STLS.
        preauth: whether IMAP greets as if somebody had logged in.
        encrypted: the commands that came through TLS.
        cut_after: a command word; the connection is cut after it is obeyed, before the answer, once.
        commands: what was asked, passwords aside.
        password: that lets in.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        handler: type[socketserver.StreamRequestHandler],
        mails: list[bytes],
        tls: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.tls, self.preauth = tls, False
        self.encrypted: list[str] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate is not None:
            self.context.load_cert_chain(*certificate)
        self.folders: dict[str, dict[int, bytes]] = {"INBOX": dict(enumerate(mails, 1))}
        self.deleted: set[int] = set()
        self.capabilities = "IMAP4rev1 MOVE UIDPLUS"
        self.cut_before = self.cut_after = ""
        self.commands: list[str] = []
        self.password = PASSWORD
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Cut(Exception):  # noqa: N818 - ends the connection
    """The connection is over."""


class _Lines(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        try:
            self.talk()
        except (_Cut, OSError):
            return

    def setup(self) -> None:
        super().setup()
        if self.server.tls == "implicit":
            with suppress(OSError):
                self.begin_tls()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def begin_tls(self) -> None:
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        # What was sent along in clear text is forgotten with the old files.
        super().setup()

    def note(self, word: str) -> None:
        self.server.commands.append(word)
        if isinstance(self.request, ssl.SSLSocket):
            self.server.encrypted.append(word)

    def talk(self) -> None:
        raise NotImplementedError

    def say(self, line: str | bytes) -> None:
        self.wfile.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def line(self) -> str:
        data = self.rfile.readline()
        if not data:
            raise _Cut
        return data.decode().rstrip("\r\n")

    def before(self, word: str) -> None:
        if word == self.server.cut_before:
            self.server.cut_before = ""
            raise _Cut

    def after(self, word: str) -> None:
        if word == self.server.cut_after:
            self.server.cut_after = ""
            raise _Cut


class Imap(_Lines):
    """One connection of a reader."""

    def talk(self) -> None:
        """Obey until it leaves."""
        self.say(f"* {'PREAUTH' if self.server.preauth else 'OK'} ready")
        while True:
            tag, _, rest = self.line().partition(" ")
            word, _, arguments = rest.partition(" ")
            word = word.upper()
            if word == "UID":
                word, _, arguments = arguments.partition(" ")
                word = word.upper()
            self.note(word)
            self.before(word)
            said = getattr(self, f"do_{word.lower()}")(arguments)
            self.after(word)
            self.say(f"{tag} {said or 'OK done'}")
            if word == "STARTTLS" and not said:
                self.begin_tls()
            if word == "LOGOUT":
                return

    def do_capability(self, _: str) -> None:
        offered = " STARTTLS" if self._upgradable() else ""
        self.say(f"* CAPABILITY {self.server.capabilities}{offered}")

    def do_starttls(self, _: str) -> str:
        return "" if self._upgradable() else "BAD no"

    def do_authenticate(self, arguments: str) -> str:
        self.say("+ ")
        given = base64.b64decode(self.line()).decode()
        right = arguments == "PLAIN" and given == f"\0{USER}\0{self.server.password}"
        return "OK in" if right else "NO [AUTHENTICATIONFAILED] no"

    def _upgradable(self) -> bool:
        return self.server.tls == "upgrade" and not isinstance(self.request, ssl.SSLSocket)

    def do_login(self, arguments: str) -> str:
        given = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', arguments)
        return (
            "OK in"
            if [a or b for a, b in given] == [USER, self.server.password]
            else "NO [AUTHENTICATIONFAILED] no"
        )

    def do_select(self, arguments: str) -> str:
        if _name(arguments) not in self.server.folders:
            return "NO [NONEXISTENT] there is no such folder"
        self.say(f"* {len(self.server.folders['INBOX'])} EXISTS")
        self.say("* OK [UIDVALIDITY 77] valid")
        return "OK [READ-WRITE] selected"

    def do_create(self, arguments: str) -> str:
        name = _name(arguments)
        if name in self.server.folders:
            return "NO [ALREADYEXISTS] it is there"
        self.server.folders[name] = {}
        return ""

    def do_search(self, _: str) -> None:
        left = [n for n in self.server.folders["INBOX"] if n not in self.server.deleted]
        self.say("* SEARCH " + " ".join(map(str, left)))

    def do_fetch(self, arguments: str) -> None:
        numbers, _, what = arguments.partition(" ")
        for at, number in enumerate(map(int, numbers.split(",")), 1):
            mail = self.server.folders["INBOX"].get(number)
            if mail is None:
                continue
            if "SIZE" in what:
                self.say(f"* {at} FETCH (UID {number} RFC822.SIZE {len(mail)})")
            else:
                self.say(f"* {at} FETCH (UID {number} BODY[] {{{len(mail)}}}")
                self.wfile.write(mail)
                self.say(")")

    def do_move(self, arguments: str) -> str:
        said = self.do_copy(arguments)
        if not said:
            del self.server.folders["INBOX"][int(arguments.split(" ", maxsplit=1)[0])]
        return said

    def do_copy(self, arguments: str) -> str:
        number, _, folder = arguments.partition(" ")
        target = self.server.folders.get(_name(folder))
        if target is None:
            return "NO [TRYCREATE] there is no such folder"
        target[len(target) + 1] = self.server.folders["INBOX"][int(number)]
        return ""

    def do_store(self, arguments: str) -> None:
        self.server.deleted.add(int(arguments.split(" ", maxsplit=1)[0]))

    def do_expunge(self, arguments: str) -> None:
        del self.server.folders["INBOX"][int(arguments)]

    def do_logout(self, _: str) -> None:
        self.say("* BYE")


def _name(arguments: str) -> str:
    return arguments.strip('"')


class Pop3(_Lines):
    """One connection of a reader; the mails it had deleted are gone when it says QUIT."""

    def talk(self) -> None:
        """Obey until it leaves."""
        gone: list[int] = []
        mails = self.server.folders["INBOX"]
        numbers = list(mails)  # message numbers are of this session only
        self.say("+OK ready")
        while True:
            word, _, argument = self.line().partition(" ")
            word = word.upper()
            self.note(word)
            self.before(word)
            self._obey(word, argument, numbers, gone)
            if word == "QUIT":
                return

    def _obey(self, word: str, argument: str, numbers: list[int], gone: list[int]) -> None:
        mails = self.server.folders["INBOX"]
        match word:
            case "CAPA":
                offered = ["STLS"] if self.server.tls == "upgrade" else []
                self.say("\r\n".join(["+OK", "UIDL", *offered, "."]))
            case "STLS" if self.server.tls == "upgrade":
                self.say("+OK")
                self.begin_tls()
            case "USER":
                self.say("+OK")
            case "PASS":
                self.say("+OK" if argument == self.server.password else "-ERR [AUTH] no")
            case "UIDL" | "LIST":
                self.say("+OK")
                for at, number in enumerate(numbers, 1):
                    self.say(f"{at} uid-{number}" if word == "UIDL" else f"{at} {len(mails[number])}")
                self.say(".")
            case "RETR":
                self.say("+OK")
                for line in mails[numbers[int(argument) - 1]].splitlines():
                    self.say(b"." + line if line.startswith(b".") else line)
                self.say(".")
            case "DELE":
                gone.append(numbers[int(argument) - 1])
                self.say("+OK")
            case "QUIT":
                for number in gone:
                    del mails[number]
                self.after(word)
                self.say("+OK")
            case _:
                self.say("-ERR")


def imap(*mails: bytes, tls: str = "", certificate: tuple[Path, Path] | None = None) -> Mailbox:
    """An IMAP server with `mails` in its inbox."""
    return Mailbox(Imap, list(mails), tls, certificate)


def pop3(*mails: bytes, tls: str = "", certificate: tuple[Path, Path] | None = None) -> Mailbox:
    """A POP3 server with `mails`."""
    return Mailbox(Pop3, list(mails), tls, certificate)


def settings(server: Mailbox, protocol: str) -> dict[str, Any]:
    """What `[bounces]` says about it."""
    return {"protocol": protocol, "host": "127.0.0.1", "port": server.port, "user": USER}
