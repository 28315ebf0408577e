"""Pruned networks: what is kept answers as before, and nothing that is kept changes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from coldray.errors import SettingsError  # noqa: E402
from coldray.networks.compact import Network  # noqa: E402
from coldray.training.prune import pruned  # noqa: E402


def trained(**settings):
    """Small network whose weights are all at work."""
    torch.manual_seed(1)
    network = Network(3, 5, width=16, deep_width=12, blocks=(2, 1, 2), embedding=8, **settings).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.2 * torch.randn_like(weight))
    return network


def images(count=2, conditions=5):
    rng = np.random.default_rng(2)
    return [
        (rng.random((1, 3, 32, 40), dtype=np.float32), rng.random((1, conditions), dtype=np.float32))
        for _ in range(count)
    ]


def answer(network, shown):
    with torch.no_grad():
        return network(*(torch.from_numpy(part) for part in shown)).numpy()


def test_nothing_pruned_answers_the_same_and_new_conditions_say_nothing():
    channels, told = images()[0]
    wide = Network(3, 5, width=12, deep_width=12, blocks=(1, 1, 1), embedding=8)
    with torch.no_grad():
        for weight in wide.parameters():
            weight.copy_(0.2 * torch.randn_like(weight))
    expected = answer(wide, (channels, told))
    more = np.concatenate([told, np.random.default_rng(0).random((1, 2), dtype=np.float32)], axis=1)
    same = pruned(wide, (1, 1, 1), 12, 7, images())
    assert same.settings["hidden"] == 12
    np.testing.assert_allclose(answer(same, (channels, more)), expected, rtol=1e-4, atol=1e-4)


def test_channels_without_any_effect_go_first():
    network = trained()
    dead = {}
    with torch.no_grad():
        for level in ("before", "deep", "after"):
            for number, block in enumerate(getattr(network, level)):
                lost = torch.randperm(block.first.out_channels)[: block.first.out_channels - 8]
                block.second.weight[:, lost] = 0
                dead[level, number] = lost
    shown = images()
    expected = answer(network, shown[0])
    np.testing.assert_allclose(answer(pruned(network, (2, 1, 2), 8, 5, shown), shown[0]), expected, atol=1e-5)


def test_blocks_that_are_the_identity_may_go():
    network = trained()
    with torch.no_grad():
        for block in (network.before[1], network.deep[0], network.after[0]):
            block.second.weight.zero_()
            block.second.bias.zero_()
    shown = images()
    expected = answer(network, shown[0])
    slim = pruned(network, (1, 0, 1), 12, 5, shown)
    assert slim.radius < trained().radius
    # width 16 has 16 hidden channels; of the kept blocks all but the weakest four remain
    wide = answer(slim, shown[0])
    assert np.corrcoef(wide.ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("blocks", "hidden", "conditions", "words"),
    [((3, 1, 2), 8, 5, "blocks"), ((2, 1, 2), 17, 5, "hidden"), ((2, 1, 2), 8, 4, "conditions")],
)
def test_more_than_there_is_cannot_be_kept(blocks, hidden, conditions, words):
    with pytest.raises(SettingsError, match=words):
        pruned(trained(), blocks, hidden, conditions, images())
