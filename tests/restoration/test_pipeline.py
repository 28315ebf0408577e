"""The certificate as part of a restoration: by default, for stacks and saturated pixels."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from scipy.ndimage import gaussian_filter

from coldray.errors import SettingsError
from coldray.physics.noise import NoiseModel
from coldray.physics.tables import write_table
from coldray.radiograph import Acquisition, Radiograph, Step
from coldray.restoration.model import Model, load_model
from coldray.restoration.pipeline import Job, restore, saturated
from coldray.restoration.tiles import TiledPredictor

OPEN_BEAM = 50000.0


@pytest.fixture
def radiograph(frame_of, blend, pair):
    """A simulated radiograph of stored integers around 0.25 s."""

    def build(seed=0, change=None, frames=1):
        squares = np.kron(np.random.default_rng(7).uniform(0.3, 0.9, (6, 8)), np.ones((20, 20)))
        # as sharp as a thin screen: a Wiener filter is right to its noise then
        truth = gaussian_filter(squares, 1.2).astype(np.float32)
        blurred = frame_of(truth).operator(blend)(truth)
        noise = NoiseModel.of_detector(pair.blurred, 0.25)
        rng = np.random.default_rng(seed)
        stack = np.stack([blurred + noise.draw(blurred, rng) for _ in range(frames)])
        if change is not None:
            change(stack)
        stored = np.clip(np.rint(stack * OPEN_BEAM), 0, 65535).astype(np.uint16)
        known = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True)
        return Radiograph(stored if frames > 1 else stored[0], known)

    return build


JOB = Job(method="wiener", exposure_s=0.25)


def test_every_restoration_is_certified(radiograph):
    result = restore(radiograph(), JOB)
    assert result.consistency["verdict"] == "consistent"
    assert 0.2 < result.consistency["residual_over_noise"] < 0.9
    assert abs(result.consistency["mean_shift"]) < 1e-6
    assert 0 < result.certificate_seconds < result.seconds
    assert result.certificate is None
    again = restore(radiograph(), Job(method="wiener", exposure_s=0.25, keep_certificate=True))
    assert again.consistency == result.consistency
    assert again.certificate.evidence.shape == (120, 160)


def test_noise_of_the_image_itself_is_enough(radiograph):
    result = restore(radiograph(), Job(method="wiener"))
    assert result.consistency["verdict"] == "consistent"
    assert 0.05 < result.consistency["model_error"]["noise"] < 0.2


def test_frames_averaged_in_the_file_divide_the_stated_noise(radiograph):
    stack = radiograph(frames=4)
    mean = stack.pixels.mean(axis=0).round().astype(np.uint16)
    averaged = Radiograph(mean, replace(stack.acquisition, frames=4))
    right = restore(averaged, JOB)
    assert right.image.history[-1].details["noise"] == "exposure"
    assert right.consistency["noise_found"] == pytest.approx(1, abs=0.2)
    untold = restore(Radiograph(mean, stack.acquisition), JOB)
    assert untold.image.history[-1].details["noise"] == "estimated"
    assert any("number of averaged frames" in warning for warning in untold.warnings)


def test_saturated_pixels_and_their_neighbours_are_not_tested(radiograph):
    def burn(stack):
        # longer than a spot that is replaced
        stack[:, 60:78, 40:44] = 2.0

    found = restore(radiograph(change=burn), JOB)
    assert found.consistency["excluded_share"] > 0
    assert any("saturated" in w for w in found.warnings)
    assert saturated(np.zeros((4, 4), dtype=np.float32)) is None
    assert saturated(np.zeros((4, 4), dtype=np.uint16)) is None
    one = np.zeros((31, 31), dtype=np.uint16)
    one[15, 15] = 65535
    rows, cols = np.nonzero(saturated(one))
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (11, 19, 11, 19)


def test_a_stack_states_its_worst_frame(radiograph):
    def ripple(stack):
        # far finer than the blur lets through: no result can agree with it
        stack[1] += 0.2 * np.cos(np.pi * np.arange(stack.shape[2])).astype(np.float32)

    result = restore(radiograph(frames=3, change=ripple), JOB)
    assert result.consistency["frame"] == 1
    assert result.consistency["verdict"] == "contradicted"


@pytest.mark.parametrize(
    ("method", "gain", "left"),
    [
        ("cold", "paper", "1 - H"),
        ("cold", "calibrated", "between"),
        ("cold", "network", "all"),
        ("cold_naive", "paper", "all"),
    ],
)
def test_the_certificate_knows_what_each_sampler_leaves(radiograph, method, gain, left, answers):
    job = Job(method=method, model=answers(share=0.5), gain=gain, exposure_s=0.25, keep_certificate=True)
    certificate = restore(radiograph(), job).certificate
    frequency = np.linspace(0.5, 10, 40)
    found, blur = certificate.gain(frequency), certificate.degradation.transfer(frequency, 1.0)
    if left == "1 - H":
        np.testing.assert_allclose(found, 1 - blur)
    elif left == "all":
        np.testing.assert_array_equal(found, 1)
    else:
        assert np.all(found < 1) and np.all(found > 0.4)


@pytest.fixture
def half_even(blend, pair, frame_of):
    """Squares on the left, even ground on the right, at 0.25 s; stored integers, simulated."""
    return squares_beside_even_ground(384, blend, pair, frame_of)


def squares_beside_even_ground(cols, blend, pair, frame_of, random_state=1):
    image = np.full((160, cols), 0.7, dtype=np.float32)
    image[:, :160] = gaussian_filter(
        np.kron(np.random.default_rng(7).uniform(0.3, 0.9, (8, 8)), np.ones((20, 20))), 1.2
    )
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    blurred = frame_of(image).operator(blend)(image)
    measured = blurred + noise.draw(blurred, np.random.default_rng(random_state))
    known = Acquisition(pixel_pitch_mm=0.048, open_beam=OPEN_BEAM, linear=True)
    return Radiograph(np.rint(measured * OPEN_BEAM).astype(np.uint16), known)


def striped(image):
    """Draw stripes all over, which the measurement denies."""
    return image + 0.1 * np.cos(0.8 * np.arange(image.shape[1])).astype(np.float32)


def test_nothing_is_invented_on_even_ground_and_it_speaks_for_no_network(half_even, answers):
    job = Job(
        method="cold",
        model=answers(striped, share=0.5),
        exposure_s=0.25,
        provenance=True,
        keep_certificate=True,
        gain="calibrated",
    )
    found = restore(half_even, replace(job, on_contradiction="keep"))
    measured, linear, claim, gate = found.provenance.layers
    assert np.all(claim[gate == 0] == 0) and np.abs(claim[gate == 1]).max() > 0.05
    right = np.s_[:, 260:]
    assert not gate[right].any()
    stripes = np.cos(0.8 * np.arange(384))[260:]
    stripes -= stripes.mean()
    assert abs((measured + linear + claim)[right].mean(axis=0) @ stripes) / (stripes @ stripes) < 1e-3
    assert 0.2 < found.consistency["linear_share"] < 0.8
    assert "is a fixed linear filter of the measurement" in found.consistency["statement"]
    assert found.consistency["verdict"] == "contradicted"
    assert not found.certificate.marked[right].any()
    details = found.image.history[-1].details
    assert details["even"] == "linear" and 0.2 < details["linear_share"] < 0.8
    # where the measurement denies the network, the linear filter stands in and the claim goes
    answered = restore(half_even, job)
    assert answered.replaced_share > 0.1
    assert np.all(answered.provenance.layers[2][answered.replaced == 1] == 0)
    layers = answered.provenance.layers
    np.testing.assert_array_equal((layers[0] + layers[1]) + layers[2], layers[:3].sum(axis=0, dtype=np.float32))


def test_tiles_of_the_network_leave_gate_and_even_ground_as_they_are(half_even):
    """The gate is worked out on the whole frame: with small tiles of the network even ground has the same bits."""

    class Small(type(load_model())):
        def predictor(self, progress=None, device="cpu"):
            return TiledPredictor(self.engine, 200 * 200, progress, told=self.places)

    whole = load_model()
    small = Small(whole.name, whole.path, whole.header, whole.sha256)
    job = Job(method="cold", model=whole, exposure_s=0.25, provenance=True)
    one, other = (restore(half_even, replace(job, model=m)).provenance.layers for m in (whole, small))
    np.testing.assert_array_equal(one[3], other[3])
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_allclose(one[2], other[2], atol=2e-5)


@pytest.mark.parametrize("name", [None, "compact-0.1"])
def test_sparing_the_network_on_even_ground_changes_nothing_that_is_seen(name, blend, pair, frame_of):
    """Against a network run everywhere: not one step of 16 bits, nowhere; and tiles were spared."""
    made = []

    class Watched(Model):
        def predictor(self, progress=None, device="cpu"):
            made.append(super().predictor(progress, device))
            return made[-1]

    class Everywhere(Model):
        def predictor(self, progress=None, device="cpu"):
            class Whole(TiledPredictor):
                needed = property(lambda self: None, lambda self, mask: None)

            return Whole(self.engine, told=self.places)

    whole = load_model(name)
    spared, every = (kind(whole.name, whole.path, whole.header, whole.sha256) for kind in (Watched, Everywhere))
    # much more even ground: networks that look far need it
    mostly_even = squares_beside_even_ground(1600, blend, pair, frame_of, random_state=3)
    job = Job(method="cold", model=spared, exposure_s=0.25)
    one, other = (restore(mostly_even, replace(job, model=m)).image.pixels for m in (spared, every))
    assert made[0].tiles_spared > 0
    assert np.abs(one.astype(float) - other.astype(float)).max() * (65535 if one.dtype.kind == "f" else 1) <= 1


@pytest.mark.parametrize("method", ["cold", "wiener"])
def test_a_second_frame_of_the_same_detectors_and_noise_makes_no_operator(half_even, method, monkeypatch):
    from coldray.physics import transfer

    made = []
    lookup = transfer._gains
    monkeypatch.setattr(transfer, "_gains", lambda *given: made.append(0) or lookup(*given))
    model = load_model() if method == "cold" else None
    job = Job(method=method, model=model, exposure_s=0.25, operators=transfer.Operators())
    first = restore(half_even, job).image.pixels
    once = len(made)
    # another frame of the same mean signal: the first upside down
    other = half_even.with_pixels(np.ascontiguousarray(half_even.pixels[::-1]), Step("turn", {}))
    restore(other, job)
    assert 0 < once == len(made)
    np.testing.assert_array_equal(restore(half_even, job).image.pixels, first)
    # a darker one, with the filters of a stated signal
    job = replace(job, filter_signal=float(half_even.pixels.mean()) / (half_even.acquisition.open_beam or 1.0))
    restore(half_even, job)
    once = len(made)
    darker = restore(half_even.with_pixels((half_even.pixels * 0.98).astype(half_even.pixels.dtype)), job)
    assert len(made) == once
    assert darker.image.history[-1].details["filter_signal"] == job.filter_signal


def test_the_dial_and_old_records(half_even, answers):
    from coldray.app.recipe import Recipe
    from coldray.declaration import FIRST_FORMAT
    from coldray.settings import declared, newest_format

    contrast = {}
    for value in (None, 0.2, 0.9):
        found = restore(half_even, Job(method="cold", model=answers(share=0.5), exposure_s=0.25, even_contrast=value))
        contrast[value] = found.image.pixels[20:-20, 280:-20].std()
    assert contrast[0.2] < contrast[None] < contrast[0.9]
    for bad in ({"even": "both"}, {"even_contrast": 0.0}, {"even_contrast": 2.0}):
        with pytest.raises(SettingsError, match="even"):
            restore(half_even, Job(method="cold", model=answers(share=0.5), exposure_s=0.25, **bad))
    settings = Recipe(method="wiener").settings()
    since_0_1 = {
        "on_contradiction": "keep",
        "even": "network",
        "even_contrast": None,
        "safeguards": False,
        "average": False,
    }
    newer = {name for name, said in declared().items() if said.recorded and said.since > FIRST_FORMAT}
    assert since_0_1.keys() <= newer
    again = Recipe.of_record({name: value for name, value in settings.items() if name not in newer}, {})
    assert {name: getattr(again, name) for name in since_0_1} == since_0_1
    assert Recipe.of_record(settings, {}).even == "linear"
    # since then a record says what was done about contradictions, whatever the default has become
    for written_by in range(4, newest_format() + 1):
        newer = {name for name, said in declared().items() if said.recorded and said.since > written_by}
        then = {name: value for name, value in settings.items() if name not in newer} | {"on_contradiction": "linear"}
        assert Recipe.of_record(then, {}).on_contradiction == "linear"


@pytest.mark.parametrize(
    ("method", "options", "now", "left"),
    [
        ("cold", {"naive": True, "steps": 3}, "cold_naive", {"steps": 3}),
        ("cold", {"naive": False}, "cold", {}),
        ("pnp", {"denoiser": "tv", "trust": 1.0}, "pnp_tv", {"trust": 1.0}),
        ("pnp", {"denoiser": "network"}, "pnp", {}),
    ],
)
def test_old_records_name_methods_by_an_option(method, options, now, left):
    from coldray.app.recipe import Recipe

    settings = Recipe().settings()
    old = settings | {"method": method, "options": options}
    again = Recipe.of_record(old, {"model": "compact"})
    assert (again.method, again.options) == (now, left)
    assert (again.model is None) is (now == "pnp_tv")
    again.job()


def test_the_chosen_gain_is_used_and_recorded(radiograph, answers):
    images, sure = {}, answers()
    for gain in ("calibrated", "detail", "paper"):
        found = restore(radiograph(), Job(method="cold", model=sure, gain=gain, steps=1, exposure_s=0.25)).image
        assert found.history[-1].details["gain"] == gain
        images[gain] = found.pixels.astype(float)
    moved = {gain: np.abs(image - images["calibrated"]).mean() for gain, image in images.items()}
    assert 0 < moved["detail"] < moved["paper"]
    with pytest.raises(SettingsError, match="choose one of"):
        restore(radiograph(), Job(method="cold", model=sure, gain="strong", exposure_s=0.25))


def test_nothing_is_sharpened_beyond_what_the_tables_tell(radiograph, blend, pair, tmp_path):
    frequency = np.linspace(0, 10.5, 106)
    rng = np.random.default_rng(5)
    for name, detector in (("thick", pair.blurred), ("thin", pair.sharp)):
        mtf = detector.mtf(frequency)
        mtf[frequency > 4] = np.maximum(mtf + 0.03 * rng.standard_normal(106), 0)[frequency > 4]
        half = np.where(frequency > 4, 0.06, 0.002) * (frequency > 0)
        columns = {"frequency_lp_mm": frequency, "mtf": mtf, "mtf_low": mtf - half, "mtf_high": mtf + half}
        (tmp_path / f"{name}.csv").write_text(write_table(columns))
    image = radiograph()
    tables = {"blurred": str(tmp_path / "thick.csv"), "sharp": str(tmp_path / "thin.csv")}
    job = Job(method="wiener", options={"noise": "mean"}, keep_certificate=True, **tables)
    result = restore(image, job)
    assert any("beyond it nothing is sharpened" in w and "'thin'" in w for w in result.warnings)
    assert result.consistency["verdict"] == "consistent"
    before, after = (scipy.fft.dctn(i.pixels.astype(float), norm="ortho") for i in (image, result.image))
    place = np.hypot(*np.meshgrid(np.arange(120) / 120, np.arange(160) / 160, indexing="ij")) * 0.5 / 0.048
    gain = np.sum((after * before)[place > 5]) / np.sum((before * before)[place > 5])
    assert 0 < gain <= 1
    assert np.sum((after * before)[(place > 2) & (place < 4)]) > 1.2 * np.sum(
        (before * before)[(place > 2) & (place < 4)]
    )
    judged = result.certificate.frame.pair
    np.testing.assert_allclose(judged.ratio(9.0), 1, atol=1e-12)
    np.testing.assert_allclose(judged.ratio(frequency[:40]), pair.ratio(frequency[:40]), atol=0.01)
