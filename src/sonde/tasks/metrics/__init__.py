"""What is asked of a run: one number per example.

A metric is a callable from a `Run` to a tensor with one value per example. Those here also say what they read, so that nothing else need be
computed: `pos`, the position, and `rows`, the vocabulary rows (`None` for all, where a normaliser or a ranking needs them); further `unit`, `better`
(whether more of it is better, or less), and `select`, which gives the metric for some of its examples. All but the counting ones have gradients.
"""

from collections.abc import Callable, Mapping

from sonde.access import Metric
from sonde.tasks.metrics.answers import Accuracy, CrossEntropy, Margin, ProbabilityDifference, Rank
from sonde.tasks.metrics.before_cap import BeforeCap
from sonde.tasks.metrics.reference import KL
from sonde.tasks.metrics.sequence import SequenceLogProbability
from sonde.tasks.metrics.sets import Sets, first
from sonde.tasks.metrics.tokens import Logit, LogitDifference, LogProbability, Probability

METRICS: Mapping[str, Callable[[Sets, Sets], Metric]] = {
    "logit_difference": lambda answers, wrongs: LogitDifference(first(answers), first(wrongs)),
    "probability_difference": ProbabilityDifference,
    "probability": lambda answers, wrongs: Probability(first(answers)),
    "log_probability": lambda answers, wrongs: LogProbability(first(answers)),
    "cross_entropy": lambda answers, wrongs: CrossEntropy(answers),
    "rank": lambda answers, wrongs: Rank(answers),
    "accuracy": Accuracy,
}
"""The metrics that a task's right and wrong answers define, by name."""


def unit_of(metric: object) -> str:
    """The unit of a metric's values; plain callables have none that is known."""
    return str(getattr(metric, "unit", "units of the metric"))


def sign_of(metric: object) -> int:
    """1 where more of a metric is better, as it is of plain callables; -1 where less is."""
    return -1 if getattr(metric, "better", "more") == "less" else 1


__all__ = [
    "KL",
    "METRICS",
    "Accuracy",
    "BeforeCap",
    "CrossEntropy",
    "LogProbability",
    "Logit",
    "LogitDifference",
    "Margin",
    "Probability",
    "ProbabilityDifference",
    "Rank",
    "SequenceLogProbability",
    "sign_of",
    "unit_of",
]
