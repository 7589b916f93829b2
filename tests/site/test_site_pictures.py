"""Pictures of the site: the ones of the mails, by the same names; drawn and fitted once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from newsletter.model.publication import Theme
from newsletter.render.diagrams import drawers, drawing
from newsletter.render.diagrams.drawers import drawer
from newsletter.render.images import COLUMN
from newsletter.render.workshop import Workshop
from newsletter.site.build import Built, build_site
from newsletter.site.prose import sources_of_pictures
from tests.conftest import missing
from tests.site.conftest import Newsletter, issue

DIAGRAM = "```mermaid\n%% alt: One step.\nflowchart TD\n  Write --> Send\n```\n"


@pytest.fixture
def drawn(newsletter: Newsletter) -> Callable[[], Built]:
    """Builds a site in which one issue has a diagram."""
    if not drawer("mermaid"):
        missing("merman")
    text = issue(1, "The first")
    newsletter.write("001-first.md", text.replace("## Architecture", f"{DIAGRAM}\n## Architecture", 1))
    folder = newsletter.home / ".newsletter" / "pictures"

    def build() -> Built:
        inputs = replace(newsletter.inputs(), workshop=Workshop(folder, Theme(), COLUMN))
        return build_site(inputs, newsletter.out)

    return build


def shown(newsletter: Newsletter) -> re.Match[str]:
    found = re.search(
        r'<img alt="One step." src="/assets/(diagram-\w{8}\.png)"[^>]*>', newsletter.page("/first/")
    )
    assert found is not None
    return found


def test_a_diagram_is_a_picture_on_its_page_and_stays_source_in_the_markdown(
    newsletter: Newsletter, drawn: Callable[[], Built]
) -> None:
    built = drawn()
    assert not built.findings
    image = shown(newsletter)
    assert re.findall(r'(width|height)="\d+"', image[0]) == ["width", "height"]
    assert (newsletter.out / "assets" / image[1]).read_bytes().startswith(b"\x89PNG")
    assert "flowchart TD" in (newsletter.out / "first" / "index.md").read_text("utf-8")
    assert "flowchart TD" not in newsletter.page("/first/")


def test_a_build_draws_what_changed_and_what_was_lost_and_nothing_else(
    newsletter: Newsletter, drawn: Callable[[], Built], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn()
    before = shown(newsletter)[1]
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "_PYTHON", ("/nowhere",))
        assert not drawn().replaced
        newsletter.write(
            "001-first.md", (newsletter.home / "issues" / "001-first.md").read_text() + "\nMore.\n"
        )
        assert drawn().replaced
        assert shown(newsletter)[1] == before
    for kept in (newsletter.home / ".newsletter" / "pictures").iterdir():
        kept.unlink()
    (newsletter.out / "assets" / before).unlink()
    drawn()
    assert (newsletter.out / "assets" / before).is_file()


def test_a_diagram_is_drawn_once_there_is_something_to_draw_it(
    newsletter: Newsletter, drawn: Callable[[], Built], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(drawers, "_PACKAGES", ("a_package_nobody_has",))
        (found,) = drawn().findings
        assert (found.code, found.severity) == ("NL460", "info")
        assert '<figure class="code">' in newsletter.page("/first/")
    assert not drawn().findings
    assert shown(newsletter)[1].startswith("diagram-")


def test_a_picture_that_could_not_be_kept_is_said_and_the_old_site_stays(
    newsletter: Newsletter, drawn: Callable[[], Built]
) -> None:
    from newsletter.errors import NewsletterError

    (newsletter.home / ".newsletter").write_text("in the way", "utf-8")
    with pytest.raises(NewsletterError, match="can't be kept"):
        drawn()
    assert not newsletter.out.exists()


def test_pictures_are_found_in_a_text_that_is_not_converted() -> None:
    text = "![A](a.png) ![B](<b c.png> 'x') ![C](c(1).png)\n![D][d]\n\n[d]: d.png\n"
    assert sources_of_pictures(text) == ["a.png", "b c.png", "c(1).png", "d.png"]
    assert sources_of_pictures("[no](picture.png)") == []
