"""Measured board folders → registered boards in one response, some kept apart for the proof."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coldray.adaptation.checks import check_halves, check_roles, seen_of
from coldray.dataset.frames import BoardImages, board_folders, read_board
from coldray.dataset.part import registered
from coldray.dataset.patches import SAME_BOARD_PEAK, THUMBNAIL_SIDE, block_means, board_likeness
from coldray.dataset.prepare import fit_curve
from coldray.document import as_table
from coldray.errors import ColdrayError, MeasurementError, MetadataError, SettingsError
from coldray.physics.response import ResponseCurve
from coldray.words import told_once

FEWEST_BOARDS = 6
"""Half of them prove the gain: an interval over fewer than three is no interval."""
FEWEST_APART = 3
FEWEST_FRAMES = 2
"""Blurred frames of a board: two show what is noise in them."""

Progress = Callable[..., None]


@dataclass(frozen=True, eq=False)
class Boards:
    """What a model is adapted with, and what it is judged on; all registered and in the blurred detector's response.

    Parameters
    ----------
    tuned, apart : tuple of BoardImages
        Boards that are learnt from, and boards that nothing is taken from but the proof.
    response : ResponseCurve
        Fitted on the boards that are learnt from.
    warnings : tuple of str
    """

    tuned: tuple[BoardImages, ...]
    apart: tuple[BoardImages, ...]
    response: ResponseCurve
    warnings: tuple[str, ...]


def load_boards(pairs: Path, keep_apart: int | None = None, progress: Progress | None = None) -> Boards:
    """Read, check, split, register and match all boards of a data folder.

    Parameters
    ----------
    pairs : Path
        Data folder: BOARD/hr, BOARD/lr, BOARD/pair.json.
    keep_apart : int, optional
        Boards for the proof; a third of them by default, 3 at least.
    progress : callable, optional
        Called as progress(done, total, note).

    Returns
    -------
    Boards

    Raises
    ------
    SettingsError
        If there are fewer than `FEWEST_BOARDS`, or too few would be left to learn from.
    ImageError, MetadataError, MeasurementError
        If a board cannot be read, does not register, shows two scenes, or its detectors are swapped; the message names it.
    """
    folders = board_folders(pairs)
    if len(folders) < FEWEST_BOARDS:
        raise SettingsError(
            f"{pairs.name}: {len(folders)} board{'s' * (len(folders) != 1)}; {FEWEST_BOARDS} are needed, of which "
            f"{FEWEST_APART} are kept apart to prove the gain. Measure more (coldray prepare --init writes the folders)"
        )
    found = []
    for number, folder in enumerate(folders):
        found.append(_checked(folder))
        if progress is not None:
            progress(number + 1, len(folders), folder.name)
    _check_one_pair(found)
    tuned, apart = split([images.board for images in found], keep_apart)
    curve = fit_curve([found[i] for i in tuned])
    matched = [_matched(images, curve) for images in found]
    # each begins with its folder's name
    remarks = [warning.partition(": ")[::2] for images in found for warning in images.warnings]
    warnings = told_once(remarks)
    warnings += _alike([found[i] for i in tuned], [found[i] for i in apart])
    return Boards(tuple(matched[i] for i in tuned), tuple(matched[i] for i in apart), curve, tuple(warnings))


def split(names: Sequence[str], keep_apart: int | None = None) -> tuple[list[int], list[int]]:
    """Which boards are learnt from, and which are kept apart, by a hash of their names.

    Parameters
    ----------
    names : sequence of str
        Of the boards; folders of one name show one board and stay together.
    keep_apart : int, optional
        Boards kept apart; a third of them by default, 3 at least.

    Raises
    ------
    SettingsError
        If there are fewer than `FEWEST_BOARDS` boards, or fewer than 3 on one side.

    Notes
    -----
    The choice does not depend on what the images show, nor on their order: nobody can pick the boards that look best.
    """
    boards = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(boards) < FEWEST_BOARDS:
        raise SettingsError(
            f"{len(names)} folders show {len(boards)} different boards by their names; {FEWEST_BOARDS} are needed. Write "
            "different names as 'board' into their pair.json if they are different boards"
        )
    count = max(FEWEST_APART, round(len(boards) / 3)) if keep_apart is None else keep_apart
    if not FEWEST_APART <= count <= len(boards) - FEWEST_APART:
        raise SettingsError(
            f"{count} of {len(boards)} boards cannot be kept apart; from {FEWEST_APART} to {len(boards) - FEWEST_APART} can"
        )
    kept = set(boards[:count])
    return [i for i, n in enumerate(names) if n not in kept], [i for i, n in enumerate(names) if n in kept]


def _checked(folder: Path) -> BoardImages:
    """One board, without its truth, refused if its frames are not what they are said to be; registered."""
    try:
        images = replace(read_board(folder), truth=None)
        if images.frames is None or len(images.frames) < FEWEST_FRAMES:
            raise MeasurementError(
                f"one blurred frame does not tell noise from board; put {FEWEST_FRAMES} or more, taken without moving it, into lr/"
            )
        check_halves(images)
        if images.pair.blurred.nnps is None:
            raise MetadataError(
                f"detector {images.pair.blurred.name!r} states no NNPS, so that the noise of its frames is unknown; measure it "
                "with coldray characterise --flat"
            )
        check_roles(images)
        found = registered(images)
    except ColdrayError as problem:
        known = str(problem)
        named = known if folder.name in known else f"{folder.name}: {known}"
        raise problem.worded(named) from None
    if min(part.stop - part.start for part in seen_of(found)) < min(found.mean.shape) // 2:
        raise MeasurementError(
            f"{folder.name}: less than half of the frame was seen by both detectors after registration; place the board "
            "in the same position before both"
        )
    return found


def _check_one_pair(boards: Sequence[BoardImages]) -> None:
    """Refuse boards of several detector pairs: one model is adapted to one pair."""
    pairs = sorted({(b.pair.sharp.name, b.pair.blurred.name, b.pair.pixel_pitch_mm) for b in boards})
    if len(pairs) > 1:
        told = "; ".join(f"{sharp} and {blurred} at {pitch:g} mm" for sharp, blurred, pitch in pairs)
        raise SettingsError(f"boards of {len(pairs)} detector pairs ({told}); adapt one model to each pair")


def _matched(images: BoardImages, curve: ResponseCurve) -> BoardImages:
    """Sharp references in the blurred detector's response."""
    assert images.halves is not None
    one, other = images.halves
    return replace(images, mean=curve(images.mean), halves=(curve(one), curve(other)))


def _alike(tuned: Sequence[BoardImages], apart: Sequence[BoardImages]) -> list[str]:
    """Boards on both sides that show one layout: the gain is proven for it, and for no other."""
    thumbnails = {id(b): block_means(b.mean, THUMBNAIL_SIDE) for b in (*tuned, *apart)}
    alike = [
        f"{a.board} and {b.board}"
        for a in tuned
        for b in apart
        if board_likeness(thumbnails[id(a)], thumbnails[id(b)]) > SAME_BOARD_PEAK
    ]
    if not alike:
        return []
    more = f" and {len(alike) - 1} more pairs" if len(alike) > 1 else ""
    return [
        f"{alike[0]}{more} show one layout, learnt from and kept apart: the gain is proven for boards of this layout only"
    ]


def board_digest(images: BoardImages) -> str:
    """sha256 over the files a board was read from, by name."""
    files = sorted(as_table(images.details.get("sha256", {})).items())
    return hashlib.sha256("".join(f"{name}:{digest};" for name, digest in files).encode()).hexdigest()
