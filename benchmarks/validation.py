"""A model on the validation fields of a training: what gate and gain cost, and its network alone against another's. Simulated.

python benchmarks/validation.py MODEL --config configs/compact.toml --fields runs/fields_defects [--against compact-0.1] [-o FILE]
    [--against-only]

Price, on the fields before the built-in pair: PSNR with data range 1 (open beam) and SSIM of the default minus those of the same network
without gate and gain, by the least share of the data-consistency gain where the gate is open. Against: PSNR of the
network everywhere, without gain, minus that of another model's: means by group, and over all fields mean, standard error and
median, since a few smooth objects of more than 60 dB can make a mean alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import _one_thread  # noqa: F401
import numpy as np

from coldray.dataset.fields import FieldSet
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.objects.kinds import KINDS
from coldray.restoration.estimate import estimate
from coldray.restoration.gate_constants import OpenShare
from coldray.restoration.job import Job
from coldray.restoration.model import load_model
from coldray.training.pairs import PairSource
from coldray.training.recipe import read_recipe

SHARES = (0.2, 0.3, 0.4, 0.5, 0.6)
EXPOSURES_S = (1.0, 0.25, 0.05)
SIDE = 320
BUILT_IN = {"sharp_shape": None, "pixel_pitch_mm": 0.048, "sharp_loading_mg_cm2": 33.91}


PRICED = ("boards", "other objects")


class Shared:
    """A model with another share."""

    def __init__(self, model, share):
        self._model = model
        self.even = replace(model.even, open_share=(OpenShare(share),))

    def __getattr__(self, name):
        return getattr(self._model, name)


def scores(image, truth):
    """PSNR [dB] and SSIM."""
    convention = Convention(match_gain=False)
    return np.array([psnr_db(image, truth, convention), ssim(image, truth, convention)])


def alone(model):
    """The network everywhere, without gain and safeguards."""
    return Job(method="cold", model=model, even="network", gain="network", safeguards=False)


def grouped(fields):
    """Numbers of the fields by kind of object and pair."""
    groups = {}
    for number, (_, note) in enumerate(fields):
        kind = "other objects" if note["board"].split("-")[0] in KINDS else "boards"
        pair = "" if all(note["pair"][key] == value for key, value in BUILT_IN.items()) else ", other pairs"
        groups.setdefault(kind + pair, []).append(number)
    return groups


def against(model, other, source, groups):
    """PSNR of a network minus another's, by exposure [dB]: means by group, and what all fields say together."""
    gains, every = {}, {}
    for group, numbers in sorted(groups.items()):
        for exposure in EXPOSURES_S:
            found = []
            for number in numbers:
                pair, degradation = source.pair(number, np.random.default_rng([11, number]), exposure, SIDE)
                ours, theirs = (
                    scores(estimate(pair.frame, degradation, alone(one)).image, pair.sharp)[0] for one in (model, other)
                )
                found.append(ours - theirs)
            gains.setdefault(group, {})[f"{exposure:g} s"] = round(float(np.mean(found)), 3)
            every.setdefault(f"{exposure:g} s", []).extend(found)
            print(
                f"{group:26s} {exposure:4g} s  {len(numbers)} fields  network against network {np.mean(found):+.2f} dB",
                flush=True,
            )
    told = {name: together(found) for name, found in every.items()}
    for name, said in told.items():
        print(f"{'all':26s} {name:>6s}  " + "  ".join(f"{key} {value:+.3f}" for key, value in said.items()))
    return {"psnr_db": gains, "all_fields": told}


def together(found):
    """Mean, its standard error and median, and how many fields are better."""
    found = np.array(found)
    error = found.std(ddof=1) / np.sqrt(len(found))
    said = {
        "mean_db": found.mean(),
        "standard_error_db": error,
        "median_db": np.median(found),
        "better": (found > 0).mean(),
    }
    return {key: round(float(value), 3) for key, value in said.items()}


def main():
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--fields", type=Path, required=True)
    parser.add_argument("--against", help="another model, by name or file")
    parser.add_argument("--against-only", action="store_true", help="leave the price out")
    parser.add_argument("-o", "--out", type=Path)
    chosen = parser.parse_args()
    model, fields = load_model(chosen.model), FieldSet(chosen.fields / "validation")
    source = PairSource(fields, read_recipe(chosen.config))
    groups = grouped(fields)
    table = {}
    for group in () if chosen.against_only else PRICED:
        for exposure in EXPOSURES_S:
            numbers = groups.get(group, [])
            found = {share: [] for share in SHARES}
            for number in numbers:
                pair, degradation = source.pair(number, np.random.default_rng([11, number]), exposure, SIDE)
                bare = scores(estimate(pair.frame, degradation, alone(model)).image, pair.sharp)
                for share in SHARES:
                    job = Job(method="cold", model=Shared(model, share))
                    found[share].append(scores(estimate(pair.frame, degradation, job).image, pair.sharp) - bare)
            row = {share: np.mean(each, axis=0).round(4).tolist() for share, each in found.items() if each}
            table.setdefault(group, {})[f"{exposure:g} s"] = row
            said = "  ".join(f"{share:g}: {db:+.3f} dB {s:+.4f}" for share, (db, s) in row.items())
            print(f"{group:14s} {exposure:4g} s  {len(numbers)} fields  {said}", flush=True)
    other = None if chosen.against is None else load_model(chosen.against)
    gains = {} if other is None else against(model, other, source, groups)
    if chosen.out is not None:
        note = {"date": date.today().isoformat(), "kind": "simulated", "model": model.sha256}
        note |= {"fields": {k: len(v) for k, v in groups.items()}, "columns": ["psnr_db", "ssim"], "shares": table}
        if other is not None:
            note["against"] = {"model": other.sha256, **gains}
        chosen.out.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
