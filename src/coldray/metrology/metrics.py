"""Image metrics with their convention stated: data range, border and gain matching."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from coldray.document import Json
from coldray.errors import ImageError


@dataclass(frozen=True)
class Convention:
    """How two images are compared.

    Parameters
    ----------
    data_range : float
        Span of the scale; 1 is the open beam.
    border_px : int
        Pixels left out at each side.
    match_gain : bool
        Whether the result is first multiplied by the one number that minimises the squared error.
    """

    data_range: float = 1.0
    border_px: int = 16
    match_gain: bool = True

    def to_dict(self) -> dict[str, Json]:
        """JSON-able form, to be stored with every result."""
        return asdict(self) | {"ssim": "Wang 2004: Gaussian window sigma 1.5, K1 0.01, K2 0.03, population covariance"}


def inner_pair(
    result: NDArray[np.number], truth: NDArray[np.number], convention: Convention
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both images without the border, the result with its gain matched if the convention says so.

    Parameters
    ----------
    result, truth : ndarray, shape (rows, cols)
    convention : Convention
        Data range, border and gain.

    Returns
    -------
    result, truth : ndarray, float64

    Raises
    ------
    ImageError
        If shapes differ, or the images are too small for the border.
    """
    if result.shape != truth.shape or truth.ndim != 2:
        raise ImageError(f"two images of one shape (rows, cols) are compared; found {result.shape} and {truth.shape}")
    b = convention.border_px
    if min(truth.shape) < 2 * b + 16:
        raise ImageError(f"the images are {truth.shape}; with a border of {b} pixels at least {2 * b + 16} are needed")
    inner = slice(b, -b if b else None)
    x, t = np.asarray(result[inner, inner], dtype=np.float64), np.asarray(truth[inner, inner], dtype=np.float64)
    return (x * gain_to(x, t), t) if convention.match_gain else (x, t)


def gain_to(result: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Return the factor on `result` that minimises the squared error to `truth`.

    Parameters
    ----------
    result, truth : ndarray of one shape

    Returns
    -------
    float
        <result, truth> / <result, result>; 1 for an image of zeros.
    """
    power = float(np.vdot(result, result))
    return float(np.vdot(result, truth)) / power if power > 0 else 1.0


def psnr_db(result: NDArray[np.number], truth: NDArray[np.number], convention: Convention | None = None) -> float:
    """Peak signal-to-noise ratio, 10 log10(L^2 / MSE) [dB]; infinite for equal images.

    Parameters
    ----------
    result, truth : ndarray, shape (rows, cols)
    convention : Convention, optional
        Data range, border and gain; the default one by default.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.metrology.metrics import Convention, psnr_db
    >>> truth = np.zeros((40, 40))
    >>> round(psnr_db(truth + 0.01, truth, Convention(border_px=0, match_gain=False)), 6)
    40.0
    """
    how = convention or Convention()
    x, t = inner_pair(result, truth, how)
    error = float(np.mean((x - t) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(how.data_range**2 / error))


def ssim_map(
    result: NDArray[np.number], truth: NDArray[np.number], convention: Convention | None = None
) -> tuple[float, NDArray[np.float64]]:
    """Mean structural similarity and its map over the inner pixels.

    Parameters
    ----------
    result, truth : ndarray, shape (rows, cols)
    convention : Convention, optional
        Data range, border and gain; the default one by default.

    Returns
    -------
    mean : float
    map : ndarray, shape (rows, cols) without the border

    References
    ----------
    Wang et al., IEEE TIP 13 (2004) 600: Gaussian window of sigma 1.5, population covariance.
    """
    from skimage.metrics import structural_similarity

    how = convention or Convention()
    x, t = inner_pair(result, truth, how)
    value, field = structural_similarity(
        t, x, data_range=how.data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return float(value), np.asarray(field)


def ssim(result: NDArray[np.number], truth: NDArray[np.number], convention: Convention | None = None) -> float:
    """Mean structural similarity, see `ssim_map`.

    Parameters
    ----------
    result, truth : ndarray, shape (rows, cols)
    convention : Convention, optional
        Data range, border and gain; the default one by default.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from coldray.metrology.metrics import ssim
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> round(ssim(image, image), 6)
    1.0
    """
    return ssim_map(result, truth, convention)[0]


def roi_snr(image: NDArray[np.number], roi: tuple[int, int, int, int]) -> float:
    """Mean over standard deviation in a box (x, y, width, height).

    Parameters
    ----------
    image : ndarray, shape (rows, cols)
    roi : (x, y, width, height)
        Box [pixels].

    Returns
    -------
    float
    """
    x, y, width, height = roi
    box = np.asarray(image[y : y + height, x : x + width], dtype=np.float64)
    if box.size == 0:
        raise ImageError(f"the box {roi} lies outside the image of {image.shape}")
    spread = float(box.std())
    return float("inf") if spread == 0 else float(box.mean()) / spread
