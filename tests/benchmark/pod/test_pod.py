"""Known defects in an image: their physics, the reader's closed form on even ground, one false-call rate, curves, maps, refusals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

import coldray
from coldray import load_detector
from coldray.benchmark.pod.curves import fit, smallest_found
from coldray.benchmark.pod.defects import KINDS, added, stamp
from coldray.benchmark.pod.design import Design, Question
from coldray.benchmark.pod.noise_limit import a90_on_even_ground, pod_on_even_ground
from coldray.benchmark.pod.places import SPACING_PX, allowed_places, cells, half_of, sites
from coldray.benchmark.pod.reading import Outputs, Reading, patches, read
from coldray.benchmark.pod.report import larger_when_restored, pod_report
from coldray.benchmark.pod.results import readings_csv, study_json
from coldray.benchmark.pod.study import Ground, read_study
from coldray.errors import MeasurementError
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import plugin
from coldray.reports.html import to_html

PAIR = DetectorPair(load_detector("gos135"), load_detector("gos34"))
BLEND = plugin("degradation", "mtf_blend").Degradation(PAIR)
NOISE = NoiseModel.of_detector(PAIR.blurred, 1.0)
LEVEL, CONTRAST = 0.5, 0.05


def made(kind, size, contrast=CONTRAST):
    return stamp(kind, size, contrast, PAIR, BLEND)


def ground_of(side, state, arms=None):
    flat = np.full((side, side), LEVEL, dtype=np.float32)
    frame = flat + NOISE.draw(flat, np.random.default_rng(state))
    return Ground(frame.astype(np.float32), PAIR, BLEND, NOISE, None, arms or {})


@pytest.fixture(scope="module")
def study():
    """Void and inclusion on even ground; a second arm that is the frame times two, and a third that loses contrast."""
    lossy = np.float32(0.5)
    arms = {"linear": lambda frame: 2 * frame, "restored": lambda frame: LEVEL + lossy * (frame - LEVEL)}
    return read_study(ground_of(600, 1, arms), Question(("void", "inclusion"), contrast=CONTRAST, count=60))


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_defect_has_its_area_times_contrast_whatever_the_blur(kind):
    size = 0.3
    area = size**2 / 10 if kind == "crack" else np.pi * size**2 / 4
    found = made(kind, size).image.sum() * PAIR.pixel_pitch_mm**2
    assert found == pytest.approx(KINDS[kind].sign * CONTRAST * area, rel=0.03)


def test_a_wide_defect_has_its_contrast_in_the_middle_and_a_narrow_one_less():
    assert made("void", 1.5).image[made("void", 1.5).half, made("void", 1.5).half] == pytest.approx(CONTRAST, rel=0.06)
    assert made("void", 0.1).image.max() < 0.3 * CONTRAST


def test_the_forward_model_of_the_frame_gives_the_same_image():
    """The sharp image of a disc through the operator that blurs frames is the stamp."""
    one, side = made("void", 0.4), 129
    pitch = PAIR.pixel_pitch_mm
    v, u = np.fft.fftfreq(side, pitch)[:, None], np.fft.fftfreq(side, pitch)[None, :]
    spectrum = KINDS["void"].task(0.4, CONTRAST).spectrum(v, u) * PAIR.sharp_mtf(np.hypot(v, u))
    sharp = np.fft.fftshift(np.fft.ifft2(spectrum).real) / pitch**2
    blurred = Frame(sharp, PAIR, NOISE).operator(BLEND)(sharp)
    np.testing.assert_allclose(blurred[one.window(64, 64)], one.image, atol=2e-3 * CONTRAST)


def test_defects_scale_with_their_ground_and_bring_the_noise_of_their_quanta():
    ground = np.full((200, 200), LEVEL, dtype=np.float32)
    ground[:, 100:] = 0.1
    one = made("void", 0.5, 0.5)
    placed = [(one, 100, 50), (one, 100, 150)]
    draws = np.stack([added(ground, placed, NOISE, np.random.default_rng(k)) for k in range(60)])
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    assert mean[100, 50] == pytest.approx(LEVEL * one.image.max(), rel=0.05)
    assert mean[100, 150] == pytest.approx(0.1 * one.image.max(), rel=0.05)
    assert np.abs(mean[:40]).max() < 1e-3
    brighter = np.full((400, 400), LEVEL * one.image.max())
    from dataclasses import replace

    whole = replace(NOISE, electronic_mm2=0.0).draw(brighter, np.random.default_rng(0)).std()
    assert 0.5 * whole < sd[98:103, 48:53].mean() < 1.05 * whole
    dark = added(ground, [(made("inclusion", 0.5, 0.5), 100, 50)], NOISE, np.random.default_rng(0))
    assert dark.min() == pytest.approx(-LEVEL * one.image.max(), rel=0.01), "no noise is taken away"


def test_places_stay_inside_apart_and_elsewhere_from_frame_to_frame():
    allowed = allowed_places((400, 500), 20, [(100, 50, 200, 150)])
    first, second = sites(allowed, 48, 0), sites(allowed, 48, 1)
    for found in (first, second):
        assert len(found) and allowed[found[:, 0], found[:, 1]].all()
        gaps = np.abs(found[:, None] - found[None]).max(axis=-1)
        assert gaps[~np.eye(len(found), dtype=bool)].min() >= 48
    apart = np.hypot(*(first[:, None] - second[None]).transpose(2, 0, 1))
    assert apart.min() > 8
    bad = np.zeros((400, 500), dtype=bool)
    bad[200, 200] = True
    assert not allowed_places((400, 500), 20, (), bad)[181:220, 181:220].any()


def test_every_class_gets_its_defects_and_both_halves():
    every = [made("void", s) for s in (0.1, 0.2, 0.4)]
    design = Design.of((500, 500), every, Question(count=20), None)
    drawn = [k for frame in design.placed for k, _, _ in frame]
    assert [drawn.count(k) for k in range(3)] == [20, 20, 20]
    assert all(0 < half_of(design.cells_of(k)).sum() < 20 for k in range(3))


@pytest.mark.parametrize("settings", [{"method": "wiener"}, {}])
def test_in_the_patch_of_one_defect_a_restoration_shows_no_other(settings):
    side, one, rng = 256, made("void", 0.4, 0.1), np.random.default_rng(0)
    blocks = np.kron(rng.uniform(0.3, 0.7, (16, 16)), np.ones((16, 16)))
    scene = gaussian_filter(blocks, 1.5).astype(np.float32)
    frame = (scene + NOISE.draw(scene, rng)).astype(np.float32)
    with_it = frame + added(frame, [(one, side // 2, side // 2)], NOISE, rng)
    pitch = PAIR.pixel_pitch_mm
    restored = [coldray.restore(image, exposure_s=1.0, pixel_pitch_mm=pitch, **settings) for image in (frame, with_it)]
    assert bool(settings) or ", 0 network" not in dict(restored[0].facts())["method"]
    change = np.abs(restored[1].image.pixels - restored[0].image.pixels)
    away = np.abs(np.arange(side) - side // 2)
    far = np.maximum(away[:, None], away) >= SPACING_PX - one.half
    assert change[~far].max() > 5 * np.std(frame - scene)
    assert change[far].max() < 0.01 * np.std(frame - scene)


def test_channel_outputs_are_plain_products():
    image = np.random.default_rng(0).random((80, 90)).astype(np.float32)
    one = made("crack", 0.3)
    at = np.array([[40, 45], [30, 30]])
    found = patches(image, at, one.channels)
    by_hand = [one.channels @ image[one.window(int(r), int(c))].ravel() for r, c in at]
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_readings_have_the_false_call_rate_and_the_index_of_the_closed_form():
    rng = np.random.default_rng(5)
    places, count, shift = 40000, 2000, np.array([2.0, 1.0, 0.0])
    mix = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
    ground = rng.standard_normal((places, 3)) @ mix + 7.0
    absent = rng.standard_normal((count, 3)) @ mix + 7.0
    in_a_row = [np.stack([np.zeros(n, dtype=np.int64), np.arange(n)], axis=1) for n in (places, count)]
    found = read(Outputs(ground, in_a_row[0], absent + shift, absent, in_a_row[1]), rng)
    assert np.mean(found.ground > 1) == pytest.approx(0.01, abs=0.0005) and np.median(found.ground) == pytest.approx(0)
    index = float(np.sqrt(shift @ np.linalg.inv(mix.T @ mix) @ shift))
    assert found.response.mean() / found.ground.std() == pytest.approx(index, rel=0.05)
    assert np.mean(found.value > 1) == pytest.approx(ndtr(index - 2.3263), abs=0.045)
    # of a quantile at 1 % of 40000 normal deviates: sqrt(p (1 - p) / n) / density, over the threshold
    assert found.threshold_sd == pytest.approx(np.sqrt(0.0099 / places) / 0.02665 / 2.3263, rel=0.3)


def two_sorts(rng, places=4000, defects=400):
    """Outputs on even ground and in structure four times as restless, in random cells."""
    cell = np.stack(np.divmod(np.arange(places), 64), axis=1)
    restless, at = rng.random(places) < 0.3, rng.integers(places, size=defects)
    ground = np.where(restless, 4.0, 1.0)[:, None] * rng.standard_normal((places, 2)) + 5.0
    absent = ground[at]
    present = absent + np.array([3.0, 1.0]) * np.where(restless[at], 4.0, 1.0)[:, None]
    return Outputs(ground, cell, present, absent, cell[at], restless, restless[at])


def test_a_filter_that_differs_between_sorts_of_ground_changes_no_reading():
    """A restoration filters even ground and structure unlike; what is found in each is what was found before."""
    plain = two_sorts(np.random.default_rng(8))
    rate = lambda found, sort: float(np.mean(found.ground[plain.ground_structured == sort] > 1))  # noqa: E731

    def filtered(values, structured):
        return np.where(structured[:, None], values * [1.5, 0.7] + 3.0, 0.3 * values)

    other = replace(
        plain,
        ground=filtered(plain.ground, plain.ground_structured),
        present=filtered(plain.present, plain.structured),
        absent=filtered(plain.absent, plain.structured),
    )
    first, second = (read(outputs, np.random.default_rng(0)) for outputs in (plain, other))
    np.testing.assert_allclose(second.value, first.value, atol=1e-6)
    np.testing.assert_allclose(second.ground, first.ground, atol=1e-6)
    assert second.threshold_sd == pytest.approx(first.threshold_sd, rel=1e-6)
    assert [rate(first, sort) for sort in (False, True)] == pytest.approx([0.01, 0.01], abs=0.002)
    as_one = read(replace(other, structured=None), np.random.default_rng(0))
    assert np.mean(as_one.value[~plain.structured] > 1) < 0.1 < np.mean(second.value[~plain.structured] > 1)


def test_a_sort_of_ground_with_too_few_places_or_defects_is_read_with_the_rest():
    whole = two_sorts(np.random.default_rng(9))
    assert len(whole.sorts()) == 2
    lone = np.zeros(len(whole.present), dtype=bool)
    lone[:5] = True
    few = np.zeros(len(whole.ground), dtype=bool)
    few[:150] = True
    for outputs in (replace(whole, structured=lone), replace(whole, ground_structured=few)):
        ((places, defects),) = outputs.sorts()
        assert places.all() and defects.all()


def test_the_scale_of_an_arm_changes_no_reading(study):
    for kind in study.sizes_mm:
        for size, raw in study.readings[kind, "raw"].items():
            for arm in ("linear", "restored"):
                np.testing.assert_allclose(study.readings[kind, arm][size].value, raw.value, atol=0.02)


def test_on_even_ground_the_closed_form_is_found(study):
    for kind in study.sizes_mm:
        truth = study.even_ground_mm[kind]
        for analysis in ("hit_miss", "signal_response"):
            found = study.of(kind, "raw", analysis)
            assert found.a90_mm == pytest.approx(truth, rel=0.12)
            assert found.a90_mm < found.a90_95_mm < 1.25 * found.a90_mm
        middle = study.maps[kind, "raw"]
        assert np.median(middle[np.isfinite(middle)]) == pytest.approx(truth, rel=0.12)


def test_the_closed_form_is_what_many_draws_show():
    one, rng = made("void", 0.28), np.random.default_rng(3)
    ground = ground_of(900, 3)
    at = sites(allowed_places(ground.fraction.shape, one.half), 48)
    filled = ground.fraction + added(ground.fraction, [(one, int(r), int(c)) for r, c in at], NOISE, rng)
    places = sites(allowed_places(ground.fraction.shape, one.half), 16)
    outputs = Outputs(
        patches(ground.fraction, places, one.channels), cells(places, 48),
        patches(filled, at, one.channels), patches(ground.fraction, at, one.channels), cells(at, 48),
    )  # fmt: skip
    share = float(np.mean(read(outputs, rng).value > 1))
    expected = pod_on_even_ground(one, NOISE, LEVEL)
    assert 0.8 < expected < 0.97
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / len(at)))


def test_noise_alone_allows_less_at_a_lower_signal():
    of = lambda size: made("void", size)  # noqa: E731
    bright, dim = (a90_on_even_ground(of, (0.05, 1.5), NOISE, level) for level in (0.8, 0.1))
    assert bright < dim
    assert a90_on_even_ground(of, (0.01, 0.02), NOISE, LEVEL) is None


def test_an_uncertain_threshold_widens_the_bound_and_moves_no_estimate():
    rng = np.random.default_rng(0)
    sizes = np.geomspace(0.1, 0.6, 8)

    def readings(spread):
        return {s: Reading(1.6 * (s / 0.3) + 0.43 * drawn, np.ones(60), np.zeros(1), spread)
                for s, drawn in zip(sizes, noise, strict=True)}  # fmt: skip

    noise = rng.standard_normal((8, 60))
    for analysis in ("hit_miss", "signal_response"):
        sure, unsure = (fit("void", "raw", analysis, readings(spread)) for spread in (0.0, 0.1))
        assert sure.a90_mm == unsure.a90_mm
        moved = np.log(unsure.a90_95_mm / unsure.a90_mm)
        assert moved > np.log(sure.a90_95_mm / sure.a90_mm) and moved > 0.05


@pytest.mark.parametrize(
    ("values", "words"), [(0.2, "none of"), (3.0, "all of")], ids=["nothing is found", "everything is found"]
)
def test_a_curve_that_is_not_there_has_a_note_and_no_figure(values, words):
    readings = {s: Reading(np.full(20, values), np.ones(20), np.zeros(1), 0.01) for s in (0.1, 0.2, 0.4)}
    found = fit("void", "raw", "hit_miss", readings)
    assert found.a90_mm is None and found.a90_95_mm is None and words in found.note
    assert found.to_json()["model"] is None


def test_the_map_tells_quiet_ground_from_restless():
    """Left half of deviation 0.2, right half of 0.6; readings of 1 at 0.2 mm, doubling with size."""
    rng = np.random.default_rng(1)
    cell = np.stack(np.meshgrid(np.arange(12), np.arange(12), indexing="ij"), axis=-1).reshape(-1, 2).repeat(9, axis=0)
    sd = np.where(cell[:, 1] < 6, 0.2, 0.6)
    ground = sd * rng.standard_normal(len(cell))
    sizes = (0.1, 0.2, 0.4, 0.8)
    readings = {s: Reading(np.ones(9), np.full(9, s / 0.2), ground, 0.0) for s in sizes}
    at = {s: cell[::144][:9] for s in sizes}
    found = smallest_found(readings, at, cell, (12, 12))
    left, right = np.median(found[:, :5]), np.median(found[:, 7:])
    # mean + 1.2816 sd above the threshold, linear between the sizes
    assert left == pytest.approx(0.2 * (1 + 1.2816 * 0.2), rel=0.06)
    assert right == pytest.approx(0.2 * (1 + 1.2816 * 0.6), rel=0.1)
    nowhere = smallest_found({s: Reading(np.ones(9), np.full(9, 0.1), ground, 0.0) for s in sizes}, at, cell, (13, 12))
    assert np.isinf(nowhere[:12]).all() and np.isnan(nowhere[12]).all()


def test_json_csv_and_page_say_the_same(study):
    told, table = study_json(study), readings_csv(study).splitlines()
    assert told["model"] is None
    rows = [line.split(",") for line in table if not line.startswith("#")]
    assert rows[0] == ["kind", "arm", "size_mm", "contrast", "reading", "found"]
    for point in told["points"]:
        assert point["defects"] >= 60
        same = [r for r in rows[1:] if r[:2] == [point["kind"], point["arm"]] and float(r[2]) == point["size_mm"]]
        assert len(same) == point["defects"] and sum(float(r[5]) for r in same) == point["found"]
    page = to_html(pod_report(study, [{"role": "image", "file": "a.tif", "sha256": "00"}]))
    curve = next(c for c in told["curves"] if c["kind"] == "void" and c["arm"] == "raw" and c["analysis"] == "hit_miss")
    assert f"{curve['a90_mm']:.3g} / {curve['a90_95_mm']:.3g}" in page and "simulated" in page and "a.tif" in page
    assert not larger_when_restored(study), "an arm that only changes the scale finds what the frame shows"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question(sizes_mm=(0.2, 30.0)), "a defect of 30 mm and its blur need"),
        (Question(sizes_mm=(0.2,)), "one size tells no curve"),
        (Question(sizes_mm=(0.2, -1.0)), "sizes must be positive"),
        (Question(("hole",), sizes_mm=(0.2, 0.3)), "choose among void, crack, inclusion"),
        (Question((), sizes_mm=(0.2, 0.3)), "no kind of defect"),
        (Question(sizes_mm=(0.2, 0.3), contrast=1.5), "must lie in"),
        (Question(sizes_mm=(0.2, 0.3), regions=((0, 0, 900, 10),)), "does not lie within the image"),
        (Question(sizes_mm=(0.2, 0.3), regions=((100, 100, 20, 20),)), "room for"),
        (Question(contrast=0.05, regions=((100, 100, 20, 20),)), "a larger"),
    ],
)
def test_what_cannot_be_asked_is_refused(question, words):
    with pytest.raises(MeasurementError, match=words):
        read_study(ground_of(300, 2), question)


def test_a_response_curve_of_a_profile_is_told_as_left_out(tmp_path, monkeypatch):
    (tmp_path / "wedge.csv").write_text("sharp,blurred\n" + "".join(f"{v / 10},{v / 11}\n" for v in range(11)))
    profile = tmp_path / "plant.toml"
    profile.write_text('[settings]\nmethod = "wiener"\nexposure_s = 1\npitch_um = 48\nresponse = "wedge.csv"\n')
    monkeypatch.setattr("coldray.api.pod.pod_study", lambda *_: SimpleNamespace(warnings=()))
    found = coldray.pod(np.full((80, 80), 0.5), profile=profile)
    assert [w for w in found.warnings if w.startswith("the response curve of the profile is left out")]
