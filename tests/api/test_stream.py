"""`coldray.stream`: every frame is restored, dropped or bad; the second one needs no filter; all simulated."""

import numpy as np
import pytest

import coldray
from coldray.api.stream import Stream
from coldray.errors import ColdrayError, ImageError, ImageReadError, SettingsError
from coldray.physics import transfer
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph

OPEN_BEAM = 50000.0
SHAPE = (64, 72)
NOISE = NoiseModel.of_detector(load_detector("gos135"), 0.25)
SCENE = np.full(SHAPE, 0.6, dtype=np.float32)
SCENE[20:44, 20:50] = 0.45
KNOWN = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True)


def restorer(**more):
    return coldray.Restorer("gos135", "gos34", exposure_s=0.25, method="wiener", pixel_pitch_mm=0.048, **more)


def stored(count, scene=SCENE, random_state=0):
    rng = np.random.default_rng(random_state)
    return [np.rint((scene + NOISE.draw(scene, rng)) * OPEN_BEAM).astype(np.uint16) for _ in range(count)]


def radiographs(pixels):
    return [Radiograph(one, KNOWN) for one in pixels]


@pytest.fixture
def filters(monkeypatch):
    """Filters that were worked out."""
    made = []
    lookup = transfer._gains
    monkeypatch.setattr(transfer, "_gains", lambda *given: made.append(0) or lookup(*given))
    return made


@pytest.mark.parametrize("method", ["wiener", "cold"])
def test_the_second_frame_works_out_no_filter(filters, method):
    """Though its mean signal and its noise are not those of the first to the last bit."""
    made = {}
    for count in (1, 3):
        filters.clear()
        fresh = coldray.Restorer("gos135", "gos34", exposure_s=0.25, method=method, open_beam=OPEN_BEAM)
        assert all(frame.outcome == "restored" for frame in coldray.stream(stored(count), fresh))
        made[count] = len(filters)
    assert 0 < made[1] == made[3]


def test_late_means_of_a_scene_work_out_no_filter(filters):
    made, counts = restorer(), []
    frames = radiographs(stored(14))
    for frame in coldray.stream(frames, made, average=0.5, certificate_every=0):
        assert frame.outcome == "restored" and frame.averaged == frame.number, frame.error
        counts.append(len(filters))
    filters.clear()
    list(coldray.stream(frames[-1:], made, certificate_every=0))
    assert counts[-1] == counts[-4] > counts[0] > 0 and not filters


@pytest.mark.parametrize("workers", [1, 3])
def test_a_frame_is_restored_as_the_restorer_does_by_itself(workers):
    frames, made = radiographs(stored(5)), restorer()
    found = list(coldray.stream(frames, made, workers=workers))
    assert [one.number for one in found] == [1, 2, 3, 4, 5]
    for one, frame in zip(found, frames, strict=True):
        signal = one.restored.image.history[-1].details["filter_signal"]
        assert abs(np.log2(signal / (frame.pixels.mean() / OPEN_BEAM))) <= 0.5 / 8 + 1e-6
        again = made.restore(frame, filter_signal=signal)
        np.testing.assert_array_equal(np.asarray(one), again.pixels)
        assert one.restored.verdict == again.verdict and one.restored.image.dtype == np.uint16


def test_a_bad_frame_costs_that_frame():
    good = stored(6)
    hole = (good[0] / OPEN_BEAM).astype(np.float32)
    hole[3, 4] = np.nan
    gone = ImageReadError("the detector did not answer")
    frames = [
        good[0],
        hole,
        good[1][:, 1:],
        good[2].astype(np.int32),
        gone,
        "absent.tif",
        7,
        np.stack(good[:2]),
        good[3],
    ]
    stream = coldray.stream(frames, restorer(open_beam=OPEN_BEAM))
    found = list(stream)
    assert [one.outcome for one in found] == ["restored", *["bad"] * 7, "restored"]
    said = [str(one.error) for one in found if one.outcome == "bad"]
    assert "float32" in said[0] and "64 x 71 pixels of uint16; this stream's frames have 64 x 72" in said[1]
    assert "int32" in said[2] and said[3] == str(gone) and "absent.tif" in said[4]
    assert "frame 7" in said[5] and "a frame is (rows, cols)" in said[6]
    assert found[5].source == "absent.tif"
    assert all(isinstance(one.error, ColdrayError) for one in found if one.outcome == "bad")
    with pytest.raises(ImageError, match="frame 2 was not restored"):
        np.asarray(found[1])
    counts = stream.counts()
    assert counts["frames"] == 9 and counts["restored"] == 2 and counts["bad"] == 7 and counts["dropped"] == 0
    assert counts["latency_ms"]["p50"] <= counts["latency_ms"]["p99"] <= counts["latency_ms"]["max"]


def test_pixels_that_are_no_numbers_are_told():
    frame = np.full(SHAPE, 0.5, dtype=np.float32)
    frame[1, 2:5] = np.nan, np.inf, -np.inf
    (found,) = coldray.stream([frame], restorer())
    assert found.outcome == "bad" and "frame 1 has 3 pixels that are NaN or infinite" in str(found.error)


def test_what_the_source_dies_of_is_the_last_frame():
    def source():
        yield stored(1)[0]
        raise OSError("no such device")

    found = list(coldray.stream(source(), restorer(open_beam=OPEN_BEAM)))
    assert [one.outcome for one in found] == ["restored", "bad"] and "no such device" in str(found[1].error)


def test_the_open_beam_of_the_first_frame_holds_where_nothing_states_one():
    """A frame by itself would take its own brightest part; one that states its level keeps it."""
    bare = stored(2)
    dark = np.rint(bare[1] * 0.9).astype(np.uint16)
    found = list(coldray.stream([bare[0], dark, Radiograph(bare[1], KNOWN)], restorer()))
    levels = [one.restored.measured.acquisition.open_beam for one in found]
    assert levels[0] is None and levels[1] == pytest.approx(0.6 * OPEN_BEAM, rel=0.05) and levels[2] == OPEN_BEAM
    assert sum("open-beam level" in warning for one in found for warning in one.restored.warnings) == 1


def test_certificates_come_as_often_as_asked_and_on_demand():
    frames = radiographs(stored(7))

    def source():
        for number, frame in enumerate(frames, 1):
            if number == 6:
                stream.judge_next()
            yield frame

    stream = coldray.stream(source(), restorer(), certificate_every=3)
    found = list(stream)
    assert [one.judged for one in found] == [True, False, False, True, False, True, True]
    verdicts = [one.restored.verdict for one in found]
    assert [verdict == "not judged" for verdict in verdicts] == [not one.judged for one in found]
    assert found[1].restored.image.history[-1].details["judged"] is False
    assert stream.counts()["judged"] == 4 and sum(stream.counts()["verdicts"].values()) == 7


def test_a_mean_is_restored_with_its_own_noise_and_begins_anew_when_something_moves():
    frames = radiographs([*stored(4), *stored(2, np.roll(SCENE, 9, axis=0), 5)])
    found = list(coldray.stream(frames, restorer(), average=0.25))
    assert [one.averaged for one in found] == [1, 2, 3, 4, 1, 2]
    assert [one.moved for one in found] == [False] * 4 + [True, False]
    deviations = [one.restored.image.history[-1].details["noise_relative_sd"] for one in found]
    assert deviations[:4] == pytest.approx([deviations[0] / np.sqrt(n) for n in (1, 2, 3, 4)], rel=0.02)
    assert deviations[4] == pytest.approx(deviations[0], rel=1e-6)
    step = found[2].restored.image.history[0]
    assert step.verb == "average" and step.details == {"recursive": 0.25, "frames": 3, "noise_power": 0.333333}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"average": 0.0}, "`average` is 0"),
        ({"average": 1.5}, "`average` is 1.5"),
        ({"workers": 0}, "`workers` is 0"),
        ({"room": 0}, "`room` is 0"),
        ({"certificate_every": -1}, "`certificate_every` is -1"),
    ],
)
def test_settings_outside_their_range_are_named(settings, named):
    with pytest.raises(SettingsError, match=named):
        coldray.stream([], restorer(), **settings)


def test_what_does_not_go_together_is_refused(tmp_path):
    profile = tmp_path / "plant.toml"
    profile.write_text('[[rule]]\nname = "thin"\nwhen = { KVP = 70 }\nsettings = { exposure_s = 1 }\n')
    with pytest.raises(SettingsError, match="`profile`"):
        coldray.stream([], restorer(profile=profile))
    with pytest.raises(SettingsError, match="`average`"):
        coldray.stream([], restorer(average=True))
    with pytest.raises(SettingsError, match="contradiction"):
        coldray.stream([], restorer(on_contradiction="refuse"), certificate_every=2)
    assert isinstance(coldray.stream([], restorer(on_contradiction="refuse")), Stream)


def test_rounding_of_a_mean_is_part_of_its_noise():
    """In eight bits it is more than what is left of the frames' own noise."""
    from coldray.images.scale import Scale
    from coldray.restoration.job import Job
    from coldray.restoration.unmeasured import measured_of

    detector, scale = load_detector("gos135"), Scale(200.0, np.dtype(np.uint8), "option")
    image = np.full((12, 12), 120, dtype=np.uint8)
    job = Job(method="wiener", exposure_s=0.25)
    found = {n: measured_of(image, None, scale, detector, job, n).noise for n in (1, 64)}
    rounding = (detector.pixel_pitch_mm / 200.0) ** 2 / 12
    assert found[64].electronic_mm2 == pytest.approx(found[1].electronic_mm2 / 64 + rounding, rel=1e-6)
