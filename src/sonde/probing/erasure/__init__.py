"""Maps that take a concept out of activations, and the random ones that they are held against."""

from sonde.probing.erasure.controls import RANDOM, random_erasers
from sonde.probing.erasure.eraser import Eraser
from sonde.probing.erasure.fitting import NAMES, Kind, erase, fitted, summed
from sonde.probing.erasure.inlp import inlp
from sonde.probing.erasure.sums import LeaceSums

__all__ = ["NAMES", "RANDOM", "Eraser", "Kind", "LeaceSums", "erase", "fitted", "inlp", "random_erasers", "summed"]
