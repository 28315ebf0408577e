"""Write a model: safetensors, ONNX and the header both carry; the opposite of `coldray.restoration.model`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldray.channels import conditions, linear_estimates
from coldray.checkpoint import file_sha256, write_tensors
from coldray.dataset.family import PairDraw
from coldray.degradations.mtf_blend import Degradation
from coldray.document import Json, as_table, as_text
from coldray.errors import CheckpointError, SettingsError
from coldray.files import move_into_place, scratch_folder, write_text
from coldray.frame import Frame
from coldray.gain import unshared_gain
from coldray.physics.noise import NoiseModel
from coldray.restoration.build import build_network
from coldray.restoration.card import settings_sha256
from coldray.restoration.engines import OnnxEngine, TorchEngine
from coldray.restoration.fast import design_of, probe_of
from coldray.restoration.gate_constants import CURVE, EvenConstants, OpenShare, is_curve
from coldray.restoration.tiles import TiledPredictor
from coldray.training.calibrate import CalibrationPairs, calibrate_consistency
from coldray.training.reach import acting_reach

if TYPE_CHECKING:
    pass

PARITY = 1e-5
"""Largest difference allowed between ONNX Runtime and torch [fraction of open beam]."""


def parity_input(settings: Mapping[str, Any], side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Input on which both engines are compared: blocks seen by the paper's pair at 0.25 s, as a method would show them.

    Parameters
    ----------
    settings : dict
        Of the network; "channels" and "conditions" count.
    side : int
        Rows and columns [pixels].

    Notes
    -----
    Uniform random numbers would not do: far from any image a network answers with hundreds of open beams, and single
    precision rounds accordingly.
    """
    rng = np.random.default_rng(0)
    pair = PairDraw().pair()
    sharp = np.kron(rng.uniform(0.2, 1, (side // 8, side // 8)), np.ones((8, 8))).astype(np.float32)
    noise = NoiseModel.of_detector(pair.blurred, 0.25)
    clean = Frame(sharp, pair, noise)
    frame = Frame(clean.operator(Degradation(pair))(sharp) + noise.draw(sharp, rng), pair, noise)
    shown = [frame.blurred, *linear_estimates(frame, Degradation(pair)), sharp]
    images = np.stack((shown * settings["channels"])[: settings["channels"]])[None]
    numbers = np.resize(conditions(frame, Degradation(pair)), settings["conditions"])[None]
    return images.astype(np.float32), numbers.astype(np.float32)


def check_model_path(out: Path) -> None:
    """Refuse a name that is no model's, before anything is computed for it.

    Raises
    ------
    CheckpointError
        If `out` does not end in .onnx.
    """
    if out.suffix != ".onnx":
        raise CheckpointError(f"{out.name}: the model file must end in .onnx")


def write_model(
    weights: dict[str, NDArray[np.number]],
    header: dict[str, Json],
    out: Path,
    pairs: CalibrationPairs | None = None,
    open_share: Sequence[OpenShare] | None = None,
) -> dict[str, Json]:
    """Write a model: ONNX, its header beside it, and safetensors with both.

    Parameters
    ----------
    weights : dict of str to ndarray
        State of the network, by tensor name.
    header : dict
        Model card as data; "network" and "method" count here.
    out : Path
        ONNX file to write; `out` with .json and .safetensors go beside it.
    pairs : CalibrationPairs, optional
        Of boards never trained on: the consistency share is calibrated on them and goes into the header. Without
        them it stays as the header has it.
    open_share : sequence of OpenShare, optional
        Least share of the data-consistency gain where the gate is open; as the header has it by default.

    Returns
    -------
    dict
        Path, sha256, size [MB] and the largest difference to torch.

    Raises
    ------
    CheckpointError
        If `out` is no .onnx, or ONNX Runtime and torch differ by more than 1e-5.
    SettingsError
        If the shares make no curve.
    """
    import torch

    check_model_path(out)
    if open_share is not None and not is_curve(open_share):
        raise SettingsError(f"open_share must be {CURVE}")
    header = dict(header)
    design = as_table(header["network"])
    network = build_network(as_text(design["name"]), as_table(design["settings"]), CheckpointError)
    # half precision in storage: both files hold exactly the same rounded numbers
    stored = {k: v.astype(np.float16) for k, v in weights.items()}
    network.load_state_dict({k: torch.from_numpy(v.astype(np.float32)) for k, v in stored.items()})
    network.eval()
    if pairs is not None:
        found = calibrate_consistency(TiledPredictor(TorchEngine(network)), unshared_gain, pairs)
        header["consistency_errors"] = {k: round(v, 4) for k, v in found.relative_error.items()}
        if found.share is not None:
            header["consistency_share"] = {
                "frequency_cycles_px": found.share.frequency_lp_mm.tolist(),
                "share": found.share.value.round(4).tolist(),
            }
    side = 2 * -(-network.radius // network.stride) * network.stride + 5 * network.stride
    acting = acting_reach(TorchEngine(network), *parity_input(network.settings, -(-side // 8) * 8))
    header["reach"] = {"acting_px": acting, "formal_px": network.radius}
    even = EvenConstants.of_header(as_table(header.get("even", {})))
    header["even"] = (even if open_share is None else replace(even, open_share=tuple(open_share))).to_header()
    header["settings_sha256"] = settings_sha256(header)
    # all three files or none: a model that fails its check leaves the one before as it was
    with scratch_folder(out.parent) as folder:
        made = folder / out.name
        write_tensors(made.with_suffix(".safetensors"), stored, header)
        _write_onnx(network, made)
        parity = _parity(network, made)
        if design_of(header, stored) is not None:
            told = parity_input(network.settings, 8 * network.stride)[1][0]
            header["probe"] = probe_of(OnnxEngine(made, network.stride, network.radius), header, told)
        if parity > PARITY:
            raise CheckpointError(
                f"{out.name}: ONNX Runtime and torch differ by {parity:.1e}; at most {PARITY:.0e} is allowed"
            )
        header |= {"sha256": file_sha256(made), "parity": parity}
        write_text(made.with_suffix(".json"), json.dumps(header, indent=1) + "\n")
        for suffix in (".safetensors", ".onnx", ".json"):
            move_into_place(made.with_suffix(suffix), out.with_suffix(suffix))
    return {"model": str(out), "sha256": header["sha256"], "megabytes": out.stat().st_size / 1e6, "parity": parity}


def _parity(network: Any, path: Path) -> float:
    """Largest difference between a network in torch and its ONNX file."""
    import torch

    images, numbers = parity_input(network.settings, 8 * network.stride)
    with torch.no_grad():
        wanted = network(torch.from_numpy(images), torch.from_numpy(numbers)).numpy()
    found = OnnxEngine(path, network.stride, network.radius).run(images, numbers)
    return float(np.abs(found - wanted).max())


def _write_onnx(network: Any, path: Path) -> None:
    import onnx
    import torch

    size = (1, network.settings["channels"], 4 * network.stride, 5 * network.stride)
    sample = (torch.zeros(size), torch.zeros(1, network.settings["conditions"]))
    axes = {0: "batch", 2: "rows", 3: "cols"}
    with warnings.catch_warnings():
        # the tracing exporter is deprecated but writes dynamic sizes in a second and stays tested here
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            sample,
            str(path),
            input_names=["channels", "conditions"],
            output_names=["estimate"],
            dynamic_axes={"channels": axes, "conditions": {0: "batch"}, "estimate": axes},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load(str(path))
    half = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 64:
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            half.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(half):
        model.graph.node.insert(0, node)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
