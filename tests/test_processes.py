"""Processes that share work: results in order, errors as they are raised, nothing left running."""

import os
import time
from itertools import count
from multiprocessing import active_children

import pytest

from coldray.errors import ImageError, WorkerError
from coldray.processes import AHEAD, Crew
from coldray.threads import core_count

# what the tasks say is done by eval and exec, which every process can name; a module of tests cannot be imported there
SLOW_FIRST = ["(__import__('time').sleep(0.2), 0, __import__('os').getpid())[1:]"]
SLOW_FIRST += [f"({number}, __import__('os').getpid())" for number in range(1, 20)]
THREADS = "__import__('coldray.threads').threads.stated_threads()"
REFUSED = "from coldray.errors import ImageError; raise ImageError('number 1 is refused')"
WORKS = "import time; until = time.process_time() + 0.2\nwhile time.process_time() < until: pass"
INTERRUPTED = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


@pytest.fixture(scope="module")
def crew():
    with Crew(2) as found:
        yield found


def test_one_worker_is_this_process():
    with Crew(1) as alone:
        assert list(alone.map(eval, SLOW_FIRST)) == [(number, os.getpid()) for number in range(20)]
    assert alone.core_seconds == 0


def test_results_come_in_the_order_of_the_tasks(crew):
    found = list(crew.map(eval, SLOW_FIRST))
    assert [number for number, _ in found] == list(range(20))
    assert os.getpid() not in {process for _, process in found}


def test_tasks_are_asked_for_as_results_are_taken(crew):
    asked = []

    def endless():
        for number in count():
            asked.append(number)
            yield number

    results = crew.map(abs, endless())
    for taken in range(1, 5):
        next(results)
        assert len(asked) <= taken + 2 * AHEAD
    results.close()


def test_an_error_of_the_work_is_raised_as_it_is(crew):
    results = crew.map(exec, ("", REFUSED, ""))
    assert next(results) is None
    with pytest.raises(ImageError, match="number 1 is refused"):
        next(results)
    assert list(crew.map(abs, (-5, 6))) == [5, 6], "the others live"


def test_an_interrupt_of_the_group_ends_no_process(crew):
    crew_of = {process for _, process in crew.map(eval, SLOW_FIRST)}
    list(crew.map(exec, [INTERRUPTED] * 4))
    assert {process for _, process in crew.map(eval, SLOW_FIRST)} <= crew_of


def test_the_time_of_the_others_is_counted(crew):
    before = crew.core_seconds
    list(crew.map(exec, [WORKS] * 2))
    assert 0.4 <= crew.core_seconds - before < 2


def test_cores_are_shared_unless_the_user_decided(monkeypatch):
    for stated, expected in (("", max(1, core_count() // 2)), ("3", 3)):
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
            if stated:
                monkeypatch.setenv(name, stated)
        with Crew(2) as crew:
            assert list(crew.map(eval, [THREADS] * 2)) == [expected] * 2


def test_a_process_that_dies_is_told_in_one_line():
    with Crew(2) as crew, pytest.raises(WorkerError, match="--workers 1"):
        list(crew.map(exec, ["import os; os._exit(1)"] * 2))


def test_leaving_by_an_exception_ends_what_still_runs():
    before, began = set(active_children()), time.monotonic()

    def stopped():
        yield from (60, 60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Crew(2) as crew:
        list(crew.map(time.sleep, stopped()))
    assert time.monotonic() - began < 30
    assert set(active_children()) <= before
