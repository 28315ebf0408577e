"""The extra `fast`: our own networks in ncnn, single precision with Winograd convolutions, on the processor or a GPU."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.checkpoint import read_tensors
from coldray.document import Json
from coldray.errors import CheckpointError
from coldray.files import scratch_folder, write_bytes, write_text

Float = NDArray[np.float32]

TESTED_VERSIONS = ("1.0.20261020",)
"""Versions of ncnn whose answers were compared with ONNX Runtime's."""
NETWORK = "compact"
UNSHUFFLE = 4
RESIDUAL_SCALE = 0.1
BLOCK = 4
"""Answers that one Winograd transform gives at once along each axis."""
ALIGNMENT_PX = 32
"""Blocks of the Winograd transform: four cells of the coarser grid of 8 pixels."""
PARITY = 0.1 / 65535
"""Largest difference from the stored answer at which the engine is used [fraction of open beam]."""
KEPT_NETS = 2
"""Conditions whose folded weights are kept."""


BYTES_PER_PIXEL = 500
"""That the features of a network take of a tile, measured with the networks of the release."""
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


class _Layers:
    """Text and numbers of an ncnn network, layer by layer."""

    def __init__(self) -> None:
        self.lines = ["Input in0 0 1 in0"]
        self.blobs = 1
        self.numbers: list[bytes] = []

    def add(self, kind: str, inputs: list[str], outputs: list[str], settings: str = "") -> None:
        """Append one layer."""
        names = " ".join([*inputs, *outputs])
        self.lines.append(f"{kind} l{len(self.lines)} {len(inputs)} {len(outputs)} {names} {settings}".rstrip())
        self.blobs += len(outputs)

    def convolution(
        self, source: str, target: str, weight: Float, bias: Float, *, stride: int = 1, relu: bool = False
    ) -> None:
        """Append a convolution that keeps the size, or divides it by its stride."""
        out, _, size, _ = weight.shape
        pad = (size - stride) // 2
        text = f"0={out} 1={size} 3={stride} 4={pad} 5=1 6={weight.size}" + (" 9=1" if relu else "")
        self.add("Convolution", [source], [target], text)
        # a flag of zero says: plain single precision
        self.numbers += [bytes(4), weight.astype("<f4").tobytes(), bias.astype("<f4").tobytes()]

    def param(self) -> str:
        """Text of the .param file."""
        return f"7767517\n{len(self.lines)} {self.blobs}\n" + "\n".join(self.lines) + "\n"

    def weights(self) -> bytes:
        """Bytes of the .bin file."""
        return b"".join(self.numbers)


def network_files(tensors: Mapping[str, NDArray[np.number]], conditions: Float) -> tuple[str, bytes]:
    """Write the network `compact` for ncnn, with its conditions multiplied into the weights.

    Parameters
    ----------
    tensors : dict of str to ndarray
        State of the network.
    conditions : ndarray, shape (conditions,)

    Returns
    -------
    param : str
    weights : bytes
        From the unshuffled channels ``in0`` to the sixteen channels ``out0`` of the residual.

    Notes
    -----
    A block's scale and shift depend on the conditions alone: relu(conv(x) (1 + s) + t) is one convolution of weights
    w (1 + s) and bias b (1 + s) + t.
    """
    t = {name: np.asarray(value, dtype=np.float32) for name, value in tensors.items()}
    told = np.maximum(t["embed.0.weight"] @ conditions + t["embed.0.bias"], 0)
    told = np.maximum(t["embed.2.weight"] @ told + t["embed.2.bias"], 0)
    net = _Layers()

    def block(name: str, source: str) -> str:
        scale, shift = np.split(t[f"{name}.modulation.weight"] @ told + t[f"{name}.modulation.bias"], 2)
        weight = t[f"{name}.first.weight"] * (1 + scale)[:, None, None, None]
        bias = t[f"{name}.first.bias"] * (1 + scale) + shift
        net.add("Split", [source], [f"{name}.kept", f"{name}.in"])
        net.convolution(f"{name}.in", f"{name}.hidden", weight, bias, relu=True)
        net.convolution(f"{name}.hidden", f"{name}.change", t[f"{name}.second.weight"], t[f"{name}.second.bias"])
        net.add("BinaryOp", [f"{name}.kept", f"{name}.change"], [f"{name}.out"], "0=0")
        return f"{name}.out"

    def blocks(level: str, source: str) -> str:
        for i in range(sum(name.startswith(f"{level}.") and name.endswith(".first.bias") for name in t)):
            source = block(f"{level}.{i}", source)
        return source

    net.convolution("in0", "head", t["head.weight"], t["head.bias"])
    net.add("Split", [blocks("before", "head")], ["fine.kept", "fine.down"])
    net.convolution("fine.down", "coarse", t["down.weight"], t["down.bias"], stride=2)
    net.convolution(blocks("deep", "coarse"), "up", t["up.weight"], t["up.bias"])
    net.add("PixelShuffle", ["up"], ["shuffled"], "0=2")
    net.add("BinaryOp", ["fine.kept", "shuffled"], ["joined"], "0=0")
    net.convolution(blocks("after", "joined"), "out0", t["tail.weight"], t["tail.bias"])
    return net.param(), net.weights()


def bit_reach(tensors: Mapping[str, NDArray[np.number]]) -> int:
    """How far from a tile's edge the last bits may depend on what lies beyond it [pixels].

    Parameters
    ----------
    tensors : dict of str to ndarray
        State of the network.

    Notes
    -----
    A Winograd transform F(4, 3) makes four answers of six inputs d0 to d5. Of d0 only the first answer knows, of d5 only
    the last; a change of d1 to d4 comes back in all four, if only as rounding. Rounding therefore goes farther than the
    network looks: four cells in two layers instead of two. This follows it along one axis, layer by layer, for every phase
    in which a tile may end.
    """
    names = [name for name in tensors if name.endswith(".first.bias")]
    before, deep, after = (
        2 * sum(name.startswith(f"{level}.") for name in names) for level in ("before", "deep", "after")
    )
    length = 2 * BLOCK * (2 + before + 2 * deep + after)

    def convolved(touched: NDArray[np.bool_]) -> NDArray[np.bool_]:
        filled = -(-touched.size // BLOCK) * BLOCK
        padded = np.pad(touched, (1, filled - touched.size + 1), constant_values=True)
        inside = padded[1:-1].reshape(-1, BLOCK).any(axis=1)
        out = np.repeat(inside, BLOCK)
        out[::BLOCK] |= padded[:filled:BLOCK]
        out[BLOCK - 1 :: BLOCK] |= padded[BLOCK + 1 :: BLOCK]
        return out[: touched.size]

    def repeated(touched: NDArray[np.bool_], layers: int) -> NDArray[np.bool_]:
        for _ in range(layers):
            touched = convolved(touched)
        return touched

    reach = 0
    for cells in range(length, length + 2 * BLOCK, 2):
        fine = repeated(np.zeros(cells, dtype=bool), 1 + before)
        coarse = repeated(np.asarray(fine.reshape(-1, 2).any(axis=1)), deep)
        exact = np.flatnonzero(~repeated(fine | np.repeat(coarse, 2), after + 1))
        reach = max(reach, int(exact[0]), cells - 1 - int(exact[-1]))
    return UNSHUFFLE * reach


def available() -> str | None:
    """Version of ncnn if it is installed and one that was tested, and the user did not say otherwise."""
    if os.environ.get("COLDRAY_ENGINE", "") == "onnxruntime":
        return None
    try:
        import ncnn
    except ImportError:
        return None
    return ncnn.__version__ if ncnn.__version__ in TESTED_VERSIONS else None


@dataclass(frozen=True, eq=False)
class FastEngine:
    """The network `compact` in ncnn, fp32; safe to call from several threads.

    Parameters
    ----------
    tensors : dict of str to ndarray
        State of the network.
    stride : int
        Grid of the network [pixels].
    device : Device, optional
        Graphics processor; the processor by default.
    """

    tensors: Mapping[str, NDArray[np.number]] = field(repr=False)
    stride: int
    device: Device | None = None
    _nets: OrderedDict[bytes, Any] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @cached_property
    def radius(self) -> int:
        """Reach that tiles allow for, so that their bits are those of the whole frame [pixels]."""
        return bit_reach(self.tensors)

    @property
    def alignment(self) -> int:
        """Grid on which tiles begin [pixels]: blocks of the Winograd transform lie as in the whole frame."""
        return ALIGNMENT_PX

    def run(self, channels: Float, conditions: Float) -> Float:
        """Evaluate one tile."""
        import ncnn

        image = np.asarray(channels[0], dtype=np.float32)
        down, across = (n // UNSHUFFLE for n in image.shape[1:])
        # the engine reads this array in place: it must live until the answer is out
        held = np.empty((3 * UNSHUFFLE**2, down, across), dtype=np.float32)
        cells = held.reshape(3, UNSHUFFLE, UNSHUFFLE, down, across).transpose(0, 3, 1, 4, 2)
        blurred, plain, sharp = image.reshape(3, down, UNSHUFFLE, across, UNSHUFFLE)
        cells[0] = blurred
        np.subtract(plain, blurred, out=cells[1])
        np.subtract(sharp, plain, out=cells[2])
        held[UNSHUFFLE**2 :] *= 4
        with self._net(conditions[0]).create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(held))
            failed, found = extractor.extract("out0")
            # a copy: what the engine gives is its own memory
            answer = None if failed else np.array(found, dtype=np.float32)
        if answer is None or answer.shape != (UNSHUFFLE**2, down, across):
            raise CheckpointError("the engine ncnn gave no answer; set COLDRAY_ENGINE=onnxruntime, or free memory")
        answer *= np.float32(RESIDUAL_SCALE)
        out = np.empty_like(plain)
        np.add(plain, answer.reshape(UNSHUFFLE, UNSHUFFLE, down, across).transpose(2, 0, 3, 1), out=out)
        return out.reshape(1, 1, *image.shape[1:])

    def _net(self, conditions: Float) -> Any:
        key = np.asarray(conditions, dtype=np.float32).tobytes()
        with self._lock:
            if key not in self._nets:
                self._nets[key] = self._load(conditions)
                while len(self._nets) > KEPT_NETS:
                    self._nets.popitem(last=False)
            self._nets.move_to_end(key)
            return self._nets[key]

    def _load(self, conditions: Float) -> Any:
        import ncnn

        param, weights = network_files(self.tensors, conditions)
        net = ncnn.Net()
        threads = int(os.environ.get("OMP_NUM_THREADS", "0") or 0)
        net.opt.num_threads = threads or os.cpu_count() or 1
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


def probe_input(channels: int, conditions: Float) -> tuple[Float, Float]:
    """Closed-form image on which engines are compared, much like what a method shows.

    Parameters
    ----------
    channels : int
        Must be three.
    conditions : ndarray, shape (conditions,)

    Returns
    -------
    image : ndarray, float32, shape (1, channels, 56, 72)
    conditions : ndarray, float32, shape (1, conditions)
    """
    row, col = np.arange(56)[:, None], np.arange(72)
    squares = 0.55 + 0.25 * np.sign(np.sin(row / 5.0) * np.sin(col / 7.0))
    ripple = 0.02 * np.cos(1.1 * row + 0.7 * col) + 0.01 * np.cos(2.3 * row - 1.9 * col)
    image = np.stack([squares + (k + 1) / channels * ripple for k in range(channels)])
    return image[None].astype(np.float32), np.asarray(conditions, dtype=np.float32)[None]


def fast_engine(path: Path, header: dict[str, Any], device: Device | None = None) -> tuple[FastEngine | None, str]:
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
    ours = header["network"]["name"] == NETWORK and header["network"]["settings"].get("channels") == 3
    if available() is None or probe is None or not ours or not weights.is_file():
        return None, ""
    tensors, _ = read_tensors(weights)
    engine = FastEngine(tensors, int(header["stride"]), device)
    name, instead = ("ncnn", "ONNX Runtime is used") if device is None else (str(device), "the processor is used")
    try:
        answer = engine.run(*probe_input(3, np.array(probe["conditions"])))
    except CheckpointError as problem:
        return None, f"{name}: {problem}; {instead}"
    apart = float(np.abs(probed(answer) - np.array(probe["answer"])).max())
    if not apart <= PARITY:
        return None, (
            f"the engine {name} misses the model's stored answer by {65535 * apart:.2g} steps of 16 bits (at most "
            f"{65535 * PARITY:.2g} may); {instead}"
        )
    return engine, ""


def probe_of(engine: Any, conditions: Float) -> dict[str, Json]:
    """Entry ``probe`` of a model's header, by the answer of a reference engine."""
    answer = engine.run(*probe_input(3, conditions))
    return {"conditions": [float(c) for c in conditions], "answer": probed(answer).round(8).tolist()}


def probed(answer: Float) -> NDArray[np.float64]:
    """Every fifth row and column of an answer, as a header stores it."""
    return answer[0, 0, ::5, ::5].astype(np.float64)
