"""Inputs with labels, as `shift` and `shortcut` take them: the held-out digits, or a safetensors file."""

from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from sonde.results import InputError


def labelled(file: str | None) -> tuple[Tensor, Int[Tensor, " example"]]:
    """The tensors `inputs` and `labels` of a file; without one the digits that the specimen was not trained on."""
    if file is None:
        from sonde.specimens.digits import held_out

        return held_out()
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        held = load_file(Path(file).expanduser())
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file} can't be read as safetensors: {' '.join(str(error).split())}") from None
    missing = [name for name in ("inputs", "labels") if name not in held]
    if missing:
        raise InputError(
            f"{file} has no tensor {missing[0]!r}: it holds {', '.join(held) or 'nothing'}; name the examples inputs and their classes labels"
        )
    if len(held["inputs"]) != len(held["labels"]) or held["labels"].ndim != 1:
        raise InputError(f"{file} holds {len(held['inputs'])} inputs and labels of {tuple(held['labels'].shape)}: give one class for each")
    return held["inputs"].float(), held["labels"].long()
