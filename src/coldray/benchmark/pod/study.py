"""The study: defects into a user's frame, all arms read alike, curves and maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.pod.curves import ANALYSES, Fit, fit, smallest_found
from coldray.benchmark.pod.defects import BLUR_REACH_PX, KINDS, Stamp, added, side_px, stamp
from coldray.benchmark.pod.design import Design, Gathered, Question
from coldray.benchmark.pod.noise_limit import a90_on_even_ground
from coldray.benchmark.pod.places import READ_PX, SPACING_PX, allowed_places, cells, sites
from coldray.benchmark.pod.reading import Outputs, Reading, patches, read
from coldray.document import Json
from coldray.errors import ImageError, MeasurementError
from coldray.frame import Frame
from coldray.images.scale import scale_of
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair
from coldray.physics.prior import ObjectPrior
from coldray.plugins import Degradation, degradation_of
from coldray.radiograph import Radiograph
from coldray.restoration.evidence import evidence
from coldray.restoration.gate_constants import EvenConstants
from coldray.restoration.job import Job
from coldray.restoration.pair import detectors_of
from coldray.restoration.pipeline import restore
from coldray.restoration.unmeasured import measured_of

Float = NDArray[np.float64]
Image = NDArray[np.float32]
Advance = Callable[[int, int, str], None]

RAW, LINEAR, RESTORED = ARMS = ("raw", "linear", "restored")
"""The frame itself, a Wiener filter of it, and the method of the job."""
SIZES = 8
LEAST_EXPECTED, MOST_EXPECTED = 0.4, 3.0
"""Readings that the smallest and the largest defect should have in the raw frame, where nobody states sizes."""
LARGEST_PX = 40
"""Largest defect that is chosen where nobody states sizes [pixels]."""


@dataclass(frozen=True, eq=False)
class Study:
    """What was found.

    Parameters
    ----------
    question : Question
    sizes_mm : dict of str to tuple of float
        By kind.
    readings : dict of (kind, arm) to dict of float to Reading
    fits : tuple of Fit
    maps : dict of (kind, arm) to ndarray
        Smallest size found with 90 % probability, by cell [mm].
    even_ground_mm : dict of str to float or None
        The a90 that noise alone would allow in the raw frame, in closed form; None outside the range of the sizes.
    spacing_px, places, frames : int
        Side of a cell, disjoint places, frames that defects were put into.
    frame : ndarray, float32, shape (rows, cols)
        The image without defects, fraction of the open beam.
    pair : DetectorPair
    noise_source : str
    warnings : tuple of str
    structured_share : float, optional
        Share of the frame that shows structure, and is read by itself; None where nothing tells it from noise.
    model : dict, optional
        Name and hashes of the model that restored; None without one.
    """

    question: Question
    sizes_mm: Mapping[str, tuple[float, ...]]
    readings: Mapping[tuple[str, str], Mapping[float, Reading]]
    fits: tuple[Fit, ...]
    maps: Mapping[tuple[str, str], Float]
    even_ground_mm: Mapping[str, float | None]
    spacing_px: int
    places: int
    frames: int
    frame: Image
    pair: DetectorPair
    noise_source: str
    warnings: tuple[str, ...] = ()
    structured_share: float | None = None
    model: Mapping[str, Json] | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """What was read, the frame itself first."""
        return tuple(dict.fromkeys(arm for _, arm in self.readings))

    def of(self, kind: str, arm: str, analysis: str) -> Fit:
        """The fit of one curve."""
        return next(f for f in self.fits if (f.kind, f.arm, f.analysis) == (kind, arm, analysis))


@dataclass(frozen=True, eq=False)
class Ground:
    """The frame without defects, and what each arm makes of a frame.

    Parameters
    ----------
    fraction : ndarray, float32, shape (rows, cols)
        Fraction of the open beam.
    pair : DetectorPair
    degradation : object
        The stated forward model.
    noise : NoiseModel
    excluded : ndarray of bool, shape (rows, cols), optional
        Pixels that are no measurement.
    arms : mapping of str to callable
        ``arm(fraction)`` gives the image that is read in place of the frame; the frame itself is read always.
    warnings : tuple of str
    structured : ndarray of bool, shape (rows, cols), optional
        Where the frame without defects shows structure beyond noise: the sort of ground that a reader knows.
    model : dict, optional
        Name and hashes of the model of an arm.
    """

    fraction: Image
    pair: DetectorPair
    degradation: Degradation
    noise: NoiseModel
    excluded: NDArray[np.bool_] | None
    arms: Mapping[str, Callable[[Image], Image]]
    warnings: tuple[str, ...] = ()
    structured: NDArray[np.bool_] | None = None
    model: Mapping[str, Json] | None = None

    def images(self, fraction: Image) -> dict[str, Image]:
        """What is read of a frame, by arm."""
        return {RAW: fraction} | {name: arm(fraction) for name, arm in self.arms.items()}


def pod_study(image: Radiograph, job: Job, question: Question, advance: Advance = lambda *_: None) -> Study:
    """Put known defects into an image and measure with which probability each arm's reader finds them.

    Parameters
    ----------
    image : Radiograph
        One linear frame, with whatever is in it.
    job : Job
        How it is restored; states detectors, exposure and so on.
    question : Question
    advance : callable
        Told what is done.

    Returns
    -------
    Study

    Raises
    ------
    MeasurementError
        If a defect does not fit into the image or the region, or there is no place for enough of them.
    ColdrayError
        As for `coldray.restoration.pipeline.restore`.

    Notes
    -----
    What is put in is simulated; the image it is put into is the user's. The reader is a channelised Hotelling observer that
    knows kind, size and place; all arms are read at one false-call rate, measured on the same frame without defects.

    References
    ----------
    MIL-HDBK-1823A (2009).
    """
    return read_study(ground_of(image, job), question, advance)


def ground_of(image: Radiograph, job: Job) -> Ground:
    """The frame, its detectors and noise, and the arms: a Wiener filter, and the method of the job.

    Parameters
    ----------
    image : Radiograph
        One linear frame.
    job : Job

    Returns
    -------
    Ground

    Raises
    ------
    ImageError
        If it is no single frame.
    ColdrayError
        As for `coldray.restoration.pipeline.restore`.
    """
    if image.pixels.ndim != 2:
        raise ImageError(f"the image has the shape {image.shape}; one frame (rows, cols) is studied")
    scale, warnings = scale_of(image, job.open_beam)
    pair, more = detectors_of(image, job)
    seen = measured_of(image.pixels, image.mask, scale, pair.blurred, job, image.acquisition.frames)
    open_beam = np.float32(scale.open_beam)
    acquisition = replace(image.acquisition, open_beam=scale.open_beam)

    def arm(job: Job) -> Callable[[Image], Image]:
        def restored(fraction: Image) -> Image:
            found = restore(Radiograph(fraction * open_beam, acquisition), job).image.pixels
            return np.asarray(found / open_beam, dtype=np.float32)

        return restored

    plain = replace(
        job, open_beam=None, provenance=False, keep_certificate=False, average=False, response=None, interval=False
    )
    linear = replace(plain, method="wiener", model=None, steps=None, options={})
    degradation = degradation_of(job.degradation)(pair)
    notes = (*warnings, *more, *seen.warnings)
    arms = {LINEAR: arm(linear), RESTORED: arm(plain)}
    constants = EvenConstants() if job.model is None else job.model.even
    prior = ObjectPrior() if job.model is None else job.model.prior
    found = evidence(Frame(seen.fraction, pair, seen.noise, prior), degradation, constants)
    structured = found.gate(constants) > 0 if found.power.known else None
    model = None if job.model is None else job.model.named()
    return Ground(seen.fraction, pair, degradation, seen.noise, seen.excluded, arms, notes, structured, model)


def read_study(ground: Ground, question: Question, advance: Advance = lambda *_: None) -> Study:
    """Ask the question of a frame; see `pod_study`.

    Parameters
    ----------
    ground : Ground
        The frame, and what is known of it.
    question : Question
        Kinds, sizes and contrasts of the defects, and how many.
    advance : callable
        Told how far it is.

    Returns
    -------
    Study
    """
    rng = np.random.default_rng([question.random_state, 73])
    stamps = _stamps(ground, question, rng)
    every = [one for row in stamps.values() for one in row]
    design = Design.of(ground.fraction.shape, every, question, ground.excluded)
    whole = design.frames + 2
    advance(0, whole, "the frame without defects")
    without = ground.images(ground.fraction)
    outputs = Gathered.of(design, every, without)
    for number in range(design.frames):
        advance(number + 1, whole, f"frame {number + 1} of {design.frames} with defects")
        placed = [(every[k], row, col) for k, row, col in design.placed[number]]
        found = ground.images(ground.fraction + added(ground.fraction, placed, ground.noise, rng))
        outputs.take(design, every, number, without, found)
    advance(whole - 1, whole, "reading")
    readings = {(kind, arm): {one.size_mm: read(outputs.of_class(design, every.index(one), arm, ground.structured), rng) for one in row}
                for kind, row in stamps.items() for arm in without}  # fmt: skip
    fits = tuple(fit(kind, arm, analysis, readings[kind, arm])
                 for kind in stamps for arm in without for analysis in ANALYSES)  # fmt: skip
    maps = {(kind, arm): smallest_found(
                readings[kind, arm],
                {one.size_mm: design.cells_of(every.index(one)) for one in stamps[kind]},
                cells(design.read_at, design.spacing), design.cell_shape)
            for kind in stamps for arm in without}  # fmt: skip
    sizes = {kind: tuple(one.size_mm for one in row) for kind, row in stamps.items()}
    return Study(
        question, sizes, readings, fits, maps, _by_noise_alone(ground, question, sizes), design.spacing, design.disjoint, design.frames, ground.fraction,
        ground.pair, ground.noise.source, tuple(dict.fromkeys([*ground.warnings, *design.warnings])),
        None if ground.structured is None else float(ground.structured.mean()), ground.model,
    )  # fmt: skip


def _by_noise_alone(
    ground: Ground, question: Question, sizes: Mapping[str, tuple[float, ...]]
) -> dict[str, float | None]:
    """The a90 of each kind on even ground of the frame's median signal."""
    level = float(np.median(ground.fraction))
    return {
        kind: a90_on_even_ground(partial(_stamp_of, ground, question, kind), (row[0] / 4, row[-1]), ground.noise, level)
        for kind, row in sizes.items()
    }


def _stamp_of(ground: Ground, question: Question, kind: str, size_mm: float) -> Stamp:
    """Class of defects of one kind and size, of the contrast that is asked for."""
    return stamp(kind, size_mm, question.contrast_of(size_mm), ground.pair, ground.degradation)


def _stamps(ground: Ground, question: Question, rng: np.random.Generator) -> dict[str, list[Stamp]]:
    """Classes of defects by kind, in order of size."""
    if not question.kinds:
        raise MeasurementError(f"no kind of defect is asked for; choose among {', '.join(KINDS)}")
    if len(set(question.sizes_mm)) == 1:
        raise MeasurementError("one size tells no curve; give several, from hardly visible to plain")
    pitch = ground.pair.pixel_pitch_mm
    shortest = min(ground.fraction.shape)
    for size in question.sizes_mm:
        if not (np.isfinite(size) and size > 0):
            raise MeasurementError(f"a defect has the size {size:g} mm; sizes must be positive")
        if side_px(size, pitch) > shortest // 2:
            raise MeasurementError(
                f"a defect of {size:.4g} mm and its blur need {side_px(size, pitch) * pitch:.3g} mm, more than half of the "
                f"image's {shortest * pitch:.3g} mm; choose smaller defects or a larger image"
            )

    def of(kind: str, sizes: Sequence[float]) -> list[Stamp]:
        return [_stamp_of(ground, question, kind, size) for size in sorted({*map(float, sizes)})]

    return {
        kind: of(kind, question.sizes_mm or _usual_sizes(ground, question, kind, of, rng))
        for kind in dict.fromkeys(question.kinds)
    }


def _usual_sizes(
    ground: Ground, question: Question, kind: str, of: Callable[[str, Sequence[float]], list[Stamp]], rng: np.random.Generator
) -> tuple[float, ...]:  # fmt: skip
    """Sizes from hardly visible to plain in the raw frame: by what its own ground lets a reader see."""
    pitch = ground.pair.pixel_pitch_mm
    most = min(LARGEST_PX, min(ground.fraction.shape) // 2 - BLUR_REACH_PX - 2) * pitch
    if question.contrast_per_mm is not None:
        most = min(most, 1 / question.contrast_per_mm)
    if most < pitch:
        raise MeasurementError(
            f"the image of {ground.fraction.shape[1]} x {ground.fraction.shape[0]} pixels has no room for a defect and its blur"
        )
    trial = of(kind, np.geomspace(pitch / 2, most, 14).tolist())
    allowed = allowed_places(ground.fraction.shape, trial[-1].half, question.regions, ground.excluded)
    at = sites(allowed, READ_PX)
    cell = cells(at, SPACING_PX)
    level = float(np.median(ground.fraction[allowed])) if allowed.any() else 1.0
    expected = []
    for one in trial:
        out = patches(ground.fraction, at, one.channels)
        shown = level * np.tile(one.channels @ one.image.ravel(), (len(at), 1))
        expected.append(float(read(Outputs(out, cell, out + shown, out, cell), rng).response.mean()))
    rising = np.maximum.accumulate(np.maximum(expected, 1e-9))
    log_size = np.log([one.size_mm for one in trial])
    ends = np.interp(np.log([LEAST_EXPECTED, MOST_EXPECTED]), np.log(rising), log_size)
    if ends[1] - ends[0] < np.log(2):
        ends[0] = ends[1] - np.log(2)
    return tuple(np.exp(np.linspace(ends[0], ends[1], SIZES)).tolist())
