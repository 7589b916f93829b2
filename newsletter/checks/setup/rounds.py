"""How long may all of it take? Questions asked side by side; who hasn't answered in time is unknown, never at fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from newsletter.checks.setup.line import Area, Line, Status

Question = tuple[str, Callable[[], list[Line]]]


_TURN: Final = 0.1


def ask_all(
    questions: Sequence[Question], seconds: float, told: Callable[[int, int], None] = lambda _done, _all: None
) -> list[Line]:
    """The lines of all questions, in their order.

    Args:
        questions: each with the id of its first line, whose part before the dot is its area.
        seconds: after which what is still open is given up; its thread ends with the process.
        told: called now and then with how many are answered, and of how many.
    """
    answers: dict[str, list[Line]] = {}
    failures: list[BaseException] = []

    def answer(id_: str, ask: Callable[[], list[Line]]) -> None:
        try:
            answers[id_] = ask()
        except OSError as error:
            # A file that can't be read is one more thing to say, beside everything else.
            where = f"{error.filename}: " if error.filename else ""
            answers[id_] = [_refused(id_, f"{where}{error.strerror or error}")]
        except BaseException as error:  # noqa: BLE001 - carried over to whoever asked
            failures.append(error)

    threads = [
        threading.Thread(target=answer, args=question, name=f"asks {question[0]}", daemon=True)
        for question in questions
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    while (waiting := [thread for thread in threads if thread.is_alive()]) and time.monotonic() < deadline:
        told(len(threads) - len(waiting), len(threads))
        waiting[0].join(min(_TURN, max(0.0, deadline - time.monotonic())))
    if failures:
        raise failures[0]
    lines: list[Line] = []
    for id_, _ in questions:
        lines += answers.get(id_) or ([] if id_ in answers else [_late(id_, seconds)])
    return lines


def _refused(id_: str, said: str) -> Line:
    area = Area(id_.partition(".")[0])
    asked = id_.partition(".")[2].replace("_", " ")
    return Line(id_, area, Status.FAIL, asked, said, "give yourself permission there, or mend what it names")


def _late(id_: str, seconds: float) -> Line:
    area = Area(id_.partition(".")[0])
    said = f"no answer within {seconds:g} seconds"
    return Line(
        id_,
        area,
        Status.UNKNOWN,
        id_.partition(".")[2].replace("_", " "),
        said,
        "ask again with a larger --timeout",
    )
