"""What is wrong with a guide's page that only shows when its pictures are fitted and its diagrams drawn? The site's build asks the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.diagnostics import Diagnostic
from newsletter.errors import NewsletterError
from newsletter.render.diagrams.source import blocks
from newsletter.render.html import MarkdownConverter
from newsletter.site.prose import SitePlace, WebConverter, site_pictures

if TYPE_CHECKING:
    from newsletter.model.guide import Guide
    from newsletter.model.issue import Prose
    from newsletter.render.workshop import Workshop


def guide_findings(guide: Guide, base_url: str, workshop: Workshop) -> list[Diagnostic]:
    """What making the page of a guide finds.

    Args:
        guide: parsed, with its text.
        base_url: of the newsletter; may be empty.
        workshop: fits pictures and draws diagrams.
    """
    image = guide.front.image
    if not image and "![" not in guide.text and not blocks(guide.text):
        return []
    root = urlsplit(base_url).path.rstrip("/")
    place = SitePlace(site_pictures(Path(guide.path), workshop), root, f"{root}/guides/{guide.slug}/")
    convert = WebConverter(guide.text, guide.display or guide.path, place, MarkdownConverter(), root, {})
    pieces = list(_prose(guide))
    convert.define(*pieces)
    try:
        for piece in pieces:
            convert.content(piece)
        if image:
            convert.picture(image)
    except NewsletterError:
        # A picture was made and can't be kept, as in a folder that is read only: a build says so, a check keeps nothing.
        return convert.findings
    return convert.findings


def _prose(guide: Guide) -> Iterator[Prose]:
    """Every text of a guide in which a picture may stand."""
    yield guide.summary
    table, choosing, faq = guide.comparison, guide.choosing, guide.faq
    yield from (table.intro, table.caption, table.corner)
    for row in table.rows:
        yield from (row.label, *row.cells)
    yield from (table.outro, choosing.intro, *(choice.body for choice in choosing.choices), choosing.note)
    yield from (faq.intro, *(question.answer for question in faq.questions))
