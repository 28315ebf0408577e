"""Sub-pixel registration of the sharp reference to the blurred image: shift, rotation and scale."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from coldray.document import Json, as_number, as_numbers, as_table
from coldray.errors import ImageError, MeasurementError, MetadataError
from coldray.physics.pair import DetectorPair
from coldray.physics.ratio_blur import ratio_blur

IDENTITY_PX = 0.05
"""Largest displacement of a corner [px] that counts as registered already; resampling would cost more."""
OVERSHOOT = 0.1
"""How far a resampled pixel may leave the range of its neighbours, as a share of that range."""
LEAST_CORRELATION = 0.6
SMALLEST_PX = 64
BORDER_PX = 24
"""Left out at each side (an eighth of a small image): what lies beyond the image blurs in."""
DETAIL_PX = 3.0
"""Structure wider than this does not count: levels differ between materials."""
SIGNIFICANT = 40.0
"""Fall of the residual power, in residual powers of one pixel, that turns and scales must bring to be believed."""
TILE_PX = 32
"""The response is fitted in tiles of this side: few materials share one."""
COARSEST_PX = 64
"""Shortest side of the coarsest pyramid level."""
SPLINE_ORDER = 5

Float = NDArray[np.float64]
KEYS = ("shift_px", "rotation_deg", "scale")


@dataclass(frozen=True)
class Registration:
    """Where in the sharp image every pixel of the blurred image lies.

    Parameters
    ----------
    shift_px : (float, float)
        Rows and columns [px].
    rotation_deg : float
        About the image centre; positive moves +columns towards +rows.
    scale : float
        Pixels of the sharp image per pixel of the blurred one.
    residual : float, optional
        rms of the blurred image minus the registered, blurred and response-fitted sharp one, fine structure
        only [fraction of open beam].
    correlation : float, optional
        Correlation coefficient of the two, fine structure only.

    Notes
    -----
    Pixel p of the blurred image sees c + scale R(rotation) (p - c) + shift of the sharp one, c the centre.
    """

    shift_px: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    scale: float = 1.0
    residual: float | None = None
    correlation: float | None = None

    @property
    def is_identity(self) -> bool:
        """True if not one pixel would move."""
        return self.shift_px == (0.0, 0.0) and self.rotation_deg == 0 and self.scale == 1

    def coordinates(self, shape: tuple[int, int]) -> Float:
        """Positions in the sharp image, shape (2, rows, cols)."""
        rows, cols = shape
        y, x = np.arange(rows)[:, None] - (rows - 1) / 2, np.arange(cols)[None, :] - (cols - 1) / 2
        angle = np.deg2rad(self.rotation_deg)
        c, s = self.scale * np.cos(angle), self.scale * np.sin(angle)
        return np.stack(
            [
                c * y + s * x + (rows - 1) / 2 + self.shift_px[0],
                c * x - s * y + (cols - 1) / 2 + self.shift_px[1],
            ]
        )

    def largest_displacement_px(self, shape: tuple[int, int]) -> float:
        """How far the corner moves that moves most [px]."""
        rows, cols = shape
        moved = self.coordinates(shape)[:, :: max(rows - 1, 1), :: max(cols - 1, 1)]
        at_rest = Registration().coordinates(shape)[:, :: max(rows - 1, 1), :: max(cols - 1, 1)]
        return float(np.hypot(*(moved - at_rest)).max())

    def seen(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Largest rectangle found whose pixels all lie inside the sharp image."""
        y, x = self.coordinates(shape)
        inside = (y >= 0) & (y <= shape[0] - 1) & (x >= 0) & (x <= shape[1] - 1)
        top, bottom, left, right = 0, shape[0], 0, shape[1]
        while top < bottom and left < right and not inside[top:bottom, left:right].all():
            missing = {
                "top": np.mean(~inside[top, left:right]),
                "bottom": np.mean(~inside[bottom - 1, left:right]),
                "left": np.mean(~inside[top:bottom, left]),
                "right": np.mean(~inside[top:bottom, right - 1]),
            }
            worst = max(missing, key=lambda side: float(missing[side]))
            top, bottom = top + (worst == "top"), bottom - (worst == "bottom")
            left, right = left + (worst == "left"), right - (worst == "right")
        return slice(top, bottom), slice(left, right)

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form."""
        return asdict(self) | {"shift_px": list(self.shift_px), "identity": self.is_identity}

    @classmethod
    def from_note(cls, note: Json) -> Registration | None:
        """Read `pair.json`'s entry: "identity", a dictionary, or None if unknown.

        Raises
        ------
        MetadataError
            If it is something else.
        """
        if note is None or note == "unknown":
            return None
        if note == "identity":
            return cls()
        try:
            known = as_table(note)
            row, col = as_numbers(known["shift_px"])
            return cls((row, col), as_number(known.get("rotation_deg", 0)), as_number(known.get("scale", 1)))
        except (KeyError, MetadataError, ValueError):
            raise MetadataError(
                f"registration {note!r} is not understood; write 'identity', 'unknown' or {{{', '.join(KEYS)}}}"
            ) from None


def register(
    sharp: NDArray[np.number],
    blurred: NDArray[np.number],
    pair: DetectorPair | None = None,
    *,
    tolerance_px: float = IDENTITY_PX,
) -> Registration:
    """Find the shift, rotation and scale that lay the sharp image on the blurred one.

    Parameters
    ----------
    sharp, blurred : ndarray, shape (rows, cols)
        The same object; fractions of the open beam. Means of frames are best.
    pair : DetectorPair, optional
        Its MTF ratio is put on the sharp image first, so that both are equally blurred.
    tolerance_px : float
        If no corner moves by more [px], the identity is returned.

    Returns
    -------
    Registration
        With residual and correlation.

    Raises
    ------
    ImageError
        If shapes differ, are under 64 px, or a pixel is not finite.
    MeasurementError
        If the two images do not match.

    Notes
    -----
    Starts from the whole-pixel and upsampled cross-correlation of the high-passed images, then Gauss-Newton on
    a pyramid: position and a quadratic response in tiles (beam hardening differs between screens and materials) are
    fitted together. Rotation and scale are dropped where they do not lower the residual significantly, or move no
    corner by twice `tolerance_px`.

    References
    ----------
    Guizar-Sicairos et al., Opt. Lett. 33 (2008) 156; Lucas and Kanade 1981.
    """
    if sharp.shape != blurred.shape or sharp.ndim != 2 or min(sharp.shape) < SMALLEST_PX:
        raise ImageError(
            f"registration needs two images of one shape, {SMALLEST_PX} px or more; found {sharp.shape} and {blurred.shape}"
        )
    if not (np.isfinite(sharp).all() and np.isfinite(blurred).all()):
        raise ImageError("an image to register holds NaN or infinite pixels; correct bad pixels first")
    moving = np.asarray(sharp if pair is None else ratio_blur(sharp, pair), dtype=np.float64)
    fixed = np.asarray(blurred, dtype=np.float64)
    factor = 1
    while min(fixed.shape) // (2 * factor) >= COARSEST_PX and factor < 4:
        factor *= 2
    starts = [Registration(), Registration(_start(moving, fixed))]
    found = min((_fit(moving, fixed, s, factor) for s in starts), key=lambda r: -(r.correlation or 0.0))
    while factor > 1:
        factor //= 2
        found = _fit(moving, fixed, found, factor)
    straight = _fit(moving, fixed, Registration(found.shift_px), 1, shift_only=True)
    worse = ((straight.residual or 0.0) / max(found.residual or 0.0, 1e-12)) ** 2 - 1
    turn = Registration((0.0, 0.0), found.rotation_deg, found.scale).largest_displacement_px(fixed.shape)
    if worse * fixed.size < SIGNIFICANT or turn < 2 * tolerance_px:
        found = straight
    if not (found.correlation or 0) >= LEAST_CORRELATION:
        raise MeasurementError(
            f"the sharp and the blurred image do not match (correlation {found.correlation:.2f}, {LEAST_CORRELATION} is "
            "needed); do both show the same object? state 'registration' in pair.json if they are registered"
        )
    if found.largest_displacement_px(fixed.shape) > tolerance_px:
        return found
    return Registration(residual=found.residual, correlation=found.correlation)


def resample(image: NDArray[np.number], registration: Registration) -> NDArray[np.float32]:
    """Lay the sharp image on the grid of the blurred one.

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
        Sharp reference; the measured blurred image is never resampled.
    registration : Registration

    Returns
    -------
    ndarray of float32, shape of `image`
        The very pixels of `image` for the identity. Else a quintic spline that may leave the range of the
        5 x 5 neighbours by 10 % of that range at most: no ringing beside bright or dead pixels.
    """
    if registration.is_identity:
        return np.asarray(image, dtype=np.float32)
    shape = (image.shape[0], image.shape[1])
    where = registration.coordinates(shape)
    values = np.asarray(image, dtype=np.float64)
    spline = scipy.ndimage.map_coordinates(values, where, order=SPLINE_ORDER, mode="mirror")
    nearest = tuple(np.clip(np.rint(w).astype(int), 0, n - 1) for w, n in zip(where, shape, strict=True))
    low = scipy.ndimage.minimum_filter(values, 5, mode="mirror")[nearest]
    high = scipy.ndimage.maximum_filter(values, 5, mode="mirror")[nearest]
    room = OVERSHOOT * (high - low)
    return np.clip(spline, low - room, high + room).astype(np.float32)


def _start(moving: Float, fixed: Float) -> tuple[float, float]:
    """Shift by cross-correlation of the windowed images without their shading."""
    from skimage.registration import phase_cross_correlation

    window = np.hanning(fixed.shape[0])[:, None] * np.hanning(fixed.shape[1])[None, :]
    a, b = ((image - scipy.ndimage.gaussian_filter(image, 12.0)) * window for image in (fixed, moving))
    if not (a.any() and b.any()):
        return 0.0, 0.0
    shift = phase_cross_correlation(a, b, upsample_factor=10, normalization=None)[0]
    return -float(shift[0]), -float(shift[1])


def _fit(
    moving: Float,
    fixed: Float,
    start: Registration,
    factor: int,
    *,
    shift_only: bool = False,
    rounds: int = 25,
) -> Registration:
    """Gauss-Newton on images shrunk by a whole factor."""
    small, target = _shrunk(moving, factor), _shrunk(fixed, factor)
    shape = (target.shape[0], target.shape[1])
    coefficients = scipy.ndimage.spline_filter(small, order=3, mode="mirror")
    y, x = np.arange(shape[0])[:, None] - (shape[0] - 1) / 2, np.arange(shape[1])[None, :] - (shape[1] - 1) / 2
    now = Registration((start.shift_px[0] / factor, start.shift_px[1] / factor), start.rotation_deg, start.scale)
    border = min(BORDER_PX // factor + 1, min(shape) // 8)

    residual, correlation = float(np.std(target)), 0.0

    def detail(image: Float) -> Float:
        """Fine structure in view, tile by tile: what a level that differs between materials cannot bias."""
        return _tiles(np.where(inside, image - scipy.ndimage.gaussian_filter(image, DETAIL_PX), 0.0))

    for _ in range(rounds):
        where = now.coordinates(shape)
        inside = np.zeros(shape, dtype=bool)
        inside[border:-border, border:-border] = True
        for w, n in zip(where, shape, strict=True):
            inside &= (w >= border) & (w <= n - 1 - border)
        if np.count_nonzero(inside) < 32 * 32:
            break
        seen = scipy.ndimage.map_coordinates(coefficients, where, order=3, mode="mirror", prefilter=False)
        gy, gx = np.gradient(seen)
        t = detail(target)
        if not (np.ptp(seen[inside]) > 0 and np.ptp(t) > 0):
            break
        levels = np.stack([detail(seen), detail(seen**2)])
        response, rest = _without(levels, t[None])
        residual = float(np.sqrt(np.sum(rest**2) / np.count_nonzero(inside)))
        correlation = float(np.sqrt(max(0.0, 1 - np.sum(rest**2) / np.sum(t**2))))
        slope = response[0] + 2 * response[1] * _tiles(seen)
        ways = (gy, gx) if shift_only else (gy, gx, gy * x - gx * y, gy * y + gx * x)
        moves = _without(levels, np.stack([detail(m) for m in ways]) * slope)[1]
        step = np.zeros(4)
        step[: len(ways)] = _least_squares(moves.reshape(len(ways), -1).T, rest.ravel())
        now = _composed(now, *(float(s) for s in step[:4]))
        turn = float(np.hypot(step[2], step[3])) * float(np.hypot(*shape)) / 2
        if float(np.hypot(step[0], step[1])) + turn < 1e-3:
            break
    return Registration(
        (now.shift_px[0] * factor, now.shift_px[1] * factor), now.rotation_deg, now.scale, residual, correlation
    )


def _tiles(image: Float) -> Float:
    """Square tiles (n, pixels), the border filled up with zeros."""
    rows, cols = (-(-n // TILE_PX) for n in image.shape)
    whole = np.zeros((rows * TILE_PX, cols * TILE_PX))
    whole[: image.shape[0], : image.shape[1]] = image
    return whole.reshape(rows, TILE_PX, cols, TILE_PX).swapaxes(1, 2).reshape(rows * cols, -1)


def _without(levels: Float, images: Float) -> tuple[Float, Float]:
    """Fit `levels` (2, tiles, pixels) to each of `images` in every tile; the first fit, and what is left of all."""
    gram = np.einsum("atp,btp->tab", levels, levels)
    gram += np.eye(2) * np.maximum(np.trace(gram, axis1=1, axis2=2), 1e-30)[:, None, None] * 1e-9
    fit = np.linalg.solve(gram, np.einsum("atp,itp->tai", levels, images))
    return fit[:, :, 0].T[:, :, None], images - np.einsum("atp,tai->itp", levels, fit)


def _least_squares(columns: Float, wanted: Float) -> Float:
    """Solution by scaled normal equations; directions without any effect stay at zero."""
    size = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    size[size == 0] = 1.0
    scaled = columns / size
    return np.asarray(np.linalg.lstsq(scaled.T @ scaled, scaled.T @ wanted, rcond=1e-10)[0] / size)


def _composed(now: Registration, dy: float, dx: float, turn: float, stretch: float) -> Registration:
    """`now` after a small move of the blurred image's own grid."""
    angle = np.deg2rad(now.rotation_deg)
    c, s = now.scale * np.cos(angle), now.scale * np.sin(angle)
    return Registration(
        (float(now.shift_px[0] + c * dy + s * dx), float(now.shift_px[1] + c * dx - s * dy)),
        now.rotation_deg + float(np.rad2deg(turn)),
        now.scale * (1 + stretch),
    )


def _shrunk(image: Float, factor: int) -> Float:
    """Mean over blocks; the middle is kept."""
    if factor == 1:
        return image
    rows, cols = (n // factor * factor for n in image.shape)
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - cols) // 2
    cut = image[top : top + rows, left : left + cols]
    return np.asarray(cut.reshape(rows // factor, factor, cols // factor, factor).mean(axis=(1, 3)))
