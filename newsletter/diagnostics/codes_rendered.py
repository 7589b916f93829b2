"""NL400 to NL499: what can only be found while an issue is rendered."""

from __future__ import annotations

from newsletter.diagnostics.types import Code, Severity

RENDERED_CODES: dict[str, Code] = {
    code.code: code
    for code in (
        Code(
            "NL401",
            "personal field lost",
            Severity.ERROR,
            "A `{{ … }}` of the issue is missing from what would be sent, so every reader would get a text with "
            "a hole. It stands where text is dropped (a comment, the title of a link, which the text part doesn't show), or "
            "a template of your own leaves out the part that holds it. Move the field into running text, or put the part "
            "back into the template.",
        ),
        Code(
            "NL402",
            "personal field doubled",
            Severity.ERROR,
            "A `{{ … }}` of the issue appears more often in what would be sent than it was written. A template "
            "of your own prints the same part twice; print it once.",
        ),
        Code(
            "NL403",
            "picture that can't be read",
            Severity.ERROR,
            "The issue shows a picture whose file can't be read: it is a folder, it is closed to you, or it went away "
            "since it was checked (one that isn't there to begin with is NL306). Paths are read from the folder of the "
            "issue's own file. In the rendered issue the alternative text stands in the picture's place.",
        ),
        Code(
            "NL404",
            "picture outside the newsletter",
            Severity.ERROR,
            "The issue shows a picture from outside the newsletter's folder. Such a file would be sent to every "
            "reader by mistake of one path, so it is refused. Copy it next to the issue.",
        ),
        Code(
            "NL405",
            "picture that mail programs don't show",
            Severity.ERROR,
            "Mail programs show PNG, JPEG and GIF. SVG is shown by none of the big ones, WebP and AVIF not by "
            "Outlook for Windows (caniemail.com, image formats). Convert the picture, best to PNG at twice the size it is "
            "shown at. A file that is damaged, or cut off before its end as by a download that was broken off, is shown in "
            "part or not at all: export it anew.",
        ),
        Code(
            "NL406",
            "accent too faint for text",
            Severity.WARNING,
            "Text needs a contrast of 4.5 : 1 against its ground (WCAG 2.2, success criterion 1.4.3). The accent "
            "of `[theme]` has less, so links and marks use the nearest shade that has enough. Choose a darker "
            "`accent`, or a lighter `accent_dark`, to decide yourself.",
        ),
        Code(
            "NL407",
            "address can't be made absolute",
            Severity.WARNING,
            "An email has no address of its own, so a link such as `../about` or `#concept` leads nowhere in it. "
            "Set `base_url` and such links lead to the archive, or write the whole address.",
        ),
        Code(
            "NL408",
            "linked picture without an address",
            Severity.ERROR,
            "Pictures are to be linked instead of attached, but without `base_url` there is no address they "
            'could be linked at. Set `base_url`, or `images = "attach"` in `[sending]`.',
        ),
        Code(
            "NL409",
            "picture elsewhere on the web",
            Severity.WARNING,
            "A picture with a web address is loaded from there by each reader: its owner can count your readers "
            "or change the picture, and its width isn't known, so Outlook for Windows may show it too wide. "
            "Keep a copy next to the issue.",
        ),
        Code(
            "NL410",
            "link that isn't for mail",
            Severity.ERROR,
            "A link in an email leads to `https:`, `http:`, `mailto:` or `tel:`. Mail programs remove others, "
            "and `javascript:` or `data:` makes filters suspicious of the whole message.",
        ),
        Code(
            "NL411",
            "nested too deeply",
            Severity.ERROR,
            "Lists or quotes stand inside each other so often, or so many brackets are open at once, that the text can't "
            "be read as Markdown, so the source itself would be shown. Write it with less nesting; a bracket that begins "
            "no link may have a backslash before it.",
        ),
        Code(
            "NL460",
            "diagram left as code",
            # Of the machine, not of the issue: the same text passes elsewhere. A send shows it all the same.
            Severity.INFO,
            "A `mermaid` or `dot` block becomes a picture, since mail runs no JavaScript and shows no SVG. What would "
            "draw it isn't installed here, so readers would see its source. For Mermaid: "
            "`pip install 'newsletter-toolkit[diagrams]'` (Linux on x86-64, macOS on Arm, Windows on x86-64); for dot: "
            "Graphviz, such as `apt install graphviz`.",
        ),
        Code(
            "NL461",
            "diagram without alternative text",
            Severity.ERROR,
            "Who doesn't see the picture, because images are off or because they can't see, reads its alternative text "
            "instead (WCAG 2.2, success criterion 1.1.1), and so does the plain-text part. Say in a sentence what the "
            "diagram shows: `%% alt: …` on a line of a `mermaid` block, `// alt: …` in a `dot` block.",
        ),
        Code(
            "NL462",
            "diagram that can't be read",
            Severity.ERROR,
            "The block is called `mermaid` or `dot`, but its source has a mistake, so there is no picture and readers "
            "would see the source. The finding names the line. Mermaid is drawn without a browser, and a kind of diagram "
            "that is newer than what draws it isn't known: `newsletter preview` shows what comes out.",
        ),
        Code(
            "NL463",
            "diagram too large to draw",
            Severity.ERROR,
            "Drawing a diagram is ended after ten seconds, or when it takes two gigabytes of memory, and one of more "
            "than 20,000 characters isn't begun: nobody reads such a picture in a mail. Draw the part that matters.",
        ),
        Code(
            "NL464",
            "diagram too wide for a telephone",
            Severity.WARNING,
            "A mail is some 375 pixels wide on a telephone, and a wider diagram is made smaller until it fits: its words "
            "would be less than 11 pixels high. Most diagrams read better from top to bottom: `flowchart TD` instead of "
            "`LR`, `rankdir=TB` in dot.",
        ),
        Code(
            "NL465",
            "diagram in colours that can't be read",
            Severity.WARNING,
            "Diagrams are drawn in the theme's colours on a ground of their own, which reads in light and dark schemes "
            "alike. Colours in the source win over those, and these have a contrast below 4.5 : 1 (WCAG 2.2, 1.4.3), "
            "or come with a theme that nobody checked. Leave them out, or choose a darker text or a lighter fill.",
        ),
        Code(
            "NL466",
            "picture too large",
            Severity.ERROR,
            "A file above 32 MB or a picture above 40 million pixels is not even opened: decoding it would take "
            "gigabytes. Readers see at most 1,200 pixels across. Make it smaller before you put it beside the issue.",
        ),
        Code(
            "NL467",
            "heavy pictures",
            Severity.WARNING,
            "All pictures of an issue together should stay below 1 MB: attached, they are sent anew to each reader; "
            "linked, a telephone loads them before it shows them. Photographs belong in JPEG, drawings in PNG with "
            "few colours.",
        ),
        Code(
            "NL468",
            "picture as it is",
            Severity.INFO,
            "Pictures are made at most 1,200 pixels wide, turned upright and brought into screen colours on the way out, "
            "which takes Pillow. It isn't installed, so this picture leaves as it is: "
            "`pip install 'newsletter-toolkit[site]'`. Where it was taken and by whom is removed in any case, "
            "unless that would turn the picture.",
        ),
        Code(
            "NL469",
            "linked picture that isn't published",
            Severity.ERROR,
            'This provider can\'t carry pictures, or `images = "link"` in `[sending]` wants them linked, and the site '
            "that was built here hasn't this one yet: readers would see a gap. `newsletter site build` publishes the "
            "pictures of each issue that is `ready`; put the site on its host, then send. Where another machine builds "
            "the site, turn this code off in `[checks]`; where `newsletter serve` shows the site, set `[web] site`.",
        ),
        Code(
            "NL470",
            "characters without a font",
            Severity.WARNING,
            "Diagrams are drawn in a typeface that comes along, for Latin, Greek and Cyrillic; other scripts and emoji "
            "come from the fonts of the machine that draws, and none here has these: readers would see boxes. Install "
            "such a font where mails are sent and the site is built (Noto has nearly all scripts).",
        ),
    )
}
