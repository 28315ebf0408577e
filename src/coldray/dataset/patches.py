"""Patches: where they lie, their eight variants, the split by board and family, and the check for leaks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.arrays import Scalar
from coldray.document import Json
from coldray.errors import ImageError, SettingsError
from coldray.objects.boards import ROLES

VARIANTS = 8
LARGEST_OVERLAP = 0.25
SIGNATURE_SIDE = 32
THUMBNAIL_SIDE = 64
EMPTY_CONTRAST = 2e-3
"""Standard deviation [fraction of open beam] of the block means under which a patch shows nothing."""
NEAR_DUPLICATE = 0.15
"""Distance of two signatures, relative to the contrast, under which two patches show the same thing."""
SAME_BOARD_PEAK = 0.35
"""Peak of the phase correlation of two boards over which they show the same object."""
SPLITS = ("train", "validation", "test")

Split = Literal["train", "validation", "test"]
Signatures = NDArray[np.float32]


@dataclass(frozen=True)
class BoardName:
    """A board, the family it belongs to, and the split it was asked for (None: not asked)."""

    board: str
    family: str
    asked: str | None = None


def positions(shape: tuple[int, int], side: int, *, overlap: float = LARGEST_OVERLAP) -> NDArray[np.int32]:
    """Corners of the patches of an image, evenly spread.

    Parameters
    ----------
    shape : (rows, cols)
    side : int
        Side of a patch [px].
    overlap : float
        Largest share of a patch that another one may cover.

    Returns
    -------
    ndarray of int32, shape (n, 2)
        Row and column of the first pixel; empty if the image is smaller than a patch.
    """
    stride = int(np.ceil((1 - overlap) * side))
    axes = []
    for length in shape:
        count = max(0, (length - side) // stride + 1)
        axes.append(np.linspace(0, length - side, count).astype(np.int32) if count > 1 else np.zeros(count, np.int32))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int32)


def largest_overlap(corners: NDArray[np.integer], side: int) -> float:
    """Largest share of a patch that another patch of the same image covers; 0 for less than two.

    Parameters
    ----------
    corners : ndarray of int, shape (patches, 2)
        Upper left corners, row and column [pixels].
    side : int
        Of the patches [pixels].

    Returns
    -------
    float
        0 to 1.
    """
    if len(corners) < 2:
        return 0.0
    apart = np.abs(corners[:, None, :].astype(int) - corners[None, :, :])
    shared = np.clip(side - apart, 0, None).prod(axis=-1)
    np.fill_diagonal(shared, 0)
    return float(shared.max()) / side**2


def turned(patch: NDArray[Scalar], variant: int) -> NDArray[Scalar]:
    """One of the eight flips and rotations of the last two axes; 0 is the patch itself.

    Parameters
    ----------
    patch : ndarray, shape (..., rows, cols)
    variant : int
        0 to 7: quarter turns, from 4 on mirrored as well.

    Returns
    -------
    ndarray
        A view where it can be.
    """
    part = np.rot90(patch, variant % 4, axes=(-2, -1))
    return part[..., ::-1] if variant >= 4 else part


def exchanges_axes(variant: int) -> bool:
    """Whether a variant's rows were columns."""
    return variant % 2 == 1


def block_means(image: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """Image of shape (..., rows, cols) as side x side means of equal blocks; a rest at the border is left out.

    Parameters
    ----------
    image : ndarray, shape (..., rows, cols)
    side : int
        Blocks along each direction.

    Returns
    -------
    ndarray, float32, shape (..., side, side)
    """
    rows, cols = (max(1, n // side) for n in image.shape[-2:])
    count_y, count_x = min(side, image.shape[-2]), min(side, image.shape[-1])
    cut = image[..., : count_y * rows, : count_x * cols]
    blocks = cut.reshape(*image.shape[:-2], count_y, rows, count_x, cols)
    return np.asarray(blocks.mean(axis=(-3, -1)), dtype=np.float32)


def is_empty(patches: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which patches (n, side, side) show nothing but a level and noise."""
    coarse = block_means(patches, 16)
    return np.asarray(coarse.std(axis=(-2, -1)) < EMPTY_CONTRAST)


def digest(patch: NDArray[np.number]) -> str:
    """First 16 hex digits of the sha256 of a patch's bytes."""
    return hashlib.sha256(np.ascontiguousarray(patch).tobytes()).hexdigest()[:16]


def assign_splits(
    names: Sequence[BoardName],
    *,
    by: Literal["family", "board"] = "family",
    validation: bool = True,
    test: bool = True,
) -> list[str]:
    """Give every board to one split.

    Parameters
    ----------
    names : sequence of BoardName
    by : {"family", "board"}
        What must never be shared by training and test; boards alone are weaker.
    validation, test : bool
        Whether these splits are wanted.

    Returns
    -------
    list of str
        "train", "validation" or "test" for every board.

    Raises
    ------
    SettingsError
        If a split cannot be filled.

    Notes
    -----
    What was asked for comes first, then the role of a procedural family. If no test board is known by then, whole
    families are taken, in the order of a hash of their name, until a tenth of the boards is reached. Validation
    takes a whole family when three or more are left, else a tenth of the training boards.
    """
    found: list[str | None] = [n.asked or ROLES.get(n.family) for n in names]
    groups = [n.family if by == "family" else n.board for n in names]

    def take(split: str, keys: Sequence[str], kept: int) -> None:
        """Move whole groups to a split until a tenth is reached, `kept` groups staying."""
        free = sorted({k for k, f in zip(keys, found, strict=True) if f in (None, "train")}, key=_order)
        share = max(1, round(0.1 * len(names)))
        for key in free[: max(0, len(free) - kept)]:
            if sum(f == split for f in found) >= share:
                return
            for i, k in enumerate(keys):
                if k == key and found[i] in (None, "train"):
                    found[i] = split

    if test and "test" not in found:
        take("test", groups, 1)
    if validation and "validation" not in found:
        rest = {k for k, f in zip(groups, found, strict=True) if f in (None, "train")}
        take("validation", groups if len(rest) >= 3 else [n.board for n in names], 1)
    out = [f or "train" for f in found]
    families = ", ".join(sorted({n.family for n in names}))
    if "train" not in out:
        raise SettingsError(f"no board is left to train on: the families given ({families}) are kept for testing")
    if test and "test" not in out:
        raise SettingsError(
            f"all boards are of one {by} ({families}), so none can be kept for testing; give another one, "
            f"--test SOURCE, {'--split-by board, ' if by == 'family' else ''}or --test-patches 0"
        )
    return out


def check_names(
    names: Sequence[BoardName], splits: Sequence[str], *, by: Literal["family", "board"] = "family"
) -> None:
    """Fail if a board is in two splits, or a tested family is trained on.

    Parameters
    ----------
    names : sequence of BoardName
    splits : sequence of str
        Of each board: train, validation or test.
    by : {"family", "board"}
        What must not be in two splits.

    Raises
    ------
    SettingsError
        Naming the board or family.
    """
    for kind in ("board", "family") if by == "family" else ("board",):
        seen: dict[str, set[str]] = {}
        for name, split in zip(names, splits, strict=True):
            seen.setdefault(getattr(name, kind), set()).add(split)
        for key, where in sorted(seen.items()):
            # validation boards may be sisters of training boards, never of tested ones
            if len(where) > 1 and (kind == "board" or "test" in where):
                raise SettingsError(
                    f"leak: {kind} {key!r} is in two splits ({', '.join(sorted(where))}); keep it in one"
                )


def signatures(patches: NDArray[np.floating]) -> Signatures:
    """Block means of patches (n, side, side) as rows (n, 1024): what the check for near-duplicates sees."""
    return block_means(patches, SIGNATURE_SIDE).reshape(len(patches), -1)


def nearest(one: Signatures, other: Signatures, chunk: int = 512) -> tuple[float, int, int]:
    """Closest two patches of two sets, over all eight variants.

    Parameters
    ----------
    one, other : Signatures
        Of the patches of two sets.
    chunk : int
        Patches compared at a time; memory grows with it.

    Returns
    -------
    distance : float
        rms difference of the signatures over the standard deviation of the fainter one; infinite if a set is empty.
    i, j : int
        Which two.
    """
    best = (float("inf"), -1, -1)
    if not (len(one) and len(other)):
        return best
    side = round(one.shape[1] ** 0.5)
    a_mean, b_mean = one.mean(axis=1, keepdims=True), other.mean(axis=1, keepdims=True)
    a, b = one - a_mean, other - b_mean
    a_power, b_power = (a**2).sum(axis=1), (b**2).sum(axis=1)
    contrast = np.maximum(np.minimum(a_power[:, None], b_power[None, :]), 1e-12)
    level = one.shape[1] * (a_mean - b_mean.T) ** 2
    for variant in range(VARIANTS):
        seen = np.ascontiguousarray(turned(b.reshape(-1, side, side), variant)).reshape(len(b), -1)
        for first in range(0, len(a), chunk):
            rows = slice(first, first + chunk)
            squared = a_power[rows, None] + b_power[None, :] - 2 * (a[rows] @ seen.T) + level[rows]
            relative = np.maximum(squared, 0) / contrast[rows]
            at = int(relative.argmin())
            if relative.flat[at] < best[0] ** 2:
                best = (float(np.sqrt(relative.flat[at])), first + at // len(b), at % len(b))
    return best


def board_likeness(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Peak of the phase correlation of two thumbnails over all shifts and the eight variants, 0 to 1.

    Parameters
    ----------
    one, other : ndarray, shape (rows, cols)
        Thumbnails; of different shapes nothing is alike.

    Returns
    -------
    float
        0 to 1.
    """
    if one.shape != other.shape:
        return 0.0
    window = np.hanning(one.shape[0])[:, None] * np.hanning(one.shape[1])[None, :]

    def spectrum(image: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        raw = np.asarray(scipy.fft.rfft2((image - image.mean()) * window))
        return np.asarray(raw / np.maximum(np.abs(raw), 1e-9))

    first = spectrum(one).conj()
    return max(float(scipy.fft.irfft2(first * spectrum(turned(other, v)), one.shape).max()) for v in range(VARIANTS))


def check_leaks(
    split_signatures: Mapping[str, Signatures],
    split_labels: Mapping[str, Sequence[str]],
    thumbnails: Sequence[NDArray[np.floating]],
    boards: Sequence[BoardName],
    splits: Sequence[str],
) -> dict[str, Json]:
    """Fail if two splits show the same thing under different names.

    Parameters
    ----------
    split_signatures : mapping of split to `signatures`
    split_labels : mapping of split to a name for every patch
    thumbnails : sequence of ndarray
        One per board.
    boards, splits : sequences
        Names and split of every board.

    Returns
    -------
    dict
        Closest patches and boards of two splits, JSON-able.

    Raises
    ------
    ImageError
        If patches or boards of two splits are near-duplicates.
    """
    report: dict[str, Any] = {"near_duplicate_below": NEAR_DUPLICATE, "same_board_above": SAME_BOARD_PEAK, "pairs": {}}
    present = [s for s in SPLITS if len(split_signatures.get(s, ()))]
    for i, a in enumerate(present):
        for b in present[i + 1 :]:
            distance, m, n = nearest(split_signatures[a], split_signatures[b])
            first, second = split_labels[a][m], split_labels[b][n]
            report["pairs"][f"{a}-{b}"] = {"closest_distance": round(distance, 4), "patches": [first, second]}
            if distance < NEAR_DUPLICATE:
                raise ImageError(
                    f"leak: a patch of {first} ({a}) and one of {second} ({b}) show the same thing (distance "
                    f"{distance:.3f}, at least {NEAR_DUPLICATE} is needed); are they one board? give it one name in pair.json"
                )
    likest = (0.0, "", "")
    for i, one in enumerate(boards):
        for j in range(i):
            if splits[i] != splits[j]:
                likest = max(likest, (board_likeness(thumbnails[i], thumbnails[j]), one.board, boards[j].board))
    report["likest_boards"] = {"peak": round(likest[0], 4), "boards": list(likest[1:])}
    if likest[0] > SAME_BOARD_PEAK:
        raise ImageError(
            f"leak: boards {likest[1]} and {likest[2]} lie in two splits and show the same object, perhaps shifted "
            f"(phase correlation {likest[0]:.2f}, at most {SAME_BOARD_PEAK}); give them one name in pair.json"
        )
    return report


def _order(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
