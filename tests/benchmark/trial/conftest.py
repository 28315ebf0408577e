"""A small trial of simulated even frames, without a network."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from coldray.benchmark.trial.answers import Answers, Given
from coldray.benchmark.trial.cases import Simulated, Source
from coldray.benchmark.trial.package import make_trial, write_trial
from coldray.physics.detector import load_detector
from coldray.physics.noise import NoiseModel
from coldray.radiograph import Acquisition, Radiograph
from coldray.restoration.job import Job

READERS = ("A", "B")
SIMULATED = Simulated(sizes_mm=(0.2, 0.3), contrast=0.5, cases=9, field_px=64)
JOB = Job(method="wiener", model=None, blurred="gos135", sharp="gos34", exposure_s=1.0)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def frame(random_state, shape=(200, 200)):
    """Simulated: even ground with the noise of the thick screen at 1 s."""
    even = np.full(shape, 0.5, dtype=np.float32)
    noisy = even + NoiseModel.of_detector(load_detector("gos135"), 1.0).draw(even, np.random.default_rng(random_state))
    return Radiograph(
        np.rint(50000 * noisy).astype(np.uint16), Acquisition(pixel_pitch_mm=0.048, open_beam=50000.0, linear=True)
    )


def a_source(number=0, **changes):
    return replace(Source(f"{number}.tif", f"{number:064d}", frame(number)), **changes)


def made(readers=READERS, what=SIMULATED, job=JOB, random_state=1, **more):
    sources = more.pop("sources", [a_source(0)])
    return make_trial(sources, what, job, readers, random_state=random_state, washout_days=0, **more)


@pytest.fixture(scope="session")
def small():
    return made()


@pytest.fixture
def written(small, tmp_path):
    """The package and the truth of a small trial."""
    folder, sealed = tmp_path / "trial", tmp_path / "trial.sealed.json"
    write_trial(small, folder, sealed)
    return folder, sealed


@pytest.fixture(scope="session")
def make():
    return made


@pytest.fixture(scope="session")
def source():
    return a_source


def reads(manifest, reader, folder, answer, pause_days=0.0):
    """Answer every image as a function of its token says; an image a minute."""
    folder.mkdir(exist_ok=True)
    one, at = Answers(manifest, reader, folder), BEGAN
    while (token := one.next_item) is not None:
        if one.opens_at is not None:
            at += timedelta(days=pause_days)
        at += timedelta(minutes=1)
        given = answer(token)
        one.take(Given(item=token, **given), lambda at=at: at)
    return one


@pytest.fixture(scope="session")
def read_all():
    return reads
