"""Real radiographs taken as sharp on a nominal 48 um grid: degrade with noise, restore, compare with Wiener; restore as they are.

The images are not part of the project; their terms stand beside them. Blur and noise are synthetic, the content is real.

python benchmarks/real_images.py --pictures DIR [--out benchmarks/results/real_images.json]
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import numpy as np

from coldray.degradations.mtf_blend import Degradation
from coldray.formats import read_image
from coldray.frame import Frame
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.transfer import radial_operator
from coldray.radiograph import Acquisition, Radiograph
from coldray.reports.demo import busiest_window
from coldray.reports.figures import new_figure, render
from coldray.restoration.model import Model, load_model
from coldray.restoration.pipeline import Job, Restoration, restore, run_method

IMAGES = (
    "bga_anushka_ccby4/bga_board.jpg",
    "bga_mat3u52_mit/good_image.jpg",
    "bga_mat3u52_mit/not_good_image.jpg",
    "battery_ct_ucl_mit/winding_1.tif",
    "qa_phantoms_pylinac_mit/leeds_tor18_kv.tif",
)
PITCH_MM = 0.048
"""Nominal: none of the images states its own."""


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
    model, convention = load_model(given.model), Convention()
    table: dict[str, dict[str, dict[str, object]]] = {}
    for name in IMAGES:
        sharp = read_sharp(given.real / name)
        table[name] = {}
        for exposure in given.exposures:
            images, found = at_exposure(sharp, model, exposure)
            kept = restore_image(images["blurred"], model, exposure, on_contradiction="keep")
            scores = scored(images | {"kept": kept.image.pixels}, sharp)
            answered = answer(found, kept, sharp)
            table[name][f"{exposure:g} s"] = {"scores": scores} | said(found) | {"where_contradicted": answered}
            text = "  ".join(f"{k} {v['psnr_db']:.2f}/{v['ssim']:.3f}" for k, v in scores.items())
            print(f"{name:45s} {exposure:4g} s  {text}  {found.consistency['verdict']}  {answered}", flush=True)
            if given.pictures:
                at = given.pictures / f"{Path(name).stem}_{exposure:g}s.png"
                draw(at, images | {"sharp (real)": sharp})
        found = restore_image(sharp, model)
        table[name]["as it is"] = said(found)
        print(f"{name:45s} as is   {found.consistency['verdict']}  {list(found.warnings)}", flush=True)
        if given.pictures:
            draw(
                given.pictures / f"{Path(name).stem}_as_is.png",
                {"as it is (real)": sharp, "coldray": found.image.pixels},
            )
    if given.out:
        note = {
            "date": date.today().isoformat(),
            "kind": "real content, synthetic blur and noise; as it is: real content and blur",
            "model": model.sha256,
            "convention": convention.to_dict(),
            "images": table,
        }
        given.out.write_text(json.dumps(note, indent=1) + "\n")


def read_sharp(path: Path) -> np.ndarray:
    """Real image as fractions of a nominal open beam, the brightest percentile, so that the dose model has a scale."""
    stored = read_image(path).pixels.astype(np.float32)
    return np.clip(stored / np.quantile(stored, 0.995), 0, None).astype(np.float32)


def at_exposure(sharp: np.ndarray, model: Model, exposure_s: float) -> tuple[dict[str, np.ndarray], Restoration]:
    """The image blurred and with noise of an exposure, what Wiener and the default make of it, and the default's record."""
    pair = DetectorPair(load_detector("gos135"), load_detector("gos34"))
    degradation = Degradation(pair)
    noise = NoiseModel.of_detector(pair.blurred, exposure_s)
    blur = radial_operator(lambda f: degradation.transfer(f, 1.0), sharp.shape, PITCH_MM)
    blurred = blur(sharp) + noise.draw(sharp, np.random.default_rng(5))
    wiener, _ = run_method(Frame(blurred, pair, noise, model.prior), degradation, Job(method="wiener"))
    found = restore_image(blurred, model, exposure_s)
    return {"blurred": blurred, "wiener": wiener, "coldray": found.image.pixels}, found


def scored(images: dict[str, np.ndarray], sharp: np.ndarray) -> dict[str, dict[str, float]]:
    """PSNR and SSIM of every image."""
    return {
        k: {"psnr_db": psnr_db(v, sharp, Convention()), "ssim": ssim(v, sharp, Convention())} for k, v in images.items()
    }


def restore_image(
    fraction: np.ndarray, model: Model, exposure_s: float | None = None, on_contradiction: str = "correct"
) -> Restoration:
    """Restore by default settings; without an exposure the noise is estimated from the image."""
    known = Acquisition(pixel_pitch_mm=PITCH_MM, exposure_s=exposure_s, linear=True)
    job = Job(model=model, exposure_s=exposure_s, on_contradiction=on_contradiction, keep_certificate=True)
    return restore(Radiograph(fraction.astype(np.float32), known), job)


def answer(found: Restoration, kept: Restoration, sharp: np.ndarray) -> dict[str, float] | None:
    """What the linear filter does where the network's own result, which was kept, is contradicted; None if it is nowhere."""
    assert kept.certificate is not None and found.replaced is not None
    marked = kept.certificate.marked
    if not marked.any():
        return None
    errors = (float(np.sqrt(np.mean((r.image.pixels - sharp)[marked] ** 2))) for r in (kept, found))
    return dict(zip(("rms_kept", "rms_written"), errors, strict=True)) | {
        "marked_share": float(marked.mean()),
        "replaced_of_marked": float(np.mean(found.replaced[marked] > 0)),
    }


def said(found: Restoration) -> dict[str, object]:
    """What the program says of a result."""
    keys = ("verdict", "marked_share", "residual_over_noise")
    return {key: found.consistency[key] for key in keys} | {"warnings": list(found.warnings)}


def draw(path: Path, images: dict[str, np.ndarray]) -> None:
    """Draw one detail of every image on one scale, wide enough for the first and for the last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, last = next(iter(images.values())), list(images.values())[-1]
    window = busiest_window(first, min(first.shape) // 3)
    ends = np.quantile([first[window], last[window]], [0.005, 0.995], axis=(1, 2))
    low, high = ends[0].min(), ends[1].max()
    figure, axes = new_figure(4.2 * len(images), 4.4, len(images))
    for axis, (name, image) in zip(np.atleast_1d(axes), images.items(), strict=True):
        axis.imshow(image[window], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(name, fontsize=9)
        axis.set_axis_off()
    path.write_bytes(render(figure, "png"))


if __name__ == "__main__":
    main()
