"""Lenses: what a model would say at each layer, read through its own unembedding."""

from sonde.lens.check import readable_from
from sonde.lens.logit import LensResult, logit_lens, read_out

__all__ = ["LensResult", "logit_lens", "read_out", "readable_from"]
