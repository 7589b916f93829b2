"""For any name and any text, what the standard library's parser reads is what was meant."""

from __future__ import annotations

import email
import email.header
import email.message
import email.policy
import json
import re
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.model.delivery import Recipient
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Context, InlineImage, Slot, Template
from newsletter.render.escape import clean_literal, fill
from newsletter.render.message import MessageWriter

AT = datetime(2026, 1, 6, 9, tzinfo=UTC)
URL = (
    "https://notes.example.com/u/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_"
)
PUBLICATION = Publication(
    name="Prödüction “AI” Notes",
    from_email="notes@example.com",
    from_name="Notes, from =?utf-8?q?us?=",
    reply_to="reply@example.com",
    base_url="https://notes.example.com",
    list_id="notes.example.com",
)
IMAGE = InlineImage("flow@notes", "flow-1a2b.png", "image/png", b"\x89PNG\r\n.\r\n" * 40)

NASTY = [
    "",
    " ",
    "Bob\r\nBcc: victim@example.org",
    "\r\n\r\n<script>alert(1)</script>",
    "=3D.",
    "=",
    "=\r\n",
    "=?utf-8?q?x?=",
    ".",
    "..\r\n.",
    ".leading",
    "From here",
    "From ",
    "💌" * 30,
    "👩‍👩‍👧‍👦",
    "\u202egnp.exe",
    "\u2066isolated\u2069",
    "a\u2028b\u2029c\x85d",
    "\x00\x01\x1b[31m\x7f\x9b",
    "\ud800 lone \udfff",
    "x" * 998,
    "é" * 2000,
    "word " * 400,
    '"quoted", <b>&amp;</b>',
    'O\'Brien, "Jr" <jr@example.org>',
    "{{ subscriber.email }} {% x %} ${y} %s %(z)d %0D%0A",
    "javascript:alert(1)",
    "http://x.org/?a=1&b=2 '\"><",
    "tab\tand  two  spaces ",
    "--=_alternative_0--",
    "\ue0000\ue001",
]
ANY_TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=()), max_size=80),
    st.text("=.\r\n \tF\"'<>&?_-éö💌", max_size=200),
    st.lists(st.sampled_from(NASTY), max_size=3).map("".join),
)
FIELDS = st.sampled_from(["subscriber.name", "subscriber.metadata.city", "unsubscribe_url"])
LITERALS = ANY_TEXT | st.sampled_from(["\n", "\n.\n", "\nFrom me\n", " \n", "Dear ", "line\r\n", "\r"])


def templates(contexts: list[Context]) -> st.SearchStrategy[Template]:
    slots = st.builds(
        Slot, FIELDS, st.sampled_from(["", "there", "dear\nreader", "."]), st.sampled_from(contexts)
    )
    return st.lists(LITERALS | slots, max_size=6).map(lambda parts: Template(tuple(parts)))


SUBJECT_LITERALS = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=120)
SUBJECTS = st.lists(
    SUBJECT_LITERALS | st.builds(Slot, FIELDS, st.just("you"), st.just(Context.HEADER)), max_size=4
).map(lambda parts: Template(tuple(parts)))
HTML = templates([Context.HTML, Context.ATTRIBUTE, Context.URL, Context.URL_COMPONENT])
TEXT = templates([Context.TEXT])


def meant(template: Template, values: dict[str, str]) -> str:
    """What a reader should see: literals cleaned, values escaped for their place."""
    runs: list[str] = [""]
    for part in template.parts:
        if isinstance(part, str):
            runs[-1] += part
        else:
            runs += [fill(part, values.get(part.field)), ""]
    runs = [run if number % 2 else clean_literal(run) for number, run in enumerate(runs)]
    return "".join(runs) + ("" if runs[-1].endswith("\n") else "\n")


def decoded(part: email.message.Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8").replace("\r\n", "\n")


@given(subject=SUBJECTS, html=HTML, text=TEXT, name=ANY_TEXT, city=ANY_TEXT, with_image=st.booleans())
@example(
    subject=Template((Slot("subscriber.name", "you", Context.HEADER), ", your " + "long " * 30)),
    html=Template((Slot("subscriber.name", "", Context.HTML), Slot("subscriber.name", "", Context.HTML))),
    text=Template(("Hi ", Slot("subscriber.name", "", Context.TEXT))),
    name="x" * 1200,
    city="",
    with_image=True,
)
def test_both_parts_and_the_subject_decode_to_what_was_meant(  # noqa: PLR0917 - Hypothesis fills them by name
    subject: Template, html: Template, text: Template, name: str, city: str, with_image: bool
) -> None:
    images = (IMAGE,) if with_image else ()
    writer = MessageWriter(CompiledIssue(subject, html, text, images, ""), PUBLICATION, send_key="1")
    values = {"subscriber.name": name, "subscriber.metadata.city": city, "unsubscribe_url": URL}
    recipient = Recipient("Dxyz-_1", 1, "reader@example.org", values)
    message = writer.mime(recipient, AT)
    wire = message.mime

    lines = wire.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines), "CRLF only"
    assert max(map(len, lines)) <= 998
    assert not any(line.startswith((b".", b"From ")) for line in lines), "nothing to dot-stuff"
    assert wire.isascii()
    head, _, body = wire.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    for line in head.split(b"\r\n"):
        words = re.findall(rb"=\?utf-8\?[bq]\?[^? ]*\?=", line)
        assert not words or (len(line) <= 76 and max(map(len, words)) <= 75)
    assert b"\r\nList-Unsubscribe: <" + URL.encode() + b">\r\n" in head + b"\r\n"

    expected_subject = re.sub(
        "[ \t]+",
        " ",
        "".join(p if isinstance(p, str) else fill(p, values.get(p.field)) for p in subject.parts),
    ).strip(" ")
    assert message.subject == expected_subject
    for policy in (email.policy.default, email.policy.compat32):
        parsed = email.message_from_bytes(wire, policy=policy)
        assert not any(part.defects for part in parsed.walk())
        assert [part.get_content_type() for part in parsed.walk()] == (
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
            if with_image
            else ["multipart/alternative", "text/plain", "text/html"]
        )
        by_type = {part.get_content_type(): part for part in parsed.walk()}
        assert decoded(by_type["text/plain"]) == meant(text, values)
        assert decoded(by_type["text/html"]) == meant(html, values)
        if with_image:
            assert by_type["image/png"].get_payload(decode=True) == IMAGE.data
        assert len(parsed.get_all("Subject", [])) == 1
        assert _header_text(parsed, "Subject") == expected_subject
        assert sorted(parsed.keys()) == sorted(EXPECTED_HEADERS)
        assert parsed["Message-ID"] == "<Dxyz-_1@example.com>"
    parsed = email.message_from_bytes(wire, policy=email.policy.default)
    sender = parsed["From"].addresses
    assert [(a.display_name, a.addr_spec) for a in sender] == [(PUBLICATION.from_name, "notes@example.com")]

    fields = writer.fields(recipient, AT)
    assert fields.subject == expected_subject
    for segments, template in ((fields.html_json, html), (fields.text_json, text)):
        assert json.loads(b'"' + b"".join(segments) + b'"') == meant(template, values)


EXPECTED_HEADERS = [
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post",
    "List-Id", "List-Post", "List-Archive", "List-Help", "Precedence", "X-Auto-Response-Suppress",
    "Feedback-ID", "X-Newsletter-Delivery", "MIME-Version", "Content-Type",
]  # fmt: skip


def _header_text(parsed: email.message.Message, name: str) -> str:
    value = parsed[name]
    if isinstance(parsed, email.message.EmailMessage):
        return str(value)
    return str(email.header.make_header(email.header.decode_header(value.replace("\r\n", ""))))
