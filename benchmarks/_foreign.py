"""Simulated boards seen by a detector pair of other physics: a thin Gd2O2S screen and a thick columnar CsI one, moved between the two."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coldray.dataset.family import ScreenShape
from coldray.formats import write_image
from coldray.objects.boards import procedural_board
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector, load_detector
from coldray.physics.screen import Screen, gos_screen, open_beam_nnps
from coldray.physics.source import AIR_KERMA_RATE_UGY_S, spectrum_70kv
from coldray.radiograph import Acquisition, Radiograph
from coldray.simulation.detector import ScreenDetector

PITCH_MM, OVERSAMPLING, SIDE_PX, MARGIN_PX = 0.1, 3, 416, 16
SHARP_MG_CM2, BLURRED_MG_CM2 = 33.91, 134.55
CSI_MG_CM2, ESCAPE = 180.0, (0.75, 1.0)
"""Mass thickness, some 0.5 mm of columns, and light escape from the entrance and the sensor side."""
CORNERS_LP_MM, EXPONENT = (0.9, 1.2, 1.6, 2.1, 2.8), 1.5
"""Of the transfer 1 / (1 + (f / corner)^exponent) of five layers, from the entrance to the sensor side."""
CSI_KEV = np.array([10, 15, 20, 30, 33.16, 33.18, 35.97, 35.99, 40, 50, 60, 80], dtype=float)
CSI_CM2_G = np.array([171, 59, 27.5, 9.05, 6.92, 21.2, 17.3, 30.0, 23.0, 12.9, 7.92, 3.68])
"""Mass attenuation of CsI, approximate."""
OPEN_BEAM = 50000.0
SHARP_FRAMES, SHARP_S, BLURRED_FRAMES, BLURRED_S = 8, 1.0, 2, 0.05


def csi_screen() -> Screen:
    """CsI screen in five layers."""
    beam, gos = spectrum_70kv(), gos_screen(CSI_MG_CM2)
    mu = np.exp(np.interp(np.log(beam.energy_kev), np.log(CSI_KEV), np.log(CSI_CM2_G)))
    layers = len(CORNERS_LP_MM)
    edges = np.linspace(0, CSI_MG_CM2 / 1000, layers + 1)
    absorbed = np.exp(-mu[:, None] * edges[:-1]) - np.exp(-mu[:, None] * edges[1:])
    escape = np.linspace(*ESCAPE, layers)
    quanta = beam.photons_mm2_ugy @ absorbed
    energy = (beam.photons_mm2_ugy * beam.energy_kev) @ absorbed
    transfer = np.stack([ScreenShape(corner, EXPONENT)(gos.frequency_lp_mm) for corner in CORNERS_LP_MM])
    return Screen(
        CSI_MG_CM2,
        quanta,
        energy / quanta * escape,
        gos.frequency_lp_mm,
        transfer,
        beam.energy_kev * (absorbed @ escape),
    )


@dataclass(frozen=True)
class Moved:
    """How the object lies before the blurred detector, against the sharp one: shift [px], rotation [deg], scale."""

    shift_px: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    scale: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Moved:
        """Up to 4 pixels, 0.3 degrees and 0.3 %."""
        shift = rng.uniform(-4, 4, 2)
        return cls(
            (float(shift[0]), float(shift[1])), float(rng.uniform(-0.3, 0.3)), float(1 + rng.uniform(-3e-3, 3e-3))
        )


@dataclass(frozen=True, eq=False)
class Screens:
    """Both screens of a pair on equal pixels."""

    sharp: ScreenDetector
    blurred: ScreenDetector

    @classmethod
    def foreign(cls) -> Screens:
        """The thin Gd2O2S and the thick CsI screen."""
        return cls(ScreenDetector.gos(SHARP_MG_CM2, PITCH_MM), ScreenDetector(csi_screen(), PITCH_MM))

    @classmethod
    def covered(cls) -> Screens:
        """Two Gd2O2S screens, as the shipped model was trained on."""
        return cls(ScreenDetector.gos(SHARP_MG_CM2, PITCH_MM), ScreenDetector.gos(BLURRED_MG_CM2, PITCH_MM))

    def stated(self) -> tuple[Detector, Detector]:
        """What a careful user states of both, sharp and blurred."""
        return _stated(self.sharp, "thin"), _stated(self.blurred, "thick")


def assumed() -> tuple[Detector, Detector]:
    """What is stated where nobody measured: the built-in model of two Gd2O2S screens."""
    return load_detector(f"phosphor:{SHARP_MG_CM2}", pixel_pitch_mm=PITCH_MM), load_detector(
        f"phosphor:{BLURRED_MG_CM2}", pixel_pitch_mm=PITCH_MM
    )


def _stated(screen: ScreenDetector, name: str) -> Detector:
    """MTF and NNPS of a screen."""
    last = np.sqrt(0.5) / PITCH_MM
    frequency = np.linspace(0, last, 181)
    mtf = screen.screen.mtf(frequency) * np.sinc(PITCH_MM * frequency)
    quantum, electronic = open_beam_nnps(screen.screen, PITCH_MM, AIR_KERMA_RATE_UGY_S, frequency, 0.0)
    total = quantum + electronic
    inside = frequency <= 0.5 / PITCH_MM
    share = float(electronic[0]) / float((total * frequency)[inside].sum() / frequency[inside].sum())
    return Detector(name, PITCH_MM, FrequencyCurve(frequency, mtf), FrequencyCurve(frequency, total), 1.0, share)


@dataclass(frozen=True, eq=False)
class Acquired:
    """Frames of one board by both detectors, and the noise-free sharp image in the blurred detector's response, on its grid."""

    name: str
    sharp: NDArray[np.float32]
    blurred: NDArray[np.float32]
    target: NDArray[np.float32]


def acquire(screens: Screens, family: str, number: int, side_px: int = SIDE_PX) -> Acquired:
    """Draw a board and acquire it with both detectors, moved in between."""
    rng = np.random.default_rng([zlib.crc32(family.encode()), number])
    whole = (side_px + 2 * MARGIN_PX) * OVERSAMPLING
    maps = procedural_board(family, (whole, whole), PITCH_MM / OVERSAMPLING, int(rng.integers(2**31)))
    thin, thick = (s.transmission(maps) for s in (screens.sharp, screens.blurred))
    inner = slice(MARGIN_PX * OVERSAMPLING, (MARGIN_PX + side_px) * OVERSAMPLING)
    moved = _moved(thick, Moved.draw(rng))[inner, inner]
    thin = np.ascontiguousarray(thin[inner, inner])
    sharp = np.stack([screens.sharp.frame(thin, OVERSAMPLING, SHARP_S, rng, workers=1) for _ in range(SHARP_FRAMES)])
    blurred = np.stack(
        [screens.blurred.frame(moved, OVERSAMPLING, BLURRED_S, rng, workers=1) for _ in range(BLURRED_FRAMES)]
    )
    return Acquired(f"{family}-{number}", sharp, blurred, screens.sharp.image(moved, OVERSAMPLING))


def _moved(fine: NDArray[np.float32], how: Moved) -> NDArray[np.float32]:
    """The object on the fine grid, moved about its centre."""
    angle = np.deg2rad(how.rotation_deg)
    turn = how.scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = (np.array(fine.shape) - 1) / 2
    offset = centre + np.array(how.shift_px) * OVERSAMPLING - turn @ centre
    return np.asarray(ndimage.affine_transform(fine, turn, offset, order=3, mode="nearest"), dtype=np.float32)


def write_frames(folder: Path, seen: Acquired) -> None:
    """Write frames as a user would, and the truth beside the folder."""
    for role, frames, exposure in (("hr", seen.sharp, SHARP_S), ("lr", seen.blurred, BLURRED_S)):
        (folder / role).mkdir(parents=True)
        known = Acquisition(pixel_pitch_mm=PITCH_MM, open_beam=OPEN_BEAM, exposure_s=exposure, linear=True)
        for number, frame in enumerate(frames):
            stored = np.clip(np.rint(frame * OPEN_BEAM), 0, 65535).astype(np.uint16)
            write_image(folder / role / f"{number:03d}.tif", Radiograph(stored, known))
    np.save(folder.with_suffix(".npy"), seen.target)


def write_note(folder: Path, name: str, stated: tuple[Detector, Detector]) -> None:
    """Write pair.json, and the detectors that it names."""
    note = {"board": name, "pixel_pitch_mm": PITCH_MM, "exposure_s": BLURRED_S, "registration": "unknown"}
    for key, detector in zip(("sharp", "blurred"), stated, strict=True):
        (folder / f"{key}.json").write_text(json.dumps(detector.to_dict()))
        note[key] = f"{key}.json"
    (folder / "pair.json").write_text(json.dumps(note, indent=1))
