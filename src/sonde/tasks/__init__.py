"""What a model is asked: tasks with right answers and counterfactuals, and metrics of how well it does."""

from sonde.tasks.counterfactuals import Candidate, Candidates, counterfactuals
from sonde.tasks.lexicon import Lexicon, english
from sonde.tasks.loading import load
from sonde.tasks.metrics import KL, Logit, LogitDifference, LogProbability, SequenceLogProbability, unit_of
from sonde.tasks.pair import Pair, pair
from sonde.tasks.siblings import siblings
from sonde.tasks.task import Task
from sonde.tasks.template import Case, Template
from sonde.tasks.templates import TEMPLATES

__all__ = [
    "KL",
    "TEMPLATES",
    "Candidate",
    "Candidates",
    "Case",
    "Lexicon",
    "LogProbability",
    "Logit",
    "LogitDifference",
    "Pair",
    "SequenceLogProbability",
    "Task",
    "Template",
    "counterfactuals",
    "english",
    "load",
    "pair",
    "siblings",
    "unit_of",
]
