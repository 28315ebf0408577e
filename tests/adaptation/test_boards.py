"""Which boards are kept apart, and what is refused before anything is learnt."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldray.adaptation.boards import FEWEST_APART, FEWEST_BOARDS, load_boards, split
from coldray.errors import ColdrayError, DetectorError, MeasurementError, MetadataError, SettingsError

from .folders import written

names = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=1, max_size=40)


@given(names)
def test_every_board_is_on_one_side_and_the_proof_has_three(found):
    if len(set(found)) < FEWEST_BOARDS:
        with pytest.raises(SettingsError, match="different boards by their names"):
            split(found)
        return
    tuned, apart = split(found)
    assert sorted((*tuned, *apart)) == list(range(len(found)))
    sides = [{found[i] for i in side} for side in (tuned, apart)]
    assert not sides[0] & sides[1] and min(len(side) for side in sides) >= FEWEST_APART
    # neither order nor repetition chooses
    again = split([*reversed(found), found[0]])
    assert {[*reversed(found), found[0]][i] for i in again[1]} == sides[1]


@pytest.mark.parametrize("keep", [2, 5])
def test_either_side_needs_three(keep):
    with pytest.raises(SettingsError, match=f"{keep} of 7 boards cannot be kept apart; from 3 to 4 can"):
        split([f"b{i}" for i in range(7)], keep)


@pytest.fixture(scope="module")
def pairs(board_of, tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs")
    for seed in range(6):
        written(out / f"b{seed}", board_of(seed, side=128))
    return out


@pytest.fixture
def changed(pairs, tmp_path):
    """A copy of the data folder to spoil."""
    return shutil.copytree(pairs, tmp_path / "pairs")


def test_boards_come_registered_matched_and_without_truth(pairs):
    found = load_boards(pairs)
    assert len(found.tuned) == len(found.apart) == 3
    assert {b.board for b in found.tuned}.isdisjoint(b.board for b in found.apart)
    assert set(found.response.boards) == {b.board for b in found.tuned}
    for board in (*found.tuned, *found.apart):
        assert board.truth is None and board.registration.is_identity and board.halves is not None
        # both screens answer alike here: the curve has nothing to do
        np.testing.assert_allclose(board.mean, 0.5 * (board.halves[0] + board.halves[1]), atol=2e-3)
    assert not any("layout" in warning for warning in found.warnings)


def refused(folder, kind, words):
    with pytest.raises(kind, match=words) as told:
        load_boards(folder)
    assert isinstance(told.value, ColdrayError) and "\n" not in str(told.value)


def test_five_boards_are_too_few(changed):
    shutil.rmtree(changed / "b5")
    refused(changed, SettingsError, "5 boards; 6 are needed, of which 3 are kept apart")


def test_swapped_folders_are_refused(changed, board_of):
    shutil.rmtree(changed / "b2")
    written(changed / "b2", board_of(2, side=128), swap=True)
    refused(changed, MeasurementError, "b2: .*hr/ is blurrier than lr/.*the detectors are swapped")


def test_swapped_names_of_detectors_are_refused(changed, board_of):
    shutil.rmtree(changed / "b2")
    written(changed / "b2", board_of(2, side=128), sharp="phosphor:134.55", blurred="phosphor:33.91")
    refused(
        changed, DetectorError, "b2/pair.json: the detector given as blurred, .*, is sharper than .*exchange the two"
    )


def test_frames_of_another_board_do_not_register(changed, board_of):
    shutil.rmtree(changed / "b1" / "lr")
    shutil.copytree(changed / "b4" / "lr", changed / "b1" / "lr")
    refused(
        changed, MeasurementError, "b1: the sharp and the blurred image do not match .*do both show the same object"
    )


def test_halves_of_two_boards_are_refused(changed):
    shutil.copyfile(changed / "b4" / "hr" / "001.tif", changed / "b1" / "hr" / "001.tif")
    refused(changed, MeasurementError, "b1: .*halves of its sharp frames do not show one scene")


def test_one_sharp_frame_is_refused(changed):
    (changed / "b1" / "hr" / "001.tif").unlink()
    refused(changed, MeasurementError, "b1: .*one sharp frame has no halves")


def test_one_blurred_frame_is_refused(changed):
    (changed / "b1" / "lr" / "001.tif").unlink()
    refused(changed, MeasurementError, "b1: one blurred frame does not tell noise from board; put 2 or more")


def test_two_detector_pairs_are_refused(changed, board_of):
    shutil.rmtree(changed / "b0")
    written(changed / "b0", board_of(0, side=128), blurred="phosphor:120")
    refused(changed, SettingsError, "boards of 2 detector pairs .*adapt one model to each pair")


def test_a_detector_without_noise_power_is_refused(changed):
    curve = np.linspace(0, 10, 21)
    rows = "".join(f"{f:g},{np.exp(-0.3 * f):.4f}\n" for f in curve)
    for board in changed.iterdir():
        (board / "thick.csv").write_text("frequency_lp_mm,mtf\n" + rows)
        note = json.loads((board / "pair.json").read_text())
        (board / "pair.json").write_text(json.dumps(note | {"blurred": "thick.csv"}))
    refused(changed, MetadataError, "b0: .*states no NNPS.*coldray characterise")


def test_one_layout_on_both_sides_is_said(changed, board_of):
    for seed in range(6):
        shutil.rmtree(changed / f"b{seed}")
        written(changed / f"b{seed}", board_of(7, side=128, name=f"specimen {seed}"))
    warnings = load_boards(changed).warnings
    assert any("show one layout" in warning and "this layout only" in warning for warning in warnings)


def test_a_template_that_nobody_filled_in_is_refused(changed):
    note = json.loads((changed / "b3" / "pair.json").read_text())
    (changed / "b3" / "pair.json").write_text(json.dumps(note | {"blurred": None}))
    refused(changed, MetadataError, "b3/pair.json: blurred missing or null.*fill them in")
