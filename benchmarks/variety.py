"""Score against data variety: one network, one number of updates, more and more training fields.

python benchmarks/variety.py --fields runs/fields [--counts 8 32 128 736] [--updates 500] [--threads 1] [--out benchmarks/results/variety.json]
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from datetime import date
from pathlib import Path

import torch

from coldray.dataset.fields import FieldSet
from coldray.training.loop import Training
from coldray.training.pairs import PairSource
from networks import DESIGNS, now, recipe_of

DESIGN = "128, blocks 1-2-1"


class FirstFields:
    """The first fields of a set."""

    def __init__(self, fields: FieldSet, count: int) -> None:
        self._fields, self._count = fields, count

    def __iter__(self):
        return itertools.islice(iter(self._fields), self._count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=Path, required=True, help="folder with train/ and validation/")
    parser.add_argument("--counts", type=int, nargs="*", default=[8, 32, 128, 736])
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = recipe_of(DESIGNS[DESIGN], given.updates)
    validation = PairSource(FieldSet(given.fields / "validation"), recipe)
    rows = []
    for count in given.counts:
        source = PairSource(FirstFields(FieldSet(given.fields / "train"), count), recipe)
        began = now()
        with tempfile.TemporaryDirectory() as folder:
            run = Training(recipe, source, validation, Path(folder) / "run")
            losses = []
            while run.step < given.updates:
                # private on purpose: the loop without its states and validations
                losses.append(run._update(*source.batch(run.step)))
                run.step += 1
            row = {"fields": len(source), "minutes": round((now() - began) / 60, 2)}
            row |= {"last_training_loss": round(sum(losses[-100:]) / len(losses[-100:]), 3)}
            rows.append(row | {key: round(value, 4) for key, value in run.validate().items()})
        print(json.dumps(rows[-1]), flush=True)
    if given.out:
        note = {"date": date.today().isoformat(), "design": DESIGN, "updates": given.updates, "threads": given.threads}
        given.out.write_text(json.dumps(note | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
