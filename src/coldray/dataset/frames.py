"""A board folder, measured or simulated: raw frames of both detectors → corrected references and frames."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json, as_number, as_text, read_object
from coldray.errors import ImageError, ImageReadError, MetadataError, PhysicsError
from coldray.formats import read_image, suffixes
from coldray.images.averaging import FrameAverage, average_frames
from coldray.images.correct import Calibration, apply_calibration, calibrate
from coldray.images.registration import Registration
from coldray.images.scale import scale_of
from coldray.objects.boards import FAMILIES
from coldray.physics.detector import Detector, load_detector
from coldray.physics.pair import DetectorPair
from coldray.radiograph import Radiograph

DETECTORS = ("sharp", "blurred")
NEEDED = ("pixel_pitch_mm", *DETECTORS)
POSITIVE = ("pixel_pitch_mm", "exposure_s")
Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BoardImages:
    """One object seen by both detectors; all images are fractions of the open beam, shape (rows, cols).

    Parameters
    ----------
    board, family : str
        Which object, and of which kind; neither may be in two splits.
    pair : DetectorPair
    mean : ndarray of float32
        Mean of the sharp frames: the paper's reference.
    halves : (ndarray, ndarray), optional
        Means of every other sharp frame: equal scenes with independent noise.
    truth : ndarray, optional
        Noise-free sharp image.
    truth_is_matched : bool
        Whether `truth` is in the blurred detector's response already.
    frames : ndarray, shape (n, rows, cols), optional
        Blurred frames as measured.
    exposure_s : float, optional
        Exposure of one blurred frame [s].
    registration : Registration, optional
        None if it must be measured.
    details : dict
        JSON-able: frames used, noise, bad pixels, hashes.
    warnings : tuple of str
    """

    board: str
    family: str
    pair: DetectorPair
    mean: Image
    halves: tuple[Image, Image] | None = None
    truth: Image | None = None
    truth_is_matched: bool = False
    frames: NDArray[np.float32] | None = None
    exposure_s: float | None = None
    registration: Registration | None = None
    details: dict[str, Json] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def board_folders(source: Path) -> list[Path]:
    """Board folders of a data folder, or the one that `source` is, sorted by name.

    Raises
    ------
    ImageReadError
        If there is none.
    """
    if not source.is_dir():
        raise ImageReadError(f"{source.name}: no such folder; a source is a data folder or simulated:FAMILY:COUNT")
    if (source / "pair.json").exists():
        return [source]
    found = sorted(p.parent for p in source.glob("*/pair.json"))
    if not found:
        lone = [p.name for p in sorted(source.iterdir()) if (p / "hr").is_dir() or (p / "lr").is_dir()]
        which = f"{lone[0]} has frames but no pair.json" if lone else "it holds no BOARD/pair.json"
        raise ImageReadError(f"{source.name}: {which}; write one with {', '.join(NEEDED)} (see coldray simulate)")
    return found


def read_note(folder: Path) -> dict[str, Json]:
    """Read pair.json.

    Raises
    ------
    ImageReadError
        If it is missing or not JSON.
    MetadataError
        If a needed key is missing, or of another type.
    """
    try:
        note = read_object(folder / "pair.json", ImageReadError)
    except ImageReadError as problem:
        raise ImageReadError(f"{folder.name}/{problem}; is this a data folder?") from None
    missing = [k for k in NEEDED if note.get(k) is None]
    if missing:
        raise MetadataError(
            f"{folder.name}/pair.json: {', '.join(missing)} missing or null; {', '.join(NEEDED)} are needed, fill them in"
        )
    for key in DETECTORS:
        if not isinstance(note[key], str):
            raise MetadataError(f"{folder.name}/pair.json: {key} is {note[key]!r}; a detector's name or file is needed")
    for key in POSITIVE:
        value = note.get(key)
        if value is not None and not (isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0):
            raise MetadataError(f"{folder.name}/pair.json: {key} is {value!r}; a positive number is needed")
    return note


def identity_of(folder: Path, note: Mapping[str, Json]) -> tuple[str, str]:
    """Name of the board and of its family.

    Parameters
    ----------
    folder : Path
        Of the board.
    note : mapping
        Content of its `pair.json`.

    Returns
    -------
    board, family : str

    Notes
    -----
    `pair.json` may say both ("board", "family"). A board that says only the name of a procedural family is told
    from its sisters by its random state; without any word the folder is the board and a family of its own.
    """
    board = str(note.get("board", folder.name))
    family = str(note.get("family", board))
    if board in FAMILIES and "random_state" in note:
        board = f"{board}-{note['random_state']}"
    return board, family


def pair_of(folder: Path, note: Mapping[str, Json]) -> DetectorPair:
    """Detectors that `pair.json` names; files may be given relative to the board folder.

    Parameters
    ----------
    folder : Path
        Of the board.
    note : mapping
        Content of its `pair.json`.

    Returns
    -------
    DetectorPair
    """
    pitch = as_number(note["pixel_pitch_mm"])

    def load(name: str) -> Detector:
        beside = folder / name
        return load_detector(beside if beside.is_file() else name, pixel_pitch_mm=pitch)

    try:
        return DetectorPair(load(as_text(note["blurred"])), load(as_text(note["sharp"])))
    except PhysicsError as problem:
        raise problem.worded(f"{folder.name}/pair.json: {problem}") from None


def fingerprint(folder: Path) -> str:
    """sha256 over names and sizes of all files and the text of pair.json; cheap, for resuming."""
    total = hashlib.sha256((folder / "pair.json").read_bytes())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()}:{path.stat().st_size};".encode())
    return total.hexdigest()


def read_board(folder: Path, *, acquired: bool = True) -> BoardImages:
    """Read, correct and average one board folder.

    Parameters
    ----------
    folder : Path
        Holds pair.json, hr/, lr/ and perhaps dark/, flat/ (each with hr/ and lr/, or common to both) and truth/.
    acquired : bool
        False needs no lr/: the blurred image will be made by Eq. 1.

    Returns
    -------
    BoardImages

    Raises
    ------
    ImageError
        If frames are missing, differ in shape or hold no signal.
    MetadataError
        If pair.json lacks what is needed.

    Notes
    -----
    Sharp frames are averaged until one more lowers the noise-to-signal ratio by less than 1 % (the paper's rule).
    Blurred frames are corrected, never averaged nor remapped: single frames are what is restored.
    """
    note = read_note(folder)
    board, family = identity_of(folder, note)
    warnings: list[str] = []
    hashes: dict[str, str] = {}
    try:
        sharp, sharp_details, _ = _corrected(folder, "hr", hashes, warnings)
        average = average_frames(list(sharp), stop=True)
        used = average.frames
        halves = (
            (sharp[0:used:2].mean(axis=0, dtype=np.float32), sharp[1:used:2].mean(axis=0, dtype=np.float32))
            if used > 1
            else None
        )
        frames = exposure = None
        details: dict[str, Json] = {"sharp": sharp_details | _noise(average), "folder": folder.name}
        if acquired:
            frames, blurred_details, exposure = _corrected(folder, "lr", hashes, warnings)
            details["blurred"] = blurred_details
            if frames.shape[1:] != sharp.shape[1:]:
                raise ImageError(
                    f"hr frames have shape {sharp.shape[1:]}, lr frames {frames.shape[1:]}; crop them to one shape"
                )
            exposure = as_number(note["exposure_s"]) if note.get("exposure_s") else exposure
            if exposure is None:
                raise MetadataError("exposure_s of the lr frames is unknown; write it into pair.json")
        truth, is_matched = _truth(folder, average.mean.shape, acquired)
        warnings.extend(average.warnings)
        registration = Registration.from_note(note.get("registration"))
    except (ImageError, MetadataError) as problem:
        raise problem.worded(f"{folder.name}: {problem}") from None
    details["sha256"] = hashes
    return BoardImages(
        board, family, pair_of(folder, note), average.mean, halves, truth, is_matched, frames, exposure,
        registration, details, tuple(f"{folder.name}: {w}" for w in dict.fromkeys(warnings)),
    )  # fmt: skip


def _noise(average: FrameAverage) -> dict[str, Json]:
    """What averaging found, rounded."""
    return {
        "frames_used": average.frames,
        "nsr": round(average.nsr, 6),
        "nsr_drop": None if average.nsr_drop is None else round(average.nsr_drop, 5),
        "rule_reached": average.enough_frames is not None,
    }


def _images(folder: Path, hashes: dict[str, str], name: str) -> list[Radiograph]:
    """Every image file of a folder, pages apart."""
    pages = []
    known = set(suffixes())
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in known and not p.name.startswith("."))
    for path in files:
        image = read_image(path)
        hashes[f"{name}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        pages += [image] if image.pixels.ndim == 2 else [image.with_pixels(page) for page in image.pixels]
    return pages


def _role(folder: Path, what: str, role: str, hashes: dict[str, str]) -> list[Radiograph]:
    """Darks or flats of one detector: WHAT/ROLE/ if it exists, else what lies in WHAT/ itself."""
    own = folder / what / role
    if own.is_dir():
        return _images(own, hashes, f"{what}/{role}")
    return _images(folder / what, hashes, what) if (folder / what).is_dir() else []


def _corrected(
    folder: Path, role: str, hashes: dict[str, str], warnings: list[str]
) -> tuple[NDArray[np.float32], dict[str, Json], float | None]:
    """Frames of one detector as fractions of the open beam, (n, rows, cols)."""
    if not (folder / role).is_dir() or not (images := _images(folder / role, hashes, role)):
        raise ImageReadError(f"{role}/ holds no frame; NNN.tif files are needed")
    shapes = {i.pixels.shape for i in images}
    if len(shapes) != 1:
        raise ImageError(f"{role} frames differ in shape: {sorted(shapes)}; all frames of a board must share one")
    darks, flats = _role(folder, "dark", role, hashes), _role(folder, "flat", role, hashes)
    details: dict[str, Json] = {"frames": len(images), "darks": len(darks), "flats": len(flats)}
    exposure = images[0].acquisition.exposure_s
    if not (darks or flats):
        fractions = []
        for image in images:
            scale, notes = scale_of(image)
            warnings.extend(f"{role}: {n}" for n in notes)
            fractions.append(scale.to_fraction(image.pixels))
        return np.stack(fractions), details, exposure
    others = {i.pixels.shape for i in (*darks, *flats)}
    if others != shapes:
        raise ImageError(f"{role} frames have shape {shapes.pop()}, their darks and flats {sorted(others)}")
    found = calibrate([i.pixels for i in darks] or None, [i.pixels for i in flats] or None)
    warnings.extend(f"{role}: {w}" for w in found.warnings)
    level = _open_beam(role, images[0], flats, found)
    details |= {"bad_pixels": found.bad_pixels.count, "open_beam": level}
    return np.stack([apply_calibration(i.pixels, found) / np.float32(level) for i in images]), details, exposure


def _open_beam(role: str, image: Radiograph, flats: list[Radiograph], found: Calibration) -> float:
    """Level of the open beam above dark, at the frames' own exposure."""
    if flats:
        ours, theirs = image.acquisition.exposure_s, flats[0].acquisition.exposure_s
        return float(found.level[-1]) * (ours / theirs if ours and theirs else 1.0)
    if image.acquisition.open_beam is None and image.pixels.dtype.kind != "f":
        raise MetadataError(f"{role}: darks but no flats and no open-beam level; give flats")
    level = (image.acquisition.open_beam or 1.0) - float(found.dark.mean())
    if not level > 0:
        raise MetadataError(f"{role}: the open beam is {level:.4g} above dark; it must be positive")
    return level


def _truth(folder: Path, shape: tuple[int, ...], acquired: bool) -> tuple[Image | None, bool]:
    """Noise-free image; of an acquired pair best in the blurred detector's response (truth/target.tif)."""
    for name, is_matched in (("target", True), ("hr", False))[0 if acquired else 1 :]:
        path = folder / "truth" / f"{name}.tif"
        if path.exists():
            image = read_image(path)
            if image.pixels.shape != shape:
                raise ImageError(f"truth/{name}.tif has shape {image.pixels.shape}, the frames {shape}")
            return scale_of(image)[0].to_fraction(image.pixels), is_matched
    return None, False
