"""A newsletter of our own for the site's tests: issues that are sent, one that isn't, one guide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.model.issue import DEFAULT_KINDS
from newsletter.model.publication import Publication, Theme
from newsletter.site.build import Built, SiteInputs, build_site
from newsletter.site.entry import SiteOptions
from newsletter.site.extras import can_draw
from newsletter.site.passage import ArchiveFiles

ROOT = Path(__file__).parent.parent.parent
PUBLICATION = Publication(
    name="Notes & <Queries>",
    from_email="notes@example.com",
    postal_address="1 Example Street",
    base_url="https://notes.example.com",
    tagline="One email a week",
)


def issue(
    number: int, title: str, *, extra: str = "", body: str = "Body.", tags: str = "[rag]", level: str = "mid"
) -> str:
    """An issue's text."""
    return f"""---
number: {number}
title: "{title}"
date: 2026-01-{number:02}
description: "What issue {number} is about."
tags: {tags}
status: ready
{extra}---
Hi {{{{ subscriber.name | default("there") }}}},

## Concept: Ideas
{body}

**Takeaway:** Remember this.

## Architecture: Plans
- **Trade-off:** One.
- **Trade-off:** Two.

## Project idea: Build it
- **Difficulty:** easy
- **Time:** 4h
- **Stack:** Python

Do it.

## Interview question: Why {number}?
- **Level:** {level}

Think.

### Answer
Because.
"""


class Newsletter:
    """A folder with issues, and its site.

    Attributes:
        home: the folder.
        out: where the site is built.
        sent: slugs of the issues that went out.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.out = home, home / "public"
        self.sent: set[str] = set()
        self.publication = PUBLICATION
        self.options = SiteOptions(kinds=DEFAULT_KINDS, per_page=5)
        (home / "issues" / "guides").mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str, *, sent: bool = True) -> Path:
        """A file below `issues/`; an issue is sent unless said otherwise."""
        path = self.home / "issues" / name
        path.write_text(text, "utf-8")
        if sent and "/" not in name:
            self.sent.add(Path(name).stem.partition("-")[2])
        return path

    def _files(self, folder: str) -> list[tuple[Path, Path]]:
        return [(path, path.relative_to(self.home)) for path in sorted((self.home / folder).glob("*.md"))]

    def archive(self, *, drafts: bool = False) -> ArchiveFiles:
        """The same files, as passages are read from them."""
        return ArchiveFiles(
            base_url=self.publication.base_url,
            kinds=self.options.kinds,
            issues=self._files("issues"),
            guides=self._files("issues/guides"),
            sent=frozenset(self.sent),
            drafts=drafts,
        )

    def inputs(self, *, cache: str = "cache", drafts: bool = False) -> SiteInputs:
        """What the site is made of."""
        own = self.home / "templates"
        return SiteInputs(
            publication=self.publication,
            theme=Theme(),
            options=replace(self.options, drafts=drafts),
            template_dirs=(*([own] if own.is_dir() else []), ROOT / "templates"),
            consent="You get it by email. Unsubscribe anytime.",
            issues=[(str(path), str(name)) for path, name in self._files("issues")],
            guides=[(str(path), str(name)) for path, name in self._files("issues/guides")],
            sent=frozenset(self.sent),
            cache=self.home / cache,
        )

    def build(self, *, drafts: bool = False) -> Built:
        """Build into `out`, with what is kept of the last build."""
        return build_site(self.inputs(drafts=drafts), self.out)

    def fresh(self) -> dict[str, bytes]:
        """What a build makes that knows of no other."""
        out = self.home / "fresh"
        (self.home / "fresh-cache").unlink(missing_ok=True)
        build_site(self.inputs(cache="fresh-cache"), out)
        return tree(out)

    def page(self, address: str) -> str:
        """The HTML of a page."""
        return (self.out / address.strip("/") / "index.html").read_text("utf-8")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def newsletter(tmp_path: Path) -> Newsletter:
    """Three sent issues and a draft."""
    made = Newsletter(tmp_path)
    made.write("001-first.md", issue(1, "The first"))
    made.write("002-second.md", issue(2, 'The <second> & \\"more\\"', tags="[rag, evals]", level="senior"))
    made.write(
        "003-third.md",
        issue(3, "The third", body="See [the first](001-first.md#concept) and [above](#concept)."),
    )
    made.write("004-unsent.md", issue(4, "Secret draft"), sent=False)
    return made


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Newsletter:
    """The site of the issues and guides that are shipped, all of them sent."""
    import shutil

    home = tmp_path_factory.mktemp("samples")
    made = Newsletter(home)
    shutil.copytree(ROOT / "issues", home / "issues", dirs_exist_ok=True)
    made.options = replace(made.options, cards=can_draw(), search="service")
    made.sent = {"rag-or-fine-tuning", "hybrid-retrieval", "evals-in-ci"}
    built = made.build()
    assert built.replaced, built.findings
    return made
