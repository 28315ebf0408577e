"""Small board folders and moved pairs for the tests of data preparation."""

import json
from functools import lru_cache

import numpy as np
from scipy import ndimage

from coldray.formats import write_image
from coldray.objects.boards import procedural_board
from coldray.physics.detector import load_detector
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Acquisition, Radiograph
from coldray.simulation.detector import ScreenDetector

PITCH = 0.048
OVERSAMPLING = 3
SHARP, BLURRED = "phosphor:33.91", "phosphor:134.55"


def detectors():
    return DetectorPair(load_detector(BLURRED, pixel_pitch_mm=PITCH), load_detector(SHARP, pixel_pitch_mm=PITCH))


@lru_cache(maxsize=1)
def screens():
    return ScreenDetector.gos(33.91, PITCH), ScreenDetector.gos(134.55, PITCH)


@lru_cache(maxsize=8)
def transmissions(family, side, seed=0):
    """What thin and thick screen see of a board on the fine grid."""
    cells = side * OVERSAMPLING
    maps = procedural_board(family, (cells, cells), PITCH / OVERSAMPLING, seed)
    return tuple(s.transmission(maps) for s in screens())


def seen(family, side=160, seed=0):
    """Noise-free images: thin, thick, and thin in the thick screen's response."""
    thin, thick = transmissions(family, side, seed)
    sharp, blurred = screens()
    return sharp.image(thin, OVERSAMPLING), blurred.image(thick, OVERSAMPLING), sharp.image(thick, OVERSAMPLING)


def moved_pair(family, registration, side=192, margin=12, seed=0, exposure_s=1.0):
    """Noisy sharp mean, and a blurred frame of the object moved before the detector."""
    whole = side + 2 * margin
    thin, thick = transmissions(family, whole, seed)
    rng = np.random.default_rng(seed)
    first = OVERSAMPLING // 2
    cell = np.arange(side * OVERSAMPLING)
    pixel = (cell - first) / OVERSAMPLING - (side - 1) / 2
    angle = np.deg2rad(registration.rotation_deg)
    c, s = registration.scale * np.cos(angle), registration.scale * np.sin(angle)
    y, x = pixel[:, None], pixel[None, :]
    where = [
        ((c * y + s * x + registration.shift_px[0]) + (side - 1) / 2 + margin) * OVERSAMPLING + first,
        ((c * x - s * y + registration.shift_px[1]) + (side - 1) / 2 + margin) * OVERSAMPLING + first,
    ]
    inner = slice(margin * OVERSAMPLING, (margin + side) * OVERSAMPLING)
    sharp, blurred = screens()
    moved = ndimage.map_coordinates(thick, where, order=1)
    return (
        sharp.frame(thin[inner, inner], OVERSAMPLING, 1.0, rng, frames=20),
        blurred.frame(moved, OVERSAMPLING, exposure_s, rng),
    )


def write_board(folder, sharp, blurred, *, open_beam=50000.0, note=None, truth=None):
    """Write frames (lists of fractions) as a data folder."""
    for role, frames in (("hr", sharp), ("lr", blurred)):
        (folder / role).mkdir(parents=True)
        for number, frame in enumerate(frames):
            stored = np.clip(np.rint(frame * open_beam), 0, 65535).astype(np.uint16)
            known = Acquisition(pixel_pitch_mm=PITCH, open_beam=open_beam, exposure_s=1.0, linear=True)
            write_image(folder / role / f"{number:03d}.tif", Radiograph(stored, known))
    if truth is not None:
        (folder / "truth").mkdir()
        known = Acquisition(pixel_pitch_mm=PITCH, open_beam=1.0, linear=True)
        write_image(folder / "truth" / "target.tif", Radiograph(truth.astype(np.float32), known))
    told = {
        "pixel_pitch_mm": PITCH, "sharp": SHARP, "blurred": BLURRED, "exposure_s": 1.0, "registration": "identity",
    } | (note or {})  # fmt: skip
    (folder / "pair.json").write_text(json.dumps({k: v for k, v in told.items() if v is not None}))
    return folder


def drawn_board(seed, side=128):
    """A cheap board-like picture: blocks at several scales."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side), 0.8, dtype=np.float32)
    for size in (side // 4, side // 10, side // 16):
        for _ in range(20):
            r, c = rng.integers(0, side - size // 2, 2)
            image[r : r + size, c : c + int(rng.integers(size // 2, size + 1))] *= rng.uniform(0.75, 0.98)
    return ndimage.gaussian_filter(image, 0.7)
