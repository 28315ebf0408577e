"""Model, card, weights and report: all with a proven gain, none without; whatever happens on the way."""

import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest

pytest.importorskip("torch")

import coldray.adaptation.run as run
from coldray.adaptation.boards import load_boards
from coldray.adaptation.gate import GateFit
from coldray.adaptation.proof import AFTER, BEFORE, LINEAR, BoardScores, HalfScores, Proof
from coldray.adaptation.run import WRITTEN, adapt
from coldray.adaptation.tune import Tuned, TuneSettings, check_base, header_of, recipe_of, request_of
from coldray.app.cli import main
from coldray.benchmark.statistics import interval
from coldray.checkpoint import read_tensors
from coldray.errors import CheckpointError, SettingsError, TrainingError
from coldray.restoration.card import check_header
from coldray.restoration.model import load_model

from .folders import written

SIDE = 176


@pytest.fixture(scope="module")
def pairs(board_of, tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs")
    for seed in range(6):
        written(out / f"b{seed}", board_of(seed, side=SIDE))
    return out


@pytest.fixture(scope="module")
def boards(pairs):
    return load_boards(pairs)


def proof_of(boards, gain_db, kept=0.0):
    scores = {
        BEFORE: HalfScores(30.0, 30.0, 29.0, 40.0),
        AFTER: HalfScores(30.0 + gain_db, 30.0 + gain_db, 29.5, 40.0),
        LINEAR: HalfScores(28.0, 28.0, 27.0, 40.0),
    }
    rows = tuple(BoardScores(b.board, 2, scores, {BEFORE: 0.95, AFTER: 0.95 + kept, LINEAR: 0.9}, 1e-5) for b in boards)
    spread = (-0.01, 0.0, 0.01)
    return Proof(rows, interval([gain_db + s for s in spread]), interval([kept + s / 10 for s in spread]))


@pytest.fixture
def outcome(boards, monkeypatch):
    """What learning and proof come to, without the learning: the model before under a new name."""

    def set_to(gain_db, kept=0.0, fails=None):
        def tune(tuned, base, how, out, states, progress=None):
            if fails is not None:
                states.mkdir(parents=True)
                (states / "state").write_text("half a training")
                raise fails
            for suffix in (".onnx", ".json", ".safetensors"):
                shutil.copyfile(base.path.with_suffix(suffix), out.with_suffix(suffix))
            return Tuned(load_model(out), GateFit(base.even, 3.0, 3), 0.0)

        monkeypatch.setattr(run, "load_boards", lambda *_: boards)
        monkeypatch.setattr(run, "tune", tune)
        monkeypatch.setattr(run, "prove", lambda apart, *_: proof_of(apart, gain_db, kept))

    return set_to


def test_a_gain_writes_model_card_weights_and_report(outcome, boards, tmp_path):
    outcome(0.6)
    found = adapt(tmp_path / "pairs", tmp_path / "plant.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"plant{suffix}" for suffix in WRITTEN)
    assert sorted(found.written) == sorted(tmp_path.iterdir())
    model = load_model(tmp_path / "plant.onnx")
    account = model.header["adaptation"]
    assert account["gain_db"]["mean"] == pytest.approx(0.6) and account["gain_db"]["low"] > 0
    assert {b["role"] for b in account["boards"]} == {"learnt from", "kept apart"} and len(account["boards"]) == 6
    assert all(len(b["sha256"]) == 64 for b in account["boards"])
    assert read_tensors(tmp_path / "plant.safetensors")[1]["adaptation"] == account
    assert account["model_before"] == load_model().named() == found.to_dict()["model_before"]
    assert account["settings_sha256"] == model.settings_sha256
    page = (tmp_path / "plant.html").read_text()
    for word in (
        "Gain shown",
        "noise-free reference",
        "ceiling",
        "Not claimed",
        *(b.board for b in (*boards.tuned, *boards.apart)),
    ):
        assert word in page
    assert page.count("data:image/png") == 7  # how six boards register, and the MTF ratio
    told = json.dumps(found.to_dict())
    assert "_1s" not in told and "0.25s" not in told  # no label of a dose: the frames were taken once
    assert "+0.60 dB" in found.finding() and "over 3 boards kept apart" in found.finding()


@pytest.mark.parametrize(
    ("gain_db", "kept", "words"),
    [
        (0.0, 0.0, "no gain: \\+0.00 dB"),
        (0.08, 0.0, "too small a gain: \\+0.08 dB.*0.1 dB must be proven"),
        (0.6, -0.1, "small features keep 10.0 % less"),
    ],
)
def test_no_gain_writes_nothing_and_leaves_what_was_there(outcome, tmp_path, gain_db, kept, words):
    outcome(gain_db, kept)
    before = {}
    for suffix in WRITTEN:
        before[suffix] = f"old {suffix}"
        (tmp_path / f"plant{suffix}").write_text(before[suffix])
    found = adapt(tmp_path / "pairs", tmp_path / "plant.onnx")
    assert found.written == () and found.to_dict()["written"] == []
    assert re.search(words, found.finding()) and "nothing is written" in found.finding()
    assert {suffix: (tmp_path / f"plant{suffix}").read_text() for suffix in WRITTEN} == before
    assert len(list(tmp_path.iterdir())) == len(WRITTEN)


@pytest.mark.parametrize("fails", [KeyboardInterrupt(), TrainingError("diverged")])
def test_what_ends_early_leaves_nothing_but_the_states_asked_for(outcome, tmp_path, fails):
    outcome(0.6, fails=fails)
    with pytest.raises(type(fails)):
        adapt(tmp_path / "pairs", tmp_path / "out" / "plant.onnx")
    assert not any((tmp_path / "out").iterdir())
    with pytest.raises(type(fails)):
        adapt(tmp_path / "pairs", tmp_path / "out" / "plant.onnx", states=tmp_path / "states")
    assert not any((tmp_path / "out").iterdir())
    assert [p.name for p in (tmp_path / "states").rglob("state")] == ["state"]
    outcome(0.6)
    assert adapt(tmp_path / "pairs", tmp_path / "out" / "plant.onnx", states=tmp_path / "states").written
    assert not (tmp_path / "states").exists() or not any((tmp_path / "states").iterdir())


def test_a_report_that_fails_leaves_no_model(outcome, tmp_path, monkeypatch):
    outcome(0.6)
    monkeypatch.setattr(run, "write_text", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        adapt(tmp_path / "pairs", tmp_path / "plant.onnx")
    assert not any(tmp_path.iterdir())


def test_the_run_goes_on_only_from_the_same_question(boards):
    base = load_model()
    same = request_of(boards.tuned, base, TuneSettings())
    assert same == request_of(boards.tuned, load_model(), TuneSettings())
    others = (
        request_of(boards.apart, base, TuneSettings()),
        request_of(boards.tuned, load_model("compact-0.1"), TuneSettings()),
        request_of(boards.tuned, base, TuneSettings(steps=7)),
    )
    assert len({same, *others}) == 4


def test_the_card_states_the_pair_and_its_noise(boards, tmp_path):
    from coldray.adaptation.source import FAINTEST, MeasuredSource, noises_of
    from coldray.channels import conditions
    from coldray.frame import Frame
    from coldray.physics.noise import NoiseModel
    from coldray.plugins import degradation_of
    from coldray.restoration.domain import Domain

    base = load_model()
    recipe = recipe_of(base, TuneSettings(steps=10), tmp_path)
    source = MeasuredSource(boards.tuned, recipe)
    header = header_of(base, boards.tuned, recipe, GateFit(base.even, 3.0, 3), source, "mine")
    check_header(header, "mine")
    family = header["family"]
    assert family["exposure_s"] == [0.25 / FAINTEST, 0.25]
    assert header["training"]["started_from"]["sha256"] and header["training"]["started_from"]["name"] == base.name
    assert "sha256" not in header and "consistency_share" not in header and str(tmp_path) not in json.dumps(header)
    domain, pair = Domain.of_header(header, base.places), boards.tuned[0].pair
    assert domain is not None

    def share(noise):
        frame = Frame(boards.tuned[0].frames[0], pair, noise)
        return domain.share(domain.distance(conditions(frame, degradation_of("mtf_blend")(pair))))

    # these frames have white noise, their file states another: what counts is what a restoration is told of them
    stated, measured = NoiseModel.of_detector(pair.blurred, 0.25), noises_of(boards.tuned[0])[0]
    assert measured.relative_sd() != pytest.approx(stated.relative_sd(), rel=0.1)
    assert share(measured) == share(measured.scaled(2)) == share(measured.scaled(FAINTEST)) == 1
    assert share(measured.scaled(1000)) == 0


def test_models_that_cannot_learn_on_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="adapt the shipped model"):
        check_base(load_model("compact-0.1"))
    base = load_model()
    for suffix in (".onnx", ".json"):
        shutil.copyfile(base.path.with_suffix(suffix), tmp_path / f"alone{suffix}")
    with pytest.raises(CheckpointError, match=r"alone.safetensors is missing beside it"):
        check_base(load_model(tmp_path / "alone.onnx"))
    header = {key: value for key, value in base.header.items() if key != "degradation"}
    (tmp_path / "alone.json").write_text(json.dumps(header))
    with pytest.raises(CheckpointError, match="does not say for which 'degradation'"):
        check_base(load_model(tmp_path / "alone.onnx"))


def test_a_score_that_is_none_leaves_a_model_that_can_be_read(outcome, boards, tmp_path, monkeypatch):
    """Errors to both halves can be of opposite sign on the average: then there is no PSNR without noise."""
    outcome(0.6)
    found = proof_of(boards.apart, 0.6)
    none = HalfScores(30.6, float("nan"), 29.5, 40.0)
    rows = tuple(replace(one, scores=one.scores | {AFTER: none}) for one in found.boards)
    monkeypatch.setattr(run, "prove", lambda *_: replace(found, boards=rows))
    adapt(tmp_path / "pairs", tmp_path / "plant.onnx")
    assert load_model(tmp_path / "plant.onnx").header["adaptation"]["after"]["psnr_noise_free_db"] is None
    assert load_model(tmp_path / "plant.safetensors").header["adaptation"]["after"]["psnr_db"] == pytest.approx(30.6)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"random_state": -1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match="are needed"):
        TuneSettings(**wrong)


@pytest.fixture
def call(capsys):
    def one(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return one


def test_the_command_says_no_gain_in_one_line_and_leaves_with_3(outcome, tmp_path, call):
    outcome(0.0)
    code, out, err = call("adapt", tmp_path, "-o", tmp_path / "plant.onnx", "--json")
    told = json.loads(out)
    assert code == 3 and told["written"] == [] and set(told) >= {"before", "after", "gain_db"}
    assert [line for line in err.splitlines() if "no gain" in line] == err.splitlines()[-1:]
    assert not any(tmp_path.iterdir())
    outcome(0.6)
    code, out, err = call("adapt", tmp_path, "-o", tmp_path / "plant.onnx")
    assert code == 0 and "gain +0.60 dB" in out and (tmp_path / "plant.onnx").is_file()
    code, _, err = call("adapt", tmp_path, "-o", tmp_path / "plant.onnx")
    assert code == 3 and "--overwrite" in err


@pytest.mark.slow
def test_from_frames_to_the_proof(pairs, tmp_path, call):
    """Two updates: hardly a gain, but every stage runs, and a run that was cut goes on to the same end."""
    arguments = ("adapt", pairs, "-o", tmp_path / "out" / "plant.onnx", "--steps", 2, "--json")
    code, out, err = call(*arguments)
    told = json.loads(out)
    assert code == (0 if told["written"] else 3), err
    assert len(told["boards"]) == 3 and all(b["frames"] == 2 for b in told["boards"])
    assert abs(told["gain_db"]["mean"]) < 2
    assert not [p for p in os.listdir(tmp_path / "out") if p.startswith(".")]


@contextmanager
def seen(titles, title, unit):
    titles.append(title)
    yield lambda *_: None


def test_stages_are_shown_in_turn(outcome, tmp_path):
    outcome(0.0)
    titles = []
    adapt(tmp_path, tmp_path / "plant.onnx", stages=lambda title, unit: seen(titles, title, unit))
    assert titles == ["boards", "learning", "proof"]
