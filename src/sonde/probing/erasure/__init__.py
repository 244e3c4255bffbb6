"""Maps that take a concept out of activations, and the random ones that they are held against."""

from sonde.probing.erasure.controls import RANDOM, By, random_erasers, random_rows
from sonde.probing.erasure.eraser import Eraser
from sonde.probing.erasure.fitting import NAMES, Kind, erase, fitted, oracle_leace, summed
from sonde.probing.erasure.inlp import inlp
from sonde.probing.erasure.oracle import OracleEraser
from sonde.probing.erasure.scrubbing import Fit, edits_of, everywhere, placed_sites, random_fits, scrub, scrubbed
from sonde.probing.erasure.sums import LeaceSums

__all__ = [
    "NAMES",
    "RANDOM",
    "By",
    "Eraser",
    "Fit",
    "Kind",
    "LeaceSums",
    "OracleEraser",
    "edits_of",
    "erase",
    "everywhere",
    "fitted",
    "inlp",
    "oracle_leace",
    "placed_sites",
    "random_fits",
    "random_erasers",
    "random_rows",
    "scrub",
    "scrubbed",
    "summed",
]
