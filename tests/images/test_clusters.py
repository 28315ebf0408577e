"""Clusters of a mask, group of rows by group of rows."""

import numpy as np
import pytest
import scipy

from coldray.images._clusters import clusters


@pytest.mark.parametrize("share", [0.0, 0.004, 0.05, 0.3, 1.0])
def test_they_are_those_of_the_whole_mask(share):
    mask = np.random.default_rng(1).random((90, 70)) < share
    labels, _ = scipy.ndimage.label(mask, np.ones((3, 3), dtype=bool))
    boxes = scipy.ndimage.find_objects(labels)
    found = clusters(mask)
    assert [box for box, _, _ in found] == boxes
    for number, (box, part, side) in enumerate(found, 1):
        np.testing.assert_array_equal(part, labels[box] == number)
        assert side == max(part.shape)
