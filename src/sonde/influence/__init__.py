"""From which training examples a model has what it does: influence functions, from exact ones to those of language models."""

from sonde.influence.agreement import Agreement, lds, leave_one_out
from sonde.influence.baselines import averaged, gradient_cosine, nearest, tracin
from sonde.influence.conjugate import conjugate_gradients
from sonde.influence.coverage import Coverage
from sonde.influence.curvature import Curvature
from sonde.influence.damping import Absolute, Factored, Relative
from sonde.influence.evaluation import Evaluation, evaluate
from sonde.influence.exact import Exact, Solver, exact
from sonde.influence.fit import Influence, fit, plan
from sonde.influence.index import Index
from sonde.influence.losses import CrossEntropy, Likelihood, Loss, NextToken, SquaredError
from sonde.influence.metrics import Along
from sonde.influence.mislabelled import Mislabelled, mislabelled
from sonde.influence.pictures import pictures
from sonde.influence.plan import Plan
from sonde.influence.problems import Problem, problem
from sonde.influence.removal import RemovalCurve, removal
from sonde.influence.results import Scores, SelfInfluence, Top
from sonde.influence.retraining import Ceiling, RetrainTruth, retrain_on_subsets, retrain_without, trained
from sonde.influence.reversed import QueryTokens
from sonde.influence.rows import TokenBatch
from sonde.influence.shipped import ShippedInfluence, shipped
from sonde.influence.stability import Additivity, Concentration, Stability, additivity, concentration, random_groups, stability
from sonde.influence.step import stepped
from sonde.influence.study import study
from sonde.influence.study_results import Beside, Study, beside
from sonde.influence.training import Descent, OneByOne, SoftmaxRegression, Training

__all__ = [
    "Absolute",
    "Along",
    "Additivity",
    "Agreement",
    "Beside",
    "Ceiling",
    "Concentration",
    "Coverage",
    "CrossEntropy",
    "Curvature",
    "Descent",
    "Evaluation",
    "Exact",
    "Factored",
    "Index",
    "Influence",
    "Likelihood",
    "Loss",
    "Mislabelled",
    "NextToken",
    "OneByOne",
    "Plan",
    "Problem",
    "QueryTokens",
    "Relative",
    "RemovalCurve",
    "RetrainTruth",
    "Scores",
    "SelfInfluence",
    "SoftmaxRegression",
    "ShippedInfluence",
    "Solver",
    "SquaredError",
    "Stability",
    "Study",
    "TokenBatch",
    "Top",
    "Training",
    "additivity",
    "averaged",
    "beside",
    "concentration",
    "conjugate_gradients",
    "evaluate",
    "exact",
    "fit",
    "gradient_cosine",
    "lds",
    "leave_one_out",
    "mislabelled",
    "nearest",
    "pictures",
    "plan",
    "problem",
    "random_groups",
    "removal",
    "retrain_on_subsets",
    "retrain_without",
    "stability",
    "shipped",
    "stepped",
    "study",
    "tracin",
    "trained",
]
