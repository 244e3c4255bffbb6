"""What an input contributes, asked by changing it: the question, what stands for what is absent, and the game that methods of removal share."""

from sonde.access.removal.baselines import Baseline, Given, Static, baseline_of
from sonde.access.removal.conditionals import Gaussian, Neighbours
from sonde.access.removal.game import RemovalGame
from sonde.access.removal.interventional import Interventional
from sonde.access.removal.observational import Observational
from sonde.access.removal.players import Grouping, Players, players_of
from sonde.access.removal.question import Question

__all__ = [
    "Baseline",
    "Gaussian",
    "Given",
    "Grouping",
    "Interventional",
    "Neighbours",
    "Observational",
    "Players",
    "Question",
    "RemovalGame",
    "Static",
    "baseline_of",
    "players_of",
]
