"""NL1xx: the file itself and the YAML block at its top."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

FRONT_MATTER: tuple[Code, ...] = (
    Code(
        "NL100",
        "the file is not UTF-8 text",
        Severity.ERROR,
        """\
Issues are UTF-8. These bytes are not, so that some characters can't be known: the file may have been saved in
an older encoding such as Windows-1252, or it may not be text at all.

Save it as UTF-8 in your editor, or convert it: `iconv -f WINDOWS-1252 -t UTF-8 old.md > new.md`.""",
    ),
    Code(
        "NL101",
        "the front matter is missing or has no end",
        Severity.ERROR,
        """\
An issue begins with a YAML block between two lines of three dashes:

    ---
    number: 12
    title: What the subject line will say
    date: 2026-03-03
    description: What the inbox shows after the subject
    ---

The first `---` has to be the very first line of the file; the second one ends the block. A guide begins with
`type: guide` and has keys of its own: `newsletter schema guide` prints them.""",
    ),
    Code(
        "NL102",
        "unknown front matter key",
        Severity.ERROR,
        """\
A key nobody reads is a typo more often than not, and a silent one: `descripton:` would leave your issue
without a preheader. So unknown keys are errors.

Correct the spelling, or remove the line. `newsletter schema` prints every key with its meaning, `newsletter
schema guide` those of a guide.""",
    ),
    Code(
        "NL103",
        "a required front matter key is missing",
        Severity.ERROR,
        """\
`number`, `title`, `date` and `description` are required: the title becomes the subject line, the description
becomes the preheader in the inbox and the summary in the archive and the feeds.

A guide has `type`, `title`, `description`, `options`, `updated` and `review_by` instead.""",
    ),
    Code(
        "NL104",
        "a front matter value is not what its key takes",
        Severity.ERROR,
        """\
Values follow the rules of YAML 1.2: `no` is the word "no", `12:30` is text, `1.10` is the number 1.1, and
anything in quotes is text. Dates are written 2026-03-03. A description has at most 160 characters, because
inboxes cut off what is longer.

The finding says what the key takes. When a text looks like a number, put it in quotes.""",
    ),
    Code(
        "NL105",
        "a front matter key stands twice",
        Severity.ERROR,
        """\
YAML forbids it, and most parsers keep the last one without a word. Which of the two you meant only you
know: remove the other.""",
    ),
    Code(
        "NL106",
        "the front matter is not valid YAML",
        Severity.ERROR,
        """\
The usual causes: a colon followed by a space inside a value that is not in quotes (`title: RAG: an introduction`), a
value that begins with `@`, `*`, `&`, `{`, `[` or a backtick, or a tab used for indentation.

Putting the value in double quotes helps in nearly all cases: `title: "RAG: an introduction"`.""",
    ),
    Code(
        "NL107",
        "a control character in the file",
        Severity.ERROR,
        """\
Invisible characters such as NUL, backspace or escape come along when text is pasted from terminals and PDFs.
They have no meaning in a mail; some servers refuse a message for them, and a terminal may obey them.

`newsletter check --fix` removes them.""",
    ),
    Code(
        "NL108",
        "a byte order mark at the start of the file",
        Severity.WARNING,
        """\
The file begins with an invisible U+FEFF, which some Windows editors write. UTF-8 doesn't need it, and tools
that expect `---` as the first three bytes stumble over it.

`newsletter check --fix` removes it.""",
    ),
    Code(
        "NL109",
        "the file is too large to be an issue",
        Severity.ERROR,
        """\
An issue's source may have at most 1 MB of text. Gmail cuts off a message after 102 KB of HTML, which is about
15,000 words, so that a file past this limit is something else: a log, a data set, a picture with the wrong name.

Keep pictures as files beside the issue and link to data instead of pasting it.""",
    ),
    Code(
        "NL110",
        "a tag with capitals",
        Severity.WARNING,
        """\
A tag is part of an address, `/tags/rag/`, and a name readers filter by. `RAG` and `rag` would be two
tags with half of the issues each.

`newsletter check --fix` writes tags in lower case.""",
    ),
)
