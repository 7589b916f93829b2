"""A newsletter to render in tests: its settings, its sample, and issues made of single pieces."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any

from newsletter.content.issue import parse_issue
from newsletter.model.issue import (
    DEFAULT_KINDS,
    Architecture,
    Concept,
    FrontMatter,
    InterviewQuestion,
    Issue,
    ProjectIdea,
    Prose,
    Section,
)
from newsletter.model.publication import Publication, Theme
from newsletter.render.email import EmailRenderer, RenderedIssue
from newsletter.render.slots import TOKEN

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
SAMPLE = Path(__file__).parent / "golden" / "issues" / "042-sample.md"

PUBLICATION = Publication(
    name="Production AI Notes",
    from_email="notes@example.com",
    from_name="Production AI Notes",
    postal_address="Production AI Notes, 1 Example Street, 12345 Example Town",
    base_url="https://notes.example.com",
    tagline="No spam. Unsubscribe anytime.",
)


def renderer(**changes: Any) -> EmailRenderer:
    """A renderer with the default look; `changes` are its own keywords."""
    values: dict[str, Any] = {
        "publication": PUBLICATION,
        "theme": Theme(),
        "kinds": DEFAULT_KINDS,
        "template_dirs": (TEMPLATES,),
        "images": "attach",
        "answer_in_email": False,
    }
    return EmailRenderer(**(values | changes))


def read(path: Path) -> Issue:
    """The issue in `path`, which has to be valid."""
    result = parse_issue(path.read_text("utf-8"), str(path))
    assert result.issue is not None, result.diagnostics
    return result.issue


def issue(
    intro: str = "",
    *,
    path: str | Path = "issues/007-test.md",
    sections: tuple[Section, ...] | None = None,
    concept: str = "Body.",
    **front: Any,
) -> Issue:
    """An issue made of `intro` and the four sections, of which the concept's body is `concept`."""
    values: dict[str, Any] = {
        "number": 7,
        "title": "A test",
        "date": dt.date(2026, 1, 6),
        "description": "What it is about.",
        "slug": "test",
    }
    if sections is None:
        sections = (
            Concept(title="Idea", body=Prose(concept, 12), takeaway=Prose("Remember this.", 20), line=10),
            Architecture(title="Plan", body=Prose("How.", 24), trade_offs=(Prose("It costs.", 26),), line=22),
            ProjectIdea(title="Work", difficulty="easy", time="4h", stack=("Python", "SQLite"), line=30),
            InterviewQuestion(
                title="Why?", body=Prose("Asked.", 42), level="mid", answer=Prose("The answer.", 45), line=40
            ),
        )
    return Issue(str(path), FrontMatter(**(values | front)), Prose(intro, 8), sections)


# Compiling templates takes longer than rendering: most tests share one renderer.
_SHARED = renderer()


def rendered(intro: str = "", **changes: Any) -> RenderedIssue:
    """`intro` rendered in an issue of its own."""
    return _SHARED.render(issue(intro, **changes))


@cache
def rendered_file(path: Path, *, answer_in_email: bool = False) -> RenderedIssue:
    """The issue in `path`, rendered once for all tests."""
    return renderer(answer_in_email=answer_in_email).render(read(path))


def filled(text: str) -> str:
    """`text` as one reader gets it, with something harmless in each slot."""
    return TOKEN.sub("https://notes.example.com/u/token", text)


def shown_offline(result: RenderedIssue, folder: Path) -> Path:
    """The HTML as a file a browser can open, its attached pictures beside it."""
    html = filled(result.html)
    for image in result.images:
        (folder / image.filename).write_bytes(image.data)
        html = html.replace(f"cid:{image.content_id}", image.filename)
    page = folder / "issue.html"
    page.write_text(html, "utf-8")
    return page
