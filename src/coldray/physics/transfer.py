"""One shared operator: a radial transfer function applied with half-sample symmetric boundaries."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coldray.arrays import Floating
from coldray.compiled import cosines
from coldray.errors import PhysicsError
from coldray.physics.grids import across, dct_axes
from coldray.scratch import empty, is_large, strips, tidy
from coldray.threads import in_threads

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PARALLEL_PIXELS = 2**19
"""Images smaller than this are transformed on one thread; starting more costs more than it saves."""

RADIAL_SAMPLES = 2**15
"""Points of the radial grid a transfer function is looked up on."""

KEPT_BYTES = 2**27
"""Gains that are kept for the next operator of the same transfer function, shape and pitch; larger ones are not."""

KEPT_PLACES = 2**22
"""Largest image whose coefficients' places on the radial grid are kept for the next operator [pixels]."""
STRIP_PIXELS = 2**17
BLOCK, BLOCK_PIXELS = 64, 2**18
"""Columns, or rows, that one thread transforms at a time: at least so many, and so many pixels. A block stays in its cache, whatever
the distance of rows in memory."""
COLUMNS_ON_DISK = 16 * BLOCK
"""The same of an image that lies on disk, at least: a page of it holds so many pixels of one row."""

Gain = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Gain over radial frequency [cycles/mm]."""
Key = tuple[bytes, tuple[int, ...], float]
"""Digest of an operator's function, shape and pixel pitch [mm]."""


def spectrum_of(image: NDArray[Floating]) -> NDArray[Floating]:
    """Orthonormal DCT-II of the last two axes of a numpy array of floats."""
    if image.size < PARALLEL_PIXELS:
        return cosines(image, (-2, -1))
    return _in_blocks(image, None, empty(image.shape, np.result_type(image.dtype, np.float32)))


def image_of(spectrum: NDArray[Floating], gain: NDArray[np.floating] | None = None) -> NDArray[Floating]:
    """Image of an orthonormal DCT-II, of its product with a gain if there is one; the spectrum is overwritten."""
    if spectrum.size < PARALLEL_PIXELS:
        if gain is not None:
            np.multiply(spectrum, gain, out=spectrum)
        return cosines(spectrum, (-2, -1), inverse=True, overwrite=True)
    return _in_blocks(spectrum, gain, spectrum, inverse=True)


def _in_blocks(
    image: NDArray[Floating],
    gain: NDArray[np.floating] | None,
    out: NDArray[Floating],
    *,
    inverse: bool = False,
) -> NDArray[Floating]:
    """Transform down columns, then along rows, block by block into `out`, which may be the image itself."""
    on_disk = is_large(image.shape)

    def down(columns: slice) -> None:
        # a copy: rows whose distance is a power of two bytes would throw each other out of the cache
        part = np.empty(image[..., columns].shape, out.dtype)
        for rows in strips(image.shape):
            block = ..., rows, columns
            if gain is None:
                part[..., rows, :] = image[block]
            else:
                np.multiply(image[block], gain[block], out=part[..., rows, :])
        part = cosines(part, (-2,), inverse=inverse, overwrite=True)
        for rows in strips(image.shape):
            out[..., rows, columns] = part[..., rows, :]
        if on_disk:
            tidy()

    def along(rows: slice) -> None:
        part = np.asarray(out[..., rows, :])
        found = cosines(part, (-1,), inverse=inverse, overwrite=True)
        if not np.may_share_memory(found, part):
            part[...] = found
        if on_disk:
            tidy()

    # pages of a file hold a row's neighbours: columns are taken many at a time
    in_threads(down, _blocks(image.shape[-1], image.shape[-2], COLUMNS_ON_DISK if on_disk else BLOCK))
    in_threads(along, _blocks(image.shape[-2], image.shape[-1]))
    return out


def _blocks(count: int, length: int, least: int = BLOCK) -> list[slice]:
    """Cut so many lines of a length into blocks, however many threads there are."""
    step = max(BLOCK_PIXELS // length // BLOCK * BLOCK, least)
    return [slice(first, first + step) for first in range(0, count, step)]


class TransferOperator:
    """Filter that is diagonal in the DCT-II.

    Parameters
    ----------
    transfer : ndarray, shape (rows, cols)
        Gain of every DCT-II coefficient, real; the gain at [0, 0] acts on the mean.

    Notes
    -----
    Half-sample symmetric extension makes a symmetric convolution diagonal in the DCT-II: the operator
    is self-adjoint, keeps a constant exactly when its zero-frequency gain is 1, and never wraps one
    border onto the other. Works on numpy arrays (scipy.fft) and on torch tensors (FFT of the mirrored
    image); the dtype of the image is kept.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.physics.transfer import TransferOperator
    >>> half = TransferOperator(np.where(np.arange(4 * 4).reshape(4, 4) == 0, 1.0, 0.5))
    >>> image = np.arange(16.0).reshape(4, 4)
    >>> np.allclose(half(image), image.mean() + 0.5 * (image - image.mean()))
    True
    """

    def __init__(self, transfer: NDArray[np.floating]) -> None:
        if transfer.ndim != 2 or not np.all(np.isfinite(transfer)):
            raise PhysicsError("a transfer function must be a finite 2-D array on the DCT grid")
        self.transfer = np.asanyarray(transfer)
        self._gains: dict[str, NDArray[np.floating]] = {}
        self._mirrored: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Image shape (rows, cols) the operator acts on."""
        rows, cols = self.transfer.shape
        return rows, cols

    @overload
    def __call__(self, image: NDArray[np.floating]) -> NDArray[np.floating]: ...
    @overload
    def __call__(self, image: Tensor) -> Tensor: ...
    def __call__(self, image: NDArray[np.floating] | Tensor) -> NDArray[np.floating] | Tensor:
        """Apply to an image of shape (..., rows, cols); numpy array or torch tensor."""
        if tuple(image.shape[-2:]) != self.shape:
            raise PhysicsError(f"the operator acts on {self.shape} pixels, the image has {tuple(image.shape[-2:])}")
        if isinstance(image, np.ndarray):
            if image.dtype.kind != "f":
                raise PhysicsError(f"the operator acts on floats, the image holds {image.dtype}; convert it first")
            spectrum = spectrum_of(image)
            return image_of(spectrum, self.gain(spectrum.dtype))
        return self._torch(image)

    def of_spectrum(self, spectrum: NDArray[np.floating]) -> NDArray[np.floating]:
        """Filtered image of a spectrum as `spectrum_of` gives it, which is left as it is."""
        gain = self.gain(spectrum.dtype)
        if spectrum.size < PARALLEL_PIXELS:
            return image_of(spectrum * gain)
        return _in_blocks(spectrum, gain, empty(spectrum.shape, spectrum.dtype), inverse=True)

    def gain(self, dtype: DTypeLike) -> NDArray[np.floating]:
        """Gain of every DCT-II coefficient in the type of a spectrum, shape (rows, cols); not to be written to."""
        key = np.dtype(dtype).str
        if key not in self._gains:
            self._gains[key] = self.transfer.astype(key, copy=False)
        return self._gains[key]

    def _torch(self, image: Tensor) -> Tensor:
        import torch

        rows, cols = self.shape

        key = (image.dtype, image.device)
        if key not in self._mirrored:
            # rfft2 of the 2R x 2C mirror image: row index r and 2R - r carry DCT coefficient r
            full = np.zeros((2 * rows, cols + 1))
            full[:rows, :cols] = self.transfer
            full[rows + 1 :, :cols] = self.transfer[:0:-1, :]
            self._mirrored[key] = torch.as_tensor(full, dtype=image.dtype, device=image.device)
        wide = torch.cat([image, image.flip(-1)], dim=-1)
        mirror = torch.cat([wide, wide.flip(-2)], dim=-2)
        out = torch.fft.irfft2(torch.fft.rfft2(mirror) * self._mirrored[key], s=mirror.shape[-2:])
        return out[..., :rows, :cols]


class Operators:
    """Operators that are kept by the values of their functions, those used last, within a number of bytes.

    Parameters
    ----------
    most_bytes : int
        Of all gains that are kept.

    Notes
    -----
    Safe for several threads.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, TransferOperator] = OrderedDict()

    def get(self, key: Key, make: Callable[[], TransferOperator]) -> TransferOperator:
        """Operator of a key; made outside the lock, so that two threads may make the same one."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while sum(o.transfer.nbytes for o in self._kept.values()) > self._most:
                self._kept.popitem(last=False)
        return made


SHARED = Operators()
"""Operators of all that has none of its own."""


def radial_operator(
    transfer: Gain, shape: tuple[int, int], pixel_pitch_mm: float, operators: Operators = SHARED
) -> TransferOperator:
    """Operator of a radial transfer function.

    Parameters
    ----------
    transfer : callable
        Gain as a function of radial frequency [cycles/mm].
    shape : (rows, cols)
    pixel_pitch_mm : float
        Pixel pitch [mm].
    operators : Operators
        Where it is kept, or found.

    Notes
    -----
    The function is evaluated once on a fine radial grid, then looked up row by row: memory grows by one gain per
    pixel only. Images above `PARALLEL_PIXELS` keep their gains in single precision.

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.physics.transfer import radial_operator
    >>> blur = radial_operator(lambda f: np.exp(-f / 3), (32, 48), pixel_pitch_mm=0.1)
    >>> point = np.zeros((32, 48)); point[16, 24] = 1
    >>> bool(np.isclose(blur(point).sum(), 1)), bool(blur(point).max() < 1)
    (True, True)
    """
    return directional_operator([transfer], shape, pixel_pitch_mm, operators)


def directional_operator(
    transfers: Sequence[Gain], shape: tuple[int, int], pixel_pitch_mm: float, operators: Operators = SHARED
) -> TransferOperator:
    """Operator of a transfer function that changes with direction.

    Parameters
    ----------
    transfers : sequence of callable
        Gains as functions of radial frequency [cycles/mm], for directions u^2 / (u^2 + v^2) evenly spaced from 0 (along the
        rows' axis, v) to 1 (along the columns' axis, u); linear between. One alone is radial.
    shape : (rows, cols)
    pixel_pitch_mm : float
        Pixel pitch [mm].
    operators : Operators
        Where it is kept, or found: the next frame of the same detectors and noise finds it, in any thread.

    Notes
    -----
    The gains cannot be written to.
    """
    radial = radial_grid(shape, pixel_pitch_mm)
    values = np.concatenate([np.asarray(transfer(radial), dtype=np.float64) for transfer in transfers])
    key = (hashlib.sha256(values.tobytes()).digest(), tuple(shape), float(pixel_pitch_mm))
    return operators.get(key, lambda: TransferOperator(_gains(values, shape, pixel_pitch_mm)))


def radial_grid(shape: tuple[int, int], pixel_pitch_mm: float) -> NDArray[np.float64]:
    """Frequencies [cycles/mm] that transfer functions are looked up on, evenly from 0 to that of the last coefficient."""
    v, u = dct_axes(shape, pixel_pitch_mm)
    return np.linspace(0.0, float(np.hypot(v[-1, 0], u[0, -1])), RADIAL_SAMPLES)


def radial_places(shape: tuple[int, int]) -> Iterator[tuple[slice, NDArray[np.int32], NDArray[np.floating]]]:
    """Where the DCT-II coefficients of an image lie on its `radial_grid`, strip by strip.

    Yields
    ------
    rows : slice
        Of the strip.
    below : ndarray of int32, shape (rows of the strip, cols)
        Sample at or below each coefficient.
    beyond : ndarray, same shape
        How far beyond it, 0 to 1; in single precision for images from `PARALLEL_PIXELS` on.
    """
    of_rows = _places_by_rows(shape)
    for rows in strips(shape, pixels=STRIP_PIXELS):
        yield rows, *of_rows(rows)


def _places_by_rows(shape: tuple[int, int]) -> Callable[[slice], tuple[NDArray[np.int32], NDArray[np.floating]]]:
    """Places of the coefficients of some rows, as a function of these; looked up where they are kept."""
    if not PARALLEL_PIXELS <= shape[0] * shape[1] <= KEPT_PLACES:
        return partial(_places, shape)
    below, beyond = _kept_places(shape)
    return lambda rows: (below[rows], beyond[rows])


def _places(shape: tuple[int, int], rows: slice) -> tuple[NDArray[np.int32], NDArray[np.floating]]:
    v, u = dct_axes(shape, 1.0)
    last = float(v[-1, 0] ** 2 + u[0, -1] ** 2)
    scale = (RADIAL_SAMPLES - 1) ** 2 / last if last > 0 else 0.0
    place = np.sqrt(scale * v[rows] ** 2 + scale * u**2)
    below = np.minimum(place.astype(np.int32), RADIAL_SAMPLES - 1)
    place -= below
    return below, place if shape[0] * shape[1] < PARALLEL_PIXELS else place.astype(np.float32)


@lru_cache(maxsize=1)
def _kept_places(shape: tuple[int, int]) -> tuple[NDArray[np.int32], NDArray[np.floating]]:
    below, beyond = np.empty(shape, np.int32), np.empty(shape, np.float32)

    def work_out(rows: slice) -> None:
        below[rows], beyond[rows] = _places(shape, rows)

    _in_strips(work_out, shape)
    return below, beyond


def _in_strips(work: Callable[[slice], None], shape: tuple[int, int]) -> None:
    """Work on all rows of an image strip by strip, in threads where it is large enough for them."""
    parts = list(strips(shape, pixels=STRIP_PIXELS))
    if shape[0] * shape[1] >= PARALLEL_PIXELS:
        in_threads(work, parts)
    else:
        for rows in parts:
            work(rows)


def _gains(values: NDArray[np.float64], shape: tuple[int, int], pixel_pitch_mm: float) -> NDArray[np.floating]:
    """Gain of every DCT coefficient from tables over radial frequency, one per direction."""
    kind: np.dtype[np.floating] = np.dtype(np.float64 if shape[0] * shape[1] < PARALLEL_PIXELS else np.float32)
    gain = empty(shape, kind)
    rise = np.append(np.diff(values), 0.0)
    rise[RADIAL_SAMPLES - 1 :: RADIAL_SAMPLES] = 0.0
    values, rise = (table.astype(gain.dtype) for table in (values, rise))
    last = values.size // RADIAL_SAMPLES - 1
    v, u = dct_axes(shape, pixel_pitch_mm)

    of_rows, on_disk = _places_by_rows(shape), is_large(shape)

    def look_up(rows: slice) -> None:
        below, beyond = of_rows(rows)
        if last:
            turned = last * across(v[rows], u)
            node = np.minimum(turned.astype(np.int32), last - 1)
            turned -= node
            at = below + node * RADIAL_SAMPLES
            one, other = (values[i] + beyond * rise[i] for i in (at, at + RADIAL_SAMPLES))
            gain[rows] = one + turned * (other - one)
        else:
            part = np.take(rise, below, out=gain[rows], mode="wrap")
            part *= beyond
            part += np.take(values, below, mode="wrap")
        if on_disk:
            tidy()

    _in_strips(look_up, shape)
    gain.flags.writeable = False
    return gain
