"""The line of work behind a stream: order, bounded room, and everything that comes in comes out once."""

import math
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.api.line import Dropped, Latencies, Line

HANGS_S = 60.0
"""Only what hangs takes longer; no verdict depends on it."""


def kept(_number, item):
    return item


def same(part):
    return part


def meets(condition):
    """Wait for a condition that other threads bring about."""
    waited = threading.Event()
    for _ in range(int(HANGS_S / 0.002)):
        if condition():
            return
        waited.wait(0.002)
    raise AssertionError("waited in vain")


@given(
    seconds=st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200),
    share=st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]),
)
def test_quantiles_are_right_to_one_percent(seconds, share):
    found = Latencies()
    for one in seconds:
        found.add(one)
    exact = sorted(seconds)[math.ceil(share * len(seconds)) - 1]
    assert found.quantile(share) == pytest.approx(exact, rel=0.01)
    assert found.count == len(seconds) and found.largest == max(seconds)


def test_there_is_no_quantile_of_nothing():
    assert Latencies().quantile(0.5) is None


@pytest.mark.parametrize("workers", [1, 3])
def test_all_that_comes_in_comes_out_once_and_in_turn(workers):
    line = Line(range(200), kept, lambda part: part * 2, workers=workers, room=3)
    assert list(line) == [(number, 2 * (number - 1)) for number in range(1, 201)]
    assert line.taken == line.latencies.count == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_source_that_is_too_fast_is_held_back(workers):
    """Nobody takes anything until the source has given all that it may; then it waits."""
    given_ = handed = worst = 0

    def source():
        nonlocal given_, worst
        for number in range(60):
            given_ += 1
            worst = max(worst, given_ - handed)
            yield number

    line = Line(source(), kept, same, workers=workers, room=3)
    bound = 3 + 2 * workers
    for number, _ in line:
        due = min(number + bound, 60)
        meets(lambda due=due: given_ >= due)
        handed = number
    assert handed == 60
    # one more than fits is in the hand of who took it
    assert worst == bound + 1


def test_without_room_the_oldest_that_waits_is_dropped_and_told():
    begun, go_on = threading.Event(), threading.Event()

    def source():
        yield 1
        assert begun.wait(HANGS_S)
        yield from range(2, 7)
        go_on.set()

    def work(part):
        begun.set()
        assert go_on.wait(HANGS_S)
        return part

    line = Line(source(), kept, work, room=2, drop=True)
    found = dict(line)
    assert {number: one for number, one in found.items() if one != Dropped()} == {1: 1, 5: 5, 6: 6}
    assert list(found) == [1, 2, 3, 4, 5, 6] and line.taken == 6
    assert line.latencies.count == 3


def test_a_piece_that_fails_costs_that_piece():
    def prepare(number, item):
        if number == 2:
            raise ValueError("in the preparation")
        return item

    def work(part):
        if part == "d":
            raise RuntimeError("at work")
        return part

    found = dict(Line(iter("abcde"), prepare, work, workers=2))
    assert [str(found[number]) for number in (1, 2, 3, 4, 5)] == ["a", "in the preparation", "c", "at work", "e"]


def test_a_source_that_fails_ends_the_line_and_is_told():
    def source():
        yield "a"
        raise OSError("the detector is gone")

    found = list(Line(source(), kept, same))
    assert found[0] == (1, "a") and found[1][0] == 2 and str(found[1][1]) == "the detector is gone"
    assert len(found) == 2


def test_after_a_stop_what_was_taken_in_still_comes_out():
    line = Line(iter(int, 1), kept, same, room=2)
    found = []
    for number, _ in line:
        found.append(number)
        if number == 3:
            line.stop()
    assert found == list(range(1, line.taken + 1)) and 3 <= line.taken <= 3 + 2 + 2 + 1


def test_a_line_that_nobody_takes_from_any_more_ends_its_threads():
    before = threading.active_count()
    for _ in Line(iter(int, 1), kept, same, workers=3):
        break
    meets(lambda: threading.active_count() <= before)


def test_times_count_from_arrival_until_the_result_was_dealt_with():
    ticks = iter(np.arange(0.0, 100.0))
    clock = threading.Lock()

    def now():
        with clock:
            return float(next(ticks))

    line = Line(range(5), kept, same, clock=now)
    assert Counter(n for n, _ in line).total() == 5
    # every piece was timed twice with one clock: some tick passed between
    assert line.latencies.count == 5 and 1.0 <= line.latencies.largest < 10.0
