"""Resumable states of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from coldray.checkpoint import file_sha256, read_tensors, write_tensors
from coldray.errors import CheckpointError


class RunStates:
    """The resumable states of one run, newest last.

    Parameters
    ----------
    folder : Path
        Holds step-NNNNNNNN.safetensors files with the sha256 of each beside it.
    keep : int
        How many to keep.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def save(self, step: int, tensors: dict[str, NDArray[Any]], header: dict[str, Any]) -> None:
        """Save the state after `step` updates and drop the oldest ones."""
        path = self._folder / f"step-{step:08d}.safetensors"
        write_tensors(path, tensors, header | {"step": step})
        path.with_suffix(".sha256").write_text(file_sha256(path) + "\n", encoding="ascii")
        for old in sorted(self._folder.glob("step-*.safetensors"))[: -self._keep]:
            old.unlink()
            old.with_suffix(".sha256").unlink(missing_ok=True)

    def newest(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any], list[str]] | None:
        """Return the newest whole state and warnings about broken ones; None if there is none."""
        warnings: list[str] = []
        for path in sorted(self._folder.glob("step-*.safetensors"), reverse=True):
            try:
                note = path.with_suffix(".sha256")
                if note.is_file() and note.read_text(encoding="ascii").strip() != file_sha256(path):
                    raise CheckpointError(f"{path.name}: the sha256 does not match")
                return (*read_tensors(path), warnings)
            except CheckpointError as problem:
                warnings.append(f"{problem}; falling back to the state before")
        return None
