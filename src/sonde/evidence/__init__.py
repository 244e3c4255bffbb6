"""Whether a finding is true: intervals, permutation tests, controls and verdicts. Takes tensors and callables, and knows no model."""

from sonde.evidence.controls import random_rotation, random_sets
from sonde.evidence.intervals import bootstrap, t_interval, wilson
from sonde.evidence.permutation import holm, relabelling, sign_flips
from sonde.evidence.verdicts import compare, untestable
from sonde.nn import permuted

__all__ = [
    "bootstrap",
    "compare",
    "holm",
    "permuted",
    "random_rotation",
    "random_sets",
    "relabelling",
    "sign_flips",
    "t_interval",
    "untestable",
    "wilson",
]
