"""How does an author's Markdown become a web page? Semantic HTML with classes, links that are looked up later, no inline styles."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

from markupsafe import Markup, escape

from newsletter.content.slots import code_ranges, stands_in
from newsletter.diagnostics import Diagnostic
from newsletter.diagnostics.codes_rendered import RENDERED_CODES
from newsletter.errors import NewsletterError
from newsletter.model.issue import Prose
from newsletter.render.blocks import CAPTION
from newsletter.render.diagrams.source import place_in
from newsletter.render.dialect import take_definitions, with_definitions, without_comments
from newsletter.render.fragment import Fragment, Place
from newsletter.render.highlight import highlight_with_classes, language_name
from newsletter.render.html import MarkdownConverter, inline, plain
from newsletter.render.images import Picture, Pictures, Problem, image_size
from newsletter.render.sections import Content
from newsletter.render.slots import TOKEN, SlotTable
from newsletter.render.workshop import Workshop
from newsletter.site.entry import Link, PictureFile

# Stands before the address of a picture until the site's root is known.
_ASSETS = "site:"
_LINK = "link"
# What is wrong on a page as well; the others are about mail programs.
_CODES = frozenset(
    (
        "NL403",
        "NL404",
        "NL405",
        "NL410",
        "NL411",
        "NL460",
        "NL461",
        "NL462",
        "NL463",
        "NL465",
        "NL466",
        "NL468",
        "NL470",
    )
)
# Of a picture that can't be read or is outside of the newsletter; where it isn't there at all, `check` has said that.
_UNREADABLE = frozenset(("NL403", "NL404"))
_CODE = re.compile(r'<pre><code(?: class="language-([^"]*)")?>(.*?)</code></pre>', re.DOTALL)
_ASIDE = re.compile(r'<aside class="([a-z]+)">(.*?)</aside>', re.DOTALL)
_TABLE = re.compile(f"<table>(.*?)</table>{CAPTION}", re.DOTALL)
_HEADER = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
_IMAGE = re.compile(r'<img ([^>]*?)src="site:/assets/([^"]+)"([^>]*?)>')
# Narrower than the text's column, each has room for a word or two.
_MANY_COLUMNS = 6
_TAG = re.compile(r"<[^>]+>")
# Those between which there is no space, where none is written.
_IN_WORDS = re.compile(
    r"</?(?:a|abbr|b|bdi|code|del|em|i|ins|kbd|mark|q|s|small|span|strong|sub|sup|u)\b[^>]*>"
)
# Hebrew, Arabic, Syriac, Thaana and N'Ko, and the forms of Arabic letters of old encodings.
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_WITH_SIDES = re.compile("<(ul|ol|blockquote|table)(?=[ >])")
_WIDTH = re.compile(r' width="\d+"')
# An address in brackets may have spaces in it, one without them a pair of parentheses (CommonMark 6.3).
_ADDRESS = r"(?:<([^<>\n]+)>|((?:[^()\s]|\([^()\s]*\))+))"
_ANY_IMAGE = re.compile(rf"!\[[^\]]*\]\(\s*{_ADDRESS}")
_IMAGE_DEFINITION = re.compile(rf"^ {{0,3}}\[[^\]\n^][^\]\n]*\]:[ \t]*{_ADDRESS}", re.MULTILINE)
_MARKDOWN_IMAGE = re.compile(r"(!\[[^\]]*\]\(\s*<?)([^)\s>]+)")


class SitePlace(Place):
    """A place whose links to other pages are looked up when all pages are known."""

    __slots__ = ()

    def link(self, href: str) -> tuple[str, Problem | None]:
        """A placeholder for a link to a page of the site; any other link as it is."""
        if TOKEN.search(href):
            return super().link(href)
        try:
            parts = urlsplit(href)
        except ValueError:
            return super().link(href)
        if parts.scheme or href.startswith("//"):
            return super().link(href)
        if not parts.path:
            target = ""
        elif parts.path.endswith(".md") and not parts.path.startswith("/"):
            target = "file:" + quote(os.path.abspath(self.pictures.issue_path.parent / unquote(parts.path)))  # noqa: PTH100 - a link is written to the name, not to what it links to
        else:
            target = urljoin(self.web_url, parts.path) + (f"?{parts.query}" if parts.query else "")
        placeholder = f"page:{target}#{parts.fragment}"
        return placeholder, Problem(_LINK, target, parts.fragment)


@dataclass(slots=True)
class WebConverter:
    """Converts the Markdown of one file, and notes its links, its pictures and what is wrong.

    Attributes:
        text: the whole file, in which findings have their places.
        display: what findings call the file.
        place: where its links and pictures lead.
        root: the path of the site's address, such as `/notes`; empty for none.
        reader_links: what stands for a reader's own links, by slot.
        code_before: code blocks that were coloured before, by what they are made of: the lexers of a language take
            longer to begin than most edits.
        code: those of this file.
    """

    text: str
    display: str
    place: Place
    markdown: MarkdownConverter
    root: str
    reader_links: dict[str, str]
    code_before: Mapping[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    slots: SlotTable = field(default_factory=SlotTable)
    links: list[Link] = field(default_factory=list)
    pictures: dict[str, PictureFile] = field(default_factory=dict)
    findings: list[Diagnostic] = field(default_factory=list)
    words_read: int = 0
    _sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    _tables: int = 0
    _definitions: dict[str, str] = field(default_factory=dict)

    def define(self, *pieces: Prose) -> None:
        """Take the link and footnote definitions of `pieces`: they hold for the whole file."""
        for prose in pieces:
            if "]:" in prose.text:
                for label, definition in take_definitions(prose.text)[1].items():
                    self._definitions.setdefault(label, definition)

    def content(self, prose: Prose, top: int = 3) -> Content:
        """Running text; its headings start at level `top`."""
        source = prose.text if "]:" not in prose.text else take_definitions(prose.text)[0]
        source = self.slots.mark(with_definitions(source, self._definitions))
        fragment = self.markdown.convert(source, self.place, top)
        self._note(fragment, prose)
        html = self._filled(self._for_web(fragment.html))
        self.words_read += len(_TAG.sub(" ", html).split())
        return Content(html, Markup(html))  # noqa: S704 - the author's own HTML was escaped on the way

    def words(self, text: str, line: int = 0) -> Content:
        """A few words on one line, without a paragraph around them."""
        quick = None if "{{" in text else plain(text)
        if quick is not None:
            return Content(quick, Markup(quick))  # noqa: S704 - escaped by `plain`
        html = inline(str(self.content(Prose(text, line))))
        return Content(html, Markup(html))  # noqa: S704 - converted above

    def line_of_text(self, text: str) -> str:
        """`text`, which is no Markdown, with what its slots say to nobody in particular."""
        return self._filled(self.slots.mark(text), escaped=False)

    def markdown_body(self, body: str) -> str:
        """The author's Markdown without comments, with slots filled in and pictures at their address."""
        body = without_comments(body)
        code = code_ranges(body) if "![" in body else []

        def address(match: re.Match[str]) -> str:
            # Code shows what is written.
            if stands_in(code, match.start()):
                return match[0]
            picture = self.place.pictures.find(match[2])
            return match[1] + (
                f"{self.root}{picture.src[len(_ASSETS) :]}" if picture.src.startswith(_ASSETS) else match[2]
            )

        return self._filled(self.slots.mark(_MARKDOWN_IMAGE.sub(address, body)), escaped=False).strip() + "\n"

    def picture(self, source: str) -> str:
        """The address of a picture of the front matter, from the site's root; empty where there is none."""
        if urlsplit(source).scheme:
            return source
        found = self.place.pictures.find(source)
        if found.problem is not None:
            self._add(found.problem, Prose("", 1), source)
            return ""
        self._keep(found)
        return self.root + found.src.removeprefix(_ASSETS)

    # Parts --------------------------------------------------------------------------------------

    def _note(self, fragment: Fragment, prose: Prose) -> None:
        for picture in fragment.pictures:
            self._keep(picture)
        for finding in fragment.findings:
            if finding.problem.code == _LINK:
                line, column, _ = self._where(prose, finding.source)
                self.links.append(
                    Link(finding.problem.message, finding.problem.help, finding.source, line, column)
                )
            elif finding.problem.code in _CODES:
                self._add(finding.problem, prose, finding.source, finding.line)

    def _keep(self, picture: Picture) -> None:
        kept = picture_file(picture)
        if kept is None or kept.name in self.pictures:
            return
        self.pictures[kept.name] = kept
        size = image_size(picture.image.data) if picture.image else None
        if picture.file is None:
            self._sizes[kept.name] = (picture.width, picture.height)
        elif size is not None:
            self._sizes[kept.name] = size[1:]

    def _add(self, problem: Problem, prose: Prose, source: str, block_line: int | None = None) -> None:
        line, column, length = self._where(prose, source, block_line)
        severity = RENDERED_CODES[problem.code].severity
        if problem.code in _UNREADABLE and not _leads_to_a_file(self.place.pictures.issue_path, source):
            problem = _missing(self.place.pictures.issue_path, self.text, source)
        self.findings.append(
            Diagnostic(
                problem.code,
                severity,
                problem.message,
                self.display,
                line,
                column,
                length,
                problem.help,
            )
        )

    def _where(self, prose: Prose, source: str, block_line: int | None = None) -> tuple[int, int, int]:
        start = 0
        for _ in range(prose.line - 1):
            start = self.text.find("\n", start) + 1
        if block_line is not None and (span := place_in(self.text, start, source, block_line)):
            at, end = span
            return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at), end - at
        # The words of a link may be the same as its address.
        match = re.compile(rf"(?:\]\(\s*<?|\]:\s*<?|<){re.escape(source)}").search(self.text, start)
        at = match.end() - len(source) if match else self.text.find(source, start)
        if at < 0:
            return prose.line, 0, 1
        return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at), len(source)

    def _filled(self, html: str, *, escaped: bool = True) -> str:
        def value(match: re.Match[str]) -> str:
            name, default = self.slots.entry(int(match[1]))
            text = self.reader_links.get(name, default)
            return str(escape(text)) if escaped else text

        return TOKEN.sub(value, html) if "\ue000" in html else html

    def _for_web(self, html: str) -> str:
        code: list[str] = []

        def set_aside(match: re.Match[str]) -> str:
            code.append(self._code_block(unescape(match[2]), unescape(match[1] or "")))
            return f"\x00{len(code) - 1}\x00"

        # Code goes first and comes back last: it may hold anything that looks like our tags.
        if "<pre>" in html:
            html = _CODE.sub(set_aside, html)
        if "<table>" in html:
            html = _TABLE.sub(self._table, html)
        if "<aside" in html:
            html = _ASIDE.sub(r'<div class="callout \1" role="note">\2</div>', html)
        if "site:/assets/" in html:
            html = _IMAGE.sub(self._image, html)
        # Bullets, the bar of a quotation and the columns of a table stand on the side where their words begin.
        if not html.isascii() and _WITH_SIDES.search(html) and _RIGHT_TO_LEFT.search(html):
            html = _WITH_SIDES.sub(r'<\1 dir="auto"', html)
        return re.sub("\x00([0-9]+)\x00", lambda match: code[int(match[1])], html) if code else html

    def _table(self, match: re.Match[str]) -> str:
        self._tables += 1
        headers = _HEADER.findall(match[1])
        if match[2]:
            caption, label = f"<caption><span>{match[2]}</span></caption>", text_of(match[2])
            return scroll_region(f"<table>{caption}{match[1]}</table>", label, columns=len(headers))
        names = [unescape(_TAG.sub("", header)).strip() for header in headers]
        label = f"Table {self._tables}: {', '.join(filter(None, names))}"
        return scroll_region(f"<table>{match[1]}</table>", label, columns=len(headers))

    def _code_block(self, code: str, language: str) -> str:
        key = f"{language}\0{code}"
        html = self.code[key] = self.code_before.get(key) or code_block(code, language)
        return html

    def _image(self, match: re.Match[str]) -> str:
        width, height = self._sizes.get(match[2], (0, 0))
        size = f' width="{width}" height="{height}"' if width else ""
        before, after = (
            _WIDTH.sub("", f" {part.strip()}" if part.strip() else "") for part in match.group(1, 3)
        )
        return (
            f'<img{before} src="{self.root}/assets/{match[2]}"{after}{size} loading="lazy" decoding="async">'
        )


def site_pictures(path: Path, workshop: Workshop | None = None) -> Pictures:
    """The pictures of a file, named as the mails name them; without a `workshop`, diagrams are code."""
    return Pictures(path, "link", _ASSETS, "", workshop)


def sources_of_pictures(text: str) -> list[str]:
    """What the Markdown images of a file say they show, code and all."""
    if "![" not in text:
        return []
    found = [*_ANY_IMAGE.finditer(text), *_IMAGE_DEFINITION.finditer(text)]
    return [next(filter(None, match.groups())) for match in found]


def picture_file(picture: Picture) -> PictureFile | None:
    """A picture of a page as the site keeps it; None for one that is elsewhere on the web, or can't be shown.

    Raises:
        NewsletterError: it was made and could not be kept, so that there is nothing to copy.
    """
    if picture.image is None or not picture.src.startswith(_ASSETS):
        return None
    origin = picture.file or picture.made
    if origin is None:
        raise NewsletterError(
            f"{picture.image.filename} can't be kept in .newsletter/pictures",
            hint="make room on the disk, or let the folder be written to",
        )
    status = origin.stat()
    name = picture.src.rpartition("/")[2]
    made = str(picture.made) if picture.made else ""
    return PictureFile(name, str(origin), status.st_mtime_ns, status.st_size, made)


def _leads_to_a_file(page: Path, source: str) -> bool:
    try:
        return (page.parent / unquote(source)).exists()
    except (OSError, ValueError):  # a name no file system takes
        return False


def _missing(page: Path, text: str, source: str) -> Problem:
    """A picture that isn't there, in the words of `newsletter check`."""
    from newsletter.checks.links import NO_SUCH_IMAGE, no_such_image
    from newsletter.content.guide_files import is_guide

    message, way_out = no_such_image(page.parent, unquote(source), is_mailed=not is_guide(page, text))
    return Problem(NO_SUCH_IMAGE, message, way_out)


def scroll_region(table: str, label: str, *, columns: int = 0) -> str:
    """A table that can be scrolled sideways on a small screen, with the keyboard as well; one of many columns is wider than the text where there is room."""
    wide = " wide" if columns >= _MANY_COLUMNS else ""
    return f'<div class="scroll{wide}" role="region" tabindex="0" aria-label="{escape(label)}">{table}</div>'


def text_of(html: str) -> str:
    """The words of `html`, on one line."""
    return " ".join(unescape(_TAG.sub(" ", _IN_WORDS.sub("", html))).split())


def code_block(code: str, language: str) -> str:
    """A block of code in the colours of the site's style sheet, with the name of its language."""
    name = language_name(language) if language else ""
    label = f"<figcaption>{escape(name)}</figcaption>" if name else ""
    lines = highlight_with_classes(code.strip("\n").expandtabs(4), language)
    return f'<figure class="code">{label}<pre tabindex="0"><code>{lines}</code></pre></figure>'
