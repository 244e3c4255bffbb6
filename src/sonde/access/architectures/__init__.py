"""Families: one small file each that states where its parts are.

To add one, write a file with `MODEL_TYPES` and `describe(module) -> Architecture`, and name it in `FAMILIES`.
"""

from collections.abc import Callable

from torch import nn

from sonde.access.architectures import (
    bert,
    bloom,
    clip,
    distilbert,
    falcon,
    gemma,
    gpt2,
    gpt_neox,
    gptj,
    llama,
    native,
    olmo2,
    opt,
    phi,
    phi3,
    t5,
    unknown,
    vit,
)  # fmt: skip
from sonde.access.architectures.base import Architecture, Images, Point, SiteSpec, unindexed

FAMILIES: dict[str, Callable[[nn.Module], Architecture]] = {
    model_type: family.describe
    for family in (bert, bloom, clip, distilbert, falcon, gemma, gpt2, gpt_neox, gptj, llama, native, olmo2, opt, phi, phi3, t5, vit)
    for model_type in family.MODEL_TYPES
}


def describe(module: nn.Module) -> Architecture:
    """The architecture of a module: a known family's vocabulary, or little or none of it (then sites are named by path)."""
    describe_family = FAMILIES.get(getattr(getattr(module, "config", None), "model_type", ""))
    if describe_family is None and unknown.is_language_model(module):
        return unknown.describe(module)
    if describe_family is None:
        return Architecture(family="module", law="none", sites={}, settings={"module": repr(module)})
    return describe_family(module)


__all__ = ["FAMILIES", "Architecture", "Images", "Point", "SiteSpec", "describe", "unindexed"]
