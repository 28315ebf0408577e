"""What runs a network on one tile: ONNX Runtime, the reference that runs everybody's models, and torch for training's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.errors import CheckpointError
from coldray.threads import stated_threads

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions

FATAL = 4
"""ONNX Runtime's log level: what goes wrong is raised, and told once."""
FLOATS = "tensor(float)"
INPUTS = {"channels": (FLOATS, 4), "conditions": (FLOATS, 2)}
"""Type and number of axes of what a network is told, by name."""


@dataclass(frozen=True, eq=False)
class OnnxEngine:
    """Network in ONNX Runtime, fp32 on the CPU.

    Parameters
    ----------
    path : Path
        ONNX file without external data.
    stride, radius : int
        Grid of the network, and its reach that tiles allow for [pixels].
    note : str
        Why a faster engine is not used although it is there; else empty.
    """

    path: Path
    stride: int
    radius: int
    note: str = ""
    _sizes: dict[str, tuple[int, ...]] = field(default_factory=dict, init=False, repr=False)

    @property
    def alignment(self) -> int:
        """Grid on which tiles begin [pixels]."""
        return self.stride

    @cached_property
    def _session(self) -> InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # 0 leaves it to ONNX Runtime
        options.intra_op_num_threads = stated_threads()
        options.log_severity_level = FATAL
        # waiting threads that spin take the cores of other processes
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # from bytes, so that a crafted file cannot name other files as its weights
            session = onnxruntime.InferenceSession(self.path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as problem:
            raise CheckpointError(f"{self.path.name}: not a usable ONNX model ({type(problem).__name__})") from None
        self._check_signature(session)
        return session

    def _check_signature(self, session: InferenceSession) -> None:
        """Refuse a graph that is no network of ours: other inputs, or an answer that is not one image of floats."""
        given = {node.name: (node.type, len(node.shape)) for node in session.get_inputs()}
        answers = [(node.type, len(node.shape)) for node in session.get_outputs()]
        if given != INPUTS or answers[:1] != [(FLOATS, 4)]:
            raise CheckpointError(
                f"{self.path.name}: the graph takes {_told(given)} and answers with {_told(dict(enumerate(answers)))}; "
                f"{_told(INPUTS)} and one {FLOATS} of 4 axes are needed. Export the model with coldray"
            )

    def run(self, channels: NDArray[np.float32], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Evaluate one tile."""
        told = {"channels": channels, "conditions": conditions}
        session = self._session
        try:
            answer = session.run(None, told, self._options(channels.shape))
        except Exception as problem:
            raise CheckpointError(
                f"{self.path.name}: the network cannot be run ({type(problem).__name__}) on {channels.shape[1]} images and "
                f"{conditions.shape[1]} conditions; its header does not describe it, or memory is short"
            ) from None
        return np.asarray(answer[0], dtype=np.float32)

    def _options(self, shape: tuple[int, ...]) -> RunOptions:
        """Options of a run: the arena keeps its memory from tile to tile, but not that of other tile sizes."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = FATAL
        if self._sizes.get("last") != shape:
            self._sizes["last"] = shape
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        return options


@dataclass(frozen=True, eq=False)
class TorchEngine:
    """Network in torch, fp32, on any device.

    Parameters
    ----------
    network : torch.nn.Module
        With `stride` and `radius`.
    device : str
        torch device.
    grid : int, optional
        Grid of tiles, as a model's header has it; the network's own by default [pixels].
    """

    network: Any
    device: str = "cpu"
    grid: int | None = None

    @property
    def stride(self) -> int:
        """Grid of the network [pixels]."""
        return int(self.network.stride) if self.grid is None else self.grid

    @property
    def radius(self) -> int:
        """Reach of the network [pixels]."""
        return int(self.network.radius)

    @property
    def alignment(self) -> int:
        """Grid on which tiles begin [pixels]."""
        return self.stride

    def run(self, channels: NDArray[np.float32], conditions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Evaluate one tile."""
        import torch

        with torch.no_grad():
            image = torch.from_numpy(channels).to(self.device, memory_format=torch.channels_last)
            return np.asarray(self.network(image, torch.from_numpy(conditions).to(self.device)).cpu().numpy())


def _told(nodes: Mapping[str, tuple[str, int]] | Mapping[int, tuple[str, int]]) -> str:
    """Inputs or outputs of a graph in words."""
    return ", ".join(f"{name!r} ({kind}, {axes} axes)" for name, (kind, axes) in list(nodes.items())[:4]) or "nothing"
