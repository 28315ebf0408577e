"""The comparison after new weights of the main model: its rows and the linear ones are run, those of its peers are kept.

    python benchmarks/paper_renew.py OUT [-m FILE] [--workers N] && python benchmarks/paper_pages.py OUT

The peers' networks (`contestants.PEERS`) take two thirds of `coldray benchmark paper --full`, and no weight of theirs moves with the
model's. What is kept of them stands only beside scenes and code like those it was measured with, or nothing is written: the settings,
the peers' own descriptions and every score of the raw frames and linear estimates must be what they were, and so must the score of every
peer on the board that is shown, since its images and the walk of Fig. 1 are drawn by all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _numbers import short
from paper_pages import KEPT, OF_IMAGES

from coldray.benchmark.paper.contestants import Contestant, peers
from coldray.benchmark.paper.marks import judge_marks
from coldray.benchmark.paper.path import Pictures, path_of
from coldray.benchmark.paper.plan import PaperSettings
from coldray.benchmark.paper.report import write_paper
from coldray.benchmark.paper.run import line_up, run_paper, step_line_up
from coldray.benchmark.paper.scores import comparisons, headline
from coldray.document import plain_table
from coldray.metrology.metrics import Convention, psnr_db
from coldray.restoration.model import Model, load_model

SCORES = tuple(name for name in OF_IMAGES if not name.startswith("cpu"))
"""What a row of an image holds that does not depend on the machine's pace."""
LEAST_DIFFERENCE = 1e-4
"""Relative; two machines' rounding is less."""


def unlike(kept: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """Why rows that are kept do not stand beside a run, in words; None if they do."""
    if any(kept[name] != found[name] for name in ("settings", "convention")):
        return "the comparison that is kept has other settings"
    linear = {key for key, method in found["methods"].items() if method["model"] is None}
    before, now = (
        {(r["method"], r["board"], r["kind"], r["exposure_s"]): r for r in one["images"] if r["method"] in linear}
        for one in (kept, found)
    )
    if before.keys() != now.keys():
        return "the comparison that is kept has other boards, or other linear estimates"
    for place, row in now.items():
        for name in SCORES:
            old, new = before[place].get(name), row.get(name)
            if differ(old, new):
                return f"{name} of {', '.join(map(str, place))} is {new}, was {old}"
    return None


def differ(old: Any, new: Any) -> bool:
    """Whether two scores, or two names, are not the same."""
    if isinstance(old, float) and isinstance(new, float):
        return abs(new - old) > LEAST_DIFFERENCE * max(abs(new), abs(old))
    return bool(old != new)


def peers_unlike(joined: Mapping[str, Any], pictures: Pictures) -> str | None:
    """Which peer does not make of the board that is shown what it made of it, in words; None if all do."""
    scene = pictures["scene"]
    for row in joined["images"]:
        here = (row["board"], row["kind"], row["exposure_s"]) == (scene.board, scene.kind, scene.exposure_s)
        if here and row["method"] in joined["kept"]["methods"]:
            old, new = (
                row["psnr_db_truth"],
                psnr_db(pictures["images"][row["method"]], scene.truths["truth"], Convention()),
            )
            if differ(old, new):
                return f"{row['method']} gives {new:.6g} dB on {scene.board}, gave {old:.6g}"
    return None


def renewed(
    kept: Mapping[str, Any], found: Mapping[str, Any], order: Sequence[str], samplers: Sequence[str]
) -> dict[str, Any]:
    """A run without peers, with theirs of the comparison that is kept in their places.

    Parameters
    ----------
    kept, found : dict
        Results of `run_paper`: of everyone, and of all but the peers.
    order, samplers : sequence of str
        Keys of all rows, and of all of quality against steps, in the order of the tables.

    Raises
    ------
    SystemExit
        If the two are not of the same scenes, settings and linear estimates.
    """
    refuse(unlike(kept, found))
    theirs = [key for key in order if key not in found["methods"]]
    rank = {key: n for n, key in enumerate(order)}
    out = dict(found)
    out["methods"] = {key: found["methods"].get(key) or kept["methods"][key] for key in order}
    cells = list(dict.fromkeys((e["kind"], e["exposure_s"]) for e in found["summary"]))
    for name in ("summary", "images"):
        rows = [*found[name], *(row for row in kept[name] if row["method"] in theirs)]
        out[name] = sorted(
            rows,
            key=lambda r: (cells.index((r["kind"], r["exposure_s"])), r.get("board", ""), rank[r["method"]]),
        )
    labels = {key: method["label"] for key, method in out["methods"].items()}
    out["paired"] = comparisons(out["images"], labels)
    out["verdicts"] = headline(out["paired"])
    steps = {(e["sampler"], e["steps"]): e for e in (*kept["steps"], *found["steps"])}
    out["steps"] = [steps[sampler, int(taken)] for sampler, _, taken in (key.partition("|") for key in samplers)]
    out["fourier"] = [
        one
        | {"methods": {k: (one if k in one["methods"] else old)["methods"][k] for k in order if k in old["methods"]}}
        for one, old in zip(found["fourier"], kept["fourier"], strict=True)
    ]
    out["absent"] = kept["absent"]
    # rows that were kept already are as old, and have cost as much, as they were and had
    whole = kept.get("kept", kept)
    out["kept"] = {"methods": theirs, "date": whole["date"], "part_cpu_seconds": whole["part_cpu_seconds"]}
    out["marks"] = judge_marks(out)
    return out


def refuse(why: str | None) -> None:
    """End where rows that are kept do not stand."""
    if why is not None:
        raise SystemExit(f"the peers' rows do not stand beside this run: {why}; run coldray benchmark paper --full")


def with_peers(pictures: Pictures, found: Mapping[str, Any], rows: Sequence[Contestant], model: Model) -> Pictures:
    """The images of the board that is shown by everyone, and its walk."""
    scene, images = pictures["scene"], dict(pictures["images"])
    # the run's own order, by which draws are seeded
    heats = list(dict.fromkeys((r["board"], r["kind"], r["exposure_s"]) for r in found["images"]))
    number = heats.index((scene.board, scene.kind, scene.exposure_s))
    for one in rows:
        if one.key not in images:
            frame = scene.frame(model.prior, one.screen, learns=one.model is not None)
            degradation, state = scene.degradation(one.screen), (2026, number)
            images[one.key] = one.restore(frame, degradation, exposure_s=scene.exposure_s, random_state=state).image
    ordered = {one.key: images[one.key] for one in rows}
    return {"scene": scene, "images": ordered, "path": path_of(scene, model, peers(), found["settings"]["steps"])}


def main() -> None:
    """Run what moves with the model, join the rest, write the folder of a comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder that paper_pages.py takes")
    parser.add_argument("-m", "--model", help="the shipped one by default")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    model, settings = load_model(asked.model), PaperSettings.full()
    kept = json.loads((KEPT / "results.json").read_text(encoding="utf-8"))
    rows = line_up(model, peers(), settings)
    changed = [
        c.key
        for c in rows
        if c.model is not None and c.model.sha256 != model.sha256 and kept["methods"].get(c.key) != short(c.to_json())
    ]
    if changed:
        raise SystemExit(f"other networks or settings than those that are kept: {', '.join(changed)}")
    found, pictures = run_paper(model, {}, settings, say=lambda words: print(words, flush=True), workers=asked.workers)
    plain = short(json.loads(json.dumps(plain_table(found))))
    joined = renewed(kept, plain, [c.key for c in rows], [c.key for c in step_line_up(model, peers(), settings)])
    shown = with_peers(pictures, found, rows, model)
    refuse(peers_unlike(joined, shown))
    write_paper(asked.out, joined, shown, "coldray benchmark paper --full")


if __name__ == "__main__":
    main()
