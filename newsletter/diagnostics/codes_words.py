"""NL80x, NL83x and NL84x: the line in the inbox, the words, and what doesn't fit a phone."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

WORDS: tuple[Code, ...] = (
    Code(
        "NL801",
        "a subject that inboxes cut",
        Severity.INFO,
        """\
A wide window shows 60 to 70 characters of a subject, a phone held upright about 40. The rest is replaced by dots.

Put what matters into the first 40 characters, and stay below 60. In a slot, 8 characters are counted for the value.""",
    ),
    Code(
        "NL802",
        "emoji in the subject",
        Severity.INFO,
        """\
A screen reader reads each emoji out by its name, "party popper, party popper", and one at the beginning comes before
any word that says what the letter is about. Older Outlooks show a box.

One, after the words, does no harm.""",
    ),
    Code(
        "NL803",
        "a subject that pretends to be a reply",
        Severity.WARNING,
        """\
`Re:` and `Fwd:` say that a conversation went before. In a newsletter that is not true: Gmail's rules for senders
and the American CAN-SPAM Act (15 U.S.C. 7704(a)(2)) both forbid misleading subjects, and filters look for it.

Remove the prefix.""",
    ),
    Code(
        "NL804",
        "a subject in capitals",
        Severity.WARNING,
        """\
Capitals throughout read as shouting, are slower to read, and count as a sign of spam in common filters
(SpamAssassin's `SUBJ_ALL_CAPS`).

Write it as a sentence. Acronyms may stay as they are.""",
    ),
    Code(
        "NL805",
        "a subject or preheader that shouts",
        Severity.WARNING,
        """\
Several exclamation or question marks, and rows of currency signs, are the marks of advertising, to readers and
to filters alike.

One is enough; a subject that says something needs none.""",
    ),
    Code(
        "NL806",
        "a preheader that repeats the subject",
        Severity.WARNING,
        """\
An inbox shows the subject and the preheader (the `description`, unless there is a `preheader`) as one line. Where the second
repeats the first, or ends in the same words, half of that line is lost.

Let the preheader say what the subject leaves open: for whom it is, or what the reader will be able to do.""",
    ),
    Code(
        "NL831",
        "a phrase of spam",
        Severity.INFO,
        """\
No single word makes a mail spam: filters judge the sender's reputation, the authentication and what readers do. But
these few phrases are still scored by word-based filters at companies, because hardly anybody else uses them.

Say it in your own words. If it is a quotation, leave it: one alone does no harm.""",
    ),
    Code(
        "NL832",
        "a term with a plainer one",
        Severity.INFO,
        """\
A few technical terms carry an image that hurts some readers and explains nothing: `whitelist`, `master/slave`. The
IETF, the Linux kernel and most style guides of our field have replaced them. The list is short, and on purpose: a
term is on it only where the replacement is clearer as well.

Use the alternative, or put the term into code where it is a name: code is never touched.""",
    ),
    Code(
        "NL833",
        "a word that stands twice",
        Severity.WARNING,
        """\
"the the" is what nobody sees in their own text, and every reader in somebody else's; most of all where a line
ends between the two.

Remove one. `newsletter check --fix` does it for articles and prepositions; for others (`had had` is not reported) it is
for you to say.""",
    ),
    Code(
        "NL834",
        "an invisible character",
        Severity.WARNING,
        """\
A zero-width space, a soft hyphen or a direction override came along with something that was copied. Search doesn't find
the word it stands in, code copied from your issue doesn't run, and an override can make text read otherwise than it
is (CVE-2021-42574). The joiners that Persian, Indic scripts and emoji are written with are not meant.

`newsletter check --fix` removes them; direction overrides are left for you to judge.""",
    ),
    Code(
        "NL835",
        "a no-break space in code",
        Severity.WARNING,
        """\
It looks like a space, and a compiler or a shell takes it for a letter: the reader's copy of the example fails with
an error that nobody can see.

`newsletter check --fix` puts ordinary spaces there.""",
    ),
    Code(
        "NL836",
        "a year that is over",
        Severity.WARNING,
        """\
"this year 2025" in an issue of 2026, or a copyright line with an older year, was true when it was copied. Only phrases
that claim to speak of the present are looked at; "in 2023" is history and left alone.

Correct the year, or say when it was.""",
    ),
    Code(
        "NL837",
        "very hard to read",
        Severity.INFO,
        """\
The Automated Readability Index estimates the years at school that a text asks for, from the length of words and
sentences: 4.71 × characters per word + 0.5 × words per sentence − 21.43. Technical prose is at 9 to 13; above 18,
sentences are usually too long. It was made for English; code, tables, headings and lists are left out.

Break the longest sentences in two.""",
    ),
    Code(
        "NL838",
        "a very long issue",
        Severity.INFO,
        """\
4,000 words take about 17 minutes at the usual 238 words a minute (Brysbaert, 2019). Gmail also hides what follows the
first 102 KB of a mail, the footer first.

Split the issue, or link to a page for those who want all of it.""",
    ),
    Code(
        "NL840",
        "a table too wide for a phone",
        Severity.WARNING,
        """\
A table can't become narrower than the longest words of its columns. On a phone the text is 335 pixels wide, in a window
536; a wider table is pushed out of the page, or shrinks all of the mail. A table that only a phone has no room for is a
note; one that nobody has room for is a warning.

Use fewer columns or shorter words, or make it a list.""",
    ),
    Code(
        "NL841",
        "code that wraps on a phone",
        Severity.INFO,
        """\
A phone of 375 pixels shows 42 characters of code in a row. A long line or two are wrapped and read all the same; where
three of four are, indentation no longer shows the structure.

Shorten names, indent by two, break lines, or show less.""",
    ),
)
