"""SyntaxGym suites: is a model surprised where the grammar says so?"""

from sonde.behaviour.suites.evaluate import evaluate
from sonde.behaviour.suites.results import Share, SuiteResult, accuracies
from sonde.behaviour.suites.suite import EXAMPLES, Item, Sentence, Suite, read_suite

__all__ = ["EXAMPLES", "Item", "Sentence", "Share", "Suite", "SuiteResult", "accuracies", "evaluate", "read_suite"]
