"""Methods × pairs → one table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.benchmark.agreement import agreement
from coldray.benchmark.statistics import interval, verdict
from coldray.document import Json, as_number, as_text, entries_of, read_object
from coldray.errors import ImageReadError, MetadataError
from coldray.files import write_text
from coldray.formats import read_image
from coldray.frame import Frame
from coldray.images.scale import scale_of
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.metrology.response import response_ceiling, response_scores
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.plugins import degradation_of, plugin, plugin_names
from coldray.reports.html import template
from coldray.restoration.model import Model
from coldray.restoration.noise import choose_noise
from coldray.restoration.pipeline import Job, check_job, run_method


def _fraction(path: Path) -> NDArray[np.float32]:
    image = read_image(path)
    scale, _ = scale_of(image)
    return scale.to_fraction(image.pixels)


ENTRIES: dict[str, Callable[[Json], object]] = {
    "pixel_pitch_mm": as_number,
    "blurred": as_text,
    "sharp": as_text,
    "exposure_s": lambda found: None if found is None else as_number(found),
}
"""What is read of pair.json."""


def read_pair(
    folder: Path,
) -> tuple[list[NDArray[np.float32]], dict[str, NDArray[np.float32]], dict[str, Json]]:
    """Read one board folder: blurred frames, references by what they are (noise-free truth first), and pair.json.

    Raises
    ------
    ImageReadError
        If frames, reference or pair.json are missing or broken.
    MetadataError
        If pair.json lacks the pixel pitch or a detector, or an entry is of another type.
    """
    note = read_object(folder / "pair.json", ImageReadError)
    for name, taken in ENTRIES.items():
        with entries_of(f"{folder.name}/pair.json: {name}", MetadataError):
            taken(note.get(name))
    blurred = [_fraction(p) for p in sorted((folder / "lr").glob("*.tif"))]
    truth = folder / "truth" / "hr.tif"
    frames = sorted((folder / "hr").glob("*.tif"))
    if not blurred or not (truth.exists() or frames):
        raise ImageReadError(f"{folder.name}: needs lr/NNN.tif and truth/hr.tif or hr/NNN.tif")
    references = {"noise-free truth": _fraction(truth)} if truth.exists() else {}
    if frames:
        mean = np.mean([_fraction(p) for p in frames], axis=0, dtype=np.float32)
        references[f"mean of {len(frames)} sharp frames"] = np.asarray(mean)
    return blurred, references, note


def read_own_response(folder: Path) -> NDArray[np.float32] | None:
    """Read the noise-free image of sharp detail in the blurred detector's energy response, where a board folder has it."""
    path = folder / "truth" / "target.tif"
    return _fraction(path) if path.exists() else None


def _usable(name: str, model: Model) -> bool:
    """Whether a method needs no network or fits the model's."""
    method = plugin("method", name)
    return not method.LEARNS or model.fits(method)


def evaluate_folder(
    pairs: Path,
    model: Model,
    methods: list[str] | None = None,
    progress: Callable[..., None] | None = None,
    degradation: str = "mtf_blend",
) -> dict[str, Json]:
    """Run every method on every blurred frame of a data folder.

    Parameters
    ----------
    pairs : Path
        Folder of board folders, or one board folder.
    model : Model
    methods : list of str, optional
        All that need no network or fit the model's by default.
    progress : callable, optional
        Called as progress(done, total, note).
    degradation : str
        Physics of the blur that the methods are told.

    Returns
    -------
    dict
        Per method and per image scores with their convention; JSON-able.
    """
    names = list(methods or [n for n in plugin_names("method") if _usable(n, model)])
    jobs = {name: Job(method=name, model=model, degradation=degradation) for name in names}
    for job in jobs.values():
        check_job(job)
    folders = [pairs] if (pairs / "pair.json").exists() else sorted(p.parent for p in pairs.glob("*/pair.json"))
    if not folders:
        raise ImageReadError(f"{pairs.name}: holds no board folder with a pair.json")
    convention = Convention()
    table: dict[str, list[dict[str, Any]]] = {"blurred": [], **{n: [] for n in names}}
    ceilings: dict[str, dict[str, float | None]] = {}
    for number, folder in enumerate(folders):
        blurred, references, note = read_pair(folder)
        # a reference that is noisy itself says nothing of beam hardening
        own = read_own_response(folder) if "noise-free truth" in references else None
        if own is not None:
            ceilings[folder.name] = _finite(response_ceiling(own, next(iter(references.values())), convention))
        pitch = as_number(note["pixel_pitch_mm"])
        pair = DetectorPair(
            load_detector(as_text(note["blurred"]), pixel_pitch_mm=pitch),
            load_detector(as_text(note["sharp"]), pixel_pitch_mm=pitch),
        )
        blur = degradation_of(degradation)(pair)
        for index, image in enumerate(blurred):
            noise, _ = choose_noise(
                image, pair.blurred, None if note.get("exposure_s") is None else as_number(note["exposure_s"])
            )
            frame = Frame(image, pair, noise, model.prior)
            for name in table:
                began = time.perf_counter()
                restored = image if name == "blurred" else run_method(frame, blur, jobs[name], index)[0]
                seconds = time.perf_counter() - began
                row = {"board": folder.name, "frame": index}
                judged = _judged(restored, references, own, pitch, convention)
                table[name].append(row | judged | {"seconds": seconds})
        if progress is not None:
            progress(number + 1, len(folders), folder.name)
    mean = {
        n: {k: float(np.mean([r[k] for r in rows])) for k in ("psnr_db", "ssim", "seconds")}
        | {"fourier": _mean_agreement(rows), "responses": _mean_responses(rows)}
        for n, rows in table.items()
    }
    return {
        "coldray": __version__,
        "convention": convention.to_dict(),
        "model": model.named(),
        "methods": mean,
        "ceiling": {**_mean_scores(list(ceilings.values())), "boards": ceilings} if ceilings else None,
        "paired": _against(table, "wiener" if "wiener" in table else "blurred"),
        "images": table,
    }


def _judged(
    restored: NDArray[np.float32], references: dict[str, NDArray[np.float32]], own: NDArray[np.float32] | None,
    pitch_mm: float, convention: Convention,
) -> dict[str, Json]:  # fmt: skip
    """Scores against the first reference in every response, and against the second where there is one."""
    (kind, first), *others = references.items()
    responses = response_scores(restored, first, own, convention)
    row: dict[str, Json] = {
        "reference": kind,
        **responses["thin"],
        "responses": {name: _finite(scores) for name, scores in responses.items()},
        "fourier": agreement(restored, first, pitch_mm, convention).to_json(),
    }
    for name, image in others:
        scores = {"psnr_db": psnr_db(restored, image, convention), "ssim": ssim(restored, image, convention)}
        row["second"] = {"reference": name, **scores}
    return row


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    """Scores as JSON holds them: none where two images are one."""
    return {name: value if np.isfinite(value) else None for name, value in scores.items()}


def _mean_responses(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over the images that have a score in a response, by response."""
    names = dict.fromkeys(name for row in rows for name in row["responses"])
    return {name: _mean_scores([row["responses"][name] for row in rows if name in row["responses"]]) for name in names}


def _mean_scores(held: list[dict[str, float | None]]) -> dict[str, float]:
    """Means of the finite scores; a score that is nowhere finite is left out."""
    out = {}
    for field in ("psnr_db", "ssim"):
        values = [value for scores in held if (value := scores[field]) is not None]
        if values:
            out[field] = float(np.mean(values))
    return out


def _mean_agreement(rows: list[dict[str, Any]]) -> dict[str, Json] | None:
    """Mean of the Fourier metrics over images of one pitch; None where pitches differ."""
    if len({tuple(r["fourier"]["frequency_lp_mm"]) for r in rows}) != 1:
        return None
    parts = ("transfer", "error_over_truth")
    mean = {k: np.mean([r["fourier"][k] for r in rows], axis=0).round(5).tolist() for k in parts}
    return {"frequency_lp_mm": rows[0]["fourier"]["frequency_lp_mm"]} | mean


def _against(table: dict[str, list[dict[str, Any]]], base: str) -> list[dict[str, Json]]:
    """Paired differences from one method, a board each, with what they show in words."""

    def of_boards(name: str, field: str) -> list[float]:
        boards: dict[str, list[float]] = {}
        for row in table[name]:
            boards.setdefault(row["board"], []).append(row[field])
        return [float(np.mean(values)) for values in boards.values()]

    out: list[dict[str, Json]] = []
    for name in table:
        for field, unit in (("psnr_db", "dB"), ("ssim", "")) if name != base else ():
            difference = interval(np.subtract(of_boards(name, field), of_boards(base, field)))
            words = verdict(difference, name, base, "PSNR" if unit else "SSIM", unit)
            numbers = {k: None if not np.isfinite(v) else v for k, v in difference.to_json().items()}
            out.append({"method": name, "against": base, "field": field, **numbers, "verdict": words})
    return out


def write_results(folder: Path, results: Mapping[str, Json]) -> Path:
    """Write results.json and report.html; returns the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "results.json", json.dumps(results, indent=1))
    page: str = template("evaluation.html").render(r=results)
    path = folder / "report.html"
    write_text(path, page)
    return path
