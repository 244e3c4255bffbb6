"""Whatever gives texts a probability: language models that read from left to right, masked ones, n-grams, character networks."""

from sonde.behaviour.scorers.causal import CausalScorer
from sonde.behaviour.scorers.character import CharacterScorer, char_lstm
from sonde.behaviour.scorers.masked import MaskedScorer
from sonde.behaviour.scorers.ngram import NGram
from sonde.behaviour.scorers.scorer import Scorer
from sonde.behaviour.scorers.sentences import scorer_of, sentence_scores

__all__ = ["CausalScorer", "CharacterScorer", "MaskedScorer", "NGram", "Scorer", "char_lstm", "scorer_of", "sentence_scores"]
