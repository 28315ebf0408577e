"""Muon: orthogonal updates of a stated size; only wide convolutions; resumes like Adam."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from coldray.errors import SettingsError  # noqa: E402
from coldray.training.loop import Training  # noqa: E402
from coldray.training.muon import SMALLEST_MATRIX, Muon, orthogonalised, split_weights  # noqa: E402
from coldray.training.pairs import PairSource  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("shape", [(96, 96), (64, 200), (200, 64)])
def test_singular_values_become_one_and_vectors_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    out = orthogonalised(matrix)
    u, size, v = np.linalg.svd(matrix.numpy(), full_matrices=False)
    core = u.T @ out.numpy() @ v.T
    # five steps lift a value by at most 3.4445^5: what is nearly zero stays below 1
    lifted = np.diag(core)[size > 0.004 * np.linalg.norm(size)]
    assert lifted.size > 0.9 * size.size
    assert np.all((lifted > 0.6) & (lifted < 1.3))
    assert np.all((np.diag(core) > 0) & (np.diag(core) < 1.3))
    assert np.abs(core - np.diag(np.diag(core))).max() < 0.05


def test_the_size_of_a_gradient_does_not_matter():
    a, b = (torch.nn.Parameter(torch.zeros(64, 64, 3, 3)) for _ in range(2))
    gradient = torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(1))
    a.grad, b.grad = gradient, 1e3 * gradient
    for weight in (a, b):
        Muon([weight], lr=0.1).step()
    torch.testing.assert_close(a, b, atol=2e-3, rtol=0.05)
    # 64 singular values of 0.7 to 1.2, spread over 64 * 576 entries
    assert 0.7 < float(a.detach().square().mean().sqrt()) / (0.1 / np.sqrt(576)) < 1.2


def test_only_wide_convolutions_are_split_off():
    net = torch.nn.Sequential(torch.nn.Conv2d(48, 128, 3), torch.nn.Conv2d(128, 128, 3), torch.nn.Linear(128, 128))
    wide, others = split_weights(net)
    assert [w.shape for w in wide] == [(128, 128, 3, 3)]
    assert len(others) == 5
    assert SMALLEST_MATRIX > 48


def test_a_run_with_muon_resumes_bit_for_bit_and_stays_with_it(fields, recipe_of, tmp_path):
    torch.set_num_threads(1)
    sections = {
        "optimiser": {"name": "muon"},
        "network": {"settings": {"width": 64, "deep_width": 64, "blocks": [1, 0, 0], "embedding": 8}},
    }

    def start(folder, **changed):
        recipe = recipe_of(**(sections | changed))
        return Training(recipe, *(PairSource(f, recipe) for f in fields), folder)

    straight = start(tmp_path / "straight")
    straight.run()
    start(tmp_path / "cut").run(stop_at=3)
    cut = start(tmp_path / "cut")
    cut.run()
    for name, weight in straight.network.state_dict().items():
        assert torch.equal(weight, cut.network.state_dict()[name]), name
    with pytest.raises(SettingsError, match="another optimiser"):
        start(tmp_path / "cut", optimiser={"name": "adam"})
