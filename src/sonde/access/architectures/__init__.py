"""Families: one small file each that states where its parts are.

To add one, write a file with `MODEL_TYPES` and `describe(module) -> Architecture`, and name it in `FAMILIES`.
"""

from torch import nn

from sonde.access.architectures import gpt2, llama, native
from sonde.access.architectures.base import Architecture, Point, SiteSpec

FAMILIES = {model_type: family for family in (gpt2, llama, native) for model_type in family.MODEL_TYPES}


def describe(module: nn.Module) -> Architecture:
    """The architecture of a module: a known family's vocabulary, or none (then sites are named by path)."""
    family = FAMILIES.get(getattr(getattr(module, "config", None), "model_type", ""))
    if family is None:
        return Architecture(family="module", law="none", sites={})
    return family.describe(module)


__all__ = ["FAMILIES", "Architecture", "Point", "SiteSpec", "describe"]
