"""Which mail programs an issue costs what: in the studio, and in the files of `--out`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from newsletter.app import open_workspace
from newsletter.preview.build import Builder
from newsletter.preview.export import export
from newsletter.preview.support import Support


def _support(home: Path) -> Support:
    found = Builder(open_workspace(home)).support(home / "issues" / "001-first.md")
    assert found is not None
    return found


def test_what_an_author_wrote_is_named_by_its_line_and_what_a_template_does_by_the_templates(
    home: Path, issue_text: Callable[..., str]
) -> None:
    own = home / "templates" / "email" / "footer.html.j2"
    own.parent.mkdir(parents=True)
    own.write_text('<p>Mine.</p>\n<p style="display: grid; color: #333333">Beside each other.</p>\n')
    (home / "issues" / "001-first.md").write_text(
        issue_text(concept="Call `settle_accounts()` here.\n\n[Write](mailto:ada@notes.example).")
    )
    found = _support(home)
    lacks = {lack.name: lack for lack in found.lacks}
    assert lacks["css-display-grid"].place == "templates/email/footer.html.j2:2:11"
    assert "Outlook classic (Windows)" in lacks["css-display-grid"].unsupported
    assert lacks["css-display-grid"].page == "https://www.caniemail.com/features/css-display-grid/"
    assert lacks["html-code"].place.startswith("issues/001-first.md:11:")
    assert lacks["css-border-radius"].place.startswith("email/style.css.j2:")
    assert "html-body" not in lacks or lacks["html-body"].place.startswith("email/")
    families = {family.name: family for family in found.families}
    assert families["Outlook classic (Windows)"].share < families["Apple Mail"].share <= 1
    assert "css-display-grid" in families["Outlook classic (Windows)"].unsupported


def test_an_issue_that_cant_be_rendered_has_no_support_to_tell(home: Path) -> None:
    path = home / "issues" / "001-first.md"
    path.write_text("---\nnumber: x\n---\n")
    assert Builder(open_workspace(home)).support(path) is None


def test_the_exported_files_say_it_too(home: Path, tmp_path: Path) -> None:
    workspace = open_workspace(home)
    (written,) = export(Builder(workspace), workspace.issue_files()[:1], tmp_path / "out")
    assert f"{written.key}/clients.json" in written.files
    said = json.loads((tmp_path / "out" / written.key / "clients.json").read_text())
    assert {family["name"] for family in said["families"]} >= {"Gmail", "Apple Mail"}
    assert str(tmp_path) not in json.dumps(said)
    page = (tmp_path / "out" / written.key / "index.html").read_text()
    assert "Outlook classic (Windows)" in page
    assert "https://www.caniemail.com/features/css-border-radius/" in page


@pytest.mark.browser
def test_the_clients_panel_lists_families_and_follows_a_save(page: Page, preview: Any) -> None:
    page.goto(f"{preview.url}#/001-first/clients")
    families = page.locator(".clients-table tbody tr")
    expect(families).to_have_count(14)
    outlook = families.filter(has_text="Outlook classic (Windows)")
    expect(outlook.locator("td").first).to_contain_text("%")
    link = outlook.get_by_role("link", name="css-border-radius")
    expect(link).to_have_attribute("href", "https://www.caniemail.com/features/css-border-radius/")
    template = preview.home / "templates" / "email" / "footer.html.j2"
    template.parent.mkdir(parents=True)
    template.write_text('<p style="display: flex">Mine</p>')
    flex = page.locator(".lacks-table tbody tr").filter(has_text="css-display-flex")
    expect(flex).to_contain_text("templates/email/footer.html.j2:1:11")
    # A file that can't be shown leaves what was known of the last good picture.
    preview.issue().write_text("---\nnumber: x\n---\n")
    expect(page.locator("#overlay")).to_be_visible()
    expect(flex).to_have_count(1)


@pytest.mark.browser
def test_on_a_telephone_the_chosen_tab_and_the_subject_are_in_sight(page: Page, standing: Any) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(f"{standing.url}#/001-first/clients")
    expect(page.locator("html[data-ready='clients']")).to_be_attached()
    expect(page.locator("#tab-clients")).to_be_in_viewport(ratio=0.9)
    assert page.locator(".inbox-words").evaluate("node => node.clientWidth") > 200
