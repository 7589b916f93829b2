"""Training data is in the format services take, has nothing twice, and never measures with what it learned from."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.issue import DEFAULT_KINDS
from newsletter.site.dataset import (
    Dataset,
    as_jsonl,
    estimated_tokens,
    format_faults,
    least_tokens,
    make_dataset,
    validation_pages,
)
from newsletter.site.near_copies import find_copies
from tests.site.conftest import Newsletter, issue
from tests.site.test_questions_export import published

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau"


def dataset(newsletter: Newsletter, share: float = 0.1) -> Dataset:
    found = published(newsletter)
    return make_dataset(found.issues, found.guides, newsletter.publication, DEFAULT_KINDS, share)


@pytest.fixture
def varied(newsletter: Newsletter) -> Newsletter:
    """Issues whose texts differ: those of the fixture say the same, which is what copies are."""
    for number, name in enumerate(("001-first.md", "002-second.md", "003-third.md"), 1):
        words = [f"{word}{number}" for word in WORDS.split()]
        body = f"{' '.join(words[:10])}. More of {number}.\n\n| A | B |\n|---|---|\n| {number} | x |"
        text = issue(number, f"Title {number}", body=body)
        for old, new in (
            ("Remember this", words[11]),
            ("Do it", f"Do {words[12]} and {words[13]}"),
            ("Because", f"Because {' '.join(words[14:])}"),
            ("- **Trade-off:** One.", f"- **Trade-off:** {' '.join(words[3:9])}."),
            ("Think.", f"Think of {words[5]}. <!-- private -->"),
        ):
            text = text.replace(old, new)
        newsletter.write(name, text)
    return newsletter


def test_every_line_is_in_the_chat_format(varied: Newsletter) -> None:
    made = dataset(varied)
    text = as_jsonl((*made.train, *made.validation))
    lines = text.split("\n")
    assert lines.pop() == ""
    assert len(lines) == 15
    assert [format_faults(line) for line in lines] == [[]] * 15
    for line in lines:
        roles = [message["role"] for message in json.loads(line)["messages"]]
        assert roles == ["system", "user", "assistant"]


def test_a_section_is_learned_from_notes_and_an_answer_from_its_question(varied: Newsletter) -> None:
    made = dataset(varied)
    examples = {example.id: example for example in (*made.train, *made.validation)}
    concept = examples["second#concept:section"]
    assert concept.user.splitlines()[2:] == [
        "Issue: Title 2",
        "Title: Ideas",
        "Takeaway: mu2.",
        "Outline:",
        "- alpha2 beta2 gamma2 delta2 epsilon2 zeta2 eta2 theta2 iota2 kappa2.",
        "- [a table: A, B]",
    ]
    assert concept.assistant.startswith("## Concept: Ideas\nalpha2 beta2")
    assert concept.assistant.endswith("**Takeaway:** mu2.")
    answer = examples["second#interview-question:answer"]
    assert answer.user == "Why 2?\n\nThink of zeta2."
    assert answer.assistant.startswith("Because omicron2 pi2")


def test_comments_of_the_author_stay_at_home(varied: Newsletter) -> None:
    made = dataset(varied)
    assert "private" not in as_jsonl((*made.train, *made.validation))


def test_an_issue_is_on_one_side_of_the_split_as_a_whole(varied: Newsletter) -> None:
    made = dataset(varied)
    train, validation = ({example.page for example in part} for part in (made.train, made.validation))
    assert train
    assert validation
    assert not train & validation
    assert {example.task for example in made.validation} == {"section", "answer"}


def test_the_split_is_the_same_each_time_and_new_issues_leave_the_old_ones_where_they_are() -> None:
    pages = [f"issue-{number}" for number in range(400)]
    held_out = validation_pages(pages, 0.1)
    assert held_out == validation_pages(reversed(pages), 0.1)
    assert 20 < len(held_out) < 60
    assert validation_pages([*pages, "one-more"], 0.1) >= held_out
    assert validation_pages(["only"], 0.5) == frozenset()
    assert [len(validation_pages(["a", "b"], share)) for share in (0.0, 0.5, 1.0)] == [1, 1, 1]


def test_what_another_example_says_already_is_left_out(varied: Newsletter) -> None:
    before = dataset(varied)
    path = varied.home / "issues" / "001-first.md"
    varied.write("009-again.md", path.read_text("utf-8").replace("number: 1\n", "number: 9\n"))
    made = dataset(varied)
    assert len(made.train) + len(made.validation) == len(before.train) + len(before.validation)
    assert {(example.page, original.page) for example, original, _ in made.copies} == {("again", "first")}


def test_an_answer_is_no_copy_of_the_section_it_stands_in(varied: Newsletter) -> None:
    path = varied.home / "issues" / "001-first.md"
    text = path.read_text("utf-8")
    path.write_text(text.replace("Because ", f"Because {' '.join(f'w{n}' for n in range(200))} "), "utf-8")
    made = dataset(varied)
    texts = {example.id: example.assistant for example in (*made.train, *made.validation)}
    section, answer = (f"first#interview-question:{task}" for task in ("section", "answer"))
    assert {section, answer} <= set(texts)
    # They are alike by the measure itself.
    assert len(find_copies([texts[section], texts[answer]])) == 1


def test_copies_are_found_word_for_word_and_nearly() -> None:
    words = [f"word{number}" for number in range(100)]
    text = " ".join(words)
    nearly = " ".join([*words[:50], "another", *words[51:]])
    half = " ".join([*words[:50], *(f"other{number}" for number in range(50))])
    found = find_copies([text, text.upper().replace(" ", "\n"), nearly, half, "", "Short.", "short."])
    assert [(copy.place, copy.of, copy.exact) for copy in found] == [
        (1, 0, True),
        (2, 0, False),
        (6, 5, True),
    ]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=12).map(" ".join), max_size=12))
def test_looking_up_the_rarest_runs_alone_misses_no_copy(texts: list[str]) -> None:
    left_out = {copy.place for copy in find_copies(texts)}

    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}

    kept: list[str] = []
    for place, text in enumerate(texts):
        alike = any(len(runs(text) & runs(o)) / len(runs(text) | runs(o)) >= 0.8 for o in kept)
        assert alike == (place in left_out)
        if not alike:
            kept.append(text)


GOOD = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "not JSON"),
        ("[]", "an object with `messages`"),
        (json.dumps({**GOOD, "id": 1}), "nothing else"),
        (json.dumps({"messages": []}), "nobody asks"),
        (json.dumps({"messages": GOOD["messages"][:1]}), "the last message"),
        (json.dumps({"messages": [*GOOD["messages"], {"role": "tool", "content": "x"}]}), "unknown role"),
        (json.dumps({"messages": [{"role": "user", "content": " "}, GOOD["messages"][1]]}), "says nothing"),
        (json.dumps({"messages": [{"role": "user", "content": "a", "name": "b"}]}), "nothing else"),
        (json.dumps({"messages": [*GOOD["messages"], {"role": "system", "content": "x"}]}), "comes first"),
    ],
)
def test_what_a_service_would_refuse_is_a_fault(line: str, fault: str) -> None:
    assert fault in " ".join(format_faults(line))
    assert format_faults(json.dumps(GOOD)) == []


@given(st.text(alphabet=string.printable + "é漢\u2028🙂"))
def test_an_estimate_is_never_below_what_a_tokeniser_must_cut(text: str) -> None:
    assert least_tokens(text) <= estimated_tokens(text) <= max(1, len(text.encode())) * (text != "")
