"""Are the pictures that a mail links there when it is read? Known before it is sent, so that no path in it is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.content.whole_files import write_whole
from newsletter.diagnostics import Diagnostic
from newsletter.diagnostics.codes_rendered import RENDERED_CODES
from newsletter.model.template import InlineImage

# The code of what only a send can find.
NOT_PUBLISHED = "NL469"


@dataclass(frozen=True, slots=True)
class LinkedPictures:
    """Where a newsletter's linked pictures are.

    Attributes:
        folder: `newsletter serve` shows what is in its `assets` where the site has nothing. Nothing is ever taken out
            of it: mails that link a picture are opened years after they were sent.
        site: the site that was built here to be put on a host of its own; None where there is none, or where
            `newsletter serve` shows it.
    """

    folder: Path
    site: Path | None = None

    def missing(self, pictures: Sequence[InlineImage], name: str) -> list[Diagnostic]:
        """A finding about the issue called `name` for each picture that the built site hasn't."""
        code = RENDERED_CODES[NOT_PUBLISHED]
        return [
            Diagnostic(
                code.code,
                code.severity,
                f"the mail links {picture.filename}, and the site in {self.site} hasn't it",
                name,
                help="newsletter site build, and publish that before you send",
            )
            for picture in pictures
            if self.site is not None and not (self.site / "assets" / picture.filename).is_file()
        ]

    def publish(self, pictures: Sequence[InlineImage]) -> None:
        """Have `newsletter serve` show the pictures from now on.

        Raises:
            OSError: they can't be written; none is half written.
        """
        assets = self.folder / "assets"
        assets.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            target = assets / picture.filename
            if target.is_file() and target.read_bytes() == picture.data:
                continue
            write_whole(target, picture.data)

    def said(self, pictures: Sequence[InlineImage], base_url: str) -> str:
        """What the author should know before sending."""
        count = "1 picture is" if len(pictures) == 1 else f"{len(pictures)} pictures are"
        if self.site is None:
            return f"{count} linked, not attached: `newsletter serve` has to be reached at {base_url} to show them"
        return (
            f"{count} linked, not attached: publish the site in {self.site} before you send, if it isn't yet"
        )
