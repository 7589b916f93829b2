"""A name server on loopback, over UDP and TCP, that answers from a table, and misbehaves where it is told to.

The table's names are in lower case without a final dot; the entries of a name are `(type, value)`. Values are
text as in a zone file, bytes or lists of bytes for TXT. `CNAME` is followed within the table, as a recursive name
server does. Instead of entries a name may have one of `SERVFAIL`, `SILENT` and `LOOP`.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

SERVFAIL: Final = "SERVFAIL"
SILENT: Final = "SILENT"

Value = str | bytes | Sequence[bytes]
Entry = tuple[str, Value] | str
Zone = Mapping[str, Sequence[Entry]]


@dataclass
class FakeDns:
    """The server.

    Attributes:
        zone: what it knows; may be replaced between questions.
        asked: every question, as `(name, type, "udp" or "tcp")`.
        small: bytes that fit into a UDP answer; a larger one is truncated, to be asked again over TCP.
    """

    zone: Zone = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    small: int = 1232
    port: int = 0

    def __enter__(self) -> Self:
        fake = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, socket = self.request
                answer = fake.answer(data, "udp")
                if answer is not None:
                    socket.sendto(answer, self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                head = self.request.recv(2)
                if len(head) < 2:
                    return
                answer = fake.answer(self.request.recv(struct.unpack("!H", head)[0]), "tcp")
                if answer is not None:
                    self.request.sendall(struct.pack("!H", len(answer)) + answer)

        while True:
            self._tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
            self.port = self._tcp.server_address[1]
            try:
                self._udp = socketserver.UDPServer(("127.0.0.1", self.port), Udp)
                break
            except OSError:
                # The number is free for TCP alone: another will be free for both.
                self._tcp.server_close()
        for server in (self._tcp, self._udp):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self._tcp, self._udp):
            server.shutdown()
            server.server_close()

    def answer(self, data: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(data)
        [question] = query.question
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name
        self.asked.append((as_text(name), kind, transport))
        response = dns.message.make_response(query, recursion_available=True)
        for _ in range(12):
            key = as_text(name)
            entries = self.zone.get(key)
            if entries is None:
                # A name that others are below exists, without records (RFC 8020).
                # So does `com`, unless there is nothing at all: that is a name server without a network.
                below = any(other.endswith(f".{key}") for other in self.zone) or (key == "com" and self.zone)
                response.set_rcode(dns.rcode.NOERROR if below else dns.rcode.NXDOMAIN)
                break
            records = [entry for entry in entries if not isinstance(entry, str) and entry[0] == kind]
            if not records and SILENT in entries:
                return None
            if not records and SERVFAIL in entries:
                response.set_rcode(dns.rcode.SERVFAIL)
                break
            if records:
                response.answer.append(rrset(name, kind, [value for _, value in records]))
                break
            aliases = [entry[1] for entry in entries if not isinstance(entry, str) and entry[0] == "CNAME"]
            if not aliases:
                break
            response.answer.append(rrset(name, "CNAME", aliases))
            name = dns.name.from_text(str(aliases[0]))
        wire = response.to_wire(max_size=65535)
        if transport == "udp" and len(wire) > self.small:
            response.answer.clear()
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return wire


def as_text(name: dns.name.Name) -> str:
    """As the zone has it: without escapes, in lower case."""
    return b".".join(name.labels[:-1]).decode("utf-8", "replace").lower()


def rrset(name: dns.name.Name, kind: str, values: Sequence[Value]) -> dns.rrset.RRset:
    made = dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.from_text(kind))
    for value in values:
        made.add(_rdata(kind, value), 300)
    return made


def _rdata(kind: str, value: Value) -> dns.rdata.Rdata:
    if kind != "TXT":
        text: Any = value
        return dns.rdata.from_text(
            "IN", kind, text if text.endswith(".") or kind in ("A", "AAAA") else f"{text}."
        )
    if isinstance(value, str):
        value = value.encode("latin-1")
    if isinstance(value, bytes):
        value = [value[at : at + 255] for at in range(0, len(value), 255)]
    # A record without any string can't be made; an empty one is what readers take it for.
    strings = list(value) or [b""]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)
