"""Every mark of trust for one model, in cells that are kept: a run that is cut goes on where it stopped.

python benchmarks/trust_marks.py [MODEL] [--plan] [--only insertion removal ...] [--scale 0.05] [--budget 600]
    [--work runs/trust_marks] [--out benchmarks/results/trust_marks.json] [--fresh]

The expected core-seconds of every cell are printed first, from the time that one frame takes here; --plan ends there. Each finished
cell is a JSON file under --work, named by the hashes of the model and its header, its counts and the build; the same command takes it as done. --budget ends
the run before a cell that would begin beyond so many core-seconds. --scale shrinks all counts to try it out: a table of a
smaller scale says so and judges nothing.

Faint and wide structure on even ground: `faint.py`, whose frames are kept too. Insertion reads six kinds of defect from
one frame, 48 px apart; a network that reaches farther, or a gate that smooths wider, sees neighbours, as it would in a
part with many flaws. Everything is simulated but the real images, whose blur and noise are synthetic.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import faint
import numpy as np
import real_images

from coldray.app.build import build
from coldray.benchmark.paper import fourier, scores, trust
from coldray.benchmark.paper.characterisation import CNRS, QUESTIONS, told_apart
from coldray.benchmark.paper.contestants import BLURRED, DEFAULT, WIENER, Contestant, classical, learned
from coldray.benchmark.paper.detection import LEAST_DIFFERENCE, noisy
from coldray.benchmark.paper.efficiency import LOSSLESS, measure_efficiency
from coldray.benchmark.paper.invention import ground, invented
from coldray.benchmark.paper.questions import invention
from coldray.benchmark.paper.scenes import ACQUIRED, BoardSet, board_scenes, paper_blend, paper_pair
from coldray.benchmark.statistics import interval
from coldray.document import plain
from coldray.files import write_text
from coldray.physics.noise import NoiseModel
from coldray.restoration.model import Model, load_model
from coldray.settings import EVEN_LINEAR

EXPOSURES_S = (1.0, 0.25, 0.05)
POOLED_MARK = -0.015
PRICE_DB, PRICE_SSIM = 0.12, 0.007
EDGE_NOISE = 1.05
TTF_RATIO = 0.75
CTF_FINE, CTF_COARSE = 0.06, 0.03
REMOVAL_BOARDS, BOARDS_PER_CELL = 70, 10
BARE, UNGAINED = "bare", "ungained"
"""Keys of the same network without gate and gain, and with the gate alone."""


@dataclass(frozen=True)
class Cell:
    """One piece of the table.

    Parameters
    ----------
    question, name : str
    boards, drawn, flats : float
        How many restorations of a frame of 320 x 320 pixels with structure, drawn boards, and restorations of even ground it takes.
    run : callable
        Gives what is measured, JSON-able.
    """

    question: str
    name: str
    boards: float
    drawn: float
    flats: float
    run: Callable[[], dict[str, Any]]


class Table:
    """The cells of one model."""

    def __init__(self, model: Model, scale: float, work: Path) -> None:
        by_key = {c.key: c for c in [*classical(), *learned(model, 1)]}
        self.model, self.scale, self.work = model, scale, work
        self.raw, self.wiener, self.default = (by_key[key] for key in (BLURRED, WIENER, DEFAULT))
        self.bare = Contestant(BARE, "the same network without gate and gain", "cold", {}, model, gain="network")
        self.ungained = Contestant(UNGAINED, "the default without gain", "cold", {}, model, "network", EVEN_LINEAR)
        self.prior = model.prior

    def count(self, wanted: int, least: int) -> int:
        """A count at this scale."""
        return max(least, round(wanted * self.scale))

    def cells(self) -> Iterator[Cell]:
        """All cells, those that decide most first: a run that is cut has answered them."""
        yield from self._faint(wide=False)
        yield from self._even()
        yield from self._faint(wide=True)
        yield from self._boards()
        yield from self._invention()
        yield from self._removed()
        yield from self._characterisation()
        repeats = self.count(100, 8)
        yield Cell("fourier", "fourier", 2.2 * repeats, 0, 0, lambda: self._fourier(repeats))
        yield from self._real_images()

    def _faint(self, wide: bool) -> Iterator[Cell]:
        frames = self.work / "frames"
        frames.mkdir(parents=True, exist_ok=True)
        pairs = self.count(400 if wide else 2000, 60)
        sites = pairs / (4 if wide else 36)
        for e in EXPOSURES_S:
            for cell in (c for c in faint.CELLS if c.wide == wide):
                yield Cell("wide" if wide else "faint", f"{cell.name} {e:g} s", sites, 0, 3 * sites, lambda c=cell, e=e: {
                    "cells": faint.run_cell(c, e, pairs, [self.raw, self.default], self.model, frames)})  # fmt: skip

    def _even(self) -> Iterator[Cell]:
        flats = self.count(40, 6)
        for e in EXPOSURES_S:
            yield Cell("eta", f"eta {e:g} s", 0, 0, flats / 2, lambda e=e: {
                "eta": measure_efficiency([self.default], (e,), flats, self.prior)[0]})  # fmt: skip
        yield Cell("blank", "blank", 0, 0, 2, lambda: trust.blank(self.default, self.prior, 1.0))
        for e in EXPOSURES_S:
            recipe = trust.TrustRecipe(flats=flats, flat_exposures_s=(e,))
            yield Cell("flat", f"flat {e:g} s", 0, 0, flats / 2, lambda r=recipe: trust.flat(
                self.default, r, self.prior))  # fmt: skip

    def _boards(self) -> Iterator[Cell]:
        some = BoardSet(count=self.count(12, 2))
        for e in EXPOSURES_S:
            yield Cell("price", f"price {e:g} s", 2 * some.count, 2 * some.count, 0, lambda e=e: self._price(e, some))
        pairs, boards = self.count(1000, 12), BoardSet(count=self.count(6, 1))
        for e in EXPOSURES_S:
            recipe = trust.TrustRecipe(exposure_s=e, pairs=pairs, boards=boards)
            yield Cell("insertion", f"insertion {e:g} s", pairs / 2, boards.count, 0, lambda r=recipe: trust.insertion(
                self.default, [image for _, image in r.boards.sharp_truths()], r, self.prior))  # fmt: skip

    def _invention(self) -> Iterator[Cell]:
        recipe = trust.TrustRecipe(repeats=self.count(100, 12))
        yield Cell("invention", "invention", recipe.repeats, 0, recipe.repeats, lambda: self._invented(recipe))

    def _removed(self) -> Iterator[Cell]:
        for number in range(self.count(REMOVAL_BOARDS, 10) // BOARDS_PER_CELL):
            some = BoardSet(count=BOARDS_PER_CELL, random_state=31 + number)
            yield Cell("removal", f"removal {number}", 2 * some.count, 3 * some.count, 0, lambda some=some: self._removal(
                some))  # fmt: skip

    def _characterisation(self) -> Iterator[Cell]:
        pairs = self.count(1000, 36)
        for question in QUESTIONS:
            for cnr in CNRS:
                yield Cell("characterisation", f"{question} {cnr:g}", pairs / 36, 0, pairs / 36, lambda q=question, c=cnr: {
                    "cells": told_apart(self.default, q, c, 1.0, pairs, self.prior)})  # fmt: skip

    def _real_images(self) -> Iterator[Cell]:
        real = Path(__file__).parents[2] / "shared" / "data" / "real"
        for name in real_images.IMAGES if self.scale >= 1 else ():
            if (real / name).is_file():
                yield Cell("real images", f"real {Path(name).stem}", 60, 0, 0, lambda n=name: self._real(real / n))

    def _invented(self, recipe: trust.TrustRecipe) -> dict[str, Any]:
        wiener = invented(
            self.wiener, ground(), recipe.exposure_s, recipe.repeats, self.prior, random_state=recipe.random_state
        )
        return invention(self.default, recipe, self.prior, wiener)

    def _removal(self, some: BoardSet) -> dict[str, Any]:
        recipe = trust.TrustRecipe(boards=some)
        parts = list(trust.removed_parts(some))
        return {who.key: trust.removal(who, parts, recipe, self.prior) for who in (self.wiener, self.default)}

    def _price(self, exposure_s: float, some: BoardSet) -> dict[str, Any]:
        rows = []
        for number, scenes in enumerate(board_scenes(some, (exposure_s,), (ACQUIRED,))):
            for scene in scenes:
                rows += scores.score_scene(
                    scene, [self.wiener, self.bare, self.ungained, self.default], number, self.prior
                )
        fields = ("psnr_db_same_response", "ssim_same_response", "psnr_db_curve", "psnr_db_truth")
        found = {
            f"{field} over {other}": scores.paired(rows, DEFAULT, other, field)
            for other in (BARE, WIENER)
            for field in fields
        }
        field = "psnr_db_same_response"
        bare, gate, both = (scores.values_of(rows, key, field) for key in (BARE, UNGAINED, DEFAULT))
        by_board = {
            board: {
                "bare_db": bare[board],
                "gate_db": gate[board] - bare[board],
                "gate_and_gain_db": both[board] - bare[board],
            }
            for board in bare
        }
        named = {name: difference.to_json() for name, difference in found.items() if difference is not None}
        return named | {"by_board": by_board}

    def _fourier(self, repeats: int) -> dict[str, Any]:
        recipe = fourier.FourierRecipe(repeats=repeats, bar_repeats=max(4, repeats // 4))
        found = fourier.measure([self.raw, self.default], recipe, self.prior)
        mine = found["methods"][DEFAULT]
        half = {t["contrast"]: t.get("ttf50_lp_mm") for t in mine["transfers"] if t["angle_deg"] == fourier.ANGLE_DEG}
        noise = {who: found["methods"][who]["noise"]["0.8"]["edge_sd"] for who in (BLURRED, DEFAULT)}
        flat = {who: found["methods"][who]["noise"]["0.8"]["ratio"] for who in (BLURRED, DEFAULT)}
        return {
            "ttf50_lp_mm": half,
            "edge_sd": noise,
            "edge_over_flat": flat,
            "ctf_difference": mine["marks"]["ctf_difference"],
        }

    def _real(self, path: Path) -> dict[str, Any]:
        sharp, out = real_images.read_sharp(path), {}
        for exposure_s in EXPOSURES_S:
            images, found = real_images.at_exposure(sharp, self.model, exposure_s)
            out[f"{exposure_s:g} s"] = {"scores": real_images.scored(images, sharp)} | real_images.said(found)
        return out


def unit_costs(table: Table) -> tuple[float, float, float]:
    """Core-seconds of a frame with structure, of a drawn board, and of a frame of even ground, 320 x 320 pixels each."""
    noise, rng = NoiseModel.of_detector(paper_pair().blurred, 0.25), np.random.default_rng(0)
    began = time.process_time()
    _, board = next(iter(BoardSet(count=1).sharp_truths()))
    drawn = time.process_time() - began
    spent = []
    for image in (board, np.full(board.shape, 0.6, dtype=np.float32)):
        frames = [noisy(image, noise, rng, table.prior) for _ in range(3)]
        table.default.restore(frames[0], paper_blend())
        began = time.process_time()
        for frame in frames[1:]:
            table.default.restore(frame, paper_blend())
        spent.append((time.process_time() - began) / 2)
    return spent[0], drawn, spent[1]


def judged(question: str, found: dict[str, dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """Marks of a question: words, what was measured, and whether it is reached."""
    parts = list(found.values())
    if question in ("faint", "wide", "characterisation"):
        mark = faint.WIDE_MARK if question == "wide" else LEAST_DIFFERENCE
        cells = [c for part in parts for c in part["cells"]]
        worst = min(cells, key=lambda c: c["low"])
        name = f"{worst['cell']} {worst['exposure_s']:g} s" if "cell" in worst else worst["task"]
        under = sum(c["low"] < mark for c in cells)
        text = f"{worst['low']:+.4f} ({name}, {worst['observer']}); {under} of {len(cells)} cells under it"
        return [(f"AUC - AUC(raw), lower end >= {mark} in every cell", text, under == 0)]
    if question == "insertion":
        pooled = {name: part["pooled"] for name, part in found.items()}
        words = f"pooled mean of AUC - AUC(raw) >= {POOLED_MARK}"
        return [(f"{name}: {words}", f"{mean:+.4f}", mean >= POOLED_MARK) for name, mean in pooled.items()]
    if question == "removal":
        by = {who: interval([s for part in parts for s in part[who]["by_board"]]) for who in (WIENER, DEFAULT)}
        text = f"{by[DEFAULT].mean:.3f} (to {by[DEFAULT].high:.3f}), Wiener {by[WIENER].mean:.3f}, {by[DEFAULT].count} boards"
        kinds = [part[DEFAULT]["by_kind"] for part in parts]
        text += f"; {_by_kind(kinds)}; by matched contrast {_by_contrast(kinds)}"
        return [(f"share drawn back: mean <= {trust.DRAWN_BACK}", text, by[DEFAULT].mean <= trust.DRAWN_BACK)]
    if question == "eta":
        low = {name: part["eta"]["lowest"] for name, part in found.items()}
        return [
            (f"{n}: least from 0.03 to 0.35 cycles/px >= {LOSSLESS}", f"{v:.3f}", v >= LOSSLESS) for n, v in low.items()
        ]
    if question in ("blank", "flat"):
        return [(f"{name}: {part['mark']}", "", part["passed"]) for name, part in found.items()]
    if question == "invention":
        (part,) = parts
        text = f"{part['count']}, Wiener {part['wiener']['count']} ({part['per_mpx']:.0f} per Mpx)"
        return [(part["mark"], text, part["passed"])]
    return {"price": _price, "fourier": _fourier, "real images": _real}[question](found)


def _by_kind(found: list[dict[str, dict[str, Any]]]) -> str:
    """Shares drawn back of each kind of part over all boards."""
    kinds = sorted({kind for part in found for kind in part})
    shares = []
    for kind in kinds:
        shares.append(f"{kind} {_pooled([part[kind] for part in found if kind in part])}")
    return ", ".join(shares)


def _by_contrast(found: list[dict[str, dict[str, Any]]]) -> str:
    """Shares drawn back of parts of every kind over all boards, by how clearly the measurement shows them."""
    classes: dict[float, list[dict[str, float]]] = {}
    for kind in (kind for part in found for kind in part.values()):
        for one in kind["by_contrast"]:
            classes.setdefault(one["contrast_from"], []).append(one)
    return ", ".join(f"from {low:g} {_pooled(here)}" for low, here in sorted(classes.items()))


def _pooled(parts: list[dict[str, Any]]) -> str:
    """Share drawn back over several boards, and of how many parts."""
    share = sum(k["drawn_back"] * k["power"] for k in parts) / sum(k["power"] for k in parts)
    return f"{share:.3f} of {sum(int(k['parts']) for k in parts)}"


def _price(found: dict[str, dict[str, Any]]) -> list[tuple[str, str, bool]]:
    rows = []
    for name, part in found.items():
        db, similarity = (-part[f"{field}_same_response over {BARE}"]["mean"] for field in ("psnr_db", "ssim"))
        good = db <= PRICE_DB and similarity <= PRICE_SSIM
        boards = part.get("by_board", {}).values()
        middle = f" (median {-np.median([b['gate_and_gain_db'] for b in boards]):.3f} dB)" if boards else ""
        text = f"{db:.3f} dB{middle}, {similarity:.4f}"
        rows.append((f"{name}: gate and gain cost <= {PRICE_DB} dB, {PRICE_SSIM} SSIM", text, good))
    return rows


def _fourier(found: dict[str, dict[str, Any]]) -> list[tuple[str, str, bool]]:
    (part,) = found.values()
    half, ctf = {float(k): v for k, v in part["ttf50_lp_mm"].items()}, np.array(part["ctf_difference"], dtype=float)
    fine = np.array(fourier.BAR_FREQUENCIES_LP_MM) > 5
    rows = []
    if half.get(0.05) and half.get(0.8):
        ratio = half[0.05] / half[0.8]
        rows.append((f"TTF50 of 5 % over 80 % edges >= {TTF_RATIO}", f"{ratio:.2f}", ratio >= TTF_RATIO))
    noise = part["edge_sd"][DEFAULT] / part["edge_sd"][BLURRED]
    rows.append((f"noise at 80 % edges <= {EDGE_NOISE} x raw", f"{noise:.2f}", noise <= EDGE_NOISE))
    rows.append(
        (f"CTF within {CTF_COARSE} up to 5 lp/mm", f"{ctf[~fine].max():.3f}", bool(ctf[~fine].max() <= CTF_COARSE))
    )
    rows.append(
        (f"CTF within {CTF_FINE} at 6.5 and 8 lp/mm", f"{ctf[fine].max():.3f}", bool(ctf[fine].max() <= CTF_FINE))
    )
    return rows


def _real(found: dict[str, dict[str, Any]]) -> list[tuple[str, str, bool]]:
    rows = []
    for name, part in found.items():
        lead = {
            field: min(r["scores"]["coldray"][field] - r["scores"]["wiener"][field] for r in part.values())
            for field in ("psnr_db", "ssim")
        }
        good = min(lead.values()) >= 0
        rows.append((f"{name}: nowhere under Wiener", f"{lead['psnr_db']:+.2f} dB, {lead['ssim']:+.4f} at least", good))
    return rows


def kept_at(work: Path, cell: Cell) -> Path:
    """File of a finished cell."""
    return work / ("".join(c if c.isalnum() or c in ".-" else "_" for c in f"{cell.question}-{cell.name}") + ".json")


def main() -> None:
    """Plan, run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="name or file; the shipped one by default")
    parser.add_argument("--only", nargs="*", help="questions")
    parser.add_argument("--plan", action="store_true", help="print what every cell would cost, and end")
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts")
    parser.add_argument("--budget", type=float, default=np.inf, help="core-seconds after which no cell begins")
    parser.add_argument("--fresh", action="store_true", help="take nothing as done")
    parser.add_argument("--work", type=Path, default=Path("runs/trust_marks"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    model = load_model(given.model)
    constants = hashlib.sha256(json.dumps(model.header, sort_keys=True).encode()).hexdigest()
    work = given.work / f"{model.sha256[:12]}-{constants[:8]}-{given.scale:g}-{build()[:8]}"
    table = Table(model, given.scale, work)
    cells = [cell for cell in table.cells() if not given.only or cell.question in given.only]
    if not cells:
        parser.error(
            f"--only: no such question; there are {', '.join(dict.fromkeys(c.question for c in table.cells()))}"
        )
    units = unit_costs(table)
    print(
        f"model {model.name} {model.sha256[:12]}; a frame with structure {units[0]:.3f}, a board {units[1]:.2f}, even ground {units[2]:.3f} core-s"
    )
    total = 0.0
    for cell in cells:
        cost = float(np.dot(units, (cell.boards, cell.drawn, cell.flats)))
        done = kept_at(work, cell).is_file() and not given.fresh
        total += 0 if done else cost
        print(f"  {cell.question:18s} {cell.name:34s} {'done' if done else f'{cost:8.1f} core-s expected'}")
    print(f"  left: {total:.0f} core-s expected", flush=True)
    if not given.plan:
        run(cells, given, model, work)


def run(cells: list[Cell], given: argparse.Namespace, model: Model, work: Path) -> None:
    """Run what is not done, and print and write the table of what is."""
    began, found, spent = time.process_time(), {}, 0.0
    for cell in cells:
        place = kept_at(work, cell)
        if given.fresh or not place.is_file():
            if time.process_time() - began > given.budget:
                continue
            start = time.process_time()
            measured = plain(cell.run())
            work.mkdir(parents=True, exist_ok=True)
            core_s = time.process_time() - start
            said = {"model": model.sha256, "build": build(), "core_s": core_s, "measured": measured}
            write_text(place, json.dumps(said, indent=1) + "\n")
            print(f"  {cell.question:18s} {cell.name:34s} {core_s:8.1f} core-s", flush=True)
        kept = json.loads(place.read_text(encoding="utf-8"))
        spent += kept["core_s"]
        found.setdefault(cell.question, {})[cell.name] = kept["measured"]
    missing = len(cells) - sum(map(len, found.values()))
    rows = [(question, *row) for question, parts in found.items() for row in judged(question, parts)]
    for question, words, measured, good in rows:
        verdict = ("reached" if good else "NOT REACHED") if given.scale >= 1 else "tried"
        print(f"{question:18s} {verdict:12s} {measured:50s} {words}")
    if missing:
        print(f"{missing} cells are left; the same command goes on with them")
    if given.out:
        head = {"benchmark": "trust marks", "date": date.today().isoformat(), "kind": "simulated; real images with synthetic blur and noise",
            "model": model.named(), "build": build(), "scale": given.scale, "cells_left": missing, "core_s": spent}  # fmt: skip
        marks = plain([dict(zip(("question", "mark", "measured", "reached"), row, strict=True)) for row in rows])
        write_text(given.out, json.dumps(head | {"marks": marks, "cells": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
