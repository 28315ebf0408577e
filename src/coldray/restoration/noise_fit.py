"""Noise of one image from the energies of its quiet blocks: a physical model, fitted beside what the scene adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coldray.compiled import special, trigamma
from coldray.physics.curves import FrequencyCurve
from coldray.physics.detector import Detector
from coldray.physics.noise import NoiseModel
from coldray.physics.quantum_noise import expected_depth_alike, quantum_shape
from coldray.restoration.noise_blocks import BAND_EDGES, BANDS, QuietBlocks, band_power, coefficients

Float = NDArray[np.float64]

ROUNDS, LEARNING_ROUNDS = 14, 7
"""Newton steps, and how many of them learn the share of blocks without structure."""
LEVEL_BAND = 4
"""Where the level of the noise is told from its colour: little structure, and within what an NNPS is measured to."""
BAND_SD = np.array([0.04, 0.04, 0.04, 0.04, 0.06, 0.06])
CORNER_SD = 0.5
"""Room of every band about the shape [natural logarithm]; beyond Nyquist an NNPS measured beside the axes says little."""
STRUCTURE_SD = 0.6
"""Scatter of the power of structure about its law, band by band [natural logarithm]."""
STRUCTURE_SLOPES = (-0.2, -0.9, -1.6)
"""Power of structure per band over MTF^2: straight lines in the band's number [natural logarithm]."""
STRUCTURE_LEVELS = np.arange(-3.0, 9.1, 0.75)
WHITE_LEVELS = np.arange(-1.0, 5.0, 0.75)
"""Levels of structure in units of the noise [natural logarithm]; white structure is hits and defects."""
WEIGHT = 0.15
"""Of the data against the priors: blocks overlap, bands leak, and structure keeps to no law."""
QUIET_ENOUGH, DOUBT = 0.2, np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
"""Share of blocks without structure under which the low bands count less, by these powers of the shortfall: what such blocks
hold at low frequency is structure first, and the colour then follows from the high bands and from the family."""
LOST, LOST_SD = 0.3, 0.1
"""How far the level may lie below the quantiles of its band before it is pulled back, and how stiffly [natural logarithm]: where
no block is quiet, structure in all of them would explain everything, and nothing else would hold the noise from below."""
QUIET_LEAST, QUIET_PENALTY = 0.1, 7.0
"""Weak structure passes for noise, so the share of blocks without any is counted down by this factor from one."""
BOUND_SHARES = np.array([0.05, 0.1, 0.2, 0.35, 0.5])
"""Quantiles of the block energies that noise alone must stay below: structure only adds."""
TAILS = 2.0
"""Degrees of freedom of the priors of shape and electronic noise (Student): a detector of another kind is let through."""
MODEL_SD = 0.03
"""What the shape family leaves open at best [relative]."""
OPEN_SD, OPEN_POWER = np.array([0.6, 0.5, 0.4, 0.3, 0.25, 0.1]), 5
"""Further uncertainty of every band where each block holds structure [relative]; it falls with this power of their share."""


@dataclass(frozen=True, eq=False)
class NoiseFamily:
    """Noise models that a detector may have, with what is known beforehand.

    Power of a band at signal s is s a c exp(d) + e with the colour c = base - m spread + w over its value in the band
    `LEVEL_BAND`; parameters are ln a, logit m, ln w, ln e and the d of every band.

    Parameters
    ----------
    frequency : ndarray, shape (n,)
        [cycles/pixel].
    base, spread : ndarray, shape (n,)
        Shape of the quantum noise, see `physics.quantum_noise.QuantumShape`; no spread where the shape is known.
    blur : ndarray, shape (bands,)
        MTF^2 of every band: how structure falls off.
    mean, sd : tuple of float
        Prior of logit m, of ln w and of the rest of ln e.
    doses : float
        Power of the dose by which e falls: e = rest * a^doses.
    room : ndarray, shape (bands,)
        Standard deviation of d.
    """

    frequency: Float
    base: Float
    spread: Float
    blur: Float
    mean: tuple[float, float, float]
    sd: tuple[float, float, float]
    doses: float
    room: Float

    @classmethod
    def of_mtf(cls, detector: Detector) -> NoiseFamily:
        """What an MTF alone tells."""
        pitch = detector.pixel_pitch_mm
        shape = quantum_shape(detector.mtf, pitch)
        alike = float(np.clip(expected_depth_alike(detector.mtf, pitch), 0.2, 0.9))
        return cls(
            shape.frequency,
            shape.base,
            shape.spread,
            _blur(detector, shape.frequency),
            mean=(float(np.log(alike / (1 - alike))), float(np.log(0.01)), float(np.log(0.03))),
            sd=(0.7, 1.2, 1.2),
            doses=1.0,
            room=BAND_SD,
        )

    @classmethod
    def of_model(cls, model: NoiseModel, detector: Detector | None = None) -> NoiseFamily:
        """Known shape, unknown dose; electronic noise falls with its square."""
        pitch = model.pixel_pitch_mm
        frequency = np.linspace(0.0, np.sqrt(0.5), 97)
        base = model.quantum(np.minimum(frequency, 0.5) / pitch) / pitch**2
        level = float(band_power(frequency, base)[LEVEL_BAND]) + 1e-30
        blur = band_power(frequency, base / level) if detector is None else _blur(detector, frequency)
        rest = model.electronic_mm2 / pitch**2 / level**2
        return cls(
            frequency,
            base / level,
            np.zeros_like(base),
            np.maximum(blur, 1e-6),
            mean=(0.0, float(np.log(1e-3)), float(np.log(max(rest, 1e-3)))),
            sd=(0.1, 2.0, 1.5),
            doses=2.0,
            room=np.append(BAND_SD[:-1], CORNER_SD),
        )


def _blur(detector: Detector, frequency: Float) -> Float:
    mtf = np.maximum(detector.mtf(frequency / detector.pixel_pitch_mm), 0.005)
    return np.maximum(band_power(frequency, mtf**2), 1e-8)


@dataclass(frozen=True, eq=False)
class NoiseFit:
    """Fitted noise of one image.

    Parameters
    ----------
    model : NoiseModel
        With its relative uncertainty.
    quiet_share : float
        Share of the blocks looked at that hold noise alone.
    """

    model: NoiseModel
    quiet_share: float


@lru_cache(maxsize=1)
def _chi_square() -> tuple[Float, Float, Float]:
    """Bias and variance of ln(energy) per band, and the quantiles of `BOUND_SHARES` of energy over its mean."""
    n = coefficients().astype(np.float64)
    # of chi-squared with n degrees of freedom, over n
    quantiles = np.array([2 * special("gammaincinv")(m / 2, BOUND_SHARES) / m for m in n]).T
    return special("psi")(n / 2) - np.log(n / 2), trigamma(n / 2), quantiles


def fit_noise(blocks: QuietBlocks, family: NoiseFamily, pixel_pitch_mm: float) -> NoiseFit:
    """Fit a noise model to the energies of quiet blocks.

    Parameters
    ----------
    blocks : QuietBlocks
        Signal as a fraction of the open beam.
    family : NoiseFamily
    pixel_pitch_mm : float
        Pixel pitch [mm].

    Returns
    -------
    NoiseFit

    Notes
    -----
    Every block holds noise of the model and structure, of which only its law is known: MTF^2 times a power of frequency, at
    any level (or white, for hits). The logarithms of the energies then are normal about that of the sum; levels and slopes are
    summed over with equal weights, and the parameters of the noise follow by Newton's method with their priors (expectation
    maximisation). Structure only adds, so no band may lie above what the quantiles of its energies allow.
    """
    fit = _Fit(blocks, family)
    for number in range(ROUNDS):
        fit.step(learning=number < LEARNING_ROUNDS)
    return NoiseFit(fit.model(pixel_pitch_mm), fit.learnt)


class _Fit:
    """State of the iteration."""

    def __init__(self, blocks: QuietBlocks, family: NoiseFamily) -> None:
        self.family = family
        self.signal = np.maximum(blocks.signal, 1e-3)
        self.energy = blocks.energy
        self.bias, self.variance, self.quantiles = _chi_square()
        self.log_energy = np.log(blocks.energy) - self.bias
        self.base, self.spread = (band_power(family.frequency, part) for part in (family.base, family.spread))
        band = np.arange(BANDS)
        fall = np.log(family.blur / family.blur[0])
        coloured = [fall + slope * band + level for slope in STRUCTURE_SLOPES for level in STRUCTURE_LEVELS]
        white = [np.full(BANDS, level) for level in WHITE_LEVELS]
        self.structure = np.exp(np.array(coloured + white))
        self.white_from = len(coloured)
        self.quiet = self.learnt = 0.3
        m, w, rest = family.mean
        start = float(np.log(np.quantile(blocks.energy[:, LEVEL_BAND] / self.signal, 0.1)))
        self.theta = np.concatenate([[start, m, w, rest + family.doses * start], np.zeros(BANDS)])
        self.hessian = np.eye(4 + BANDS)

    def _shape(self, logit: float, log_white: float) -> Float:
        """Shape of every band with its white part, not normalised."""
        return np.asarray(self.base - self.spread / (1 + np.exp(-logit)) + np.exp(log_white))

    def quantum(self) -> Float:
        """Quantum power of every band at the open beam."""
        shape = self._shape(*self.theta[1:3])
        return np.asarray(np.exp(self.theta[0] + self.theta[4:]) * shape / shape[LEVEL_BAND])

    def step(self, learning: bool) -> None:
        """One round of expectation and maximisation."""
        electronic = np.exp(self.theta[3])
        quanta = self.signal[:, None] * self.quantum()
        noise = quanta + electronic
        score, information = (part * self._weights() for part in self._expectation(noise, learning))
        share = quanta / noise
        gradient = np.append((score * share).sum(axis=0), (score * (1 - share)).sum())
        curvature = np.zeros((BANDS + 1, BANDS + 1))
        k = np.arange(BANDS)
        curvature[k, k] = (information * share**2).sum(axis=0)
        curvature[k, BANDS] = curvature[BANDS, k] = (information * share * (1 - share)).sum(axis=0)
        curvature[BANDS, BANDS] = (information * (1 - share) ** 2).sum()
        self._bound(noise, share.mean(axis=0), gradient, curvature)
        jacobian = self._jacobian()
        prior, pull = self._prior()
        self.hessian = jacobian.T @ curvature @ jacobian + prior
        change = np.linalg.solve(self.hessian, jacobian.T @ gradient - pull)
        self.theta = self.theta + np.clip(change, -1.0, 1.0)

    def _weights(self) -> Float:
        """Weight of every band's energies against the priors."""
        return np.asarray(WEIGHT * min(1.0, self.learnt / QUIET_ENOUGH) ** DOUBT)

    def _expectation(self, noise: Float, learning: bool) -> tuple[Float, Float]:
        """Derivative of the log-likelihood by ln(noise) of every block and band, and its information."""
        middle = float(np.median(self.signal))
        unit = middle * self.quantum() + np.exp(self.theta[3])
        scale = np.full((len(self.structure), 1), unit[0])
        scale[self.white_from :] = unit[-1]
        structure = np.vstack([self.structure * scale, np.zeros(BANDS)])
        total = noise[:, None, :] + structure
        part = noise[:, None, :] / total
        variance = self.variance * (part**2 + (1 - part) ** 2) + STRUCTURE_SD**2 * (1 - part) ** 2
        rest = self.log_energy[:, None, :] - np.log(total)
        weights = np.full(len(structure), (1 - self.quiet) / (len(structure) - 1))
        weights[-1] = self.quiet
        likelihood = np.log(weights) - 0.5 * (rest**2 / variance + np.log(variance)).sum(axis=2)
        likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        likelihood /= likelihood.sum(axis=1, keepdims=True)
        if learning:
            self.learnt = self.quiet = float((likelihood[:, -1].sum() + 1) / (len(noise) + 2))
        else:
            self.quiet = max(QUIET_LEAST, 1 - QUIET_PENALTY * (1 - self.learnt))
        by_part = 2 * self.variance * part - 2 * (STRUCTURE_SD**2 + self.variance) * (1 - part)
        slope = by_part * part * (1 - part) / variance
        score = rest * part / variance + 0.5 * (rest**2 / variance - 1) * slope
        information = part**2 / variance + 0.5 * slope**2
        seen = likelihood[:, :, None]
        return (seen * score).sum(axis=1), (seen * information).sum(axis=1)

    def _bound(self, noise: Float, share: Float, gradient: Float, curvature: Float) -> None:
        """Pull bands that lie above the quantiles of their energies back, and a level that got lost far below, in place."""
        allowed = (np.quantile(self.energy / noise, BOUND_SHARES, axis=0) / self.quantiles).min(axis=0)
        sd = np.sqrt(3.6 / (len(noise) * coefficients())) + 0.02
        over = np.minimum(np.log(allowed) + sd, 0.0)
        stiff = (over < 0) / sd**2
        lost = np.maximum(np.log(allowed[LEVEL_BAND]) - LOST, 0.0)
        over[LEVEL_BAND] += lost
        stiff[LEVEL_BAND] += (lost > 0) / LOST_SD**2
        gradient[:BANDS] += over * stiff * share
        gradient[BANDS] += float((over * stiff * (1 - share)).sum())
        k = np.arange(BANDS)
        curvature[k, k] += stiff * share**2
        curvature[k, BANDS] += stiff * share * (1 - share)
        curvature[BANDS, k] += stiff * share * (1 - share)
        curvature[BANDS, BANDS] += float((stiff * (1 - share) ** 2).sum())

    def _jacobian(self) -> Float:
        """Derivatives of ln(quantum) of every band and of ln(electronic) by the parameters."""
        alike = 1 / (1 + np.exp(-self.theta[1]))
        shape = self._shape(*self.theta[1:3])
        out = np.zeros((BANDS + 1, 4 + BANDS))
        out[:BANDS, 0] = 1
        for column, part in ((1, -self.spread * alike * (1 - alike)), (2, np.exp(self.theta[2]))):
            change = part / shape
            out[:BANDS, column] = change - change[LEVEL_BAND]
        out[np.arange(BANDS), 4 + np.arange(BANDS)] = 1
        out[BANDS, 3] = 1
        return out

    def _prior(self) -> tuple[Float, Float]:
        """Curvature and gradient of the priors; the level itself is free."""
        rows = np.zeros((3 + BANDS, 4 + BANDS))
        rows[np.arange(3 + BANDS), np.arange(1, 4 + BANDS)] = 1
        rows[2, 0] = -self.family.doses
        sd = np.array([*self.family.sd, *self.family.room])
        off = rows @ self.theta - np.array([*self.family.mean, *[0.0] * BANDS])
        sd[:3] *= np.sqrt((TAILS + (off[:3] / sd[:3]) ** 2) / (TAILS + 1))
        rows /= sd[:, None]
        return rows.T @ rows + 1e-6 * np.eye(4 + BANDS), rows.T @ (off / sd)

    def model(self, pitch: float) -> NoiseModel:
        """Noise model with its uncertainty, bands joined smoothly over the logarithm of frequency."""
        family, theta = self.family, self.theta
        shape = family.base - family.spread / (1 + np.exp(-theta[1])) + np.exp(theta[2])
        middle = np.log(_middles())
        place = np.log(np.maximum(family.frequency, 1e-6))
        quantum = np.exp(theta[0] + np.interp(place, middle, theta[4:])) * shape / self._shape(*theta[1:3])[LEVEL_BAND]
        level = max(float(np.median(self.signal)), 1e-3)
        share = level * self.quantum() / (level * self.quantum() + np.exp(theta[3]))
        by_theta = share[:, None] * self._jacobian()[:BANDS] + (1 - share)[:, None] * self._jacobian()[BANDS]
        covariance = by_theta @ np.linalg.inv(self.hessian) @ by_theta.T
        sd = np.sqrt(np.diag(covariance) + MODEL_SD**2 + (OPEN_SD * (1 - self.learnt) ** OPEN_POWER) ** 2)
        error = FrequencyCurve(family.frequency / pitch, np.interp(place, middle, sd))
        return NoiseModel(
            FrequencyCurve(family.frequency / pitch, quantum * pitch**2),
            float(np.exp(theta[3])) * pitch**2,
            pitch,
            "estimated",
            error,
        )


def _middles() -> Float:
    """Middles of the bands [cycles/pixel]."""
    edges = np.minimum(np.array(BAND_EDGES), np.sqrt(0.5))
    return np.sqrt(edges[1:] * edges[:-1])
