"""NL5xx: the parts of a guide, its table, its cards, its questions, and what it refers to."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

GUIDE: tuple[Code, ...] = (
    Code(
        "NL501",
        "a part of a guide is missing",
        Severity.ERROR,
        """\
A guide answers in one screen and then proves it: a summary before the first heading, `## Comparison` with a table,
`## When to choose which` with a card for each option, `## Frequently asked questions` with at least one question.
Readers, search engines and the template find each of them in its place.

Write the part. `newsletter new --guide "A vs B"` makes a file that has all of them.""",
    ),
    Code(
        "NL502",
        "a heading that opens no part of a guide",
        Severity.ERROR,
        """\
The H2 headings of a guide are fixed: Comparison, When to choose which, Frequently asked questions. Each is an
anchor that links from elsewhere rely on, and each is laid out in its own way, so that text under another heading
would have no place on the page.

Correct the heading, or turn it into an H3 within one of the three.""",
    ),
    Code(
        "NL503",
        "a part of a guide stands twice or in another order",
        Severity.ERROR,
        """\
First the table, then the choice, then the questions: in every guide, so that a reader of one knows where to look
in the next. A second part of the same name would never be reached by its anchor.

Merge the two, or move the part to its place.""",
    ),
    Code(
        "NL504",
        "a comparison without its table",
        Severity.ERROR,
        """\
The comparison is one table with a row for each aspect:

    | Aspect | RAG | Fine-tuning |
    |---|---|---|
    | What it changes | The prompt | The weights |

It is shown with row and column headers and a caption, which takes exactly one table, with a line of dashes below
its header and at least one row. A sentence `**Caption:** …` above or below it becomes the caption.""",
    ),
    Code(
        "NL505",
        "a table header that isn't the options",
        Severity.ERROR,
        """\
The columns of the comparison are the `options` of the front matter, in the same order; the column before them holds
the row headers. Where they differ, a reader who follows a column reads about the wrong thing, and a card and a
column would speak of one option under two names.

Write the options into the header, or correct `options`. Columns that stand in another order have to be moved with
all their cells.""",
    ),
    Code(
        "NL506",
        "a row of the comparison with gaps",
        Severity.ERROR,
        """\
Each row has a label and one cell for each option, none of them empty: in a comparison a gap reads as "no", or as
"we didn't look". Most renderers fill a short row with empty cells and drop what is too much, without a word.

Fill the cell; where an aspect doesn't apply, say so. A bar that belongs to the text is written `\\|`.""",
    ),
    Code(
        "NL507",
        "an option without its card",
        Severity.ERROR,
        """\
Whoever compares two things wants to know when to take which. An option without `### Choose …` below `## When to
choose which` is one nobody is ever told to choose.

Write the card. If there is no case for it, it isn't an option: leave it out of `options` and the table.""",
    ),
    Code(
        "NL508",
        "a card without its option",
        Severity.ERROR,
        """\
Below `## When to choose which`, each H3 is `### Choose` and one of the `options`. This one names something the table
doesn't have.

Correct the name, or add it to `options` and the table. Headings within a card are `####`; what holds for
all options goes into a `> [!NOTE]`.""",
    ),
    Code(
        "NL509",
        "an option, a row, a card or a question stands twice",
        Severity.ERROR,
        """\
Each of them is found by its name: a card and a question have an address of their own, a row and a column are read
out by a screen reader before each cell. Two of one name can't be told apart.

Merge them, or name them by what makes them differ.""",
    ),
    Code(
        "NL510",
        "an empty card",
        Severity.ERROR,
        """\
`### Choose …` stands above nothing. The cards are what a hurried reader reads, after the summary and often
instead of the table.

Say in a few sentences or points when this option is the right one.""",
    ),
    Code(
        "NL511",
        "a question without a question mark",
        Severity.ERROR,
        """\
The H3s below `## Frequently asked questions` are published as questions, for readers and in the page's structured
data (FAQPage). A heading such as "Costs" is a topic: nobody asked it, and nothing can answer it.

Ask it as a reader would: "Is RAG cheaper?" `--fix` adds the mark where only that is missing.""",
    ),
    Code(
        "NL512",
        "a question without an answer",
        Severity.ERROR,
        """\
A question without an answer is worse than none, and structured data with an empty answer is invalid.

Answer it below its heading, or remove it.""",
    ),
    Code(
        "NL513",
        "a guide is past its review",
        Severity.WARNING,
        """\
Models, prices and limits change faster than guides are read. `review_by` is the day after which you no longer vouch
for this one, and it has passed.

Read it again, correct what changed, and set `updated` to today and `review_by` to the next date. If nothing changed,
two new dates are the whole review.""",
    ),
    Code(
        "NL514",
        "a review that is due before the update",
        Severity.ERROR,
        """\
`updated` is the day the guide was last looked over, `review_by` the day it has to be looked over again, which can't
be earlier. Usually the first was changed and the second forgotten, or the two were swapped.

Correct one of the two dates.""",
    ),
    Code(
        "NL515",
        "a related issue or guide that doesn't exist",
        Severity.ERROR,
        """\
`related` takes the number or the slug of an issue, or the slug of a guide, of this newsletter. No file has this one, so
that the page would link to nothing.

Correct it, or remove it. Pages elsewhere belong under `sources`.""",
    ),
    Code(
        "NL516",
        "a source that isn't a web address",
        Severity.ERROR,
        """\
Sources are shown as links, so that a reader can check what a guide says:

    sources:
      - url: https://arxiv.org/abs/2005.11401
        title: "Lewis et al.: Retrieval-Augmented Generation (2020)"

Write the whole address, from `https://` on. For a paper, `https://doi.org/…` stays the same when a publisher moves.""",
    ),
    Code(
        "NL517",
        "a slot in a guide",
        Severity.ERROR,
        """\
`{{ subscriber.name }}` is filled in when an issue is mailed. A guide is a page that anybody reads: there is nobody
whose name could stand there, and the braces would be shown.

Remove it. Text about templates goes into code, where braces are only braces.""",
    ),
    Code(
        "NL518",
        "a link to a part that isn't there",
        Severity.ERROR,
        """\
The page exists and has no such anchor: a browser stays at its top, and the reader doesn't find what you promised.

An issue has the anchors of its sections (`#concept`, `#architecture`, `#project-idea`, `#interview-question`) and `#answer`. A
guide has `#comparison`, `#when-to-choose-which`, `#frequently-asked-questions`, one for each card such as `#choose-rag`,
and one for each question.""",
    ),
    Code(
        "NL519",
        "a note in another place",
        Severity.WARNING,
        """\
The template lays out one `> [!NOTE]`, below `## When to choose which`: the place for what holds whichever option
one takes. Elsewhere, or a second time, it would be lost or shown as a quotation that begins with "[!NOTE]".

Move or merge it, or write it as text.""",
    ),
)
