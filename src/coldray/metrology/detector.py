"""A whole detector from edges, flat fields and bar patterns: MTF, NNPS, NEQ or DQE, and what of the noise is electronic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from coldray import __version__
from coldray.document import Json
from coldray.errors import MeasurementError, SettingsError
from coldray.metrology.bars.ctf import BarsMeasurement, bars_ctf
from coldray.metrology.budget import NoiseBudget, exposure_series
from coldray.metrology.dqe import Beam, DqeMeasurement, beam, neq_dqe
from coldray.metrology.dqe_table import DqeRow, dqe_table
from coldray.metrology.edge.directions import by_direction, mean_curve
from coldray.metrology.edge.mtf import EdgeMeasurement, edge_mtf
from coldray.metrology.inputs import by_level, pages
from coldray.metrology.noise import NoiseMeasurement, flat_nnps
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import ANISOTROPY_TOLD, Detector
from coldray.radiograph import Radiograph
from coldray.words import percent

FEWEST_LEVELS = 3
BARS_AGREE = 0.03
"""Largest difference between the MTF of bars and edge that is not worth a warning."""
DETRENDED_RINGS = 2
"""Lowest radial bins of an NNPS that lack what the trend took."""
SAME_EXPOSURE = 1e-3
"""Relative difference below which two exposures are the same number, rounded differently."""


@dataclass(frozen=True, eq=False)
class Level:
    """The flat fields of one exposure.

    Parameters
    ----------
    noise : NoiseMeasurement
    exposure_s : float or None
        Of one frame [s], if all flats state the same.
    """

    noise: NoiseMeasurement
    exposure_s: float | None

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {
            "mean_signal": self.noise.mean_signal,
            "pixel_variance": self.noise.pixel_variance,
            "frames": self.noise.frames,
            "exposure_s": self.exposure_s,
        }


@dataclass(frozen=True, eq=False)
class DetectorMeasurement:
    """A detector, and the measurements it rests on.

    Parameters
    ----------
    detector : Detector
    edge : EdgeMeasurement
        Of edges in two directions with the mean of both MTFs.
    directions : (EdgeMeasurement, EdgeMeasurement) or None
        Along the columns' axis and along the rows' axis, if edges of both kinds were given.
    levels : tuple of Level
        Weakest exposure first; the NNPS is the last one's.
    bars : tuple of BarsMeasurement
    neq : DqeMeasurement
    budget : NoiseBudget or None
        Of three exposures or more.
    warnings : tuple of str
    """

    detector: Detector
    edge: EdgeMeasurement
    directions: tuple[EdgeMeasurement, EdgeMeasurement] | None
    levels: tuple[Level, ...]
    bars: tuple[BarsMeasurement, ...]
    neq: DqeMeasurement
    budget: NoiseBudget | None
    warnings: tuple[str, ...]

    @property
    def flat(self) -> NoiseMeasurement:
        """Noise of the brightest flats, whose NNPS is the detector's."""
        return self.levels[-1].noise

    @property
    def dqe_rows(self) -> tuple[DqeRow, ...]:
        """NEQ and DQE at 0.5, 1.0, 1.5 ... lp/mm in the directions that were measured."""
        if self.directions is not None:
            return dqe_table({"u": self.directions[0].mtf, "v": self.directions[1].mtf}, self.flat, self.neq)
        one = {"vertical": "u", "horizontal": "v"}.get(self.edge.orientation)
        return () if one is None else dqe_table({one: self.edge.mtf}, self.flat, self.neq)

    def to_json(self) -> dict[str, Json]:
        """JSON-able form of the measurements: what a detector file holds beside the detector."""
        return {
            "coldray": __version__,
            "edge": self.edge.to_json(),
            "edge_directions": None if self.directions is None else [one.to_json() for one in self.directions],
            "flat": self.flat.to_json() | {"levels": [level.to_json() for level in self.levels]},
            "bars": [one.to_json() for one in self.bars],
            "dqe": self.neq.to_json(),
            "dqe_table": [row.to_json() for row in self.dqe_rows],
            "noise_budget": None if self.budget is None else self.budget.to_json(),
        }


def characterise(
    edges: Sequence[Radiograph],
    flats: Sequence[Radiograph],
    pixel_pitch_mm: float,
    *,
    name: str = "detector",
    bars: Sequence[Radiograph] = (),
    roi: tuple[int, int, int, int] | None = None,
    exposure_s: float | None = None,
    air_kerma_ugy: float | None = None,
    beam_quality: str | None = None,
    edition: str = "2015",
    loading_mg_cm2: float | None = None,
    description: str | None = None,
) -> DetectorMeasurement:
    """Measure a detector: MTF, NNPS, NEQ or DQE, and the electronic share of its noise.

    Parameters
    ----------
    edges : sequence of Radiograph
        Slanted edges, corrected; every page counts as an image. Upright and lying edges together give two directions.
    flats : sequence of Radiograph
        Flat fields, corrected, of one exposure or several; the brightest give the NNPS, three exposures the electronic share.
    pixel_pitch_mm : float
        Pixel pitch [mm].
    name : str
        Of the detector.
    bars : sequence of Radiograph
        Bar patterns, compared with the edges.
    roi : (x, y, width, height), optional
        Region of the edge [pixels].
    exposure_s : float, optional
        Of one of the brightest flats [s]; what they state by default, else 1.
    air_kerma_ugy : float, optional
        Air kerma at the detector for one of the brightest flats [uGy]; what they state by default.
    beam_quality : str, optional
        RQA3, RQA5, RQA7, RQA9 or W70kV, for a DQE.
    edition : {"2015", "2003"}
        Of the RQA table.
    loading_mg_cm2 : float, optional
        Phosphor loading [mg/cm2], for the record.
    description : str, optional
        Where the curves come from; how many images were measured by default.

    Returns
    -------
    DetectorMeasurement

    Raises
    ------
    MeasurementError
        If an edge, a flat or a bar pattern cannot be measured, or a DQE is asked of flats that are unlike means.
    SettingsError
        If there is no such beam, or it comes without an air kerma or the other way round.

    References
    ----------
    IEC 62220-1-1:2015.
    """
    quality = _beam(beam_quality, edition)
    frames, flat_frames = pages(edges), pages(flats)
    edge = edge_mtf(frames, pixel_pitch_mm, roi)
    directions = by_direction(frames, lambda images: edge_mtf(images, pixel_pitch_mm, roi))
    if directions is not None:
        edge = _radial(edge, directions)
    groups = by_level(flat_frames)
    levels = tuple(Level(flat_nnps(group, pixel_pitch_mm), _stated(group)) for group in groups)
    reference = levels[-1].noise
    measured_bars = tuple(bars_ctf(image, pixel_pitch_mm) for image in bars)
    kerma, of_kerma = _air_kerma(air_kerma_ugy, quality, groups[-1])
    history = [step for image in (*edges, *flats, *bars) for step in image.history]
    neq = neq_dqe(edge.mtf, reference, air_kerma_ugy=kerma, beam_quality=quality, history=history)
    budget, electronic, of_budget = _electronic([level.noise for level in levels])
    exposure, of_exposure = _exposure(exposure_s, groups[-1])
    detector = Detector(
        name,
        pixel_pitch_mm,
        edge.mtf,
        _from_zero(reference.radial),
        exposure,
        electronic,
        loading_mg_cm2,
        description or f"measured from {len(edges)} edge and {len(flats)} flat image(s) by coldray {__version__}",
        None if directions is None else (directions[0].mtf, directions[1].mtf),
    )
    found = [*edge.warnings, *neq.warnings, *(w for one in measured_bars for w in one.warnings)]
    warnings = [*of_kerma, *of_budget, *of_exposure, *found, *_disagreement(edge, measured_bars)]
    if detector.anisotropy > ANISOTROPY_TOLD:
        warnings.append(f"MTF50 differs by {percent(detector.anisotropy)} between the directions; both are in the file")
    unique = tuple(dict.fromkeys(warnings))
    return DetectorMeasurement(detector, edge, directions, levels, measured_bars, neq, budget, unique)


def _radial(edge: EdgeMeasurement, directions: tuple[EdgeMeasurement, EdgeMeasurement]) -> EdgeMeasurement:
    """Measurement with the mean of the MTFs of both directions."""
    radial = mean_curve(*(one.mtf for one in directions))
    half, fifth, tenth = (radial.frequency_at(level) for level in (0.5, 0.2, 0.1))
    return replace(edge, mtf=radial, mtf50_lp_mm=half, mtf20_lp_mm=fifth, mtf10_lp_mm=tenth)


def _beam(name: str | None, edition: str) -> Beam | None:
    """Beam quality by name; an unknown one is a wrong setting."""
    if name is None:
        return None
    try:
        return beam(name, edition)
    except MeasurementError as problem:
        raise SettingsError(f"`beam_quality`: {problem}") from None


def _air_kerma(stated: float | None, quality: Beam | None, flats: list[Radiograph]) -> tuple[float | None, list[str]]:
    """Air kerma of what one reference image holds [uGy], where a DQE is wanted."""
    averaged = {f.acquisition.frames for f in flats}
    if quality is None:
        if stated is not None:
            raise SettingsError("`air_kerma_ugy` needs `beam_quality`: RQA3, RQA5, RQA7, RQA9 or W70kV")
        return None, []
    known = {f.acquisition.air_kerma_ugy for f in flats} - {None}
    if stated is None and len(known) != 1:
        raise SettingsError("`beam_quality` needs `air_kerma_ugy`: the flats do not state one air kerma")
    each = stated if stated is not None else known.pop()
    assert each is not None
    if len(averaged) > 1:
        raise MeasurementError("the flats are means of unlike numbers of frames; a DQE needs equal exposures")
    count = averaged.pop()
    return each * count, [] if count == 1 else [
        f"each flat is the mean of {count} frames: the air kerma counts {count} times"
    ]


def _stated(flats: list[Radiograph]) -> float | None:
    """Exposure of one frame [s] that all flats state; None if they do not."""
    known = {f.acquisition.exposure_s for f in flats if f.acquisition.exposure_s is not None}
    return known.pop() if len(known) == 1 else None


def _exposure(given: float | None, flats: list[Radiograph]) -> tuple[float, list[str]]:
    """Exposure that the NNPS belongs to [s]: that of one frame times the frames averaged in a file."""
    averaged = {f.acquisition.frames for f in flats}
    count = max(averaged)
    notes = [] if len(averaged) == 1 else ["the flats are means of unlike numbers of frames"]
    stated = _stated(flats)
    if given is not None:
        if stated is not None and abs(stated / given - 1) > SAME_EXPOSURE:
            notes.append(f"the flats state {stated:g} s; the {given:g} s that were given are used")
        return given * count, notes
    if stated is not None:
        return stated * count, notes
    return float(count), [*notes, "the exposure of the flats is not known: 1 s is assumed; state it"]


def _electronic(levels: list[NoiseMeasurement]) -> tuple[NoiseBudget | None, float, list[str]]:
    """Share of the brightest level's noise that does not depend on the signal; 0 without an exposure series."""
    if len(levels) == 1:
        return None, 0.0, []
    if len(levels) < FEWEST_LEVELS:
        return (
            None,
            0.0,
            [
                f"{len(levels)} exposures do not tell electronic from quantum noise, {FEWEST_LEVELS} do; "
                "the brightest flats are used, and electronic noise counts as 0"
            ],
        )
    budget = exposure_series(levels)
    share = budget.electronic / budget.variance(levels[-1].mean_signal)
    return budget, float(min(max(share, 0.0), 1.0)), list(budget.warnings)


def _disagreement(edge: EdgeMeasurement, bars: Sequence[BarsMeasurement]) -> list[str]:
    """Bars and edge measure the same MTF; say where they do not."""
    apart = [
        (abs(g.mtf - float(edge.mtf(g.frequency_lp_mm))), g.frequency_lp_mm)
        for measured in bars
        for g in measured.groups
        if g.frequency_lp_mm <= edge.mtf.last_frequency_lp_mm
    ]
    worst, place = max(apart, default=(0.0, 0.0))
    if worst <= BARS_AGREE:
        return []
    return [
        f"bars and edge differ by {worst:.2f} in MTF at {place:.3g} lp/mm: check magnification, focus and the plateaus of the bars"
    ]


def _from_zero(radial: FrequencyCurve) -> FrequencyCurve:
    """Radial NNPS from zero frequency on; the rings that the trend was taken from hold the next one's value."""
    frequency = np.concatenate([[0.0], radial.frequency_lp_mm[DETRENDED_RINGS:]])
    value = np.concatenate([radial.value[DETRENDED_RINGS : DETRENDED_RINGS + 1], radial.value[DETRENDED_RINGS:]])
    return FrequencyCurve(frequency, value)
