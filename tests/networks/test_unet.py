"""The paper's kind of network: finite reach, tiles equal the whole, told what it is told."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from coldray.methods import ddim  # noqa: E402
from coldray.networks.unet import Network  # noqa: E402
from coldray.restoration.engines import TorchEngine  # noqa: E402
from coldray.restoration.tiles import TiledPredictor  # noqa: E402

pytestmark = pytest.mark.torch


def small(seed=0, **more):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = Network(**({"width": 2, "blocks": 1, "kernel": 3, "embedding": 8} | more)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            fan = max(1, weight[0].numel()) if weight.ndim > 1 else 16
            weight.copy_(torch.randn_like(weight) / fan**0.5)
    return network


def inputs(rows, cols, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, rows, cols, generator=generator), torch.rand(1, 11, generator=generator)


@pytest.mark.parametrize("settings", [{}, {"unshuffle": 2}, {"kernel": 5}, {"blocks": 2}])
def test_reach_by_gradient_is_exactly_what_is_stated(settings):
    network = small(**settings).double()
    half = -(-(network.radius + 8) // network.stride) * network.stride
    reach = 0
    for offset in range(0, network.stride, 1 if network.stride == 16 else 3):
        # one long strip: the reach is the same along both axes
        channels = torch.rand(1, 3, network.stride, 2 * half + network.stride, dtype=torch.float64, requires_grad=True)
        network(channels, torch.rand(1, 11, dtype=torch.float64))[0, 0, 3, half + offset].backward()
        touched = np.flatnonzero(channels.grad.abs().sum(dim=(0, 1, 2)).numpy()) - (half + offset)
        reach = max(reach, int(np.abs(touched).max()))
    assert reach <= network.radius
    assert reach >= network.radius - 2 * network.unshuffle, "the statement is not loose"


@pytest.mark.parametrize("settings", [{}, {"unshuffle": 2, "residual": 1}])
def test_tiled_equals_whole(settings):
    rng = np.random.default_rng(0)
    channels = tuple(rng.uniform(0, 1, (600, 70)).astype(np.float32) for _ in range(3))
    conditions = rng.uniform(0, 1, 11).astype(np.float32)
    engine = TorchEngine(small(**settings))
    whole = TiledPredictor(engine)
    tiled = TiledPredictor(engine, budget_pixels=(600 + 2 * whole.border) * (70 + 2 * whole.border) - 1)
    assert len(list(tiled._tiles(600, 70))) > 1
    np.testing.assert_allclose(tiled(channels, conditions), whole(channels, conditions), atol=1e-5)


def test_brightness_far_away_does_not_matter():
    network = small()
    channels, conditions = inputs(8, 4 * network.stride + 2 * (network.radius // 8 + 1) * 8)
    bright = channels.clone()
    bright[..., : network.stride] *= 50
    with torch.no_grad():
        first, second = network(channels, conditions), network(bright, conditions)
    assert torch.allclose(first[..., -network.stride :], second[..., -network.stride :], atol=1e-6)
    kinds = {type(m).__name__ for m in network.modules()}
    assert not {k for k in kinds if "Pool" in k or "Attention" in k or "Dropout" in k}
    assert {k for k in kinds if "Norm" in k} == {"ChannelNorm"}


def test_four_levels_and_their_widths():
    network = Network(width=4, blocks=1)
    assert network.stride == 16
    assert [s[0].spread.in_channels for s in network.down] + [network.middle[0].spread.in_channels] == [4, 8, 16, 32]


def test_a_residual_network_starts_as_the_image_it_corrects():
    channels, conditions = inputs(16, 24)
    network = Network(width=2, blocks=1, embedding=8, residual=1)
    with torch.no_grad():
        assert torch.equal(network(channels, conditions), channels[:, 1:2])
        assert not torch.allclose(Network(width=2, blocks=1, embedding=8)(channels, conditions), channels[:, 1:2])
    (network(channels, conditions) - channels[:, :1]).square().mean().backward()
    assert network.tail.weight.grad.abs().max() > 0


def test_the_papers_sees_the_state_and_the_time_alone():
    network = small(shown=[0], told=[0])
    channels, conditions = inputs(16, 16)
    with torch.no_grad():
        plain = network(channels, conditions)
        others, more = channels.clone(), conditions.clone()
        others[:, 1:] += 1
        more[:, 1:] += 1
        assert torch.equal(network(others, more), plain)
        more[:, 0] += 0.1
        assert not torch.allclose(network(channels, more), plain, atol=1e-4)
        others[:, 0] += 0.1
        assert not torch.allclose(network(others, conditions), plain, atol=1e-4)


def test_all_conditions_reach_the_result():
    network = small()
    channels, conditions = inputs(16, 16)
    with torch.no_grad():
        plain = network(channels, conditions)
        for i in (0, 5, 10):
            changed = conditions.clone()
            changed[0, i] += 0.3
            assert not torch.allclose(network(channels, changed), plain, atol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"shown": (0, 2), "told": [0], "residual": 0, "unshuffle": 2}])
def test_settings_rebuild_the_network(settings):
    network = small(**settings)
    again = Network(**json.loads(json.dumps(network.settings)))
    again.load_state_dict(network.state_dict())
    assert again.settings == network.settings
    assert (again.radius, again.stride) == (network.radius, network.stride)
    channels, conditions = inputs(32, 16)
    with torch.no_grad():
        assert torch.equal(again.eval()(channels, conditions), network(channels, conditions))


def test_it_fits_conditional_diffusion():
    network = small(channels=len(ddim.CHANNELS), conditions=len(ddim.CONDITIONS))
    channels, _ = inputs(16, 16, channels=4)
    conditions = torch.rand(1, len(ddim.CONDITIONS))
    with torch.no_grad():
        assert network(channels, conditions).shape == (1, 1, 16, 16)


def test_examples_of_a_batch_do_not_meet():
    network = small()
    a, b = inputs(16, 16, seed=1), inputs(16, 16, seed=2)
    with torch.no_grad():
        both = network(torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]]))
        assert torch.allclose(both, torch.cat([network(*a), network(*b)]), atol=1e-5)
