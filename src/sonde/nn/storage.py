"""A network of ours as a folder: its configuration as JSON, its weights as safetensors."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sonde.results import InputError, LoadError


class Config(Protocol):
    """The shape of a network: a dataclass that says whose shape it is."""

    model_type: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


class Network(Protocol):
    """What can be kept: made from its configuration alone, and filled by name."""

    def __init__(self, config: Any) -> None: ...

    def load_stored(self, weights: dict[str, Tensor]) -> None:
        """Take over weights by name."""
        ...

    def eval(self) -> Any:
        """As any module."""
        ...


C = TypeVar("C", bound=Config)
N = TypeVar("N", bound=Network)


def write(folder: str | Path, config: Config, weights: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> None:
    """Write `config.json` and `model.safetensors`.

    Arguments:
        folder: made if it is missing.
        config: of the network.
        weights: by name.
        dtype: of the stored weights; None keeps theirs.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": config.model_type, **asdict(config)}, indent=2) + "\n", encoding="utf-8")
    stored = {name: w.detach().to("cpu", dtype).contiguous() for name, w in weights.items()}
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})


def read(folder: str | Path, network: type[N], config: type[C], dtype: torch.dtype) -> N:
    """Read what `write` wrote.

    Arguments:
        folder: with `config.json` and `model.safetensors`.
        network: the class to make.
        config: the class of its configuration.
        dtype: of the weights in memory.

    Returns:
        The network, in evaluation mode.

    Raises:
        LoadError: a file is missing, unreadable, or not of this kind of network.
    """
    folder = Path(folder)
    shape = _read_config(folder / "config.json", config, network.__name__)
    file = folder / "model.safetensors"
    try:
        weights = load_file(file)
    except (OSError, SafetensorError) as error:
        raise LoadError(f"cannot read the weights in {file} ({error}): save the model again with {network.__name__}.save") from error
    with torch.device("meta"), Unset():
        model = network(shape)
    try:
        model.load_stored({name: w.to(dtype) for name, w in weights.items()})
    except LoadError as error:
        raise LoadError(f"{file}: {error}") from error
    model.eval()
    return model


class Unset(TorchFunctionMode):
    """While it is entered, networks are made without setting their weights first.

    That saves more than the work: the first random weight on the device "meta" makes torch import its compiler, a few seconds long.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Leave out what sets a tensor, and do everything else."""
        given = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


def fit(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Refuse weights of another network.

    Arguments:
        expected: tensors of the shapes that the configuration gives.
        weights: the ones to take over.

    Raises:
        LoadError: a tensor is missing, unknown or of another shape.
    """
    if expected.keys() != weights.keys():
        odd = sorted(expected.keys() ^ weights.keys())[0]
        raise LoadError(f"tensor {odd} is {'missing' if odd in expected else 'unknown'}: these weights belong to another configuration")
    for name, weight in weights.items():
        if weight.shape != expected[name].shape:
            raise LoadError(f"tensor {name} has shape {tuple(weight.shape)}, the configuration says {tuple(expected[name].shape)}")


def _read_config(path: Path, config: type[C], network: str) -> C:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"cannot read {path} ({error}): give a folder written by {network}.save") from error
    kind = stored.pop("model_type", None) if isinstance(stored, dict) else None
    if kind != config.model_type:
        raise LoadError(f"{path} says model_type={kind!r}, not {config.model_type!r}: load it with sonde.load, which knows other kinds")
    unknown = sorted(stored.keys() - {field.name for field in fields(config)})
    if unknown:
        raise LoadError(f"{path} has the unknown entry {unknown[0]!r}: it was written by another version of sonde")
    try:
        return config(**stored)
    except (TypeError, InputError) as error:
        raise LoadError(f"{path} describes no model ({error})") from error
