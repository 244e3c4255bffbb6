"""How good a dictionary is: what it writes back, how often its latents are active, what the model loses with it, what it has found.

Nothing is one number: `evaluate` makes a table of bases by measures, with neurons, principal components and random directions that are active as
often beside every dictionary. The measures by themselves: `Activity` and `Reconstruction` (streams), `losses`, `recovery`, `probe`, `absorption`.
"""

from sonde.dictionaries.evaluation.absorption import Absorption, LinearProbe, absorption, linear_probe
from sonde.dictionaries.evaluation.activity import Activity, histogram
from sonde.dictionaries.evaluation.controls import controls
from sonde.dictionaries.evaluation.evaluate import LEFT_OUT, METRICS, evaluate
from sonde.dictionaries.evaluation.probing import Probe, f1_score, halves, probe
from sonde.dictionaries.evaluation.reconstruction import Reconstruction
from sonde.dictionaries.evaluation.recovery import Recovery, by_chance, cosines, matched, recovery
from sonde.dictionaries.evaluation.results import MEASURES, Evaluation
from sonde.dictionaries.evaluation.splicing import Loss, Losses, Spliced, losses, recovered

__all__ = [
    "LEFT_OUT",
    "MEASURES",
    "METRICS",
    "Absorption",
    "Activity",
    "Evaluation",
    "LinearProbe",
    "Loss",
    "Losses",
    "Probe",
    "Reconstruction",
    "Recovery",
    "Spliced",
    "absorption",
    "by_chance",
    "controls",
    "cosines",
    "evaluate",
    "f1_score",
    "halves",
    "histogram",
    "linear_probe",
    "losses",
    "matched",
    "probe",
    "recovered",
    "recovery",
]
