"""Who reads what when: everybody everything, every arm equally often in every block, and no order that says anything."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.benchmark.trial.plan import allocate


@given(st.lists(st.booleans(), min_size=2, max_size=24), st.integers(2, 4), st.integers(1, 7), st.integers(0, 99))
@settings(max_examples=60)
def test_every_reader_reads_every_case_in_every_arm_once_and_once_in_each_block(has_defects, arms, readers, seed):
    plan = allocate(has_defects, arms, readers, np.random.default_rng(seed))
    assert len(plan) == readers
    for blocks in plan:
        assert len(blocks) == arms
        for block in blocks:
            assert sorted(case for case, _ in block) == list(range(len(has_defects)))
        every = Counter(reading for block in blocks for reading in block)
        assert set(every) == {(case, arm) for case in range(len(has_defects)) for arm in range(arms)}
        assert set(every.values()) == {1}


@pytest.mark.parametrize("readers", [2, 5, 6])
def test_every_block_holds_every_arm_equally_often_with_as_many_defects(readers):
    has_defects = np.array([True] * 12 + [False] * 18)
    for blocks in allocate(has_defects, 3, readers, np.random.default_rng(3)):
        for block in blocks:
            assert Counter(arm for _, arm in block) == dict.fromkeys(range(3), 10)
            assert Counter(arm for case, arm in block if has_defects[case]) == dict.fromkeys(range(3), 4)


def test_over_three_readers_every_case_is_seen_first_in_every_arm():
    plan = allocate([True, False] * 6, 3, 3, np.random.default_rng(4))
    first = [dict(blocks[0]) for blocks in plan]
    assert all({one[case] for one in first} == {0, 1, 2} for case in range(12))


def test_over_six_readers_every_arm_comes_after_every_other_equally_often():
    plan = allocate([True, False] * 6, 3, 6, np.random.default_rng(5))
    after = Counter()
    for blocks in plan:
        for earlier, later in pairwise(blocks):
            before = dict(earlier)
            after.update((before[case], arm) for case, arm in later)
    assert len(after) == 6 and len(set(after.values())) == 1


def test_the_order_differs_between_readers_and_blocks():
    plan = allocate([True, False] * 10, 3, 4, np.random.default_rng(6))
    orders = [tuple(case for case, _ in block) for blocks in plan for block in blocks]
    assert len(set(orders)) == len(orders)
