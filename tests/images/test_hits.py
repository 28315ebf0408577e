"""Direct hits and dead pixels: found against the blur, and nothing of an object taken for one."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coldray.errors import ImageError
from coldray.formats import read_image
from coldray.images import hits
from coldray.images._bound import BOUND_LEVELS, _dual, beyond, largest_excess
from coldray.images.hits import find_hits
from coldray.metrology.edge.mtf import edge_mtf
from coldray.metrology.noise import flat_nnps
from coldray.objects.boards import procedural_board
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.physics.transfer import radial_operator
from coldray.simulation.detector import ScreenDetector

EDGES = Path(__file__).parents[3] / "shared" / "data" / "real" / "neutron_edges_niqa"
OVERSAMPLING = 4
DETECTORS = {"gos135 at 48 um": (134.55, 0.048), "gos34 at 48 um": (33.91, 0.048), "80 mg at 100 um": (80.0, 0.1)}


@pytest.fixture(scope="module")
def scenes():
    """Simulated frames of boards with their detector's MTF and noise, by name; made when first asked for."""
    made = {}

    def of(name, family="dense_bga", exposure_s=0.25, size_px=160):
        if (name, family) not in made:
            loading, pitch_mm = DETECTORS[name]
            cells = size_px * OVERSAMPLING
            screen = ScreenDetector.gos(loading, pitch_mm)
            # near the median of ten random states in how many hits are found
            board = procedural_board(family, (cells, cells), pitch_mm / OVERSAMPLING, 3)
            frame = screen.frame(
                screen.transmission(board), OVERSAMPLING, exposure_s, np.random.default_rng(5), workers=1
            )
            known = load_detector(f"phosphor:{loading:g}", pixel_pitch_mm=pitch_mm)
            made[name, family] = frame.astype(float), known.mtf, NoiseModel.of_detector(known, exposure_s)
        return made[name, family]

    return of


def sprinkled(frame, amount, share=0.02, seed=2):
    """The frame with this much added to some pixels, and which they are."""
    where = np.random.default_rng(seed).random(frame.shape) < share
    return frame + amount * where, where


@pytest.mark.parametrize("family", ["dense_bga", "memory_module"])
@pytest.mark.parametrize("name", DETECTORS)
def test_vias_and_balls_of_boards_are_no_hits(scenes, name, family):
    frame, mtf, noise = scenes(name, family)
    assert find_hits(frame, mtf, noise).mask.mean() < 1e-4


@pytest.mark.parametrize(
    ("name", "amount", "least"),
    [
        ("gos135 at 48 um", 0.3, 0.98),
        ("gos135 at 48 um", 1.0, 0.995),
        ("gos34 at 48 um", 1.0, 0.98),
        ("80 mg at 100 um", 1.0, 0.97),
    ],
)
def test_two_percent_of_hits_on_a_board_are_found_and_their_neighbours_kept(scenes, name, amount, least):
    frame, mtf, noise = scenes(name)
    hit, where = sprinkled(frame, amount)
    found = find_hits(hit, mtf, noise)
    assert found.bright[where].mean() > least
    assert (found.mask & ~where).mean() < 2e-3
    left = (found.filled - frame)[where & found.bright]
    assert np.sqrt(np.mean(left**2)) < 0.1 * amount
    same = ~found.mask
    np.testing.assert_array_equal(found.filled[same], hit[same].astype(np.float32))


def needles(pitch_mm=0.1):
    """MTF like that of caesium iodide, sharp for its pixels, and noise between white and its square."""
    frequency = np.linspace(0, 0.75 / pitch_mm, 76)
    mtf = FrequencyCurve(frequency, 1 / (1 + (frequency / 1.3) ** 1.7))
    power = 0.004**2 * pitch_mm**2 * (0.3 + 0.7 * mtf.value**2)
    return mtf, NoiseModel(FrequencyCurve(frequency, power), 0.0, pitch_mm)


def test_hits_before_a_sharp_detector_are_found_for_no_object_could_make_them():
    """One in twelve once stayed in a fine board before needles, each worth rings: an object might have been that strong."""
    mtf, noise = needles()
    rng = np.random.default_rng(6)
    board = procedural_board("dense_bga", (640, 640), 0.025, 3)
    passed = ScreenDetector.gos(33.91, 0.1).transmission(board).reshape(160, 4, 160, 4).mean(axis=(1, 3))
    frame = radial_operator(mtf, passed.shape, 0.1)(passed)
    frame = frame + noise.draw(frame, rng)
    assert not find_hits(frame, mtf, noise).mask.any()
    where = rng.random(frame.shape) < 0.02
    found = find_hits(frame + where * rng.uniform(0.3, 1.5, frame.shape), mtf, noise)
    assert found.bright[where].mean() > 0.99
    assert not (found.mask & ~where).any()


@example(271, 0.9375, "needles")  # between two levels of the table, near the brightest
@example(35191, 0.912, "gos135")  # nearly even at the brightest: the bound was negative there
@given(st.integers(0, 2**16), st.floats(0.05, 0.95), st.sampled_from(["needles", "gos135"]))
@settings(max_examples=25)
def test_no_object_exceeds_the_bound(seed, share, name):
    """Random objects of cells that are 0 or 1, or graded, before both detectors: the excess of a pixel over its prediction."""
    mtf, pitch = (needles()[0], 0.1) if name == "needles" else (load_detector("gos135").mtf, 0.048)
    weights, down, across, bound = bound_of(name, mtf, pitch)
    rng = np.random.default_rng(seed)
    n = 32 * OVERSAMPLING
    size = int(rng.integers(1, 9))
    cells = rng.random((n // size + 1, n // size + 1))
    cells = np.kron(cells < share if seed % 2 else cells, np.ones((size, size)))[:n, :n].astype(float)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n, pitch / OVERSAMPLING)] * 2))
    seen = np.fft.ifft2(np.fft.fft2(cells) * beyond(mtf, frequency)).real[::OVERSAMPLING, ::OVERSAMPLING]
    predicted = sum(w * np.roll(seen, (-i, -j), axis=(0, 1)) for w, i, j in zip(weights, down, across, strict=True))
    assert np.all(seen - predicted <= np.interp(predicted, BOUND_LEVELS, bound) + 2e-3)


@given(st.integers(0, 2**16), st.integers(2, 40))
@settings(max_examples=30)
def test_the_bound_is_the_least_of_its_dual(seed, cells):
    """At every price the dual is at least the bound, and at one of the prices where a cell changes sides it is equal."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(-0.2, 1.0, cells)
    predicted[-1] = 0.0
    predicted /= predicted.sum()
    gain = rng.normal(0.0, 1.0, cells)
    with np.errstate(divide="ignore"):
        price = gain / predicted
    price = np.append(price[np.isfinite(price)], rng.normal(0.0, 2.0, 8))
    dual = np.maximum(gain - price[:, None] * predicted, 0.0).sum(axis=1)[:, None] + price[:, None] * BOUND_LEVELS
    np.testing.assert_allclose(_dual(gain, predicted), dual.min(axis=0), atol=1e-12 * np.abs(dual).max())


@cache
def bound_of(name, mtf, pitch):
    """Weights of the four neighbours and the eight of the next distance, and the bound."""
    down, across = np.array([0, 0, 1, -1, 1, 1, -1, -1]), np.array([1, -1, 0, 0, 1, -1, 1, -1])
    weights = np.array([0.5] * 4 + [-0.25] * 4)
    return weights, down, across, largest_excess(mtf, pitch, down, across, weights)


def test_what_a_filled_pixel_errs_by_is_told_by_none_of_its_neighbours():
    """The law of least squared error, in random fields of the objects' mean power: errors are uncorrelated with what they come from."""
    mtf, noise = needles()
    pitch, cells, size_px, spacing_px = 0.1, 4, 384, 8
    rng = np.random.default_rng(8)
    axis = np.fft.fftfreq(size_px * cells, pitch / cells)
    frequency = np.hypot(axis[:, None], axis)
    amplitude = np.sqrt(ObjectPrior()(frequency)) * beyond(mtf, frequency) * cells / pitch
    field = np.fft.ifft2(amplitude * np.fft.fft2(rng.normal(size=frequency.shape))).real[::cells, ::cells]
    frame = 0.5 + field + noise.draw(np.full(field.shape, 0.5, np.float32), rng)
    known = np.zeros(frame.shape, dtype=bool)
    known[spacing_px:-spacing_px:spacing_px, spacing_px:-spacing_px:spacing_px] = True
    error = (find_hits(frame, mtf, noise, known=known, threshold=np.inf).filled - frame)[known]
    reach = range(-3, 4)
    near = np.stack([np.roll(frame, (i, j), (0, 1))[known] for i in reach for j in reach if (i, j) != (0, 0)])
    near -= near.mean(axis=0)
    correlations = np.corrcoef(error, near)[0, 1:]
    assert np.abs(correlations).max() < 4 / np.sqrt(error.size)


def test_spots_brighter_than_the_beam_are_replaced_whole_up_to_a_size(scenes):
    frame, mtf, noise = scenes("gos135 at 48 um", "power_module")
    rows, cols = np.indices(frame.shape)
    for radius in (2, 4, 6):
        spot = np.hypot(rows - 80, cols - 80) <= radius
        found = find_hits(frame + 1.5 * spot, mtf, noise)
        assert found.bright[spot].all() and not (found.mask & ~spot).any()
        assert np.abs(found.filled - frame)[spot].max() < 0.3
    wide = np.hypot(rows - 80, cols - 80) <= 12
    assert not find_hits(frame + 1.5 * wide, mtf, noise).mask[wide].any()


def test_a_border_sharper_than_the_detector_is_no_row_of_hits(scenes):
    """Padding that no mask tells: its neighbours stand out from it all along."""
    frame, mtf, noise = scenes("gos135 at 48 um", "power_module")
    padded = frame.copy()
    padded[:, :40] = 0.0
    assert find_hits(padded, mtf, noise).mask.mean() < 5e-3


def test_a_cluster_is_filled_to_what_its_rim_says():
    """Pixels predicted from each other once ran away from each other in clusters of 5 x 5."""
    known = load_detector("gos135")
    noise = NoiseModel.of_detector(known, 1.0)
    flat = np.full((64, 64), 0.6)
    frame = flat + noise.draw(flat, np.random.default_rng(3))
    mask = np.zeros(flat.shape, dtype=bool)
    mask[30:35, 30:35] = True
    filled = find_hits(np.where(mask, 5.0, frame), known.mtf, noise, known=mask).filled
    assert np.abs(filled - 0.6)[mask].max() < 0.05


FAMILIES, KINDS = ("dense_bga", "memory_module"), ("none", "few", "many", "dead", "clusters")


@pytest.mark.parametrize(
    ("kind", "name", "family"),
    [
        # each kind with two detectors, each on one of the boards; all else in make test-slow
        pytest.param(kind, name, family, marks=() if (i + 2 * j + 3 * k) % 6 in (0, 5) else pytest.mark.slow)
        for i, kind in enumerate(KINDS)
        for j, name in enumerate(DETECTORS)
        for k, family in enumerate(FAMILIES)
    ],
)
def test_the_screen_leaves_nothing_out(scenes, monkeypatch, name, family, kind):
    frame, mtf, noise = scenes(name, family)
    rng = np.random.default_rng(4)
    where = rng.random(frame.shape) < {"none": 0.0, "few": 0.001, "many": 0.02, "dead": 0.005, "clusters": 5e-4}[kind]
    if kind == "clusters":
        where = scipy.ndimage.binary_dilation(where, np.ones((2, 3), dtype=bool))
    image = np.where(where, 0.0, frame) if kind == "dead" else frame + where * rng.uniform(0.1, 1.5, frame.shape)
    screened = find_hits(image, mtf, noise)
    monkeypatch.setattr(hits, "_screen", lambda image, predictor, threshold, top: np.arange(image.size))
    whole = find_hits(image, mtf, noise)
    np.testing.assert_array_equal(screened.bright, whole.bright)
    np.testing.assert_array_equal(screened.dark, whole.dark)


def test_few_pixels_of_a_frame_without_hits_are_looked_at_closely(scenes, monkeypatch):
    frame, mtf, noise = scenes("gos135 at 48 um")
    looked, screen = [], hits._screen

    def counting(*given):
        looked.append(screen(*given))
        return looked[-1]

    monkeypatch.setattr(hits, "_screen", counting)
    assert not find_hits(frame, mtf, noise).mask.any()
    assert sum(part.size for part in looked) < 0.01 * frame.size


def test_pixels_known_to_be_none_are_replaced_whatever_they_hold(scenes):
    frame, mtf, noise = scenes("gos135 at 48 um")
    _, where = sprinkled(frame, 0.0)
    found = [find_hits(np.where(where, value, frame), mtf, noise, known=where) for value in (0.0, 5.0)]
    assert not found[0].mask.any()
    np.testing.assert_array_equal(found[0].filled, found[1].filled)
    assert np.sqrt(np.mean((found[0].filled - frame)[where] ** 2)) < 2 * noise.relative_sd()


def test_a_spot_too_large_to_be_predicted_does_not_spread(scenes):
    frame, mtf, noise = scenes("gos135 at 48 um", "power_module")
    rows, cols = np.indices(frame.shape)
    spot = np.hypot(rows - 80, cols - 80) <= 4
    found = find_hits(frame + 1.5 * spot, mtf, noise)
    assert not (found.mask & ~scipy.ndimage.binary_dilation(spot, np.ones((7, 7)))).any()
    assert (found.mask & ~spot).sum() <= 2


def test_dead_pixels_are_dark(scenes):
    frame, mtf, noise = scenes("gos135 at 48 um")
    where = (np.random.default_rng(3).random(frame.shape) < 0.01) & (frame > 0.1)
    found = find_hits(np.where(where, 0.0, frame), mtf, noise)
    assert found.dark[where].mean() > 0.97
    assert not (found.bright & where).any()


def discs(mtf, noise, diameter_px, ground, inside, cells=6, size_px=100):
    """Frame of discs at random places between the pixels, through the MTF on a finer grid."""
    rng = np.random.default_rng(3)
    fine = np.full((size_px * cells,) * 2, ground)
    rows, cols = np.indices(fine.shape)
    centres = (np.mgrid[12 : size_px - 12 : 16, 12 : size_px - 12 : 16] + rng.random((2, 5, 5))).reshape(2, -1) * cells
    for row, col in centres.T:
        fine[np.hypot(rows - row, cols - col) <= diameter_px * cells / 2] = inside
    pitch = noise.pixel_pitch_mm / cells
    blurred = radial_operator(
        lambda f: mtf(f) * (mtf.last_frequency_lp_mm / np.maximum(f, mtf.last_frequency_lp_mm)) ** 3, fine.shape, pitch
    )(fine)
    frame = blurred[cells // 2 :: cells, cells // 2 :: cells]
    return frame + noise.draw(frame.astype(np.float32), rng)


@pytest.mark.parametrize(
    ("name", "diameter_px", "ground", "inside"),
    [
        # each size with each detector and with each contrast; what is left of the cube in make test-slow
        pytest.param(name, diameter_px, *contrast, marks=() if (i + j + k) % 3 == 0 else pytest.mark.slow)
        for i, name in enumerate(DETECTORS)
        for j, diameter_px in enumerate([0.7, 2, 3, 5])
        for k, contrast in enumerate([(0.5, 1.0), (0.05, 1.0), (1.0, 0.0)])
    ],
)
def test_small_balls_and_holes_of_any_contrast_are_objects(name, diameter_px, ground, inside):
    loading, pitch_mm = DETECTORS[name]
    known = load_detector(f"phosphor:{loading:g}", pixel_pitch_mm=pitch_mm)
    noise = NoiseModel.of_detector(known, 0.25)
    frame = discs(known.mtf, noise, diameter_px, ground, inside)
    assert not find_hits(frame, known.mtf, noise).mask.any()


def test_false_alarms_in_noise_alone_are_as_rare_as_stated():
    known = load_detector("gos135")
    noise = NoiseModel.of_detector(known, 0.05)
    flat = np.full((512, 512), 0.6, np.float32)
    frame = flat + noise.draw(flat, np.random.default_rng(1))
    assert not find_hits(frame, known.mtf, noise).mask.any()
    loose = find_hits(frame, known.mtf, noise, threshold=3.5).mask.mean()
    assert loose < 3e-3


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_the_level_of_the_noise_is_that_of_the_image(scenes, factor):
    frame, mtf, noise = scenes("gos135 at 48 um")
    hit, where = sprinkled(frame, 0.3)
    right, wrong = (find_hits(hit, mtf, n) for n in (noise, noise.scaled(factor)))
    assert (right.mask ^ wrong.mask).sum() <= 0.02 * where.sum()


def test_clusters_are_taken_whole(scenes):
    frame, mtf, noise = scenes("gos135 at 48 um", "power_module")
    centre = np.zeros(frame.shape)
    centre[20:-20:30, 20:-20:30] = 1.0
    found = find_hits(frame + scipy.ndimage.grey_dilation(centre, (3, 3)), mtf, noise)
    cluster = scipy.ndimage.grey_dilation(centre, (3, 3)) > 0
    assert found.bright[cluster].mean() > 0.95
    assert found.mask[~scipy.ndimage.binary_dilation(cluster, np.ones((3, 3)))].mean() < 1e-3


def test_equal_under_turns_and_mirrors(scenes):
    frame, mtf, noise = scenes("gos135 at 48 um")
    hit, where = sprinkled(frame, 0.3, 0.005)
    plain = find_hits(hit, mtf, noise).bright
    for turn in (np.flipud, np.transpose):
        turned = find_hits(np.ascontiguousarray(turn(hit)), mtf, noise).bright
        assert (turned ^ turn(plain)).sum() <= 0.01 * where.sum()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 32, 32)), "one frame"),
        (np.zeros((8, 32)), "16 x 16"),
        (np.full((32, 32), np.nan), "NaN"),
    ],
)
def test_what_is_no_frame_is_refused(image, message):
    known = load_detector("gos135")
    with pytest.raises(ImageError, match=message):
        find_hits(image, known.mtf, NoiseModel.of_detector(known, 1.0))


@pytest.mark.skipif(not EDGES.is_dir(), reason="no ../shared/data/real/neutron_edges_niqa beside the repository")
@pytest.mark.parametrize("number", [0, 3, 4])
def test_real_frames_of_a_plate_hold_direct_hits(number):
    dark, beam, raw = (
        read_image(EDGES / n).pixels.astype(float) for n in ("dc.tif", "ob.tif", f"edge20mm_000{number}.tif")
    )
    level = float(np.median(beam - dark))
    frame = (raw - dark) / np.maximum(beam - dark, 0.05 * level)
    measured = edge_mtf(frame, 0.05, (40, 150, 110, 250))
    flat = flat_nnps((beam - dark)[150:410, 300:560] / level, 0.05, 128)
    colour = FrequencyCurve(
        np.append(0.0, flat.radial.frequency_lp_mm[2:]), np.append(flat.radial.value[2], flat.radial.value[2:])
    )
    found = find_hits(frame, measured.mtf, NoiseModel(colour, 0.0, 0.05))
    plate = found.filled < 0.1
    assert 1e-3 < found.bright[plate].mean() < 0.03
    assert found.mask[found.filled > 0.7].mean() < 3e-3
    # what is left under the plate is far closer to a single level
    assert np.ptp(np.quantile(found.filled[plate], [0.0005, 0.9995])) < 0.7 * np.ptp(
        np.quantile(frame[plate], [0.0005, 0.9995])
    )


@pytest.mark.parametrize("shape", [(16, 20), (130, 17), (64, 64)])
@pytest.mark.parametrize("margin", [1, 2, 3])
def test_strips_see_the_image_reflected_at_its_borders(shape, margin):
    image = np.random.default_rng(0).uniform(size=shape)
    whole = np.pad(image.astype(np.float32), margin, mode="reflect")
    for first in range(0, shape[0], hits.SCREEN_ROWS):
        last = min(first + hits.SCREEN_ROWS, shape[0])
        strip = hits._with_reflected(image, first, last, margin)
        np.testing.assert_array_equal(strip, whole[first : last + 2 * margin])
