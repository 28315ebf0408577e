"""The extra `fast`: our own networks in ncnn, in single precision, on the processor or a GPU."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coldray.checkpoint import read_tensors
from coldray.document import Json, as_entries, as_number, as_numbers, as_table
from coldray.errors import CheckpointError
from coldray.files import scratch_folder, write_bytes, write_text
from coldray.restoration import ncnn_compact, ncnn_unet
from coldray.restoration.ladder import STRIP_ROWS, Stage, answers
from coldray.restoration.ncnn_layers import CONTRAST, RESIDUAL_SCALE, Design
from coldray.restoration.tiles import TILE_BUDGET_PIXELS, Engine
from coldray.threads import set_meanwhile, thread_count

if TYPE_CHECKING:
    import ncnn

Float = NDArray[np.float32]

TESTED_VERSIONS = ("1.0.20261020",)
"""Versions of ncnn whose answers were compared with ONNX Runtime's."""
NETWORKS = ("compact", "unet")
"""Networks that are written for ncnn."""
PARITY = 0.1 / 65535
"""Largest difference from the stored answer at which the engine is used [fraction of open beam]."""
KEPT_NETS = 2
"""Conditions whose folded weights are kept."""
LEAST_FILLED = 0.5
"""Share of a piece of kept memory that features must fill to be given it; of the shares that were tried the least was touched at this one."""

BYTES_PER_PIXEL = 500
"""That the features of a network take of a tile, measured with the networks of the release."""
WIDEST_PX = 2432
"""Widest tile of a network that goes over it row strip by row strip: some 1 GB."""
MEMORY_SHARE = 0.5
"""Share of a device's memory that one tile may take."""


@dataclass(frozen=True)
class Device:
    """A graphics processor that Vulkan lists.

    Parameters
    ----------
    number : int
        In the list.
    name : str
        As its driver says it.
    software : bool
        Whether it is the processor, dressed up.
    memory_mb : float
        What it has for us.
    """

    number: int
    name: str
    software: bool
    memory_mb: float

    def __str__(self) -> str:
        return f"gpu:{self.number} {self.name}"

    def tile_pixels(self, most: int) -> int:
        """Largest tile that fits its memory, at most `most` [pixels]."""
        return max(min(most, int(MEMORY_SHARE * self.memory_mb * 2**20 / BYTES_PER_PIXEL)), 1)


def available() -> str | None:
    """Version of ncnn if it is installed and one that was tested, and the user did not say otherwise."""
    if os.environ.get("COLDRAY_ENGINE", "") == "onnxruntime":
        return None
    try:
        with set_meanwhile({"OMP_WAIT_POLICY": "PASSIVE"}):
            import ncnn
    except ImportError:
        return None
    return ncnn.__version__ if ncnn.__version__ in TESTED_VERSIONS else None


def design_of(header: Mapping[str, Json], tensors: Mapping[str, NDArray[np.number]]) -> Design | None:
    """How the network of a model is written for ncnn; None if it is none of ours, or one of a kind that is not written."""
    network = as_table(header["network"])
    name, settings = network["name"], as_table(network["settings"])
    if name == "compact":
        return ncnn_compact.design(tensors, settings)
    return ncnn_unet.design(tensors, settings) if name == "unet" else None


@dataclass(frozen=True, eq=False)
class FastEngine:
    """A network of ours in ncnn, fp32; safe to call from several threads.

    Parameters
    ----------
    design : Design
        Of the network.
    device : Device, optional
        Graphics processor; the processor by default.
    """

    design: Design = field(repr=False)
    device: Device | None = None
    _nets: OrderedDict[bytes, ncnn.Net] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def stride(self) -> int:
        """Grid of the network [pixels]; tiles of other sizes would crash the process."""
        return self.design.stride

    @property
    def radius(self) -> int:
        """Reach that tiles allow for, so that their bits are those of the whole frame [pixels]."""
        return self.design.radius

    @property
    def alignment(self) -> int:
        """Grid on which tiles begin [pixels]: transforms lie as in the whole frame."""
        return self.design.blocks * self.stride

    @property
    def budget_pixels(self) -> int | None:
        """Largest tile [pixels]; None where memory goes with the width alone."""
        if self.device is not None:
            return self.device.tile_pixels(TILE_BUDGET_PIXELS)
        return TILE_BUDGET_PIXELS if self.design.ladder is None else None

    @property
    def widest_px(self) -> int | None:
        """Widest tile [pixels]; None if only its area counts."""
        return WIDEST_PX if self.budget_pixels is None else None

    @cached_property
    def _memory(self) -> tuple[ncnn.PoolAllocator, ncnn.PoolAllocator] | None:
        """What features and working space are taken from, kept from strip to strip; None leaves it to the engine."""
        if self.device is not None:
            return None
        import ncnn

        made = ncnn.PoolAllocator(), ncnn.PoolAllocator()
        for pool in made:
            pool.set_size_compare_ratio(LEAST_FILLED)
        return made

    def forget(self) -> None:
        """Give back the memory that networks keep from tile to tile; the next tile loads its network anew."""
        with self._lock:
            self._nets.clear()
            for pool in self._memory or ():
                pool.clear()

    def run(self, channels: Float, conditions: Float) -> Float:
        """Evaluate one tile."""
        image = np.asarray(channels[0], dtype=np.float32)
        return np.concatenate(list(self.answers(lambda first, last: image[:, first:last], image.shape[1], conditions)))[
            None, None
        ]

    def answers(self, read: Callable[[int, int], Float], rows: int, conditions: Float) -> Iterator[Float]:
        """Evaluate one tile, row strip by row strip.

        Parameters
        ----------
        read : callable
            ``read(first, last)``: rows of the channels, float32, shape (channels, last - first, cols).
        rows : int
            Of the tile, a multiple of the stride.
        conditions : ndarray, shape (1, conditions)

        Yields
        ------
        ndarray, float32, shape (rows of the strip, cols)
            In order; the whole at once where the network does not run in strips.

        Raises
        ------
        CheckpointError
            If the engine gives no answer.
        """
        net, fold, design = self._net(conditions[0]), self.design.unshuffle, self.design
        bases: deque[Float] = deque()
        height = rows if design.ladder is None or self.device is not None else fold * STRIP_ROWS

        def shown() -> Iterator[Float]:
            for first in range(0, rows, height):
                image = read(first, min(first + height, rows))
                if rows % self.stride or image.shape[2] % self.stride:
                    raise CheckpointError(f"tiles of this network have multiples of {self.stride} rows and columns")
                bases.append(image[design.base].copy())
                yield self._folded(image)

        def evaluate(stage: Stage, features: tuple[Float, ...]) -> tuple[Float, ...]:
            return _extracted(net, dict(zip(stage.inputs, features, strict=True)), stage.outputs, self._memory)

        found = (
            (_extracted(net, {"in0": image}, ("out0",), self._memory)[0] for image in shown())
            if design.ladder is None or height >= rows
            else answers(design.ladder, shown(), rows // fold, evaluate)
        )
        yield from self._unfolded(found, bases)

    def _folded(self, image: Float) -> Float:
        """What the network sees of some rows of the channels, pixels folded into channels."""
        shown, fold = self.design.shown, self.design.unshuffle
        down, across = (n // fold for n in image.shape[1:])
        held = np.empty((len(shown) * fold**2, down, across), dtype=np.float32)
        cells = held.reshape(len(shown), fold, fold, down, across).transpose(0, 3, 1, 4, 2)
        folded = image.reshape(-1, down, fold, across, fold)
        for cell, (one, other) in zip(cells, shown, strict=True):
            if other is None:
                cell[...] = folded[one]
            else:
                np.subtract(folded[one], folded[other], out=cell)
                cell *= CONTRAST
        return held

    def _unfolded(self, found: Iterator[Float], bases: deque[Float]) -> Iterator[Float]:
        """The network's answers, unfolded and added to the image that it corrects, whose rows come in other pieces."""
        fold, base = self.design.unshuffle, np.empty((0, 0), dtype=np.float32)
        for answer in found:
            down, across = answer.shape[1:]
            while base.shape[0] < fold * down:
                more = bases.popleft()
                base = np.concatenate([base, more]) if base.size else more
            out = answer * np.float32(RESIDUAL_SCALE)
            out = out.reshape(fold, fold, down, across).transpose(2, 0, 3, 1).reshape(fold * down, fold * across)
            out += base[: fold * down]
            base = base[fold * down :]
            yield out

    def _net(self, conditions: Float) -> ncnn.Net:
        key = np.asarray(conditions, dtype=np.float32).tobytes()
        with self._lock:
            if key not in self._nets:
                self._nets[key] = self._load(conditions)
                while len(self._nets) > KEPT_NETS:
                    self._nets.popitem(last=False)
            self._nets.move_to_end(key)
            return self._nets[key]

    def _load(self, conditions: Float) -> ncnn.Net:
        import ncnn

        param, weights = self.design.files(conditions)
        net = ncnn.Net()
        net.opt.num_threads = thread_count()
        # LLVM's OpenMP is told here not to spin; GNU's, which the Linux wheel brings, asks while it loads alone: see `available`
        net.opt.openmp_blocktime = 0
        # on by default, and they would round to half precision
        for half in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
            setattr(net.opt, f"use_{half}", False)
        # the block of the transform would depend on the size of the tile otherwise, and with it the last bits
        net.opt.use_winograd23_convolution = net.opt.use_winograd63_convolution = False
        if self.device is not None:
            net.opt.use_vulkan_compute = True
            net.set_vulkan_device(self.device.number)
        with scratch_folder(Path(gettempdir()), "coldray-ncnn-") as folder:
            write_text(folder / "n.param", param)
            write_bytes(folder / "n.bin", weights)
            if net.load_param(str(folder / "n.param")) or net.load_model(str(folder / "n.bin")):
                raise CheckpointError("the engine ncnn does not load this network; set COLDRAY_ENGINE=onnxruntime")
        return net


def _extracted(
    net: ncnn.Net,
    given: dict[str, Float],
    wanted: tuple[str, ...],
    memory: tuple[ncnn.PoolAllocator, ncnn.PoolAllocator] | None,
) -> tuple[Float, ...]:
    """Features of a network from others; copies, since what the engine gives is its own memory."""
    import ncnn

    # the engine reads these arrays in place: they must live until the answer is out
    held = {name: np.ascontiguousarray(features) for name, features in given.items()}
    found = []
    with net.create_extractor() as extractor:
        if memory is not None:
            extractor.set_blob_allocator(memory[0])
            extractor.set_workspace_allocator(memory[1])
        for name, features in held.items():
            extractor.input(name, ncnn.Mat(features))
        for name in wanted:
            failed, features = extractor.extract(name)
            found.append(None if failed else np.array(features, dtype=np.float32))
    whole = tuple(features for features in found if features is not None and features.ndim == 3)
    if len(whole) != len(wanted):
        raise CheckpointError("the engine ncnn gave no answer; set COLDRAY_ENGINE=onnxruntime, or free memory")
    return whole


def probe_input(channels: int, conditions: Float, stride: int) -> tuple[Float, Float]:
    """Closed-form image on which engines are compared, much like what a method shows.

    Parameters
    ----------
    channels : int
        Number of images.
    conditions : ndarray, shape (conditions,)
    stride : int
        Grid of the network [pixels].

    Returns
    -------
    image : ndarray, float32, shape (1, channels, rows, cols)
        56 rows and 72 columns, or the next multiples of the stride.
    conditions : ndarray, float32, shape (1, conditions)
    """
    rows, cols = (-(-n // stride) * stride for n in (56, 72))
    row, col = np.arange(rows)[:, None], np.arange(cols)
    squares = 0.55 + 0.25 * np.sign(np.sin(row / 5.0) * np.sin(col / 7.0))
    ripple = 0.02 * np.cos(1.1 * row + 0.7 * col) + 0.01 * np.cos(2.3 * row - 1.9 * col)
    image = np.stack([squares + (k + 1) / channels * ripple for k in range(channels)])
    return image[None].astype(np.float32), np.asarray(conditions, dtype=np.float32)[None]


def fast_engine(path: Path, header: Mapping[str, Json], device: Device | None = None) -> tuple[FastEngine | None, str]:
    """Engine for a model, if ncnn is there, the network is one of ours, and its answer is the stored one.

    Parameters
    ----------
    path : Path
        ONNX file; the safetensors file beside it holds the weights.
    header : dict
        Of the model; its entry ``probe`` holds ``conditions`` and the ``answer`` to `probe_input`.
    device : Device, optional
        Graphics processor; the processor by default.

    Returns
    -------
    engine : FastEngine or None
    note : str
        Why there is none although ncnn is there and the network is ours; else empty.
    """
    weights = path.with_suffix(".safetensors")
    probe = header.get("probe")
    ours = as_table(header["network"])["name"] in NETWORKS
    if available() is None or probe is None or not ours or not weights.is_file():
        return None, ""
    name, instead = ("ncnn", "ONNX Runtime is used") if device is None else (str(device), "the processor is used")
    try:
        design = design_of(header, read_tensors(weights)[0])
        if design is None:
            return None, ""
        if design.stride != int(as_number(header["stride"])):
            raise ValueError("a network's stride follows from its weights")
        engine = FastEngine(design, device)
        told, stored = (
            as_numbers(as_table(probe)["conditions"]),
            [as_numbers(row) for row in as_entries(as_table(probe)["answer"])],
        )
        answer = engine.run(*_probe_input(header, np.array(told, dtype=np.float32)))
        apart = float(np.abs(probed(answer) - np.array(stored)).max())
    except (CheckpointError, OSError) as problem:
        # no weights, or no folder for unfinished files to hand them over in
        return None, f"{name}: {problem}; {instead}"
    except (KeyError, ValueError, IndexError):
        # whatever is wrong with numbers that others wrote: ONNX Runtime needs neither
        return None, f"{name}: {weights.name} or the stored answer is not of this model's network; {instead}"
    if not apart <= PARITY:
        return None, (
            f"the engine {name} misses the model's stored answer by {65535 * apart:.2g} steps of 16 bits (at most "
            f"{65535 * PARITY:.2g} may); {instead}"
        )
    return engine, ""


def probe_of(engine: Engine, header: Mapping[str, Json], conditions: Float) -> dict[str, Json]:
    """Entry ``probe`` of a model's header, by the answer of a reference engine."""
    answer = engine.run(*_probe_input(header, conditions))
    return {"conditions": [float(c) for c in conditions], "answer": probed(answer).round(8).tolist()}


def _probe_input(header: Mapping[str, Json], conditions: Float) -> tuple[Float, Float]:
    """Image of `probe_input` with as many channels as a model's network takes, on its grid."""
    settings = as_table(as_table(header["network"])["settings"])
    return probe_input(int(as_number(settings["channels"])), conditions, int(as_number(header["stride"])))


def probed(answer: Float) -> NDArray[np.float64]:
    """Every fifth row and column of an answer, as a header stores it."""
    return answer[0, 0, ::5, ::5].astype(np.float64)
