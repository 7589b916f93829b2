"""The preview reads as anybody on the list, and as those whose names break templates; it changes nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from newsletter.app import Workspace, open_workspace
from newsletter.errors import UsageError
from newsletter.preview.build import Builder
from newsletter.preview.picture import Broken, Picture
from newsletter.preview.reader import SAMPLES, offered_readers, reader_named


@pytest.fixture
def workspace(home: Path) -> Workspace:
    """A newsletter with three people."""
    settings = home / "newsletter.toml"
    settings.write_text(settings.read_text() + '[web]\ntopics = ["agents"]\n')
    opened = open_workspace(home)
    audience = opened.open_audience()
    with contextlib.closing(audience.database):
        audience.add("mia@example.org", name="Mia Keller", tags=["rag"])
        audience.add("zoe@example.org", name="Zoë 100%_Ångström")
        audience.add("jo@example.org")
    return opened


def read(workspace: Workspace, name: str) -> Picture:
    found = Builder(workspace).build(workspace.home / "issues" / "001-first.md", name)
    assert isinstance(found, Picture), found
    return found


def test_the_list_is_searched_by_address_and_name(workspace: Workspace) -> None:
    def people(letters: str) -> list[str]:
        found = [offer["name"] for offer in offered_readers(workspace, letters)]
        return [name for name in found if not name.startswith("sample:")]

    assert people("") == []
    assert people("KELL") == ["mia@example.org"]
    assert people("jo@") == ["jo@example.org"]
    assert people("0%_") == ["zoe@example.org"]
    assert people("%") == ["zoe@example.org"]
    assert len(people("example.org")) == 3


def test_there_is_a_sample_for_every_tag_and_topic(workspace: Workspace) -> None:
    offered = {offer["name"]: offer["label"] for offer in offered_readers(workspace)}
    assert set(offered) == {*SAMPLES, "sample:tag:agents", "sample:tag:rag"}
    assert reader_named(workspace, "sample:tag:rag").person.tags == ("rag",)


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("", "Hello Ada Lovelace,"),
        ("sample:unnamed", "Hello there,"),
        ("sample:long", "Featherstonehaugh-Cholmondeley"),
        ("sample:rtl", "ليلى العطّار"),
        ("mia@example.org", "Hello Mia Keller,"),
        (" MIA@example.org", "Hello Mia Keller,"),
        ("jo@example.org", "Hello there,"),
    ],
)
def test_each_reader_gets_a_copy_of_their_own(workspace: Workspace, name: str, greeting: str) -> None:
    picture = read(workspace, name)
    assert greeting in picture.html
    assert greeting in " ".join(picture.text.split())


def test_tags_reach_the_text(workspace: Workspace) -> None:
    path = workspace.home / "issues" / "001-first.md"
    path.write_text(path.read_text().replace("Hello", 'Tags: {{ subscriber.tags | default("none") }}. Hello'))
    assert "Tags: rag." in read(workspace, "sample:tag:rag").html
    assert "Tags: rag." in read(workspace, "mia@example.org").html
    assert "Tags: none." in read(workspace, "sample:ada").html


def test_an_unknown_reader_is_said_and_nobody_is_made(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="no subscriber"):
        reader_named(workspace, "nobody@example.org")
    found = Builder(workspace).build(workspace.home / "issues" / "001-first.md", "nobody@example.org")
    assert isinstance(found, Broken)
    with contextlib.closing(workspace.open_database()) as database:
        assert database.query("SELECT count(*) FROM subscribers") == [(3,)]


def test_without_a_store_there_are_samples_and_none_is_made(home: Path) -> None:
    opened = open_workspace(home)
    assert {offer["name"] for offer in offered_readers(opened, "a")} <= set(SAMPLES)
    assert not opened.state_dir.exists()
