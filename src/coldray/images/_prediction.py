"""Pixels predicted from their neighbours: least squared error for noise of one spectrum and the sharpest object there is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coldray.compiled import special
from coldray.images._bound import BOUND_LEVELS, beyond, largest_excess
from coldray.physics.curves import FrequencyCurve
from coldray.physics.noise import NoiseModel
from coldray.physics.prior import ObjectPrior
from coldray.scratch import tidy

Float = NDArray[np.float64]

REACH_PX = 3
"""A pixel is predicted from the neighbours up to this distance beyond the hole around it."""
GRID_PX = 64
"""Side of the frequency grid on which covariances are computed."""
OUTLIERS = 2
"""Neighbours among the adjacent eight that may be hits themselves."""
OBJECT_SHARE = 0.35
"""Standard deviation of an object of points, blurred by the MTF, per range of the neighbours."""
NEAR_SHARE = 1.0
"""The same per excess of the adjacent neighbours."""
POINT_SHARE = (0.04, 0.08, 0.12)
"""The same per contrast from what surrounds a pixel to opaque, or to the open beam: for an object of the size of the hole
around it, of half-side 0, 1 or 2; sized so that no disc of any size and contrast is marked."""
RANGE_OF_NOISE = 1.0
"""What noise alone gives both, in standard deviations of the deviation from the prediction."""
SCREEN_LEVELS = 256
"""Signal levels from 0 to `SCREEN_TOP` of the screen's limits."""
SAMPLED = 2**14
QUIET_SHARE, QUIET_QUANTILE = 0.1, 0.25
"""Share of the places with the least object around them that tell the noise, and the quantile of their deviations that does."""
SCREEN_TOP = 2.0
SIGNAL_LEVELS = np.geomspace(0.01, 1.5, 8)
OBJECT_LEVELS = np.concatenate([[0.0], np.geomspace(3e-4, 2.0, 18)])
"""Of the object's standard deviation, fraction of the open beam."""
CHUNK = 2**13
"""Pixels that are predicted at a time, so that their neighbours stay in the processor's cache."""
NEAR_PIXELS = 2**24
"""How much of a flat image pixels are predicted from at a time: the system reads a file many pages around each."""
BOUND_STRENGTH = 0.25
"""Standard deviation of the object for which the weights are made that no object can exceed by much."""
BOUND_MARGIN = 1.25
"""On what an object can do, for MTFs that are stated too low."""


class Predictor:
    """Pixels from their neighbours, for a table of signal and object levels."""

    def __init__(self, mtf: FrequencyCurve, noise: NoiseModel, hole: int, shape: tuple[int, ...]) -> None:
        self.hole, self.reach = hole, hole + REACH_PX
        self.mtf, self.pitch_mm = mtf, noise.pixel_pitch_mm
        # rows and columns beyond the border are those mirrored at it
        self.rows, self.cols = (np.pad(np.arange(n), self.reach, mode="reflect") for n in shape)
        pitch = noise.pixel_pitch_mm
        axis = np.fft.fftfreq(GRID_PX)
        frequency = np.hypot(axis[:, None], axis) / pitch
        ones = np.ones_like(frequency)
        self.quantum = _covariance(noise.quantum(frequency) / pitch**2)
        self.electronic = _covariance(ones * noise.electronic_mm2 / pitch**2)
        self.object, self.usual_object = _objects(mtf, pitch)
        offsets = np.arange(-self.reach, self.reach + 1)
        down, across = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
        distance = np.maximum(np.abs(down), np.abs(across))
        self.down, self.across = down[distance > hole], across[distance > hole]
        self.adjacent = np.flatnonzero(distance[distance > hole] == hole + 1)
        levels = (SIGNAL_LEVELS.size, OBJECT_LEVELS.size)
        self._weights, self._deviation = np.zeros((*levels, self.down.size)), np.zeros(levels)
        self._solved = np.zeros(levels, dtype=bool)

    @cached_property
    def _parts(self) -> tuple[Float, Float, Float]:
        """Covariances of the neighbours and the pixel itself, the last: of quanta, electronics and objects."""
        rows, cols = np.append(self.down, 0), np.append(self.across, 0)
        lag = rows[:, None] - rows, cols[:, None] - cols
        return self.quantum[lag], self.electronic[lag], self.object[lag]

    def _weights_and_deviations(self, signal: Float, strength: Float) -> tuple[Float, Float]:
        """Weights of the neighbours, and standard deviations of the deviation, at signals and objects' strengths."""
        quantum, electronic, scene = self._parts
        n = self.down.size
        cases = zip(signal.tolist(), strength.tolist(), strict=True)
        covariances = np.stack([s * quantum + electronic + t**2 * scene for s, t in cases])
        weights = _kriging(covariances)
        variances = [c[n, n] - 2 * w @ c[:n, n] + w @ c[:n, :n] @ w for w, c in zip(weights, covariances, strict=True)]
        return weights, np.sqrt(np.maximum(variances, 1e-30))

    @cached_property
    def _filling_weights(self) -> Float:
        """Weights by signal level for an object as objects are, by the prior that filters use."""
        rows, cols = np.append(self.down, 0), np.append(self.across, 0)
        usual = self.usual_object[rows[:, None] - rows, cols[:, None] - cols]
        quantum, electronic, _ = self._parts
        return _kriging(np.stack([signal * quantum + electronic + usual for signal in SIGNAL_LEVELS]))

    def filling(self, image: Float, where: NDArray[np.intp]) -> tuple[Float, Float]:
        """Best guess of pixels from the others, and the standard deviation of noise in it, for pixels that are no measurement."""
        guess, spread = np.empty(where.size), np.empty(where.size)
        flat = image.ravel()
        for part in _chunks(where):
            near = flat[self._around(where[part], self.down, self.across)]
            at = _nearest(SIGNAL_LEVELS, _middle(np.sort(near, axis=1)))
            guess[part] = np.einsum("ij,ij->i", near, self._filling_weights[at])
            spread[part] = self.deviation(at)
        return guess, spread

    def _solve(self, signal: NDArray[np.intp], strength: NDArray[np.intp] | int = 0) -> None:
        """Fill the tables at these levels, where they are not filled yet."""
        asked = np.zeros_like(self._solved)
        asked[signal, strength] = True
        i, j = np.nonzero(asked & ~self._solved)
        if not i.size:
            return
        self._weights[i, j], self._deviation[i, j] = self._weights_and_deviations(SIGNAL_LEVELS[i], OBJECT_LEVELS[j])
        self._solved |= asked

    def deviation(self, signal: NDArray[np.intp], strength: NDArray[np.intp] | int = 0) -> Float:
        """Standard deviation of the deviation at levels of signal and object, 0 for no object."""
        self._solve(signal, strength)
        return np.asarray(self._deviation[signal, strength])

    @cached_property
    def bound(self) -> tuple[Float, Float, Float]:
        """What no object exceeds: weights of the neighbours, the bound by prediction, and the noise by signal level.

        Notes
        -----
        The weights are those for a strong object: its largest excess is then small, and hardly changes with the noise.
        """
        middle = SIGNAL_LEVELS[[SIGNAL_LEVELS.size // 2]]
        weights = self._weights_and_deviations(middle, np.array([BOUND_STRENGTH]))[0][0]
        bound = largest_excess(self.mtf, self.pitch_mm, self.down, self.across, weights)
        by = np.append(-weights, 1.0)
        quantum, electronic = (float(by @ covariance @ by) for covariance in self._parts[:2])
        return weights, bound, np.sqrt(np.maximum(SIGNAL_LEVELS * quantum + electronic, 1e-30))

    def step(self, marked: NDArray[np.bool_], where: NDArray[np.intp]) -> Float:
        """How far each of the marked pixels may go to its prediction at once, for all to settle when predicted from each other.

        Notes
        -----
        The predictions of all are a linear system with 1 on the diagonal and -w beside it; damped Jacobi iteration converges
        if the step is 2 / (1 + sum |w|) over what is marked too (Gershgorin), and 1 is enough for single pixels.
        """
        size, flat = np.abs(self._filling_weights).max(axis=0), marked.ravel()
        out = np.empty(where.size)
        for part in _chunks(where):
            out[part] = flat[self._around(where[part], self.down, self.across)] @ size
        return np.asarray(np.minimum(1.0, 2.0 / (1.0 + out)))

    @property
    def brightest_noise(self) -> float:
        """Standard deviation of a pixel at the highest signal level."""
        return float(np.sqrt(self.variance(SIGNAL_LEVELS[-1])))

    def variance(self, signal: Float) -> Float:
        """Of the noise of a pixel, at signals."""
        return np.maximum(signal, 0.0) * self.quantum[0, 0] + self.electronic[0, 0]

    def _allowed(self, prediction: Float, top: float) -> Float:
        """How far above a prediction pixels may lie by any object as bright as `top`."""
        return BOUND_MARGIN * top * np.interp(prediction / top, BOUND_LEVELS, self.bound[1])

    def stand_out(
        self, image: Float, where: NDArray[np.intp], threshold: float, top: float, values: Float | None = None
    ) -> tuple[Float, Float, Float]:
        """Deviation of pixels from their prediction in units of what they may differ by, the same as signal, and the prediction.

        Parameters
        ----------
        image : ndarray, shape (rows, cols)
        where : ndarray of int
            Places in the flat image.
        threshold : float
            Deviation in these units that is marked.
        top : float
            The brightest that an object may be, fraction of the open beam.
        values : ndarray, optional
            Of the pixels, in place of the image's.

        Notes
        -----
        That is the standard deviation or, for bright pixels and where it is less, the `threshold`-th part of what no object
        whatever can exceed. Dark ones beside a spot too large to be predicted would be marked for it.
        """
        flat = image.ravel()
        deviation, excess, guess = (np.empty(where.size) for _ in range(3))
        weights, _, noise = self.bound
        for part in _chunks(where):
            near = flat[self._around(where[part], self.down, self.across)]
            own = flat[where[part]]
            guess[part], spread = self._predicted(near, own)
            own = own if values is None else values[part]
            predicted = near @ weights
            excess[part] = over = own - predicted
            beyond = over / (self._allowed(predicted, top) / threshold + noise[_nearest(SIGNAL_LEVELS, predicted)])
            plain = (own - guess[part]) / spread
            deviation[part] = np.maximum(plain, np.where(over > 0, beyond, -np.inf))
        return deviation, excess, guess

    @cached_property
    def least_deviations(self) -> Float:
        """Standard deviation of the deviation of bright and of dark pixels, where neighbours show no object, by signal."""
        signal = np.asarray((np.arange(SCREEN_LEVELS) + 0.5) * (SCREEN_TOP / SCREEN_LEVELS), dtype=np.float64)
        at = _nearest(SIGNAL_LEVELS, signal)
        sides = (np.maximum(1.0 - signal, 0.0), signal)
        share = POINT_SHARE[self.hole]
        return np.stack([self.deviation(at, _nearest(OBJECT_LEVELS, share * np.asarray(side))) for side in sides])

    def least_spread(self, image: Float, where: NDArray[np.intp], threshold: float, top: float) -> Float:
        """The least unit of a pixel's `stand_out`, by the pixels alone that adjoin the hole around it."""
        flat, out = image.ravel(), np.empty(where.size)
        for part in _chunks(where):
            ring = np.sort(
                flat[self._around(where[part], self.down[self.adjacent], self.across[self.adjacent])], axis=1
            )
            signal = _middle(ring)
            at = _nearest(SIGNAL_LEVELS, signal)
            possible = np.where(flat[where[part]] > signal, np.maximum(1.0 - signal, 0.0), np.maximum(signal, 0.0))
            shown = 0.5 * NEAR_SHARE * (ring[:, -1 - OUTLIERS] - ring[:, OUTLIERS])
            shown = np.sqrt(np.maximum(shown**2 - (RANGE_OF_NOISE * self.deviation(at)) ** 2, 0.0))
            level = _nearest(OBJECT_LEVELS, np.hypot(shown, POINT_SHARE[self.hole] * possible))
            most = self._allowed(signal, top) / threshold + self.bound[2][at]
            out[part] = np.minimum(self.deviation(at, level), np.where(flat[where[part]] > signal, most, np.inf))
        return out

    def stands_out(self, image: Float, where: NDArray[np.intp], share: float) -> NDArray[np.bool_]:
        """Whether pixels are above the median of their neighbours by this share of the least deviation."""
        flat = image.ravel()
        signal = _middle(np.sort(flat[self._around(where, self.down, self.across)], axis=1))
        at = np.clip(signal * (SCREEN_LEVELS / SCREEN_TOP), 0, SCREEN_LEVELS - 1).astype(np.intp)
        return np.asarray(flat[where] - signal > share * self.least_deviations[0][at])

    def square(self, where: NDArray[np.intp], reach: int | None = None) -> NDArray[np.intp]:
        """Pixels of the square around pixels, that of the neighbours by default; all are places in the flat image."""
        offsets = np.arange(-reach, reach + 1) if reach is not None else np.arange(-self.reach, self.reach + 1)
        down, across = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
        return self._around(where, down, across)

    def _around(
        self, where: NDArray[np.intp], down: NDArray[np.number], across: NDArray[np.number]
    ) -> NDArray[np.intp]:
        height, width = (side.size - 2 * self.reach for side in (self.rows, self.cols))
        found = np.asarray(where[:, None] + (down * width + across))
        row, col = np.divmod(where, width)
        near_border = np.minimum(np.minimum(row, height - 1 - row), np.minimum(col, width - 1 - col)) < self.reach
        row, col = row[near_border, None], col[near_border, None]
        found[near_border] = self.rows[row + down + self.reach] * width + self.cols[col + across + self.reach]
        return found

    def _predicted(self, near: Float, values: Float) -> tuple[Float, Float]:
        """Prediction of pixels from the others, and the standard deviation of what they may differ from it by."""
        ordered = np.sort(near, axis=1)
        signal = _middle(ordered)
        at = _nearest(SIGNAL_LEVELS, signal)
        possible = np.where(values > signal, np.maximum(1.0 - signal, 0.0), np.maximum(signal, 0.0))
        shown = self._strength(near, ordered, self.deviation(at))
        level = _nearest(OBJECT_LEVELS, np.hypot(shown, POINT_SHARE[self.hole] * possible))
        # solves the levels that the weights are then looked up at
        spread = self.deviation(at, level)
        return self._weighted(near, at, level), spread

    def _weighted(self, near: Float, at: NDArray[np.intp], level: NDArray[np.intp]) -> Float:
        """Sum of the neighbours by the weights of each pixel's own levels, level by level; all of them solved."""
        out = np.empty(at.size)
        key = at * OBJECT_LEVELS.size + level
        order = np.argsort(key, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            if group.size:
                out[group] = near[group] @ self._weights[at[group[0]], level[group[0]]]
        return out

    def noise_factor(self, image: Float) -> float:
        """Power of the noise in the quietest places of an image over the stated one; hits among the neighbours are allowed for.

        Notes
        -----
        The weights of `bound` see the least of an object, so they alone may raise the power; those for no object see the
        noise as the predictions do, and it is lowered no further than they say.
        """
        some = np.sort(np.random.default_rng(0).integers(0, image.size, min(image.size, SAMPLED)))
        near, values = np.empty((some.size, self.down.size)), np.empty(some.size)
        for part in _chunks(some):
            near[part] = image.ravel()[self._around(some[part], self.down, self.across)]
            values[part] = image.ravel()[some[part]]
        ordered = np.sort(near, axis=1)
        signal = _middle(ordered)
        at = np.flatnonzero(SIGNAL_LEVELS >= 1.0)[0]
        deviation = self.deviation(at)
        free = self._weights[at, 0]
        weights, _, noise = self.bound
        relative = np.sqrt(np.interp(signal, SIGNAL_LEVELS, noise**2)) / noise[at]
        active = self._strength(near, ordered, np.zeros(some.size)) / relative
        quiet = active <= np.quantile(active, QUIET_SHARE)
        factors = []
        for by, sd in ((weights, noise[at]), (free, deviation)):
            off = np.abs(values[quiet] - near[quiet] @ by) / (sd * relative[quiet])
            factors.append(
                (float(np.quantile(off, QUIET_QUANTILE)) / float(np.sqrt(2) * special("erfinv")(QUIET_QUANTILE))) ** 2
            )
        return max(factors[0], min(factors[1], 1.0), 1e-12)

    def _strength(self, near: Float, ordered: Float, noise: Float) -> Float:
        """Standard deviation that an object may have around a pixel, by what its neighbours show."""
        signal = _middle(ordered)
        ring = np.sort(near[:, self.adjacent], axis=1)
        adjacent = np.maximum(ring[:, -1 - OUTLIERS] - signal, signal - ring[:, OUTLIERS])
        spanned = ordered[:, -1 - 2 * OUTLIERS] - ordered[:, 2 * OUTLIERS]
        found = np.maximum(NEAR_SHARE * adjacent, OBJECT_SHARE * spanned)
        return np.sqrt(np.maximum(found**2 - (RANGE_OF_NOISE * noise) ** 2, 0.0))


def _chunks(where: NDArray[np.intp]) -> Iterator[slice]:
    """Places in runs of at most `CHUNK` that lie near each other; what arrays on disk hold for one is let go before the next."""
    turns = np.flatnonzero(np.diff(where // NEAR_PIXELS)) + 1
    for begin, end in pairwise([0, *turns.tolist(), where.size]):
        for first in range(begin, end, CHUNK):
            yield slice(first, min(first + CHUNK, end))
            tidy()


@lru_cache(maxsize=8)
def _objects(mtf: FrequencyCurve, pitch_mm: float) -> tuple[Float, Float]:
    """Covariances of objects on the pixel grid: of points, with a variance of 1, and as the prior of filters has them."""
    axis = np.fft.fftfreq(GRID_PX)
    folded, usual = np.zeros((GRID_PX, GRID_PX)), np.zeros((GRID_PX, GRID_PX))
    prior = ObjectPrior()
    for v in (-1, 0, 1):
        for u in (-1, 0, 1):
            place = np.hypot(axis[:, None] + v, axis + u)
            power = beyond(mtf, place / pitch_mm) ** 2
            folded += power
            usual += power * prior(place / pitch_mm) / pitch_mm**2
    found = _covariance(folded / folded.mean()), _covariance(usual)
    for covariance in found:
        covariance.flags.writeable = False
    return found


def _kriging(covariances: Float) -> Float:
    """Weights of least squared error with an unknown mean for the last of some values from the others.

    Parameters
    ----------
    covariances : ndarray, shape (cases, n + 1, n + 1)

    Returns
    -------
    ndarray, shape (cases, n)
    """
    n = covariances.shape[-1] - 1
    system = np.ones_like(covariances)
    system[:, :n, :n] = covariances[:, :n, :n]
    k = np.arange(n)
    system[:, k, k] += 1e-9 * covariances[:, n, n, None] + 1e-30
    system[:, n, n] = 0.0
    given = np.concatenate([covariances[:, :n, n], np.ones((len(covariances), 1))], axis=1)
    return np.asarray(np.linalg.solve(system, given[..., None])[:, :n, 0])


def _covariance(power_px: Float) -> Float:
    """Covariance at lags (down, across), negative ones by wrapping, of a power spectrum on the DFT grid [per pixel]."""
    return np.asarray(np.fft.ifft2(power_px).real)


def _middle(ordered: Float) -> Float:
    """Median of rows of an even number of values in order."""
    half = ordered.shape[1] // 2
    return np.asarray(0.5 * (ordered[:, half - 1] + ordered[:, half]))


def _nearest(levels: Float, values: Float) -> NDArray[np.intp]:
    """Index of the smallest level that is not below each value, the last one at most."""
    return np.minimum(np.searchsorted(levels, values), levels.size - 1)
