"""Who takes part: every method with its options, its model and its gain, as one callable each."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.record import Method
from coldray.benchmark.paper.scenes import THICK, THIN
from coldray.contracts import CorrectingMethod
from coldray.document import Json, as_number, as_table
from coldray.errors import CheckpointError
from coldray.frame import Frame, Gain
from coldray.plugins import Degradation, plugin, plugin_names
from coldray.restoration.estimate import estimate, gain_left
from coldray.restoration.job import Job
from coldray.restoration.model import Model, load_model
from coldray.settings import EVEN_LINEAR, EVEN_NETWORK

DEFAULT, DETAIL = "coldray", "coldray_detail"
"""Keys of what `coldray restore` does by default, and with `--gain detail`."""
WIENER, WIENER_TV, BLURRED = "wiener", "wiener_tv", "blurred"
THIN_RAW, THIN_WIENER, THIN_TV, THIN_NETWORK = "thin", "thin_wiener", "thin_tv", "thin_network"
"""Keys of the thin screen at the same exposure: as it is, and denoised in three ways."""
THIN_KEYS = (THIN_RAW, THIN_WIENER, THIN_TV, THIN_NETWORK)
WIENER_SCALAR = "wiener_scalar"
ONE_STEP, VAN_CITTERT, COLD = "one_step", "one_step_van_cittert", "cold"
DIFFUSION = ("ddim", "ddim_image")
"""Methods of conditional diffusion."""
PEERS_FOLDER = Path(__file__).parent / "models"
UNGATED = "coldray_network"
"""Key of the default with the network everywhere, `--even network`."""


@dataclass(frozen=True)
class Output:
    """One restored frame and what it cost.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, cols)
    seconds, cpu_seconds : float
        Wall clock and time of all threads.
    evaluations : int
        Of the network.
    """

    image: NDArray[np.float32]
    seconds: float
    cpu_seconds: float
    evaluations: int


@dataclass(frozen=True, eq=False)
class Contestant:
    """One method as it is run.

    Parameters
    ----------
    key : str
        Name in tables and in JSON.
    label : str
        Name in figures.
    method : str or None
        Plug-in; None returns the frame as it is.
    options : mapping
        Options of the method.
    model : Model, optional
    gain : {"calibrated", "detail", "paper", "network"}
        K of the methods that correct their prediction.
    even : {"network", "linear"}
        What even ground gets.
    by_exposure : mapping of float to mapping
        Options tuned for an exposure [s]; the nearest one counts.
    trained_for : str
        What the model was trained with, said in tables; empty if it needs no saying.
    screen : {"thick", "thin"}
        Whose frame it is given. A frame of the thin screen has no blur to undo, H = 1, and is only denoised.
    """

    key: str
    label: str
    method: str | None
    options: Mapping[str, Json] = field(default_factory=dict)
    model: Model | None = None
    gain: str = "calibrated"
    even: str = EVEN_NETWORK
    by_exposure: Mapping[float, Mapping[str, Json]] = field(default_factory=dict)
    trained_for: str = ""
    screen: str = THICK

    def remember(self, golden: NDArray[np.float32]) -> None:
        """Be shown the sound board before a test of it; who restores takes no notice."""

    def restore(
        self,
        frame: Frame,
        degradation: Degradation,
        *,
        exposure_s: float | None = None,
        random_state: Sequence[int] = (0,),
    ) -> Output:
        """Restore one frame.

        Parameters
        ----------
        frame : Frame
        degradation : object
            Offers ``transfer(frequency, strength)``.
        exposure_s : float, optional
            Exposure of the frame [s], for options tuned by it.
        random_state : sequence of int
            Of methods that draw.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        if self.method is None:
            return Output(np.asarray(frame.blurred, dtype=np.float32), 0.0, 0.0, 0)
        options = dict(self.options)
        if self.by_exposure and exposure_s is not None:
            nearest = min(self.by_exposure, key=lambda e: abs(np.log(e / exposure_s)))
            options |= self.by_exposure[nearest]
        first, *others = random_state
        found = estimate(frame, degradation, self._job(self.method, options, first), *others)
        return Output(found.image, time.perf_counter() - wall, time.process_time() - cpu, found.evaluations)

    def _job(self, method: str, options: Mapping[str, Json], random_state: int = 0) -> Job:
        """The job that is compared: the method as it is, without what guards the results of users."""
        return Job(
            method=method,
            model=self.model,
            options=dict(options),
            gain=self.gain,
            even=self.even,
            random_state=random_state,
            safeguards=False,
        )

    def left_of_errors(self, frame: Frame, degradation: Degradation) -> Gain | None:
        """What the data-consistency step leaves of a wrong prediction, for the certificate; None without such a step."""
        return None if self.method is None else gain_left(frame, degradation, self._job(self.method, self.options))

    def to_json(self) -> Method:
        """JSON-able form."""
        model = self.model
        corrects = self.method is not None and isinstance(plugin("method", self.method), CorrectingMethod)
        return {
            "label": self.label,
            "method": self.method,
            "options": dict(self.options),
            "options_by_exposure_s": {f"{k:g}": dict(v) for k, v in self.by_exposure.items()},
            "gain": self.gain if corrects else None,
            "even": self.even if self.model is not None else None,
            "model": None if model is None else model.named(),
            "trained_for": self.trained_for,
            "screen": self.screen,
        }


BESIDE = 1.5
"""A frame's work beside the network, scoring included, over one evaluation of it."""


def effort(contestants: Sequence[Contestant], shape: tuple[int, ...]) -> float:
    """Work of one frame by everyone, roughly: in evaluations of a network on 10^5 pixels."""
    evaluations = [
        0.0 if c.model is None else as_number(c.options.get("steps", 1)) * as_number(c.options.get("samples", 1))
        for c in contestants
    ]
    return shape[0] * shape[1] / 1e5 * (sum(evaluations) + BESIDE * len(evaluations))


def classical(tuned: Mapping[str, Mapping[float, Mapping[str, Json]]] | None = None) -> list[Contestant]:
    """Methods that need no network; `tuned` holds options by exposure per key."""
    found = tuned or {}

    def one(key: str, label: str, method: str | None, screen: str = THICK, **options: Json) -> Contestant:
        return Contestant(key, label, method, options, by_exposure=found.get(key, {}), screen=screen)

    ours = [
        one(THIN_RAW, "thin screen, as it is", None, THIN),
        one(THIN_WIENER, "thin screen, its own NPS-Wiener", "wiener", THIN),
        one(THIN_TV, "thin screen, total variation", "tv", THIN),
        one(BLURRED, "thick screen, as it is", None),
        one(WIENER_SCALAR, "Wiener, one noise ratio", "wiener", noise="scalar"),
        one(WIENER, "Wiener, measured NPS", "wiener"),
        one(WIENER_TV, "Wiener, then total variation", "tv"),
        one("richardson_lucy", "Richardson-Lucy", "richardson_lucy"),
        one("unsupervised_wiener", "unsupervised Wiener", "unsupervised_wiener"),
        one("pnp_tv", "plug-and-play, total variation", "pnp_tv"),
    ]
    known = {contestant.method for contestant in ours}
    added = [name for name in plugin_names("method") if name not in known and not plugin("method", name).LEARNS]
    return [*ours, *(one(name, name, name) for name in added)]


def learned(model: Model, steps: int) -> list[Contestant]:
    """Ways to use the main network, which must fit the cold sampler.

    Parameters
    ----------
    model : Model
    steps : int
        Steps of the iterated samplers.

    Raises
    ------
    CheckpointError
        If the model was trained for something else.
    """
    model.check_fits(plugin("method", "cold"), "cold")
    return [
        Contestant(THIN_NETWORK, "thin screen, our network, H = 1", "cold", {}, model, even=EVEN_LINEAR, screen=THIN),
        Contestant(ONE_STEP, "one step", "direct", {}, model),
        Contestant(VAN_CITTERT, "one step + Van Cittert", "cold", {"steps": 1}, model, "paper"),
        Contestant(COLD, f"cold sampling, {steps} steps, K = 1", "cold", {"steps": steps}, model, "paper"),
        Contestant(UNGATED, "coldray, --even network", "cold", {}, model),
        Contestant(DETAIL, "coldray, --even network --gain detail", "cold", {}, model, "detail"),
        Contestant(DEFAULT, "coldray (default)", "cold", {}, model, even=EVEN_LINEAR),
    ]


def in_order(contestants: Sequence[Contestant]) -> list[Contestant]:
    """The thin screen first: what a faster screen and a restoration are bought instead of."""
    return sorted(contestants, key=lambda c: THIN_KEYS.index(c.key) if c.key in THIN_KEYS else len(THIN_KEYS))


PEERS = {
    "regression": ("direct", "U-Net regression"),
    "cold_small": ("cold", "cold diffusion, the same U-Net"),
    "cdm_image": ("ddim_image", "CDM that answers with the image"),
    "cdm": ("ddim", "CDM that answers with the noise"),
}
"""The paper's learned methods on one U-Net: what each is trained for, and its name. The recipe has the name of the key."""


def peers(given: Mapping[str, Model] | None = None) -> dict[str, Model]:
    """Models beside the main one: those that come with coldray, and those that are given, which come first under one name.

    Parameters
    ----------
    given : mapping of str to Model, optional
    """
    files = {name: PEERS_FOLDER / f"{name}.onnx" for name in PEERS}
    return {name: load_model(str(path)) for name, path in files.items() if path.is_file()} | dict(given or {})


def absent(others: Mapping[str, Model]) -> list[str]:
    """A sentence for each of the paper's methods that has no model here, with what to do about it."""
    there = {str(model.header["method"]) for model in others.values()}
    return [
        f"No model of {words} is at hand, so it did not take part: coldray train configs/{name}.toml, coldray model export "
        f"runs/{name} -o {name}.onnx, then coldray benchmark paper -m {name}={name}.onnx."
        for name, (method, words) in PEERS.items()
        if method not in there
    ]


def papers_rows(methods: Collection[str]) -> dict[str, str]:
    """Keys of the paper's four methods by its own names, as far as they took part.

    Conditional diffusion counts as one sample, that of the network that answers with the noise if it is there; cold diffusion with
    the most steps and K = 1, on the same U-Net as the others if it is there.
    """
    diffusion = [k for k in ("cdm_sample", "cdm_image_sample") if k in methods]
    small = sorted((k for k in methods if k.startswith("cold_small_")), key=lambda k: int(k.rsplit("_", 1)[1]))
    found = {
        "Wiener": next((k for k in (WIENER_SCALAR, WIENER) if k in methods), ""), "U-Net": "regression",
        "CDM": diffusion[0] if diffusion else "", "cold diffusion": small[-1] if small else COLD,
    }  # fmt: skip
    return {name: key for name, key in found.items() if key in methods}


def updates(training: Mapping[str, Json]) -> int | None:
    """Updates of a model through all runs, each started from the one before it; None if its header does not say."""
    if training.get("steps") is None:
        return None
    return int(as_number(training["steps"])) + (updates(as_table(training.get("started_from") or {})) or 0)


def extra(name: str, model: Model, steps: int, diffusion_steps: int, samples: int) -> list[Contestant]:
    """Contestants of a model beside the main one, after what it was trained for.

    Parameters
    ----------
    name : str
        Key in the tables.
    model : Model
    steps : int
        Of the cold sampler and InDI.
    diffusion_steps, samples : int
        DDIM steps of conditional diffusion, and draws in its mean.
    """
    trained = str(model.header["method"])
    total = updates(as_table(model.header.get("training", {})))
    note = "" if total is None else f"{total} updates"
    words = PEERS[name][1] if name in PEERS else name

    def one(key: str, label: str, options: Mapping[str, Json], gain: str = "calibrated") -> Contestant:
        return Contestant(f"{name}{key}", f"{words}{label}", trained, options, model, gain, trained_for=note)

    if trained in DIFFUSION:
        options = {"steps": diffusion_steps}
        return [
            one("_sample", ", one sample", options),
            one("_mean", f", mean of {samples}", options | {"samples": samples}),
        ]
    if trained == "direct":
        return [one("", ", one step", {})]
    if trained == "indi":
        return [one("", f", InDI {steps} steps", {"steps": steps})]
    if trained == "cold":
        return [
            one("", ", one step, K calibrated", {}),
            one("_1", ", one step, K = 1", {"steps": 1}, "paper"),
            one(f"_{steps}", f", {steps} steps, K = 1", {"steps": steps}, "paper"),
        ]
    raise CheckpointError(f"the model {model.name!r} was trained for {trained!r}, which the comparison does not run")
