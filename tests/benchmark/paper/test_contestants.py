"""Contestants are what the methods are: same results, right gain, tuned options where they belong."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from coldray.benchmark.paper import contestants as C
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.run import line_up
from coldray.benchmark.paper.scenes import THIN, blend_of, paper_blend, paper_pair
from coldray.errors import CheckpointError, SettingsError
from coldray.frame import Frame
from coldray.methods import cold, direct, wiener
from coldray.physics.noise import NoiseModel
from coldray.restoration.even import read


@pytest.fixture
def frame(one_board):
    return one_board[0].frame()


def by_key(fake, steps=3):
    return {c.key: c for c in C.learned(fake(answer=lambda c, t: np.tanh(c[0]) + 0.1 * t[0]), steps)}


def test_every_method_that_is_listed_runs(fake, frame):
    for contestant in [*C.classical(), *C.learned(fake(), 2)]:
        out = contestant.restore(frame, paper_blend(), random_state=(1, 2))
        assert out.image.shape == frame.shape and np.all(np.isfinite(out.image))
        assert abs(out.image.mean() - frame.blurred.mean()) < 1e-5


def test_gains_are_what_they_are_called(fake, frame):
    blend, found = paper_blend(), by_key(fake)
    network = found[C.COLD].model.predictor()
    np.testing.assert_allclose(
        found[C.COLD].restore(frame, blend).image, cold.restore(frame, blend, network, steps=3), atol=1e-6
    )
    one = direct.restore(frame, blend, network)
    # a calibrated share of 0 leaves the network alone, which is regression
    np.testing.assert_allclose(found[C.UNGATED].restore(frame, blend).image, one, atol=1e-6)
    alone = C.Contestant("x", "x", "cold", {"steps": 1}, found[C.COLD].model, "network")
    np.testing.assert_allclose(alone.restore(frame, blend).image, one, atol=1e-6)
    detail = found[C.DETAIL].restore(frame, blend).image
    assert 1e-4 < np.abs(detail - one).max() < np.abs(found[C.VAN_CITTERT].restore(frame, blend).image - one).max()
    assert np.abs(found[C.VAN_CITTERT].restore(frame, blend).image - one).max() > 1e-3
    assert found[C.COLD].restore(frame, blend).evaluations == 3
    with pytest.raises(SettingsError, match="choose one of calibrated, detail, paper"):
        C.Contestant("x", "x", "cold", {}, found[C.COLD].model, "strong").restore(frame, blend)


def test_the_default_asks_no_network_on_even_ground(fake):
    pair = paper_pair()
    noise = NoiseModel.of_detector(pair.blurred, 1.0)
    flat = np.full((160, 160), 0.6, dtype=np.float32)
    even = Frame(flat + noise.draw(flat, np.random.default_rng(0)), pair, noise)
    default = by_key(fake)[C.DEFAULT]
    out = default.restore(even, paper_blend())
    assert out.evaluations == 0
    np.testing.assert_array_equal(out.image, even_filter_of(default, even))
    assert default.to_json()["even"] == "linear"


def even_filter_of(contestant, frame):
    return read(frame, paper_blend(), contestant.model.even).join().out


def test_the_certificate_is_told_what_the_gain_leaves(fake, frame):
    found, f = by_key(fake), np.array([0.0, 1.0, 5.0])
    h = paper_blend().transfer(f, 1.0)
    np.testing.assert_allclose(found[C.COLD].left_of_errors(frame, paper_blend())(f), 1 - h)
    np.testing.assert_allclose(found[C.UNGATED].left_of_errors(frame, paper_blend())(f), [0, 1, 1])
    # under the gate at least 0.3 K_0 is put back where the network rules
    assert np.all(found[C.DEFAULT].left_of_errors(frame, paper_blend())(f)[1:] < 1)
    assert found[C.ONE_STEP].left_of_errors(frame, paper_blend()) is None


def test_options_are_tuned_by_the_nearest_exposure(frame):
    tuned = {C.WIENER: {1.0: {"regularisation": 0.3}, 0.05: {"regularisation": 3.0}}}
    contestant = next(c for c in C.classical(tuned) if c.key == C.WIENER)
    out = contestant.restore(frame, paper_blend(), exposure_s=0.06).image
    np.testing.assert_allclose(out, wiener.restore(frame, paper_blend(), regularisation=3.0), atol=1e-6)


def test_draws_depend_on_the_random_state_alone(fake, frame):
    sample, _ = C.extra("cdm", fake("ddim", lambda c, t: 0.9 * c[1]), 2, 3, 2)
    same = [sample.restore(frame, paper_blend(), random_state=s).image for s in ((1,), (1,), (2,))]
    np.testing.assert_array_equal(same[0], same[1])
    assert np.abs(same[0] - same[2]).max() > 1e-3


def test_further_models_take_part_as_they_were_trained(fake):
    names = ("ddim", "ddim_image", "direct", "indi", "cold")
    keys = [c.key for name in names for c in C.extra(name, fake(name), 4, 5, 3)]
    diffusion = [f"ddim{answer}_{key}" for answer in ("", "_image") for key in ("sample", "mean")]
    assert keys == [*diffusion, "direct", "indi", "cold", "cold_1", "cold_4"]
    assert [c.gain for c in C.extra("cold", fake("cold"), 4, 5, 3)] == ["calibrated", "paper", "paper"]
    with pytest.raises(CheckpointError, match="does not run"):
        C.extra("x", fake("wiener"), 4, 5, 3)


def test_the_thin_screen_comes_first_and_is_only_denoised(fake, one_board):
    line = line_up(fake(), {}, PaperSettings())
    assert [c.key for c in line[: len(C.THIN_KEYS)]] == list(C.THIN_KEYS)
    assert all((c.screen == THIN) == (c.key in C.THIN_KEYS) for c in line)
    frame = one_board[0].frame(screen=THIN)
    quiet = Frame(frame.blurred, frame.pair, frame.noise.scaled(1e-12))
    wiener_of_thin = next(c for c in line if c.key == C.THIN_WIENER)
    np.testing.assert_allclose(wiener_of_thin.restore(quiet, blend_of(THIN)).image, frame.blurred, atol=1e-5)
    truth = one_board[0].truths["truth"]
    off = [np.std(image - truth) for image in (wiener_of_thin.restore(frame, blend_of(THIN)).image, frame.blurred)]
    assert off[0] < off[1]


def test_methods_without_a_model_are_named_with_a_remedy(fake):
    said = C.absent({})
    assert len(said) == len(C.PEERS) and "U-Net regression" in said[0] and "coldray train configs/cdm.toml" in said[-1]
    assert C.absent({name: fake(method) for name, (method, _) in C.PEERS.items()}) == []
    assert len(C.absent({"a": fake("cold"), "b": fake("ddim")})) == len(C.PEERS) - 2


def test_what_absent_methods_are_to_be_trained_with_is_there():
    for name, (method, _) in C.PEERS.items():
        recipe = tomllib.loads((Path(__file__).parents[3] / "configs" / f"{name}.toml").read_text())
        assert recipe["method"] == method and recipe["run"] == f"runs/{name}"


def test_a_given_model_comes_before_the_one_of_its_name(fake, monkeypatch, tmp_path):
    (tmp_path / "cdm.onnx").touch()
    monkeypatch.setattr(C, "PEERS_FOLDER", tmp_path)
    monkeypatch.setattr(C, "load_model", lambda path: path)
    mine = fake("direct")
    assert C.peers({"mine": mine}) == {"cdm": str(tmp_path / "cdm.onnx"), "mine": mine}
    assert C.peers({"cdm": mine}) == {"cdm": mine}


def test_updates_of_all_runs_count():
    chain = {"steps": 300, "started_from": {"steps": 500, "started_from": {"steps": 7, "started_from": None}}}
    assert C.updates(chain) == 807
    assert C.updates({"steps": 5, "started_from": {"file": "x"}}) == 5
    assert C.updates({}) is None


def test_names_must_differ(fake):
    line = line_up(fake(), {"mine": fake("direct")}, PaperSettings())
    assert len({c.key for c in line}) == len(line)
    with pytest.raises(SettingsError, match="one name"):
        line_up(fake(), {"wiener": fake("direct")}, PaperSettings())


def test_unknown_parts_are_refused():
    with pytest.raises(SettingsError, match="no part"):
        PaperSettings(parts=("scores", "magic"))


def test_the_models_that_come_with_coldray_are_what_their_names_say():
    found = C.peers()
    assert set(found) <= set(C.PEERS) and found, "the comparison ships models of its own"
    for name, model in found.items():
        assert model.header["method"] == C.PEERS[name][0]
        assert C.updates(model.header["training"]) and model.header["training"]["patches"] == 15000
        line = C.extra(name, model, 4, 10, 8)
        assert all(c.trained_for.endswith("updates") for c in line)
    size = sum(path.stat().st_size for path in C.PEERS_FOLDER.iterdir())
    assert size < 12e6
