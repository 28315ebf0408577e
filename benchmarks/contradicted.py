"""What is written where the measurement contradicts the network: its own result, the linear filter's, or what is answered by default.

python benchmarks/contradicted.py [-m MODEL] [-o benchmarks/results/contradicted.json]

Root mean square error where the network's own result is marked. Content that is far from the training's is **real** (not part of the project; left
out where it is absent), its blur and noise are synthetic; of simulated boards the network is made to invent a block, a line and a
dent of one amplitude. Detectors and noise of the built-in pair.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import _one_thread  # noqa: F401
import numpy as np
import real_images
from numpy.typing import NDArray

from coldray.dataset.fields import FieldRecipe, make_field
from coldray.degradations.mtf_blend import Degradation
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import radial_operator
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.model import load_model
from coldray.restoration.pipeline import Job, restore

Image = NDArray[np.float32]

REAL = ("battery_ct_ucl_mit/winding_1.tif", "bga_anushka_ccby4/bga_board.jpg", "bga_mat3u52_mit/good_image.jpg")
EXPOSURES_S = (1.0, 0.25, 0.05)
AMPLITUDES = (0.3, 0.1, 0.05)
WAYS = {"network": "keep", "linear filter": "linear", "default": "correct"}
SIDE = 640
"""Side of the part of a real image that is used [pixels]."""


class Inventing:
    """A model whose network adds something of its own."""

    def __init__(self, model: Any, change: Callable[[Image], Image]) -> None:
        self._model, self._change = model, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predictor(self, *asked: Any) -> Callable[..., Image]:
        """The model's own answer, changed."""
        own = self._model.predictor(*asked)

        def answer(channels: Any, conditions: Any) -> Image:
            return self._change(np.array(own(channels, conditions)))

        answer.evaluations = 1  # type: ignore[attr-defined]
        return answer


def inventing(amplitude: float) -> Callable[[Image], Image]:
    """A bright block, a bright line and a dent."""

    def change(image: Image) -> Image:
        image[300:310, 300:312] += amplitude
        image[100:220, 400:402] += amplitude
        image[450:454, 100:104] -= amplitude
        return image

    return change


def contents(model: Any, real: Path) -> Iterator[tuple[str, Image, Any]]:
    """Name, sharp image and model of every case."""
    for name in REAL:
        if (real / name).is_file():
            yield f"{name} (real content)", real_images.read_sharp(real / name)[:SIDE, :SIDE], model
    board = make_field(FieldRecipe("validation", 701, 77, 512, 0.0, 1.0)).sharp
    for amplitude in AMPLITUDES:
        yield f"simulated board, {amplitude:g} invented", board, Inventing(model, inventing(amplitude))


def scored(sharp: Image, model: Any, exposure_s: float) -> dict[str, float] | None:
    """Error of every way where the network is marked, and the shares; None if it is marked nowhere."""
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation, noise = Degradation(pair), NoiseModel.of_detector(pair.blurred, exposure_s)
    blur = radial_operator(lambda f: degradation.transfer(f, 1.0), sharp.shape, real_images.PITCH_MM)
    measured = (blur(sharp) + noise.draw(sharp, np.random.default_rng(5))).astype(np.float32)
    image = Radiograph(measured, Acquisition(pixel_pitch_mm=real_images.PITCH_MM, exposure_s=exposure_s, linear=True))
    found = {
        name: restore(image, Job(model=model, exposure_s=exposure_s, on_contradiction=way, keep_certificate=True))
        for name, way in WAYS.items()
    }
    kept, written = found["network"].certificate, found["default"]
    assert kept is not None and written.replaced is not None and written.corrected is not None
    marked = kept.marked
    if not marked.any():
        return None
    out = {name: float(np.sqrt(np.mean((one.image.pixels - sharp)[marked] ** 2))) for name, one in found.items()}
    return out | {
        "marked": float(marked.mean()),
        "replaced_of_marked": float(written.replaced[marked].mean()),
        "answered_of_marked": float(np.mean((written.replaced + written.corrected)[marked] > 0)),
    }


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", default=None)
    parser.add_argument("--real", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "real")
    parser.add_argument("-o", "--out", type=Path, default=None)
    given = parser.parse_args()
    model, rows = load_model(given.model), []
    for name, sharp, one in contents(model, given.real):
        for exposure_s in EXPOSURES_S:
            row = scored(sharp, one, exposure_s)
            said = "no marks" if row is None else "  ".join(f"{k} {v:.4f}" for k, v in row.items())
            print(f"{name:44s} {exposure_s:4g} s  {said}", flush=True)
            rows.append({"content": name, "exposure_s": exposure_s, "found": row})
    if given.out is not None:
        note = {"date": date.today().isoformat(), "kind": "real content or simulated boards; synthetic blur and noise"}
        note |= {"model": model.sha256, "rows": rows}
        given.out.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
