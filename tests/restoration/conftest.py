"""A model whose network is a function: what a restoration makes of an answer, without any training in it."""

from types import SimpleNamespace

import numpy as np
import pytest

from coldray.physics.curves import FrequencyCurve
from coldray.physics.prior import ObjectPrior
from coldray.restoration.gate_constants import EvenConstants


class _Answers:
    name, sha256, settings_sha256 = "answers", "0" * 64, "1" * 64
    prior, domain = ObjectPrior(), None
    even, engine = EvenConstants(), SimpleNamespace(stride=8)

    def __init__(self, change, share):
        self._change, self.header = change, {"method": "cold", "family": {}}
        self.consistency_share = FrequencyCurve([0, 1], [share, share])

    def check_fits(self, method, name):
        pass

    def warnings_for(self, conditions):
        return []

    def familiar(self, frame, degradation):
        return frame

    def predictor(self, progress=None, device="cpu"):
        def answer(channels, conditions):
            return self._change(np.array(channels[1]))

        answer.evaluations = 1
        return answer


@pytest.fixture(scope="session")
def answers():
    """Model whose network answers what a function makes of the linear estimate it is shown; itself by default."""

    def build(change=lambda image: image, share=0.0):
        return _Answers(change, share)

    return build
