"""A model without a network file: its network answers with a linear estimate, or with what a test says."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from coldray.benchmark.paper import scenes
from coldray.benchmark.paper.scenes import BoardSet
from coldray.physics.curves import FrequencyCurve
from coldray.physics.prior import ObjectPrior
from coldray.restoration.gate_constants import EvenConstants


class Predictor:
    def __init__(self, answer):
        self.answer, self.evaluations = answer, 0

    def __call__(self, channels, conditions):
        self.evaluations += 1
        return np.asarray(self.answer(channels, conditions), dtype=np.float32)


def linear_estimate(channels, conditions):
    return channels[1] if len(channels) == 3 else channels[2]


@dataclass(frozen=True, eq=False)
class FakeModel:
    method: str = "cold"
    answer: object = linear_estimate
    share: float = 0.0
    name: str = "fake"
    sha256: str = "0" * 64
    prior: ObjectPrior = field(default_factory=ObjectPrior)
    engine: object = field(default_factory=lambda: SimpleNamespace(stride=8))

    @property
    def header(self):
        return {"method": self.method, "training": {"steps": 7}}

    @property
    def even(self):
        return EvenConstants()

    @property
    def consistency_share(self):
        return FrequencyCurve([0.0, 0.5], [self.share, self.share])

    @property
    def settings_sha256(self):
        return "1" * 64

    def named(self):
        return {"name": self.name, "sha256": self.sha256, "settings_sha256": self.settings_sha256}

    def predictor(self, progress=None, device="cpu"):
        return Predictor(self.answer)

    def check_fits(self, method, name):
        assert method.LEARNS

    def warnings_for(self, conditions):
        return []

    def familiar(self, frame, degradation):
        return frame


@pytest.fixture(scope="session")
def fake():
    return FakeModel


@pytest.fixture(scope="session")
def one_board():
    """Scenes of one small test board: both kinds, 1 and 0.05 s."""
    return next(scenes.board_scenes(BoardSet(("handheld",), 1, 128, 31), (1.0, 0.05)))
