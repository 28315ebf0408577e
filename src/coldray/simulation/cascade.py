"""Inner loops of the parallel-layer cascade: quanta, layer transfer, sampling; equal bytes for any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.errors import PhysicsError
from coldray.physics.grids import dct_axes
from coldray.threads import core_count

MANY_QUANTA = 20.0
"""From here on a cell's count is drawn from a skewed normal law; below it from the Poisson law."""
_STRIP_CELLS = 2**17
_TABLE_STEP_LP_MM = 0.01
Given = TypeVar("Given")
Made = TypeVar("Made")


def worker_count(workers: int | None) -> int:
    """Threads to use: the number given, or one per core this process may run on."""
    if workers is None:
        return core_count()
    if workers < 1:
        raise PhysicsError(f"{workers} workers were asked for; at least 1 is needed")
    return workers


def in_order(work: Callable[[Given], Made], items: Iterable[Given], workers: int | None) -> Iterator[Made]:
    """Results of `work` in the order of `items`, computed by threads."""
    count = worker_count(workers)
    if count == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(count) as pool:
        yield from pool.map(work, items)


def strips(shape: tuple[int, int], cells: int = _STRIP_CELLS) -> Iterator[slice]:
    """Row ranges of about `cells` cells, whatever the number of workers."""
    rows, cols = shape
    step = max(1, cells // cols)
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def energy_quanta(
    mean: NDArray[np.floating], scale: float, swank_factor: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Absorbed quanta weighted by their deposited energy (mean 1) in every cell.

    Parameters
    ----------
    mean : ndarray, shape (rows, cols)
        Relative fluence, >= 0.
    scale : float
        Expected quanta of a cell at `mean` = 1.
    swank_factor : float
        Energy-deposition noise factor A: the variance is the mean over A.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32, shape (rows, cols)

    Notes
    -----
    n + sqrt(n (1/A - 1)) N(0,1) with n ~ Poisson(m). From `MANY_QUANTA` on its first three cumulants
    m, m/A and m (3/A - 2) are drawn at once, m + sqrt(m/A - 2 c^2) z + c (z^2 - 1) with c = (3 - 2A)/6
    (Cornish-Fisher), at a tenth of the cost.
    """
    out = np.empty(mean.shape, dtype=np.float32)
    rows, cols = mean.shape
    skew = np.float32((3 - 2 * swank_factor) / 6)
    for part in strips((rows, cols)):
        expected = np.asarray(mean[part], dtype=np.float32) * np.float32(scale)
        np.maximum(expected, 0, out=expected)
        z = rng.standard_normal(expected.shape, dtype=np.float32)
        few = expected < MANY_QUANTA
        all_few = bool(few.all())
        if all_few:
            count = rng.poisson(expected).astype(np.float32)
            out[part] = count + np.sqrt(count * np.float32(1 / swank_factor - 1)) * z
            continue
        many = expected + np.sqrt(np.maximum(expected / np.float32(swank_factor) - 2 * skew**2, 0)) * z
        many += skew * (z * z - 1)
        if few.any():
            count = rng.poisson(expected[few]).astype(np.float32)
            many[few] = count + np.sqrt(count * np.float32(1 / swank_factor - 1)) * z[few]
        out[part] = many
    return out


@lru_cache(maxsize=2)
def radial_grid(shape: tuple[int, int], step_mm: float) -> NDArray[np.float32]:
    """Radial frequency of every DCT coefficient [units of the transfer table's step], kept for reuse."""
    v, u = (axis / _TABLE_STEP_LP_MM for axis in dct_axes(shape, step_mm))
    grid = np.empty(shape, dtype=np.float32)
    for part in strips(shape):
        np.hypot(v[part].astype(np.float32), u.astype(np.float32), out=grid[part])
    grid.flags.writeable = False
    return grid


def apply_radial(
    spectrum: NDArray[np.float32],
    curve: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    step_mm: float,
    stretch: float,
) -> NDArray[np.float32]:
    """Multiply a DCT spectrum by a radial transfer function, in place.

    Parameters
    ----------
    spectrum : ndarray, float32, shape (rows, cols)
    curve : callable
        Transfer at frequencies [cycles/mm]; its nodes lie on multiples of 0.01 cycles/mm, or it is smooth.
    step_mm : float
        Grid step [mm].
    stretch : float
        Stretches the curve along frequency.
    """
    rows, cols = spectrum.shape
    grid = radial_grid((rows, cols), step_mm)
    last = float(np.hypot(*(0.5 / step_mm,) * 2)) / stretch
    nodes = np.arange(int(last / _TABLE_STEP_LP_MM) + 3, dtype=np.float64) * np.float64(_TABLE_STEP_LP_MM)
    table = np.asarray(curve(nodes), dtype=np.float32)
    slope = np.append(np.diff(table), np.float32(0))
    for part in strips((rows, cols), 2**15):
        place = grid[part] if stretch == 1 else grid[part] / np.float32(stretch)
        index = place.astype(np.intp)
        spectrum[part] *= table[index] + slope[index] * (place - index.astype(np.float32))
    return spectrum


def apply_aperture(spectrum: NDArray[np.float32], pixel_pitch_mm: float, step_mm: float) -> NDArray[np.float32]:
    """Multiply a DCT spectrum by the transfer of a square pixel, in place."""
    rows, cols = spectrum.shape
    v, u = dct_axes((rows, cols), step_mm)
    spectrum *= np.sinc(pixel_pitch_mm * v).astype(np.float32)
    spectrum *= np.sinc(pixel_pitch_mm * u).astype(np.float32)
    return spectrum


def forward(fine: NDArray[np.floating], workers: int | None = None) -> NDArray[np.float32]:
    """Orthonormal DCT-II of a fine grid in single precision."""
    return np.asarray(
        scipy.fft.dctn(np.asarray(fine, dtype=np.float32), norm="ortho", workers=worker_count(workers)),
        dtype=np.float32,
    )


def sampled(spectrum: NDArray[np.float32], oversampling: int) -> NDArray[np.float32]:
    """Sample a band-unlimited DCT spectrum at the pixel centres; content above Nyquist aliases.

    Parameters
    ----------
    spectrum : ndarray, float32, shape (rows * oversampling, cols * oversampling)
        Orthonormal DCT-II coefficients.
    oversampling : int
        Cells per pixel and direction; odd or even.

    Returns
    -------
    ndarray, float32, shape (rows, cols)

    Notes
    -----
    At pixel centres cos(pi (2 M j +- r)(m + 1/2)/M) = (-1)^j cos(pi r (m + 1/2)/M): aliases are summed
    in the spectrum and one small inverse transform is left.
    """
    folded = np.ascontiguousarray(_fold(_fold(spectrum, oversampling).T, oversampling).T)
    return np.asarray(scipy.fft.idctn(folded, norm="ortho"), dtype=np.float32)


def _fold(spectrum: NDArray[np.float32], oversampling: int) -> NDArray[np.float32]:
    """Alias sum along the first axis."""
    kept = spectrum.shape[0] // oversampling
    out = np.array(spectrum[:kept], dtype=np.float32)
    for block in range(1, oversampling):
        part = spectrum[block * kept : (block + 1) * kept]
        if block % 2:
            # k = (block + 1) kept - r: r = kept has a cosine that is zero at every pixel centre
            out[1:] += np.float32((-1) ** ((block + 1) // 2)) * part[:0:-1]
        else:
            sign = np.float32((-1) ** (block // 2))
            out[0] += sign * np.float32(np.sqrt(2)) * part[0]
            out[1:] += sign * part[1:]
    out *= np.float32(1 / np.sqrt(oversampling))
    return out
