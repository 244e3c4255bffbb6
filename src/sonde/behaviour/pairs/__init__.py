"""Minimal pairs: two sentences that differ in one thing, one acceptable and one not; does the model prefer the acceptable one?"""

from sonde.behaviour.pairs.examples import PairExample, ScoredSentence
from sonde.behaviour.pairs.minimal import minimal_pairs
from sonde.behaviour.pairs.one import OnePair, minimal_pair
from sonde.behaviour.pairs.pair import Critical, Pair
from sonde.behaviour.pairs.published import Published, published
from sonde.behaviour.pairs.reading import PairSet, read_pairs
from sonde.behaviour.pairs.results import MinimalPairs

__all__ = [
    "Critical", "MinimalPairs", "OnePair", "Pair", "PairExample", "PairSet", "Published", "ScoredSentence",
    "minimal_pair", "minimal_pairs", "published", "read_pairs",
]  # fmt: skip
