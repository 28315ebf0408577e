"""Compiled parts of scipy: the same bits with and without their packages, and packages that are whole afterwards."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy

from coldray import compiled
from coldray.compiled import cosines, special, trigamma

RNG = np.random.default_rng(0)
IMAGE = RNG.random((3, 40, 50)).astype(np.float32)
NAMES = {
    "gammaincc": (3.0, 2.0),
    "gammainccinv": (2.0, 1e-7),
    "gammaincinv": (3.0, 0.1),
    "psi": (4.2,),
    "erf": (0.3,),
    "erfinv": (0.4,),
}

ALONE = """
import sys
import numpy as np
from coldray.compiled import cosines, load_alone, special, trigamma
load_alone()
image = np.arange(60.0).reshape(6, 10)
alone = cosines(image, (-2, -1)), cosines(image.astype(np.float32), (0,), inverse=True), special("gammaincinv")(3.0, 0.1), trigamma(2.5)
mapped = image.copy().view(np.memmap)  # as an array on disk
assert np.array_equal(cosines(mapped, (-2, -1), overwrite=True), alone[0])
loaded = [name for name in ("scipy.fft", "scipy.special", "numpy.f2py", "numpy.testing") if name in sys.modules]
assert not loaded, loaded
import scipy.fft, scipy.special, scipy.stats
whole = (
    scipy.fft.dctn(image, norm="ortho"),
    scipy.fft.idct(image.astype(np.float32), axis=0, norm="ortho"),
    scipy.special.gammaincinv(3.0, 0.1),
    scipy.special.polygamma(1, 2.5),
)
assert all(np.array_equal(one, other) and one.dtype == other.dtype for one, other in zip(alone, whole)), (alone, whole)
assert scipy.stats.chi2.ppf(0.5, 4) > 3 and np.array_equal(cosines(image, (-2, -1)), whole[0])
"""


def test_alone_gives_the_same_bits_and_leaves_the_packages_whole() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has loaded neither package, whose compiled parts are to be looked for."""
    for name in [one for one in sys.modules if one.startswith(("scipy.fft", "scipy.special"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(compiled, "_alone", {})


@pytest.mark.parametrize(
    "part",
    [
        ModuleNotFoundError("no such part"),
        AttributeError("looked for in the package"),
        SimpleNamespace(),
        SimpleNamespace(dct=lambda: None),
        SimpleNamespace(dct=lambda image, *rest: image.copy()),
    ],
    ids=["missing", "in need of its package", "without the function", "with other arguments", "with another meaning"],
)
@pytest.mark.usefixtures("no_packages")
def test_a_part_that_is_another_is_left_to_scipy(part: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def imported(name: str) -> object:
        if isinstance(part, Exception):
            raise part
        return part

    monkeypatch.setattr(compiled.importlib, "import_module", imported)
    compiled.load_alone()
    assert "dct" not in compiled._alone
    assert not [one for one in compiled._PACKAGES if one in sys.modules]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", np.int32])
def test_cosines_are_those_of_scipy(dtype: str) -> None:
    image = (100 * IMAGE).astype(dtype)
    for axes in ((-2, -1), (0,), (1, 2)):
        assert np.array_equal(cosines(image, axes), scipy.fft.dctn(image, axes=axes, norm="ortho"))
        assert np.array_equal(cosines(image, axes, inverse=True), scipy.fft.idctn(image, axes=axes, norm="ortho"))


@pytest.mark.parametrize("name", NAMES)
def test_special_functions_are_those_of_scipy(name: str) -> None:
    assert special(name)(*NAMES[name]) == getattr(scipy.special, name)(*NAMES[name])


def test_trigamma_is_that_of_scipy() -> None:
    at = np.array([0.5, 1.0, 7.5, 400.0])
    assert np.array_equal(trigamma(at), scipy.special.polygamma(1, at))
