"""Conditional diffusion (CDM): from pure noise to a sharp image that fits the blurred one, by DDIM steps."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldray import channels
from coldray.errors import SettingsError
from coldray.frame import Example, Frame, TrainingPair
from coldray.plugins import Degradation, Predictor

LEARNS = True
STOCHASTIC = True
CHANNELS = (
    "blurred image, -1 to 1",
    "noisy image, -1 to 1",
    "linear estimate, -1 to 1",
    "sharper linear estimate, -1 to 1",
)
CONDITIONS = ("noise angle 2/pi arccos(sqrt(abar))", *channels.CONDITIONS[1:])
LENGTH = 2000
"""Levels of the schedule."""
FIRST_BETA, LAST_BETA = 1e-6, 1e-2
"""Noise added at the first and the last level (SR3)."""


@cache
def schedule(length: int = LENGTH, first: float = FIRST_BETA, last: float = LAST_BETA) -> NDArray[np.float64]:
    """Kept signal power abar of every level, shape (length + 1,), 1 at level 0; betas rise linearly.

    References
    ----------
    Saharia et al., Image super-resolution via iterative refinement (SR3), arXiv:2104.07636.
    """
    kept = np.concatenate([[1.0], np.cumprod(1.0 - np.linspace(first, last, length))])
    kept.setflags(write=False)
    return kept


def levels(steps: int, length: int = LENGTH) -> list[int]:
    """Return levels visited by a run of `steps` steps: `length` first, about evenly spaced, 0 last.

    Raises
    ------
    SettingsError
        If `steps` is not within 1 ... `length`.
    """
    if not 1 <= steps <= length:
        raise SettingsError(f"{steps} sampling steps; the schedule has 1 to {length}")
    return [round(length * i / steps) for i in range(steps, -1, -1)]


def noise_angle(kept: float) -> float:
    """What the network is told of the noise level: 0 for none, 1 for nothing but noise."""
    return float(2 / np.pi * np.arccos(np.sqrt(kept)))


def step(
    state: NDArray[np.floating],
    eps: NDArray[np.floating],
    kept: float,
    kept_next: float,
    *,
    eta: float = 0.0,
    noise: NDArray[np.floating] | None = None,
    clip: bool = False,
) -> NDArray[np.floating]:
    """One DDIM step.

    Parameters
    ----------
    state, eps : ndarray or torch tensor, same shape
        x_t and the noise predicted to be in it.
    kept, kept_next : float
        abar of this level and of the next, cleaner one.
    eta : float
        0 is deterministic; 1 is the ancestral sampler (DDPM).
    noise : ndarray or torch tensor, optional
        Standard normal, same shape; needed if `eta` is positive.
    clip : bool
        Hold the predicted image within -1 and 1, and derive the noise from what is held.

    Returns
    -------
    ndarray or torch tensor, same shape

    References
    ----------
    Song, Meng and Ermon, Denoising diffusion implicit models, arXiv:2010.02502, eqs 12 and 16.
    """
    signal, spread = np.sqrt(kept).item(), np.sqrt(1 - kept).item()
    sharp = (state - spread * eps) / signal
    if clip:
        sharp = sharp.clip(-1, 1)
        eps = (state - signal * sharp) / spread
    sd = eta * np.sqrt((1 - kept_next) / (1 - kept) * (1 - kept / kept_next)).item()
    # rounding may leave -1e-17 under the root on the last, noise-free step
    out = np.sqrt(kept_next).item() * sharp + np.sqrt(max(1 - kept_next - sd**2, 0.0)).item() * eps
    return out if sd == 0 else out + sd * noise


def example(pair: TrainingPair, degradation: Degradation, rng: np.random.Generator) -> Example:
    """Show the sharp image under noise of a random level beside the blurred one; the answer is that noise.

    Notes
    -----
    As in SR3 the level is continuous: sqrt(abar) is uniform between two neighbours of the schedule, the
    neighbours uniform over it. The linear estimates tell the network what cold diffusion is told, too.
    """
    shown, told, eps = noised(pair, degradation, rng)
    return Example(shown, told, eps)


def noised(
    pair: TrainingPair, degradation: Degradation, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What the network is shown and told of a pair at a random level of noise, and that noise."""
    kept = schedule()
    level = int(rng.integers(1, len(kept)))
    signal = float(rng.uniform(np.sqrt(kept[level]), np.sqrt(kept[level - 1])))
    eps = rng.standard_normal(pair.sharp.shape, dtype=np.float32)
    state = np.float32(signal) * (2 * pair.sharp - 1) + np.float32(np.sqrt(1 - signal**2)) * eps
    shown = _condition(pair.frame, degradation)
    told = channels.conditions(pair.frame, degradation)
    told[0] = noise_angle(signal**2)
    return np.stack([shown[0], state, *shown[1:]]).astype(np.float32), told, eps


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
        ``predictor(channels, conditions)`` for the whole frame, an estimate of the noise in channel 1.
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
    An exact sampler has twice the squared error of the posterior mean (3.01 dB less PSNR), the mean of S
    samples 1 + 1/S times. A network that is better than that with one sample does not sample. The last step
    jumps to the mean of what is still open: with 50 even steps it starts at noise of 0.03 of the open beam, and
    what the posterior is narrower than that comes out as its mean, not as a draw.
    """
    if rng is None:
        raise SettingsError("conditional diffusion draws noise; give a random state")
    if samples < 1 or not 0 <= eta <= 1:
        raise SettingsError(f"{samples} samples with eta {eta}; needed are at least 1 and eta within 0 and 1")
    path, kept, network = levels(steps), schedule(), channels.needed(predictor)
    blurred, *linear = _condition(frame, degradation)
    told = channels.conditions(frame, degradation)
    total = 0.0 * blurred
    for _ in range(samples):
        state = _draw(rng, blurred)
        for now, after in pairwise(path):
            at = told.copy()
            at[0] = noise_angle(kept[now])
            eps = network((blurred, state, *linear), at)
            noise = _draw(rng, blurred) if eta > 0 and after > 0 else None
            state = step(state, eps, kept[now], kept[after], eta=eta, noise=noise, clip=clip)
        total = total + state / samples
    sharp = (total + 1) / 2
    return sharp + (frame.blurred.mean() - sharp.mean())


def _condition(
    frame: Frame, degradation: Degradation
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Blurred frame and linear estimates, mapped from 0 ... open beam to -1 ... 1."""
    linear, sharper = channels.linear_estimates(frame, degradation)
    return 2 * frame.blurred - 1, 2 * linear - 1, 2 * sharper - 1


def _draw(rng: np.random.Generator, like: NDArray[np.floating]) -> NDArray[np.floating]:
    """Standard normal noise of an image's shape, dtype and place."""
    if isinstance(like, np.ndarray):
        return np.asarray(rng.standard_normal(like.shape), dtype=like.dtype)
    import torch

    return torch.from_numpy(rng.standard_normal(tuple(like.shape))).to(dtype=like.dtype, device=like.device)
