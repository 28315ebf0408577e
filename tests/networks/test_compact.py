"""The default network: starts as the linear estimate, reaches no further than it says, knows no global statistics."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from coldray.networks.compact import Network  # noqa: E402
from coldray.restoration.engines import TorchEngine  # noqa: E402
from coldray.restoration.tiles import TiledPredictor  # noqa: E402

pytestmark = pytest.mark.torch


def small(blocks=(1, 1, 1), seed=0, wild=True, **more):
    """Narrow network; `wild` gives every weight, the zero-initialised ones too, a random value."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = Network(width=16, deep_width=16, embedding=8, blocks=blocks, **more).eval()
    if wild:
        with torch.no_grad():
            for weight in network.parameters():
                fan = max(1, weight[0].numel()) if weight.ndim > 1 else 16
                weight.copy_(torch.randn_like(weight) / fan**0.5)
    return network


def inputs(rows, cols, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, rows, cols, generator=generator), torch.rand(1, 11, generator=generator)


def test_a_fresh_network_is_the_linear_estimate():
    channels, conditions = inputs(32, 40)
    with torch.no_grad():
        assert torch.equal(small(wild=False)(channels, conditions), channels[:, 1:2])
        assert not torch.allclose(small()(channels, conditions), channels[:, 1:2], atol=1e-3)


def test_a_fresh_network_can_learn():
    network = small(wild=False)
    channels, conditions = inputs(16, 16)
    (network(channels, conditions) - channels[:, :1]).square().mean().backward()
    assert network.tail.weight.grad.abs().max() > 0


@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 1, 1), (1, 2, 0)])
def test_reach_by_gradient_is_finite_and_no_more_than_stated(blocks):
    network = small(blocks)
    half = (network.radius // network.stride + 2) * network.stride
    reach = 0
    for offset in (0, 3, 4, 7):
        channels, conditions = inputs(2 * half + 8, 2 * half + 8)
        channels.requires_grad_()
        network(channels, conditions)[0, 0, half + offset, half + offset].backward()
        touched = np.argwhere(channels.grad.abs().sum(dim=(0, 1)).numpy() > 0) - (half + offset)
        reach = max(reach, int(np.abs(touched).max()))
    assert reach <= network.radius
    assert reach > network.radius * 0.7, "the statement is not so loose that tiles are wasted"


def test_reach_by_perturbation():
    network = small()
    side = 2 * (network.radius + 12) // 8 * 8
    channels, conditions = inputs(side, side)
    changed = channels.clone()
    changed[..., side // 2 + 3, side // 2 + 5] += 1
    with torch.no_grad():
        difference = (network(changed, conditions) - network(channels, conditions))[0, 0].abs().numpy()
    rows, cols = np.nonzero(difference)
    assert np.abs(rows - side // 2 - 3).max() <= network.radius
    assert np.abs(cols - side // 2 - 5).max() <= network.radius
    assert difference[side // 2 + 3, side // 2 + 5] > 0


def test_shift_equivariance_on_the_stride_grid():
    network = small()
    channels, conditions = inputs(160, 160)
    margin, s = network.radius, network.stride
    inner = slice(margin + 2 * s, 160 - margin - 2 * s)

    def shifted(rows, cols):
        out = network(torch.roll(channels, (rows, cols), (-2, -1)), conditions)
        return torch.roll(out, (-rows, -cols), (-2, -1))[..., inner, inner]

    with torch.no_grad():
        plain = network(channels, conditions)[..., inner, inner]
        assert plain.numel() > 100
        assert torch.allclose(shifted(s, 2 * s), plain, atol=1e-5)
        assert not torch.allclose(shifted(1, 0), plain, atol=1e-3)


def test_no_statistics_over_space_a_tile_is_the_whole():
    network = small()
    channels, conditions = inputs(192, 168)
    channels[..., :40] *= 50  # brightness far away must not matter
    margin = -(-network.radius // 8) * 8
    with torch.no_grad():
        whole = network(channels, conditions)
        tile = network(channels[..., 64 - margin : 104 + margin, 104 - margin :], conditions)
    assert torch.allclose(tile[..., margin : margin + 40, margin:], whole[..., 64:104, 104:], atol=1e-5)
    kinds = {type(m).__name__ for m in network.modules()}
    assert not {k for k in kinds if "Norm" in k or "Pool" in k or "Attention" in k or "Dropout" in k}


def test_examples_of_a_batch_do_not_meet():
    network = small()
    a, b = inputs(24, 24, 1), inputs(24, 24, 2)
    with torch.no_grad():
        both = network(torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]]))
        assert torch.allclose(both, torch.cat([network(*a), network(*b)]), atol=1e-5)


def test_conditions_reach_the_result():
    network = small()
    channels, conditions = inputs(24, 24)
    with torch.no_grad():
        assert not torch.allclose(network(channels, conditions), network(channels, conditions + 1), atol=1e-3)


def test_settings_rebuild_the_network():
    network = small(blocks=(2, 1, 0), channels=3, conditions=5)
    again = Network(**json.loads(json.dumps(network.settings)))
    again.load_state_dict(network.state_dict())
    assert again.settings == network.settings
    assert (again.radius, again.stride) == (network.radius, network.stride)
    channels, conditions = torch.rand(1, 3, 16, 24), torch.rand(1, 5)
    with torch.no_grad():
        assert torch.equal(again.eval()(channels, conditions), network(channels, conditions))


@pytest.mark.parametrize("shape", [(200, 168), (97, 131), (1, 1)])
def test_tiled_equals_whole(shape):
    rng = np.random.default_rng(0)
    channels = tuple(rng.uniform(0, 1, shape).astype(np.float32) for _ in range(3))
    conditions = rng.uniform(0, 1, 11).astype(np.float32)
    engine = TorchEngine(small())
    whole, tiled = TiledPredictor(engine), TiledPredictor(engine, budget_pixels=150**2)
    assert shape == (1, 1) or len(list(tiled._tiles(*shape))) > 1
    np.testing.assert_allclose(tiled(channels, conditions), whole(channels, conditions), atol=1e-5)
    assert whole.evaluations == tiled.evaluations == 1
