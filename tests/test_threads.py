"""Work that threads share: the same results in the same order, however many there are."""

import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.threads import core_count, in_threads, thread_count


@pytest.mark.parametrize(("stated", "count"), [("1", 1), ("3", 3), ("4,2", 4)])
def test_the_environment_says_how_many_threads_there_are(monkeypatch, stated, count):
    monkeypatch.setenv("OMP_NUM_THREADS", stated)
    assert thread_count() == count


def test_numbers_for_nested_levels_stop_neither_records_nor_engines(monkeypatch):
    """OpenMP takes a list; it was once read as one number, and a restoration ended in a traceback."""
    from coldray.app.recipe import environment
    from coldray.restoration.model import load_model

    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    monkeypatch.setenv("COLDRAY_ENGINE", "onnxruntime")
    assert environment()["threads"] == 2
    assert load_model().engine._session.get_session_options().intra_op_num_threads == 2


@pytest.mark.parametrize("stated", ["", "0", "many"])
def test_there_are_as_many_threads_as_cores_if_nobody_says_otherwise(monkeypatch, stated):
    monkeypatch.setenv("OMP_NUM_THREADS", stated)
    assert thread_count() == core_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives processes no cores of their own")
def test_a_process_that_may_use_one_core_works_with_one_thread():
    """A container or a task set hands out fewer cores than the machine has; threads beyond them wait for each other."""
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from coldray.threads import thread_count; print(thread_count())"
    world = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=world, check=True).stdout
    assert said.strip() == "1"


@pytest.mark.parametrize(("stated", "used"), [(None, "1"), ("2", "2")])
def test_a_command_keeps_blas_from_spinning_unless_the_user_says_otherwise(stated, used):
    """Its threads wait for the next product of small matrices by taking cores from other processes."""
    code = """
import os, runpy, sys
sys.argv = ["coldray", "--version"]
try:
    runpy.run_module("coldray", run_name="__main__")
except SystemExit:
    print(os.environ["OPENBLAS_NUM_THREADS"])
"""
    world = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    world |= {} if stated is None else {"OPENBLAS_NUM_THREADS": stated}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=world, check=True)
    assert done.stdout.split()[-1] == used


@given(st.lists(st.integers(-5, 5), max_size=20), st.sampled_from(["1", "2", "4"]))
@settings(max_examples=20)
def test_results_come_in_the_order_of_the_parts(parts, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", threads)
        assert in_threads(lambda n: n * n, parts) == [n * n for n in parts]


def test_parts_are_worked_on_at_the_same_time(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    both = threading.Barrier(2, timeout=60)
    assert len(in_threads(lambda _: both.wait(), [0, 1])) == 2


def test_work_inside_a_thread_waits_for_no_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    inner = in_threads(lambda n: sum(in_threads(lambda k: k + n, range(3))), [1, 2, 3, 4])
    assert inner == [6, 9, 12, 15]


@pytest.mark.parametrize("threads", ["1", "4"])
def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda n: 1 // n, [1, 0, 2])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_threads_of_its_own():
    code = (
        "import os, sys\n"
        "from coldray.threads import in_threads\n"
        "assert in_threads(abs, [-1, -2]) == [1, 2]\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if in_threads(abs, [-3, -4]) == [3, 4] else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment, timeout=300)
