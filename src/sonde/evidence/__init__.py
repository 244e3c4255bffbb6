"""Whether a finding is true: intervals, permutation tests, controls and verdicts. Takes tensors and callables, and knows no model."""

from sonde.evidence.blocks import block_means
from sonde.evidence.directions import matched_directions, matched_subspaces, random_directions, random_rotation
from sonde.evidence.families import corrected
from sonde.evidence.intervals import bootstrap, clopper_pearson, newcombe, skew_interval, t_interval, wilson
from sonde.evidence.labels import control_task, shuffled
from sonde.evidence.parts import Estimate, Intact, completeness, faithfulness, minimality, necessity, no_gap, sufficiency
from sonde.evidence.permutation import holm, relabelling, sign_flips
from sonde.evidence.ranks import ranks, spearman
from sonde.evidence.sets import matched_sets, random_sets
from sonde.evidence.verdicts import compare, untestable
from sonde.nn import permuted, reinitialised

__all__ = [
    "Estimate",
    "Intact",
    "block_means",
    "bootstrap",
    "clopper_pearson",
    "compare",
    "completeness",
    "control_task",
    "corrected",
    "faithfulness",
    "holm",
    "matched_directions",
    "matched_sets",
    "matched_subspaces",
    "minimality",
    "necessity",
    "newcombe",
    "no_gap",
    "permuted",
    "random_directions",
    "random_rotation",
    "random_sets",
    "ranks",
    "reinitialised",
    "relabelling",
    "shuffled",
    "sign_flips",
    "skew_interval",
    "spearman",
    "sufficiency",
    "t_interval",
    "untestable",
    "wilson",
]
