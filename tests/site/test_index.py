"""The search index: what is found for what a reader types, and what an index survives."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.site.index import MATCH_BEGINS, MATCH_ENDS, SearchIndex
from newsletter.site.query import MOST_CHARACTERS, parse_query
from tests.site.conftest import Newsletter, issue
from tests.site.test_passages import files_of, index_of

TEXTS = {
    "top-k": "Pass `top_k` to the reranker.",
    "languages": "Written in C++ and C#, not in C.",
    "accents": "A naïve café façade.",
    "japanese": "これは日本語の検索です。",
    "arabic": "البحث في الأرشيف سهل.",
    "stems": "Retrieving documents beats remembering them.",
    "long": "The oracle knows. A test of the oracle is an oracle test of its own.",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    """One issue for each of `TEXTS`."""
    return index_of(tmp_path_factory.mktemp("index"), TEXTS, "en")


def found(index: SearchIndex, words: str) -> list[str]:
    return [hit.passage.id for hit in index.search(words, 50).hits]


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ("top_k", "top-k"),
        ("c++", "languages"),
        ("(C#)", "languages"),
        ("naive facade", "accents"),
        ("CAFÉ", "accents"),
        ("検索", "japanese"),
        ("日本", "japanese"),
        ("الأرشيف", "arabic"),
        ("retrieve document", "stems"),
        ("rerank", "top-k"),
        ("rera", "top-k"),
        ('"oracle test"', "long"),
        ("“oracle test”", "long"),
        ('"oracle test', "long"),
    ],
)
def test_a_reader_finds_the_passage_by_any_way_of_writing_it(
    index: SearchIndex, words: str, slug: str
) -> None:
    results = index.search(words)
    assert [hit.passage.id for hit in results.hits] == [f"{slug}#concept"]
    assert (results.total, results.loosened, results.instead) == (1, False, "")


def test_words_in_quotes_stand_together_and_a_minus_takes_away(index: SearchIndex) -> None:
    assert found(index, '"test oracle"') == []
    assert len(found(index, "remember")) == 7
    assert set(found(index, "remember -café -oracle")) == {
        f"{slug}#concept" for slug in TEXTS if slug not in {"accents", "long"}
    }
    assert index.search("-remember").total == 0


def test_the_snippet_has_the_words_around_the_marked_match(index: SearchIndex) -> None:
    [hit] = index.search("naive").hits
    assert hit.snippet == f"A {MATCH_BEGINS}naïve{MATCH_ENDS} café façade. Takeaway: Remember this."
    [hit] = index.search("ideas naive").hits
    assert (hit.heading, hit.passage.heading) == (f"{MATCH_BEGINS}Ideas{MATCH_ENDS}", "Ideas")
    [hit] = index.search("検索").hits
    assert f"日本語の{MATCH_BEGINS}検索{MATCH_ENDS}です" in hit.snippet


def test_a_heading_counts_more_than_a_mention(tmp_path: Path) -> None:
    made = Newsletter(tmp_path)
    made.write("001-mention.md", issue(1, "One", body="The vector is small, and a vector it stays."))
    made.write("002-heading.md", issue(2, "Two").replace("Concept: Ideas", "Concept: Vector stores"))
    with SearchIndex(tmp_path / "search.db", "en") as index:
        index.update(files_of(made))
        assert found(index, "vector") == ["heading#concept", "mention#concept"]


def test_a_typing_error_is_answered_with_a_word_of_the_archive(index: SearchIndex) -> None:
    results = index.search("remembring")
    assert (results.hits, results.total, results.instead) == ((), 0, "remembering")
    assert index.search("zzzzzzzz").instead == ""


def test_a_short_word_may_be_mistyped_as_well(tmp_path: Path) -> None:
    made = Newsletter(tmp_path)
    made.write("001-ranks.md", issue(1, "One", body="A rank says more than a score."))
    with SearchIndex(tmp_path / "search.db", "en") as index:
        index.update(files_of(made))
        assert index.search("rnak").instead == "rank"


def test_where_no_passage_has_all_words_those_with_some_are_shown_as_such(index: SearchIndex) -> None:
    results = index.search("café oracle")
    assert results.loosened
    assert {hit.passage.id for hit in results.hits} == {"accents#concept", "long#concept"}


def test_pages_of_results_do_not_overlap(index: SearchIndex) -> None:
    every = found(index, "issue because remember this think")
    pages = [
        hit.passage.id
        for at in range(0, 60, 5)
        for hit in index.search("issue because remember this think", 5, at).hits
    ]
    assert pages == every
    assert len(set(pages)) == len(pages)


@pytest.mark.parametrize("words", ["", " ", "!!", "***", '"', '""', "-", "🚀", "\x00", "- -", "(", "--"])
def test_what_has_no_word_in_it_finds_nothing(index: SearchIndex, words: str) -> None:
    assert index.search(words).total == 0
    assert not parse_query(words).wanted


@pytest.mark.parametrize(
    "words",
    [
        "AND",
        "NOT NOT",
        "NEAR(a b)",
        "text:rag",
        "^rag",
        "rag*",
        "a AND (b",
        "{text}: x",
        "x" * 10_000,
        "a " * 5_000,
        "'; DROP TABLE found; --",
        "re\x00mem",
        '"a" "b" c"d',
    ],
)
def test_no_query_is_an_error(index: SearchIndex, words: str) -> None:
    results = index.search(words)
    assert len(results.hits) <= 10
    assert len(parse_query(words).wanted) <= MOST_CHARACTERS


@settings(max_examples=150)
@given(st.text(max_size=60), st.booleans())
def test_whatever_is_typed_is_searched_for_and_never_breaks(
    index: SearchIndex, words: str, every: bool
) -> None:
    for hit in index.search(words, every=every).hits:
        assert hit.passage.text


def test_only_what_changed_is_written_and_the_result_is_that_of_a_fresh_index(newsletter: Newsletter) -> None:
    """Random edits, sends, removals and returns: the kept index equals one made of the same files."""
    chance = random.Random(11)
    with SearchIndex(newsletter.home / "kept.db", "en") as kept:
        assert kept.update(files_of(newsletter)).added == 18
        assert kept.update(files_of(newsletter)).added == 0
        newsletter.write("002-second.md", issue(2, "The second", body="Only this is new."))
        newsletter.write(
            "002-second.md",
            issue(2, 'The <second> & \\"more\\"', tags="[rag, evals]", level="senior", body="Edited"),
        )
        changed = kept.update(files_of(newsletter))
        assert (changed.added, changed.removed) == (1, 1)
        for step in range(12):
            name = chance.choice(["001-first", "002-second", "003-third", "004-unsent"])
            match chance.randrange(4):
                case 0:
                    (newsletter.home / "issues" / f"{name}.md").unlink(missing_ok=True)
                case 1:
                    newsletter.sent ^= {name[4:]}
                case _:
                    newsletter.write(
                        f"{name}.md", issue(int(name[:3]), f"T{step}", body=f"Words {step}."), sent=False
                    )
            kept.update(files_of(newsletter))
            with SearchIndex(newsletter.home / f"fresh{step}.db", "en") as fresh:
                fresh.update(files_of(newsletter))
                assert kept.passages() == fresh.passages()
                for words in ("words", "because", "rag", "think"):
                    assert sorted(found(kept, words)) == sorted(found(fresh, words))


def test_a_file_with_an_error_is_searched_as_it_was_before(newsletter: Newsletter) -> None:
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        index.update(files_of(newsletter))
        newsletter.write(
            "001-first.md", issue(1, "The first", body="Broken now.").replace("### Answer", "### Anser")
        )
        for _ in range(2):
            assert {d.path for d in index.update(files_of(newsletter)).findings} == {"issues/001-first.md"}
            assert "first#answer" in found(index, "because")
        newsletter.write("001-first.md", issue(1, "The first", body="Mended now."))
        assert not index.update(files_of(newsletter)).findings
        assert found(index, "mended") == ["first#concept"]


@pytest.mark.parametrize("damage", ["text", "half", "version", "emptied"])
def test_an_index_that_cannot_be_used_is_made_anew(newsletter: Newsletter, damage: str) -> None:
    path = newsletter.home / "search.db"
    with SearchIndex(path, "en") as index:
        index.update(files_of(newsletter))
    if damage == "version":
        with sqlite3.connect(path) as db:
            db.execute("UPDATE about SET value = 'another'")
            db.execute("DROP TABLE files")
        db.close()
    else:
        whole = path.read_bytes()
        path.write_bytes(
            {"text": b"not a database" * 400, "half": whole[: len(whole) // 2], "emptied": b""}[damage]
        )
    with SearchIndex(path, "en") as index:
        index.update(files_of(newsletter))
        assert len(found(index, "because")) == 3
    with SearchIndex(path, "en") as index:
        assert index.ready


def test_where_nothing_can_be_written_the_index_is_in_memory(newsletter: Newsletter) -> None:
    (newsletter.home / "file").write_text("")
    with SearchIndex(newsletter.home / "file" / "search.db", "en") as index:
        index.update(files_of(newsletter))
        assert len(found(index, "because")) == 3


def test_a_full_disk_is_no_reason_not_to_search(newsletter: Newsletter) -> None:
    path = newsletter.home / "search.db"
    with SearchIndex(path, "en") as index:
        # SQLite's own "database or disk is full".
        index._db.execute("PRAGMA max_page_count = 8")
        index.update(files_of(newsletter))
        assert len(found(index, "because")) == 3


def test_readers_see_the_last_complete_index_while_another_is_made(newsletter: Newsletter) -> None:
    path = newsletter.home / "search.db"
    with SearchIndex(path, "en") as writer, SearchIndex(path, "en") as reader:
        assert not reader.ready
        writer.update(files_of(newsletter))
        writer._db.execute("BEGIN IMMEDIATE")
        writer._db.execute("DELETE FROM found")
        assert len(found(reader, "because")) == 3
        writer._db.execute("ROLLBACK")


_UPDATE = """
import sys
from pathlib import Path
from tests.site.conftest import Newsletter
from tests.site.test_passages import files_of
from newsletter.site.index import SearchIndex
made = Newsletter(Path(sys.argv[1]))
made.sent = {"first", "second", "third"}
with SearchIndex(made.home / "search.db", "en") as index:
    index.update(files_of(made))
    print(index.search("because").total)
"""


def test_processes_that_begin_together_make_one_index(newsletter: Newsletter) -> None:
    root = Path(__file__).parent.parent.parent
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _UPDATE, str(newsletter.home)], cwd=root, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == ["3\n"] * 2
    with SearchIndex(newsletter.home / "search.db", "en") as index:
        assert len(index.passages()) == 18
        assert index._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_archive_without_anything_is_searched_in_vain(tmp_path: Path) -> None:
    with SearchIndex(tmp_path / "search.db", "de") as index:
        assert not index.ready
        index.update(files_of(Newsletter(tmp_path)))
        assert index.ready
        assert index.search("anything") == ((), 0, False, "")
