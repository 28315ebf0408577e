"""A run's averaged weights as a model: safetensors, ONNX and the header both carry."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray import __version__
from coldray.checkpoint import MODEL_FORMAT, MODEL_VERSION, file_sha256, read_tensors, write_tensors
from coldray.contracts import options_of, plugin, shown_by
from coldray.data.fields import PAPER_LOADINGS_MG_CM2, PAPER_PITCH_MM, PITCH_RANGE_MM, FieldSet, PairDraw
from coldray.degradations.mtf_blend import Degradation
from coldray.errors import CheckpointError
from coldray.evaluate.calibrate import calibrate_consistency
from coldray.methods._channels import CONDITIONS, conditions, linear_estimates
from coldray.methods._frame import Frame
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.restore.consistency import unshared_gain
from coldray.restore.model import OnnxEngine, TorchEngine
from coldray.restore.tiles import TiledPredictor
from coldray.training.pairs import PairSource
from coldray.training.recipe import parse_recipe
from coldray.training.states import RunStates

PARITY = 1e-5
"""Largest difference allowed between ONNX Runtime and torch [fraction of open beam]."""


def family_limits(recipe: dict[str, Any], samples: int = 300, random_state: int = 5) -> dict[str, Any]:
    """Span of the conditions that training draws from: MTF ratio and noise level as the network is told them."""
    rng = np.random.default_rng(random_state)
    exposures = recipe["data"]["exposure_s"]
    low, high = np.full(len(CONDITIONS), np.inf), np.full(len(CONDITIONS), -np.inf)
    pixel = np.ones((1, 1), dtype=np.float32)
    for _ in range(samples):
        pitch = float(np.exp(rng.uniform(np.log(PITCH_RANGE_MM[0]), np.log(PITCH_RANGE_MM[1]))))
        pair = PairDraw.draw(rng, pitch).pair()
        for exposure in exposures:
            frame = Frame(pixel, pair, NoiseModel.of_detector(pair.blurred, exposure))
            found = conditions(frame, Degradation(pair))
            low, high = np.minimum(low, found), np.maximum(high, found)
    return {
        "conditions_low": low.round(4).tolist(),
        "conditions_high": high.round(4).tolist(),
        "exposure_s": list(exposures),
        "pixel_pitch_mm": list(PITCH_RANGE_MM),
    }


def header_of(run: dict[str, Any], network: Any, scores: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Build the model card as data."""
    recipe = run["recipe"]
    channels, told = shown_by(plugin("method", recipe["method"]))
    return {
        "format": MODEL_FORMAT,
        "version": MODEL_VERSION,
        "name": name,
        "coldray": __version__,
        "method": recipe["method"],
        "degradation": recipe["degradation"],
        "network": {"name": recipe["network"]["name"], "settings": network.settings},
        "stride": network.stride,
        "radius": network.radius,
        "channels": channels,
        "conditions": told,
        "prior": {k: getattr(ObjectPrior(), k) for k in ("amplitude_mm2", "corner_lp_mm", "exponent")},
        "family": family_limits(recipe),
        "training": {
            "steps": run["step"],
            "recipe": {k: v for k, v in recipe.items() if k != "run"}
            | {"data": {k: v for k, v in recipe["data"].items() if k not in ("folder", "gerber_cache", "gerber")}},
            "real_boards": [Path(board).stem for board in recipe["data"]["gerber"]],
            "detectors": {"loadings_mg_cm2": list(PAPER_LOADINGS_MG_CM2), "pixel_pitch_mm": PAPER_PITCH_MM},
            "kind": "simulated pairs (eq. 1 on noise-free sharp fields, noise of the measured NPS)",
        },
        "validation": scores[-1] if scores else {},
    }


def parity_input(settings: dict[str, Any], side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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


def export_run(source: Path, out: Path) -> dict[str, Any]:
    """Export a run folder or re-export a model file.

    Parameters
    ----------
    source : Path
        Run folder of `coldray train` (the consistency share is calibrated on its validation fields, if they
        are at hand), or a safetensors model file.
    out : Path
        ONNX file to write; `out` with .json and .safetensors go beside it.

    Returns
    -------
    dict
        Paths, size [MB], sha256 and the largest difference to torch.

    Raises
    ------
    CheckpointError
        If the run has no state, or ONNX Runtime and torch differ by more than 1e-5.
    """
    import torch

    if out.suffix != ".onnx":
        raise CheckpointError(f"{out.name}: the model file must end in .onnx")
    if source.is_dir():
        found = RunStates(source / "states", 2).newest()
        if found is None:
            raise CheckpointError(f"{source.name}: no state to export; has the run saved one?")
        tensors, run, _ = found
        scores_file = source / "scores.jsonl"
        scores = (
            [json.loads(s) for s in scores_file.read_text(encoding="utf-8").splitlines()]
            if scores_file.exists()
            else []
        )
        settings = run["recipe"]["network"]
        shown, told = shown_by(plugin("method", run["recipe"]["method"]))
        network = plugin("network", settings["name"]).Network(len(shown), len(told), **settings["settings"])
        weights = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
        header = header_of(run, network, scores, out.stem)
        folder = Path(run["recipe"]["data"]["folder"])
        fields = FieldSet(folder / "validation")
        if (folder / "train").is_dir():
            boards = FieldSet(folder / "train")
            header["training"] |= {"fields": len(boards), "fields_sha256": boards.digest()}
    else:
        weights, header = read_tensors(source)
        network = plugin("network", header["network"]["name"]).Network(**header["network"]["settings"])
        fields = None
    # half precision in storage: both files hold exactly the same rounded numbers
    stored = {k: v.astype(np.float16) for k, v in weights.items()}
    network.load_state_dict({k: torch.from_numpy(v.astype(np.float32)) for k, v in stored.items()})
    network.eval()
    corrects = "consistency" in options_of(plugin("method", header["method"]).restore)
    if corrects and fields is not None and len(fields):
        source_of_pairs = PairSource(fields, parse_recipe(run["recipe"]))
        found_gain = calibrate_consistency(TiledPredictor(TorchEngine(network)), unshared_gain, source_of_pairs)
        header["consistency_errors"] = {k: round(v, 4) for k, v in found_gain.relative_error.items()}
        if found_gain.share is not None:
            header["consistency_share"] = {
                "frequency_cycles_px": found_gain.share.frequency_lp_mm.tolist(),
                "share": found_gain.share.value.round(4).tolist(),
            }
    write_tensors(out.with_suffix(".safetensors"), stored, header)
    _write_onnx(network, out)
    engine = OnnxEngine(out, network.stride, network.radius)
    images, numbers = parity_input(network.settings, 8 * network.stride)
    with torch.no_grad():
        wanted = network(torch.from_numpy(images), torch.from_numpy(numbers)).numpy()
    parity = float(np.abs(engine.run(images, numbers) - wanted).max())
    if parity > PARITY:
        raise CheckpointError(
            f"{out.name}: ONNX Runtime and torch differ by {parity:.1e}; at most {PARITY:.0e} is allowed"
        )
    header |= {"sha256": file_sha256(out), "parity": parity}
    out.with_suffix(".json").write_text(json.dumps(header, indent=1) + "\n", encoding="utf-8")
    return {"model": str(out), "sha256": header["sha256"], "megabytes": out.stat().st_size / 1e6, "parity": parity}


def _write_onnx(network: Any, out: Path) -> None:
    import onnx
    import torch

    partial = out.with_name(f".{out.name}.part")
    size = (1, network.settings["channels"], 4 * network.stride, 5 * network.stride)
    sample = (torch.zeros(size), torch.zeros(1, network.settings["conditions"]))
    axes = {0: "batch", 2: "rows", 3: "cols"}
    with warnings.catch_warnings():
        # the tracing exporter is deprecated but writes dynamic sizes in a second and stays tested here
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            sample,
            str(partial),
            input_names=["channels", "conditions"],
            output_names=["estimate"],
            dynamic_axes={"channels": axes, "conditions": {0: "batch"}, "estimate": axes},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load(str(partial))
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
    onnx.save(model, str(partial))
    os.replace(partial, out)
