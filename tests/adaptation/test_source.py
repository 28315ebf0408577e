"""Training pairs of measured boards: what is shown, what is answered, and that they share no noise."""

from dataclasses import replace

import numpy as np
import pytest

from coldray.adaptation.source import FAINTEST, JUDGE, TARGET, WINDOWS, MeasuredSource, noises_of
from coldray.errors import SettingsError
from coldray.training.recipe import parse_recipe


@pytest.fixture(scope="module")
def recipe():
    return parse_recipe(
        {
            "example": {"full_strength_share": 1.0},
            "data": {"window": 96, "margin": 16, "feature_share": 0.0},
            "optimiser": {"batch": 2},
        }
    )


@pytest.fixture(scope="module")
def boards(board_of):
    return [board_of(seed, noise=0.01) for seed in range(2)]


def test_the_answer_is_the_half_asked_for(boards, recipe):
    one, other = (MeasuredSource(boards, recipe, half) for half in (TARGET, JUDGE))
    assert len(one) == WINDOWS * len(boards)
    for number in (0, len(one) - 1):
        pairs = [source.pair(number, np.random.default_rng(5))[0] for source in (one, other)]
        assert np.array_equal(pairs[0].frame.blurred, pairs[1].frame.blurred)
        # same window, independent noise of 1 %
        apart = pairs[0].sharp - pairs[1].sharp
        assert apart.std() == pytest.approx(0.01 * np.sqrt(2), rel=0.1)
        assert np.isin(pairs[0].sharp, boards[number // WINDOWS].halves[TARGET]).all()


def test_noise_of_frame_and_answer_is_independent(board_of, recipe):
    even, rng = board_of(0), np.random.default_rng(4)

    def noise(*shape):
        return (0.7 + 0.01 * rng.standard_normal(shape)).astype(np.float32)

    side = even.mean.shape
    source = MeasuredSource([replace(even, frames=noise(2, *side), halves=(noise(*side), noise(*side)))], recipe)
    likeness = []
    for number in range(40):
        pair, _ = source.pair(number % len(source), np.random.default_rng(number))
        likeness.append(np.corrcoef(pair.frame.blurred.ravel(), pair.sharp.ravel())[0, 1])
    # 96 x 96 pixels: one per cent by chance
    assert np.abs(likeness).max() < 0.05 and abs(np.mean(likeness)) < 0.01


def test_examples_are_a_function_of_their_number(boards, recipe):
    first, again = (MeasuredSource(boards, recipe).example(17) for _ in range(2))
    assert np.array_equal(first.channels, again.channels) and np.array_equal(first.target, again.target)
    other = MeasuredSource(boards, recipe).example(18)
    assert not np.array_equal(first.target, other.target)
    assert first.channels.shape == (3, 64, 64) and first.conditions[0] == 1.0


def test_noise_is_told_as_it_is_and_only_added_to(boards, recipe):
    source = MeasuredSource(boards, recipe)
    rng = np.random.default_rng(3)
    found = np.array([noise.relative_sd() ** 2 for board in boards for noise in noises_of(board)])
    levels = np.array([source.told(rng)[1].relative_sd() ** 2 for _ in range(200)])
    # white noise of 1 % is what the frames hold, whatever their detector's file states
    assert np.sqrt(found) == pytest.approx(np.full(4, 0.01), rel=0.1)
    assert levels.min() >= 0.999 * found.min() and 0.8 < levels.max() / (FAINTEST * found.max()) <= 1.001
    as_found = np.isclose(levels[:, None], found, rtol=1e-6).any(axis=1)
    assert 0.35 < np.mean(as_found) < 0.65


def test_features_go_into_frame_and_answer(boards, recipe):
    with_features = MeasuredSource(
        boards, recipe.model_copy(update={"data": recipe.data.model_copy(update={"feature_share": 1.0})})
    )
    plain = MeasuredSource(boards, recipe)
    changed = [
        abs(with_features.example(n).target - plain.example(n).target).max() > 0
        and abs(with_features.example(n).channels[0] - plain.example(n).channels[0]).max() > 0
        for n in range(6)
    ]
    assert np.mean(changed) > 0.5


def test_a_board_smaller_than_a_window_is_refused(board_of, recipe):
    with pytest.raises(SettingsError, match="80 pixels .*windows of 96"):
        MeasuredSource([board_of(1, side=80)], recipe)
