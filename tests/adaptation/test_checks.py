"""What two detectors' frames say of each other, in closed form, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from coldray.adaptation.checks import CLEARLY_BLURRED, check_halves, check_roles, measured_ratio
from coldray.errors import MeasurementError


def test_the_measured_ratio_is_the_stated_one_whatever_the_noise(board_of):
    quiet, noisy = (measured_ratio([board_of(seed, noise=sd) for seed in range(4)]) for sd in (0.0, 0.01))
    tells = slice(2, 13)
    np.testing.assert_allclose(quiet.ratio[tells], quiet.stated[tells], atol=0.03)
    # noise of halves and frames is in no product twice: it scatters the ratio and does not move it
    assert abs(np.mean((noisy.ratio - noisy.stated)[tells])) < 0.02
    assert not quiet.warnings() and not noisy.warnings()


def test_a_wrongly_stated_ratio_shows(board_of, pair):
    boards = [board_of(seed) for seed in range(3)]
    right = measured_ratio(boards).departure()
    wrong = replace(pair.blurred, mtf=pair.sharp.mtf)
    found = measured_ratio([replace(b, pair=replace(pair, blurred=wrong)) for b in boards])
    assert found.departure() > 3 * right
    (said,) = found.warnings()
    assert "measure both detectors (coldray characterise) first" in said


@pytest.mark.parametrize("noise", [0.0, 0.005, 0.02])
def test_right_roles_pass_and_swapped_ones_are_refused(board_of, noise):
    right = board_of(3, noise=noise)
    check_roles(right)
    swapped = replace(right, frames=np.stack(right.halves), halves=(right.frames[0], right.frames[1]))
    with pytest.raises(MeasurementError, match=r"hr/ is blurrier than lr/.*swapped; put the sharp detector's frames"):
        check_roles(swapped)


def test_a_pair_that_hardly_blurs_is_not_judged(board_of, pair):
    alike = replace(pair, blurred=replace(pair.sharp, nnps=pair.blurred.nnps))
    assert alike.ratio(3.0) > CLEARLY_BLURRED
    check_roles(replace(board_of(1), pair=alike))


def test_halves_of_two_scenes_are_refused(board_of):
    one, other = board_of(1), board_of(2)
    check_halves(one)
    with pytest.raises(MeasurementError, match="halves of its sharp frames do not show one scene"):
        check_halves(replace(one, halves=(one.halves[0], other.halves[1])))


def test_one_sharp_frame_has_no_halves(board_of):
    with pytest.raises(MeasurementError, match="give at least 2"):
        check_halves(replace(board_of(1), halves=None))
