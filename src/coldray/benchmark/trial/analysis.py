"""From sealed truth and answers to figures with bands: the area below the ROC curve, and the located figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.trial.answers import Answers, Given
from coldray.benchmark.trial.documents import ANSWERS, Defect, Manifest, ReadBy, Sealed, read_manifest, read_sealed
from coldray.document import Json
from coldray.errors import MeasurementError
from coldray.metrology.readers.merit import UNMARKED, auc_comparisons, jackknife_covariance, located_comparisons
from coldray.metrology.readers.mrmc import Band, Mrmc, obuchowski_rockette

Float = NDArray[np.float64]

FIGURES: Mapping[str, str] = {
    "auc": "area below the ROC curve (Wilcoxon), from the rating of the whole image",
    "wafroc": "weighted AFROC figure of merit, from marked places and their ratings",
}

LEAST_LOOK_S = 1.0
"""Median time from answer to answer below which no person has looked at the images [s]."""
SIMULATED = "the readers are simulated: what people find is not said"


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure of merit in all arms.

    Parameters
    ----------
    name : str
        One of `FIGURES`.
    by_reader : ndarray, shape (arms, readers)
    random, fixed : Mrmc
        Of all readers and cases; of these readers and all cases. `random` is None where readers are taken as fixed.
    """

    name: str
    by_reader: Float
    random: Mrmc | None
    fixed: Mrmc

    @property
    def main(self) -> Mrmc:
        """The analysis that the result rests on."""
        return self.random or self.fixed


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a trial found.

    Parameters
    ----------
    manifest : Manifest
    sealed : Sealed
    readers : tuple of str
        Whose answers are whole; only theirs count.
    figures : tuple of Figure
    seconds : dict of str to float
        Median time for an image, by arm.
    warnings : tuple of str
    read_by : {"people", "simulated"}
        As the trial's maker sealed it; simulated also where the clock says that no person looked.
    """

    manifest: Manifest
    sealed: Sealed
    readers: tuple[str, ...]
    figures: tuple[Figure, ...]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    read_by: ReadBy = "people"

    @property
    def arms(self) -> list[str]:
        """Names of the arms, raw first."""
        return self.sealed.arms

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form."""
        defective = sum(bool(one.defects) for one in self.sealed.cases)
        return {
            "trial": self.manifest.id,
            "measured": f"answers given to coldray trial serve, which does not know who gave them; defects {self.sealed.defects}",
            "read_by": self.read_by,
            "readers": list(self.readers),
            "cases": {"with_defects": defective, "controls": len(self.sealed.cases) - defective},
            "arms": self.arms,
            "readers_are_fixed": self.figures[0].random is None,
            "tolerance_px": self.sealed.tolerance_px,
            "washout_days": self.manifest.washout_days,
            "commitment": self.manifest.commitment,
            "model": self.sealed.model or None,
            "settings": self.sealed.settings,
            "figures": [self._figure(one) for one in self.figures],
            "median_seconds": dict(self.seconds),
            "warnings": list(self.warnings),
        }

    def _figure(self, one: Figure) -> dict[str, Json]:
        found = one.main
        return {
            "figure": one.name,
            "arms": [
                {"arm": arm, **_told(band), "readers": dict(zip(self.readers, map(float, row), strict=True))}
                for arm, band, row in zip(self.arms, found.arms, one.by_reader, strict=True)
            ],
            "differences": [
                {"of": self.arms[i], "minus": self.arms[j], **_told(band)} for (i, j), band in found.differences.items()
            ],
            "no_difference": {"f": found.f, "p": found.p, "degrees_of_freedom": found.degrees_of_freedom},
            "components": None if found.components is None else asdict(found.components),
            "for_these_readers_alone": [
                {"of": self.arms[i], "minus": self.arms[j], **_told(band)} for (i, j), band in one.fixed.differences.items()
            ],
        }  # fmt: skip


def _told(band: Band) -> dict[str, float | None]:
    return {
        "value": band.value, "low": band.low, "high": band.high, "standard_error": band.standard_error, "p": band.p,
        "degrees_of_freedom": band.degrees_of_freedom,
    }  # fmt: skip


def analyse(folder: Path, sealed: Path, answers: Path | None = None, *, readers_are_fixed: bool = False) -> Analysis:
    """Open the truth and compare the arms.

    Parameters
    ----------
    folder : Path
        The reader's package.
    sealed : Path
        The truth.
    answers : Path, optional
        Folder of the answers; within the package by default.
    readers_are_fixed : bool
        Speak of these readers alone instead of all readers.

    Returns
    -------
    Analysis

    Raises
    ------
    MetadataError
        If truth or answers were changed, or belong to another trial.
    MeasurementError
        If nobody has answered everything, or a single reader has who is not taken as fixed.
    """
    manifest = read_manifest(folder)
    truth = read_sealed(sealed, manifest)
    found = [Answers(manifest, reader, answers or folder / ANSWERS) for reader in manifest.readers]
    whole = [one for one in found if one.is_complete]
    warnings = [_left_out(one) for one in found if not one.is_complete]
    _check_readers(whole, found, readers_are_fixed)
    warnings += [text for one in whole if (text := _too_soon(one))]
    fast = [text for one in whole if (text := _too_fast(one))]
    read_by: ReadBy = "simulated" if fast else truth.read_by
    warnings = [*([SIMULATED] if read_by == "simulated" else []), *fast, *warnings]
    given = _by_case(truth, whole)
    names = [name for name in FIGURES if name == "auc" or any(one.marks for row in given for col in row for one in col)]
    if len(names) < len(FIGURES):
        warnings.append("nobody marked a place; there is no located figure")
    figures = tuple(_figure(name, truth, given, readers_are_fixed) for name in names)
    seconds = {
        arm: float(np.median([one.seconds for reader in given[i] for one in reader]))
        for i, arm in enumerate(truth.arms)
    }
    if any(band.low is None for one in figures for band in one.main.differences.values()):
        warnings.append("readings of some arms do not scatter at all; no band can be given for what they differ by")
    return Analysis(manifest, truth, tuple(one.reader for one in whole), figures, seconds, tuple(warnings), read_by)


def _check_readers(whole: Sequence[Answers], every: Sequence[Answers], readers_are_fixed: bool) -> None:
    if not whole:
        state = ", ".join(f"{one.reader} {len(one.found)} of {len(one.order)}" for one in every)
        raise MeasurementError(
            f"no reader has answered every image ({state}); let them finish with coldray trial serve"
        )
    if len(whole) == 1 and not readers_are_fixed:
        raise MeasurementError(
            f"one reader ({whole[0].reader}) has answered everything, and one reader says nothing of others; let more finish, "
            "or give --fixed-readers for a statement on this reader alone"
        )


def _left_out(one: Answers) -> str:
    return f"reader {one.reader} answered {len(one.found)} of {len(one.order)} images and is left out"


def _too_soon(one: Answers) -> str:
    pause, wanted = one.shortest_pause(), one.manifest.washout_days
    if pause is None or pause.total_seconds() >= 86400 * wanted:
        return ""
    return (
        f"reader {one.reader} paused {pause.total_seconds() / 86400:.2g} days between blocks; {wanted:g} were planned"
    )


def _too_fast(one: Answers) -> str:
    pace = one.typical_pace()
    if pace is None or pace.total_seconds() >= LEAST_LOOK_S:
        return ""
    return (
        f"reader {one.reader} answered an image every {pace.total_seconds():.2g} s, which nobody who looks does: the "
        "readers are taken for simulated"
    )


def _by_case(truth: Sealed, whole: Sequence[Answers]) -> list[list[list[Given]]]:
    """What was answered, by arm, reader and case."""
    where = truth.shown_as()
    rows: list[list[list[Any]]] = [[[None] * len(truth.cases) for _ in whole] for _ in truth.arms]
    for j, one in enumerate(whole):
        for answer in one.found:
            case, arm = where[answer.given.item]
            rows[arm][j][case] = answer.given
    return rows


def _figure(name: str, truth: Sealed, given: list[list[list[Given]]], readers_are_fixed: bool) -> Figure:
    table = _rated if name == "auc" else _located
    tables = np.array([[table(truth, cases) for cases in row] for row in given])
    merits, covariance = tables.mean(axis=(-2, -1)), jackknife_covariance(tables)
    fixed = obuchowski_rockette(merits, covariance, readers_are_fixed=True)
    return Figure(name, merits, None if readers_are_fixed else obuchowski_rockette(merits, covariance), fixed)


def _rated(truth: Sealed, given: Sequence[Given]) -> Float:
    pairs = list(zip(truth.cases, given, strict=True))
    controls, defective = ([g.rating for c, g in pairs if bool(c.defects) is has] for has in (False, True))
    return auc_comparisons(controls, defective)


def _located(truth: Sealed, given: Sequence[Given]) -> Float:
    pairs = list(zip(truth.cases, given, strict=True))
    false = [max((float(mark.rating) for mark in g.marks), default=UNMARKED) for c, g in pairs if not c.defects]
    found = [ratings_of(c.defects, g, truth.tolerance_px) for c, g in pairs if c.defects]
    return located_comparisons(false, found)


def ratings_of(defects: Sequence[Defect], given: Given, tolerance_px: float) -> list[float]:
    """Highest rating of a mark on each defect; a mark belongs to the nearest defect whose reach it is in.

    Parameters
    ----------
    defects : sequence of Defect
    given : Given
    tolerance_px : float
        How far from the rim a mark may lie.

    Returns
    -------
    list of float
        `coldray.metrology.readers.merit.UNMARKED` where no mark is.
    """
    found = [UNMARKED] * len(defects)
    for mark in given.marks:
        beyond = [np.hypot(mark.x_px - one.x_px, mark.y_px - one.y_px) - one.radius_px for one in defects]
        nearest = int(np.argmin(beyond))
        if beyond[nearest] <= tolerance_px:
            found[nearest] = max(found[nearest], float(mark.rating))
    return found
