"""Gemma Scope: `params.npz`, five arrays and no settings. The folders say what it reads: `gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71`.

Dictionaries of the embedding were trained on embeddings before their scaling by the square root of the width; that scale is put back here, on both
sides, so that they read the embedding as the model uses it.
"""

import re
from pathlib import Path

import torch

from sonde.dictionaries.dictionary import Dictionary, Part
from sonde.dictionaries.formats.files import last, matrices, naming, read_tensors, taken
from sonde.dictionaries.formats.format import Format
from sonde.dictionaries.normalising import Normaliser

WEIGHTS = "params.npz"
NAMES = {"w_enc": "encoder", "w_dec": "decoder", "b_enc": "encoder_bias", "b_dec": "decoder_bias", "threshold": "threshold"}
SITES = {
    "res": ("blocks.{}.resid_post",),
    "mlp": ("blocks.{}.mlp.out",),
    "att": ("blocks.{}.attn.z",),
    "transcoders": ("blocks.{}.mlp.in", "blocks.{}.mlp.out"),
}


def read(file: Path) -> Dictionary:
    """The dictionary of a folder of Gemma Scope.

    Arguments:
        file: its `params.npz`.
    """
    with naming(file):
        tensors = taken({name.lower(): value for name, value in read_tensors(file).items()}, NAMES)
        matrices(tensors, "encoder", "decoder")
        width = tensors["encoder"].shape[0]
        sites, model, embedding = _place(file)
        scale = Normaliser(torch.zeros(width), torch.full((width,), width**-0.5)) if embedding else None
        return Dictionary(
            tensors["encoder"].T.contiguous(), tensors["encoder_bias"], tensors["decoder"], tensors["decoder_bias"], "jumprelu",
            threshold=tensors["threshold"].clamp(min=0), normaliser=scale, target=scale,
            reads=(Part(sites[0], width),), writes=(Part(sites[-1], tensors["decoder"].shape[1]),),
            metadata={"format": "gemma-scope", **({"model": model} if model else {})},
        )  # fmt: skip


def _place(file: Path) -> tuple[tuple[str, ...], str, bool]:
    """The sites that are read and written, the model, and whether it is its embedding; empty where the folders don't say."""
    folders = str(file.resolve().parent)
    release = last(r"gemma-scope-(\w+)-(pt|it)-(res|mlp|att|transcoders)\b", folders)
    layer = last(r"\blayer_(\d+)\b", folders)
    model = f"google/gemma-2-{release[1]}{'-it' if release[2] == 'it' else ''}" if release else ""
    if re.search(r"\bembedding\b", folders):
        return ("embed",), model, True
    if not release or not layer:
        return ("",), model, False
    return tuple(site.format(layer[1]) for site in SITES[release[3]]), model, False


FORMAT = Format("gemma-scope", f"{WEIGHTS} of Gemma Scope", lambda file: file.name == WEIGHTS, read)
