"""How often does retrieval find the passage that answers? Recall and reciprocal rank on questions whose answer is known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from newsletter.errors import NewsletterError
from newsletter.site.passage import Passage
from newsletter.site.retrieval import LONGEST_QUESTION, Retriever

_LARGEST: Final = 5_000_000
_HINT: Final = 'a line is {"question": "…", "anchors": ["slug#concept", "https://…/slug/#answer"]}; no anchors: nothing answers it'


@dataclass(frozen=True)
class Case:
    """A question and where its answer is.

    Attributes:
        question: as a reader would type it.
        anchors: ids or addresses of the passages that answer it, each of them; none where the archive doesn't.
        line: where it stands in its file, from 1; 0 where it comes from none.
    """

    question: str
    anchors: tuple[str, ...]
    line: int = 0


@dataclass(frozen=True)
class Judged:
    """What came of one case.

    Attributes:
        case: the question.
        expected: ids of the passages that answer it.
        found: ids of what was found, best first.
        answered: whether what was found was thought good enough.
    """

    case: Case
    expected: tuple[str, ...]
    found: tuple[str, ...]
    answered: bool

    @property
    def rank(self) -> int:
        """The place of the first passage that answers, from 1; 0 where it wasn't found."""
        return next((place for place, id_ in enumerate(self.found, 1) if id_ in self.expected), 0)

    def recall(self, k: int) -> float:
        """The share of the passages that answer which are among the first `k`."""
        return len(set(self.expected) & set(self.found[:k])) / len(self.expected)


@dataclass(frozen=True)
class Evaluation:
    """What came of all.

    Attributes:
        answerable: those whose answer is in the archive.
        others: those that nothing answers.
        unknown: anchors that no passage has, each with its case.
    """

    answerable: tuple[Judged, ...]
    others: tuple[Judged, ...]
    unknown: tuple[tuple[Case, str], ...]

    def recall(self, k: int) -> float:
        """Mean share of a question's passages that are among the first `k`."""
        return _mean([judged.recall(k) for judged in self.answerable])

    def hits(self, k: int) -> float:
        """Share of the questions with at least one of their passages among the first `k`."""
        return _mean([0 < judged.rank <= k for judged in self.answerable])

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank of the first passage that answers, as deep as was looked."""
        return _mean([1 / judged.rank if judged.rank else 0.0 for judged in self.answerable])

    @property
    def turned_away(self) -> int:
        """Questions that were said to have no answer although the archive has one."""
        return sum(not judged.answered for judged in self.answerable)

    @property
    def rightly_turned_away(self) -> int:
        """Questions that were said to have no answer, and have none."""
        return sum(not judged.answered for judged in self.others)

    @property
    def silence_precision(self) -> float:
        """Share of the questions that were turned away which have no answer; 0 where none was turned away."""
        away = self.turned_away + self.rightly_turned_away
        return self.rightly_turned_away / away if away else 0.0

    @property
    def silence_recall(self) -> float:
        """Share of the questions without an answer that were turned away; 0 where there is none."""
        return self.rightly_turned_away / len(self.others) if self.others else 0.0


def read_cases(path: Path) -> list[Case]:
    """The cases of a JSONL file, or of a CSV or TSV file with the columns `question` and `anchors` (parted by spaces).

    Raises:
        NewsletterError: it can't be read, or a line is no case.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise NewsletterError(
            f"{path} can't be read: {error.strerror}", hint="name a file of questions"
        ) from error
    if len(data) > _LARGEST:
        raise NewsletterError(
            f"{path} has more than {_LARGEST // 1_000_000} MB", hint="evaluate a sample of it"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise NewsletterError(f"{path}:{line}: this is not UTF-8", hint="save it as UTF-8") from None
    tabular = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
    rows = _table(text, tabular, path) if tabular else _lines(text, path)
    cases = [_case(row, path, line) for line, row in rows]
    if not cases:
        raise NewsletterError(f"{path} has no questions", hint=_HINT)
    return cases


def _lines(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                raise NewsletterError(f"{path}:{number}: this line is not JSON", hint=_HINT) from None


def _table(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        if "question" not in names or not {"anchors", "anchor", "url"} & set(names):
            raise NewsletterError(
                f"{path}:1: there are no columns `question` and `anchors`", hint="name them in the first line"
            )
        reader.fieldnames = names
        for row in reader:
            if any(isinstance(value, str) and value.strip() for value in row.values()):
                yield reader.line_num, row
    except csv.Error as error:
        raise NewsletterError(
            f"{path}:{reader.line_num}: this is no table: {error}", hint="close every quotation mark"
        ) from None


def _case(row: Any, path: Path, line: int) -> Case:
    question = row.get("question") if isinstance(row, Mapping) else None
    written = (
        next((row[key] for key in ("anchors", "anchor", "url") if row.get(key) is not None), None)
        if question
        else None
    )
    anchors = written.split() if isinstance(written, str) else written
    if (
        not isinstance(question, str)
        or not question.strip()
        or not isinstance(anchors, list)
        or not all(isinstance(anchor, str) and anchor.strip() for anchor in anchors)
    ):
        raise NewsletterError(f"{path}:{line}: a case has a `question` and its `anchors`", hint=_HINT)
    if len(question) > LONGEST_QUESTION:
        raise NewsletterError(
            f"{path}:{line}: the question has more than {LONGEST_QUESTION:,} characters",
            hint="write it shorter",
        )
    return Case(question.strip(), tuple(dict.fromkeys(anchor.strip() for anchor in anchors)), line)


def questions_asked(passages: Sequence[Passage]) -> list[Case]:
    """The questions that the archive asks itself, interview questions and those of guides, each with its answer.

    They make an easy test: the question's words stand above the passage that is to be found.
    """
    return [
        Case(passage.heading, (passage.id,))
        for passage in passages
        if passage.kind == "answer" or (passage.kind == "question" and passage.heading.rstrip().endswith("?"))
    ]


def cases_as_jsonl(cases: Sequence[Case]) -> str:
    """What `read_cases` reads."""
    return "".join(
        json.dumps({"question": case.question, "anchors": list(case.anchors)}, ensure_ascii=False) + "\n"
        for case in cases
    )


def evaluate(
    retriever: Retriever, passages: Sequence[Passage], cases: Sequence[Case], depth: int
) -> Evaluation:
    """Ask every question, and look at the first `depth` passages that are found.

    A case with an anchor that no passage has is judged by its others; without any other it isn't judged.
    """
    ids = {passage.id: passage.id for passage in passages}
    # By address as well, whatever host the site had when the file was written.
    ids |= {_local(passage.url): passage.id for passage in passages}
    answerable: list[Judged] = []
    others: list[Judged] = []
    unknown: list[tuple[Case, str]] = []
    for case in cases:
        known = [ids.get(anchor) or ids.get(_local(anchor)) for anchor in case.anchors]
        unknown += [(case, anchor) for anchor, id_ in zip(case.anchors, known, strict=True) if id_ is None]
        expected = tuple(dict.fromkeys(id_ for id_ in known if id_ is not None))
        if case.anchors and not expected:
            continue
        found = retriever.retrieve(case.question, depth)
        judged = Judged(case, expected, tuple(hit.passage.id for hit in found.hits), found.answers)
        (answerable if expected else others).append(judged)
    return Evaluation(tuple(answerable), tuple(others), tuple(unknown))


def _local(address: str) -> str:
    """`https://host/slug/#anchor` as `/slug#anchor`."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    return f"/{parts.path.strip('/')}#{parts.fragment}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
