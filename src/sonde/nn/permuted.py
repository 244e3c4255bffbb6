"""A network that is as large as a trained one and has learnt nothing: the control beside whatever is said of the trained one."""

import copy
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def permuted(module: M, seed: int) -> M:
    """A copy of a network whose every parameter has its own entries in random order: as large as the trained one, and without what it learnt.

    Tied weights stay tied; buffers and the network itself are untouched. What is found on the copy as well was not found in the training
    (Adebayo et al. 2018, "Sanity checks for saliency maps", section 3, there with fresh weights).

    Arguments:
        module: any network.
        seed: of the orders.

    >>> layer = nn.Linear(2, 2)
    >>> torch.equal(permuted(layer, seed=0).weight.flatten().sort().values, layer.weight.flatten().sort().values)
    True
    """
    generator = torch.Generator().manual_seed(seed)
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in copied.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return copied
