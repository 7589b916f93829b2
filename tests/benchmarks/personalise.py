"""How many messages a second leave one core? Run by hand: `.venv/bin/python tests/benchmarks/personalise.py`.

Prints CPU time per message of each way on one realistic issue (30 KB of HTML, 6 KB of text, slots in all
contexts), and its ratio to `EmailMessage` built for each recipient and to the floor: one `b"".join`
of as many pieces of the same sizes. Ratios come from interleaved rounds of one run; machines differ.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from newsletter.model.delivery import Recipient
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Template
from newsletter.render.compile import compile_issue
from newsletter.render.dkim import DkimSigner
from newsletter.render.escape import fill
from newsletter.render.message import MessageWriter
from newsletter.render.slots import SlotTable

ROUNDS = 7
AT = datetime(2026, 1, 6, 9, tzinfo=UTC)
PUBLICATION = Publication(
    name="Production AI Notes",
    from_email="notes@example.com",
    from_name="Production AI Notes",
    reply_to="reply@example.com",
    base_url="https://notes.example.com",
    list_id="notes.example.com",
)
FIRST = ["Ana", "Bob", "Chidi", "Dana", "Eve", "Farid", "Gül", "Hana", "Ivo", "Jürgen"]
LAST = ["Smith", "O'Brien", "Müller", "Novak", "Lee", "Okafor", "Silva", "Kim", "Rossi", "Jones"]


def realistic_issue() -> CompiledIssue:
    """About 30 KB of inlined HTML: four sections, code, a table; the name twice, the address once, two links."""
    table = SlotTable()
    name = table.token("subscriber.name", "there")
    leave, preferences = table.token("unsubscribe_url"), table.token("preferences_url")
    who = table.token("subscriber.email")
    style = 'style="margin:0 0 16px;font:16px/26px -apple-system,Helvetica,Arial,sans-serif;color:#1a1a1a"'
    prose = (
        "Reciprocal rank fusion adds up 1/(k + rank) over the lists, and needs no scores that can be compared — which is "
        "why it's so hard to beat. <strong>Start here</strong>, measure, and only then reach for anything learned. "
    )
    paragraph = f"<p {style}>{prose * 2}</p>\n"
    code = '<pre style="background:#272822;color:#f8f8f2;padding:16px">' + (
        '<span style="color:#66d9ef">def</span> <span style="color:#a6e22e">fuse</span>(lists, k=60):\n' * 12
    )
    section = f'<h2 style="font-size:20px">1 · Concept</h2>\n{paragraph * 7}{code}</pre>\n'
    html = (
        '<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8"><title>Hybrid retrieval</title>'
        f"<style>{'@media (prefers-color-scheme:dark){.c{color:#eee}}' * 20}</style></head><body>"
        f"<p {style}>Hi {name},</p>{section * 4}<p>See you next week, {name}.</p>"
        f'<p><a href="{leave}">Unsubscribe</a> · <a href="{preferences}">Preferences</a> · sent to {who}</p>'
        "</body></html>\n"
    )
    text = (
        f"Hi {name},\n\n"
        + ("Reciprocal rank fusion adds up 1/(k + rank) over the lists — and\nneeds no scores.\n\n" * 70)
        + f"Unsubscribe: {leave}\n"
    )
    result = compile_issue(
        "Hybrid retrieval without the hype", html, text, table, (), "https://notes.example.com/1", "001.md"
    )
    assert result.issue is not None, result.diagnostics
    return result.issue


def recipients(count: int) -> list[Recipient]:
    """People, one in five of whose names needs escaping or isn't ASCII."""
    found = []
    for number in range(count):
        email = f"reader{number}@mail{number % 50}.example.org"
        name = f"{FIRST[number % 10]} {LAST[number // 10 % 10]}"
        token = f"AbCd{number:010d}xYz_-"
        values = {
            "subscriber.name": name if number % 13 else "",
            "subscriber.email": email,
            "unsubscribe_url": f"https://notes.example.com/u/{token}",
            "preferences_url": f"https://notes.example.com/p/{token}",
        }
        found.append(Recipient(f"D{number:014d}", number, email, values))
    return found


def with_email_message(issue: CompiledIssue, recipient: Recipient, date: str) -> bytes:
    """What one would write with the standard library: fill, build, serialise, for each recipient."""

    def filled(template: Template) -> str:
        return "".join(
            part if isinstance(part, str) else fill(part, recipient.values.get(part.field))
            for part in template.parts
        )

    message = EmailMessage(policy=SMTP)
    message["From"] = "Production AI Notes <notes@example.com>"
    message["To"] = recipient.email
    message["Reply-To"] = "reply@example.com"
    message["Subject"] = filled(issue.subject)
    message["Date"] = date
    message["Message-ID"] = f"<{recipient.delivery_id}@example.com>"
    message["List-Unsubscribe"] = f"<{recipient.values['unsubscribe_url']}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["List-Id"] = "Production AI Notes <notes.example.com>"
    message["Precedence"] = "bulk"
    message["Feedback-ID"] = "1:notes.example.com:newsletter:examplecom"
    message.set_content(filled(issue.text), cte="quoted-printable")
    message.add_alternative(filled(issue.html), subtype="html", cte="quoted-printable")
    return message.as_bytes()


def cpu_per_call(run: Callable[[], int]) -> float:
    """Microseconds of this process's CPU per message."""
    start = time.process_time()
    done = run()
    return (time.process_time() - start) / done * 1e6


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def main() -> None:
    issue = realistic_issue()
    people = recipients(5_000)
    writer = MessageWriter(issue, PUBLICATION, send_key="1")
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with_rsa = MessageWriter(
        issue, PUBLICATION, send_key="1", dkim=DkimSigner("s", "example.com", pem(rsa_key))
    )
    with_ed25519 = MessageWriter(
        issue,
        PUBLICATION,
        send_key="1",
        dkim=DkimSigner("s", "example.com", pem(ed25519.Ed25519PrivateKey.generate())),
    )
    sample = writer.mime(people[0], AT).mime
    sizes = [len(part) for part in writer._parts]
    pieces = [bytes(size or 24) for size in sizes]
    slots = len(issue.html.slots) + len(issue.text.slots)
    print(
        f"{len(sample):,} bytes a message, {slots} slots, {len(pieces)} pieces; {ROUNDS} interleaved rounds"
    )

    def splice() -> int:
        for number, person in enumerate(people):
            # A send's clock moves on: every 500 messages another second.
            writer.mime(person, AT + timedelta(seconds=number // 500))
        return len(people)

    def fields() -> int:
        for person in people:
            writer.fields(person, AT)
        return len(people)

    def fields_batches() -> int:
        for start in range(0, len(people), 100):
            messages = [writer.fields(person, AT) for person in people[start : start + 100]]
            b"".join(
                [
                    piece
                    for m in messages
                    for piece in (b'{"html":"', *m.html_json, b'","text":"', *m.text_json, b'"}')
                ]
            )
        return len(people)

    def join() -> int:
        for _ in people:
            b"".join(pieces)
        return len(people)

    def signed_rsa() -> int:
        for person in people[:300]:
            with_rsa.mime(person, AT)
        return 300

    def signed_ed25519() -> int:
        for person in people[:1500]:
            with_ed25519.mime(person, AT)
        return 1500

    def email_message() -> int:
        for person in people[:40]:
            with_email_message(issue, person, "Tue, 06 Jan 2026 09:00:00 +0000")
        return 40

    ways: dict[str, Callable[[], int]] = {
        "floor: b''.join of the pieces": join,
        "MIME splice": splice,
        "fields (JSON segments)": fields,
        "fields, 100 joined per batch": fields_batches,
        "MIME + DKIM Ed25519": signed_ed25519,
        "MIME + DKIM RSA-2048": signed_rsa,
        "EmailMessage per recipient": email_message,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            times[name].append(cpu_per_call(run))
    peer = statistics.median(times["EmailMessage per recipient"])
    floor = statistics.median(times["floor: b''.join of the pieces"])
    print(f"{'way':32} {'µs':>9} {'messages/s':>12} {'× EmailMessage':>15} {'× floor':>8}")
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:32} {median:9.2f} {1e6 / median:12,.0f} {peer / median:15.1f} {median / floor:8.1f}")


if __name__ == "__main__":
    main()
