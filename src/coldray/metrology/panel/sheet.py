"""All figures of one panel from its corrected acquisitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.duplex.isrb import DuplexMeasurement, duplex_isrb
from coldray.metrology.inputs import crop
from coldray.metrology.panel.efficiency import Efficiency, Exposure, efficiency
from coldray.metrology.panel.figure import Figure, missing, with_sd
from coldray.metrology.panel.lag import Lag, burn_in, image_lag
from coldray.metrology.panel.scatter import Scatter, internal_scatter
from coldray.metrology.panel.thickness import Limits, WedgeReading, read_wedge

RESOLUTION, BAD, OFFSET = "interpolated basic spatial resolution", "bad pixels", "offset level"
FEW_DARKS = 10

Roi = tuple[int, int, int, int]
Mask = NDArray[np.bool_]
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class WedgeImage:
    """Corrected image of a step wedge: material, integration time [s], thicknesses [mm], groove [%], region [px]."""

    material: str
    time_s: float
    thickness_mm: tuple[float, ...]
    groove_percent: float
    image: NDArray[np.number]
    roi: Roi | None = None


@dataclass(frozen=True, eq=False)
class LagFrames:
    """Corrected frames in the beam and after it, shape (frames, rows, cols), and the time from frame to frame [s]."""

    exposed: NDArray[np.number]
    after: NDArray[np.number]
    frame_time_s: float


@dataclass(frozen=True, eq=False)
class BurnInImages:
    """Corrected images before the long exposure, of it with the plate, and after it by minutes."""

    before: NDArray[np.number]
    plate: NDArray[np.number]
    after: Mapping[float, NDArray[np.number]]


@dataclass(frozen=True, eq=False)
class Acquisitions:
    """What is known of one panel; whatever is None or empty is left out of the sheet.

    Parameters
    ----------
    pixel_pitch_mm : float
    saturation : float
        Signal above the offset at which a frame saturates.
    mask : ndarray of bool, shape (rows, cols)
        Bad pixels, which never count.
    bad_pixels : mapping of str to int
        Their number by class, of clusters and of lines.
    darks : ndarray, shape (frames, rows, cols), optional
        Raw dark frames.
    duplex, duplex_roi : optional
        Corrected image of duplex wires, and the region X, Y, W, H that holds them.
    exposures : mapping of str to sequence of Exposure
        By beam quality.
    open_roi : X, Y, W, H [px], optional
        Region of the exposures that counts.
    wedges : sequence of WedgeImage
    lag, burn_in, scatter : optional
    """

    pixel_pitch_mm: float
    saturation: float
    mask: Mask
    bad_pixels: Mapping[str, int] = field(default_factory=dict)
    darks: NDArray[np.number] | None = None
    duplex: NDArray[np.number] | None = None
    duplex_roi: Roi | None = None
    exposures: Mapping[str, Sequence[Exposure]] = field(default_factory=dict)
    open_roi: Roi | None = None
    wedges: Sequence[WedgeImage] = ()
    lag: LagFrames | None = None
    burn_in: BurnInImages | None = None
    scatter: NDArray[np.number] | None = None


@dataclass(frozen=True, eq=False)
class PanelMeasurement:
    """The sheet of one panel.

    Parameters
    ----------
    name : str
    figures : tuple of Figure
    duplex, efficiencies, wedges, lag, scatter
        The measurements behind them, for figures on the page.
    warnings : tuple of str
        What could not be measured and why, and what the measurements remark.
    """

    name: str
    figures: tuple[Figure, ...]
    duplex: DuplexMeasurement | None
    efficiencies: tuple[Efficiency, ...]
    wedges: tuple[WedgeReading, ...]
    lag: Lag | None
    scatter: Scatter | None
    warnings: tuple[str, ...]

    def __getitem__(self, key: str) -> Figure:
        """Figure of a key."""
        return next(figure for figure in self.figures if figure.key == key)

    def to_json(self) -> dict[str, Json]:
        """JSON-able form."""
        return {
            "name": self.name,
            "figures": [figure.to_json() for figure in self.figures],
            "efficiency": [
                {
                    "beam": one.beam,
                    "air_kerma_mgy": one.air_kerma_mgy.tolist(),
                    "snr_n": one.snr_n.tolist(),
                    "snr_n_sd": one.snr_n_sd.tolist(),
                    "r_squared": one.r_squared,
                    "largest_deviation": one.largest_deviation,
                }
                for one in self.efficiencies
            ],
            "lag": None
            if self.lag is None
            else {"time_s": self.lag.time_s.tolist(), "left": self.lag.left.tolist(), "left_sd": self.lag.left_sd},
            "internal_scatter_reach_px": None if self.scatter is None else self.scatter.reach_px,
            "warnings": list(self.warnings),
        }


def measure_panel(name: str, given: Acquisitions, limits: Limits | None = None) -> PanelMeasurement:
    """Measure everything that the acquisitions of a panel allow.

    Parameters
    ----------
    name : str
    given : Acquisitions
    limits : Limits, optional
        Levels that bound the range of thickness.

    Returns
    -------
    PanelMeasurement
        What fails is left out, with the reason among the warnings.

    References
    ----------
    ASTM E2597/E2597M-22, as its public preview and literature describe it; no conformity is claimed.
    """
    figures: list[Figure] = []
    warnings: list[str] = []

    def tried(what: str, measure: Callable[[], Found]) -> Found | None:
        try:
            return measure()
        except MeasurementError as problem:
            warnings.append(f"{what}: {problem}")
            return None

    duplex = given.duplex
    wires = None
    if duplex is not None:
        wires = tried(RESOLUTION, lambda: duplex_isrb(duplex, given.pixel_pitch_mm, given.duplex_roi, mask=given.mask))
    isrb, isrb_sd = _isrb(wires, figures)
    warnings += [f"duplex wires: {warning}" for warning in (() if wires is None else wires.warnings)]
    efficiencies: list[Efficiency] = []
    readings: list[WedgeReading] = []
    if isrb is None and (given.exposures or given.wedges):
        warnings.append("efficiency and thickness limits need the iSRb; give an image of duplex wires")
    else:
        assert isrb is not None or not (given.exposures or given.wedges)
        at = float(isrb or 0.0)
        for beam, exposures in given.exposures.items():
            one = tried(f"efficiency, {beam}", lambda b=beam, e=exposures: _efficiency(b, e, given, at, isrb_sd))  # type: ignore[misc]
            efficiencies += [] if one is None else [one]
        for wedge in given.wedges:
            what = f"wedge, {wedge.material}, {wedge.time_s:g} s"
            reading = tried(what, lambda w=wedge: _reading(w, given, at, isrb_sd, limits))  # type: ignore[misc]
            readings += [] if reading is None else [reading]
            warnings += [] if reading is None else [f"{what}: {note}" for note in reading.warnings]
    figures += [one.at_1_mgy for one in efficiencies]
    warnings += [warning for one in efficiencies for warning in one.warnings]
    figures += [figure for reading in readings for figure in reading.figures]
    lag = None
    if (frames := given.lag) is not None:
        offset_sd = _offset_sd(given.darks)
        lag = tried(
            "image lag",
            lambda: image_lag(frames.exposed, frames.after, frames.frame_time_s, offset_sd=offset_sd, mask=given.mask),
        )
    figures += [] if lag is None else lag.figures
    if (burnt := given.burn_in) is not None:
        for minutes, after in burnt.after.items():
            found = tried(
                f"burn-in after {minutes:g} min",
                lambda m=minutes, a=after: burn_in(m, burnt.before, burnt.plate, a, mask=given.mask),  # type: ignore[misc]
            )
            figures += [] if found is None else [found]
    scatter = None
    if (edge := given.scatter) is not None:
        scatter = tried("internal scatter", lambda: internal_scatter(edge, given.mask))
    figures += [] if scatter is None else [scatter.figure]
    figures += _counts(given.bad_pixels)
    figures += [] if given.darks is None else _offset(given.darks, given.mask, warnings)
    if not figures:
        raise MeasurementError("none of the acquisitions of the panel could be measured: " + "; ".join(warnings))
    return PanelMeasurement(
        name, tuple(figures), wires, tuple(efficiencies), tuple(readings), lag, scatter, tuple(warnings)
    )


def _isrb(wires: DuplexMeasurement | None, figures: list[Figure]) -> tuple[float | None, float]:
    """The iSRb [mm] and its standard uncertainty; adds the figure."""
    if wires is None:
        return None, 0.0
    name = "iSRb of the detector"
    if wires.isrb_mm is None or wires.isrb_low_mm is None or wires.isrb_high_mm is None:
        figures.append(missing("isrb", name, "µm", RESOLUTION, "; ".join(wires.warnings)))
        return None, 0.0
    figures.append(
        Figure("isrb", name, 1e3 * wires.isrb_mm, 1e3 * wires.isrb_low_mm, 1e3 * wires.isrb_high_mm, "µm", RESOLUTION)
    )
    return wires.isrb_mm, (wires.isrb_high_mm - wires.isrb_low_mm) / 4


def _reading(
    wedge: WedgeImage, given: Acquisitions, isrb: float, isrb_sd: float, limits: Limits | None
) -> WedgeReading:
    return read_wedge(
        crop(wedge.image, wedge.roi),
        wedge.material,
        wedge.time_s,
        wedge.thickness_mm,
        groove_percent=wedge.groove_percent,
        isrb_mm=isrb,
        isrb_sd_mm=isrb_sd,
        saturation=given.saturation,
        limits=limits,
        mask=crop(given.mask, wedge.roi),
    )


def _efficiency(
    beam: str, exposures: Sequence[Exposure], given: Acquisitions, isrb: float, isrb_sd: float
) -> Efficiency:
    roi = given.open_roi
    cut = [Exposure(one.air_kerma_mgy, crop(one.first, roi), crop(one.second, roi)) for one in exposures]
    return efficiency(beam, cut, isrb, isrb_sd, crop(given.mask, roi))


def _counts(bad_pixels: Mapping[str, int]) -> list[Figure]:
    """Counts are exact for the frames they were made on."""
    return [
        Figure(f"bad.{key}", f"bad pixels: {key.replace('_', ' ')}", count, count, count, "", BAD)
        for key, count in bad_pixels.items()
    ]


def _offset_sd(darks: NDArray[np.number] | None) -> float:
    """Standard uncertainty of the mean offset of one frame, from that of the darks."""
    if darks is None or len(darks) < 2:
        return 0.0
    means = np.asarray(darks, dtype=np.float64).mean(axis=(1, 2))
    return float(means.std(ddof=1) * np.sqrt(1 + 1 / means.size))


def _offset(darks: NDArray[np.number], mask: Mask, warnings: list[str]) -> list[Figure]:
    """Mean of the dark frames, and their noise from frame to frame."""
    if len(darks) < FEW_DARKS:
        warnings.append(f"only {len(darks)} dark frames; {FEW_DARKS} or more give offset and noise their bands")
        if len(darks) < 2:
            return []
    stack = np.asarray(darks, dtype=np.float64)[:, ~mask]
    means = stack.mean(axis=1)
    freedom, pixels = len(stack) - 1, stack.shape[1]
    # The median of chi squared over k is (1 - 2 / (9 k))^3, and that of n values has pi / 2 times the variance of a mean.
    noise = float(np.sqrt(np.median(stack.var(axis=0, ddof=1)) / (1 - 2 / (9 * freedom)) ** 3))
    relative = float(np.sqrt(np.pi / 2 / (2 * freedom * pixels))) + 1e-3
    return [
        with_sd(
            "offset", "offset level", float(means.mean()), float(means.std(ddof=1) / np.sqrt(means.size)), "GV", OFFSET
        ),
        with_sd("dark_noise", "dark noise of a frame", noise, noise * relative, "GV", OFFSET),
    ]
