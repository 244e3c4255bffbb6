"""What a model is asked: tasks with right answers and counterfactuals, and metrics of how well it does."""

from sonde.tasks.ablation import Ablation
from sonde.tasks.check import TaskCheck, check
from sonde.tasks.counterfactuals import Candidate, Candidates, counterfactuals
from sonde.tasks.lexicon import Lexicon, english
from sonde.tasks.loading import load
from sonde.tasks.metrics import (
    KL,
    METRICS,
    Accuracy,
    CrossEntropy,
    Logit,
    LogitDifference,
    LogProbability,
    Margin,
    Probability,
    ProbabilityDifference,
    Rank,
    SequenceLogProbability,
    sign_of,
    unit_of,
)
from sonde.tasks.own import SlotTemplate, read_template, starters, write_starter
from sonde.tasks.pair import Pair, pair
from sonde.tasks.readers import FORMATS, read
from sonde.tasks.siblings import siblings
from sonde.tasks.task import Task
from sonde.tasks.template import Case, Template
from sonde.tasks.templates import TEMPLATES

__all__ = [
    "FORMATS",
    "KL",
    "METRICS",
    "TEMPLATES",
    "Ablation",
    "Accuracy",
    "Candidate",
    "Candidates",
    "Case",
    "CrossEntropy",
    "Lexicon",
    "LogProbability",
    "Logit",
    "LogitDifference",
    "Margin",
    "Pair",
    "Probability",
    "ProbabilityDifference",
    "Rank",
    "SequenceLogProbability",
    "SlotTemplate",
    "Task",
    "TaskCheck",
    "Template",
    "check",
    "counterfactuals",
    "english",
    "load",
    "pair",
    "read",
    "read_template",
    "siblings",
    "sign_of",
    "starters",
    "unit_of",
    "write_starter",
]
