"""From which training examples a model has what it does: influence functions, from exact ones to those of language models."""

from sonde.influence.baselines import averaged, gradient_cosine, nearest, tracin
from sonde.influence.conjugate import conjugate_gradients
from sonde.influence.coverage import Coverage
from sonde.influence.curvature import Curvature
from sonde.influence.damping import Absolute, Factored, Relative
from sonde.influence.exact import Exact, Solver, exact
from sonde.influence.fit import Influence, fit, plan
from sonde.influence.losses import CrossEntropy, Likelihood, Loss, NextToken, SquaredError
from sonde.influence.plan import Plan
from sonde.influence.results import Scores, SelfInfluence, Top
from sonde.influence.rows import TokenBatch
from sonde.influence.study import study
from sonde.influence.study_results import Beside, Study, beside

__all__ = [
    "Absolute",
    "Beside",
    "Coverage",
    "CrossEntropy",
    "Curvature",
    "Exact",
    "Factored",
    "Influence",
    "Likelihood",
    "Loss",
    "NextToken",
    "Plan",
    "Relative",
    "Scores",
    "SelfInfluence",
    "Solver",
    "SquaredError",
    "Study",
    "TokenBatch",
    "Top",
    "averaged",
    "beside",
    "conjugate_gradients",
    "exact",
    "fit",
    "gradient_cosine",
    "nearest",
    "plan",
    "study",
    "tracin",
]
