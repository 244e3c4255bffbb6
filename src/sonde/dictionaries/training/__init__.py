"""Training: weights at the start, one dictionary that learns, several that learn together from one pass."""

from sonde.dictionaries.training.end_to_end import EndToEnd
from sonde.dictionaries.training.fitting import Training, fit
from sonde.dictionaries.training.learner import Diverged, Job, Learner
from sonde.dictionaries.training.train import train

__all__ = ["Diverged", "EndToEnd", "Job", "Learner", "Training", "fit", "train"]
