"""EleutherAI's sparsify: `cfg.json` beside `sae.safetensors`, in a folder named by the module.

Its autoencoders take the decoder's bias away from what they read, its transcoders do not. `W_dec` is [F, D], one direction a row, in every version.
"""

from pathlib import Path
from typing import Any

from sonde.dictionaries.dictionary import Dictionary, Part
from sonde.dictionaries.formats.files import matrices, naming, read_settings, read_tensors, taken
from sonde.dictionaries.formats.format import Format
from sonde.results import InputError, shown

SETTINGS, WEIGHTS = "cfg.json", "sae.safetensors"


def read(file: Path) -> Dictionary:
    """The dictionary in a folder of sparsify's.

    Arguments:
        file: its `sae.safetensors`.
    """
    settings = read_settings(file.parent / SETTINGS)
    with naming(file.parent):
        return _built(settings, read_tensors(file), file.parent.resolve().name)


def _built(settings: dict[str, Any], held: dict[str, Any], hookpoint: str) -> Dictionary:
    activation, k = settings.get("activation", "topk"), settings.get("k")
    if activation not in ("topk", "groupmax"):
        raise InputError(f"activation={shown(activation)} has no counterpart here; read are topk and groupmax")
    if settings.get("signed"):
        raise InputError("signed=true: early versions chose by size with a sign; no file of that kind was there to read by")
    if not isinstance(k, int) or k < 1:
        raise InputError(f"k={shown(k)}: cfg.json should say how many latents are active")
    transcodes, skips = bool(settings.get("transcode")), bool(settings.get("skip_connection"))
    names = {"encoder.weight": "encoder", "encoder.bias": "encoder_bias", "W_dec": "decoder", "b_dec": "decoder_bias"}
    tensors = taken(held, names | ({"W_skip": "skip"} if skips else {}))
    matrices(tensors, "encoder", "decoder")
    # a module has one name and two sites
    reads = (Part(f"{hookpoint}:{'in' if transcodes else 'out'}", tensors["encoder"].shape[1]),)
    writes = (Part(f"{hookpoint}:out", tensors["decoder"].shape[1]),)
    return Dictionary(
        tensors["encoder"], tensors["encoder_bias"], tensors["decoder"], tensors["decoder_bias"], skip=tensors.get("skip"), activation=activation,
        k=k, centred=not transcodes, reads=reads, writes=writes,
        metadata={"format": "sparsify", "hookpoint": hookpoint},
    )  # fmt: skip


FORMAT = Format("sparsify", f"{SETTINGS} with {WEIGHTS}", lambda file: file.name == WEIGHTS and (file.parent / SETTINGS).is_file(), read)
