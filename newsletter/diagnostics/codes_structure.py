"""NL2xx: the sections of an issue and the fields in them."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

STRUCTURE: tuple[Code, ...] = (
    Code(
        "NL201",
        "a required section is missing",
        Severity.ERROR,
        """\
Every issue has the same sections, so that a reader finds the same thing in the same place each week and every
link to `#concept` leads somewhere. The set is declared once, in the `[sections]` table of the settings, or is
the built-in four: Concept, Architecture, Project idea, Interview question.

Write the section, or set `required = false` for its kind in `[sections]`.""",
    ),
    Code(
        "NL202",
        "a section of no known kind",
        Severity.ERROR,
        """\
Each `## ` heading opens a section, and the words before its colon name the kind: `## Concept: Rank fusion`.
These words name none. Within a section, use `### ` for your own headings.

Correct the name, make the heading an H3, or declare the kind in the `[sections]` table of the settings.""",
    ),
    Code(
        "NL203",
        "a section stands twice",
        Severity.ERROR,
        """\
Each kind of section has one place in an issue and one anchor, such as `#concept`. A second one would never be
reached by its link.

Merge the two, or turn the second into an H3 of the first.""",
    ),
    Code(
        "NL204",
        "sections in another order",
        Severity.ERROR,
        """\
The sections come in the order in which the settings declare them, in every issue: that is what makes a
newsletter scannable.

Move the section to its place.""",
    ),
    Code(
        "NL205",
        "a section heading without a title",
        Severity.ERROR,
        """\
`## Concept: Rank fusion` has a kind and a title. The title is what the table of contents, the archive, the
search and the feeds show; the kind alone says nothing about this week.

Write a colon and a title after the kind.""",
    ),
    Code(
        "NL206",
        "a required field of a section is missing",
        Severity.ERROR,
        """\
A kind of section declares what it can't do without: a concept its takeaway, a project idea its difficulty, time
and stack, an interview question its level and its answer. Readers choose by these, and templates lay them out.

The finding shows how the field is written; `newsletter schema` prints all of them.""",
    ),
    Code(
        "NL207",
        "a section field has a wrong value",
        Severity.ERROR,
        """\
Fields with a fixed set of values are compared exactly, so that the archive can group by them: `medium` and
`Medium-ish` would be two difficulties. Times are a number and a unit: `30m`, `4h` or `2d`.

The finding lists what the field takes.""",
    ),
    Code(
        "NL208",
        "an unknown field in a section",
        Severity.ERROR,
        """\
In a field list every item is `- **Key:** value`, and every key is one that the kind of section declares. A misspelt
key would be lost: neither shown as a field nor part of the text.

Correct the key. If it is a list of your own, put it in a paragraph's company: a list without any of the kind's keys
is left in the text.""",
    ),
    Code(
        "NL209",
        "a section field stands twice",
        Severity.ERROR,
        """\
Only fields that are declared as repeating, such as `Trade-off`, may be written several times. For this one
only one value can be shown.

Remove one, or write both in one item.""",
    ),
    Code(
        "NL210",
        "an item without a key in a field list",
        Severity.ERROR,
        """\
The list has fields such as `- **Level:** mid`, so that each of its items needs a key. This one has none and
would be lost.

Give it a key, or put an empty line and a sentence between the field list and your own list.""",
    ),
    Code(
        "NL211",
        "an H3 that is nearly one of the kind's own",
        Severity.ERROR,
        """\
Some kinds of sections have fixed H3 headings: an interview question has `### Answer` and `### Follow-ups`. This heading
is one or two letters away from one, and as it stands its text would appear in the question itself, in front of
everybody who wants to think first.

Correct the heading; `--fix` does it.""",
    ),
    Code(
        "NL212",
        "an empty section",
        Severity.WARNING,
        """\
The section has a heading and nothing else. Readers see a title above a gap.

Write it, or remove it where the kind isn't required.""",
    ),
    Code(
        "NL213",
        "a second title in the text",
        Severity.ERROR,
        """\
The issue's title is its only H1; the template sets it. A `# ` heading in the text makes a second one, and screen
readers and search engines no longer know what the page is called.

Use `## ` for a section and `### ` within one. In shell examples, put comments into a code block.""",
    ),
    Code(
        "NL214",
        "a heading level is left out",
        Severity.WARNING,
        """\
People who read with a screen reader jump from heading to heading by level. An H4 right under an H2 tells them that
they missed something.

Use the next level: `### ` below `## `.""",
    ),
    Code(
        "NL215",
        "a code block that never ends",
        Severity.ERROR,
        """\
The fence that opens here is never closed, so that the whole rest of the issue is code: no sections, no links.

Close it with a line of the same characters, as many or more, and nothing else on the line.""",
    ),
    Code(
        "NL216",
        "spaces at the end of a heading",
        Severity.INFO,
        """\
Invisible, harmless, and a noisy difference in the next commit. `newsletter check --fix` removes them.""",
    ),
    Code(
        "NL217",
        "no line break at the end of the file",
        Severity.INFO,
        """\
Text files end with a line break; without it the next line that a tool appends joins your last one.
`newsletter check --fix` adds it.""",
    ),
)
