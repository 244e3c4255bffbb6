"""What a dictionary is shown against: bases of the same interface, fitted to activations, each with the same number of active coordinates."""

from sonde.dictionaries.baselines.centres import Centres, kmeans
from sonde.dictionaries.baselines.coding import Coded, dictionary_learning, nmf
from sonde.dictionaries.baselines.fitting import BASELINES, Baselines, fit
from sonde.dictionaries.baselines.linear import Linear, ica, neurons, pca, random_directions
from sonde.dictionaries.baselines.topics import Topics, topics

__all__ = [
    "BASELINES", "Baselines", "Centres", "Coded", "Linear", "Topics", "dictionary_learning", "fit", "ica", "kmeans", "neurons", "nmf", "pca",
    "random_directions", "topics",
]  # fmt: skip
