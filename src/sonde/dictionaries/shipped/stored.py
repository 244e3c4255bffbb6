"""The dictionaries that come with `specimen:words`: three sizes, two seeds, after the second of its four blocks."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from sonde import bases
from sonde.dictionaries.dictionary import Dictionary
from sonde.results import InputError

MODEL, SITE = "specimen:words", "blocks.1.resid_post"
SIZES, SEEDS, K = (256, 512, 1024), (0, 1), 16
WEIGHTS = Path(__file__).with_name("weights")


@cache
def shipped(size: int = 512, seed: int = 0) -> Dictionary:
    """A dictionary of `specimen:words` at `blocks.1.resid_post`.

    Arguments:
        size: 256, 512 or 1024 latents.
        seed: 0 or 1.

    Raises:
        InputError: none of these.

    >>> shipped(256)
    Dictionary(256 latents of 128 entries, topk 16)
    """
    if size not in SIZES or seed not in SEEDS:
        raise InputError(f"size={size}, seed={seed}: shipped are sizes {', '.join(map(str, SIZES))} with seeds {', '.join(map(str, SEEDS))}")
    stored = bases.load(WEIGHTS / f"words-{size}-{seed}")
    assert isinstance(stored, Dictionary)
    return cast(stored, torch.float32)


def cast(dictionary: Dictionary, dtype: torch.dtype) -> Dictionary:
    """The same in another precision.

    Arguments:
        dictionary: one without normalisers.
        dtype: of its weights.
    """
    return replace(dictionary, **{n: getattr(dictionary, n).to(dtype) for n in ("encoder", "encoder_bias", "decoder", "decoder_bias")})
