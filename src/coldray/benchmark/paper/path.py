"""The walk of Fig. 1: states D_t(x_0) forward, and what the samplers pass through in reverse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from coldray.benchmark.paper.contestants import DIFFUSION, PEERS
from coldray.benchmark.paper.scenes import Scene
from coldray.frame import Frame
from coldray.methods import cold, ddim
from coldray.metrology.metrics import Convention, psnr_db
from coldray.plugins import Degradation, Predictor, plugin
from coldray.restoration.model import Model

Image = NDArray[np.float32]
SAME_DB = 120.0
"""PSNR beyond which two images differ by rounding."""
NOISY = ddim.CHANNELS.index("noisy image, -1 to 1")


class Line(TypedDict):
    """Named images side by side."""

    name: str
    images: list[tuple[str, Image]]


class Walk(TypedDict):
    """Fig. 1 of one scene."""

    board: str
    kind: str
    exposure_s: float
    truth: Image
    rows: list[Line]


class Pictures(TypedDict, total=False):
    """What the figures of one board are drawn from; empty where none was scored."""

    scene: Scene
    images: dict[str, Image]
    path: Walk


class Recorder:
    """A predictor that keeps what it is shown and what it answers.

    Parameters
    ----------
    predictor : callable
        ``predictor(channels, conditions)``.
    channel : int
        Which image is the state.
    """

    def __init__(self, predictor: Predictor, channel: int) -> None:
        self._predictor, self._channel = predictor, channel
        self.states: list[Image] = []
        self.answers: list[Image] = []

    def __call__(
        self, channels: tuple[NDArray[np.floating], ...], conditions: NDArray[np.float32]
    ) -> NDArray[np.floating]:
        """Answer as the predictor does."""
        answer = self._predictor(channels, conditions)
        self.states.append(np.asarray(channels[self._channel], dtype=np.float32).copy())
        self.answers.append(np.asarray(answer, dtype=np.float32).copy())
        return answer


def path_of(scene: Scene, model: Model, others: Mapping[str, Model], steps: int) -> Walk:
    """Forward states of the truth, and the samplers' states in reverse.

    Parameters
    ----------
    scene : Scene
    model : Model
        For the cold sampler with K = 1, the paper's.
    others : mapping of str to Model
        Of these, conditional diffusion takes part as well.
    steps : int

    Returns
    -------
    dict
        "board", "kind", "exposure_s", "truth" and "rows": a name and named images each.
    """
    frame, truth = scene.frame(model.prior), scene.truths["truth"]
    blend = scene.degradation()
    forward = forward_states(truth, frame, blend, steps)
    rows: list[Line] = [{"name": "forward, D_t(x_0)", "images": _named(forward, truth, steps, False)}]
    reverse, answers = reverse_states(frame, blend, model, steps)
    rows.append({"name": "reverse, x_t, K = 1", "images": _named(reverse, truth, steps, True)})
    named = [(f"from x_{steps - n}, {_score(image, truth)}", image) for n, image in enumerate(answers)]
    rows.append({"name": "predictions of x_0", "images": named})
    for name, other in others.items():
        if other.header["method"] in DIFFUSION:
            states = diffusion_states(frame, blend, other, steps)
            words = PEERS[name][1] if name in PEERS else name
            rows.append({"name": f"reverse, {words}", "images": _named(states, truth, steps, True)})
    return {"board": scene.board, "kind": scene.kind, "exposure_s": scene.exposure_s, "truth": truth, "rows": rows}


def forward_states(truth: Image, frame: Frame, blend: Degradation, steps: int) -> list[Image]:
    """D_t(x_0) for t = 0 ... T."""
    return [np.asarray(frame.operator(blend, t / steps)(truth), dtype=np.float32) for t in range(steps + 1)]


def reverse_states(frame: Frame, blend: Degradation, model: Model, steps: int) -> tuple[list[Image], list[Image]]:
    """x_T ... x_0 of the cold sampler with K = 1, and its predictions of x_0."""
    recorder = Recorder(model.predictor(), 0)
    out = cold.restore(frame, blend, recorder, steps=steps)
    return [*recorder.states, np.asarray(out, dtype=np.float32)], recorder.answers


def diffusion_states(frame: Frame, blend: Degradation, model: Model, steps: int) -> list[Image]:
    """Noisy images of one sample of conditional diffusion, as fractions of the open beam, and the sample."""
    recorder = Recorder(model.predictor(), NOISY)
    method = plugin("method", str(model.header["method"]))
    out = method.restore(frame, blend, recorder, np.random.default_rng(0), steps=steps)
    states = [np.float32(0.5) * (state + np.float32(1)) for state in recorder.states]
    return [*states, np.asarray(out, dtype=np.float32)]


def _named(states: list[Image], truth: Image, steps: int, is_reverse: bool) -> list[tuple[str, Image]]:
    """States with their t and their score."""
    order = range(steps, -1, -1) if is_reverse else range(steps + 1)
    return [(f"t = {t}, {_score(image, truth)}", image) for t, image in zip(order, states, strict=True)]


def _score(image: Image, truth: Image) -> str:
    value = psnr_db(image, truth, Convention())
    return f"{value:.1f} dB" if value < SAME_DB else "the truth"
