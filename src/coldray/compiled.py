"""Cosine transforms and special functions of scipy; in a command without the packages round them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_PACKAGES = ("scipy.fft", "scipy.fft._pocketfft", "scipy.special")
_COMPILED = {"zeta": "_zeta"}
"""Names that compiled functions have where the package's own differ."""
_alone: dict[str, Any] = {}
"""What was loaded without its package: "dct" and "special"."""


def load_alone() -> None:
    """Load the compiled parts by themselves: for a command, before any other thread of its process begins.

    Notes
    -----
    The packages `scipy.fft` and `scipy.special` load numpy's reader of Fortran, its test tools, and a parser of docstrings,
    which takes five times what their compiled parts take. While these are loaded, empty packages stand where the packages
    will be, in which another thread would find nothing: a process that is not ours gets scipy as it is. So does one that
    has a package already, and one in which a compiled part is missing or does not do what it should.
    """
    transform = getattr(_part("scipy.fft._pocketfft", "pypocketfft"), "dct", None)
    if transform is not None and _sums_ones(transform):
        _alone["dct"] = transform
    functions = _part("scipy.special", "_ufuncs")
    if functions is not None:
        _alone["special"] = functions


def _part(package: str, name: str) -> ModuleType | None:
    """Compiled module of a package of scipy without the package; None if it is to be had in no such way."""
    if package in sys.modules:
        return None
    import scipy

    standing: list[str] = []
    try:
        for place in _PACKAGES:
            if f"{package}.".startswith(f"{place}.") and place not in sys.modules:
                empty = ModuleType(place)
                empty.__path__ = [f"{scipy.__path__[0]}/{place.partition('.')[2].replace('.', '/')}"]
                sys.modules[place] = empty
                standing.append(place)
        return importlib.import_module(f"{package}.{name}")
    except (ImportError, AttributeError):
        # the second where a part looks for more in its package than its own name
        return None
    finally:
        for place in standing:
            del sys.modules[place]


def _sums_ones(transform: Any) -> bool:
    """Whether a compiled transform still takes what `cosines` gives it."""
    try:
        found = transform(np.ones((2, 8), np.float32), 2, [0, 1], 1, None, 1, None)
    except TypeError:
        return False
    return found.dtype == np.float32 and np.allclose(found.ravel(), [4.0] + [0.0] * 15, atol=1e-6)


def cosines(
    image: NDArray[Any], axes: tuple[int, ...], *, inverse: bool = False, overwrite: bool = False
) -> NDArray[Any]:
    """Orthonormal DCT-II along axes of an array, or its inverse, on one thread.

    Parameters
    ----------
    image : ndarray
        Single precision stays single.
    axes : tuple of int
    inverse : bool
    overwrite : bool
        Whether the result may take the array's place.

    Returns
    -------
    ndarray, shape of `image`
        The same bits as `scipy.fft.dctn` and `idctn` give.
    """
    transform = _alone.get("dct")
    # neither takes the place of an array of another class, as those on disk are
    image = np.asarray(image)
    if transform is None or image.dtype not in (np.float32, np.float64) or not image.dtype.isnative:
        import scipy

        whole = scipy.fft.idctn if inverse else scipy.fft.dctn
        return np.asarray(whole(image, axes=axes, norm="ortho", overwrite_x=overwrite))
    places = [axis % image.ndim for axis in axes]
    return np.asarray(transform(image, 3 if inverse else 2, places, 1, image if overwrite else None, 1, None))


def special(name: str) -> Any:
    """Special function by the name that `scipy.special` gives it."""
    found = getattr(_alone.get("special"), _COMPILED.get(name, name), None)
    if found is None:
        import scipy

        found = getattr(scipy.special, name)
    return found


def trigamma(x: ArrayLike) -> NDArray[np.float64]:
    """Second derivative of the logarithm of the gamma function, as `scipy.special.polygamma(1, x)`."""
    return np.asarray(special("zeta")(2.0, np.asarray(x, dtype=np.float64)))
