"""Two processes are one with the doubled batch."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from coldray.dataset.fields import FieldRecipe

pytestmark = [pytest.mark.torch, pytest.mark.slow]

STEPS = 6
RECIPE = """
method = "direct"
random_state = 3
run = "run"
[data]
window = 64
margin = 16
folder = "{folder}"
train_fields = 2
validation_fields = 1
field_size = 80
[network]
settings = {{ width = 16, deep_width = 16, blocks = [1, 1, 0], embedding = 8 }}
[optimiser]
steps = {steps}
batch = {batch}
learning_rate = 1e-3
warmup_steps = 2
decay_steps = 2
border = 4
precision = "fp32"
threads = 1
[log]
validate_every = 1
save_every = 3
"""


def trained(folder, fields, batch, *launcher):
    """Losses of a run by the command, and of the same command again, which has nothing left to do."""
    folder.mkdir()
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(folder=fields.as_posix(), batch=batch, steps=STEPS))
    source = str(next(p for p in map(os.path.abspath, sys.path) if os.path.isdir(os.path.join(p, "coldray"))))
    around = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": source, "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, *launcher, "-m", "coldray", "train", "recipe.toml", "--json"]
    done = subprocess.run(words, cwd=folder, env=around, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [t["steps"] for t in told] == [STEPS], "one process speaks"
    scores = [json.loads(line) for line in (folder / "run" / "scores.jsonl").read_text().splitlines()]
    assert [s["step"] for s in scores] == list(range(1, STEPS + 1))
    return np.array([s["loss"] for s in scores]), scores[-1]["direct_1s_psnr_db"]


@pytest.fixture
def made(fields, tmp_path):
    """The fields as a recipe's own, so that a training keeps them."""
    for one in fields:
        role = one.folder.name
        shutil.copytree(one.folder, tmp_path / "fields" / role)
        for path in (tmp_path / "fields" / role).glob("*.json"):
            recipe = FieldRecipe(role, int(path.stem), size=80, real_share=0.0)
            path.write_text(json.dumps(json.loads(path.read_text()) | {"recipe": asdict(recipe)}))
    return tmp_path / "fields"


def test_two_processes_have_the_loss_curve_of_the_doubled_batch(made, tmp_path):
    together = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    two, score_of_two = trained(tmp_path / "two", made, 2, *together)
    one, score_of_one = trained(tmp_path / "one", made, 4)
    # the same examples; sums of gradients are taken in another order
    np.testing.assert_allclose(two, one, rtol=1e-3)
    assert score_of_two == pytest.approx(score_of_one, abs=0.01)
