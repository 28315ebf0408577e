"""Parts of many boards → one dataset: choose, check for leaks, write the arrays and the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from coldray import __version__
from coldray.dataset.note import PartNote
from coldray.dataset.part import LAYERS, load_part
from coldray.dataset.patches import NEAR_DUPLICATE, SPLITS, BoardName, check_leaks, digest, largest_overlap, nearest
from coldray.dataset.store import OFFSET, STEP, file_digest, write_array, write_arrays
from coldray.document import Json
from coldray.errors import ImageError, MetadataError
from coldray.files import write_text


def assemble(
    out: Path,
    parts: Path,
    notes: Sequence[PartNote],
    splits: Sequence[str],
    wanted: dict[str, int],
    *,
    patch_px: int,
    context_px: int,
    variants: int,
    random_state: int,
) -> tuple[dict[str, Json], list[str]]:
    """Write train/, validation/ and test/ and return what the manifest says of them.

    Parameters
    ----------
    out, parts : Path
        Dataset, and where the parts of the boards lie.
    notes, splits : sequences
        One per board, in the order of the sources.
    wanted : dict
        Patches per split.
    patch_px, context_px : int
        Geometry of a stored patch [px].
    variants : int
        Most variants of one base patch.
    random_state : int
        Chooses base patches if there are more than needed.

    Returns
    -------
    manifest : dict
        The keys that describe patches.
    warnings : list of str

    Raises
    ------
    ImageError
        If two splits show the same thing.
    """
    layers = [n for n in LAYERS if all(n in note.layers for note in notes)]
    some = sorted({n for note in notes for n in note.layers} - set(layers))
    warnings = [f"not every board has {', '.join(some)}: left out"] if some else []
    names = [BoardName(n.board.board, n.board.family) for n in notes]
    core = slice(context_px, context_px + patch_px)
    chosen: dict[str, list[tuple[int, NDArray[np.intp]]]] = {}
    found: dict[str, Any] = {}
    signature_of: dict[str, NDArray[np.float32]] = {}
    label_of: dict[str, list[str]] = {}
    for number, split in enumerate(SPLITS):
        candidates = _distinct(parts, notes, [i for i, s in enumerate(splits) if s == split])
        flat = [(i, int(k)) for i, keep in candidates for k in keep]
        rng = default_rng([random_state, 23, number])
        order = sorted(rng.permutation(len(flat))[: wanted.get(split, 0)].tolist())
        picked = [flat[k] for k in order]
        chosen[split] = [
            (i, np.array([k for j, k in picked if j == i], dtype=np.intp)) for i in dict.fromkeys(i for i, _ in picked)
        ]
        rows = [load_part(parts, notes[i], "signatures")[keep] for i, keep in chosen[split]]
        signature_of[split] = np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)
        label_of[split] = [notes[i].board.board for i, keep in chosen[split] for _ in keep]
        overlap = max(
            (largest_overlap(load_part(parts, notes[i], "corners")[keep, :2], patch_px) for i, keep in chosen[split]),
            default=0.0,
        )
        hashes = [
            digest(patch)
            for i, keep in chosen[split]
            for patch in load_part(parts, notes[i], "mean")[keep][:, core, core]
        ]
        count = min(wanted.get(split, 0), len(picked) * variants)
        if count < wanted.get(split, 0):
            warnings.append(
                f"{split}: {count} patches instead of {wanted[split]}; {len(picked)} base patches in {variants} variants "
                "is all there is: give more boards"
            )
        found[split] = {
            "patches": count,
            "base_patches": len(picked),
            "distinct_base_patches": len(set(hashes)),
            "variants": -(-count // len(picked)) if picked else 0,
            "largest_overlap": round(overlap, 4),
            "boards": sorted({notes[i].board.board for i, _ in chosen[split]}),
            "families": sorted({notes[i].board.family for i, _ in chosen[split]}),
            "hashes": hashes,
        }
    asked = [[n.key for n in notes], list(splits), wanted, patch_px, context_px, variants, random_state, layers]
    marks = parts / hashlib.sha256(json.dumps([__version__, *asked], sort_keys=True).encode()).hexdigest()[:32]
    thumbnails = [np.asarray(load_part(parts, n, "thumbnail")) for n in notes]
    leakage = check_leaks(signature_of, label_of, thumbnails, names, splits)
    for number, split in enumerate(SPLITS):
        held = (notes, chosen[split], layers, found[split]["patches"], patch_px + 2 * context_px)
        found[split]["files"] = _write_split(out / split, marks, *held, default_rng([random_state, 29, number]))
    return {
        "layers": layers,
        "stored": {"dtype": "uint16", "step": STEP, "offset": OFFSET, "side_px": patch_px + 2 * context_px},
        "splits": {s: found[s] for s in SPLITS if found[s]["patches"]},
        "leakage": leakage,
        "detectors": _detectors(notes),
    }, warnings


def _distinct(parts: Path, notes: Sequence[PartNote], numbers: Sequence[int]) -> list[tuple[int, NDArray[np.intp]]]:
    """Patches of every board; of a board taken twice only what the first take does not show."""
    out: list[tuple[int, NDArray[np.intp]]] = []
    shown: dict[str, list[NDArray[np.float32]]] = {}
    for i in numbers:
        signature = np.asarray(load_part(parts, notes[i], "signatures"))
        earlier = shown.setdefault(notes[i].board.board, [])
        fresh = [
            k
            for k in range(len(signature))
            if all(nearest(signature[k : k + 1], e)[0] >= NEAR_DUPLICATE for e in earlier)
        ]
        keep = np.array(fresh, dtype=np.intp)
        earlier.append(signature[keep])
        out.append((i, keep))
    return out


def _write_split(
    folder: Path,
    marks: Path,
    notes: Sequence[PartNote],
    chosen: Sequence[tuple[int, NDArray[np.intp]]],
    layers: Sequence[str],
    patches: int,
    side: int,
    rng: np.random.Generator,
) -> dict[str, str]:
    """Write what is missing of one split and return the sha256 of its files; `marks` begins the names of their marks."""
    if not patches:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    parts, total = marks.parent, sum(len(keep) for _, keep in chosen)

    def layer(name: str) -> Callable[[Path], None]:
        pieces = (load_part(parts, notes[i], name)[keep] for i, keep in chosen)
        return lambda path: write_arrays(path, pieces, (total, side, side), np.dtype(np.uint16))

    bases = [
        np.column_stack([np.full(len(keep), i), load_part(parts, notes[i], "corners")[keep]]) for i, keep in chosen
    ]
    # every base patch once before any is shown a second time, flipped or turned
    rounds = -(-patches // total)
    index = np.array([(b, v) for v in range(rounds) for b in rng.permutation(total)], dtype=np.int32)[:patches]
    writers: dict[str, Callable[[Path], None]] = {name: layer(name) for name in layers}
    writers["bases"] = lambda path: write_array(path, np.concatenate(bases).astype(np.int32))
    writers["patches"] = lambda path: write_array(path, index)
    return {
        f"{name}.npy": _finished(folder / f"{name}.npy", Path(f"{marks}.{folder.name}.{name}.sha256"), write)
        for name, write in writers.items()
    }


def _finished(path: Path, mark: Path, write: Callable[[Path], None]) -> str:
    """The sha256 of an array, written unless an interrupted run with the same parts did."""
    if mark.is_file() and path.is_file():
        known = mark.read_text(encoding="ascii", errors="replace")
        if known == file_digest(path):
            return known
    write(path)
    found = file_digest(path)
    write_text(mark, found)
    return found


def _detectors(notes: Sequence[PartNote]) -> dict[str, Json]:
    """All detectors by key; two different ones of one name cannot be told apart."""
    found: dict[str, Json] = {}
    for note in notes:
        for key, detector in note.detectors.items():
            if found.setdefault(key, detector) != detector:
                raise MetadataError(f"two different detectors are called {key!r}; rename one of them")
    if not found:
        raise ImageError("no board was given")
    return found
