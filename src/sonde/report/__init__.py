"""The report on one prediction: every method at work on one prompt, and the evidence for each sentence."""

from sonde.report.beside import SideBySide, side_by_side
from sonde.report.explain import explain
from sonde.report.explanation import Explanation
from sonde.report.prediction import Prediction, predict
from sonde.report.profiles import PROFILES

__all__ = ["PROFILES", "Explanation", "Prediction", "SideBySide", "explain", "predict", "side_by_side"]
