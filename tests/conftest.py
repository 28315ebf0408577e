"""One thread, no deadlines, signals as in a terminal, the two built-in detectors, the command line in this process."""

# ruff: noqa: E402

import errno
import io
import os
import signal
from collections import Counter

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# In the background, under nohup or in a detached job these arrive ignored, and every process started here inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from coldray.degradations import mtf_blend
from coldray.frame import Frame
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.physics.pair import DetectorPair

# The examples of `make test` are the same in every run, so that its verdict says something of the code alone; those of
# `make test-random` (--hypothesis-profile=search) are others each time and look for what these miss.
settings.register_profile(
    "search", deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
settings.register_profile("coldray", settings.get_profile("search"), derandomize=True)
settings.load_profile("coldray")


@pytest.fixture(scope="session")
def torch():
    """Torch on one thread; tests that need it are skipped where it is not installed."""
    module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


@pytest.fixture(scope="session")
def pair():
    return DetectorPair(load_detector("gos135"), load_detector("gos34"))


@pytest.fixture(scope="session")
def blend(pair):
    return mtf_blend.Degradation(pair)


@pytest.fixture
def frame_of(pair):
    """Frame of the built-in pair at 0.25 s around any image."""

    def build(image, using=None, exposure_s=0.25):
        using = using or pair
        return Frame(image, using, NoiseModel.of_detector(using.blurred, exposure_s))

    return build


@pytest.fixture
def picture():
    """Float64 image with structure at all scales, 40 x 56 pixels, around half of the open beam."""
    rng = np.random.default_rng(5)
    steps = np.kron(rng.uniform(0.1, 0.9, (5, 7)), np.ones((8, 8)))
    return steps + 0.02 * rng.standard_normal(steps.shape)


@pytest.fixture
def call(capsys):
    """Run the command line in this process; returns exit code, stdout and stderr."""
    from coldray.app.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return left.value.code, out, err

    return run


@pytest.fixture
def failing_disk():
    """Let the n-th call of a kind (open, write, fsync, rename) of coldray's writer fail; gives the counts back."""

    def plant(monkeypatch, kind="", number=0, code=errno.ENOSPC):
        seen = Counter()

        def meet(what):
            seen[what] += 1
            if (what, seen[what]) == (kind, number):
                raise OSError(code, os.strerror(code))

        class Raw(io.FileIO):
            def write(self, data):
                meet("write")
                return super().write(data)

        def opened(path, mode="r", *rest, **more):
            if "x" not in mode:
                return open(path, mode, *rest, **more)
            meet("open")
            return io.BufferedRandom(Raw(path, "x+"))

        fsync, replace = os.fsync, os.replace
        monkeypatch.setattr("coldray.files.open", opened, raising=False)
        monkeypatch.setattr("coldray.files.os.fsync", lambda handle: (meet("fsync"), fsync(handle))[1])
        monkeypatch.setattr("coldray.files.os.replace", lambda a, b: (meet("rename"), replace(a, b))[1])
        return seen

    return plant
