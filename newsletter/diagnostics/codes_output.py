"""NL700 to NL799: what is wrong with a message as it leaves, its HTML, its text part, its headers and its size."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_CONSORTIUM = (
    "It is on the Email Markup Consortium's list of serious faults (its accessibility report of 2025)."
)

_MARKUP = (
    Code(
        "NL700",
        "page without a language or direction",
        _WARNING,
        "A screen reader chooses its voice by `lang` and its reading order by `dir` on `<html>` (WCAG 2.2, success "
        f'criterion 3.1.1). {_CONSORTIUM} Write `<html lang="{{{{ language }}}}" dir="{{{{ direction }}}}">` in the template.',
    ),
    Code(
        "NL701",
        "body without a language or direction",
        _WARNING,
        "Webmail takes what is inside `<body>` and drops `<html>` with its `lang` and `dir`, so each element right "
        f"below `<body>` has to say them again. {_CONSORTIUM} Put both attributes on those elements.",
    ),
    Code(
        "NL702",
        "page without a title",
        _WARNING,
        "`<title>` is what a screen reader says first and what a browser tab shows of the mail (WCAG 2.2, success "
        f"criterion 2.4.2). {_CONSORTIUM} Put `<title>{{{{ title }}}}</title>` into the head of the template.",
    ),
    Code(
        "NL703",
        "table with the wrong role",
        _WARNING,
        "A table that only places things is read out as rows and columns, cell by cell, unless it has "
        '`role="presentation"`; one with header cells is data, and that role would take its headers away (WCAG 2.2, '
        f"success criterion 1.3.1). {_CONSORTIUM} Add the role to layout tables, and to no other.",
    ),
    Code(
        "NL704",
        "not one main heading",
        _WARNING,
        "Screen reader users go from heading to heading, and the first level names the mail. "
        f"{_CONSORTIUM} Have exactly one `<h1>`: the issue's title.",
    ),
    Code(
        "NL705",
        "heading level left out",
        _WARNING,
        "A heading two levels below the one before it sounds like a missing chapter (WCAG 2.2, success criterion "
        "1.3.1). Use the next level; how large it looks is a matter of style.",
    ),
    Code(
        "NL706",
        "link without words",
        _ERROR,
        "A link needs words, or a picture with an alternative text: without them a screen reader spells out the "
        f"address (WCAG 2.2, success criterion 2.4.4). {_CONSORTIUM} Write what the link leads to.",
    ),
    Code(
        "NL707",
        "words of a link say nothing",
        _WARNING,
        "Many readers go through the links alone. `Click here`, `read more` or `this` tells them nothing (WCAG 2.2, "
        f"success criterion 2.4.4). {_CONSORTIUM} Use the words that say where it leads.",
    ),
    Code(
        "NL708",
        "link told by its colour alone",
        _WARNING,
        "A link in running text that isn't underlined, and whose colour has less than 3 : 1 against the words around "
        f"it, is invisible to many (WCAG 2.2, success criterion 1.4.1, technique G183). {_CONSORTIUM} Underline it.",
    ),
    Code(
        "NL709",
        "image without an alternative text",
        _ERROR,
        "With images off, or read out, the alternative text is the image (WCAG 2.2, success criterion 1.1.1). "
        f'{_CONSORTIUM} Write `alt="…"`; `alt=""` for a picture that is nothing but decoration.',
    ),
    Code(
        "NL710",
        "text too faint",
        _WARNING,
        "Text needs 4.5 : 1 against its ground, large text (24 px, or 19 px bold) 3 : 1 (WCAG 2.2, success criterion "
        f"1.4.3). {_CONSORTIUM} Choose a darker colour or a lighter ground.",
    ),
    Code(
        "NL711",
        "text too faint in the dark",
        _WARNING,
        "Where a client honours the mail's own dark colours (`prefers-color-scheme`, Outlook.com's `[data-ogsc]` and "
        "`[data-ogsb]`), text needs the same contrast as by day: 4.5 : 1, large text 3 : 1. Often one half of a pair "
        "was given a dark colour and the other forgotten. Give both.",
    ),
    Code(
        "NL712",
        "text too faint once inverted",
        _WARNING,
        "Gmail on iOS and Outlook for Windows ignore a mail's dark colours and invert the light ones. This pair of "
        "colours reads by day and not after that: less than 3 : 1 is a warning, less than 4.5 : 1 a note, since each client "
        "inverts in its own way. Take it further apart: near black on near white survives.",
    ),
    Code(
        "NL713",
        "justified text",
        _WARNING,
        "Justified lines tear rivers of white into narrow columns, which readers with dyslexia lose their way in "
        "(WCAG 2.2, success criterion 1.4.8). Align text to the side it starts at.",
    ),
    Code(
        "NL714",
        "very small text",
        _WARNING,
        "Below 11 px, text is unreadable on a phone, and iOS enlarges it against the layout. Body text reads well at 16 px, "
        "a footer at 13 px.",
    ),
    Code(
        "NL715",
        "table of data without header cells",
        _WARNING,
        "A table with a caption or a head is data, and each value is read out with its header, if there is one (WCAG 2.2, "
        'technique H51). Make the cells of the first row `<th scope="col">`.',
    ),
    Code(
        "NL716",
        "id used twice",
        _WARNING,
        "An `id` is what labels and links point to; of two, the second can't be reached (HTML Living Standard, section "
        "3.2.6). A part of a template is printed twice, or two headings have the same name.",
    ),
)

_CLIENTS = (
    Code(
        "NL720",
        "layout rests on CSS that clients don't know",
        _WARNING,
        "Flexbox, grid, positioning, custom properties and the like don't exist in several of the big mail clients: "
        "columns fall on top of each other, colours vanish (caniemail.com, features `css-display-flex`, `css-display-grid`, "
        "`css-position`, `css-variables`). Use tables for what must stand side by side, or put the modern rule behind a plain "
        "one or into a media query: what has a fallback is no finding.",
    ),
    Code(
        "NL721",
        "element that clients drop",
        _WARNING,
        "Forms, inline SVG, video without a picture in it, frames and embedded objects are removed or don't work in many "
        "clients (caniemail.com, features `html-form`, `html-svg`, `html-video`). Link to a page that has them.",
    ),
    Code(
        "NL722",
        "script",
        _ERROR,
        "No mail client runs scripts, and filters take `<script>`, `onclick` and `javascript:` for an attack: the whole "
        "message goes to spam or is refused (Gmail's list of blocked content). Take it out.",
    ),
    Code(
        "NL723",
        "styles or fonts from elsewhere",
        _INFO,
        "A font or a style sheet that is fetched when the mail is opened tells its owner who reads it, and most clients "
        "don't fetch it (caniemail.com, features `css-at-font-face`, `css-at-import`, `html-link`). System fonts read well; "
        "if you keep it, name a system font behind it.",
    ),
    Code(
        "NL724",
        "picture inside an address",
        _ERROR,
        "Gmail and Outlook show no picture that is written into the HTML as `data:` (caniemail.com, feature "
        "`image-base64`), and it weighs against Gmail's limit. Attach it or link to it.",
    ),
    Code(
        "NL725",
        "style sheet too large for Gmail",
        _WARNING,
        "Gmail drops the `<style>` that goes past 16,384 bytes, and what comes after it: dark colours and phones first "
        "(developers.google.com/gmail/design/css, measured by caniemail.com, feature `html-style`). Shorten it, or "
        "put styles on the elements.",
    ),
)

_TEXT = (
    Code(
        "NL730",
        "placeholder left",
        _ERROR,
        "`{{ … }}`, `{% … %}`, `*|…|*` or `%%…%%` stands in the finished message, so every reader would see it. A template "
        "of your own prints it as text, or it belongs to another program. In code it is left alone.",
    ),
    Code(
        "NL731",
        "address without encryption",
        _WARNING,
        "A link or a picture goes to `http://`: it can be read and changed on its way, and the browser it opens in calls the "
        "page not secure. Nearly every site answers to `https://`.",
    ),
    Code(
        "NL732",
        "address that leads nowhere for a reader",
        _WARNING,
        "`localhost` is the reader's own machine, and `example.com` belongs to nobody (RFC 6761, RFC 2606). Such an address "
        "was meant to be replaced. The address of the newsletter itself is no finding: `base_url` has its own check.",
    ),
    Code(
        "NL733",
        "invisible or control character",
        _WARNING,
        "Zero-width characters break words for search and screen readers and look like an attempt to fool filters; a "
        "C1 control character (U+0080 to U+009F) has Gmail cut the message off there. They often come along with "
        "pasted text. The filler of a hidden preheader is meant, and no finding.",
    ),
    Code(
        "NL734",
        "dead link",
        _WARNING,
        "A link to `#`, to nothing, or to a place in the same mail that isn't there does nothing when it is pressed. Fill in "
        "the address, or make it plain text.",
    ),
)

_SIZE = (
    Code(
        "NL740",
        "HTML close to where Gmail clips",
        _WARNING,
        'Gmail shows the first 102 KB of the HTML and hides the rest behind "View entire message", the unsubscribe link '
        "first. Whether it counts the part as it travels or decoded is disputed, so both are measured, with long "
        "values for every personal field. This message has passed 90 KB. Shorten the issue, or link to the second half.",
    ),
    Code(
        "NL741",
        "HTML that Gmail clips",
        _ERROR,
        "Gmail shows the first 102 KB of the HTML and hides the rest: the footer with the unsubscribe link and the postal "
        "address is gone for those readers. This message is larger, as it travels or decoded. Shorten the issue, or "
        "publish a part of it in the archive and link to that.",
    ),
)

_DUTIES = (
    Code(
        "NL750",
        "no unsubscribe link in the text",
        _ERROR,
        "Every commercial mail must show how to leave (CAN-SPAM, 15 U.S.C. § 7704(a)(3); Gmail's and Yahoo's sender "
        "guidelines want it in the body as well). The address of `List-Unsubscribe` isn't linked in the HTML or isn't in "
        "the text part: a template of your own has lost `{{ unsubscribe_url }}`.",
    ),
    Code(
        "NL751",
        "no postal address in the text",
        _ERROR,
        "Every commercial mail must show the sender's postal address (CAN-SPAM, 15 U.S.C. § 7704(a)(5)(A)(iii)). The one "
        "in `postal_address` isn't in the HTML or the text part: a template of your own has lost "
        "`{{ publication.postal_address }}`.",
    ),
    Code(
        "NL752",
        "no link to the web page",
        _INFO,
        "The issue has a page in the archive, and the mail doesn't link to it: whoever sees it broken or clipped has no "
        "way out. Link to `{{ web_url }}`.",
    ),
    Code(
        "NL753",
        "no one-click unsubscribe in the headers",
        _ERROR,
        "Gmail and Yahoo want `List-Unsubscribe` with an `https:` address and `List-Unsubscribe-Post: "
        "List-Unsubscribe=One-Click` on bulk mail (RFC 8058, section 3.1; Google's sender guidelines of 2024). Set `base_url` to the "
        "`https://` address of the public service.",
    ),
    Code(
        "NL754",
        "header missing or twice",
        _ERROR,
        "`From`, `Date`, `Message-ID` and `Subject` must each stand in a message exactly once (RFC 5322, section 3.6; Gmail "
        "refuses others with 550-5.7.1). Something between the template and the provider lost or doubled one.",
    ),
    Code(
        "NL755",
        "sender not aligned",
        _WARNING,
        "DMARC wants the domain of the DKIM signature to be that of `From`, or one organisation with it (RFC 9989, "
        "identifier alignment), and a `Message-ID` under another's domain looks forged. Set `dkim_domain` to the domain of `from`.",
    ),
    Code(
        "NL756",
        "no text part",
        _ERROR,
        "Watches, screen readers and text clients show the plain-text part, and filters count its absence against the "
        "message (RFC 2046, section 5.1.4). A template of your own has left it empty: `email/issue.txt.j2`.",
    ),
)

_RENDERING = (
    Code(
        "NL760",
        "issue can't be rendered",
        _ERROR,
        "A template of your own has a mistake, or asks for something there isn't, or a setting can't stand in a header, so there "
        "is no message. The finding names the template's line. Mend it there, or delete the file to use ours.",
    ),
)

OUTPUT: dict[str, Code] = {
    code.code: code for code in (*_MARKUP, *_CLIENTS, *_TEXT, *_SIZE, *_DUTIES, *_RENDERING)
}
