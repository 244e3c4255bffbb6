"""Training: weights at the start, one dictionary that learns, several that learn together from one pass."""

from sonde.dictionaries.training.fitting import Training, fit
from sonde.dictionaries.training.learner import Diverged, Job, Learner
from sonde.dictionaries.training.train import train

__all__ = ["Diverged", "Job", "Learner", "Training", "fit", "train"]
