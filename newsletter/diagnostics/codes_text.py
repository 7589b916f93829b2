"""NL3xx: the text itself: slots, links, images, code, and what was left to write."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

TEXT: tuple[Code, ...] = (
    Code(
        "NL301",
        "an unknown slot",
        Severity.ERROR,
        """\
`{{ subscriber.nme }}` would reach every reader as it stands. The fields are `subscriber.name`,
`subscriber.email`, `subscriber.tags`, `subscriber.metadata.KEY`, `unsubscribe_url` and `preferences_url`.

Correct the name. To write *about* templates, put the braces into a code span or a code block: code is never
touched.""",
    ),
    Code(
        "NL302",
        "a slot that can't be read",
        Severity.ERROR,
        """\
A slot is a field and, if you like, a default: `{{ subscriber.name | default("there") }}`. There are no other
filters, no conditions and no arithmetic: what a reader gets can be foreseen from the source.

Write the slot in one of these two forms, on one line.""",
    ),
    Code(
        "NL303",
        "a slot in a link's address",
        Severity.ERROR,
        """\
A subscriber's own words must not decide where a link leads: a name such as `evil.example/` would. Only
`{{ unsubscribe_url }}` and `{{ preferences_url }}` may be a whole address; a field may be one component of a
query string, where it is percent-encoded: `https://example.com/poll?who={{ subscriber.email }}`.

Move the field behind a `?key=`, or out of the address.""",
    ),
    Code(
        "NL304",
        "raw HTML in the Markdown",
        Severity.ERROR,
        """\
Raw HTML escapes everything that makes the mail safe to send: the templates' tables for Outlook, the dark colours,
the plain-text part, escaping. A forgotten `</div>` breaks the layout of the whole message for half of your
readers.

Use Markdown. A tag that you write about belongs into a code span: `` `<div>` ``.""",
    ),
    Code(
        "NL305",
        "an image without alternative text",
        Severity.ERROR,
        """\
Many readers see mail with images off, and some never see images at all. For them the alternative text *is* the
image: it should say what the picture shows, not that there is one.

Write it between the brackets: `![A question passes two lanes, then a reranker](lanes.png)`.""",
    ),
    Code(
        "NL306",
        "an image that doesn't exist",
        Severity.ERROR,
        """\
There is no such file beside the issue. Paths are relative to the issue's own folder, and capitals count, even
if your own computer doesn't mind them.

Correct the path, or add the file.""",
    ),
    Code(
        "NL307",
        "an image format that mail clients don't show",
        Severity.ERROR,
        """\
Gmail and Outlook don't show SVG, and classic Outlook shows neither WebP nor AVIF: readers see an empty frame. PNG for
diagrams, JPEG for photographs and GIF for animations work everywhere.

Convert the picture, at twice the width it is shown at: 1,200 pixels for the full column.""",
    ),
    Code(
        "NL308",
        "a link that leads nowhere",
        Severity.ERROR,
        """\
The address is empty or was never filled in. In a mail it can't be corrected afterwards.

Put in the address, or write the words without a link.""",
    ),
    Code(
        "NL309",
        "a link without encryption",
        Severity.WARNING,
        """\
`http://` can be read and changed on the way, and browsers call the page not secure. Nearly every site answers to
`https://` as well.

Try the address with `https://` and use that.""",
    ),
    Code(
        "NL310",
        "something is left to write",
        Severity.WARNING,
        """\
`TK` is what editors write where text is *to come*, because no word contains it; `TODO`, `FIXME`, `TBD:`, `[XXX]` and
filler text count as well.
In a draft this is a reminder. In an issue with `status: ready` it is an error, so that no placeholder is ever sent.

Write what is missing. In code blocks and code spans these words are left alone.""",
    ),
    Code(
        "NL311",
        "a long line of code",
        Severity.INFO,
        """\
A phone shows about 40 characters of code in a row, the 600-pixel column of a mail about 64. Longer lines scroll where
the client allows it, and wrap in odd places where it doesn't.

Break the line, or shorten the example.""",
    ),
    Code(
        "NL312",
        "a link to a file that doesn't exist",
        Severity.ERROR,
        """\
The link is relative to the issue's own folder, and no such file is there.

Correct the path; for a page on the web, write the whole address with `https://`.""",
    ),
    Code(
        "NL313",
        "a link that mail clients block",
        Severity.ERROR,
        """\
Mail clients follow `https:`, `http:`, `mailto:` and `tel:`. Everything else, `javascript:`, `data:` and `file:` above all, is
removed, and the message is held to be malicious.

Use an ordinary address.""",
    ),
)
