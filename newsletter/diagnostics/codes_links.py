"""NL81x, NL82x and NL85x: where links lead, what pictures say and weigh, and what the web answered."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

LINKS: tuple[Code, ...] = (
    Code(
        "NL811",
        "a placeholder domain",
        Severity.WARNING,
        """\
`example.com` and the endings `.example`, `.test` and `.invalid` are reserved for documentation (RFC 2606): no page of
yours will ever be there. Most often such a link was to be filled in.

Put in the real address. One that you write *about* belongs into a code span.""",
    ),
    Code(
        "NL812",
        "a shortened address",
        Severity.WARNING,
        """\
A shortener hides where a link leads, from readers and from filters. Spammers use the same domains, so that block
lists hold them; and the link dies with the service.

Open it once, and use the address it leads to.""",
    ),
    Code(
        "NL813",
        "a click identifier in an address",
        Severity.WARNING,
        """\
`fbclid`, `gclid`, `mc_eid` and their like were put there for *your* click when the address was copied. Every reader would be
counted as you, and some of them tell the site who you are.

`newsletter check --fix` removes them, and the `utm_` fields beside them.""",
    ),
    Code(
        "NL814",
        "campaign fields in an address",
        Severity.INFO,
        """\
`utm_source` and the others tell the owner of the page which campaign a reader came by. Those of somebody else's campaign,
copied along with the address, count your readers as theirs. If you agreed on them with a sponsor, leave them.

`newsletter check --fix` removes them only where the source is a place that addresses are copied from, such as a social
network; the others are yours to judge.""",
    ),
    Code(
        "NL815",
        "an address that is no link",
        Severity.WARNING,
        """\
Markdown makes no link of a bare `https://…` or `www.…`. Some mail clients do it themselves, others don't, and none knows where the
sentence's own full stop begins.

`newsletter check --fix` puts it between `<` and `>`. Words that say what is there are better: `[the paper](https://…)`.""",
    ),
    Code(
        "NL816",
        "the same words lead to different places",
        Severity.WARNING,
        """\
Many readers with a screen reader go through a list of a page's links, without the text around them. Two that are
called the same and lead elsewhere can't be told apart there (WCAG 2.2, success criterion 2.4.9).

Give each its own words.""",
    ),
    Code(
        "NL817",
        "a link within the issue",
        Severity.INFO,
        """\
Links to a part of the same mail don't work in Gmail's apps and in Yahoo's. In the mail, such a link leads to the issue's page in
the archive instead: a reader who only wanted to scroll finds themselves in a browser.

Keep it if that is what you want; otherwise name the section in words.""",
    ),
    Code(
        "NL818",
        "a mail address with a mistake",
        Severity.WARNING,
        """\
The address after `mailto:` can't be one, or its domain is a common slip of a large provider's, such as `gmial.com`. What a
reader writes would come back, or reach a stranger.

Correct it: `mailto:name@host.org`. An address that can't be one is an error.""",
    ),
    Code(
        "NL819",
        "vague link text",
        Severity.WARNING,
        """\
"here" and "read more" say nothing without the sentence around them, and in the list of links that a screen reader offers
there is none. Also with a finger, a short word is hard to hit (WCAG 2.2, 2.4.4 and 2.5.8).

Let the words name what is there: `[the paper on rank fusion](…)`.""",
    ),
    Code(
        "NL820",
        "an address with a slip in it",
        Severity.ERROR,
        """\
`https:/host`, `https//host` or `https://https://host` lead nowhere. In a mail that can't be corrected afterwards.

Write `https://`, the host, and the rest.""",
    ),
    Code(
        "NL821",
        "a link that is none",
        Severity.WARNING,
        """\
With a space between `]` and `(`, or with the brackets swapped, Markdown sees no link: readers get the brackets and the
address as text.

`newsletter check --fix` writes it as it was meant.""",
    ),
    Code(
        "NL823",
        "alternative text that says nothing",
        Severity.WARNING,
        """\
`IMG_2041.png`, `screenshot` and `diagram` tell a reader who doesn't see the picture that they miss something, and not what.

Say what the picture shows: "A question passes two lanes, then a reranker".""",
    ),
    Code(
        "NL824",
        "very long alternative text",
        Severity.INFO,
        """\
A screen reader reads alternative text in one go, without pauses to go back to; with images off, it has to fit the picture's
frame.

Say in one or two sentences what the picture shows. Numbers and conclusions belong into the text, where everybody reads
them.""",
    ),
    Code(
        "NL825",
        "a heavy picture",
        Severity.WARNING,
        """\
More than 1 MB takes seconds on a phone's connection, and is paid for by readers who pay by volume. At 1,200 pixels, twice the
column, a diagram as PNG has 50 to 200 KB and a photograph as JPEG 100 to 300.

Scale it down, or choose the other format.""",
    ),
    Code(
        "NL826",
        "a picture too large to send",
        Severity.ERROR,
        """\
Above 20 MB, no mailbox takes a message with it, and no reader waits for it.

Scale the picture to 1,200 pixels and save it as JPEG or PNG.""",
    ),
    Code(
        "NL827",
        "a file that isn't the picture its name says",
        Severity.ERROR,
        """\
The file's first bytes say what it is, whatever its name says. A WebP called `.png` stays empty in classic Outlook, and an error
page that was saved as `.png` everywhere. Where the format is one that mail shows, only the name is wrong, and this is a
warning.

Rename it, or convert it.""",
    ),
    Code(
        "NL851",
        "a link to a page that is gone",
        Severity.ERROR,
        """\
`newsletter check --online` asked for the address, and the server said that there is nothing (404 or 410), or there is no such
host. Readers would be told the same.

Correct the address, or link to a copy such as the one at `https://web.archive.org/`.""",
    ),
    Code(
        "NL852",
        "a link that didn't answer",
        Severity.WARNING,
        """\
The server failed (a status of 500 or more), took longer than ten seconds, closed the connection, showed a certificate that
isn't valid, or sent the reader round in a circle. It may be over in a minute.

Open it in a browser, and check again before sending.""",
    ),
    Code(
        "NL853",
        "a page that has moved for good",
        Severity.INFO,
        """\
The server says that the page is at another address for good (301 or 308). Readers still arrive, until the redirection is
removed.

Use the new address.""",
    ),
    Code(
        "NL854",
        "a link into a private network",
        Severity.WARNING,
        """\
The host is, or resolves to, an address that is only reached from inside a network: `localhost`, `10.0.0.0/8`, `192.168.0.0/16`, a
cloud's metadata service. No reader gets there, and the check doesn't go there either, nor where a redirection leads so.

Use the public address of the page.""",
    ),
    Code(
        "NL855",
        "a link that couldn't be checked",
        Severity.INFO,
        """\
The server answered, and told the check nothing: it wants a login (401, 403), or fewer questions (429), or doesn't like
programs. Most readers with a browser will get there.

Open it once yourself.""",
    ),
    Code(
        "NL856",
        "no connection to check links with",
        Severity.WARNING,
        """\
No host could be found or reached, so that the links and pictures of the web were not checked. Everything else was.

Check again with `newsletter check --online` when there is a network.""",
    ),
)
