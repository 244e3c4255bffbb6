"""Networks that learnt nothing: what is found on them as well was not found in the training.

Adebayo et al. 2018, "Sanity checks for saliency maps", section 3: a method whose result stays the same when the weights are destroyed says nothing
about the model. Shuffled weights keep how large they are, layer by layer; fresh ones are those of the network before its training.
"""

import copy
from typing import TypeVar

import torch
from torch import nn

from sonde.results import InputError

M = TypeVar("M", bound=nn.Module)


def permuted(module: M, seed: int) -> M:
    """A copy of a network whose every parameter has its own entries in random order: as large as the trained one, and without what it learnt.

    Tied weights stay tied; buffers and the network itself are untouched.

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


def filters_permuted(module: M, seed: int) -> M:
    """A copy of a network in which every unit has its own weights in random order: each filter keeps its entries, its bias and its place.

    Parameters of one axis (biases, norms), buffers and the network itself are untouched.

    Arguments:
        module: any network.
        seed: of the orders.

    >>> layer = nn.Conv2d(1, 2, 3)
    >>> torch.equal(filters_permuted(layer, seed=0).weight.flatten(1).sort().values, layer.weight.flatten(1).sort().values)
    True
    """
    generator = torch.Generator().manual_seed(seed)
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in copied.parameters():
            if parameter.ndim > 1:
                rows = parameter.flatten(1)
                order = torch.rand(rows.shape, generator=generator).argsort(1).to(parameter.device)
                parameter.copy_(rows.gather(1, order).view_as(parameter))
    return copied


def reinitialised(module: M, seed: int) -> M:
    """A copy of a network as it was before its training: drawn afresh by its own rule.

    A network that is made of its `config` alone (sonde's own, transformers') is made again; any other one has its modules' `reset_parameters`
    called. Mode, precision and device are kept; torch's global generators are left as they were.

    Arguments:
        module: any network.
        seed: of the draws.

    Raises:
        InputError: a parameter lies in a module that does not say how it is drawn.

    >>> layer = nn.Linear(3, 3)
    >>> fresh = reinitialised(layer, seed=7)
    >>> torch.equal(fresh.weight, layer.weight), torch.equal(fresh.weight, reinitialised(layer, seed=7).weight)
    (False, True)
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        fresh = _reset(module) if getattr(module, "config", None) is None else type(module)(copy.deepcopy(module.config))
    for name, parameter in fresh.named_parameters():
        trained = module.get_parameter(name)
        parameter.data = parameter.data.to(trained.device, trained.dtype)
        parameter.requires_grad_(trained.requires_grad)
    for name, buffer in fresh.named_buffers():
        buffer.data = buffer.data.to(module.get_buffer(name).device)
    return fresh.train(module.training)


def _reset(module: M) -> M:
    fresh = copy.deepcopy(module)
    for name, part in fresh.named_modules():
        reset = getattr(part, "reset_parameters", None)
        own = [key for key, _ in part.named_parameters(recurse=False)]
        if reset is None and own:
            raise InputError(f"{name or 'the network'} ({type(part).__name__}) does not say how its {own[0]} is drawn: give it a reset_parameters()")
        if reset is not None:
            reset()
    return fresh
