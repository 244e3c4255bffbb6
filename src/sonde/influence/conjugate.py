"""Influence by conjugate gradients: the whole curvature, of which only products with vectors are ever formed.

(H + damping) v = g is solved from products with the Gauss-Newton matrix, H v = 1/n sum_i J_i^T B_i J_i v, each a pass over the training set. The
Gauss-Newton matrix is never indefinite; with the Hessian of a network that has not converged, more iterations make it worse.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.influence.blocks import as_weights, weights_of
from sonde.influence.damping import Absolute
from sonde.influence.exact import Solver, in_type, side_by_side, twice_differentiable
from sonde.influence.losses import Likelihood, Loss
from sonde.influence.subject import Subject
from sonde.jobs import track
from sonde.results import InputError, SondeError, shown


def conjugate_gradients(
    model: Model | nn.Module, train_set: Any, loss: Loss | None = None, damping: Absolute | float = 1e-3, iterations: int = 100,
    tolerance: float = 1e-6, modules: str | Sequence[str] | None = None, dtype: torch.dtype | None = None, batch_size: int | None = None,
) -> Solver:  # fmt: skip
    """The influence by the Gauss-Newton matrix of all blocks together, solved query by query.

    Arguments:
        model, train_set, loss, modules, batch_size: as for `fit`.
        damping: that is added, absolutely: the weight decay of the objective.
        iterations: passes over the training set for a query, at most.
        tolerance: of the residual's norm beside the gradient's.
        dtype: compute in this type, on a copy of the model.

    Raises:
        InputError: a loss that does not say which distribution it stands for; damping that is not above zero. SondeError, when scores are asked
            for: no convergence within the iterations.
    """
    added = damping.value if isinstance(damping, Absolute) else damping
    if isinstance(added, bool) or not isinstance(added, int | float) or not added > 0:
        raise InputError(f"damping={shown(damping)}: conjugate gradients need an absolute damping above zero")
    subject, prepared = in_type(model, train_set, loss, modules, batch_size, dtype)
    if not isinstance(subject.loss, Likelihood):
        raise InputError(f"{shown(loss)} does not say which distribution it stands for, so it has no Gauss-Newton matrix: use exact(kind='hessian')")

    def solve(g: Float[Tensor, "query weight"]) -> Float[Tensor, "query weight"]:
        return torch.stack([_solved(subject, one, added, iterations, tolerance) for one in track(g, "solving", total=len(g))])

    return Solver(subject, solve, f"Gauss-Newton by conjugate gradients, damping {added}", prepared)


def gauss_newton_product(subject: Subject, v: Float[Tensor, " weight"]) -> Float[Tensor, " weight"]:
    """The Gauss-Newton matrix times a vector: one pass over the training set.

    Arguments:
        subject: the model with its training examples.
        v: in the order of whole gradients.
    """
    loss, module, n = subject.loss, subject.model.module, len(subject.examples)
    assert isinstance(loss, Likelihood)
    found = torch.zeros_like(v)
    with twice_differentiable(subject) as weights:
        along = [part.to(p) for part, p in zip(_apart(subject, v), weights, strict=True)]
        for some in subject.batches(range(n)):
            batch = subject.examples.batch(some)
            outputs = loss.outputs(module, batch)
            # J v by two ways back: J^T u is linear in u, and its derivative in u along v is J v
            u = torch.zeros_like(outputs, requires_grad=True)
            back = torch.autograd.grad(outputs, weights, u, create_graph=True, allow_unused=True)
            pairs = [(one, direction) for one, direction in zip(back, along, strict=True) if one is not None]
            [moved] = torch.autograd.grad([one for one, _ in pairs], [u], [direction for _, direction in pairs])
            curved = loss.curved(outputs.detach(), batch, moved.detach())
            parts = torch.autograd.grad(outputs, weights, curved, allow_unused=True)
            found += side_by_side(subject, parts).to(found)
    return found / n


def _solved(subject: Subject, g: Float[Tensor, " weight"], damping: float, iterations: int, tolerance: float) -> Float[Tensor, " weight"]:
    """Hestenes and Stiefel 1952."""
    x, residual = torch.zeros_like(g), g.clone()
    direction, size = residual, residual @ residual
    for _ in range(iterations):
        if size.sqrt() <= tolerance * g.norm():
            return x
        product = gauss_newton_product(subject, direction) + damping * direction
        step = size / (direction @ product)
        x, residual = x + step * direction, residual - step * product
        before, size = size, residual @ residual
        direction = residual + size / before * direction
    if size.sqrt() <= tolerance * g.norm():
        return x
    left = float(size.sqrt() / g.norm())
    raise SondeError(
        f"after {iterations} iterations the residual is {left:.1e} of the gradient: give more iterations=, more damping or a looser tolerance"
    )


def _apart(subject: Subject, v: Float[Tensor, " weight"]) -> list[Tensor]:
    """A vector in the order of whole gradients as one tensor for each weight and bias."""
    found = []
    for block, part in zip(subject.blocks, v.split([block.size for block in subject.blocks]), strict=True):
        module = subject.model.module.get_submodule(block.name)
        shapes = [p.shape for p in weights_of(module)]
        found += [one.reshape(shape) for one, shape in zip(as_weights(module, part.view(block.rows, block.cols)), shapes, strict=True)]
    return found
