"""The published two-layer attention-only model with induction heads, where the shared data are: as a handle."""

import os
from pathlib import Path

import pytest
from safetensors.torch import load_file

import sonde
from sonde.nn import Transformer, TransformerConfig

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[2] / "shared" / "data"))
SOURCE = DATA / "induction_2l" / "induction_head_infinite.safetensors"

needs_two_layers = pytest.mark.skipif(not SOURCE.is_file(), reason=f"no induction_2l in {DATA}; set SONDE_DATA")


def two_layers() -> sonde.Model:
    """The model; it has no tokenizer."""
    stored = load_file(SOURCE)
    config = TransformerConfig(n_layers=2, d_model=48, n_heads=4, d_vocab=128, n_ctx=85, d_mlp=0, norm=None, tied=False, bias=False)
    weights = {"embed.weight": stored["embed.W_E"].T, "pos_embed.weight": stored["pos_embed.W_pos"], "unembed.weight": stored["unembed.W_U"].T}
    for layer in range(2):
        names = {"q": "W_Q", "k": "W_K", "v": "W_V", "o": "W_O"}
        weights |= {
            f"blocks.{layer}.attn.{ours}.weight": stored[f"attn_blocks.{layer}.attn.{theirs}"].reshape(48, 48) for ours, theirs in names.items()
        }
    network = Transformer(config).eval()
    network.load_stored({name: weight.contiguous() for name, weight in weights.items()})
    return sonde.Model(network, name="induction_2l")
