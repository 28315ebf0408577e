"""Data folders and simulated boards → a dataset of patches: plan, work in parallel, resume, assemble."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from coldray import __version__
from coldray.dataset.assembly import assemble
from coldray.dataset.frames import BoardImages, board_folders, identity_of, read_board, read_note
from coldray.dataset.note import PartNote
from coldray.dataset.part import Cut, Job, make_part, registered
from coldray.dataset.patches import VARIANTS, BoardName, assign_splits, check_names
from coldray.dataset.response import CalibrationImage, fit_response
from coldray.dataset.simulated import (
    CALIBRATION_FAMILIES,
    CALIBRATION_SIZE,
    PREFIX,
    BoardRecipe,
    parse_source,
    simulate_board,
)
from coldray.dataset.store import FILE_FORMAT, FILE_VERSION, MANIFEST, read_manifest, write_json
from coldray.document import Json, as_texts
from coldray.errors import ColdrayError, ImageWriteError, SettingsError
from coldray.files import own_folder
from coldray.physics.response import ResponseCurve, load_response
from coldray.processes import Crew

Progress = Callable[..., None]


@dataclass(frozen=True)
class PrepareSettings:
    """What decides a dataset besides its sources; the number of workers does not.

    Parameters
    ----------
    cut : Cut
        Kind of pairs and geometry of a patch.
    patches, validation_patches, test_patches : int
        How many to make; 0 leaves a split out.
    variants : int
        Most flips and rotations of one base patch, 1 to 8.
    split_by : {"family", "board"}
        What training and test may not share.
    simulated : BoardRecipe
        Size, detectors, exposures and random state of simulated boards; family and index are set per board.
    """

    cut: Cut = field(default_factory=Cut)
    patches: int = 15000
    validation_patches: int = 64
    test_patches: int = 600
    variants: int = VARIANTS
    split_by: Literal["family", "board"] = "family"
    simulated: BoardRecipe = field(default_factory=lambda: BoardRecipe("any", 0))

    def __post_init__(self) -> None:
        cut = self.cut
        if cut.kind not in ("acquired", "synthetic"):
            raise SettingsError(f"kind is {cut.kind!r}; pairs are 'acquired' or 'synthetic'")
        if self.split_by not in ("family", "board"):
            raise SettingsError(f"splits are by 'family' or 'board', not {self.split_by!r}")
        if self.patches < 1 or min(self.validation_patches, self.test_patches) < 0:
            raise SettingsError("at least one training patch is needed, and no negative number of others")
        if not 1 <= self.variants <= VARIANTS:
            raise SettingsError(f"{self.variants} variants were asked for; a patch has 1 to {VARIANTS}")
        if cut.patch_px < 32 or not 0 <= cut.context_px <= cut.patch_px:
            raise SettingsError(f"patches of {cut.patch_px} px with {cut.context_px} px around them cannot be used")
        low, high = self.simulated.exposure_s
        if not 0 < low <= high:
            raise SettingsError(f"exposures {low} to {high} s must be positive and rise")


@dataclass(frozen=True)
class Sources:
    """Where boards come from: data folders or ``simulated:FAMILY:COUNT``.

    Parameters
    ----------
    boards : tuple of str
        Split by role and family.
    validation, test : tuple of str
        Kept for these splits.
    calibration : tuple of str
        Data folders that the response is fitted on, and that are used for nothing else.
    response : Path, optional
        Response file, instead of `calibration`.
    """

    boards: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    calibration: tuple[str, ...] = ()
    response: Path | None = None


def prepare(
    out: Path,
    sources: Sources,
    settings: PrepareSettings | None = None,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[dict[str, Json], list[str]]:
    """Make a dataset of patches, or finish one that was interrupted.

    Parameters
    ----------
    out : Path
        Dataset folder.
    sources : Sources
    settings : PrepareSettings, optional
    workers : int
        Processes; the bytes written do not depend on it.
    overwrite : bool
        Replace a dataset made of other sources or with other settings.
    progress : callable, optional
        Called as progress(done, total, note) after each board.

    Returns
    -------
    manifest : dict
    problems : list of str
        One line for every board that could not be used.

    Raises
    ------
    SettingsError
        If splits cannot be filled or share a board or family.
    ImageError
        If no board can be used, or two splits show the same thing.
    ImageWriteError
        If `out` holds another dataset, or another process writes there.
    """
    how = settings or PrepareSettings()
    jobs = _jobs(sources, how)
    names = [j.name for j in jobs]
    splits = assign_splits(names, by=how.split_by, validation=how.validation_patches > 0, test=how.test_patches > 0)
    check_names(names, splits, by=how.split_by)
    parts = out / "parts"
    request = _request(jobs, splits, sources, how)
    with own_folder(out), own_folder(parts):
        if (out / MANIFEST).exists() and not overwrite:
            found = read_manifest(out)
            if found["request"] == request:
                shutil.rmtree(parts)  # what a run left that ended right after its manifest
                return found, as_texts(found["problems"])
            raise ImageWriteError(f"{out.name}: holds another dataset; give --overwrite or another folder")
        curve, warnings = _response(sources, how, [n for n, s in zip(names, splits, strict=True) if s == "test"], parts)
        if curve is not None:
            write_json(out / "response.json", curve.to_dict())
        explicit = sources.response is not None or bool(sources.calibration)
        jobs = [replace(j, response=None if curve is None else curve.to_dict(), must_match=explicit) for j in jobs]
        results: list[PartNote | ColdrayError] = []
        with Crew(workers) as crew:
            for result in crew.map(partial(make_part, folder=parts), jobs):
                if progress is not None:
                    progress(len(results) + 1, len(jobs), names[len(results)].board)
                results.append(result)
        failed = [(r, s) for r, s in zip(results, splits, strict=True) if isinstance(r, ColdrayError)]
        good = [(r, s) for r, s in zip(results, splits, strict=True) if isinstance(r, PartNote)]
        lost = set(splits) - {split for _, split in good}
        if lost:
            raise next(problem for problem, split in failed if split in lost)
        problems, notes = [str(problem) for problem, _ in failed], [part for part, _ in good]
        wanted = {"train": how.patches, "validation": how.validation_patches, "test": how.test_patches}
        described, more = assemble(
            out, parts, notes, [split for _, split in good], wanted, patch_px=how.cut.patch_px, context_px=how.cut.context_px,
            variants=how.variants, random_state=how.simulated.random_state,
        )  # fmt: skip
        for note in notes:
            warnings.extend(note.board.warnings)
        manifest = {
            "format": FILE_FORMAT,
            "version": FILE_VERSION,
            "coldray": __version__,
            "request": request,
            **asdict(how.cut),
            "random_state": how.simulated.random_state,
            "split_by": how.split_by,
            "response": None if curve is None else curve.to_dict(),
            "boards": [replace(part.board, split=split).to_dict() for part, split in good],
            "problems": problems,
            "warnings": list(dict.fromkeys([*warnings, *more])),
            **described,
        }
        write_json(out / MANIFEST, manifest)
        shutil.rmtree(parts)
        return read_manifest(out), problems


def _jobs(sources: Sources, how: PrepareSettings) -> list[Job]:
    """One job per board, in the order given."""
    jobs = []
    for asked, given in ((None, sources.boards), ("validation", sources.validation), ("test", sources.test)):
        for text in given:
            if text.startswith(PREFIX):
                for family, index in parse_source(text):
                    recipe = replace(how.simulated, family=family, index=index)
                    jobs.append(Job(BoardName(recipe.board, family, asked), recipe, how.cut))
            else:
                for folder in board_folders(Path(text)):
                    jobs.append(Job(BoardName(*identity_of(folder, read_note(folder)), asked), folder, how.cut))
    if not jobs:
        raise SettingsError(f"no source; give data folders or {PREFIX}FAMILY:COUNT")
    return jobs


def _request(jobs: Sequence[Job], splits: Sequence[str], sources: Sources, how: PrepareSettings) -> str:
    """Hash of everything that was asked for."""
    response = None if sources.response is None else load_response(sources.response).to_dict()
    calibration = [
        Job(BoardName("", ""), f, how.cut).key() for c in sources.calibration for f in board_folders(Path(c))
    ]
    asked = [__version__, asdict(how), [j.key() for j in jobs], list(splits), response, calibration]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _response(
    sources: Sources, how: PrepareSettings, tested: Sequence[BoardName], parts: Path
) -> tuple[ResponseCurve | None, list[str]]:
    """Response curve of acquired pairs: given, fitted on calibration boards, or none with a warning."""
    if how.cut.kind == "synthetic":
        return None, []
    if sources.response is not None:
        if sources.calibration:
            raise SettingsError("give calibration boards or a response file, not both")
        curve = load_response(sources.response)
        _never_tested(curve.boards, tested)
        return curve, []
    if sources.calibration:
        folders = [f for c in sources.calibration for f in board_folders(Path(c))]
        _never_tested([identity_of(f, read_note(f))[0] for f in folders], tested)
        return fit_curve([registered(read_board(f)) for f in folders]), []
    if any(text.startswith(PREFIX) for text in (*sources.boards, *sources.validation, *sources.test)):
        recipes = [
            replace(how.simulated, family=f, index=0, size_px=CALIBRATION_SIZE, exposure_s=(1.0, 1.0))
            for f in CALIBRATION_FAMILIES
        ]
        key = hashlib.sha256(json.dumps([asdict(r) for r in recipes]).encode()).hexdigest()[:32]
        known = parts / f"{key}.response.json"
        if not known.exists():
            boards = [simulate_board(r, stream=1) for r in recipes]
            named = [replace(b, board=f"calibration {b.board}") for b in boards]
            write_json(known, fit_curve(named).to_dict())
        return load_response(known), []
    return None, [
        "no calibration boards: references keep the sharp detector's response; give --calibration FOLDER (a step wedge "
        "or boards that are not tested on)"
    ]


def fit_curve(boards: Sequence[BoardImages]) -> ResponseCurve:
    """Fit the response curve on registered calibration boards of one detector pair.

    Raises
    ------
    SettingsError
        If they are of several pairs.
    """
    pairs = {(b.pair.sharp.name, b.pair.blurred.name) for b in boards}
    if len(pairs) != 1:
        raise SettingsError(f"calibration boards of one detector pair are needed; found {sorted(pairs)}")
    sharp, blurred = pairs.pop()
    images = []
    for b in boards:
        assert b.frames is not None
        window = b.registration.seen((b.mean.shape[0], b.mean.shape[1])) if b.registration is not None else ...
        images.append(CalibrationImage(b.board, b.mean[window], b.frames.mean(axis=0)[window], b.pair))
    return fit_response(images, sharp=sharp, blurred=blurred)


def _never_tested(calibration: Sequence[str], tested: Sequence[BoardName]) -> None:
    """Fail if the response would be fitted on a test board."""
    both = sorted(set(calibration) & {n.board for n in tested})
    if both:
        raise SettingsError(
            f"leak: the response is fitted on {', '.join(both)}, which is tested on; calibrate on others"
        )
