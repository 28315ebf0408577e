"""Models at hand: the shipped one, files, their headers and engines."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldray.channels import FIRST_CONDITIONS, LEVEL_DECADES, NOISE_CONDITION, conditions, places
from coldray.checkpoint import file_sha256, read_tensors
from coldray.contracts import Method, shown_by
from coldray.document import Json, as_number, as_numbers, as_table, as_text, as_texts, read_object
from coldray.errors import CheckpointError, PluginError
from coldray.files import is_file
from coldray.frame import Frame
from coldray.physics.curves import FrequencyCurve
from coldray.physics.prior import ObjectPrior
from coldray.plugins import Degradation, plugin
from coldray.restoration.build import build_network
from coldray.restoration.card import check_header, settings_sha256
from coldray.restoration.device import CPU, device_of
from coldray.restoration.domain import BOX_REACH, Domain, asked_for, noise_in_training
from coldray.restoration.engines import OnnxEngine, TorchEngine
from coldray.restoration.fast import Device, FastEngine, fast_engine
from coldray.restoration.gate_constants import EvenConstants
from coldray.restoration.tiles import TiledPredictor

DEFAULT_MODEL = "compact"
RAISES = np.arange(0.0, 1.5, 0.05)
"""By how much more than to the weakest noise of the whole family weak noise may be raised [units of a noise condition]."""
KNOWN_SHARE = 0.98
"""How much the network must count for a frame not to be raised further."""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model: header, file and engine.

    Parameters
    ----------
    name : str
    path : Path
        ONNX or safetensors file.
    header : dict
        Network, training, family, scores: the model card as data.
    sha256 : str
        Of the file.
    """

    name: str
    path: Path
    header: dict[str, Json]
    sha256: str
    _checked: dict[Device, tuple[FastEngine | None, str]] = field(default_factory=dict, init=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[object, ...]]:
        """To another process go the file's name and the header; engines are prepared there, once."""
        return _arrived, (self.name, self.path, self.header, self.sha256)

    @cached_property
    def engine(self) -> FastEngine | OnnxEngine | TorchEngine:
        """Engine for one tile: for ONNX files ncnn if it can be used, else ONNX Runtime; torch for safetensors."""
        if self.path.suffix == ".onnx":
            fast, note = fast_engine(self.path, self.header)
            return fast or OnnxEngine(self.path, int(as_number(self.header["stride"])), self.reach, note)
        return TorchEngine(network_of(self.path), grid=int(as_number(self.header["stride"])))

    @cached_property
    def settings_sha256(self) -> str:
        """Hash of what of the header decides a result, see `coldray.restoration.card.settings_sha256`."""
        return settings_sha256(self.header)

    def named(self) -> dict[str, str]:
        """Name and both hashes, by which a result says which model it is of."""
        return {"name": self.name, "sha256": self.sha256, "settings_sha256": self.settings_sha256}

    @property
    def reach(self) -> int:
        """How far content acts on the network's answer [pixels]: as measured when it was written, else its formal reach."""
        return int(as_number(as_table(self.header.get("reach", {})).get("acting_px", self.header["radius"])))

    def predictor(self, progress: Callable[[float], None] | None = None, device: str = CPU) -> TiledPredictor:
        """Return the network as a function of whole frames.

        Parameters
        ----------
        progress : callable, optional
            As for `TiledPredictor`.
        device : str
            See `coldray.restoration.device.device_of`. Where that cannot be used the processor is, with a note.
        """
        wanted, note = device_of(device)
        engine = None
        if wanted is not None:
            engine, note = self._on(wanted)
        made = TiledPredictor(engine or self.engine, None, progress, self.places)
        made.note = " ".join(part for part in (note, made.note) if part)
        return made

    def _on(self, device: Device) -> tuple[FastEngine | None, str]:
        """Engine on a graphics processor, checked once; else why there is none."""
        if device not in self._checked:
            if self.path.suffix == ".onnx":
                found, note = fast_engine(self.path, self.header, device)
                missing = "this network does not run on a graphics processor; the processor is used"
                self._checked[device] = found, note or ("" if found else missing)
            else:
                self._checked[device] = None, "models in safetensors run on the processor; export this one"
        return self._checked[device]

    @cached_property
    def places(self) -> list[int]:
        """Where the conditions that this model knows stand in what its method tells."""
        _, told = shown_by(plugin("method", as_text(self.header["method"])))
        settings = as_table(as_table(self.header["network"])["settings"])
        known = int(as_number(settings.get("conditions", FIRST_CONDITIONS)))
        return places(told, as_texts(self.header.get("conditions", told[:known])))

    @property
    def prior(self) -> ObjectPrior:
        """Object prior of the linear estimates the network was trained with."""
        return ObjectPrior(**{name: as_number(value) for name, value in as_table(self.header["prior"]).items()})

    @cached_property
    def even(self) -> EvenConstants:
        """Constants of the gate between the network and the linear filter."""
        return EvenConstants.of_header(as_table(self.header.get("even", {})))

    @property
    def consistency_share(self) -> FrequencyCurve | None:
        """Share of the data-consistency gain that helps this network, over cycles/pixel; None if not calibrated."""
        found = self.header.get("consistency_share")
        if found is None:
            return None
        known = as_table(found)
        return FrequencyCurve(np.array(as_numbers(known["frequency_cycles_px"])), np.array(as_numbers(known["share"])))

    def fits(self, method: Method) -> bool:
        """Whether a method shows its network what this one was trained to see."""
        return shown_by(method) == shown_by(plugin("method", as_text(self.header["method"])))

    def check_fits(self, method: Method, name: str) -> None:
        """Refuse a method that shows its network something else.

        Raises
        ------
        CheckpointError
            If the model was trained for other images or conditions.
        """
        if not self.fits(method):
            raise CheckpointError(
                f"{self.path.name}: this model was trained for {self.header['method']!r} and does not fit the method {name!r}; "
                f"choose a model trained with method = {name!r}"
            )

    @cached_property
    def domain(self) -> Domain | None:
        """Conditions the model was trained on; None if it was not trained over a family."""
        return Domain.of_header(self.header, self.places)

    @cached_property
    def _levels(self) -> NDArray[np.bool_]:
        """Which of its conditions, without the strength, are noise levels."""
        told = shown_by(plugin("method", as_text(self.header["method"])))[1]
        return np.array([told[place].startswith(NOISE_CONDITION) for place in self.places[1:]], dtype=bool)

    def warnings_for(self, conditions: NDArray[np.float32]) -> list[str]:
        """Say where detectors or noise leave the family the model was trained over, and what is done about it.

        Parameters
        ----------
        conditions : ndarray, shape (conditions,)
            What the network would be told: strength, MTF ratio, noise levels.
        """
        said = f"the network counts at most {100 * (asked := asked_for(conditions)):.0f} %, the linear filter the rest"
        alike = [f"both detectors are nearly equally sharp: {said}"] if asked < 1 else []
        domain = self.domain
        if domain is None:
            return alike
        family, levels = as_table(self.header["family"]), self._levels
        given = domain.chosen(conditions)
        below, above = given < domain.low - BOX_REACH, given > domain.high + BOX_REACH
        reasons = []
        if (below | above)[~levels].any():
            reasons.append("the detectors' MTF ratio lies outside the family this model was trained over")
        if above[levels].any():
            reasons.append(f"noise is stronger than in training ({noise_in_training(family, 1)})")
        if below[levels].any():
            reasons.append(f"noise is weaker than in training ({noise_in_training(family, 0)})")
        share = domain.share(domain.distance(conditions))
        if not reasons and share == 1:
            return alike
        if not reasons:
            reasons.append("MTF ratio and noise do not go together as in training")
        return [
            *alike,
            f"{' and '.join(reasons)}: the network counts {100 * share:.0f} %, the linear filter the rest; check detectors, "
            "noise and pitch, or train a model on this pair",
        ]

    def familiar(self, frame: Frame, degradation: Degradation) -> Frame:
        """The frame as the network may be shown it: noise weaker than in training is raised until it counts.

        Parameters
        ----------
        frame : Frame
        degradation : object
            Offers ``transfer(frequency, strength)``.

        Returns
        -------
        Frame
            The same one if its noise is strong enough, or if this model was not trained over a family.

        Notes
        -----
        Beyond its family a network extrapolates: noise below it came out as a texture on its pixel grid. The weakest noise of
        a whole family may belong to other detectors than these: from there it is raised on until the vector lies among
        those that were trained. If it never does, the first level stays.
        """
        domain = self.domain
        if domain is None:
            return frame
        given, levels = domain.chosen(conditions(frame, degradation)), self._levels
        short = max(float((domain.low - BOX_REACH - given)[levels].max(initial=0.0)), 0.0)
        chosen = short
        for raised in short + RAISES:
            trial = given + np.where(levels, raised, 0.0)
            if domain.share(domain.distance_of(trial)) >= KNOWN_SHARE:
                chosen = float(raised)
                break
        return frame if chosen <= 1e-6 else frame.told(frame.noise.scaled(10 ** (LEVEL_DECADES * chosen)))


_arrivals: dict[tuple[str, Path, str], Model] = {}


def _arrived(name: str, path: Path, header: dict[str, Json], sha256: str) -> Model:
    """A model that another process sent: the same object whenever the same one is sent."""
    found = _arrivals.get((name, path, sha256))
    if found is None or found.header != header:
        found = _arrivals[name, path, sha256] = Model(name, path, header, sha256)
    return found


def network_of(path: Path) -> Any:
    """Build the torch network of a safetensors model file, in evaluation mode."""
    try:
        import torch
    except ImportError:
        from coldray.errors import MissingExtraError

        raise MissingExtraError("torch", "train", f"running {path.name}") from None
    tensors, header = read_tensors(path)
    check_header(header, path.name)
    named = as_table(header["network"])
    try:
        network = build_network(
            as_text(named["name"]),
            as_table(named["settings"]),
            CheckpointError,
            {k: v.shape for k, v in tensors.items()},
        )
    except (CheckpointError, PluginError) as problem:
        raise CheckpointError(f"{path.name}: {problem}") from None
    network.load_state_dict({k: torch.from_numpy(np.array(v, dtype=np.float32)) for k, v in tensors.items()})
    return network.to(memory_format=torch.channels_last).eval()


def shipped_models() -> dict[str, Path]:
    """Models that come with the package, by name."""
    folder = Path(str(resources.files("coldray"))) / "models"
    return {p.stem: p for p in sorted(folder.glob("*.onnx"))} if folder.is_dir() else {}


def shipped_as(sha256: str | None) -> str | None:
    """Name of the shipped model whose file has a digest; None if there is none."""
    return next((name for name, path in shipped_models().items() if sha256 == file_sha256(path)), None)


def load_model(source: str | os.PathLike[str] | None = None) -> Model:
    """Load a model by shipped name or file.

    Parameters
    ----------
    source : str or Path, optional
        Name of a shipped model, an ``.onnx`` file with its ``.json`` header beside it, or a
        ``.safetensors`` model file; the default model if not given.

    Raises
    ------
    CheckpointError
        If there is no such model, its file is broken, a pickle, or does not match its header's sha256, or the header was
        changed in what decides a result since the model was written.

    Examples
    --------
    >>> from coldray import load_model
    >>> load_model().header["method"]
    'cold'
    """
    known = shipped_models()
    if not isinstance(source, (str, os.PathLike, type(None))):
        raise CheckpointError(f"an object of type {type(source).__name__} is no model; give a name or a file")
    text = DEFAULT_MODEL if source is None else os.fspath(source)
    path = known.get(text, Path(text))
    if not is_file(path):
        raise CheckpointError(f"no model {text!r}: not a file, and the shipped ones are {', '.join(known) or 'none'}")
    if path.suffix == ".safetensors":
        _, header = read_tensors(path)
    elif path.suffix == ".onnx":
        note = path.with_suffix(".json")
        if not note.is_file():
            raise CheckpointError(f"{path.name}: the header {note.name} is missing beside it")
        header = read_object(note, CheckpointError)
    else:
        read_tensors(path)  # names a pickle as such
        raise CheckpointError(f"{path.name}: a model is an .onnx or a .safetensors file")
    check_header(header, path.with_suffix(".json").name if path.suffix == ".onnx" else path.name)
    digest = file_sha256(path)
    if path.suffix == ".onnx" and header.get("sha256") != digest:
        raise CheckpointError(
            f"{path.name}: sha256 {digest[:12]}… does not match its header; the file was changed or cut"
        )
    if header.get("settings_sha256", settings := settings_sha256(header)) != settings:
        raise CheckpointError(
            f"{path.name}: its header was changed in what decides a result (gate, gain, domain or network) since the model was "
            "written; take the header as it was written, or export the model anew"
        )
    return Model(as_text(header.get("name", path.stem)), path, header, digest)
