"""Files of dictionaries as other programs lay them out, written here from what is documented, with random weights."""

import json

import numpy as np
import torch
from safetensors.torch import save_file

D, F, OUT = 6, 16, 5


def draws(seed=0):
    """Draws of a shape, one after the other."""
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator)


def activations(n=200, width=D, seed=9):
    """Activations with a mean that is not 0."""
    return 2 * draws(seed)(n, width) + draws(seed + 1)(width)


def saelens(folder, settings, tensors):
    """A folder of SAELens'."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(settings))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "sae_weights.safetensors")
    return folder


def sparsify(folder, settings, tensors):
    """A folder of sparsify's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(settings))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "sae.safetensors")
    return folder


def dictionary_learning(folder, settings, tensors, file="ae.pt"):
    """A folder of dictionary_learning's."""
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"trainer": settings, "buffer": {}}))
    torch.save(tensors, folder / file)
    return folder


def gemma_scope(folder, tensors):
    """A folder of Gemma Scope's."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in tensors.items()})
    return folder
