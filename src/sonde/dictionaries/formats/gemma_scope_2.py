"""Gemma Scope 2: safetensors with names in lower case, mostly `params.safetensors` beside `config.json`.

The skip connection of its transcoders is kept as [D, O], so it is turned. Its cross-layer transcoders have a `w_dec` of [F, layers, D]: they write to
several layers, and the sum over them is no dictionary of any; they are refused.
"""

import re
from pathlib import Path

from sonde.dictionaries.dictionary import Dictionary, Part
from sonde.dictionaries.formats.files import last, matrices, naming, read_settings, read_tensors, taken, tensor_names
from sonde.dictionaries.formats.format import Format
from sonde.results import InputError, shown

NAMES = {"w_enc": "encoder", "w_dec": "decoder", "b_enc": "encoder_bias", "b_dec": "decoder_bias", "threshold": "threshold"}
SKIP = "affine_skip_connection"
POINTS = {
    "output": "blocks.{}.resid_post",
    "self_attn.o_proj.input": "blocks.{}.attn.z",
    "post_feedforward_layernorm.output": "blocks.{}.mlp.out",
    "pre_feedforward_layernorm.output": "blocks.{}.mlp.in",
}
"""Its names for places in a block, and sonde's."""
FOLDERS = {"resid_post": "output", "attn_out": "self_attn.o_proj.input", "mlp_out": "post_feedforward_layernorm.output",
           "transcoder": "pre_feedforward_layernorm.output"}  # fmt: skip


def read(file: Path) -> Dictionary:
    """The dictionary of a folder of Gemma Scope 2.

    Arguments:
        file: its `params.safetensors`.
    """
    settings = read_settings(file.parent / "config.json") if (file.parent / "config.json").is_file() else {}
    with naming(file):
        if settings.get("architecture", "jump_relu") != "jump_relu":
            raise InputError(f"architecture={shown(settings['architecture'])} has no counterpart here; read is jump_relu")
        tensors = taken(read_tensors(file), {**NAMES, SKIP: "skip"}, optional=(SKIP,))
        if tensors["decoder"].ndim == 3:
            raise InputError(
                f"w_dec has shape {tuple(tensors['decoder'].shape)}: a cross-layer transcoder writes to every layer above, "
                "which one dictionary can't; take the transcoders of single layers"
            )
        matrices(tensors, "encoder", "decoder", *(["skip"] if "skip" in tensors else []))
        (width, _), out = tensors["encoder"].shape, tensors["decoder"].shape[1]
        reads, writes = _places(file, settings)
        return Dictionary(
            tensors["encoder"].T.contiguous(), tensors["encoder_bias"], tensors["decoder"], tensors["decoder_bias"], "jumprelu",
            threshold=tensors["threshold"].clamp(min=0), skip=tensors["skip"].T.contiguous() if "skip" in tensors else None,
            reads=(Part(reads, width),), writes=(Part(writes, out),),
            metadata={"format": "gemma-scope-2", **{name: settings[name] for name in ("model_name",) if name in settings}},
        )  # fmt: skip


def _places(file: Path, settings: dict[str, object]) -> tuple[str, str]:
    """The sites that are read and written, from the settings or else the folders; empty where neither says."""
    if "hf_hook_point_in" in settings:
        reads = _site(str(settings["hf_hook_point_in"]))
        return reads, _site(str(settings["hf_hook_point_out"])) or "output" if settings.get("hf_hook_point_out") else reads
    folders = str(file.resolve().parent)
    layer, kind = last(r"layer_(\d+)", folders), last("|".join(FOLDERS), folders)
    reads = POINTS[FOLDERS[kind[0]]].format(layer[1]) if kind and layer else ""
    return reads, (f"blocks.{layer[1]}.mlp.out" if layer else "output") if kind and kind[0] == "transcoder" else reads


def _site(point: str) -> str:
    found = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", point)
    return POINTS[found[2]].format(found[1]) if found and found[2] in POINTS else ""


FORMAT = Format(
    "gemma-scope-2", "params.safetensors of Gemma Scope 2 (w_enc, w_dec, b_enc, b_dec, threshold)",
    lambda file: {*NAMES} <= {*tensor_names(file)}, read,
)  # fmt: skip
