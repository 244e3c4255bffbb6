"""Evidence for attributions: whether the places that a method names matter to the model, and whether its map has anything to do with the model."""

from sonde.attribution.evaluation.axioms import completeness, dummy, invariance, rescaled
from sonde.attribution.evaluation.blocks import Blocks, Leakage, block_digits, leakage, train_pixels
from sonde.attribution.evaluation.bump import LocalBump
from sonde.attribution.evaluation.cascade import Cascade, cascade
from sonde.attribution.evaluation.curves import Curves, curves
from sonde.attribution.evaluation.diffroar import DiffRoar, diffroar
from sonde.attribution.evaluation.evaluate import Evaluation, evaluate
from sonde.attribution.evaluation.fidelity import RobustFidelity, robust_fidelity
from sonde.attribution.evaluation.gallery import gallery
from sonde.attribution.evaluation.ignorant import edge_detector
from sonde.attribution.evaluation.labels import LabelRandomisation, label_randomisation
from sonde.attribution.evaluation.others import OtherExamples
from sonde.attribution.evaluation.query import Response, direct_query
from sonde.attribution.evaluation.similarity import similarities, ssim
from sonde.attribution.evaluation.simulatability import Simulatability, simulatability
from sonde.attribution.evaluation.stability import Stability, max_sensitivity
from sonde.attribution.evaluation.subsets import Sums, sums

__all__ = [
    "Blocks",
    "Cascade",
    "Curves",
    "DiffRoar",
    "Evaluation",
    "LabelRandomisation",
    "Leakage",
    "LocalBump",
    "OtherExamples",
    "Response",
    "RobustFidelity",
    "Simulatability",
    "Stability",
    "Sums",
    "block_digits",
    "cascade",
    "completeness",
    "curves",
    "diffroar",
    "direct_query",
    "dummy",
    "edge_detector",
    "evaluate",
    "gallery",
    "invariance",
    "label_randomisation",
    "leakage",
    "max_sensitivity",
    "rescaled",
    "robust_fidelity",
    "similarities",
    "simulatability",
    "ssim",
    "sums",
    "train_pixels",
]
