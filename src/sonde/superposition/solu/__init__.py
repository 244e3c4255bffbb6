"""Softmax linear units: do neurons that inhibit one another mean one thing each, and at which price?"""

from sonde.superposition.solu.inconsistency import Inconsistency, inconsistency
from sonde.superposition.solu.properties import Properties, properties_of
from sonde.superposition.solu.quiz import Quiz, QuizScore, quiz, read_neuron
from sonde.superposition.solu.rater import NeuronRatings, rate_neurons
from sonde.superposition.solu.study import solu_study
from sonde.superposition.solu.study_results import SoluStudy, Trained
from sonde.superposition.solu.training import LanguageTraining, Size

__all__ = [
    "Inconsistency",
    "LanguageTraining",
    "NeuronRatings",
    "Properties",
    "Quiz",
    "QuizScore",
    "Size",
    "SoluStudy",
    "Trained",
    "inconsistency",
    "properties_of",
    "quiz",
    "rate_neurons",
    "read_neuron",
    "solu_study",
]
