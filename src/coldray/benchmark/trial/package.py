"""The reader's package and the sealed truth, written together: names, sizes, headers and times of the images tell nothing."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.trial.cases import Shown, Simulated, Source, Table, arms_of, known_cases, simulated_cases
from coldray.benchmark.trial.documents import (
    IMAGES,
    MANIFEST,
    READER,
    Case,
    Item,
    Manifest,
    ReadBy,
    Sealed,
    sha256_of,
    written,
)
from coldray.benchmark.trial.plan import allocate
from coldray.checkpoint import file_sha256
from coldray.document import Json
from coldray.errors import SettingsError
from coldray.files import together, whole_folder, write_bytes
from coldray.formats import write_image
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.job import Job

OPEN_BEAM = 2**15
"""Stored value of the open beam in every image of every arm; twice that can be stored."""
WRITTEN_AT = 946684800
"""Time of every file: 2000-01-01, UTC."""
QUESTION = "Is there a defect? Mark every place that you suspect, and say how sure you are."
WASHOUT_DAYS, TOLERANCE_PX = 14.0, 10.0
FEWEST_READERS = 2
MOST_READERS = 100
STATE_BITS = 128
FEW_CASES = 40
"""Cases below which the bands will be wide enough to say so."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What was made, before it is written.

    Parameters
    ----------
    manifest : Manifest
        As of `Manifest`, but for the items: of each its window, to which size and hash come as its file is written.
    sealed : Sealed
    images : dict of str to ndarray, uint16
        By token.
    pitch_mm : dict of str to float or None
        By token.
    warnings : tuple of str
    """

    manifest: dict[str, Any]
    sealed: Sealed
    images: Mapping[str, NDArray[np.uint16]]
    pitch_mm: Mapping[str, float | None]
    warnings: tuple[str, ...]


def make_trial(
    sources: Sequence[Source],
    what: Table | Simulated,
    job: Job,
    readers: Sequence[str],
    *,
    washout_days: float = WASHOUT_DAYS,
    tolerance_px: float = TOLERANCE_PX,
    question: str = QUESTION,
    read_by: ReadBy = "people",
    random_state: int | None = None,
    settings: Mapping[str, Json] | None = None,
    advance: Any = lambda *_: None,
) -> Trial:
    """Restore all cases, hide which arm each image belongs to, and draw who reads what when.

    Parameters
    ----------
    sources : sequence of Source
    what : Table or Simulated
        Defects that are known, or defects to put in.
    job : Job
        How images are restored.
    readers : sequence of str
        What the readers are called.
    washout_days : float
        Between two blocks of a reader.
    tolerance_px : float
        How far from the rim of a defect a mark may lie.
    question : str
    read_by : {"people", "simulated"}
        Who will read: sealed with the truth, and said of every result.
    random_state : int, optional
        From the system by default, and kept with the truth: whoever knows it knows the order. The same one makes the same
        trial again.
    settings : dict, optional
        Of the restoration, for the record.
    advance : callable

    Returns
    -------
    Trial

    Raises
    ------
    SettingsError
        If there are fewer than two readers, or one cannot be called so.
    MeasurementError
        If there are too few cases.
    ColdrayError
        As for the restoration.
    """
    _check(readers, washout_days, tolerance_px)
    state = secrets.randbits(STATE_BITS) if random_state is None else random_state
    rng = np.random.default_rng([state, 17])
    if isinstance(what, Simulated):
        shown, warnings = simulated_cases(sources, what, job, rng, advance)
    else:
        shown, warnings = known_cases(sources, what, job, advance)
    arms = arms_of(job)
    tokens = [{arm: _derived(state, f"case {k} {arm}", 16) for arm in arms} for k in range(len(shown))]
    plan = allocate([bool(one.defects) for one in shown], len(arms), len(readers), rng)
    images, clipped = _stored(shown, tokens)
    if clipped:
        warnings.append(f"{clipped} pixels lie below 0 or above twice the open beam, and are shown at that limit")
    if len(shown) < FEW_CASES:
        warnings.append(f"{len(shown)} cases give wide bands; {FEW_CASES} or more are better")
    trial = _derived(state, "trial", 16)
    sealed = Sealed(
        id=trial, nonce=_derived(state, "nonce", 64), random_state=str(state), tolerance_px=tolerance_px, arms=list(arms),
        defects="simulated" if isinstance(what, Simulated) else "known", settings=dict(settings or {}), read_by=read_by,
        model={} if job.model is None else job.model.named(),
        cases=[
            Case(
                source=one.source.name, sha256=one.source.sha256, field_px=list(one.field_px), defects=list(one.defects),
                items=items,
            )
            for one, items in zip(shown, tokens, strict=True)
        ],
    )  # fmt: skip
    manifest = {
        "id": trial, "commitment": sha256_of(written(sealed)), "washout_days": washout_days, "question": question,
        "items": {token: _window(one.window) for one, items in zip(shown, tokens, strict=True)
                  for token in items.values()},
        "readers": {reader: [[tokens[case][arms[arm]] for case, arm in block] for block in blocks]
                    for reader, blocks in zip(readers, plan, strict=True)},
    }  # fmt: skip
    pitch = {
        token: one.source.image.acquisition.pixel_pitch_mm or job.pixel_pitch_mm
        for one, items in zip(shown, tokens, strict=True)
        for token in items.values()
    }
    return Trial(manifest, sealed, images, pitch, tuple(dict.fromkeys(warnings)))


def write_trial(trial: Trial, folder: Path, sealed: Path) -> Manifest:
    """Write the package and the truth, both or neither.

    Parameters
    ----------
    trial : Trial
    folder : Path
        For the readers; must not exist.
    sealed : Path
        Outside of it.

    Returns
    -------
    Manifest

    Raises
    ------
    ImageWriteError
        If they cannot be written.
    """
    with together() as staged, whole_folder(folder) as made:
        write_bytes(staged(sealed), written(trial.sealed))
        (made / IMAGES).mkdir()
        items = {}
        # in the order of the names, which is random: neither the folder nor the document keeps that of the cases
        for token in sorted(trial.images):
            pixels, path = trial.images[token], made / IMAGES / f"{token}.tif"
            acquisition = Acquisition(pixel_pitch_mm=trial.pitch_mm[token], open_beam=OPEN_BEAM, linear=True)
            write_image(path, Radiograph(pixels, acquisition))
            low, high = trial.manifest["items"][token]
            rows, cols = pixels.shape
            items[token] = Item(rows=rows, cols=cols, sha256=file_sha256(path), low=low, high=high)
        manifest = Manifest.model_validate(trial.manifest | {"items": items})
        write_bytes(made / MANIFEST, written(manifest))
        for path in (*made.rglob("*"), made):
            os.utime(path, (WRITTEN_AT, WRITTEN_AT))
    return manifest


def _derived(state: int, what: str, digits: int) -> str:
    """Name that follows from the random state alone, and from which nothing follows without it."""
    return sha256_of(f"coldray trial {state} {what}".encode())[:digits]


def _check(readers: Sequence[str], washout_days: float, tolerance_px: float) -> None:
    for one in readers:
        if not re.fullmatch(READER, one):
            raise SettingsError(f"a reader cannot be called {one!r}; use up to 40 letters, digits, - and _")
    if len({one.lower() for one in readers}) < len(readers):
        raise SettingsError(f"two readers have the same name: {', '.join(readers)}; give each one of their own")
    if len(readers) < FEWEST_READERS:
        raise SettingsError(
            f"a trial with {len(readers)} reader{'' if len(readers) == 1 else 's'} tells nothing of other readers; name "
            f"{FEWEST_READERS} or more, better five"
        )
    if len(readers) > MOST_READERS:
        raise SettingsError(f"{len(readers)} readers; {MOST_READERS} are the most")
    for name, value in (("washout_days", washout_days), ("tolerance_px", tolerance_px)):
        if not 0 <= value <= 3650:
            raise SettingsError(f"`{name}` is {value:g}; a number from 0 to 3650 is needed")


def _stored(shown: Sequence[Shown], tokens: Sequence[Mapping[str, str]]) -> tuple[dict[str, NDArray[np.uint16]], int]:
    """All images on one grid of values, and how many pixels it does not hold."""
    images, clipped = {}, 0
    for one, items in zip(shown, tokens, strict=True):
        for arm, token in items.items():
            wanted = np.rint(one.images[arm].astype(np.float64) * OPEN_BEAM)
            stored = np.clip(wanted, 0, 2**16 - 1)
            clipped += int(np.count_nonzero(stored != wanted))
            images[token] = stored.astype(np.uint16)
    return images, clipped


def _window(fractions: tuple[float, float]) -> tuple[float, float]:
    """Stored values between which an image is shown first, whole and apart."""
    low, high = (share * OPEN_BEAM for share in fractions)
    return float(np.floor(low)), float(max(np.ceil(high), np.floor(low) + 1))
