"""`--out`: plain files, whole or not at all, and never over what is somebody else's."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from newsletter.app import open_workspace
from newsletter.errors import UsageError
from newsletter.preview.build import Builder
from newsletter.preview.export import MARKER, Exported, export


def exported(home: Path, out: Path) -> list[Exported]:
    workspace = open_workspace(home)
    return export(Builder(workspace), workspace.issue_files(), out)


def test_each_issue_has_its_files_and_the_pictures_are_beside_them(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "build" / "preview"
    written = exported(home, out)
    assert [issue.key for issue in written] == ["001-first", "002-second"]
    for issue in written:
        for file in issue.files:
            assert (out / file).is_file()
    html = (out / "001-first" / "email.html").read_text()
    (picture,) = [file for file in (out / "assets").iterdir() if file.suffix == ".png"]
    assert f'src="../assets/{picture.name}"' in html
    assert "cid:" not in html
    index = (out / "index.html").read_text()
    assert 'href="002-second/index.html"' in index
    assert index.index("002-second") < index.index("001-first")


def test_the_exported_message_is_whole_and_its_parts_are_the_other_files(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(home, out)
    folder = out / "001-first"
    message = email.message_from_bytes((folder / "message.eml").read_bytes(), policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == (folder / "email.txt").read_text()
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_second_run_replaces_the_first(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(home, out)
    (home / "issues" / "002-second.md").unlink()
    exported(home, out)
    assert not (out / "002-second").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "out"]


def test_a_folder_with_other_files_is_refused_and_left_alone(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files"):
        exported(home, out)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="is a file"):
        exported(home, tmp_path / "out")


def test_an_empty_folder_is_taken(home: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    exported(home, tmp_path / "out")
    assert (tmp_path / "out" / MARKER).is_file()


def test_a_broken_issue_is_exported_as_its_findings(
    home: Path, tmp_path: Path, issue_text: Callable[..., str]
) -> None:
    (home / "issues" / "001-first.md").write_text(issue_text().replace("status: ready", "status: reday"))
    out = tmp_path / "out"
    broken, whole = exported(home, out)
    assert (broken.rendered, whole.rendered) == (False, True)
    findings = json.loads((out / "001-first" / "findings.json").read_text())
    assert [(f["code"], f["line"], f["column"]) for f in findings] == [("NL104", 6, 9)]
    assert str(tmp_path) not in (out / "001-first" / "findings.json").read_text()
    assert not (out / "001-first" / "message.eml").exists()


def test_linked_pictures_are_found_by_their_hashed_names(home: Path, tmp_path: Path) -> None:
    settings = home / "newsletter.toml"
    settings.write_text(settings.read_text() + '[sending]\nimages = "link"\n')
    exported(home, tmp_path / "out")
    html = (tmp_path / "out" / "001-first" / "email.html").read_text()
    assert 'src="../assets/shape-' in html
    message = (tmp_path / "out" / "001-first" / "message.eml").read_bytes()
    assert b"image/png" not in message


@pytest.mark.browser
def test_the_exported_page_shows_the_mail_without_a_server(page: Page, home: Path, tmp_path: Path) -> None:
    exported(home, tmp_path / "out")
    page.goto((tmp_path / "out" / "index.html").as_uri())
    # Without preloading: axe would fetch the style sheet by script, which file: refuses.
    assert Axe().run(page, options={"preload": False}).response["violations"] == []
    page.get_by_text("A first issue").click()
    frame = page.frame_locator("iframe.mail")
    expect(frame.locator("h1")).to_contain_text("A first issue")
    expect(frame.locator("img").first).not_to_have_js_property("naturalWidth", 0)
    expect(page.locator("body")).to_contain_text("List-Unsubscribe-Post")
    found = Axe().run(page, context={"exclude": [["iframe"]]}, options={"preload": False})
    assert found.response["violations"] == []
