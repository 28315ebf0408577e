"""Lower and upper images of a restoration: their noise in closed form, what they need, and what is written of them."""

import json
import shutil

import numpy as np
import pytest

import coldray
from coldray.errors import CheckpointError, SettingsError
from coldray.formats import read_image
from coldray.frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.plugins import degradation_of
from coldray.restoration.even_power import EVEN_GROUND, Power
from coldray.restoration.interval import interval_path, unsure
from coldray.restoration.interval_width import FEATURES, IntervalScale, Layer, passed_noise
from coldray.restoration.model import load_model

STATED = {"pixel_pitch_mm": 0.048, "exposure_s": 1.0}


@pytest.fixture(scope="module")
def image():
    scene = np.full((96, 96), 0.5, dtype=np.float32)
    scene[30:60, 30:60] = 0.3
    return coldray.degrade(scene, random_state=1, **STATED).pixels


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A copy of the shipped model with a calibration of round numbers beside it: wider where the squared slope outweighs the noise."""
    shipped, folder = load_model(), tmp_path_factory.mktemp("model")
    for path in (shipped.path, shipped.path.with_suffix(".json")):
        shutil.copy(path, folder)
    model = load_model(folder / shipped.path.name)
    weights = tuple(float(name == "log10 slope") for name in FEATURES)
    layers = (Layer((weights,), (0.0,)), Layer(((1.0,),), (0.5,)))
    scale = IntervalScale((0.0,) * len(FEATURES), (1.0,) * len(FEATURES), layers, 1.1, 0.9, 30, model.sha256)
    interval_path(model).write_text(json.dumps(scale.to_dict()))
    return model.path


def test_noise_behind_a_filter_is_that_of_filtered_noise():
    pair = DetectorPair(coldray.load_detector("gos135"), coldray.load_detector("gos34"))
    level = np.full((160, 160), 0.4, dtype=np.float32)
    noise = NoiseModel.of_detector(pair.blurred, 1.0)
    frame = Frame(level, pair, noise)

    def gain(f):
        return np.exp(-((f / 4.0) ** 2))

    rng = np.random.default_rng(2)
    drawn = [frame.radial_operator(gain)(noise.draw(level, rng)) for _ in range(6)]
    assert passed_noise(frame, gain, level)[0, 0] == pytest.approx(np.var(drawn), rel=0.05)
    assert degradation_of("mtf_blend")(pair).transfer(np.zeros(1), 1.0)[0] == 1


def test_bounds_lie_around_the_result_and_are_wider_at_edges(image, calibrated):
    found = coldray.restore(image, model=calibrated, interval=True, **STATED)
    plain = coldray.restore(image, model=calibrated, **STATED)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(plain))
    lower, upper = found.interval
    np.testing.assert_allclose((lower + upper) / 2, np.asarray(found), atol=1e-6)
    half = (upper - lower) / 2
    assert half.min() > 0 and half[30, 40:50].mean() > 1.5 * half[80:, 80:].mean()
    assert plain.interval is None


def test_a_response_does_not_move_the_bounds(image, calibrated):
    stated = {"model": calibrated, "interval": True, **STATED}
    plain, mapped = (coldray.restore(image, response=curve, **stated) for curve in (None, "hardening:0.158,0.67"))
    np.testing.assert_array_equal(plain.interval, mapped.interval)


def test_frames_of_a_stack_get_none_and_are_told(image, calibrated):
    found = coldray.restore(np.stack([image, image]), model=calibrated, interval=True, **STATED)
    assert found.interval is None and any("single frames only" in w for w in found.warnings)


def test_outside_of_the_domain_nothing_is_promised():
    right, other = Power((1.0,), (1.0,), EVEN_GROUND), Power((40.0,), (40.0,), EVEN_GROUND)
    assert unsure(1.0, right) == []
    for share, power in ((0.99, right), (1.0, other)):
        assert "coverage is not known here" in unsure(share, power)[0]


def test_where_something_else_than_the_calibrated_result_is_written_nothing_is_promised():
    right = Power((1.0,), (1.0,), EVEN_GROUND)
    assert "in the 12 % of the image" in unsure(1.0, right, answered_share=0.12)[0]
    assert "less than 8 % of the beam: its coverage is not known here" in unsure(1.0, right, stood_in=0.3)[0]


def test_other_settings_than_the_calibrated_ones_promise_nothing(image, calibrated):
    stated = {"model": calibrated, "interval": True, **STATED}
    assert not any("not known" in w for w in coldray.restore(image, **stated).warnings)
    for name, value in {"gain": "paper", "even_contrast": 0.8}.items():
        found = coldray.restore(image, **{name: value}, **stated)
        (said,) = [w for w in found.warnings if "not known here" in w]
        assert f"not with this {name}:" in said


def test_a_contradicted_network_says_so_of_its_interval(image, calibrated):
    """The certificate marks a picture that the stated detectors cannot have taken."""
    rippled = image + 0.03 * np.cos(2.2 * np.arange(96)).astype(np.float32)
    stated = {"model": calibrated, "interval": True, **STATED}
    for way in ("correct", "keep"):
        found = coldray.restore(rippled, on_contradiction=way, **stated)
        assert found.consistency["network"]["marked_share"] > 0
        said = [w for w in found.warnings if "its coverage is not known" in w]
        assert len(said) == (way == "correct") and all("corrects the network" in w for w in said)


@pytest.mark.parametrize("stated", [{"method": "wiener"}, {"even": "network"}])
def test_only_a_network_under_the_gate_has_intervals(stated, image):
    with pytest.raises(SettingsError, match="interval"):
        coldray.restore(image, interval=True, **stated, **STATED)


def test_a_calibration_belongs_to_its_model(image, calibrated, tmp_path):
    for path in (calibrated, calibrated.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    copy = tmp_path / calibrated.name
    with pytest.raises(CheckpointError, match=r"compact\.interval\.json: .*no calibration"):
        coldray.restore(image, model=copy, interval=True, **STATED)
    other = json.loads(interval_path(load_model(calibrated)).read_text()) | {"model_sha256": "0" * 64}
    interval_path(load_model(copy)).write_text(json.dumps(other))
    with pytest.raises(CheckpointError, match="another model"):
        coldray.restore(image, model=copy, interval=True, **STATED)


def test_a_calibration_belongs_to_the_constants_of_its_model(image, calibrated, tmp_path):
    """The same weights behind another gate make other errors."""
    for path in (calibrated, calibrated.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    copy = tmp_path / calibrated.name
    scale = json.loads(interval_path(load_model(calibrated)).read_text())
    stated = {"model": copy, "interval": True, **STATED}
    for settings in ("", load_model(copy).settings_sha256):
        interval_path(load_model(copy)).write_text(json.dumps(scale | {"model_settings_sha256": settings}))
        assert coldray.restore(image, **stated).interval is not None
    card = json.loads(copy.with_suffix(".json").read_text())
    card["even"]["open_above"] += 1
    del card["settings_sha256"]
    copy.with_suffix(".json").write_text(json.dumps(card))
    assert load_model(copy).sha256 == load_model(calibrated).sha256
    with pytest.raises(CheckpointError, match=r"compact\.interval\.json: calibrated with other constants"):
        coldray.restore(image, **stated)


def test_the_calibration_that_ships_names_the_constants_of_its_model():
    model = load_model()
    said = json.loads(interval_path(model).read_text())
    assert said["model_settings_sha256"] == model.settings_sha256 == model.header["settings_sha256"]


def test_an_adapted_model_says_in_one_line_why_it_has_none(image, calibrated, tmp_path):
    """Three boards without a truth set no factor; the remedy is not a command that a user does not have."""
    for path in (calibrated, calibrated.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    header = calibrated.with_suffix(".json").name
    boards = [{"board": n, "role": role} for n, role in zip("abcd", ("learnt from", *["kept apart"] * 3), strict=True)]
    card = json.loads((tmp_path / header).read_text()) | {"adaptation": {"boards": boards}}
    (tmp_path / header).write_text(json.dumps(card))
    with pytest.raises(
        CheckpointError, match=r"no intervals: 3 boards were kept apart, 10 with a known truth"
    ) as found:
        coldray.restore(image, model=tmp_path / calibrated.name, interval=True, **STATED)
    assert "\n" not in str(found.value) and "restore without `interval`" in str(found.value)


def test_the_command_writes_them_beside_the_result_and_verify_repeats_it(image, calibrated, tmp_path, capsys):
    from coldray.app.cli import main
    from coldray.formats import write_image
    from coldray.radiograph import Acquisition, Radiograph

    stored = Radiograph(np.rint(image * 60000).astype(np.uint16), Acquisition(pixel_pitch_mm=0.048, open_beam=60000.0))
    write_image(tmp_path / "in.tif", stored)
    command = ["restore", tmp_path / "in.tif", "-o", tmp_path / "out.tif", "-m", calibrated, "--exposure-s", 1]
    with pytest.raises(SystemExit, match="0"):
        main([*map(str, command), "--interval", "--json"])
    entry = json.loads(capsys.readouterr().out)["files"][0]
    bounds = read_image(entry["interval"])
    assert bounds.shape == (2, *image.shape) and "out.interval.tif" in entry["side_files"]
    assert bounds.history[-1].details["layers"] == ["lower bound", "upper bound"]
    assert bounds.history[-1].details["interval"]["objects"] == 30
    inside = read_image(tmp_path / "out.tif").pixels / 60000
    assert np.all((bounds.pixels[0] < inside) & (inside < bounds.pixels[1]))
    with pytest.raises(SystemExit, match="0"):
        main(["verify", str(tmp_path / "out.tif"), "-m", str(calibrated)])
