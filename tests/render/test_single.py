"""Single mails as bytes: read back by the standard library they say what was written, and nothing else gets into their head."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import NewsletterError
from newsletter.model.publication import Publication, Theme
from newsletter.render.letter import Letter, LetterRenderer
from newsletter.render.single import SingleWriter

AT = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
PUBLICATION = Publication(
    name="Field Notes",
    from_email="ada@notes.example",
    from_name="Ada, of “Field Notes”",
    reply_to="editor@notes.example",
    postal_address="1 Example Street",
    base_url="https://notes.example",
)
WRITER = SingleWriter(PUBLICATION)
LINKS = {
    "confirm_url": "https://notes.example/confirm/x",
    "days": 7,
    "manage_url": "https://notes.example/preferences/x",
    "minutes": 60,
    "unsubscribe_url": "https://notes.example/u/x",
    "preferences_url": "https://notes.example/p/x",
    "title": "Glad you’re here",
    "body": "",
    "body_text": "Hello",
}
_LINES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff"), max_size=300
)
_BODY = st.lists(_LINES.map(str.rstrip), min_size=1, max_size=6).map(lambda lines: "\n".join(lines) + "\n")
_SUBJECT = _LINES.map(lambda text: " ".join(text.split())).filter(bool)


@given(subject=_SUBJECT, text=_BODY, html=_BODY)
def test_what_is_written_is_what_is_read(subject: str, text: str, html: str) -> None:
    try:
        message = WRITER.mime(Letter(subject, html, text), "bob@example.com", "mail-1", AT)
    except NewsletterError:
        assert any(ord(c) in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)) for c in subject)
        return
    data = message.mime
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
    read = email.message_from_bytes(data, policy=email.policy.default)
    assert [part.get_content().replace("\r\n", "\n") for part in read.iter_parts()] == [text, html]
    assert read["Message-ID"] == "<mail-1@notes.example>"
    assert read["To"] == "bob@example.com"
    assert read["Auto-Submitted"] == "auto-generated"
    assert len(read.keys()) == 11


def test_a_subject_with_a_line_break_is_refused() -> None:
    with pytest.raises(NewsletterError, match="Subject"):
        WRITER.mime(Letter("a\r\nBcc: eve@example.com", "x", "x"), "bob@example.com", "mail-1", AT)


@pytest.mark.parametrize("recipient", ["bob@example.com\r\nBcc: eve@example.com", "a b@example.com", ""])
def test_a_recipient_that_would_be_another_header_is_refused(recipient: str) -> None:
    with pytest.raises(NewsletterError):
        WRITER.mime(Letter("x", "x", "x"), recipient, "mail-1", AT)


def test_how_to_leave_stands_in_the_head_only_for_who_is_on_the_list() -> None:
    letter = Letter("x", "x", "x")
    with_it = dict(WRITER.fields(letter, "bob@example.com", "mail-1", "https://notes.example/u/x").headers)
    assert with_it["List-Unsubscribe"] == "<https://notes.example/u/x>"
    assert with_it["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    without = dict(WRITER.fields(letter, "bob@example.com", "mail-1").headers)
    assert not any(name.startswith("List") for name in without)


@pytest.mark.parametrize("name", ["confirm", "reminder", "already", "welcome", "preferences"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_each_letter_has_a_subject_both_parts_and_the_postal_address(name: str, language: str) -> None:
    publication = Publication(**{**_fields(PUBLICATION), "language": language})
    letter = LetterRenderer(publication, Theme(), [ROOT / "templates"]).render(name, LINKS)
    assert letter.subject
    assert "\n" not in letter.subject
    assert ('dir="rtl"' in letter.html) is (language == "ar")
    for part in (letter.html, letter.text):
        assert "1 Example Street" in part
        assert "https://notes.example/" in part
    assert "{{" not in letter.html + letter.text
    assert max(map(len, letter.text.splitlines())) <= 90


def test_a_name_with_marks_is_a_name_and_not_markup() -> None:
    publication = Publication(**{**_fields(PUBLICATION), "name": "A <b>& Co"})
    letter = LetterRenderer(publication, Theme(), [ROOT / "templates"]).render("confirm", LINKS)
    assert "A &lt;b&gt;&amp; Co" in letter.html
    assert "A <b>& Co" in letter.text
    assert letter.subject == "Confirm your subscription to A <b>& Co"


def test_a_template_without_a_subject_is_said_to_have_none(tmp_path: Path) -> None:
    own = tmp_path / "email" / "confirm.txt.j2"
    own.parent.mkdir()
    own.write_text("Hello\n", "utf-8")
    renderer = LetterRenderer(PUBLICATION, Theme(), [tmp_path, ROOT / "templates"])
    with pytest.raises(NewsletterError, match=r"confirm\.txt\.j2 doesn't begin with a subject"):
        renderer.render("confirm", LINKS)


def _fields(publication: Publication) -> dict[str, str]:
    from dataclasses import asdict

    return asdict(publication)
