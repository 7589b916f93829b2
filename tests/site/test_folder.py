"""A build makes the folder before the last into the new one: nothing of old stays in it, nothing that is served is touched."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.errors import NewsletterError
from newsletter.site import folder
from newsletter.site.build import build_site, spare_of
from newsletter.site.folder import MARK, NewFolder
from newsletter.store.only_one import only_one
from tests.site.conftest import Newsletter, issue, tree


def generations(newsletter: Newsletter) -> Path:
    """A site that was built twice, so that there is one before it; where that is."""
    newsletter.build()
    newsletter.write("001-first.md", issue(1, "Second version"))
    newsletter.build()
    spare = spare_of(newsletter.inputs(), newsletter.out)
    assert (spare / MARK).is_file()
    return spare


def test_many_edits_give_what_a_fresh_build_gives(newsletter: Newsletter) -> None:
    generations(newsletter)
    edits = [
        ("001-first.md", issue(1, "Third version", extra="aliases: [old-name]\n")),
        ("001-first.md", issue(1, "Fourth version", tags="[other]")),
        ("002-second.md", issue(2, "Fifth version", tags="[rag, other]")),
        ("001-first.md", issue(1, "Second version")),
    ]
    for name, text in edits:
        newsletter.write(name, text)
        assert newsletter.build().replaced
        assert tree(newsletter.out) == newsletter.fresh()


def test_the_first_edit_finds_the_folder_that_it_begins_with(newsletter: Newsletter) -> None:
    newsletter.build()
    spare = spare_of(newsletter.inputs(), newsletter.out)
    assert tree(spare) == tree(newsletter.out)
    assert (spare / "404.html").samefile(newsletter.out / "404.html")
    assert not (spare / MARK).samefile(newsletter.out / MARK)
    newsletter.write("001-first.md", issue(1, "Second version"))
    newsletter.build()
    assert tree(newsletter.out) == newsletter.fresh()


def test_a_disk_without_hard_links_does_without_that_folder(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    for title in ("First version", "Second version", "Third version"):
        newsletter.write("001-first.md", issue(1, title))
        assert newsletter.build().replaced
        assert not spare_of(newsletter.inputs(), newsletter.out).exists()
        assert tree(newsletter.out) == newsletter.fresh()


def test_what_somebody_put_into_either_folder_is_gone_for_good(newsletter: Newsletter) -> None:
    spare = generations(newsletter)
    (newsletter.out / "stray").mkdir()
    (newsletter.out / "stray" / "file.txt").write_text("x")
    (spare / "first" / "other.txt").write_text("x")
    for number in range(3):
        newsletter.write("002-second.md", issue(2, f"Edit {number}"))
        newsletter.build()
        assert tree(newsletter.out) == newsletter.fresh()


def test_a_changed_file_of_the_folder_before_is_not_published(newsletter: Newsletter) -> None:
    spare = generations(newsletter)
    target = spare / "404.html"
    target.unlink()
    target.write_bytes(b"somebody else's words")
    newsletter.write("002-second.md", issue(2, "Another edit"))
    newsletter.build()
    assert tree(newsletter.out) == newsletter.fresh()


def test_a_file_may_become_a_folder_and_a_folder_a_file(tmp_path: Path) -> None:
    out, spare = tmp_path / "out", tmp_path / "state" / "before"

    def make(*paths: str) -> None:
        folder = NewFolder(out, spare, {}, {})
        for path in paths:
            folder.write(path, path.encode())
        folder.swap()

    make("a", "b/c/d")
    make("x")
    for paths in (["a/b/c", "b"], ["a", "b/c"], ["a/b", "b/c/d/e"], ["x"]):
        make(*paths)
        assert sorted(tree(out)) == sorted([*paths, MARK])


def test_a_spare_folder_on_another_file_system_is_done_without(newsletter: Newsletter) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == newsletter.home.stat().st_dev:
        pytest.skip("needs /dev/shm to be another file system")
    newsletter.build()
    newsletter.write("001-first.md", issue(1, "Second version"))
    folder = NewFolder(newsletter.out, shm / "newsletter-test.before", {}, {})
    folder.write("index.html", b"new")
    folder.swap()
    assert tree(newsletter.out).keys() == {"index.html", MARK}
    assert sorted(path.name for path in newsletter.home.iterdir() if "public" in path.name) == ["public"]
    assert not list(shm.glob("newsletter-test*"))


def test_a_folder_that_cannot_take_its_place_leaves_it_to_the_old_one(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    newsletter.build()
    before = tree(newsletter.out)
    newsletter.write("001-first.md", issue(1, "Second version"))
    rename = os.rename

    def refused(source: Path, target: Path) -> None:
        if target == newsletter.out and source.suffix != ".old":
            raise OSError(errno.EACCES, "Permission denied")
        rename(source, target)

    # As on a system that can't swap two folders in one step.
    monkeypatch.setattr(folder, "_exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(OSError, match="Permission denied"):
        newsletter.build()
    assert tree(newsletter.out) == before
    monkeypatch.undo()
    newsletter.build()
    assert tree(newsletter.out) != before


def test_two_builds_of_one_folder_are_refused(newsletter: Newsletter) -> None:
    newsletter.build()
    before = tree(newsletter.out)
    inputs = newsletter.inputs()
    lock = spare_of(inputs, newsletter.out).with_suffix(".lock")
    with only_one(lock, NewsletterError("busy")), pytest.raises(NewsletterError, match="another build makes"):
        build_site(replace(inputs, consent="Other words."), newsletter.out)
    assert tree(newsletter.out) == before
    assert build_site(replace(inputs, consent="Other words."), newsletter.out).replaced
