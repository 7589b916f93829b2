"""Requests nobody should send, and many that somebody does: for every route, bytes from right to hostile."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.routing import Route

from newsletter.audience import preferences
from newsletter.store import api_keys
from newsletter.store.api_keys import Scope
from newsletter.store.base import utc_text
from newsletter.web.app import make_app
from tests.web.conftest import Running

METHODS = (*["GET"] * 9, *["POST"] * 14, "HEAD", "HEAD", "OPTIONS", "PUT", "DELETE", "BREW", "get")
BYSTANDER = 1_000_000  # a number no request makes up
TEXTS = (
    "", "x", "yes", "1", "0", "-1", "9" * 30, "reader@example.com", "@", "a@b", "\x00", "é💌", "\u202e", "' OR 1=1 --",
    "<script>alert(1)</script>", "{{ 7*7 }}", "%00", "../../etc/passwd", "a" * 5000, "One-Click", "\r\nX: y", "2026-01-06",
)  # fmt: skip
FIELDS = (
    "email", "leave", "undo", "proof", "reason", "words", "List-Unsubscribe", "mail", "save", "name", "topic", "pause",
    "erase", "confirm", "form_token", "website", "work", "form", "csrf",
)  # fmt: skip
TYPES = (
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "multipart/form-data", "application/json",
    "text/plain", "", "application/x-www-form-urlencoded; charset=utf-16", 'multipart/form-data; boundary="', "é", "a" * 3000,
)  # fmt: skip
JSON = (
    b"{}", b"[]", b"null", b'"x"', b"{", b"[" * 3000, b'{"email": "a@example.com"}', b'{"email": 1e999}', b"\xff\xfe",
    b'{"email": "a@example.com", "tags": [1]}', b'{"add": ["a", "b"], "remove": ["c"]}', b'{"\\ud800": 1}',
    b'{"email": "b@example.com", "confirmed": true, "proof": "p", "tags": ["t"]}',
    b'[{"event": "bounce", "email": "a@example.com", "timestamp": 99999999999999999999}]',
    b'{"type": "email.bounced", "created_at": "never", "data": {"to": [null]}}',
    b'{"Type": "SubscriptionConfirmation", "SubscribeURL": "http://127.0.0.1:1/"}',
)  # fmt: skip
HEADERS = (
    ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "," * 500), ("cookie", "a=b; " * 50), ("range", "bytes=0-1"),
    ("if-none-match", '"'), ("if-modified-since", "Thu, 99 Foo 9999"), ("accept-encoding", "gzip;q=,br;q=9"),
    ("user-agent", "\xff" * 40), ("referer", "http://[::1"), ("origin", "null"), ("expect", "200-maybe"),
    ("svix-id", "m"), ("svix-timestamp", "9" * 40), ("svix-signature", "v1,AAAA"), ("x-twilio-email-event-webhook-signature", "MEU="),
    ("accept", "application/json"), ("host", ""), ("transfer-encoding", "gzip"), ("content-encoding", "gzip"),
)  # fmt: skip


@dataclass
class Maker:
    """Makes requests to one service.

    Attributes:
        paths: the templates of all its routes.
        tokens: those that are good, of all kinds.
        keys: of the API.
    """

    paths: Sequence[str]
    tokens: Sequence[str]
    keys: Sequence[str]

    def request(self, chance: random.Random) -> bytes:
        """One request, to the last byte."""
        method = chance.choice(METHODS)
        path = self._path(chance)
        head = [f"{method} {path} HTTP/1.1".encode("latin-1"), b"connection: close"]
        named = dict(chance.choices(HEADERS, k=chance.choice((0, 0, 1, 3))))
        if "host" not in named:
            named["host"] = "notes.example"
        if chance.random() < 0.5 or "/api/" in path:
            named["authorization"] = (
                f"Bearer {chance.choice(self.keys) if chance.random() < 0.99 else 'nlk_x'}"
            )
        kind, body = self._body(chance)
        if kind:
            named["content-type"] = kind
        if body or chance.random() < 0.3:
            length = len(body)
            if chance.random() < 0.05:
                length = chance.choice((0, length + 5, 10**12, -1))
            named["content-length"] = str(length)
        head += [name.encode() + b": " + value.encode("utf-8", "replace") for name, value in named.items()]
        raw = b"\r\n".join(head) + b"\r\n\r\n" + body
        if chance.random() < 0.03:
            at = chance.randrange(len(raw))
            raw = raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
        return raw

    def _path(self, chance: random.Random) -> str:
        parts = []
        for part in chance.choice(self.paths).split("/"):
            if not part.startswith("{"):
                parts.append(part)
            elif chance.random() < 0.6:
                parts.append(chance.choice(self.tokens))
            elif chance.random() < 0.5:
                parts.append(self._damaged(chance))
            else:
                parts.append(
                    quote(
                        chance.choice((*TEXTS, "7", "resend", "sendgrid", "ses")),
                        safe=chance.choice(("", "/")),
                    )
                )
        path = "/".join(parts)
        if chance.random() < 0.2:
            path += "?" + urlencode({chance.choice(FIELDS): chance.choice(TEXTS)})
        return path

    def _damaged(self, chance: random.Random) -> str:
        token = chance.choice(self.tokens)
        at = chance.randrange(len(token))
        return token[:at] + chance.choice("Aa0-_%") + token[at + 1 :]

    def _body(self, chance: random.Random) -> tuple[str, bytes]:
        kind = chance.choice(TYPES)
        if chance.random() < 0.25:
            return kind, b""
        if kind == "application/json" or chance.random() < 0.2:
            return kind, chance.choice(JSON)
        fields = [
            (chance.choice(FIELDS), chance.choice((*TEXTS, *self.tokens)))
            for _ in range(chance.choice((1, 2, 5, 80)))
        ]
        if kind.startswith("multipart") and chance.random() < 0.8:
            parts = [f'--b\r\ncontent-disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields]
            body = "".join(parts) + chance.choice(("--b--\r\n", "--b--", "", "--b"))
            return kind, body.encode("utf-8", "replace")
        return kind, urlencode(fields, errors="replace").encode()


def maker_for(site: Running) -> Maker:
    """What makes requests to `site`: with readers, tokens and keys that are there, and a bystander nobody acts for."""
    signer, now = site.service.signer, site.service.clock.now()
    until = int(now.timestamp()) + 3600
    tokens = ["A" * 19]
    for number in range(12):
        reader = site.add(f"reader{number}@example.com", f"Reader {number}", ("rag",))
        tokens += [
            signer.unsubscribe(reader),
            signer.preferences(reader),
            signer.delivery(1, reader),
            signer.left(reader, number, until),
            signer.manage(reader, until, preferences.new_serial()),
            str(reader),
        ]
    with site.service.audience.database.write() as tx:
        keys = [
            api_keys.create(tx, "k", scopes, now)[1] for scopes in (list(Scope), list(Scope), [Scope.READ])
        ]
        tx.execute(
            "INSERT INTO subscribers (id, email, match_key, name, status, created_at) VALUES (?, ?, ?, ?, 'active', ?)",
            (BYSTANDER, "bystander@example.org", "bystander@example.org", "By Stander", utc_text(now)),
        )
    paths = [route.path for route in make_app(site.service).routes if isinstance(route, Route)]
    return Maker([*paths, "/nothing", "//", "/u/", "*"], tokens, keys)


def answer_to(site: Running, raw: bytes, seconds: float = 30.0) -> bytes:
    """What comes back for the bytes of one request; the sender says that nothing more follows."""
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        answer = b""
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            pass  # refused before all of it was read
    return answer


def complaint(raw: bytes, answer: bytes) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if not answer:
        return ""  # it broke off, so there was nothing to answer
    status = answer.split(b" ", 2)[1]
    if not answer.startswith(b"HTTP/1.1 ") or status >= b"500" or b"Traceback" in answer:
        return f"{raw[:2000]!r}\n→ {answer[:2000]!r}"
    return ""


def bystander(site: Running) -> tuple[object, ...]:
    """All that is known of who nobody acted for."""
    return (site.person(BYSTANDER), tuple(site.history(BYSTANDER)))
