"""Lenses that the tuned-lens library has trained: a folder with `config.json` and `params.pt` (or `params.safetensors`), read without unpickling.

The library notes a hash of the unembedding, of its printed corners in one decimal: it tells most models apart, not all, so shapes are compared, too,
and what is read is kept with sonde's own hash of everything that the states are read through.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.access import Model
from sonde.lens.reading import layer_sites, readable
from sonde.lens.tuned import TunedLens, unembedding_hash
from sonde.results import CheckRefused, LoadError, Recipe

CONFIG, TENSORS, PICKLED = "config.json", "params.safetensors", "params.pt"


def read_checkpoint(folder: str | Path, model: Model) -> TunedLens:
    """Read a lens of the tuned-lens library; `lens.save(folder)` then keeps it as an artifact of sonde's.

    Arguments:
        folder: with its settings and parameters.
        model: the one that it was trained on.

    Raises:
        LoadError: no such files, or parameters that do not fit them. CheckRefused: a lens of another model.
    """
    readable(model)
    place = Path(folder)
    settings, parameters = _settings(place), _parameters(place)
    sites = layer_sites(model)
    sites.pop("model")
    n, width = model.n_layers, model.d_model
    shape = settings.get("num_hidden_layers"), settings.get("d_model")
    if shape != (n, width):
        raise CheckRefused(f"{place} is a lens of {shape[0]} layers of width {shape[1]}, and {model.name} has {n} of {width}")
    noted = settings.get("unembed_hash")
    if noted and noted != printed_hash(model):
        raise CheckRefused(
            f"{place} is a lens of another model ({settings.get('base_model_name_or_path')!r}): its unembedding has the hash {str(noted)[:8]}, "
            f"and that of {model.name} {printed_hash(model)[:8]}"
        )
    weight = torch.stack([_one(parameters, f"{i}.weight", (width, width), place) for i in range(n)])
    bias = torch.stack([_one(parameters, f"{i}.bias", (width,), place, missing=settings.get("bias") is False) for i in range(n)])
    notes = [f"read from {place.name}, a lens of {settings.get('base_model_name_or_path')!r}"]
    if not noted:
        notes.append("it names no hash of its unembedding: whether it belongs to this model is not known; judge tells how well it reads")
    recipe = Recipe.of("sonde.lens.read_checkpoint", {"folder": place.name}, model_hash=model.hash, inputs=[weight, bias])
    return TunedLens(list(sites), weight, bias, unembedding_hash(model), {}, notes, recipe=recipe)


def printed_hash(model: Model) -> str:
    """The hash by which the library recognises an unembedding.

    Arguments:
        model: whose.
    """
    import numpy as np

    weight = model.module.get_submodule(model.architecture.unembed).weight
    assert isinstance(weight, Tensor)
    return hashlib.sha256(np.array_str(weight.detach().cpu().float().numpy(), precision=1).encode()).hexdigest()


def _settings(place: Path) -> dict[str, Any]:
    missing = [name for name in (CONFIG, PICKLED) if not (place / name).is_file() and not (name == PICKLED and (place / TENSORS).is_file())]
    if missing:
        raise LoadError(f"{place} holds no lens (there is no {missing[0]} in it): give the folder in which the tuned-lens library saved one")
    try:
        found = json.loads((place / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{place / CONFIG} cannot be read ({error}): restore it from the lens that the tuned-lens library saved") from None
    if not isinstance(found, dict) or found.get("lens_type", "linear_tuned_lens") != "linear_tuned_lens":
        raise LoadError(f"{place / CONFIG} describes no linear tuned lens")
    return found


def _parameters(place: Path) -> dict[str, Tensor]:
    if (place / TENSORS).is_file():
        from safetensors.torch import load_file

        return dict(load_file(place / TENSORS))
    try:
        found = torch.load(place / PICKLED, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many kinds for what is no file of tensors alone
        raise LoadError(f"{place / PICKLED} cannot be read as plain tensors ({type(error).__name__}): restore it, or save it as {TENSORS}") from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise LoadError(f"{place / PICKLED} holds no parameters by name")
    # early versions saved the whole lens
    return {name.removeprefix("layer_translators."): value for name, value in found.items()}


def _one(parameters: dict[str, Tensor], name: str, shape: tuple[int, ...], place: Path, missing: bool = False) -> Tensor:
    found = parameters.get(name)
    if found is None and missing:
        return torch.zeros(shape)
    if found is None or tuple(found.shape) != shape or not found.isfinite().all():
        told = "is missing" if found is None else f"has the shape {tuple(found.shape)} where {shape} is needed, or holds what is no number"
        raise LoadError(f"{place}: the parameter {name!r} {told}")
    return found.float()
