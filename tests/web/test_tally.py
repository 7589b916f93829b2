"""What several processes count is added up, whichever of them dies."""

from __future__ import annotations

import os
import signal
import threading

from newsletter.web import tally as module
from newsletter.web.tally import Tally


def _in_a_process(work: object) -> int:
    """Run `work` in a fork; returns its pid once it has ended."""
    pid = os.fork()
    if not pid:
        assert callable(work)
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_what_processes_counted_is_added_up_and_outlives_them() -> None:
    tally = Tally(2)

    def work() -> None:
        for _ in range(1000):
            tally.sheet(1).add(("requests", "GET"))
        os.kill(os.getpid(), signal.SIGKILL)

    tally.sheet(0).add(("requests", "GET"), 5)
    _in_a_process(work)
    assert tally.total() == {("requests", "GET"): 1005}
    _in_a_process(work)  # in its place, with its sheet
    assert tally.total() == {("requests", "GET"): 2005}
    tally.sheet(1).put(("waiting",), 3)
    tally.sheet(1).put(("waiting",), 2)
    assert tally.total()["waiting",] == 2


def test_a_name_that_was_half_written_by_a_process_that_died_is_written_anew() -> None:
    tally = Tally(1)
    tally.sheet().add(("a",))
    torn = tally.sheet()._names
    torn[module._NAME_BYTES : module._NAME_BYTES + 4] = b"torn"
    fresh = module.Sheet(tally, memoryview(tally._memory), 0)
    fresh.add(("b",), 2)
    assert tally.total() == {("a",): 1, ("b",): 2}


def test_a_full_sheet_goes_on_counting_what_it_knows() -> None:
    sheet = Tally().sheet()
    for number in range(module._MOST + 10):
        sheet.add(("n", str(number)))
    sheet.add(("n" * module._NAME_BYTES, "too long"))
    sheet.add(("n", "7"))
    total = sheet.tally.total()
    assert len(total) == module._MOST
    assert total["n", "7"] == 2


def test_threads_that_name_the_same_thing_at_once_get_one_number() -> None:
    sheet = Tally().sheet()
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        for number in range(50):
            sheet.put(("n", str(number)), 1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(sheet.tally.total().values()) == [1] * 50
