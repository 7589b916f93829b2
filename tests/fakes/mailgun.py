"""Mailgun's messages and events on loopback: their limits, answers and errors.

    python tests/fakes/mailgun.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

A ledger line also has `tags` and `variables` (the `v:` of the message). Mailgun's own variables are replaced last, in
what readers' values brought in too: the worst that the documents leave open.
Sources: as of newsletter/providers/mailgun/provider.py.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.http import Answer, Call, FakeHttp

_LARGEST = 25 * 1024 * 1024
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PART = re.compile(
    rb'Content-Disposition: form-data; name="([^"]+)"(?:; filename="([^"]*)")?\r\n(?:[^\r\n]+\r\n)*\r\n'
)
_VARIABLE = re.compile(r"%recipient\.([^%\s]+)%")

Form = dict[str, list[str]]
Fill = Callable[[str], str]


def said(status: int, message: str) -> Answer:
    """An answer in Mailgun's form."""
    return Answer(status, {"message": message})


@dataclass
class FakeMailgun(FakeHttp):
    """A server on 127.0.0.1.

    Attributes:
        domains: those of the account; empty for any.
    """

    name = "mailgun"

    secret: str = "key-0123456789abcdef"
    domains: tuple[str, ...] = ()
    events: list[dict[str, Any]] = field(default_factory=list)

    def too_many(self, wait: float) -> Answer:
        seconds = max(1, round(wait))
        return said(
            429,
            f"Domain example.com is not allowed to send: account-requests-per-sec limit exceeded, try again after {seconds} seconds",
        )

    def saying(self, status: int) -> Answer:
        if status == 401:
            return Answer(401, b"Forbidden")
        return said(status, {402: "Payment required", 404: "not found"}.get(status, "Internal Server Error"))

    def answer(self, call: Call) -> Answer:
        """What Mailgun says to a call."""
        expected = base64.b64encode(f"api:{self.secret}".encode()).decode()
        if call.headers.get("authorization") != f"Basic {expected}":
            return self.saying(401)
        url = urlsplit(call.path)
        found = re.fullmatch(r"/v3/([^/]+)/(messages|events)(?:/([^/]+))?", url.path)
        if found is None:
            return Answer(200, b"Mailgun Magnificent API")
        domain, kind, page = found.groups()
        if self.domains and domain not in self.domains:
            return said(404, f"Domain not found: {domain}")
        if kind == "events" and call.method == "GET":
            return self._search(domain, {n: v[0] for n, v in parse_qs(url.query).items()}, page)
        if kind != "messages" or call.method != "POST" or page:
            return self.saying(404)
        if len(call.body) > _LARGEST:
            return said(413, "Message too large")
        form = _read_form(call.headers.get("content-type", ""), call.body)
        return said(400, "the form can't be read") if form is None else self._send(domain, form)

    def _send(self, domain: str, form: Form) -> Answer:
        complaint = next(_complaints(form), None)
        if complaint:
            return said(400, complaint)
        if self.verified and domain not in self.verified:
            return said(
                403,
                f"Domain {domain} is not allowed to send: The domain is unverified and requires DNS configuration. Log in to your control panel to view required DNS records.",
            )
        if self.over_quota(len(form["to"])):
            again = formatdate(time.time() + 3 * 3600).replace("-0000", "UTC")
            return said(
                420,
                f"Domain {domain} is not allowed to send: recipient limit exceeded, try again after {again}",
            )
        number = f"{time.strftime('%Y%m%d%H%M%S')}.{uuid.uuid4().hex[:16]}@{domain}"
        everyone = json.loads(form.get("recipient-variables", ["{}"])[0])
        if form.get("o:testmode") != ["yes"]:
            self.deliver(
                _received(form, address, everyone, number, whole=self.keep) for address in form["to"]
            )
            tags = form.get("o:tag", [])
            with self._lock:
                self.events += [_accepted(form, address, everyone, number, tags) for address in form["to"]]
        return Answer(200, {"id": f"<{number}>", "message": "Queued. Thank you."})

    def _search(self, domain: str, asked: Mapping[str, str], page: str | None) -> Answer:
        if page is not None:
            asked = json.loads(base64.urlsafe_b64decode(page))
        elif not asked.get("begin") or not asked.get("ascending"):
            return said(400, "begin and ascending are needed")
        limit, start = min(int(asked.get("limit", 100)), 300), int(asked.get("start", 0))
        wanted = {name.strip() for name in asked.get("event", "").split(" OR ") if name}
        with self._lock:
            found = [
                event
                for event in self.events
                if (not wanted or event["event"] in wanted)
                and ("tags" not in asked or asked["tags"] in event["tags"])
                and event["timestamp"] >= float(asked["begin"])
            ]
        following = base64.urlsafe_b64encode(json.dumps({**asked, "start": start + limit}).encode()).decode()
        # The real one names its own host, whatever was asked.
        paging = {"next": f"https://api.mailgun.net/v3/{domain}/events/{following}"}
        return Answer(200, {"items": found[start : start + limit], "paging": paging})


def _read_form(kind: str, body: bytes) -> Form | None:
    """The fields of a multipart form (RFC 7578); files by `name/filename`."""
    named = re.fullmatch(r"multipart/form-data; boundary=([A-Za-z0-9'+_,./:=?-]{1,70})", kind)
    if named is None:
        return None
    boundary = b"--" + named[1].encode()
    if not body.startswith(boundary + b"\r\n") or not body.endswith(b"\r\n" + boundary + b"--\r\n"):
        return None
    form: Form = {}
    inner = body[len(boundary) + 2 : -len(boundary) - 6]
    for part in inner.split(b"\r\n" + boundary + b"\r\n"):
        head = _PART.match(part)
        if head is None:
            return None
        name = head[1].decode() + ("" if head[2] is None else f"/{head[2].decode()}")
        data = part[head.end() :]
        form.setdefault(name, []).append(data.decode("latin-1" if head[2] is not None else "utf-8"))
    return form


def _complaints(form: Form) -> Iterator[str]:
    """What Mailgun's validation says about a message; the first counts."""
    for name in ("from", "to"):
        if name not in form:
            yield f"'{name}' parameter is missing"
            return
    if not _ADDRESS.fullmatch(parseaddr(form["from"][0])[1]):
        yield "'from' parameter is not a valid address. please check documentation"
    if not all(_ADDRESS.fullmatch(address) for address in form["to"]):
        yield "'to' parameter is not a valid address. please check documentation"
    if len(form["to"]) > 1000:
        yield "Too many recipients, max is 1000"
    if not {"html", "text", "amp-html", "template"} & set(form):
        yield "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"
    options = [(n, v) for n, values in form.items() for v in values if n[:2] in ("o:", "h:", "v:", "t:")]
    if sum(len(n) + len(v.encode()) for n, v in options) > 16 * 1024:
        yield "Send options (parameters starting with o:, h:, or v:) are limited to 16KB total"
    try:
        everyone = json.loads(form.get("recipient-variables", ["{}"])[0])
    except ValueError:
        yield "'recipient-variables' parameter is not valid JSON"
        return
    if not isinstance(everyone, dict) or not all(isinstance(v, dict) for v in everyone.values()):
        yield "'recipient-variables' parameter is not valid"


def _filler(address: str, mine: Mapping[str, Any], *, batch: bool) -> Fill:
    own = {
        "%recipient%": address,
        "%recipient_email%": address,
        "%recipient_name%": address,
        "%recipient_fname%": address,
        "%recipient_lname%": address,
        "%unsubscribe_url%": "https://email.example.com/u/1",
        "%tag_unsubscribe_url%": "https://email.example.com/u/2",
        "%mailing_list_unsubscribe_url%": "https://email.example.com/u/3",
        "%unsubscribe_email%": "mailto:u@email.example.com",
    }

    def fill(text: str) -> str:
        if batch:
            text = _VARIABLE.sub(lambda found: str(mine.get(found[1], found[0])), text)
        for name, value in own.items():
            text = text.replace(name, value)
        return text

    return fill


def _received(
    form: Form, address: str, everyone: Mapping[str, Any], number: str, *, whole: bool
) -> dict[str, Any]:
    # Without variables everybody would see everybody: the ledger shows it as a list of addresses.
    fill = _filler(address, everyone.get(address, {}), batch=bool(everyone))
    headers = {n[2:].lower(): fill(v[-1]) for n, v in form.items() if n.startswith("h:")}
    variables = {n[2:]: fill(v[-1]) for n, v in form.items() if n.startswith("v:")}
    return {
        "recipient": address if everyone else ", ".join(form["to"]),
        "id": number,
        "delivery_id": variables.get("delivery_id", ""),
        "variables": variables,
        "tags": form.get("o:tag", []),
        "headers": headers,
        **{name: fill(form.get(name, [""])[0]) for name in ("subject", "html", "text") if whole},
        "inline": {n.partition("/")[2]: len(v[0]) for n, v in form.items() if n.startswith("inline/")},
    }


_COUNT = itertools.count(1)


def _accepted(
    form: Form, address: str, everyone: Mapping[str, Any], number: str, tags: list[str]
) -> dict[str, Any]:
    fill = _filler(address, everyone.get(address, {}), batch=bool(everyone))
    return {
        "event": "accepted",
        "id": f"event-{next(_COUNT)}",
        "timestamp": time.time(),
        "recipient": address,
        "tags": tags,
        "user-variables": {n[2:]: fill(v[-1]) for n, v in form.items() if n.startswith("v:")},
        "message": {"headers": {"to": address, "message-id": number, "subject": "…"}},
    }


if __name__ == "__main__":
    FakeMailgun.main()
