"""Muon: momentum whose update of every convolution is made orthogonal; Adam for all other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz step that drives all singular values towards 1 (Jordan et al.)."""
ITERATIONS = 5
SMALLEST_MATRIX = 64
"""Convolutions with fewer outputs or inputs than this (first and last layers) are left to Adam."""


def orthogonalised(matrix: Tensor) -> Tensor:
    """Matrix of the same singular vectors with all singular values near 1 (0.7 to 1.2).

    Parameters
    ----------
    matrix : Tensor, shape (n, m)

    Returns
    -------
    Tensor, float32, shape (n, m)

    Notes
    -----
    Five quintic Newton-Schulz steps in bfloat16, whose rounding only moves the singular values within their spread.
    """
    a, b, c = QUINTIC
    x = matrix.to(torch.bfloat16)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()


def split_weights(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Weights for Muon (wide convolutions) and for Adam (all others), each in the network's order."""
    wide: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for weight in network.parameters():
        is_wide = weight.ndim == 4 and min(weight.shape[:2]) >= SMALLEST_MATRIX
        (wide if is_wide else others).append(weight)
    return wide, others


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, for convolution weights.

    Parameters
    ----------
    weights : iterable of Parameter, shape (out, in, rows, cols)
        Each is taken as a matrix (out, in * rows * cols).
    lr : float
        Update size: the rms of an update is about ``lr * sqrt(max(1, out / m) / max(out, m))``, m the columns.
    momentum : float

    References
    ----------
    Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(state["momentum"], group["momentum"])
                matrix = ahead.reshape(ahead.shape[0], -1)
                size = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                weight.add_(orthogonalised(matrix).reshape(weight.shape), alpha=-group["lr"] * size)
