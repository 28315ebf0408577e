"""One board → its base patches: correct, register, match the response, blur, cut, and keep for resuming."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from coldray.dataset.frames import BoardImages, fingerprint, read_board
from coldray.dataset.note import BoardNote, PartNote
from coldray.dataset.patches import THUMBNAIL_SIDE, BoardName, block_means, is_empty, positions, signatures
from coldray.dataset.response import ResponseCurve
from coldray.dataset.simulated import BoardRecipe, simulate_board
from coldray.dataset.store import decode, detector_key, encode, write_array, write_json
from coldray.document import Json
from coldray.errors import ColdrayError, ImageError, SettingsError
from coldray.images.registration import register, resample
from coldray.physics.ratio_blur import ratio_blur

LAYERS = ("measured", "truth", "truth_blurred", "mean", "mean_blurred", "half_a", "half_a_blurred", "half_b")
"""What may be stored of a patch, in this order: the blurred frame as measured; three references, each with its blur."""
PART_VERSION = 3


@dataclass(frozen=True)
class Cut:
    """What decides the patches of one board, besides the board itself.

    Parameters
    ----------
    kind : {"acquired", "synthetic"}
        Whether the blurred image was measured (or simulated) on its own, or is made from the sharp one by Eq. 1.
    patch_px, context_px : int
        Side of a patch and what is kept around it [px].
    measure_registration : bool
        Measure it even where pair.json states it.
    """

    kind: Literal["acquired", "synthetic"] = "acquired"
    patch_px: int = 128
    context_px: int = 16
    measure_registration: bool = False


@dataclass(frozen=True)
class Job:
    """One board to be cut.

    Parameters
    ----------
    name : BoardName
    source : Path or BoardRecipe
        Board folder, or what to simulate.
    cut : Cut
    response : dict, optional
        Response curve as JSON.
    must_match : bool
        Whether a board of other detectors than the curve's is an error.
    """

    name: BoardName
    source: Path | BoardRecipe
    cut: Cut
    response: dict[str, Json] | None = None
    must_match: bool = False

    def key(self) -> str:
        """Hash of all that decides the part; equal keys give equal bytes."""
        origin: Json = fingerprint(self.source) if isinstance(self.source, Path) else asdict(self.source)
        known = [PART_VERSION, asdict(self.cut), self.response, self.must_match, origin]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]


def make_part(job: Job, folder: Path) -> PartNote | ColdrayError:
    """Make the part of one board unless it exists; a failure is returned, for the other boards to go on.

    Returns
    -------
    PartNote
        Of the board, its layers and detectors.
    """
    try:
        key = job.key()
        note_path = folder / f"{key}.json"
        if note_path.exists():
            return PartNote.read(note_path)
        arrays, note = _cut_board(job, key)
        for name, array in arrays.items():
            write_array(folder / f"{key}.{name}.npy", array)
        write_json(note_path, note.to_dict())
        return note
    except ColdrayError as problem:
        return problem


def load_part(folder: Path, note: PartNote, name: str) -> NDArray[Any]:
    """One array of a part, memory-mapped."""
    return np.load(folder / f"{note.key}.{name}.npy", mmap_mode="r", allow_pickle=False)


def read_source(job: Job) -> BoardImages:
    """Read or simulate the board of a job, sharp references registered to the blurred frames."""
    acquired = job.cut.kind == "acquired"
    if isinstance(job.source, BoardRecipe):
        return simulate_board(job.source, acquired=acquired)
    return registered(read_board(job.source, acquired=acquired), measure=job.cut.measure_registration)


def registered(images: BoardImages, *, measure: bool = False) -> BoardImages:
    """Lay all sharp images on the grid of the blurred frames, which are left as they are."""
    if images.frames is None:
        return images
    found = images.registration
    if found is None or measure:
        try:
            found = register(images.mean, images.frames.mean(axis=0), images.pair)
        except ColdrayError as problem:
            raise problem.worded(f"{images.details.get('folder', images.board)}: {problem}") from None
    if found.is_identity:
        return replace(images, registration=found)
    return replace(
        images,
        registration=found,
        mean=resample(images.mean, found),
        halves=None
        if images.halves is None
        else (resample(images.halves[0], found), resample(images.halves[1], found)),
        truth=None if images.truth is None else resample(images.truth, found),
    )


def _references(job: Job, images: BoardImages) -> tuple[dict[str, NDArray[np.floating]], bool, list[str]]:
    """Sharp images by layer, whether they are in the blurred detector's response, and what is to be warned of."""
    references: dict[str, NDArray[np.floating]] = {"mean": images.mean}
    if images.halves is not None:
        references |= {"half_a": images.halves[0], "half_b": images.halves[1]}
    if images.truth is not None:
        references["truth"] = images.truth
    if job.cut.kind != "acquired" or job.response is None:
        return references, False, []
    curve, pair = ResponseCurve.from_dict(job.response), images.pair
    if (curve.sharp, curve.blurred) == (pair.sharp.name, pair.blurred.name):
        kept = {"truth"} if images.truth_is_matched else set()
        return {k: v if k in kept else curve(v) for k, v in references.items()}, True, []
    other = (
        f"{images.board}: its detectors are {pair.sharp.name} and {pair.blurred.name}, the response curve is for "
        f"{curve.sharp} and {curve.blurred}"
    )
    if job.must_match:
        raise SettingsError(f"{other}; fit one curve for each detector pair")
    return references, False, [f"{other}: references keep the sharp detector's response"]


def _corners(images: BoardImages, cut: Cut) -> NDArray[np.int32]:
    """Where patches with their context begin, within what both detectors saw, shape (patches, 2) [px]."""
    window = (slice(0, images.mean.shape[0]), slice(0, images.mean.shape[1]))
    if images.registration is not None and not images.registration.is_identity:
        window = images.registration.seen((images.mean.shape[0], images.mean.shape[1]))
    inner = (window[0].stop - window[0].start, window[1].stop - window[1].start)
    corners = positions((inner[0] - 2 * cut.context_px, inner[1] - 2 * cut.context_px), cut.patch_px)
    if not len(corners):
        raise ImageError(
            f"{images.board}: {inner[0]} x {inner[1]} px are left; a patch of {cut.patch_px} px with {cut.context_px} px "
            f"around it needs {cut.patch_px + 2 * cut.context_px}"
        )
    return np.asarray(corners + np.array([window[0].start, window[1].start]), dtype=np.int32)


def _cut_board(job: Job, key: str) -> tuple[dict[str, NDArray[np.number]], PartNote]:
    """Arrays and note of one board."""
    images = read_source(job)
    cut, pair = job.cut, images.pair
    references, is_matched, more = _references(job, images)
    warnings = [*images.warnings, *more]
    corners = _corners(images, cut)
    around = cut.patch_px + 2 * cut.context_px

    def cut_all(image: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.stack([image[r : r + around, c : c + around] for r, c in corners])

    layers = {k: cut_all(v) for k, v in references.items()}
    layers |= {f"{k}_blurred": cut_all(ratio_blur(v, pair)) for k, v in references.items() if k != "half_b"}
    frame_of = np.zeros(len(corners), dtype=np.int32)
    if images.frames is not None:
        frame_of = (np.arange(len(corners)) % len(images.frames)).astype(np.int32)
        layers["measured"] = np.stack(
            [images.frames[f, r : r + around, c : c + around] for f, (r, c) in zip(frame_of, corners, strict=True)]
        )
    core = slice(cut.context_px, cut.context_px + cut.patch_px)
    full = ~is_empty(layers["mean"][:, core, core])
    arrays: dict[str, NDArray[np.number]] = {}
    clipped = 0
    for name in (n for n in LAYERS if n in layers):
        arrays[name], outside = encode(layers[name][full])
        clipped += outside
    stored = tuple(arrays)
    if clipped:
        warnings.append(f"{images.board}: {clipped} pixels lie outside -0.25 to 1.75 of the open beam and were clipped")
    arrays["corners"] = np.column_stack([corners + cut.context_px, frame_of])[full].astype(np.int32)
    arrays["signatures"] = signatures(decode(arrays["mean"])[:, core, core])
    arrays["thumbnail"] = block_means(images.mean, THUMBNAIL_SIDE)
    note = BoardNote(
        board=images.board,
        family=images.family,
        sharp=pair.sharp.name,
        blurred=pair.blurred.name,
        pixel_pitch_mm=pair.pixel_pitch_mm,
        exposure_s=images.exposure_s,
        response_matched=is_matched,
        registration=None if images.registration is None else images.registration.to_dict(),
        base_patches=int(full.sum()),
        empty_patches=int((~full).sum()),
        clipped_pixels=clipped,
        details=images.details,
        warnings=tuple(warnings),
    )
    detectors: dict[str, Json] = {
        detector_key(d.name, pair.pixel_pitch_mm): d.to_dict() for d in (pair.sharp, pair.blurred)
    }
    return arrays, PartNote(key, note, stored, detectors)
