"""NL6xx: what only shows when the site is built: pages that lead nowhere, or stand in one another's way."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

SITE: dict[str, Code] = {
    code.code: code
    for code in (
        Code(
            "NL601",
            "a link to a page that isn't there",
            Severity.ERROR,
            """\
The link names an issue, a guide, a page or a part of one that the site doesn't have, so its reader would
get "not found". The site is not replaced while it has such a link.

Correct the path; links to issues and guides are written from the file's own folder, such as
`../002-hybrid-retrieval.md#concept`. Of a page that isn't made from them, on your own website for one, write the
whole address: `https://example.com/about/`.""",
        ),
        Code(
            "NL602",
            "a link to an issue that isn't published yet",
            Severity.WARNING,
            """\
The file is there, but its issue was not sent yet, so it has no page. The words of the link are shown, the
link is not; it appears by itself when the site is built after the issue was sent.""",
        ),
        Code(
            "NL603",
            "an address that belongs to the site or the service",
            Severity.ERROR,
            """\
The slug or an alias is the address of another page: `archive`, `guides`, `tags`, `questions`, or one of
the service's, such as `join`. Two pages can't stand at one address.

Write another `slug`, or remove the alias.""",
        ),
        Code(
            "NL604",
            "a sent issue has no file",
            Severity.WARNING,
            """\
Mails in inboxes link to this address, and no file has its slug: it was renamed, moved or deleted after
the issue was sent, and the site has no page for it.

Give the file its old `slug`, or list that under `aliases`.""",
        ),
    )
}
