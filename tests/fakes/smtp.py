"""A small, fast SMTP server with a ledger of its own and faults on demand; also a program for tests that kill things.

    python tests/fakes/smtp.py --port-file PORT --ledger FILE [--fault '{"at": "RCPT", "do": "550 no"}'] …

A ledger line per accepted recipient: `recipient`, `sender`, `size`, `headers` (names in lower case), written before the 250.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.ledger import Fault, Faults, Ledger, write_port_file


@dataclass(frozen=True)
class Received:
    """One accepted transaction: `data` is the message with dots unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


class _Dropped(Exception):  # noqa: N818 - not an error: the connection is over, as the test asked
    """The connection is over."""


@dataclass
class FakeSmtp:
    """A server on 127.0.0.1, one thread per connection.

    Attributes:
        pipelining: whether EHLO offers PIPELINING (RFC 2920).
        extensions: other EHLO lines.
        certificate: PEM chain and key paths; offers STARTTLS, or speaks TLS at once with `implicit_tls`.
        users: login → password; offers AUTH where there are any (after STARTTLS where a certificate is given).
        per_connection: messages after which it says 421 and closes; 0 for no limit.
        at_once: connections it takes at a time; the next is greeted with 421. 0 for no limit.
        accept_empty: answer DATA with 354 although every recipient was refused (RFC 2920, section 3.1).
        cut_text_after: drop the connection, once, so many bytes into a text; 0 for never.
        latency: seconds before each batch of replies.
        keep: whether to keep whole messages in `messages`.
    """

    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    pipelining: bool = True
    extensions: tuple[str, ...] = ("8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES")
    certificate: tuple[Path, Path] | None = None
    implicit_tls: bool = False
    users: dict[str, str] = field(default_factory=dict)
    auth_mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    per_connection: int = 0
    at_once: int = 0
    accept_empty: bool = False
    cut_text_after: int = 0
    latency: float = 0.0
    keep: bool = True
    port: int = 0
    messages: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)  # as received, without secrets
    connections: int = 0
    round_trips: int = 0  # groups of replies written

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        if self.certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*self.certificate)
        self._acceptor = threading.Thread(target=self._accept, name="fake-smtp", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Serve until the process ends."""
        self._acceptor.join()

    def close(self) -> None:
        """Stop listening and drop every connection; who is kept waiting is let go."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        self._acceptor.join(60)

    def drop_connections(self) -> None:
        """Cut every open connection, as an idle timeout or a restart does."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
                self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        conversation = _Conversation(self, connection)
        with contextlib.suppress(OSError, _Dropped):
            if self.implicit_tls:
                conversation.wrap()
            conversation.run()
        with self._lock:
            self._open.discard(conversation.stream)
            with contextlib.suppress(OSError):
                conversation.stream.close()

    def _replace(self, old: socket.socket, new: socket.socket) -> None:
        with self._lock:
            self._open.discard(old)
            self._open.add(new)


class _Conversation:
    """One connection's dialogue. Replies to a pipelined group leave in one write, as real servers do."""

    def __init__(self, server: FakeSmtp, stream: socket.socket) -> None:
        self._server = server
        self.stream = stream
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._secure = server.implicit_tls
        self._authenticated = not server.users
        self._count = 0

    def wrap(self) -> None:
        """Go on over TLS."""
        context = self._server._context
        assert context is not None
        plain = self.stream
        # The handshake comes after the swap: wrapping takes the file descriptor over, whatever follows.
        self.stream = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self._server._replace(plain, self.stream)
        self.stream.do_handshake()

    def run(self) -> None:
        """Talk until the client leaves or a fault ends it."""
        if 0 < self._server.at_once < len(self._server._open):
            self._reply("421 4.7.0 too many connections")
            self._flush()
            raise _Dropped
        if not self._strike("CONNECT", b""):
            self._reply("220 fake.example ESMTP")
        while True:
            line = self._read_line()
            verb = line[:4].upper()
            if self._server.keep:
                self._server.commands.append("AUTH …" if verb == b"AUTH" else line.decode("utf-8", "replace"))
            if verb == b"QUIT":
                self._reply("221 2.0.0 bye")
                self._flush()
                return
            self._command(verb, line)

    def _command(self, verb: bytes, line: bytes) -> None:
        match verb:
            case b"EHLO" | b"HELO":
                self._reset()
                if not self._strike("EHLO", line):
                    self._hello()
            case b"STAR":
                if not self._strike("STARTTLS", line):
                    self._start_tls()
            case b"AUTH":
                if not self._strike("AUTH", line):
                    self._auth(line)
            case b"MAIL":
                self._mail(line)
            case b"RCPT":
                self._rcpt(line)
            case b"DATA":
                self._data()
            case b"RSET":
                self._reset()
                self._reply("250 2.0.0 ok")
            case b"NOOP":
                self._reply("250 2.0.0 ok")
            case _:
                self._reply("502 5.5.2 unknown command")

    def _hello(self) -> None:
        server = self._server
        lines = ["fake.example", *server.extensions]
        if server.pipelining:
            lines.append("PIPELINING")
        if server.certificate is not None and not self._secure:
            lines.append("STARTTLS")
        elif server.users:
            lines.append("AUTH " + " ".join(server.auth_mechanisms))
        for text in lines[:-1]:
            self._reply(f"250-{text}")
        self._reply(f"250 {lines[-1]}")

    def _start_tls(self) -> None:
        if self._server._context is None:
            self._reply("502 5.5.1 no TLS here")
            return
        self._reply("220 2.0.0 go ahead")
        self._flush()
        self._buffer.clear()  # anything sent before the handshake is not trusted (RFC 3207, section 6)
        self.wrap()
        self._secure = True

    def _auth(self, line: bytes) -> None:
        mechanism, _, initial = line[5:].partition(b" ")
        if mechanism.upper() == b"PLAIN":
            answer = initial or self._ask("")
            _, user, password = base64.b64decode(answer).split(b"\0")
        else:
            user = base64.b64decode(initial or self._ask("VXNlcm5hbWU6"))
            password = base64.b64decode(self._ask("UGFzc3dvcmQ6"))
        if self._server.users.get(user.decode()) == password.decode():
            self._authenticated = True
            self._reply("235 2.7.0 welcome")
        else:
            self._reply("535 5.7.8 authentication credentials invalid")

    def _ask(self, prompt: str) -> bytes:
        self._reply(f"334 {prompt}")
        return self._read_line()

    def _mail(self, line: bytes) -> None:
        if self._strike("MAIL", line):
            return
        if not self._authenticated:
            self._reply("530 5.7.0 authentication required")
        elif self._sender is not None:
            self._reply("503 5.5.1 nested MAIL")
        elif self._server.per_connection and self._count >= self._server.per_connection:
            self._reply("421 4.7.0 too many messages in this connection")
            self._flush()
            raise _Dropped
        else:
            self._sender = _path(line)
            self._reply("250 2.1.0 ok")

    def _rcpt(self, line: bytes) -> None:
        if self._strike("RCPT", line):
            return
        if self._sender is None:
            self._reply("503 5.5.1 MAIL first")
        else:
            self._recipients.append(_path(line))
            self._reply("250 2.1.5 ok")

    def _data(self) -> None:
        envelope = " ".join(self._recipients).encode()
        if self._strike("DATA", envelope):
            return
        if not self._recipients:
            # RFC 2920, section 3.1: a server may refuse here or answer 354; the client must cope with both.
            if self._sender is not None and self._server.accept_empty:
                self._reply("354 end with a dot")
                self._read_message()
                self._reset()
                self._reply("554 5.5.1 no valid recipients")
            else:
                self._reply("554 5.5.1 no valid recipients")
            return
        self._reply("354 end with a dot")
        data = self._read_message()
        sender, recipients = self._sender or "", tuple(self._recipients)
        self._reset()
        fault = self._server.faults.pick("END", envelope)
        if fault is not None and not fault.do.startswith("accept-"):
            if self._make(fault):
                return
        elif data.count(b"\n") != data.count(b"\r\n") or data.count(b"\r") != data.count(b"\r\n"):
            self._reply("521 5.5.2 bare line feed or carriage return refused")
            return
        self._count += 1
        self._server.ledger.append(_entries(sender, recipients, data))
        if self._server.keep:
            self._server.messages.append(Received(sender, recipients, data))
        if fault is None or not self._make(fault):
            self._reply(f"250 2.0.0 Ok: queued as {len(data):X}{self._count:05X}")

    def _strike(self, at: str, text: bytes) -> bool:
        fault = self._server.faults.pick(at, text)
        return fault is not None and self._make(fault)

    def _make(self, fault: Fault) -> bool:
        """Do the fault; whether it has answered for the command."""
        match fault.do:
            case "close" | "accept-close":
                self._flush()
                raise _Dropped
            case "hang" | "accept-hang":
                self._server._closing.wait(fault.seconds)
                raise _Dropped
            case "slow":
                self._server._closing.wait(fault.seconds)
                return False
            case answer:
                self._reply(answer)
                if answer.startswith("421"):
                    self._flush()
                    raise _Dropped
                return True

    def _reset(self) -> None:
        self._sender = None
        self._recipients = []

    def _reply(self, text: str) -> None:
        self._replies.append(text.encode() + b"\r\n")

    def _flush(self) -> None:
        if self._replies:
            if self._server.latency:
                self._server._closing.wait(self._server.latency)
            self._server.round_trips += 1
            self.stream.sendall(b"".join(self._replies))
            self._replies.clear()

    def _fill(self) -> None:
        self._flush()
        chunk = self.stream.recv(262144)
        if not chunk:
            raise _Dropped
        self._buffer += chunk

    def _read_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _read_message(self) -> bytes:
        while len(self._buffer) < 3:
            self._fill()
        if self._buffer.startswith(b".\r\n"):
            del self._buffer[:3]
            return b""
        searched = 0
        while (end := self._buffer.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(self._buffer) - 4)
            if 0 < self._server.cut_text_after <= len(self._buffer):
                self._server.cut_text_after = 0
                raise _Dropped
            self._fill()
        data = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 5]
        if data.startswith(b"."):
            data = data[1:]
        return data.replace(b"\r\n.", b"\r\n") if b"\r\n." in data else data


def _path(line: bytes) -> str:
    return line[line.index(b"<") + 1 : line.index(b">")].decode()


def _entries(sender: str, recipients: Iterable[str], data: bytes) -> list[dict[str, Any]]:
    head = (
        data.partition(b"\r\n\r\n")[0]
        .replace(b"\r\n ", b" ")
        .replace(b"\r\n\t", b" ")
        .decode("utf-8", "replace")
    )
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head.split("\r\n"))}
    return [{"recipient": r, "sender": sender, "size": len(data), "headers": headers} for r in recipients]


def make_certificate(folder: Path, host: str = "localhost") -> tuple[Path, Path]:
    """A self-signed certificate for `host` (and 127.0.0.1 with localhost): paths of the PEM and of its key."""
    import datetime as dt
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(names),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return chain, secret


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--fault", action="append", default=[], help="JSON of a Fault; may be repeated")
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--per-connection", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each group of replies")
    options = parser.parse_args()
    server = FakeSmtp(
        ledger=Ledger(options.ledger),
        faults=Faults(Fault(**json.loads(text)) for text in options.fault),
        pipelining=not options.no_pipelining,
        per_connection=options.per_connection,
        latency=options.latency,
        keep=False,
        port=options.port,
    )
    write_port_file(options.port_file, server.port)
    server.wait()


if __name__ == "__main__":
    main()
