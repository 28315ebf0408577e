"""A U-shaped network run strip by strip answers what it answers at once, holding only the rows it still needs."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.restoration import ladder
from coldray.restoration.ladder import Ladder, Stage, answers


def smeared(features, times):
    """Whole numbers summed over three rows, `times` times, nothing beyond the ends: exact, and seen `times` rows far."""
    for _ in range(times):
        wide = np.pad(features, ((0, 0), (1, 1), (0, 0)))
        features = (wide[:, :-2] + 2 * wide[:, 1:-1] + 3 * wide[:, 2:]) % 97
    return features


def evaluate(stage, features):
    if stage.inputs == ("coarsest",):
        return (smeared(features[0], 7),)
    if len(stage.inputs) == 1:
        fine = smeared(features[0], 5)
        return fine, fine[:, ::2] + 5 * fine[:, 1::2]
    below, skip = features
    assert skip.shape[1] == 2 * below.shape[1]
    return (smeared(skip + np.repeat(below, 2, axis=1), 8),)


def of(levels, margin=8):
    down = tuple(Stage((f"at {n}",), (f"skip {n}", f"at {n + 1}"), margin) for n in range(levels))
    up = tuple(Stage((f"up {n + 1}", f"skip {n}"), (f"up {n}",), margin) for n in range(levels))
    return Ladder(down, Stage(("coarsest",), ("deep",), margin), up)


def at_once(made, image, level=0):
    if level == len(made.down):
        return evaluate(made.middle, (image,))[0]
    skip, coarse = evaluate(made.down[level], (image,))
    return evaluate(made.up[level], (at_once(made, coarse, level + 1), skip))[0]


def pieces(image, heights):
    top = 0
    while top < image.shape[1]:
        for height in heights:
            if top < image.shape[1]:
                yield image[:, top : top + height]
                top += height


@settings(max_examples=40, deadline=None)
@given(
    levels=st.integers(0, 3),
    cells=st.integers(1, 40),
    heights=st.lists(st.integers(1, 90), min_size=1, max_size=5),
    strip=st.sampled_from([8, 16, 40]),
    seed=st.integers(0, 99),
)
def test_strips_answer_as_all_rows_at_once(levels, cells, heights, strip, seed):
    made, rows = of(levels), cells * 2**levels
    image = np.random.default_rng(seed).integers(0, 97, (2, rows, 3)).astype(np.float32)
    seen = defaultdict(list)

    def seeing(stage, features):
        seen[stage].append(features[-1].shape[1])
        return evaluate(stage, features)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "STRIP_ROWS", strip)
        found = list(answers(made, pieces(image, heights), rows, seeing))
    for tall in seen.values():
        # of one height, so that the memory of one is that of the next
        assert len(set(tall[:-1])) <= 1
        assert max(tall) <= strip + 2 * 8
    np.testing.assert_array_equal(np.concatenate(found, axis=1), at_once(made, image))


def test_a_margin_that_is_too_small_shows(monkeypatch):
    monkeypatch.setattr(ladder, "STRIP_ROWS", 16)
    image = np.random.default_rng(1).integers(0, 97, (1, 64, 3)).astype(np.float32)
    made = of(1, margin=0)
    found = np.concatenate(list(answers(made, iter([image]), 64, evaluate)), axis=1)
    assert (found != at_once(made, image)).any()


def test_rows_are_read_no_farther_ahead_than_the_levels_need(monkeypatch):
    monkeypatch.setattr(ladder, "STRIP_ROWS", 16)
    rows, read = 4096, []

    def source():
        for top in range(0, rows, 8):
            read.append(top)
            yield np.zeros((1, 8, 2), dtype=np.float32)

    first = next(answers(of(3), source(), rows, evaluate))
    assert first.shape == (1, 16 + 8, 2)
    # each level asks for one strip and its margin: (16 + 8) times the 1, 2, 4 and 8 rows of its cells, on both ways
    assert read[-1] + 8 <= 2 * 24 * (1 + 2 + 4) + 24 * 8
