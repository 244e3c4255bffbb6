"""The plain way: every example's gradient by a backward pass of its own, and matrices formed in full."""

import torch

from sonde.influence.blocks import as_matrix, weights_of


def gradients(module, names, losses):
    """Each example's gradient, one matrix for each block: losses are one number per example, with their graph."""
    weights = [p for name in names for p in weights_of(module.get_submodule(name))]
    found = []
    for value in losses:
        given = iter(torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True))
        rows = []
        for name in names:
            own = weights_of(module.get_submodule(name))
            parts = [torch.zeros_like(p) if g is None else g for p, g in zip(own, [next(given) for _ in own], strict=True)]
            rows.append(as_matrix(module.get_submodule(name), parts))
        found.append(rows)
    return [torch.stack([rows[b] for rows in found]) for b in range(len(names))]


def flat(matrices):
    """The blocks side by side: example by weight."""
    return torch.cat([matrix.flatten(1) for matrix in matrices], 1)
