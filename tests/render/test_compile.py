"""A slot's context is read from the HTML around it; where no escaping is safe it is a finding."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from newsletter.diagnostics.codes_compiled import COMPILED_CODES
from newsletter.errors import NewsletterError
from newsletter.model.delivery import Recipient
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Context, InlineImage, Slot, Template
from newsletter.render.compile import CompileResult, compile_issue, from_json, to_json
from newsletter.render.escape import fill
from newsletter.render.message import MessageWriter
from newsletter.render.slots import SlotTable

AT = datetime(2026, 1, 6, 9, tzinfo=UTC)
PUBLICATION = Publication(name="Notes", from_email="notes@example.com", list_id="notes.example.com")


def compiled(html: str, *, subject: str = "Subject", text: str = "Text\n", source: str = "") -> CompileResult:
    """Compile parts in which NAME, MAIL, LEAVE and PREFS stand for slots."""
    table = SlotTable()
    tokens = {
        "NAME": table.token("subscriber.name", "there"),
        "MAIL": table.token("subscriber.email"),
        "LEAVE": table.token("unsubscribe_url"),
        "PREFS": table.token("preferences_url"),
    }
    for word, token in tokens.items():
        html, subject, text = (part.replace(word, token) for part in (html, subject, text))
    return compile_issue(subject, html, text, table, (), "", "issues/001.md", source=source)


@pytest.mark.parametrize(
    ("html", "contexts"),
    [
        ("<p>Hi NAME</p>", [Context.HTML]),
        ("NAME", [Context.HTML]),
        ("<title>For NAME</title>", [Context.HTML]),
        ("a < NAME and b > NAME", [Context.HTML, Context.HTML]),
        ("<!--[if !mso]><!--><p>NAME</p><!--<![endif]-->", [Context.HTML]),
        ("<!-->NAME<!-- x --!>NAME", [Context.HTML, Context.HTML]),
        ("<style>a>b{}</style>NAME", [Context.HTML]),
        ("<p title='for NAME'>", [Context.ATTRIBUTE]),
        ('<img alt="NAME" src="cid:x">', [Context.ATTRIBUTE]),
        ('<a\nHREF = "LEAVE">', [Context.URL]),
        ("<a class=x href='PREFS'>", [Context.URL]),
        ('<a href="https://x.org/?a=1&amp;b=NAME&amp;c=MAIL#NAME">', [Context.URL_COMPONENT] * 3),
        ('<a href="https://x.org/#NAME">', [Context.URL_COMPONENT]),
        ('<a href="https://x.org?next=LEAVE">', [Context.URL_COMPONENT]),
        ('<a href="https&#58;//x.org/&#63;w=NAME">', [Context.URL_COMPONENT]),
        ('<a href="mailto:a@x.org?subject=NAME">', [Context.URL_COMPONENT]),
    ],
)
def test_the_context_comes_from_what_surrounds_the_slot(html: str, contexts: list[Context]) -> None:
    result = compiled(html)
    assert result.diagnostics == ()
    assert result.issue is not None
    assert [slot.context for slot in result.issue.html.slots] == contexts


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ('<a href="MAIL">', "NL450"),
        ('<a href="NAME://x.org">', "NL450"),
        ('<a href="https://NAME/?a">', "NL450"),
        ('<a href="https://NAME.x.org/">', "NL450"),
        ('<a href="https://x.org/NAME">', "NL450"),
        ('<a href="https://x.orgNAME?x=1">', "NL450"),
        ('<a href="LEAVE?reason=x">', "NL450"),
        ('<a href=" LEAVE">', "NL450"),
        ('<a href="javascript:x?NAME">', "NL450"),
        ('<a href="//x.org?NAME">', "NL450"),
        ('<img src="https://x.org/NAME.png">', "NL450"),
        ('<v:fill src="NAME">', "NL450"),
        ("<!-- NAME -->", "NL451"),
        ("<!--[if mso]><p>NAME</p><![endif]-->", "NL451"),
        ("<!-- a --x> NAME -->", "NL451"),
        ("<![if !mso NAME]>", "NL451"),
        ("<style>p{color:NAME}</style>", "NL451"),
        ("<STYLE>a</styleb NAME</STYLE>", "NL451"),
        ("<script>'NAME'</script>", "NL451"),
        ("<p NAME>", "NL451"),
        ("<p NAME='x'>", "NL451"),
        ("<p title=NAME>", "NL451"),
        ("<p title=aNAME>", "NL451"),
        ("<pNAME>", "NL451"),
        ("<NAME>", "NL451"),
        ("</NAME>", "NL451"),
        ('<p title="x" NAME>', "NL451"),
        ('<p title="NAME', "NL451"),
        ("<p onclick='NAME'>", "NL452"),
        ('<p style="color:NAME">', "NL452"),
        ('<img srcset="https://x.org/?NAME 2x">', "NL452"),
        ('<iframe srcdoc="NAME">', "NL452"),
        ('<meta http-equiv="refresh" content="0;url=NAME">', "NL452"),
    ],
)
def test_a_slot_that_cannot_be_filled_safely_is_a_finding(html: str, code: str) -> None:
    result = compiled(html)
    assert result.issue is None
    assert {d.code for d in result.diagnostics} == {code}
    assert COMPILED_CODES[code].severity is result.diagnostics[0].severity
    assert all(d.help and d.message for d in result.diagnostics)


def test_a_meta_refresh_is_found_whichever_attribute_comes_first() -> None:
    assert compiled('<meta content="0;url=NAME" http-equiv="refresh">').issue is None


def test_a_personal_link_in_the_subject_is_refused_and_a_name_is_not() -> None:
    assert [d.code for d in compiled("x", subject="Leave: LEAVE").diagnostics] == ["NL453"]
    result = compiled("x", subject="For NAME")
    assert result.issue is not None
    assert result.issue.subject == Template(("For ", Slot("subscriber.name", "there", Context.HEADER)))


@pytest.mark.parametrize("subject", ["a\nb", "a\rb", "a\x00", "a\u2028b", "a\u202eb", "a\u2066b"])
def test_a_subject_that_could_start_another_header_is_refused(subject: str) -> None:
    assert [d.code for d in compiled("x", subject=subject).diagnostics] == ["NL455"]


@pytest.mark.parametrize(
    "html",
    [
        "Hi \ue000",
        "Hi \ue00099\ue001",
        '<a href="https://x.org/?%EE%80%800%EE%80%81">',
        "Hi &#xe000;0&#xe001;",
        "Hi \ue000 0\ue001 NAME",
    ],
)
def test_a_slot_damaged_by_a_template_is_found(html: str) -> None:
    assert [d.code for d in compiled(html).diagnostics] == ["NL454"]
    assert [d.code for d in compiled("x", text=html).diagnostics] == ["NL454"]


def test_a_finding_names_the_line_and_column_where_the_author_wrote_the_slot() -> None:
    source = (
        'Hi {{ subscriber.name | default("there") }},\n\n'
        'see [it](https://x.org/{{ subscriber.name | default("there") }}).\n'
    )
    (found,) = compiled('<p>Hi NAME</p><a href="https://x.org/NAME">', source=source).diagnostics
    assert (found.line, found.column, found.path) == (3, 24, "issues/001.md")
    assert found.length == len('{{ subscriber.name | default("there") }}')


def test_all_findings_of_an_issue_come_at_once_and_none_twice() -> None:
    result = compiled('<!--NAME--><p style="NAME">NAME</p><p style="NAME">', subject="LEAVE")
    assert [d.code for d in result.diagnostics] == ["NL453", "NL451", "NL452"]


ISSUE = CompiledIssue(
    Template(("Héllo ", Slot("subscriber.name", "you", Context.HEADER))),
    Template(("<p>", Slot("subscriber.name", "", Context.HTML), "</p>")),
    Template(("text",)),
    (InlineImage("flow@notes", "flow.png", "image/png", bytes(range(256))),),
    "https://notes.example.com/1",
)


def test_a_frozen_issue_is_read_back_as_it_was_and_its_bytes_are_stable() -> None:
    data = to_json(ISSUE)
    assert from_json(data) == ISSUE
    assert to_json(from_json(data)) == data
    # A send frozen by an earlier version must keep its hash: this value changes only with `FORMAT`.
    assert (
        hashlib.sha256(data).hexdigest() == "f3762fbb54fe665ce9fdd853b2fa2a14556c6d8fd42164a13e522c644209062b"
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"format": "x"}', b"\xff", b'{"format": 1}', to_json(ISSUE)[:-9], b"[" * 99_999],
)
def test_damaged_frozen_content_is_an_error_a_user_can_read(data: bytes) -> None:
    with pytest.raises(NewsletterError, match="damaged"):
        from_json(data)


def test_frozen_content_of_a_newer_version_says_so() -> None:
    with pytest.raises(NewsletterError, match="newer version"):
        from_json(json.dumps({"format": 2}).encode())


PIECES = [
    "<p>", "</p>", "<a href='", '<a href="', '"', "'", ">", "<!--", "-->", "--!>", "->", "<style>", "</style>", "<title>",
    "</title>", "<textarea>", "</textarea>", "<svg>", "</svg>", "<math>", "<script>", "</script>", "<![CDATA[", "]]>",
    "<!", "<?", " x=", "=", "<", "</", "&", "&#", "?", "#", "https://x.org/", "http://x.org?a=", "/", " ", "\n", "\f",
    "text", "NAME", "MAIL", "LEAVE", "NAME", "<p title='", '<p title="', "<p title=", "<p ", "onx=", "<b NAME", "`",
    "<plaintext>", "<noscript>", "<template>", "<select>", "<table>", "<iframe>", "</iframe>", "<xmp>", "x:href=",
]  # fmt: skip
HOSTILE = [
    '"><b onclick=x>y', "'><b onclick=x>y", "--><b>y", "</title><b>y", "</style></script></textarea><b>y",
    "]]><b>y", "x onclick=y", "&lt;b&gt;y", "lt;b", "60;b", "b", "/b><b>", "!--", "javascript:x", "//evil.example/",
    "x\r\n\r\n<b>", "x`y", "x=y", "\u202e<b>", "https://evil.example/", "?", "#x", "@evil.example",
]  # fmt: skip
BENIGN = "xyz"


def structure(html: str) -> list[tuple[str, tuple[str, ...]]]:
    root = LexborHTMLParser(html).root
    assert root is not None
    return [(node.tag or "", tuple(node.attributes)) for node in root.traverse(include_text=False)]


def links(html: str) -> list[tuple[str, str]]:
    """Scheme and host of each address in an `<a href>`."""
    found = []
    for node in LexborHTMLParser(html).css("a[href]"):
        address = node.attributes["href"] or ""
        head, _, rest = address.partition("//")
        found.append((head, rest.partition("/")[0].partition("?")[0].partition("#")[0]))
    return found


@settings(max_examples=600)
@given(
    pieces=st.tuples(
        st.lists(st.sampled_from(PIECES), max_size=7), st.lists(st.sampled_from(PIECES), max_size=7)
    ).map(lambda halves: [*halves[0], "NAME", *halves[1]]),
    hostile=st.sampled_from(HOSTILE) | st.text("<>\"'&=/!- x;`", min_size=1, max_size=12),
)
@example(["<p title='", "NAME", "'", ">", "NAME"], "'><b>")
def test_no_value_creates_a_tag_an_attribute_or_another_host_whatever_the_html(
    pieces: list[str], hostile: str
) -> None:
    result = compiled("".join(pieces))
    if result.issue is None or not hostile.strip():
        return

    def filled(value: str) -> str:
        assert result.issue is not None
        return "".join(
            part
            if isinstance(part, str)
            else fill(part, value if part.field.startswith("sub") else "https://x.org/u")
            for part in result.issue.html.parts
        )

    # White space alone may move text around in a browser's tree, so it is no difference we make.
    assert structure(filled("x" + hostile)) == structure(filled(BENIGN))
    assert structure(filled(hostile.strip())) == structure(filled(BENIGN))
    assert links(filled(hostile)) == links(filled(BENIGN))


@given(name=st.sampled_from(HOSTILE) | st.text(min_size=1))
def test_a_name_in_a_sent_message_is_text_and_nothing_else(name: str) -> None:
    result = compiled(
        '<html><head><title>NAME</title></head><body title="NAME"><p>Hi <b>NAME</b></p>'
        '<a href="https://x.org/?who=NAME&amp;x=1">x</a><a href="LEAVE">y</a></body></html>'
    )
    assert result.issue is not None
    writer = MessageWriter(result.issue, PUBLICATION, send_key="1")
    trees = []
    for value in (name, BENIGN):
        values = {"subscriber.name": value, "unsubscribe_url": "https://x.org/u/1?a=1&b=2"}
        parsed = email.message_from_bytes(
            writer.mime(Recipient("D", 1, "a@example.org", values), AT).mime, policy=email.policy.default
        )
        part = parsed.get_body(("html",))
        assert part is not None
        trees.append(LexborHTMLParser(part.get_content()))
    hostile, benign = trees
    assert [(n.tag, tuple(n.attributes)) for n in hostile.css("*")] == [
        (n.tag, tuple(n.attributes)) for n in benign.css("*")
    ]
    first, second = hostile.css("a")
    address = first.attributes["href"] or ""
    assert address.startswith("https://x.org/?who=")
    assert address.endswith("&x=1")
    assert address.count("&") == 1
    assert second.attributes["href"] == "https://x.org/u/1?a=1&b=2"
