"""Tiling: every pixel written once, from the right place, for any shape and budget."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.restoration.tiles import BORDER_PX, TiledPredictor, Window, _seen, mirrored, windows


class RunningMean:
    """Engine of a stated stride and reach that really looks that far: a running mean, zero padded."""

    def __init__(self, stride, radius, reach=0, alignment=None):
        self.stride, self.radius, self._reach, self.sizes = stride, radius, reach, []
        self.alignment = alignment or stride

    def run(self, channels, conditions):
        assert channels.dtype == conditions.dtype == np.float32
        assert channels.ndim == 4 and conditions.ndim == 2
        rows, cols = channels.shape[-2:]
        assert rows % self.stride == cols % self.stride == 0
        self.sizes.append(rows * cols)
        image, r = channels[0, 0].astype(np.float64), self._reach
        for axis in (0, 1):
            wide = np.pad(image, [(r, r) if a == axis else (0, 0) for a in (0, 1)])
            image = sum(np.take(wide, np.arange(k, k + image.shape[axis]), axis) for k in range(2 * r + 1)) / (
                2 * r + 1
            )
        return image.astype(np.float32)[None, None]


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 4, 8]), st.integers(0, 40), st.integers(1, 30_000))
@settings(max_examples=40)
def test_identity_engine_returns_the_input(rows, cols, stride, radius, budget):
    image = np.arange(rows * cols, dtype=np.float32).reshape(rows, cols)
    out = TiledPredictor(RunningMean(stride, radius), budget)((image, -image), np.zeros(3))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, image)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 4, 8]), st.integers(0, 12), st.integers(1, 8000))
def test_an_engine_that_uses_all_of_its_reach_shows_no_seams(rows, cols, stride, radius, budget):
    image = np.random.default_rng(0).uniform(0, 1, (rows, cols)).astype(np.float32)
    tiled = TiledPredictor(RunningMean(stride, radius, radius), budget)((image,), np.zeros(3))
    whole = TiledPredictor(RunningMean(stride, radius, radius), 10**9)((image,), np.zeros(3))
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


def test_too_small_a_stated_reach_would_be_seen():
    image = np.random.default_rng(0).uniform(0, 1, (60, 60)).astype(np.float32)
    lying = RunningMean(4, 2, 9)
    tiled, whole = (TiledPredictor(lying, budget)((image,), np.zeros(3)) for budget in (1500, 10**9))
    assert np.abs(tiled - whole).max() > 1e-3


@pytest.mark.parametrize("shape", [(1021, 777), (300, 2000), (64, 64)])
def test_the_budget_holds(shape):
    engine = RunningMean(8, 50)
    TiledPredictor(engine, 150_000)((np.zeros(shape, np.float32),), np.zeros(3))
    slack = (np.sqrt(150_000) + 8) ** 2  # tile edges lie on the stride grid
    assert max(engine.sizes) <= slack * 1.2


def test_progress_is_told_after_every_tile_and_may_stop():
    told, engine = [], RunningMean(8, 50)
    predictor = TiledPredictor(engine, 40_000, told.append)
    for _ in range(2):
        predictor((np.zeros((400, 400), np.float32),), np.zeros(3))
    tiles = len(engine.sizes) // 2
    assert tiles > 1
    np.testing.assert_allclose(told, np.arange(1, 2 * tiles + 1) / tiles)

    def stop(done):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        TiledPredictor(engine, 40_000, stop)((np.zeros((400, 400), np.float32),), np.zeros(3))
    assert len(engine.sizes) == 2 * tiles + 1


def test_a_small_frame_does_not_pay_for_the_whole_reach():
    engine = RunningMean(8, 148)
    predictor = TiledPredictor(engine)
    predictor((np.zeros((512, 512), np.float32),), np.zeros(3))
    assert engine.sizes == [(512 + 2 * predictor.border) ** 2]
    assert predictor.border == BORDER_PX < predictor.halo
    assert TiledPredictor(RunningMean(8, 9)).border == 16, "never beyond the reach"


def test_what_the_network_sees_beyond_the_frame_is_its_mirror_and_then_nothing():
    image = np.random.default_rng(2).uniform(1, 2, (40, 48)).astype(np.float32)
    reach = 60
    out = TiledPredictor(RunningMean(8, reach, reach), 10**9)((image,), np.zeros(3))
    wide = np.pad(np.pad(image.astype(float), BORDER_PX, mode="symmetric"), reach)
    for row, col in ((0, 0), (39, 47), (20, 5)):
        at = row + BORDER_PX + reach, col + BORDER_PX + reach
        box = wide[at[0] - reach : at[0] + reach + 1, at[1] - reach : at[1] + reach + 1]
        assert out[row, col] == pytest.approx(box.mean(), rel=1e-5)


def test_the_halo_covers_the_reach_on_the_grid():
    for stride, radius in ((8, 52), (8, 56), (4, 1), (1, 7), (8, 0)):
        halo = TiledPredictor(RunningMean(stride, radius)).halo
        assert halo % stride == 0
        assert radius <= halo < radius + stride


@given(st.integers(1, 40), st.integers(-200, 0), st.integers(1, 200))
def test_mirrored_indices_follow_half_sample_symmetry(length, first, last):
    place = mirrored(first, last, length)
    assert len(place) == last - first
    assert place.min() >= 0
    assert place.max() < length
    at = dict(zip(range(first, last), place.tolist(), strict=True))
    for i, p in at.items():
        if 0 <= i < length:
            assert p == i
        if -1 - i in at:
            assert p == at[-1 - i]
        if i + 2 * length in at:
            assert p == at[i + 2 * length]


@given(st.integers(1, 40), st.integers(0, 120))
def test_mirrored_is_the_symmetric_padding_of_numpy(length, margin):
    np.testing.assert_array_equal(
        mirrored(-margin, length + margin, length), np.pad(np.arange(length), margin, mode="symmetric")
    )


@given(
    st.integers(1, 500), st.integers(1, 24), st.sampled_from([1, 4, 8]), st.integers(1, 5), st.integers(0, 9), st.data()
)
def test_windows_of_one_size_cover_the_length_once_with_their_margins(length, parts, stride, multiple, cells, data):
    halo, alignment = cells * stride, multiple * stride
    border = data.draw(st.integers(0, cells)) * stride
    found = windows(length, parts, stride, alignment, halo, border)
    end = -(-length // stride) * stride + border
    assert 1 <= len(found) <= parts
    assert (found[0].top, found[-1].bottom, found[0].first, found[-1].last) == (-border, end, 0, length)
    assert len({w.bottom - w.top for w in found}) == 1
    assert all((w.top + border) % alignment == 0 and w.first < w.last and w.first % stride == 0 for w in found)
    assert all(a.last == b.first for a, b in pairwise(found))
    assert all(w.top == -border or w.first - w.top >= halo for w in found)
    assert all(w.bottom == end or w.bottom - w.last >= halo for w in found)


@given(st.integers(30, 90), st.integers(30, 90), st.integers(0, 2**31), st.integers(900, 20_000))
@settings(max_examples=40)
def test_where_the_network_is_not_needed_the_image_stays_and_tiles_are_spared(rows, cols, seed, budget):
    rng = np.random.default_rng(seed)
    image, base = rng.uniform(0, 1, (2, rows, cols)).astype(np.float32)
    cells = np.zeros((-(-rows // 4), -(-cols // 4)), dtype=bool)
    cells[: rng.integers(1, 6), : rng.integers(0, 6)] = True
    engine = RunningMean(4, 4, 4)
    predictor = TiledPredictor(engine, budget)
    predictor.needed, predictor.base = cells, 1
    out = predictor((image, base), np.zeros(3))
    pixels = np.repeat(np.repeat(cells, 4, axis=0), 4, axis=1)[:rows, :cols]
    np.testing.assert_array_equal(out[~pixels], base[~pixels])
    whole = TiledPredictor(RunningMean(4, 4, 4), 10**9)((image, base), np.zeros(3))
    np.testing.assert_allclose(out[pixels], whole[pixels], atol=1e-6)
    assert predictor.tiles_run == len(engine.sizes)
    assert (predictor.tiles_run == 0) == (not cells.any())


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 999), st.sampled_from([0.0, 0.1, 0.9, 1.0]), st.data())
@settings(max_examples=30)
def test_no_other_cut_within_the_budget_costs_less(rows, cols, seed, share, data):
    budget = data.draw(st.integers(600, 6000))
    predictor = TiledPredictor(RunningMean(2, 4), budget)
    predictor.needed = np.random.default_rng(seed).uniform(size=(-(-rows // 2), -(-cols // 2))) < share
    image = np.zeros((rows, cols), dtype=np.float32)
    predictor((image,), np.zeros(3))
    run = sum(predictor._engine.sizes)

    def costs(down, across):
        side = (down[0].bottom - down[0].top) * (across[0].bottom - across[0].top)
        needed = np.repeat(np.repeat(predictor.needed, 2, axis=0), 2, axis=1)[:rows, :cols]
        return side, side * sum(needed[d.first : d.last, a.first : a.last].any() for d in down for a in across)

    def cuts(length):
        return [windows(length, parts, 2, 2, predictor.halo, predictor.border) for parts in range(1, 25)]

    allowed = [cost for d in cuts(rows) for a in cuts(cols) for side, cost in [costs(d, a)] if side <= budget]
    assert not allowed or run == min(allowed)


def test_a_frame_that_is_half_even_costs_half():
    engine = RunningMean(8, 8)
    predictor = TiledPredictor(engine, 300 * 300)
    predictor.needed = np.zeros((128, 128), dtype=bool)
    predictor.needed[:, :64] = True
    predictor((np.zeros((1024, 1024), np.float32),), np.zeros(2))
    assert sum(engine.sizes) < 0.65 * 1024**2
    assert predictor.tiles_spared > 0


def test_evaluations_count_frames_not_tiles():
    predictor = TiledPredictor(RunningMean(8, 8), 2000)
    for _ in range(3):
        predictor((np.zeros((90, 90), np.float32),), np.zeros(2))
    assert predictor.evaluations == 3


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    top=st.integers(-60, 20),
    rows=st.integers(1, 90),
    left=st.integers(-60, 20),
    cols=st.integers(1, 90),
    data=st.data(),
)
def test_rows_of_a_tile_are_those_of_the_mirrored_image(shape, top, rows, left, cols, data):
    """Also where some of them, or all, lie beyond the image."""
    images = [np.random.default_rng(k).random(shape) for k in range(2)]
    down, across = Window(top, top + rows, 0, 0), Window(left, left + cols, 0, 0)
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first + 1, rows))
    found = _seen(images, down, across, first, last)
    place = np.ix_(mirrored(top + first, top + last, shape[0]), mirrored(left, left + cols, shape[1]))
    np.testing.assert_array_equal(found, np.array([image[place] for image in images], dtype=np.float32))


def test_no_tile_of_a_very_wide_frame_is_wider_than_the_engine_takes():
    """A line scan may be wider than the most parts that are tried; it was run whole then, and memory goes with the width."""

    class Rows(RunningMean):
        budget_pixels, widest_px = None, 64

        def answers(self, read, rows, conditions):
            self.widths.append(read(0, 1).shape[2])
            yield self.run(read(0, rows)[None], conditions)[0, 0]

    engine = Rows(4, 8)
    engine.widths = []
    image = np.arange(8 * 3000, dtype=np.float32).reshape(8, 3000)
    predictor = TiledPredictor(engine)
    np.testing.assert_array_equal(predictor((image,), np.zeros(1, np.float32)), image)
    assert max(engine.widths) <= 64 and len(engine.widths) > 24
