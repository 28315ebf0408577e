"""Ideal targets of `simulate --ideal`: closed-form images and the curve that a measurement of them must give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from coldray.document import Json
from coldray.errors import ImageWriteError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from coldray.objects.phantoms import Blur

TARGETS = ("edge", "bars", "flat", "duplex")
BAR_FREQUENCIES = (0.04, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Groups of the bar target [cycles/pixel]; the first is wide enough to be its own plateau."""
BAR_MARGIN_PX = 48
"""Half-width of the solid bar and clear space beside groups: the tails of a thick screen end within it."""
BEYOND_TABLE = 8.0
"""A tabulated MTF goes on as 1 / f^2 up to here [cycles/pixel]."""


def ideal_blur(detector: str | None, sigma_px: float, pitch_mm: float) -> tuple[Blur, dict[str, Json]]:
    """Blur without the pixel aperture, and how the truth describes it.

    Raises
    ------
    SettingsError
        If the detector has another pixel pitch.
    """
    import numpy as np

    from coldray.objects.phantoms import CurveBlur, GaussianBlur
    from coldray.physics.curves import FrequencyCurve
    from coldray.physics.detector import PITCH_TOLERANCE, load_detector

    if detector is None:
        return GaussianBlur(sigma_px), {"blur": "gaussian", "sigma_px": sigma_px}
    known = load_detector(detector, pixel_pitch_mm=pitch_mm)
    if abs(known.pixel_pitch_mm / pitch_mm - 1) > PITCH_TOLERANCE:
        raise SettingsError(
            f"{known.name} has {known.pixel_pitch_mm * 1e3:.4g} um pixels; give --pitch-um of that size"
        )
    # sinc reaches zero at 1 cycle/px, so the pixel is divided out only where tables are meant to be read
    last = min(known.mtf.last_frequency_lp_mm * pitch_mm, np.sqrt(0.5))
    f = np.linspace(0, last, 400)
    inside = known.mtf(f / pitch_mm) / np.sinc(f)
    tail = np.geomspace(last, BEYOND_TABLE, 200)[1:]
    table = FrequencyCurve(np.concatenate([f, tail]), np.concatenate([inside, inside[-1] * (last / tail) ** 2]))
    return CurveBlur(table), {"blur": "detector", "detector": known.name}


def ideal(
    kind: str,
    out: Path,
    *,
    blur: Blur,
    blur_note: Mapping[str, Json],
    pitch_mm: float,
    size_px: int,
    frames: int,
    angle_deg: float,
    noise: float,
    random_state: int,
    overwrite: bool,
) -> dict[str, Json]:
    """Write frames of one ideal target and its truth.

    Parameters
    ----------
    kind : {"edge", "bars", "flat", "duplex"}
    out : Path
        Data folder; files go to ``out/kind``.
    blur : Blur
    blur_note : dict
    pitch_mm : float
    size_px : int
        Rows, and columns where the target does not set them.
    frames : int
    angle_deg : float
        Tilt of edge, bars or wires.
    noise : float
        Relative standard deviation of a pixel at the open beam; its square falls with the signal. White.
    random_state : int
    overwrite : bool

    Returns
    -------
    dict
        ``files`` and ``truth``.

    Raises
    ------
    SettingsError
        If the target is unknown.
    ImageWriteError
        If the folder exists.
    """
    import numpy as np

    from coldray.files import whole_folder, write_text
    from coldray.formats import write_image
    from coldray.objects.phantoms import flat_field
    from coldray.radiograph import Acquisition, Radiograph, Step

    if kind not in TARGETS:
        raise SettingsError(f"{kind!r} has no ideal form; choose {', '.join(TARGETS)}")
    if kind == "flat" and not noise > 0:
        raise SettingsError("an ideal flat is its noise; give --noise above 0")
    folder = out / kind
    if folder.exists() and not overwrite:
        raise ImageWriteError(f"{folder.name}: exists already; give --overwrite or another folder")
    truth: dict[str, Json]
    stack: list[NDArray[np.floating]] = []
    if kind == "flat":
        power = (noise * pitch_mm) ** 2
        image, curve = flat_field((size_px, size_px), pitch_mm, power, random_state, frames=frames)
        stack = list(image.reshape(frames, size_px, size_px))
        truth = {
            "frequency_lp_mm": curve.frequency_lp_mm.tolist(),
            "nnps_mm2": curve.value.tolist(),
            "mean_signal": 1.0,
            "pixel_relative_sd": noise,
        }
    else:
        image, truth = _TARGETS[kind](blur, pitch_mm, size_px, angle_deg)
        truth |= {**blur_note, "angle_deg": angle_deg}
        for number in range(frames):
            # one stream per frame: their number changes none of them
            rng = np.random.default_rng([random_state, number])
            drawn = rng.standard_normal(image.shape, dtype=np.float32) * np.sqrt(np.maximum(image, 0))
            stack.append(image + np.float32(noise) * drawn if noise else image)
    known = Acquisition(pixel_pitch_mm=pitch_mm, open_beam=1.0, linear=True)
    step = Step("simulate", {"target": kind, "kind": "ideal", "random_state": random_state})
    with whole_folder(folder) as place:
        for number, frame in enumerate(stack):
            radiograph = Radiograph(np.asarray(frame, dtype=np.float32), known, (step,))
            write_image(place / f"{number:03d}.tif", radiograph)
        common = {"target": kind, "pixel_pitch_mm": pitch_mm, "noise": noise, "random_state": random_state}
        write_text(place / "truth.json", json.dumps(common | truth, indent=1, allow_nan=False))
    files = [str(folder / f"{number:03d}.tif") for number in range(len(stack))]
    return {"files": files, "truth": {kind: str(folder / "truth.json")}}


def _edge(blur: Blur, pitch: float, size: int, angle: float) -> tuple[NDArray[np.floating], dict[str, Json]]:
    from coldray.objects.phantoms import slanted_edge

    image, mtf = slanted_edge((size, size), blur, pitch, angle_deg=angle)
    return image, {
        "frequency_lp_mm": mtf.frequency_lp_mm.tolist(),
        "mtf": mtf.value.tolist(),
        "mtf50_lp_mm": mtf.frequency_at(0.5),
        "mtf10_lp_mm": mtf.frequency_at(0.1),
    }


def _bars(blur: Blur, pitch: float, size: int, angle: float) -> tuple[NDArray[np.floating], dict[str, Json]]:
    from coldray.objects.phantoms import bars

    frequencies = [f / pitch for f in BAR_FREQUENCIES]
    image, groups = bars(frequencies, blur, pitch, rows=size, tilt_deg=angle, margin_mm=BAR_MARGIN_PX * pitch)
    return image, {
        "groups": [
            {"frequency_lp_mm": g.frequency_lp_mm, "ctf": g.ctf, "mtf": g.mtf, "roi": list(g.box)} for g in groups
        ]
    }


def _duplex(blur: Blur, pitch: float, size: int, angle: float) -> tuple[NDArray[np.floating], dict[str, Json]]:
    from coldray.objects.phantoms import duplex_wires

    image, known = duplex_wires(blur, pitch, rows=size, tilt_deg=angle)
    pairs = zip(known.spacing_mm, known.dip_percent, strict=True)
    return image, {
        "pairs": [
            {"element": f"{number}D", "spacing_mm": spacing, "dip_percent": dip}
            for number, (spacing, dip) in enumerate(pairs, start=1)
        ],
        "isrb_mm": known.isrb_mm,
    }


_TARGETS: dict[str, Callable[[Blur, float, int, float], tuple[NDArray[np.floating], dict[str, Json]]]] = {
    "edge": _edge,
    "bars": _bars,
    "duplex": _duplex,
}
