"""What a message says about itself: the list headers, who may be written to, what is refused and how."""

from __future__ import annotations

import email
import email.policy
import json
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from newsletter.errors import NewsletterError
from newsletter.model.delivery import Recipient
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Context, InlineImage, Slot, Template
from newsletter.render.message import MessageWriter

AT = datetime(2026, 1, 6, 9, 0, 0, 250_000, tzinfo=UTC)
URL = "https://notes.example.com/u/AbC_-1"
PUBLICATION = Publication(
    name="Production AI Notes",
    from_email="notes@example.com",
    from_name="Production AI Notes",
    reply_to="reply@example.com",
    base_url="https://notes.example.com",
    list_id="notes.example.com",
)
ISSUE = CompiledIssue(
    Template(("Hybrid retrieval",)),
    Template(("<p>Hi ", Slot("subscriber.name", "you", Context.HTML), "</p>")),
    Template(("Hi ", Slot("subscriber.name", "you", Context.TEXT), "\n")),
    (),
    "https://notes.example.com/issues/1",
)
READER = Recipient("Dx_-9", 1, "joe@example.org", {"subscriber.name": "Joe", "unsubscribe_url": URL})


def writer(
    issue: CompiledIssue = ISSUE, publication: Publication = PUBLICATION, **options: object
) -> MessageWriter:
    return MessageWriter(issue, publication, send_key="issue-1", **options)  # type: ignore[arg-type]


def leaving_by(url: str) -> Recipient:
    return READER._replace(values={"unsubscribe_url": url})


def test_every_message_has_the_headers_mailbox_providers_ask_for() -> None:
    message = writer().mime(READER, AT)
    head = message.mime.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    assert head == [
        "From: Production AI Notes <notes@example.com>",
        "To: joe@example.org",
        "Reply-To: reply@example.com",
        "Subject: Hybrid retrieval",
        "Date: Tue, 06 Jan 2026 09:00:00 +0000",
        "Message-ID: <Dx_-9@example.com>",
        f"List-Unsubscribe: <{URL}>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "List-Id: Production AI Notes <notes.example.com>",
        "List-Post: NO",
        "List-Archive: <https://notes.example.com/>",
        "List-Help: <https://notes.example.com/>",
        "Archived-At: <https://notes.example.com/issues/1>",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: OOF, AutoReply",
        "Feedback-ID: issue-1:notes.example.com:newsletter:examplecom",
        "X-Newsletter-Delivery: Dx_-9",
        "MIME-Version: 1.0",
        head[-1],
    ]
    assert re.fullmatch(r'Content-Type: multipart/alternative; boundary="=_[^"]+"', head[-1])
    assert (message.delivery_id, message.sender, message.recipient) == (
        "Dx_-9",
        "notes@example.com",
        "joe@example.org",
    )


def test_a_field_provider_gets_the_same_list_headers_and_none_it_writes_itself() -> None:
    message = writer().fields(READER, AT)
    assert message.mime == b""
    assert message.from_header == "Production AI Notes <notes@example.com>"
    assert message.reply_to == "reply@example.com"
    mime = email.message_from_bytes(writer().mime(READER, AT).mime)
    own = {"From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}
    assert dict(message.headers) == {name: value for name, value in mime.items() if name not in own}
    assert len(message.headers) == len(dict(message.headers))


def test_headers_for_a_field_provider_are_ascii_on_one_line_even_for_a_long_foreign_name() -> None:
    publication = replace(PUBLICATION, name="Prödüction “Nötes” " * 12)
    message = writer(publication=publication).fields(READER, AT)
    assert all(value.isascii() and value.isprintable() for _, value in message.headers)


def test_the_same_recipient_at_the_same_time_gets_the_same_bytes_from_any_writer() -> None:
    assert writer().mime(READER, AT).mime == writer().mime(READER, AT).mime
    assert writer().fields(READER, AT) == writer().fields(READER, AT + timedelta(hours=1))


def test_one_persons_values_never_reach_the_next_message() -> None:
    one = writer()
    bob = READER._replace(values={"subscriber.name": "Bob", "unsubscribe_url": URL})
    nobody = leaving_by(URL)
    first = one.mime(nobody, AT).mime
    assert b"Bob" in one.mime(bob, AT).mime
    assert one.mime(nobody, AT).mime == first
    assert b"Bob" not in b"".join(one.fields(nobody, AT).html_json)


def test_threads_share_a_writer() -> None:
    one = writer()
    expected = {second: writer().mime(READER, AT + timedelta(seconds=second)).mime for second in range(4)}
    wrong: list[int] = []

    def work(second: int) -> None:
        at = AT + timedelta(seconds=second)
        wrong.extend(second for _ in range(300) if one.mime(READER, at).mime != expected[second])

    threads = [threading.Thread(target=work, args=(second,)) for second in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "url",
    ["https://x.org/u/" + "T" * 85, "https://x.org:8443/u?t=a&b=c#d", "http://localhost:8000/u/T",
     "http://127.0.0.1:8000/u/T", "http://[::1]:8000/u/T"],
)  # fmt: skip
def test_an_https_or_loopback_address_is_one_click_and_literal(url: str) -> None:
    wire = writer().mime(leaving_by(url), AT).mime
    assert (
        f"\r\nList-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode()
        in wire
    )


@pytest.mark.parametrize(
    "url", ["mailto:leave@example.com?subject=x", "http://x.org/u/T", "http://localhost.evil.org/u"]
)
def test_a_way_out_that_is_not_https_never_claims_to_be_one_click(url: str) -> None:
    wire = writer().mime(leaving_by(url), AT).mime
    assert f"\r\nList-Unsubscribe: <{url}>\r\nList-Id:".encode() in wire
    headers = dict(writer().fields(leaving_by(url), AT).headers)
    assert headers["List-Unsubscribe"] == f"<{url}>"
    assert "List-Unsubscribe-Post" not in headers


@pytest.mark.parametrize(
    "url",
    ["", "/u/T", "http://127.0.0.1@evil.org/", "ftp://x.org/", "x", "https://",
     "https://x.org/a b", "https://x.org/<b>", "https://x.org/\r\nBcc: a@b.org", "https://x.org/\n", "https://münchen.de/\u202e",
     "https://a@evil.org/", "https://x.org/" + "T" * 1000],
)  # fmt: skip
def test_a_message_without_a_way_out_is_refused(url: str) -> None:
    for write in (writer().mime, writer().fields):
        with pytest.raises(NewsletterError, match=r"joe@example\.org.*unsubscribe address") as caught:
            write(leaving_by(url), AT)
        assert "base_url" in caught.value.hint
        assert caught.value.message.isprintable()


def test_a_mailbox_outside_ascii_is_refused_unless_the_provider_reaches_it() -> None:
    reader = READER._replace(email="jörg@exämple.org")
    for write in (writer().mime, writer().fields):
        with pytest.raises(NewsletterError, match="RFC 6531"):
            write(reader, AT)
    message = writer(non_ascii_mailbox=True).mime(reader, AT)
    assert message.recipient == "jörg@xn--exmple-cua.org"
    assert "\r\nTo: jörg@xn--exmple-cua.org\r\n".encode() in message.mime


def test_domains_outside_ascii_go_out_as_a_labels() -> None:
    publication = replace(
        PUBLICATION,
        from_email="notes@exämple.com",
        reply_to="r@exämple.com",
        base_url="https://exämple.com",
        list_id="newsletter.exämple.com",
    )
    reader = READER._replace(email="a@exämple.org", values={"unsubscribe_url": "https://exämple.com/u/T"})
    message = writer(publication=publication).mime(reader, AT)
    assert (
        b"\r\nList-Unsubscribe: <https://xn--exmple-cua.com/u/T>\r\nList-Unsubscribe-Post: " in message.mime
    )
    assert b"\r\nList-Id: Production AI Notes <newsletter.xn--exmple-cua.com>\r\n" in message.mime
    assert b"\r\nList-Archive: <https://xn--exmple-cua.com/>\r\n" in message.mime
    assert message.sender == "notes@xn--exmple-cua.com"
    assert message.reply_to == "r@xn--exmple-cua.com"
    assert b"Message-ID: <Dx_-9@xn--exmple-cua.com>" in message.mime
    assert message.recipient == "a@xn--exmple-cua.org"


@pytest.mark.parametrize(
    "changes",
    [
        {"from_email": ""},
        {"from_email": "nobody"},
        {"from_email": "jörg@example.com"},
        {"from_name": "a\r\nBcc: b@example.org"},
        {"name": "a\nb"},
        {"list_id": "a\r\nb"},
        {"reply_to": "a b@example.com"},
        {"base_url": "https://x.org\r\nBcc: a"},
    ],
)
def test_a_sender_that_no_header_can_carry_is_refused_before_anything_leaves(changes: dict[str, str]) -> None:
    with pytest.raises(NewsletterError):
        writer(publication=replace(PUBLICATION, **changes))


def test_a_subject_with_a_line_break_is_refused() -> None:
    with pytest.raises(NewsletterError, match="subject"):
        writer(replace(ISSUE, subject=Template(("a\r\nBcc: b",))))
    with pytest.raises(NewsletterError, match="subject"):
        writer(subject_prefix="a\nb")


def test_a_test_send_shows_its_prefix_and_a_missing_name_leaves_no_gap() -> None:
    subject = Template((Slot("subscriber.name", "", Context.HEADER), " hello  there "))
    one = writer(replace(ISSUE, subject=subject), subject_prefix="[Test] ")
    assert one.mime(leaving_by(URL), AT).subject == "[Test] hello there"
    assert b"\r\nSubject: [Test] Joe hello there\r\n" in one.mime(READER, AT).mime
    assert one.fields(READER, AT).subject == "[Test] Joe hello there"


def test_a_delivery_id_that_is_not_ours_never_gets_into_a_header() -> None:
    for bad in ("", "a b", "a\r\nb", "a>", "é", "a@b"):
        with pytest.raises(ValueError, match="delivery id"):
            writer().mime(READER._replace(delivery_id=bad), AT)


def test_pictures_travel_beside_the_html_and_keep_every_byte() -> None:
    image = InlineImage("flow@notes", 'flöw "x".png', "image/png", bytes(range(256)) * 9)
    parsed = email.message_from_bytes(
        writer(replace(ISSUE, images=(image, replace(image, content_id="b@notes")))).mime(READER, AT).mime,
        policy=email.policy.default,
    )
    kinds = [part.get_content_type() for part in parsed.walk()]
    assert kinds == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/png",
    ]
    pictures = [part for part in parsed.walk() if part.get_content_type() == "image/png"]
    assert [part["Content-ID"] for part in pictures] == ["<flow@notes>", "<b@notes>"]
    assert all(part.get_content() == image.data for part in pictures)
    assert all(part.get_content_disposition() == "inline" for part in pictures)
    assert pictures[0].get_filename() == "fl-w--x-.png"


@pytest.mark.parametrize(
    "image",
    [
        InlineImage("a>\r\nb", "a.png", "image/png", b"x"),
        InlineImage("", "a.png", "image/png", b"x"),
        InlineImage("a@b", "a.png", "image/png\r\nx", b"x"),
    ],
)
def test_a_picture_that_would_break_a_header_is_refused(image: InlineImage) -> None:
    with pytest.raises(NewsletterError):
        writer(replace(ISSUE, images=(image,)))


def test_an_empty_part_is_still_a_part() -> None:
    empty = replace(ISSUE, html=Template(()), text=Template((Slot("subscriber.name", "", Context.TEXT),)))
    message = writer(empty)
    parsed = email.message_from_bytes(message.mime(leaving_by(URL), AT).mime, policy=email.policy.default)
    assert [part.get_content() for part in parsed.iter_parts()] == ["\r\n", "\r\n"]
    assert json.loads(b'"' + b"".join(message.fields(leaving_by(URL), AT).text_json) + b'"') == "\n"


def test_unicode_travels_as_utf8_in_json_not_as_escapes() -> None:
    issue = replace(ISSUE, html=Template(("<p>Größe “x” \u2028", Slot("subscriber.name", "", Context.HTML))))
    reader = READER._replace(values={"subscriber.name": 'Zoë \\ "q"', "unsubscribe_url": URL})
    segments = writer(issue).fields(reader, AT).html_json
    assert "Größe “x”".encode() in segments[0]
    assert json.loads(b'"' + b"".join(segments) + b'"') == "<p>Größe “x” \u2028Zoë \\ &quot;q&quot;\n"
