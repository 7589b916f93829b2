"""NL9xx: what no single file shows: issues that contradict one another."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

NEWSLETTER: tuple[Code, ...] = (
    Code(
        "NL901",
        "two issues have the same number",
        Severity.ERROR,
        """\
A number names one issue: `newsletter send 12` and "issue 12" in a reply must mean the same file for
everybody. Copying last week's file and forgetting the number is the usual cause.

Give the newer of the two the next free number; `newsletter new "Title"` counts for you.""",
    ),
    Code(
        "NL902",
        "two issues claim the same address",
        Severity.ERROR,
        """\
The slug, and every alias, is a page of the archive. Where two issues claim one address, the second would
replace the first, and links in mails that are already in inboxes would lead to the wrong issue.

Change the `slug` of the issue that has not been sent. A slug that was sent stays; to move a page, give it
a new slug and keep the old one under `aliases`.""",
    ),
    Code(
        "NL903",
        "the file name and the number disagree",
        Severity.WARNING,
        """\
`007-evals.md` with `number: 8` is found as issue 7 on the command line and printed as issue 8 in the
mail. Nothing breaks, until somebody sends "issue 8".

Rename the file or change the number, so that both say the same.""",
    ),
)
