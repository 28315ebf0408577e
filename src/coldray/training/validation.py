"""How well a run restores: scores beside the Wiener filter's, and a picture to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.files import write_atomically
from coldray.frame import Frame
from coldray.methods import wiener
from coldray.metrology.efficiency import detection_efficiency
from coldray.metrology.metrics import Convention, psnr_db, ssim
from coldray.plugins import Degradation
from coldray.training.pairs import PairSource

CONVENTION = Convention(match_gain=False)
"""Of the scores: data range 1 (open beam), a border of 16 pixels left out, no gain matched."""
SHOWN_EXPOSURE_S = 0.25
NO_NOISE = 1e-12
"""Share of the stated noise power that a noise-free frame is told to have."""
SHOWN_FIELDS = 3
FLATS, FLAT_PX, FLAT_SIGNAL = 6, 96, 0.6
"""Flats for the detection efficiency: how many, their side, their signal."""
ERROR_SPAN = 0.1
"""Errors from minus to plus this share of the open beam run from black to white in the picture."""

Float = NDArray[np.float32]
Restore = Callable[..., NDArray[np.floating]]


def scores(source: PairSource, name: str, restore: Restore, options: Mapping[str, Json]) -> dict[str, float]:
    """Mean PSNR [dB] and SSIM per exposure, of one method and of the Wiener filter.

    Parameters
    ----------
    source : PairSource
        Validation fields; every one is seen with the same window and noise at every call.
    name : str
        Of the method, for the keys.
    restore : callable
        ``restore(frame, degradation, rng, **options)``.
    options : dict

    Returns
    -------
    dict
        ``NAME_1s_psnr_db``, ``NAME_1s_ssim``, ``wiener_1s_psnr_db`` … at each exposure; ``NAME_noise_free_psnr_db`` … or
        ``NAME_own_exposure_psnr_db`` … where the frames have no noise, or were measured once. Data range 1 (open beam), no gain matched,
        a border of 16 pixels left out; SSIM of Wang et al. (2004). ``NAME_1s_eta``: detection efficiency on even ground,
        the least from 0.03 to 0.35 cycles/pixel, which least error alone drives to 0; of frames with noise.
    """
    out: dict[str, float] = {}
    for look, exposure in source.looks().items():
        found: dict[str, list[tuple[float, float]]] = {name: [], "wiener": []}
        for number in range(len(source)):
            pair, degradation = source.pair(number, np.random.default_rng([11, number]), exposure)
            rng = np.random.default_rng([17, number])
            found[name].append(_score(restore(pair.frame, degradation, rng, **options), pair.sharp))
            found["wiener"].append(_score(_linear(source, pair.frame, degradation), pair.sharp))
        for method, values in found.items():
            psnr, similarity = np.mean(values, axis=0)
            out |= {f"{method}_{look}_psnr_db": float(psnr), f"{method}_{look}_ssim": float(similarity)}
        if source.has_noise:
            pair, degradation = source.pair(0, np.random.default_rng([11, 0]), exposure)
            out[f"{name}_{look}_eta"] = efficiency(pair.frame, degradation, restore, options)
    return out


def _linear(source: PairSource, frame: Frame, degradation: Degradation) -> NDArray[np.floating]:
    """Wiener estimate for the noise that is there."""
    told = frame if source.has_noise else frame.told(frame.noise.scaled(NO_NOISE))
    return wiener.restore(told, degradation)


def efficiency(frame: Frame, degradation: Degradation, restore: Restore, options: Mapping[str, Json]) -> float:
    """Least detection efficiency from 0.03 to 0.35 cycles/pixel on flats with the noise of a frame.

    Parameters
    ----------
    frame : Frame
        States detectors, noise and prior.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    restore : callable
        ``restore(frame, degradation, rng, **options)``.
    options : dict
    """
    flat = np.full((FLAT_PX, FLAT_PX), FLAT_SIGNAL, dtype=np.float32)
    measured, restored = [], []
    for number in range(FLATS):
        drawn = flat + frame.noise.draw(flat, np.random.default_rng([19, number]))
        measured.append(drawn.astype(np.float32))
        probe = replace(frame, blurred=measured[-1])
        restored.append(np.asarray(restore(probe, degradation, np.random.default_rng([23, number]), **options)))
    return detection_efficiency(np.stack(measured), np.stack(restored), roi_px=64).lowest()


def _score(restored: NDArray[np.floating], sharp: Float) -> tuple[float, float]:
    return psnr_db(restored, sharp, CONVENTION), ssim(restored, sharp, CONVENTION)


def write_picture(path: Path, source: PairSource, restore: Restore, options: Mapping[str, Json]) -> None:
    """Write a PNG of some validation fields at 0.25 s: blurred, Wiener, restored, sharp, and the error of the last two.

    Parameters
    ----------
    path : Path
    source : PairSource
    restore : callable
        ``restore(frame, degradation, rng, **options)``.
    options : dict
    """
    from PIL import Image

    rows = []
    for number in range(min(SHOWN_FIELDS, len(source))):
        pair, degradation = source.pair(number, np.random.default_rng([11, number]), SHOWN_EXPOSURE_S)
        restored = np.asarray(restore(pair.frame, degradation, np.random.default_rng([17, number]), **options))
        linear = _linear(source, pair.frame, degradation)
        seen = [pair.frame.blurred, linear, restored, pair.sharp]
        errors = [0.5 + (image - pair.sharp) / (2 * ERROR_SPAN) for image in (linear, restored)]
        rows.append(np.hstack([*seen, *errors]))
    picture = np.clip(np.vstack(rows), 0.0, 1.0) * 255
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture.round().astype(np.uint8))
    write_atomically(path, lambda file: image.save(file, format="PNG"))
