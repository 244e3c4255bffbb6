"""The report on one prediction: every method at work on one prompt, and the evidence for each sentence."""

from sonde.report.explain import explain
from sonde.report.explanation import Explanation
from sonde.report.prediction import Prediction, predict

__all__ = ["Explanation", "Prediction", "explain", "predict"]
