"""Opaque parts, saturated flats, frames that do not belong, lag: what a calibration must notice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldray.errors import ImageError
from coldray.images.averaging import average_frames
from coldray.images.calibration_frames import saturation
from coldray.images.correct import calibrate, correct

SHAPE = (128, 160)


def panel(seed=0):
    rng = np.random.default_rng(seed)
    gain, offset = 1 + 0.04 * rng.standard_normal(SHAPE), 300 + 10 * rng.standard_normal(SHAPE)

    def shots(scene, frames, top=None):
        signal = np.broadcast_to(np.asarray(scene, dtype=float), SHAPE) * gain
        found = offset + signal + np.sqrt(np.maximum(signal, 0) / 4 + 4) * rng.standard_normal((frames, *SHAPE))
        return np.clip(np.rint(found), 0, top or 65535).astype(np.uint16)

    return shots


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("seed", [1, 2])
def test_an_opaque_part_is_no_signal_to_measure_noise_against(share, seed):
    shots = panel(seed)
    scene = np.full(SHAPE, 9000.0)
    scene[:, : int(share * SHAPE[1])] = 0
    done = correct(shots(scene, 5), calibrate(shots(0, 8), shots(9000, 8)))
    temporal = np.sqrt(9000 / 4 + 4) / 9000
    assert done.average.temporal_nsr == pytest.approx(temporal, rel=0.05)
    assert done.average.level == pytest.approx(9000, rel=0.02)
    assert done.pixels[:, -20:].mean() == pytest.approx(9000, rel=0.005)


def test_a_frame_without_any_signal_is_refused():
    noise = np.random.default_rng(0).standard_normal((3, 64, 64))
    with pytest.raises(ImageError, match="positive"):
        average_frames(noise - 1)


@pytest.mark.parametrize("top", [4095, 16383, 65535, 5000, 16380])
def test_saturated_flats_are_refused_whatever_the_top(top):
    shots = panel()
    with pytest.raises(ImageError, match=f"saturated: .* at {top}"):
        calibrate(shots(0, 6), shots(0.97 * top, 6, top))
    assert calibrate(shots(0, 6), shots(0.75 * top, 6, top)).bad_pixels.count == 0


def test_a_few_saturated_pixels_are_bad_pixels():
    shots = panel()
    flats = shots(3000, 6, 4095)
    flats[:, 20:30, 40:48] = 4095
    flats[2, 60, 60] = 4095
    calibration = calibrate(shots(0, 6), flats)
    assert calibration.bad_pixels.classes["saturated"].sum() == 81
    assert any("81 pixels are saturated at 4095" in w for w in calibration.warnings)


@given(
    sd=st.floats(0.2, 300), level=st.integers(1000, 60000), step=st.sampled_from([1, 4, 16]), seed=st.integers(0, 999)
)
@settings(max_examples=60, deadline=None)
def test_noise_alone_is_not_saturation_and_a_clipped_half_is(sd, level, step, seed):
    values = np.random.default_rng(seed).normal(level, sd * step, (90, 90))
    stored = (np.rint(values / step) * step).astype(np.int64)
    top = int(stored.max())
    if top & (top + 1):
        assert saturation(stored)[0] == 0
    cut = np.minimum(stored, level // step * step)
    if np.unique(cut).size >= 10:
        share, found = saturation(cut)
        assert share > 0.4 and found == level // step * step


@pytest.mark.parametrize("role", ["dark", "flat"])
@pytest.mark.parametrize("number", [0, 3, 6])
def test_a_frame_that_does_not_belong_is_left_out_and_named(role, number):
    shots = panel()
    frames = {"dark": shots(0, 7), "flat": shots(8000, 7)}
    good = calibrate(frames["dark"], frames["flat"])
    if role == "dark":
        frames["dark"][number, 30:70, 30:70] += 900
    else:
        frames["flat"][number, 30:70, 30:70] //= 2
    names = {f"{role}_names": [f"{n}.tif" for n in range(7)]}
    if role == "flat":
        names["flat_names"] = [names["flat_names"]]
    mended = calibrate(frames["dark"], [frames["flat"]], **names)
    (told,) = [w for w in mended.warnings if "left out" in w]
    assert told.startswith(f"{number}.tif differs from the other {role} frames")
    assert mended.level[0] == pytest.approx(good.level[0], rel=1e-3)
    assert np.abs(mended.dark - good.dark).max() < 10


@pytest.mark.parametrize("share", [0.04, 0.2, 0.6])
@pytest.mark.parametrize("level", [1500, 20000])
def test_darks_that_were_all_exposed_are_told_with_how_much(share, level):
    shots = panel(7)
    found = calibrate(shots(share * level, 6), shots(level, 6)).warnings
    (told,) = [w for w in found if w.startswith("the dark frames hold")]
    assert float(told.split(" %")[0].split()[-1]) == pytest.approx(100 * share, rel=0.1)


@pytest.mark.parametrize("read_sd", [2, 40])
@pytest.mark.parametrize("pedestal", [300, 6000])
def test_a_pedestal_that_columns_amplify_and_a_noisy_amplifier_are_no_light(read_sd, pedestal):
    rng = np.random.default_rng(3)
    pixels, columns = 1 + 0.04 * rng.standard_normal(SHAPE), 1 + 0.02 * rng.standard_normal(SHAPE[1])

    def shots(light):
        seen = columns * (pedestal + light * pixels)
        return np.rint(seen + np.sqrt(light / 4 + read_sd**2) * rng.standard_normal((6, *SHAPE))).astype(np.uint16)

    assert not [w for w in calibrate(shots(0), shots(20000)).warnings if "dark frames hold" in w]


def test_a_lonely_flat_of_another_level_is_left_out():
    shots = panel()
    calibration = calibrate(shots(0, 6), [shots(8000, 6), shots(13000, 1)])
    assert calibration.level == pytest.approx([8000], rel=0.01) and calibration.exposures == (0,)
    assert any("another level" in w for w in calibration.warnings)
    series = calibrate(shots(0, 6), [shots(level, 1) for level in (8000, 2000, 4000)])
    assert len(series.level) == 3 and series.exposures == (1, 2, 0)


def test_frames_that_do_not_agree_at_all_are_refused_and_a_drifting_tube_is_not():
    shots = panel()
    mixed = np.concatenate([shots(level, 1) for level in (0, 0, 0, 900, 2000)])
    with pytest.raises(ImageError, match="2 of 5 dark frames"):
        calibrate(mixed, shots(8000, 5))
    drifting = np.concatenate([shots(level, 1) for level in (8000, 8100, 7900, 8200, 7950)])
    assert not [w for w in calibrate(shots(0, 5), drifting).warnings if "left out" in w]


def test_two_frames_that_differ_are_told():
    shots = panel()
    darks = np.concatenate([shots(0, 1), shots(400, 1)])
    assert any("three or more tell" in w for w in calibrate(darks, shots(8000, 5)).warnings)
    assert not [w for w in calibrate(shots(0, 2), shots(8000, 2)).warnings if "three or more" in w]


def test_a_collimated_flat_is_told_and_a_worse_one_refused():
    shots = panel()
    scene = np.full(SHAPE, 8000.0)
    scene[:, :20] = 0
    (told,) = [w for w in calibrate(shots(0, 5), shots(scene, 5)).warnings if "collimated" in w]
    assert 12.4 < float(told.split(" %")[0]) < 20  # 12.5 % without beam, and what its edge makes stand out
    scene[:, :60] = 0
    with pytest.raises(ImageError, match="at most 20 %"):
        calibrate(shots(0, 5), shots(scene, 5))


@pytest.mark.parametrize("lag", [0.0, 0.1, 0.3])
def test_lag_between_frames_is_noticed(lag):
    frames = np.random.default_rng(4).normal(1000, 10, (8, 160, 160)) + 5 * np.random.default_rng(5).normal(
        size=(160, 160)
    )
    for n in range(1, 8):
        frames[n] = (1 - lag) * frames[n] + lag * frames[n - 1]
    found = average_frames(frames)
    assert any("correlated" in w for w in found.warnings) == (lag > 0)
    assert 0.5 * lag - 0.01 < found.lag < 1.5 * lag + 0.01


def test_saturated_raw_frames_are_told():
    shots = panel()
    done = correct(shots(4000, 3, 4095), calibrate(shots(0, 5), shots(2500, 5, 4095)))
    assert any(w.startswith("saturated:") and "4095" in w for w in done.warnings)
