"""The training loop: resumes bit for bit, schedules, averages, scores."""

import json
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from accelerate.state import AcceleratorState  # noqa: E402

from coldray.checkpoint import write_tensors  # noqa: E402
from coldray.errors import SettingsError, TrainingError  # noqa: E402
from coldray.training.loop import Training, _ema, loss_of, schedule  # noqa: E402
from coldray.training.pairs import PairSource  # noqa: E402
from coldray.training.recipe import OptimiserRecipe  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def start(fields, recipe_of):
    """Build a training in a folder."""
    torch.set_num_threads(1)

    def build(folder, **sections):
        recipe = recipe_of(**sections)
        return Training(recipe, *(PairSource(f, recipe) for f in fields), folder)

    return build


@pytest.fixture(scope="module")
def straight(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    run = start(folder)
    before = weights(run)
    return run, before, run.run(), folder


def weights(run):
    return {k: v.clone() for k, v in run.network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_moves_the_weights_and_leaves_its_scores(straight):
    run, before, scores, folder = straight
    assert run.step == 6
    assert not same(before, weights(run))
    assert [s["step"] for s in scores] == [6]
    assert {"direct_1s_psnr_db", "wiener_0.05s_psnr_db", "direct_1s_eta"} <= set(scores[0])
    assert 0 <= scores[0]["direct_0.05s_eta"] <= 1
    assert json.loads((folder / "scores.jsonl").read_text()) == scores[0]
    assert (folder / "scores.csv").read_text().startswith("step,loss")
    assert 0 < scores[0]["direct_1s_ssim"] <= 1


def test_a_run_leaves_a_picture_of_its_validation(straight):
    from PIL import Image

    run, _, _, folder = straight
    with Image.open(folder / "validation.png") as picture:
        assert picture.size == (6 * 64, 64)
        shown = np.asarray(picture) / 255
    pair, _ = run._validation.pair(0, np.random.default_rng([11, 0]), 0.25)
    np.testing.assert_allclose(shown[:, :64], np.clip(pair.frame.blurred, 0, 1), atol=0.003)
    np.testing.assert_allclose(shown[:, 192:256], pair.sharp, atol=0.003)


def test_killed_and_resumed_equals_straight_bit_for_bit(start, straight, tmp_path):
    start(tmp_path).run(stop_at=2)
    second = start(tmp_path)
    assert second.step == 2
    second.run(stop_at=5)
    third = start(tmp_path)
    scores = third.run()
    run = straight[0]
    assert same(weights(run), weights(third))
    assert same(run.plain_network.state_dict(), third.plain_network.state_dict())
    assert int(run.average.n_averaged) == int(third.average.n_averaged) == 6
    assert [s["step"] for s in scores] == [2, 5, 6]
    for key in ("loss", "direct_1s_psnr_db", "direct_0.05s_psnr_db"):
        assert scores[-1][key] == straight[2][-1][key]
    (tmp_path / "states" / "step-00000001.sha256").write_text("of a save that failed\n")
    assert start(tmp_path).run() == scores, "a finished run does nothing more"
    assert not list((tmp_path / "states").glob("step-00000001.*")), "but clears what a failed save left"


def test_a_broken_newest_state_costs_steps_not_the_run(start, straight, tmp_path):
    run = start(tmp_path)
    run.run(stop_at=2)
    run.run(stop_at=4)
    newest = sorted((tmp_path / "states").glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    again = start(tmp_path)
    assert again.step == 2
    assert len(again.warnings) == 1
    assert "step-00000004" in again.warnings[0]
    again.run()
    assert same(weights(again), weights(straight[0]))


def test_a_fresh_run_starts_from_the_weights_of_a_model(start, straight, tmp_path):
    from coldray.checkpoint import write_tensors

    kept = {k: v.detach().numpy().astype(np.float16) for k, v in straight[0].plain_network.state_dict().items()}
    model = tmp_path / "model.safetensors"
    write_tensors(model, kept, {"format": "coldray-model"})
    recipe = straight[0].recipe.network
    run = start(tmp_path / "run", network={"settings": recipe.settings, "start": str(model)})
    for name, weight in run.network.state_dict().items():
        np.testing.assert_array_equal(weight.numpy(), kept[name].astype(np.float32))
    other = {"width": 24, "deep_width": 16, "blocks": [1, 1, 0], "embedding": 8}
    with pytest.raises(SettingsError, match="another network"):
        start(tmp_path / "other", network={"settings": other, "start": str(model)})


def test_another_network_does_not_resume_here(start, straight):
    with pytest.raises(SettingsError, match="another network"):
        start(straight[3], network={"settings": {"width": 24, "deep_width": 16, "blocks": [1, 1, 0], "embedding": 8}})


def test_the_average_follows_its_recursion_over_parameters_only():
    plain = torch.nn.BatchNorm1d(3)
    average = torch.optim.swa_utils.AveragedModel(plain, multi_avg_fn=_ema(OptimiserRecipe(ema=0.9)))
    expected = None
    for n in range(100):
        with torch.no_grad():
            plain.weight.copy_(torch.randn(3, generator=torch.Generator().manual_seed(n)))
            plain.running_mean.fill_(n)
        average.update_parameters(plain)
        value = plain.weight.detach().clone()
        decay = min(0.9, (1 + n) / (10 + n))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert torch.allclose(average.module.weight, expected, atol=1e-5)
    assert torch.equal(average.module.running_mean, plain.running_mean), "buffers are copied, not averaged"


def test_the_loop_averages_parameters_only(straight):
    run = straight[0]
    assert not run.average.use_buffers
    assert not same(weights(run), run.plain_network.state_dict())


@pytest.fixture
def other_precision():
    """Accelerate keeps one precision for a process; here another one for a test."""
    shared = AcceleratorState._shared_state
    kept = dict(shared)
    AcceleratorState._reset_state()
    yield
    shared.clear()
    shared.update(kept)


def test_what_is_scored_computes_as_what_is_exported(start, straight, other_precision, tmp_path):
    image, conditions = torch.randn(1, 3, 32, 32), torch.randn(1, len(straight[0].plain_network.embed[0].weight[0]))
    exact, coarse = straight[0], start(tmp_path / "bf16", optimiser={"precision": "bf16"})
    for network in (coarse.network, coarse.plain_network):
        network.load_state_dict(exact.plain_network.state_dict())
    with torch.no_grad():
        wanted = exact.plain_network.eval()(image, conditions)
        assert not torch.equal(coarse.network.eval()(image, conditions), wanted), "training is in bf16"
        assert torch.equal(coarse.plain_network.eval()(image, conditions), wanted)


def test_learning_rate_schedule():
    recipe = OptimiserRecipe(steps=100, warmup_steps=10, decay_steps=20)
    rate = np.array([schedule(recipe, s) for s in range(101)])
    np.testing.assert_allclose(rate[:10], np.arange(1, 11) / 10)
    np.testing.assert_allclose(rate[10:81], 1)
    assert rate[90] == pytest.approx(0.5)
    assert rate[100] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(rate[80:]) < 0)
    constant = OptimiserRecipe(steps=5, warmup_steps=0, decay_steps=0)
    assert [schedule(constant, s) for s in range(5)] == [1] * 5


def test_losses():
    target = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    estimate = target + torch.tensor([0.1, 0.2, 0.4])[:, None, None, None]
    for kind, expected in (("l1", 0.7 / 3), ("mse", 0.21 / 3), ("log_mse", np.log([0.01, 0.04, 0.16]).mean())):
        assert float(loss_of(OptimiserRecipe(loss=kind, border=0), estimate, target)) == pytest.approx(
            expected, rel=1e-3
        )
    estimate[..., :2, :] = 99
    assert float(loss_of(OptimiserRecipe(loss="mse", border=2), estimate, target)) == pytest.approx(0.07, rel=1e-3)


def test_log_mse_weighs_every_example_by_relative_improvement():
    target = torch.zeros(2, 1, 4, 4)
    error = torch.tensor([0.01, 1.0])[:, None, None, None].repeat(1, 1, 4, 4).requires_grad_()
    loss_of(OptimiserRecipe(loss="log_mse", border=0), target + error, target).backward()
    relative = (error * error.grad).sum(dim=(1, 2, 3)).detach().numpy()
    assert relative[0] == pytest.approx(relative[1], rel=0.01)


def test_a_few_steps_reduce_the_loss(start, tmp_path):
    run = start(
        tmp_path, optimiser={"steps": 30, "warmup_steps": 1, "decay_steps": 1, "learning_rate": 3e-3, "loss": "mse"}
    )
    held_out = [run._train.batch(10_000 + n) for n in range(4)]

    def score():
        with torch.no_grad():
            errors = [run.network(torch.from_numpy(c), torch.from_numpy(k)).numpy() - t for c, k, t in held_out]
        return float(np.mean(np.square(errors)))

    before = score()
    run.run()
    assert score() < before


def test_a_deeper_network_starts_as_the_shallower_one_it_is_given(start, straight, tmp_path):
    run, *_ = straight
    tensors = {name: weight.numpy() for name, weight in run.plain_network.state_dict().items()}
    write_tensors(tmp_path / "model.safetensors", tensors, {})
    given = {"start": str(tmp_path / "model.safetensors")}
    settings = {"width": 16, "deep_width": 16, "blocks": [1, 3, 1], "embedding": 8}
    deeper = start(tmp_path / "deeper", network={"settings": settings, **given})
    image, conditions = torch.randn(1, 3, 32, 32), torch.randn(1, len(run.plain_network.embed[0].weight[0]))
    with torch.no_grad():
        assert torch.equal(deeper.plain_network(image, conditions), run.plain_network(image, conditions))
    for other in ({"width": 16, "deep_width": 8}, {"width": 16, "deep_width": 16, "blocks": [1, 0, 1]}):
        with pytest.raises(SettingsError, match=r"network\.start: model\.safetensors holds another network"):
            start(tmp_path / "other", network={"settings": {"embedding": 8, "blocks": [1, 1, 0], **other}, **given})


@pytest.mark.parametrize("change", [{"learning_rate": 1e30}, {"learning_rate": 1e12, "loss": "mse"}])
def test_a_training_that_diverges_stops_and_spares_every_good_state(start, tmp_path, change):
    start(tmp_path, log={"save_every": 1, "validate_every": 1, "keep": 2}).run(stop_at=2)
    scores, states = (tmp_path / "scores.jsonl").read_bytes(), sorted(p.name for p in (tmp_path / "states").iterdir())
    again = start(tmp_path, log={"save_every": 1, "validate_every": 1, "keep": 2}, optimiser=change)
    with pytest.raises(TrainingError, match="diverged at step .*last good state is that after step 2; give a lower"):
        again.run()
    assert (tmp_path / "scores.jsonl").read_bytes() == scores
    assert sorted(p.name for p in (tmp_path / "states").iterdir()) == states and len(states) == 4
    later = start(tmp_path)
    assert later.step == 2 and not later.warnings
    assert all(torch.isfinite(w).all() for w in weights(later).values())


def test_the_best_scored_state_is_kept_beside_the_last(start, tmp_path):
    log = {"save_every": 1, "validate_every": 1, "keep": 1}
    start(tmp_path, log=log).run(stop_at=2)
    kept = json.loads((tmp_path / "scores.jsonl").read_text().splitlines()[1])
    better = {k: v + 50 if k.endswith("_psnr_db") else v for k, v in kept.items()}
    (tmp_path / "scores.jsonl").write_text(json.dumps(better) + "\n")
    start(tmp_path, log=log).run(stop_at=5)
    assert [p.stem for p in sorted((tmp_path / "states").glob("*.safetensors"))] == ["step-00000002", "step-00000005"]


def test_a_kill_while_scores_are_written_loses_none(start, tmp_path, monkeypatch):
    """Every rename of a second step may be the last thing the process did."""
    log = {"save_every": 1, "validate_every": 1}
    start(tmp_path, log=log).run(stop_at=2)
    replace, left = os.replace, 0
    for at in range(1, 6):
        count = 0

        def killing(*names, at=at):
            nonlocal count
            count += 1
            if count == at:
                raise KeyboardInterrupt
            return replace(*names)

        with monkeypatch.context() as broken:
            broken.setattr(os, "replace", killing)
            with pytest.raises(KeyboardInterrupt):
                start(tmp_path, log=log).run(stop_at=3)
        left = max(left, count)
        steps = [json.loads(line)["step"] for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
        assert steps[:2] == [1, 2] and start(tmp_path, log=log).step == 2
    assert left == 5, "scores as lines, as a table and as a picture, sum and state"
    start(tmp_path, log=log).run(stop_at=3)
    assert [s["step"] for s in start(tmp_path).scores()] == [1, 2, 3]


def test_a_teacher_counts_where_it_is_nearer_to_the_truth_and_only_there():
    """Closed form: the loss is that to the teacher plus the teacher's own where it errs less, else that to the truth."""
    recipe = OptimiserRecipe(loss="mse", border=1)
    truth = torch.zeros(3, 1, 6, 6)
    estimate = torch.full((3, 1, 6, 6), 0.3)
    answer = torch.stack([torch.full((1, 6, 6), value) for value in (0.1, 0.5, 0.1)])
    known = torch.tensor([True, True, False])
    expected = np.mean([0.2**2 + 0.1**2, 0.3**2, 0.3**2])
    assert float(loss_of(recipe, estimate, truth, (answer, known))) == pytest.approx(expected, rel=1e-5)
    assert float(loss_of(recipe, estimate, truth)) == pytest.approx(0.09, rel=1e-5)


def test_a_perfect_teacher_takes_the_noise_out_of_the_gradient():
    """Same mean of the gradient for the truth and for its conditional mean; without spread for the latter."""
    recipe, rng = OptimiserRecipe(loss="mse", border=0), np.random.default_rng(0)
    mean = torch.zeros(1, 1, 8, 8)

    def gradient(target, taught):
        value = torch.tensor(0.3, requires_grad=True)
        loss_of(recipe, value * torch.ones(1, 1, 8, 8), target, taught).backward()
        return float(value.grad)

    drawn = [torch.from_numpy(rng.normal(0, 0.1, (1, 1, 8, 8)).astype(np.float32)) for _ in range(200)]
    plain = [gradient(truth, None) for truth in drawn]
    taught = [gradient(truth, (mean, torch.tensor([True]))) for truth in drawn]
    assert np.std(taught) < 1e-6 < np.std(plain)
    assert np.mean(plain) == pytest.approx(np.mean(taught), abs=4 * np.std(plain) / np.sqrt(200))


def test_a_run_learns_from_the_shipped_model(start, tmp_path):
    run, alone = start(tmp_path / "taught", network={"teacher": "compact"}), start(tmp_path / "alone")
    run.run(stop_at=2)
    alone.run(stop_at=2)
    assert not same(weights(run), weights(alone))
    with pytest.raises(SettingsError, match="teacher needs a squared error"):
        start(tmp_path / "l1", network={"teacher": "compact"}, optimiser={"loss": "l1"})


def test_a_weighed_loss_is_the_plain_one_of_what_the_weights_repeat():
    rng = np.random.default_rng(0)
    estimate, target = (torch.from_numpy(rng.random((2, 1, 4, 6))) for _ in range(2))
    weight = torch.ones_like(target)
    for loss in ("mse", "log_mse", "l1"):
        recipe = OptimiserRecipe(loss=loss, border=0)
        plain = float(loss_of(recipe, estimate, target))
        assert float(loss_of(recipe, estimate, torch.cat([target, 3 * weight], 1))) == pytest.approx(plain)
        half = weight.clone()
        half[..., 3:] = 1e-12
        left = float(loss_of(recipe, estimate[..., :3], target[..., :3]))
        assert float(loss_of(recipe, estimate, torch.cat([target, half], 1))) == pytest.approx(left, rel=1e-5)
