"""Muon: steps of equal size in every direction of a layer's weight matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor
    from torch.nn import Parameter

__all__ = ["Muon"]

#: Newton-Schulz iteration: its coefficients and how often it runs (Jordan et al.).
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_NUM_ITERATIONS = 5
#: Fewer channels than this on either side: image or attention layers, left to Adam.
_SMALLEST_SIDE = 16


def _is_hidden(weight: Tensor) -> bool:
    """Whether a weight is a spatial kernel between two layers of features."""
    return (
        weight.ndim == 4
        and weight.shape[-1] > 1
        and min(weight.shape[:2]) >= _SMALLEST_SIDE
    )


def _orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values near 1 (0.7 to 1.2)."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_NUM_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for the kernels between hidden layers, Adam for everything else.

    A kernel (out, in, k, k) counts as the matrix (out, in k k). Its steps are scaled to
    the size of Adam's, so that one learning rate serves both. PyTorch's own Muon takes
    matrices only.

    Parameters
    ----------
    weights : iterable of Parameter
    lr : float
        Learning rate.
    weight_decay : float
        Decoupled, as in AdamW.
    momentum : float
        Of Muon, Nesterov's.
    betas : (float, float)
        Of Adam.
    eps : float
        Of Adam.

    References
    ----------
    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    J. Liu et al., "Muon is Scalable for LLM Training", 2025, eq. 4 (size of a step).
    """

    def __init__(
        self,
        weights: Iterable[Parameter],
        lr: float = 1e-3,
        *,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "betas": betas,
            "eps": eps,
        }
        super().__init__(weights, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; `closure`, when given, computes the loss again before it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                update = self._muon if _is_hidden(weight) else self._adam
                step = update(self.state[weight], weight.grad, group)
                weight.sub_(step, alpha=group["lr"])
        return loss

    def _muon(
        self, state: dict[str, Tensor], gradient: Tensor, group: dict[str, Any]
    ) -> Tensor:
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        mean, share = state["momentum"], group["momentum"]
        mean.lerp_(gradient, 1 - share)
        ahead = gradient.lerp(mean, share).flatten(1).float()
        size: float = 0.2 * max(ahead.shape) ** 0.5  # root mean square as Adam's
        return (_orthogonalised(ahead) * size).to(gradient.dtype).view(gradient.shape)

    def _adam(
        self, state: dict[str, Tensor], gradient: Tensor, group: dict[str, Any]
    ) -> Tensor:
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(gradient)
            state["square"] = torch.zeros_like(gradient)
        state["step"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient**2, 1 - second)
        count = float(state["step"])
        mean = state["mean"] / (1 - first**count)
        root = (state["square"] / (1 - second**count)).sqrt()
        return mean / (root + group["eps"])
