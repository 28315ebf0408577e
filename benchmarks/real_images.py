"""Real radiographs taken as sharp on a nominal 48 um grid: degrade with noise, restore, compare with Wiener; restore as they are.

The images are not part of the project; their terms stand beside them. Blur and noise are synthetic, the content is real.

python benchmarks/real_images.py --pictures DIR [--out benchmarks/results/real_images.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from coldray.data.formats import read_image
from coldray.degradations._operator import radial_operator
from coldray.degradations.mtf_blend import Degradation
from coldray.evaluate.metrics import Convention, psnr_db, ssim
from coldray.evaluate.metrology import new_figure, render
from coldray.evaluate.report import busiest_window
from coldray.methods._frame import Frame
from coldray.physics.detector import DetectorPair, load_detector
from coldray.physics.noise import NoiseModel
from coldray.restore.model import load_model
from coldray.restore.noise import noise_of_image
from coldray.restore.pipeline import Job, run_method

IMAGES = (
    "bga_anushka_ccby4/bga_board.jpg",
    "bga_mat3u52_mit/good_image.jpg",
    "bga_mat3u52_mit/not_good_image.jpg",
    "battery_ct_ucl_mit/winding_1.tif",
    "qa_phantoms_pylinac_mit/leeds_tor18_kv.tif",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "real")
    parser.add_argument("--model", default=None)
    parser.add_argument("--exposures", type=float, nargs="*", default=[1.0, 0.25, 0.05])
    parser.add_argument("--pictures", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if not given.real.is_dir():
        raise SystemExit("the folder of real radiographs is absent; it is not part of the project")
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation, model, convention = Degradation(pair), load_model(given.model), Convention()
    table: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for name in IMAGES:
        stored = read_image(given.real / name).pixels.astype(np.float32)
        # a nominal open beam: the brightest percentile, so that the dose model has a scale
        sharp = np.clip(stored / np.quantile(stored, 0.995), 0, None).astype(np.float32)
        blur = radial_operator(lambda f: degradation.transfer(f, 1.0), sharp.shape, 0.048)
        table[name] = {}
        for exposure in given.exposures:
            noise = NoiseModel.of_detector(pair.blurred, exposure)
            blurred = blur(sharp) + noise.draw(sharp, np.random.default_rng(5))
            frame = Frame(blurred, pair, noise, model.prior)
            images = {"blurred": blurred}
            for method in ("wiener", "direct", "cold"):
                images[method], _ = run_method(frame, degradation, Job(method=method, model=model))
            scores = {
                k: {"psnr_db": psnr_db(v, sharp, convention), "ssim": ssim(v, sharp, convention)}
                for k, v in images.items()
            }
            table[name][f"{exposure:g} s"] = scores
            text = "  ".join(f"{k} {v['psnr_db']:.2f}/{v['ssim']:.3f}" for k, v in scores.items())
            print(f"{name:45s} {exposure:4g} s  {text}", flush=True)
            if given.pictures and exposure == 0.25:
                draw(given.pictures / f"{Path(name).stem}.png", images | {"sharp (real)": sharp})
        own = Frame(sharp, pair, noise_of_image(sharp, pair.blurred), model.prior)
        restored, _ = run_method(own, degradation, Job(method="cold", model=model))
        if given.pictures:
            draw(given.pictures / f"{Path(name).stem}_as_is.png", {"as it is (real)": sharp, "restored": restored})
    if given.out:
        note = {"kind": "real content, synthetic blur and noise", "convention": convention.to_dict(), "scores": table}
        given.out.write_text(json.dumps(note, indent=1) + "\n")


def draw(path: Path, images: dict[str, np.ndarray]) -> None:
    """Draw one detail of every image on one scale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(reversed(images.values()))
    window = busiest_window(first, min(first.shape) // 3)
    low, high = np.quantile(first[window], [0.005, 0.995])
    figure, axes = new_figure(4.2 * len(images), 4.4, len(images))
    for axis, (name, image) in zip(np.atleast_1d(axes), images.items(), strict=True):
        axis.imshow(image[window], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(name, fontsize=9)
        axis.set_axis_off()
    path.write_bytes(render(figure, "png"))


if __name__ == "__main__":
    main()
