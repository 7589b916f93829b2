"""The exported corpus: one passage a line, and a manifest by which only what changed is indexed again."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from newsletter.errors import NewsletterError
from newsletter.site.corpus import Changes, Licence, corpus_path, make_corpus, manifest_path
from newsletter.site.passage import Passage
from tests.site.conftest import ROOT, Newsletter, issue
from tests.site.test_command import home, run  # noqa: F401 - a fixture
from tests.site.test_passages import files_of, passages_in

_NOW = "2026-02-01T00:00:00Z"
_LATER = "2026-03-01T00:00:00Z"


def export(passages: tuple[Passage, ...], path: Path, now: str = _NOW) -> Changes:
    made = make_corpus(
        passages, path, base_url="https://notes.example.com", licence=Licence("CC BY 4.0"), now=now
    )
    made.write()
    return made.changes


def manifest(path: Path) -> dict[str, Any]:
    return json.loads(manifest_path(path).read_text())  # type: ignore[no-any-return]


def archive(newsletter: Newsletter, path: Path, now: str = _NOW) -> Changes:
    return export(passages_in(files_of(newsletter)), path, now)


def test_each_line_is_a_passage_with_all_that_a_citation_needs(
    newsletter: Newsletter, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.jsonl"
    archive(newsletter, path)
    lines = path.read_text().split("\n")
    assert lines.pop() == ""
    records = [json.loads(line) for line in lines]
    assert len(records) == 18
    concept = records[1]
    assert concept | {"text": "", "sha256": ""} == {
        "id": "first#concept",
        "url": "https://notes.example.com/first/#concept",
        "title": "The first",
        "heading": "Ideas",
        "kind": "concept",
        "date": "2026-01-01",
        "tags": ["rag"],
        "text": "",
        "sha256": "",
        "licence": "CC BY 4.0",
    }
    told = manifest(path)
    assert told["corpus_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    for line, record in zip(lines, records, strict=True):
        entry = told["passages"][record["id"]]
        assert record["sha256"] == entry["sha256"] == hashlib.sha256(record["text"].encode()).hexdigest()
        assert entry["line_sha256"] == hashlib.sha256(line.encode()).hexdigest()


def test_one_edit_changes_one_line_and_one_version(newsletter: Newsletter, tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    first = archive(newsletter, path)
    assert (len(first.added), first.changed, first.removed) == (18, (), ())
    lines, before = path.read_text().split("\n"), manifest(path)
    newsletter.write(
        "002-second.md",
        issue(2, 'The <second> & \\"more\\"', tags="[rag, evals]", level="senior", body="New."),
    )
    assert archive(newsletter, path, _LATER) == Changes((), ("second#concept",), (), 17)
    after = manifest(path)
    differing = [
        at
        for at, pair in enumerate(zip(lines, path.read_text().split("\n"), strict=True))
        if len(set(pair)) == 2
    ]
    assert len(differing) == 1
    changed = {id_ for id_ in before["passages"] if before["passages"][id_] != after["passages"][id_]}
    assert changed == {"second#concept"}
    assert after["passages"]["second#concept"]["version"] == 2
    assert after["tombstones"] == {}


def test_nothing_changed_makes_the_same_bytes(newsletter: Newsletter, tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    archive(newsletter, path)
    before = path.read_bytes(), manifest_path(path).read_bytes()
    assert not archive(newsletter, path, _LATER).any
    assert (path.read_bytes(), manifest_path(path).read_bytes()) == before


def test_what_goes_away_leaves_a_tombstone_until_it_comes_back_as_a_later_version(
    newsletter: Newsletter, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.jsonl"
    archive(newsletter, path)
    text = (newsletter.home / "issues" / "001-first.md").read_text()
    newsletter.write("001-first.md", text.replace('Hi {{ subscriber.name | default("there") }},\n', ""))
    assert archive(newsletter, path, _LATER).removed == ("first#intro",)
    assert manifest(path)["tombstones"] == {"first#intro": {"version": 1, "removed": _LATER}}
    archive(newsletter, path, "2026-04-01T00:00:00Z")
    assert manifest(path)["tombstones"]["first#intro"]["removed"] == _LATER
    newsletter.write("001-first.md", text)
    assert archive(newsletter, path).added == ("first#intro",)
    assert manifest(path)["tombstones"] == {}
    assert manifest(path)["passages"]["first#intro"]["version"] == 2


def test_versions_only_ever_rise_and_follow_the_lines(tmp_path: Path) -> None:
    """Any sequence of edits, removals and returns, against a model of a few lines."""
    path, chance = tmp_path / "corpus.jsonl", random.Random(7)
    some = Passage("guides/a#b", "https://x/#b", "T", "H", "question", "2026-01-01", (), "text")
    seen: dict[str, int] = {}
    before: dict[str, str] = {}
    for _ in range(60):
        texts = {f"guides/g#{n}": str(chance.randrange(2)) for n in range(4) if chance.random() < 0.7}
        export(tuple(replace(some, id=id_, text=text) for id_, text in texts.items()), path)
        told = manifest(path)
        assert set(told["passages"]) == set(texts)
        for id_, entry in told["passages"].items():
            risen = entry["version"] - seen.get(id_, 0)
            assert risen == (0 if before.get(id_) == texts[id_] else 1), id_
            seen[id_] = entry["version"]
        assert set(told["tombstones"]) == set(seen) - set(texts)
        before = texts


def test_ends_of_lines_of_unicode_do_not_cut_a_record(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    text = "one\u2028two\u2029three\x85four\x0bfive\rsix\nseven"
    export((Passage("guides/a#b", "u", "T", "H", "question", "2026-01-01", ("ü",), text),), path)
    [line] = path.read_text("utf-8").splitlines()
    assert json.loads(line)["text"] == text
    assert "ü" in line


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is not the manifest of a corpus"),
        ('{"format": "newsletter-corpus", "format_version": 2}', "of a newer version"),
        ('{"format": "newsletter-corpus", "format_version": "1"}', "is damaged"),
        ('{"format": "newsletter-corpus", "format_version": 1, "passages": {"a": 1}}', "is damaged"),
        ("\udcff", "can't be read"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused_and_kept(
    tmp_path: Path, written: str, said: str
) -> None:
    path = tmp_path / "corpus.jsonl"
    manifest_path(path).write_bytes(written.encode("utf-8", "surrogateescape"))
    with pytest.raises(NewsletterError, match=said) as refused:
        export((), path)
    assert refused.value.hint
    assert not path.exists()
    assert manifest_path(path).read_bytes() == written.encode("utf-8", "surrogateescape")


def test_all_issues_at_once_are_not_taken_away(newsletter: Newsletter, tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    archive(newsletter, path)
    before = path.read_bytes()
    newsletter.sent.clear()
    with pytest.raises(NewsletterError, match="no issue is published here"):
        archive(newsletter, path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NewsletterError, match="can't be written"):
        export((), tmp_path / "file" / "corpus.jsonl")
    assert corpus_path(tmp_path) == tmp_path / "corpus.jsonl"


def test_the_command_exports_what_is_published_and_tells_what_changed(home: Path) -> None:  # noqa: F811 - the fixture
    nothing = run(home, "export", "corpus", "--out", "corpus.jsonl")
    assert nothing.returncode == 0, nothing.stderr
    assert nothing.stdout == "corpus.jsonl: 0 passages; 0 added, 0 changed, 0 removed\n"
    assert "only sent issues" in nothing.stderr
    guides = home / "issues" / "guides"
    guides.mkdir()
    shutil.copy(ROOT / "issues" / "guides" / "rag-vs-fine-tuning.md", guides)
    looked = run(home, "export", "corpus", "--out", "corpus.jsonl", "--changes")
    first, *listed = looked.stdout.splitlines()
    assert first == f"corpus.jsonl: {len(listed)} passages; {len(listed)} added, 0 changed, 0 removed"
    assert listed[0] == "+ guides/rag-vs-fine-tuning#summary"
    assert (home / "corpus.jsonl").read_text() == ""
    done = run(home, "export", "corpus", "--out", "corpus.jsonl", "--json")
    assert json.loads(done.stdout)["passages"] == len(listed)
    assert (home / "corpus.manifest.json").is_file()
    before = (home / "corpus.jsonl").read_bytes()
    assert before.count(b"\n") == len(listed)
    wrong = (guides / "rag-vs-fine-tuning.md").read_text().replace("## Comparison", "## Comparisons")
    (guides / "rag-vs-fine-tuning.md").write_text(wrong)
    refused = run(home, "export", "corpus", "--out", "corpus.jsonl")
    assert refused.returncode == 1
    assert "issues/guides/rag-vs-fine-tuning.md" in refused.stderr
    assert (home / "corpus.jsonl").read_bytes() == before
