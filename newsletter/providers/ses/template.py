"""What does an issue look like as an inline template of SES, and what data does one recipient bring?

SES puts `{{name}}` in as it is: "SES doesn't escape HTML content when rendering the HTML template"
(docs.aws.amazon.com/ses/latest/dg/send-personalized-email-advanced.html). An inline template takes
"only simple substitutions" (API reference, `Template.TemplateContent`): helpers, paths and names with
an underscore are refused with `Template contains unsupported operations.` (aws/aws-sdk-js-v3#6657), and
`{{{name}}}` is documented nowhere. So names are letters, and the values, escaped for their context
already, go into double braces.

The engine is Handlebars: in literal text `{{` opens an expression, a backslash before it matters, and a
brace that touches an expression is read as a third one. Such runs travel as values of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.header import Header
from email.utils import formataddr, parseaddr

from newsletter.model.message import Message, SharedContent
from newsletter.model.template import Slot, Template
from newsletter.providers.api import to_json

# Of the JSON that fills the template for one recipient: EmailTemplateData in the API reference.
LARGEST_DATA = 262_144
_RUN = re.compile(r"[{}\\]+")
_SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Translated:
    """An issue in SES's language.

    Attributes:
        subject: of the template.
        html: ditto.
        text: ditto.
        keys: the JSON that stands before each value, in the order of `Message.values`.
        end: the JSON behind the last: what is literal but looks like syntax, which all recipients have.
        own_subject: whether each recipient brings a whole subject, as the last value.
    """

    subject: str
    html: str
    text: str
    keys: tuple[str, ...]
    end: str
    own_subject: bool

    def data(self, message: Message) -> str:
        """The JSON object that fills the template for one recipient.

        Every name is there for everybody: for one that is missing SES takes the message, answers
        SUCCESS and reports a rendering failure later.
        """
        values = (*message.values, message.subject) if self.own_subject else message.values
        # Spliced: `json` would make an encoder for each recipient.
        filled = [key + to_json(value) for key, value in zip(self.keys, values, strict=True)]
        return f"{{{','.join(filled)}{self.end}"

    def fits(self, message: Message) -> bool:
        """Whether SES takes what this recipient brings."""
        size = len(message.subject) + sum(map(len, message.values))
        # No character takes more than six in JSON.
        return 6 * size + len(self.end) + 100 * len(self.keys) < LARGEST_DATA or (
            len(self.data(message)) <= LARGEST_DATA
        )


def translated(shared: SharedContent) -> Translated:
    """The templates of `shared`; for the author's text and the values they give back exactly that."""
    names = {slot: _name("value", number) for number, slot in enumerate(shared.slots)}
    braces: dict[str, str] = {}
    subject = f"{{{{{_SUBJECT}}}}}"
    if shared.subject is not None:
        subject = _source(Template((shared.subject,)), names, braces)
    html, text = _source(shared.html, names, braces), _source(shared.text, names, braces)
    keys = [*names.values(), *([_SUBJECT] if shared.subject is None else [])]
    fixed = to_json({name: run for run, name in braces.items()})[1:]
    return Translated(
        subject,
        html,
        text,
        tuple(f'"{key}":' for key in keys),
        f",{fixed}" if keys and braces else fixed,
        shared.subject is None,
    )


def encoded_mailbox(display: str) -> str:
    """`Name <address>` with a name outside ASCII as encoded words (RFC 2047), which SES asks for."""
    if display.isascii():
        return display
    name, address = parseaddr(display)
    if name.isascii():
        return formataddr((name, address))
    return f"{Header(name, 'utf-8').encode(linesep='')} <{address}>"


def _source(template: Template, names: dict[Slot, str], braces: dict[str, str]) -> str:
    """`template` as SES reads it; `braces` collects the runs that must travel as values."""
    out: list[str] = []
    after_hole = False
    parts = template.parts
    for at, part in enumerate(parts):
        if isinstance(part, Slot):
            out.append(f"{{{{{names[part]}}}}}")
            after_hole = True
            continue
        before_hole = at + 1 < len(parts) and isinstance(parts[at + 1], Slot)
        out.append(_literal(part, braces, after_hole=after_hole, before_hole=before_hole))
        after_hole = False if part else after_hole
    return "".join(out)


def _literal(text: str, braces: dict[str, str], *, after_hole: bool, before_hole: bool) -> str:
    def replaced(found: re.Match[str]) -> str:
        run = found[0]
        touches = (after_hole and found.start() == 0) or (before_hole and found.end() == len(text))
        if not touches and "{{" not in run:
            return run
        return f"{{{{{braces.setdefault(run, _name('brace', len(braces)))}}}}}"

    return _RUN.sub(replaced, text)


def _name(stem: str, number: int) -> str:
    """`valueA`, …, `valueZ`, `valueBA`: letters alone, and no word the engine knows."""
    letters = ""
    while True:
        number, digit = divmod(number, 26)
        letters = chr(ord("A") + digit) + letters
        if not number:
            return stem + letters
