"""Whether a finding is true: intervals, permutation tests, controls and verdicts. Takes tensors and callables, and knows no model."""

from sonde.evidence.directions import matched_directions, random_directions, random_rotation
from sonde.evidence.intervals import bootstrap, t_interval, wilson
from sonde.evidence.labels import control_task, shuffled
from sonde.evidence.permutation import holm, relabelling, sign_flips
from sonde.evidence.sets import matched_sets, random_sets
from sonde.evidence.verdicts import compare, untestable
from sonde.nn import permuted, reinitialised

__all__ = [
    "bootstrap",
    "compare",
    "control_task",
    "holm",
    "matched_directions",
    "matched_sets",
    "permuted",
    "random_directions",
    "random_rotation",
    "random_sets",
    "reinitialised",
    "relabelling",
    "shuffled",
    "sign_flips",
    "t_interval",
    "untestable",
    "wilson",
]
