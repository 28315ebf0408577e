"""Processes that share work: results in order, errors as they are raised, nothing left running."""

import os
import subprocess
import sys
import time
from itertools import count
from multiprocessing import active_children
from pathlib import Path

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


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_is_told_what_the_tasks_weigh(workers):
    told = []
    with Crew(workers, told.append) as crew:
        assert list(crew.map(abs, (-1, -2, -3), lambda task: 10.0 * task)) == [1, 2, 3]
    assert told == [-10, -20, -30]


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


@pytest.mark.parametrize("pause_s", [0.0, 0.2])
def test_a_process_that_dies_is_told_in_one_line(pause_s):
    """Whether that shows when a result is waited for or when the next task is handed over."""

    def tasks():
        for _ in range(20):
            yield "import os; os._exit(1)"
            time.sleep(pause_s)

    with Crew(2) as crew, pytest.raises(WorkerError, match="--workers 1"):
        list(crew.map(exec, tasks()))


def test_leaving_by_an_exception_ends_what_still_runs():
    before, began = set(active_children()), time.monotonic()

    def stopped():
        yield from (60, 60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Crew(2) as crew:
        list(crew.map(time.sleep, stopped()))
    assert time.monotonic() - began < 30
    assert set(active_children()) <= before


def test_what_is_being_written_is_cleared_when_the_crew_is_left(tmp_path):
    place = tmp_path / "field.npy"
    writes = (
        "import pathlib, time; from coldray.files import write_atomically\n"
        f"write_atomically(pathlib.Path({str(place)!r}), lambda file: time.sleep(60))"
    )

    def stopped():
        yield writes
        while not any(tmp_path.iterdir()):
            time.sleep(0.05)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Crew(2) as crew:
        list(crew.map(exec, stopped()))
    assert list(tmp_path.iterdir()) == []


def is_alive(process):
    """Runs, and does not only wait to be taken notice of by whoever inherited it."""
    try:
        told = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return told.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc")
def test_no_process_outlives_a_parent_that_is_killed():
    code = (
        "from coldray.processes import Crew\n"
        "with Crew(2) as crew:\n"
        "    found = crew.map(eval, ['__import__(\"os\").getpid()'] * 8 + ['__import__(\"time\").sleep(60)'] * 2)\n"
        "    print(*{next(found) for _ in range(5)}, flush=True)\n"
        "    list(found)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    others = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert others
    until = time.monotonic() + 30
    while any(is_alive(process) for process in others) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(is_alive(process) for process in others)
