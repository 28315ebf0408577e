"""The paper's training to the letter, on the small U-Net: noise-free Eq. 1, Adam at 2e-5, batches of 16; and its rows in the comparison.

    python benchmarks/letter.py train [--arms cold cold_T4 regression cdm] [--updates 5000]     (the same command resumes)
    python benchmarks/letter.py score [--arms cold] [--runs runs] [--out benchmarks/results/letter.json]     (rows of other arms are kept)

The recipes are paper.toml, paper_regression.toml and paper_cdm.toml with what `changes` sets. The rows stand on the first scenes of the full
comparison, frame by frame, so that they pair with those of results/paper. `python benchmarks/paper_pages.py` fills the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _numbers import short

from coldray import __version__
from coldray.benchmark.paper import scores
from coldray.benchmark.paper.contestants import BLURRED, Contestant
from coldray.benchmark.paper.markdown import grid
from coldray.benchmark.paper.record import Difference, Results
from coldray.benchmark.paper.scenes import ACQUIRED, EXPOSURES_S, KINDS, NOISE_FREE, BoardSet, Scene, board_scenes
from coldray.benchmark.paper.tables import label_of, number, signed
from coldray.files import write_text
from coldray.metrology.metrics import Convention, psnr_db, roi_snr, ssim
from coldray.training.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from coldray.restoration.model import Model

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "results" / "letter.json"
RECIPES = {"cold": "paper", "cold_T4": "paper", "regression": "paper_regression", "cdm": "paper_cdm"}
"""Recipe of every arm."""
LEVELS = {"cold_T4": 4}
"""T of training, where it is not the recipe's."""
UPDATES = 5000
SAMPLES = 8
AT_BEST = {"regression": "regression", "cold_4": "cold_small_4", "cold_1": "cold_small_1", "cdm_sample": "cdm_sample"}
"""Row of the comparison, with noise in training, that each row here stands beside."""


def changes(arm: str, updates: int = UPDATES) -> list[str]:
    """What is set beside the recipe: the small U-Net, which starts at the image that it corrects, and the patches it shares."""
    shown = "[0, 1], residual = 1" if arm == "cdm" else "[0], residual = 0"
    return [
        f'run="runs/letter_{arm}"',
        f"network.settings={{ width = 16, blocks = 1, kernel = 3, unshuffle = 2, told = [0], shown = {shown} }}",
        f"optimiser.steps={updates}",
        'data.folder="runs/small_patches"', "data.prepare.validation_patches=32",
        "log.validate_every=500", "log.save_every=250", *([f"example.levels={LEVELS[arm]}"] if arm in LEVELS else []),
    ]  # fmt: skip


def recipe_of(arm: str, updates: int = UPDATES) -> Recipe:
    """Recipe of an arm."""
    return read_recipe(ROOT / "configs" / f"{RECIPES[arm]}.toml", changes(arm, updates))


def train(arm: str, updates: int) -> None:
    """Train an arm, or go on with it."""
    from coldray.training.run import prepare_fields, start

    recipe = recipe_of(arm, updates)
    run = start(recipe, *(prepare_fields(recipe, role) for role in ("train", "validation")))
    run.run(
        lambda step, last, words: print(f"{arm}: {step} of {last}, {words}", flush=True) if step % 50 == 0 else None
    )


@dataclass(frozen=True)
class Arm:
    """One trained arm: its model, and what is kept of its training."""

    name: str
    model: Model
    training: dict[str, Any]


def arm_of(name: str, run: Path) -> Arm:
    """Write a run as a model into its folder, and read it; nothing is calibrated, K is 1."""
    from coldray.checkpoint import write_tensors
    from coldray.restoration.model import load_model
    from coldray.training.states import read_scores
    from coldray.training.trained import trained_model

    found = trained_model(run, f"letter_{name}")
    write_tensors(run / "model.safetensors", found.weights, found.header)
    model = load_model(str(run / "model.safetensors"))
    entries, training = read_scores(run), found.header["training"]
    curve = [{k: entry[k] for k in entry if k == "step" or k.endswith(("psnr_db", "ssim"))} for entry in entries]
    kept = {"updates": training["steps"], "of": UPDATES, "scores": curve}
    return Arm(name, model, kept | {"patches_per_s": pace(entries, training["recipe"]["optimiser"]["batch"])})


def pace(entries: Sequence[dict[str, Any]], batch: int) -> float | None:
    """Patches per second of the wall clock, validations included, in the quickest stretch between two validations."""
    stretches = [(b["step"] - a["step"]) * batch / (b["time"] - a["time"]) for a, b in pairwise(entries)]
    return max(stretches) if stretches else None


def rows_of(arm: Arm) -> list[Contestant]:
    """Ways to use an arm: as trained, and in the steps of the comparison."""
    if arm.name == "regression":
        return [Contestant("regression", "U-Net regression", "direct", {}, arm.model)]
    if arm.name == "cdm":
        return [
            Contestant("cdm_sample", "CDM, one sample", "ddim", {"steps": 10}, arm.model),
            Contestant("cdm_mean", f"CDM, mean of {SAMPLES}", "ddim", {"steps": 10, "samples": SAMPLES}, arm.model),
        ]
    trained = f"cold diffusion, T = {LEVELS[arm.name]} in training" if arm.name in LEVELS else "cold diffusion"
    return [
        Contestant(
            f"{arm.name}_{n}", f"{trained}, {n} step{'s' * (n > 1)}, K = 1", "cold", {"steps": n}, arm.model, "paper"
        )
        for n in (1, 4)
    ]


def score(arms: Sequence[Arm]) -> dict[str, Any]:
    """Rows of every arm on the comparison's scenes of acquired pairs and of pairs without noise, and the raw frame's."""
    contestants = [Contestant(BLURRED, "thick screen, as it is", None), *(c for arm in arms for c in rows_of(arm))]
    rows: list[dict[str, Any]] = []
    # all kinds are drawn: the noise of a frame depends on those before it
    for number_of_board, scenes in enumerate(board_scenes(BoardSet(), EXPOSURES_S, KINDS)):
        for scene in scenes:
            if scene.kind in (ACQUIRED, NOISE_FREE):
                rows += [row_of(scene, contestant, number_of_board) for contestant in contestants]
        print(f"scored: {scenes[0].board}", flush=True)
    return {
        "methods": {c.key: {"label": c.label} for c in contestants},
        "training": {arm.name: arm.training for arm in arms},
        "images": rows,
    }  # fmt: skip


def blocks(letter: dict[str, Any], results: Results) -> dict[str, str]:
    """Blocks of the page: what was trained, its rows beside those at their best on the same boards, and what tells them apart."""
    boards = {row["board"] for row in letter["images"]}
    theirs = [row for row in results["images"] if row["board"] in boards]
    return {
        "letter": _made(letter),
        "letter_scores": _scores(letter, results, theirs),
        "letter_differences": _differences(letter, results, theirs),
    }


def _made(letter: dict[str, Any]) -> str:
    said = [
        f"{name} {run['updates']} of {run['of']} updates of 16 (validation without noise, PSNR [dB] at "
        + ", ".join(
            f"{s['step']}: {next(v for k, v in s.items() if k.endswith('psnr_db') and 'wiener' not in k):.2f}"
            for s in run["scores"]
        )
        + f"; {run['patches_per_s']:.0f} patches per second)"
        for name, run in letter["training"].items()
    ]
    return f"Undertrained: {'; '.join(said)}."


def _cells() -> list[tuple[str, float]]:
    return [(ACQUIRED, e) for e in EXPOSURES_S] + [(NOISE_FREE, max(EXPOSURES_S))]


def _heads() -> list[str]:
    return [*(f"{e:g} s" for e in EXPOSURES_S), "without noise"]


def _scores(letter: dict[str, Any], results: Results, theirs: Sequence[Any]) -> str:
    """PSNR / SSIM of every row, the noise in a flat box over that of the raw frame, and the row at its best under it."""
    lines = []
    for key, method in letter["methods"].items():
        lines.append((method["label"] + ", to the letter" * (key != BLURRED), *_line(letter["images"], key)))
        best = AT_BEST.get(key)
        if best in results["methods"]:
            lines.append((label_of(results, best), *_line(theirs, best)))
    lines.append((label_of(results, "wiener_scalar"), *_line(theirs, "wiener_scalar")))
    return grid(("method", *_heads(), *(f"noise over the raw frame's at {e:g} s" for e in EXPOSURES_S)), lines)


def _line(rows: Sequence[Any], key: str) -> list[str]:
    shown = []
    for kind, exposure in _cells():
        here = _here(rows, kind, exposure)
        shown.append(
            " / ".join(
                number(float(np.mean(list(scores.values_of(here, key, field).values()))), digits)
                for field, digits in (("psnr_db_truth", 2), ("ssim_truth", 4))
            )
        )
    return shown + [_noise(_here(rows, ACQUIRED, e), key) for e in EXPOSURES_S]


def _noise(here: Sequence[Any], key: str) -> str:
    """Geometric mean over boards of the noise in the first flat box, over that of the raw frame."""
    mine, raw = (scores.values_of(here, k, "snr_box_1") for k in (key, BLURRED))
    return number(float(np.exp(np.mean([np.log(raw[b] / mine[b]) for b in mine]))), 2)


def _here(rows: Sequence[Any], kind: str, exposure: float) -> list[Any]:
    return [r for r in rows if r["kind"] == kind and r["exposure_s"] == exposure]


def _differences(letter: dict[str, Any], results: Results, theirs: Sequence[Any]) -> str:
    """Paired by board: sampler against regression and more steps against one, to the letter; and the letter against each at its best."""
    best = [{**row, "method": f"best {row['method']}"} for row in theirs]
    names = {key: m["label"] + ", to the letter" for key, m in letter["methods"].items()}
    names |= {
        f"best {key}": str(m["label"]) + ", at its best" * (key in AT_BEST.values())
        for key, m in results["methods"].items()
    }
    asked = [("cold_1", "regression"), ("cold_4", "regression"), ("cold_4", "cold_1"),
             ("cold_T4_1", "cold_1"), ("cold_T4_4", "cold_4"), ("cdm_sample", "regression"), ("cdm_mean", "cdm_sample"),
             ("cold_4", "best cold_small_4"), ("regression", "best regression"), ("cold_4", "best wiener_scalar")]  # fmt: skip
    lines = []
    for key, against in asked:
        for field, name, digits in (("psnr_db_truth", "PSNR [dB]", 2), ("ssim_truth", "SSIM", 3)):
            found = []
            for kind, exposure in _cells():
                here = _here([*letter["images"], *best], kind, exposure)
                one = scores.paired(here, key, against, field)
                entry: Difference | None = (
                    None if one is None else scores.differs(key, against, exposure, field, one, "")
                )
                found.append(signed(entry, digits, bold=True))
            if any(text != "–" for text in found):
                lines.append((f"{names[key]} minus {names[against]}: {name}", *found))
    return grid(("difference", *_heads()), lines)


def main() -> None:
    """Train arms, or score what was trained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("train", "score"))
    parser.add_argument("--arms", nargs="+", choices=[*RECIPES], default=[*RECIPES])
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=KEPT)
    asked = parser.parse_args()
    if asked.verb == "train":
        for arm in asked.arms:
            train(arm, asked.updates)
        return
    there = [name for name in asked.arms if (asked.runs / f"letter_{name}").is_dir()]
    found = score([arm_of(name, asked.runs / f"letter_{name}") for name in there])
    if asked.out.exists():
        found = merged(json.loads(asked.out.read_text(encoding="utf-8")), found)
    told = {"coldray": __version__, "date": date.today().isoformat(), "command": "python benchmarks/letter.py score"}
    write_text(asked.out, json.dumps(short(told | found), separators=(",", ":"), allow_nan=False) + "\n")


def row_of(scene: Scene, contestant: Contestant, number_of_board: int) -> dict[str, Any]:
    """PSNR, SSIM and SNR of one frame, as the comparison has them."""
    frame = scene.frame(learns=contestant.model is not None)
    out = contestant.restore(frame, scene.degradation(), random_state=(2026, number_of_board))
    truth, how = scene.truths["truth"], Convention()
    row: dict[str, Any] = {
        "method": contestant.key,
        "board": scene.board,
        "kind": scene.kind,
        "exposure_s": scene.exposure_s,
    }
    row |= {"psnr_db_truth": psnr_db(out.image, truth, how), "ssim_truth": ssim(out.image, truth, how)}
    return row | {f"snr_box_{n}": roi_snr(out.image, box) for n, box in enumerate(scores.flat_boxes(truth)[:1], 1)}


def merged(kept: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Rows of both; of an arm that both hold, the new ones."""
    images = [row for row in kept["images"] if row["method"] not in new["methods"]] + new["images"]
    return {
        "methods": kept["methods"] | new["methods"],
        "training": kept["training"] | new["training"],
        "images": images,
    }


if __name__ == "__main__":
    main()
