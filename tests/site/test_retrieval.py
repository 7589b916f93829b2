"""A question finds the passages that answer it, is turned away where none does, and how often is measured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.errors import NewsletterError
from newsletter.model.issue import DEFAULT_KINDS
from newsletter.site.archive_tools import ArchiveTools
from newsletter.site.evaluation import (
    Case,
    cases_as_jsonl,
    evaluate,
    questions_asked,
    read_cases,
)
from newsletter.site.index import SearchIndex
from newsletter.site.passage import ArchiveFiles
from newsletter.site.retrieval import Retriever
from tests.conftest import ROOT

OWN = ROOT / "issues" / "eval.jsonl"
# In other words than the passages, beside questions of the same field that nothing answers; nothing was chosen on it.
HELD_OUT = ROOT / "issues" / "eval-held-out.jsonl"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    """Our own archive, as if all of it were sent."""
    issues = sorted((ROOT / "issues").glob("0*.md"))
    guides = sorted((ROOT / "issues" / "guides").glob("*.md"))
    files = ArchiveFiles(
        "https://notes.example.com",
        DEFAULT_KINDS,
        [(path, path) for path in issues],
        [(path, path) for path in guides],
        frozenset(),
        drafts=True,
    )
    with SearchIndex(tmp_path_factory.mktemp("index") / "search.db", "en") as made:
        assert made.update(files).added > 60
        yield made


@pytest.fixture(scope="module")
def retriever(index: SearchIndex) -> Retriever:
    return Retriever(index, "en")


def ids(retriever: Retriever, question: str, limit: int = 5) -> list[str]:
    return [hit.passage.id for hit in retriever.retrieve(question, limit).hits]


def test_words_that_only_ask_do_not_count(retriever: Retriever) -> None:
    long = ids(
        retriever, "Could you tell me, please, what the reciprocal rank fusion is and how it should be used?"
    )
    assert long[:2] == ids(retriever, "tell please reciprocal rank fusion")[:2]


def test_a_question_of_nothing_but_such_words_is_still_asked(retriever: Retriever) -> None:
    assert ids(retriever, "What is it?")


@pytest.mark.parametrize(
    "question",
    [
        "k = -60",
        'what about "NL-4012"',
        "NEAR(a b) OR *",
        "title:rag AND",
        "col:",
        "it's 'quoted",
        "a" * 5000,
    ],
)
def test_no_question_breaks_the_index(retriever: Retriever, question: str) -> None:
    retriever.retrieve(question)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(question=st.text(max_size=80))
def test_any_question_has_an_answer_or_none(retriever: Retriever, question: str) -> None:
    found = retriever.retrieve(question, 3)
    assert 0.0 <= found.coverage <= 1.0
    assert not found.answers or found.hits


def test_a_dash_before_a_word_does_not_exclude_it(retriever: Retriever) -> None:
    assert ids(retriever, "recall -reranker") == ids(retriever, "recall reranker")


def test_an_interview_question_is_found_by_its_words_and_its_answer_stands_first(
    retriever: Retriever,
) -> None:
    found = ids(retriever, "Would you fine-tune on the new price list?")
    assert found[:2] == ["rag-or-fine-tuning#answer", "rag-or-fine-tuning#interview-question"]
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize("question", ["how do I bake sourdough bread", "difference between TCP and UDP", "?"])
def test_what_the_archive_is_not_about_is_turned_away(retriever: Retriever, question: str) -> None:
    assert not retriever.retrieve(question).answers


def test_nothing_is_found_in_nothing(tmp_path: Path) -> None:
    with SearchIndex(tmp_path / "search.db", "en") as empty:
        empty.update(ArchiveFiles("", DEFAULT_KINDS, [], [], frozenset()))
        found = Retriever(empty, "en").retrieve("what is rag")
    assert (found.hits, found.answers) == ((), False)


# Our own questions --------------------------------------------------------------------------------


def test_our_questions_are_in_a_readers_words_not_in_those_of_the_headings(index: SearchIndex) -> None:
    passages = {passage.id: passage for passage in index.passages()}
    cases = read_cases(OWN)
    assert len([case for case in cases if case.anchors]) >= 30

    def named(text: str) -> set[str]:
        return set(re.findall(r"\w{4,}", text.lower())) - {"does", "when", "which"}

    for case in cases:
        for anchor in case.anchors:
            assert not named(case.question) & named(passages[anchor].heading), case


def test_most_answers_are_among_the_first_passages(index: SearchIndex, retriever: Retriever) -> None:
    done = evaluate(retriever, index.passages(), read_cases(OWN), 10)
    assert done.unknown == ()
    assert done.hits(5) >= 0.9
    assert done.recall(5) >= 0.8
    assert done.mrr >= 0.7
    assert sum(judged.answered for judged in done.answerable) >= 45
    assert sum(not judged.answered for judged in done.others) >= 9
    easy = evaluate(retriever, index.passages(), questions_asked(index.passages()), 10)
    assert len(easy.answerable) == 27
    assert easy.hits(3) >= done.hits(3)


def test_on_questions_that_nothing_was_chosen_on_the_figures_are_what_the_readme_says(
    index: SearchIndex, retriever: Retriever
) -> None:
    cases = read_cases(HELD_OUT)
    assert not {case.question for case in cases} & {
        case.question
        for name in ("eval.jsonl", "eval-hard.jsonl")
        for case in read_cases(OWN.with_name(name))
    }
    done = evaluate(retriever, index.passages(), cases, 10)
    assert done.unknown == ()
    assert (len(done.answerable), len(done.others)) == (26, 26)
    assert done.hits(10) >= 0.55
    assert done.turned_away <= 7


def test_whether_anything_answers_does_not_depend_on_how_many_are_asked_for(retriever: Retriever) -> None:
    for case in read_cases(HELD_OUT)[::5]:
        judged = {
            (found.coverage, found.answers)
            for limit in (1, 3, 20)
            for found in (retriever.retrieve(case.question, limit),)
        }
        assert len(judged) == 1, case


# Measuring ----------------------------------------------------------------------------------------


def test_recall_and_rank_are_what_they_are_by_hand(index: SearchIndex, retriever: Retriever) -> None:
    question = "reciprocal rank fusion"
    found = ids(retriever, question, 4)
    cases = [
        Case(question, (found[0],)),
        Case(question, (found[1], found[3])),
        Case(question, ("guides/agents-vs-workflows#is-rag-an-agent",)),
        Case("how do I bake bread", ()),
        Case(question, ("gone#concept",), 7),
    ]
    done = evaluate(retriever, index.passages(), cases, 4)
    assert [judged.rank for judged in done.answerable] == [1, 2, 0]
    assert [done.recall(k) for k in (1, 2, 4)] == [1 / 3, (1 + 0.5) / 3, 2 / 3]
    assert [done.hits(k) for k in (1, 2)] == [1 / 3, 2 / 3]
    assert done.mrr == (1 + 1 / 2) / 3
    assert done.unknown == ((cases[4], "gone#concept"),)
    assert len(done.others) == 1
    assert (done.turned_away, done.rightly_turned_away) == (0, 1)
    assert (done.silence_precision, done.silence_recall) == (1.0, 1.0)
    silent = evaluate(
        retriever, index.passages(), [Case("bake some bread", (found[0],)), Case("brew tea", ())], 4
    )
    assert (silent.silence_precision, silent.silence_recall) == (0.5, 1.0)
    assert evaluate(retriever, index.passages(), cases[:1], 4).silence_precision == 0.0


def test_a_passage_is_known_by_id_and_by_address_on_any_host(
    index: SearchIndex, retriever: Retriever
) -> None:
    for anchor in (
        "hybrid-retrieval#concept",
        "/hybrid-retrieval/#concept",
        "http://127.0.0.1:8090/hybrid-retrieval/#concept",
    ):
        done = evaluate(retriever, index.passages(), [Case("rank fusion", (anchor,))], 5)
        assert done.answerable[0].expected == ("hybrid-retrieval#concept",)


def test_questions_are_read_from_json_lines_and_from_tables(tmp_path: Path) -> None:
    lines, table, tabs = (tmp_path / name for name in ("q.jsonl", "q.csv", "q.tsv"))
    lines.write_text(
        '\ufeff{"question": "One, two?", "anchors": ["a#b", "c#d"]}\n\n{"question": "None?", "anchors": []}\n'
    )
    table.write_text('Question,anchors\n"One, two?",a#b c#d\nNone?,\n')
    tabs.write_text("question\turl\nOne, two?\ta#b c#d\nNone?\t\n")
    for path in (lines, table, tabs):
        assert [(case.question, case.anchors) for case in read_cases(path)] == [
            ("One, two?", ("a#b", "c#d")),
            ("None?", ()),
        ]
    lines.write_text(cases_as_jsonl(read_cases(table)))
    assert [case.anchors for case in read_cases(lines)] == [("a#b", "c#d"), ()]
    assert [case.line for case in read_cases(table)] == [2, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.jsonl", b"{", "q.jsonl:1: this line is not JSON"),
        ("q.jsonl", b'{"question": "a", "anchors": []}\n[]', "q.jsonl:2: a case has"),
        ("q.jsonl", b'{"question": "a"}', "q.jsonl:1: a case has"),
        ("q.jsonl", b'{"question": "a", "anchors": [1]}', "q.jsonl:1: a case has"),
        (
            "q.jsonl",
            json.dumps({"question": "a" * 3000, "anchors": []}).encode(),
            "more than 2,000 characters",
        ),
        ("q.jsonl", b"\n\xff", "q.jsonl:2: this is not UTF-8"),
        ("q.jsonl", b"", "has no questions"),
        ("q.csv", b"a,b\n1,2\n", "q.csv:1: there are no columns"),
        ("q.csv", b'question,anchors\n"open', "this is no table"),
        ("q.csv", b"question,anchors\n,a#b\n", "q.csv:2: a case has"),
    ],
)
def test_what_is_no_file_of_questions_says_where(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(NewsletterError) as caught:
        read_cases(path)
    assert message in caught.value.message


# For programs -------------------------------------------------------------------------------------


def test_tools_take_no_more_than_they_should_and_know_ids_alone(index: SearchIndex) -> None:
    from contextlib import nullcontext

    tools = ArchiveTools("Notes", "en", lambda: nullcontext(index))
    assert len(tools.search("rag retrieval search model", 1000)["passages"]) == 20
    assert len(tools.search("rag " * 100_000, -5)["passages"]) == 1
    for id_ in ("../../etc/passwd", "", "hybrid-retrieval", "x" * 100_000, "' OR 1=1 --"):
        with pytest.raises(NewsletterError, match="no passage has the id"):
            tools.get(id_)
    passage = tools.get("hybrid-retrieval#concept")
    assert "Use ranks instead." in passage["text"]
    cited = tools.cite("hybrid-retrieval#concept", "Use  ranks\ninstead.")
    assert cited["quote_found"] is True
    assert tools.cite("hybrid-retrieval#concept", "Use scores instead.")["quote_found"] is False
    assert "quote_found" not in tools.cite("hybrid-retrieval#concept")
    assert cited["markdown"].endswith("](https://notes.example.com/hybrid-retrieval/#concept)")
