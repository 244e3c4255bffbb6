"""Lenses: what a model would say at each layer, and what each of its parts writes, read through its own unembedding."""

from sonde.lens.check import readable_from
from sonde.lens.checkpoints import read_checkpoint
from sonde.lens.contributions import Contributions
from sonde.lens.direct import direct_contributions
from sonde.lens.judging import TunedQuality, judge
from sonde.lens.logit import logit_lens
from sonde.lens.reading import read_out
from sonde.lens.results import LensResult
from sonde.lens.training import train
from sonde.lens.translators import TunedTraining
from sonde.lens.tuned import TunedLens, tuned_lens
from sonde.lens.writers import written_by

__all__ = [
    "Contributions", "LensResult", "TunedLens", "TunedQuality", "TunedTraining", "direct_contributions", "judge", "logit_lens", "read_checkpoint",
    "read_out", "readable_from", "train", "tuned_lens", "written_by",
]  # fmt: skip
