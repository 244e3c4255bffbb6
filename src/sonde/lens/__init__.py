"""Lenses: what a model would say at each layer, and what each of its parts writes, read through its own unembedding."""

from sonde.lens.check import readable_from
from sonde.lens.contributions import Contributions
from sonde.lens.direct import direct_contributions
from sonde.lens.logit import LensResult, logit_lens, read_out
from sonde.lens.writers import written_by

__all__ = ["Contributions", "LensResult", "direct_contributions", "logit_lens", "read_out", "readable_from", "written_by"]
