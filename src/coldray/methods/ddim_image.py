"""Conditional diffusion whose network answers with the sharp image instead of the noise (x0-prediction)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.frame import Example, Frame, TrainingPair
from coldray.methods import ddim
from coldray.plugins import Degradation, Predictor

LEARNS = True
STOCHASTIC = True
CHANNELS = ddim.CHANNELS
CONDITIONS = ddim.CONDITIONS
STATE = CHANNELS.index("noisy image, -1 to 1")


def example(pair: TrainingPair, degradation: Degradation, rng: np.random.Generator) -> Example:
    """Show what `coldray.methods.ddim` shows; the answer is the sharp image, -1 to 1."""
    shown, told, _ = ddim.noised(pair, degradation, rng)
    return Example(shown, told, 2 * pair.sharp - 1)


def restore(
    frame: Frame,
    degradation: Degradation,
    predictor: Predictor | None = None,
    rng: np.random.Generator | None = None,
    *,
    steps: int = 50,
    samples: int = 1,
    eta: float = 0.0,
    clip: bool = True,
) -> NDArray[np.floating]:
    """Draw samples of the sharp image given the blurred one and return their mean.

    Parameters
    ----------
    frame : Frame
        The blurred frame and what is known of it.
    degradation : object
        Offers ``transfer(frequency, strength)``.
    predictor : callable
        ``predictor(channels, conditions)`` for the whole frame, an estimate of the sharp image, -1 to 1.
    rng : numpy.random.Generator
        All noise is drawn from it on the CPU, so a device does not change a result.
    steps : int
        Network evaluations per sample, 1 to 2000.
    samples : int
        Samples whose mean is returned; 1 shows texture, many approach the posterior mean.
    eta : float
        0 is deterministic given the start, 1 the ancestral sampler.
    clip : bool
        Hold predicted images within 0 and the open beam at every step, as SR3 does.

    Returns
    -------
    ndarray, shape (rows, cols)
        Mean kept: the mean error of the samples, if any, is removed exactly.

    Raises
    ------
    SettingsError
        If there is no `rng`, or `steps`, `samples` or `eta` are out of range.

    Notes
    -----
    x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps holds the noise once the image is known, so the sampler is that of
    `coldray.methods.ddim`. What differs is the training: an error of the image weighs the same at every level of noise, while an error of
    the noise, which the paper's network answers with, weighs abar / (1 - abar) times as much in the image: most of it
    where nearly nothing is left to restore.

    References
    ----------
    Salimans and Ho, Progressive distillation for fast sampling of diffusion models, arXiv:2202.00512, section 4.
    """

    def noise(images: tuple[NDArray[np.floating], ...], conditions: NDArray[np.float32]) -> NDArray[np.floating]:
        signal = np.cos(np.pi / 2 * float(conditions[0])).item()
        return (images[STATE] - signal * channels.needed(predictor)(images, conditions)) / np.sqrt(1 - signal**2).item()

    return ddim.restore(frame, degradation, noise, rng, steps=steps, samples=samples, eta=eta, clip=clip)
