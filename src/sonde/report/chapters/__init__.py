"""The chapters of an explanation, in the order in which they are made: each asks one question and hands over the verdicts on its claims."""

from sonde.report.chapters.attribution import attribution
from sonde.report.chapters.base import Chapter
from sonde.report.chapters.circuit import circuit
from sonde.report.chapters.contributions import contributions
from sonde.report.chapters.features import features
from sonde.report.chapters.heads import heads
from sonde.report.chapters.lens import lens
from sonde.report.chapters.minimal_pair import minimal_pair
from sonde.report.chapters.patching import patching
from sonde.report.chapters.prediction import prediction
from sonde.report.chapters.representation import representation
from sonde.report.chapters.task import task
from sonde.report.chapters.training_data import training_data
from sonde.report.chapters.verification import verification

CHAPTERS = {
    "prediction": prediction,
    "task": task,
    "minimal_pair": minimal_pair,
    "attribution": attribution,
    "contributions": contributions,
    "heads": heads,
    "lens": lens,
    "representation": representation,
    "patching": patching,
    "circuit": circuit,
    "features": features,
    "training_data": training_data,
    "verification": verification,
}

__all__ = ["CHAPTERS", "Chapter"]
