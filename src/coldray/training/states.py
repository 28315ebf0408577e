"""Resumable states of a training run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray.checkpoint import file_sha256, packed, read_tensors
from coldray.document import Json, as_number, entries_of, parse_object
from coldray.errors import CheckpointError
from coldray.files import write_bytes, write_text

SCORES = "scores.jsonl"
"""Validation scores of a run, a line each time."""


def read_scores(folder: Path) -> list[dict[str, Json]]:
    """Validation scores of the run in a folder; none where there are none yet.

    Raises
    ------
    CheckpointError
        If a line is no object, or does not say after how many updates.
    """
    path, found = folder / SCORES, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), 1):
        name = f"{SCORES} line {number}"
        found.append(parse_object(line, name, CheckpointError))
        with entries_of(f"{name}: step", CheckpointError):
            as_number(found[-1].get("step"))
    return found


class RunStates:
    """The resumable states of one run, newest last.

    Parameters
    ----------
    folder : Path
        Holds step-NNNNNNNN.safetensors files with the sha256 of each beside it.
    keep : int
        How many to keep, beside the best.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def save(self, step: int, tensors: dict[str, NDArray[np.number]], header: dict[str, Json], best: int) -> None:
        """Save the state after `step` updates and drop the oldest ones, but not that after `best` updates.

        Raises
        ------
        CheckpointError
            If a tensor is not finite; no state is written or dropped.
        ImageWriteError
            If the disk does not take it.
        """
        path = self._folder / f"step-{step:08d}.safetensors"
        self._folder.mkdir(parents=True, exist_ok=True)
        content = packed(tensors, header | {"step": step})
        # the hash first: a state without its hash is never trusted, a hash without its state does no harm
        write_text(path.with_suffix(".sha256"), hashlib.sha256(content).hexdigest() + "\n")
        write_bytes(path, content)
        self.drop({step, best})

    def drop(self, spared: Collection[int]) -> None:
        """Delete the oldest states, and what is left of unfinished ones; those of the `spared` steps stay.

        A run does this at each save, and when it goes on: the save before may have failed after its state was there.
        """
        kept = {path.stem for path in self._paths()[-self._keep :]} | {f"step-{step:08d}" for step in spared}
        for old in self._folder.glob("step-*.*"):
            if old.stem not in kept:
                old.unlink(missing_ok=True)

    def steps(self) -> list[int]:
        """Steps after which there is a state, oldest first."""
        return [int(path.stem.removeprefix("step-")) for path in self._paths()]

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.safetensors"))

    def newest(self) -> tuple[dict[str, NDArray[np.number]], dict[str, Json], list[str]] | None:
        """Return the newest whole state and warnings about broken ones; None if there is none."""
        warnings: list[str] = []
        for path in reversed(self._paths()):
            try:
                note = path.with_suffix(".sha256")
                if not note.is_file():
                    raise CheckpointError(f"{path.name}: {note.name} is missing, so it may be cut")
                if note.read_bytes().strip() != file_sha256(path).encode():
                    raise CheckpointError(f"{path.name}: the sha256 does not match")
                return (*read_tensors(path), warnings)
            except CheckpointError as problem:
                warnings.append(f"{problem}; falling back to the state before")
        return None
