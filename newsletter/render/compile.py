"""How does a rendered issue become something that can be filled a million times? Literals and typed slots.

Compiling happens once per send. Each slot's context is read from the finished HTML around it, and
a slot that can't be filled safely where it stands is a finding. The result has one stable
serialisation, in which a send keeps it, so that a resumed send leaves byte for byte as it began.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from newsletter.content.slots import find_slots
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError
from newsletter.model.template import CompiledIssue, Context, InlineImage, Slot, Template
from newsletter.render.escape import BIDI_CONTROLS, clean_literal
from newsletter.render.slot_context import ADDRESS_FIELDS, Refusal, slot_places
from newsletter.render.slots import TOKEN, SlotTable

if TYPE_CHECKING:
    from newsletter.model.issue import Issue
    from newsletter.render.email import RenderedIssue

FORMAT = 1
_SUBJECT_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{BIDI_CONTROLS}\ud800-\udfff]")
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t\r]*$", re.MULTILINE)
# A token's private-use characters on their own, or as a stage may have encoded them.
_DAMAGED = re.compile(r"[\ue000\ue001]|%EE%80%8[01]|&#57344;|&#57345;|&#xe00[01];", re.IGNORECASE)
_HELP = {
    "NL450": "put it after a `?` or `#` of an address that is your own, or into the text",
    "NL451": "move it into the text or a quoted attribute such as `title`",
    "NL452": "move it into the text or a quoted attribute such as `title`",
    "NL453": "move it into the text",
}


@dataclass(frozen=True, slots=True)
class CompileResult:
    """What compiling came to.

    Attributes:
        issue: None where a diagnostic is an error.
        diagnostics: findings, in the order subject, HTML, text.
    """

    issue: CompiledIssue | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Finding:
    """A finding before it has a place in the author's file."""

    code: str
    message: str
    help: str
    slot: tuple[str, str] | None = None


def compile_rendered(rendered: RenderedIssue, issue: Issue, *, attach: bool) -> CompileResult:
    """Compile what the renderer made of `issue`: the one way a send, a preview and a check go.

    Args:
        rendered: what `EmailRenderer.render` returned.
        issue: what it was made of; findings have their places in its text.
        attach: whether the pictures travel with the message; else they are linked.
    """
    return compile_issue(
        rendered.subject,
        rendered.html,
        rendered.text,
        rendered.slots,
        rendered.images if attach else (),
        rendered.web_url,
        issue.display or issue.path,
        source=issue.text,
    )


def compile_issue(  # noqa: PLR0917 - a rendered issue's fields, in their order
    subject: str,
    html: str,
    text: str,
    slots: SlotTable,
    images: Sequence[InlineImage],
    web_url: str,
    path: str,
    *,
    source: str = "",
) -> CompileResult:
    """Turn rendered strings that hold tokens into templates with typed slots.

    Args:
        subject: the subject, with tokens.
        html: the final HTML, inlined, with tokens.
        text: the plain-text part, with tokens.
        slots: what the tokens stand for.
        images: pictures that travel with the message.
        web_url: the issue's address in the archive, or empty.
        path: the issue file, as diagnostics name it.
        source: the file's text, where it is at hand, so that findings have a line and a column.
    """
    findings: list[_Finding] = []

    def subject_context(_: str, fields: list[str]) -> list[Context | Refusal]:
        return [Refusal("NL453", "the subject") if f in ADDRESS_FIELDS else Context.HEADER for f in fields]

    def text_context(_: str, fields: list[str]) -> list[Context | Refusal]:
        return [Context.TEXT] * len(fields)

    match = _SUBJECT_FORBIDDEN.search(subject)
    if match:
        findings.append(
            _Finding(
                "NL455",
                f"the subject holds U+{ord(match[0]):04X}, which no mail header can carry",
                "remove the character from the title",
            )
        )
    compiled = CompiledIssue(
        subject=_template(subject, slots, "subject", subject_context, findings),
        html=_template(clean_literal(html), slots, "HTML", slot_places, findings),
        text=_template(clean_literal(text), slots, "text", text_context, findings),
        images=tuple(images),
        web_url=web_url,
    )
    diagnostics = tuple(_placed(finding, path, source) for finding in dict.fromkeys(findings))
    return CompileResult(None if findings else compiled, diagnostics)


def _template(
    text: str,
    slots: SlotTable,
    part: str,
    places: Callable[[str, list[str]], list[Context | Refusal]],
    findings: list[_Finding],
) -> Template:
    """`text` cut at its tokens; what is wrong with them goes to `findings`."""
    tokens = list(TOKEN.finditer(text))
    entries: list[tuple[str, str]] = []
    for token in tokens:
        try:
            entries.append(slots.entry(int(token[1])))
        except IndexError:
            findings.append(_damaged(part))
            return Template((text,))
    contexts = places(text, [field for field, _ in entries])
    if _DAMAGED.search(TOKEN.sub("", text)) or len(contexts) != len(tokens):
        findings.append(_damaged(part))
        return Template((text,))
    parts: list[str | Slot] = []
    at = 0
    for token, (field, default), context in zip(tokens, entries, contexts, strict=True):
        if token.start() > at:
            parts.append(text[at : token.start()])
        at = token.end()
        if isinstance(context, Refusal):
            findings.append(
                _Finding(
                    context.code,
                    f"`{{{{ {field} }}}}` stands in {context.place}",
                    _HELP[context.code],
                    (field, default),
                )
            )
        else:
            parts.append(Slot(field, default, context))
    if at < len(text):
        parts.append(text[at:])
    return Template(tuple(parts))


def _damaged(part: str) -> _Finding:
    return _Finding(
        "NL454",
        f"a slot was damaged on its way into the {part}",
        "a template of your own may escape, shorten or change the case of text that holds a slot",
    )


def _placed(finding: _Finding, path: str, source: str) -> Diagnostic:
    """The finding where the author wrote the slot, if that can be told; else about the file."""
    line = column = 0
    length = 1
    written = [s for s in find_slots(source) if (s.field, s.default) == finding.slot] if source else []
    if written:
        # A slot that stands well in the text may stand badly in a link: prefer the one in a link.
        in_link = [s for s in written if "](" in source[source.rfind("\n", 0, s.start) + 1 : s.start]]
        slot = in_link[0] if in_link and finding.code == "NL450" else written[0]
        line = source.count("\n", 0, slot.start) + 1
        column = slot.start - source.rfind("\n", 0, slot.start)
        length = slot.end - slot.start
    elif finding.code == "NL455" and (title := _TITLE.search(source)):
        line = source.count("\n", 0, title.start()) + 1
        column, length = title.start(1) - title.start() + 1, len(title[1])
    return Diagnostic(
        code=finding.code,
        severity=Severity.ERROR,
        message=finding.message,
        path=path,
        line=line,
        column=column,
        length=length,
        help=finding.help,
    )


def to_json(issue: CompiledIssue) -> bytes:
    """`issue` as ASCII JSON; the same issue always gives the same bytes."""
    return json.dumps(
        {
            "format": FORMAT,
            "subject": _parts_to_json(issue.subject),
            "html": _parts_to_json(issue.html),
            "text": _parts_to_json(issue.text),
            "images": [
                {
                    "content_id": image.content_id,
                    "filename": image.filename,
                    "media_type": image.media_type,
                    "data": base64.b64encode(image.data).decode("ascii"),
                }
                for image in issue.images
            ],
            "web_url": issue.web_url,
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode("ascii")


def from_json(data: bytes) -> CompiledIssue:
    """The issue `to_json` wrote.

    Raises:
        NewsletterError: it was written by a newer version, or is damaged.
    """
    damaged = NewsletterError(
        "the frozen content of this send is damaged", hint="restore the store from a backup"
    )
    try:
        tree = json.loads(data)
        written_by = int(tree["format"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged from None
    if written_by > FORMAT:
        raise NewsletterError(
            "the frozen content of this send was written by a newer version",
            hint="update newsletter-toolkit and run the command again",
        )
    try:
        return CompiledIssue(
            subject=_parts_from_json(tree["subject"]),
            html=_parts_from_json(tree["html"]),
            text=_parts_from_json(tree["text"]),
            images=tuple(
                InlineImage(
                    content_id=str(image["content_id"]),
                    filename=str(image["filename"]),
                    media_type=str(image["media_type"]),
                    data=base64.b64decode(image["data"], validate=True),
                )
                for image in tree["images"]
            ),
            web_url=str(tree["web_url"]),
        )
    except (ValueError, KeyError, TypeError):
        raise damaged from None


def _parts_to_json(template: Template) -> list[Any]:
    return [
        part
        if isinstance(part, str)
        else {"field": part.field, "default": part.default, "context": part.context}
        for part in template.parts
    ]


def _parts_from_json(parts: Any) -> Template:
    if not isinstance(parts, list):
        raise TypeError
    return Template(
        tuple(
            part
            if isinstance(part, str)
            else Slot(str(part["field"]), str(part["default"]), Context(part["context"]))
            for part in parts
        )
    )
