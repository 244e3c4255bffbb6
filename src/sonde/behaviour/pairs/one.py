"""One sentence beside its foil: what the model gives to each token of both, from where they part on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonde.access import Model
from sonde.behaviour.pairs.examples import UNIT, ScoredSentence, example, strip
from sonde.behaviour.pairs.pair import Pair
from sonde.behaviour.scorers.causal import Bos
from sonde.behaviour.scorers.scorer import Scorer
from sonde.behaviour.scorers.sentences import scorer_of
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import beside

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class OnePair(Result):
    """A sentence and its foil, token by token.

    Arguments:
        model: its name.
        sentence, foil: both, with the log-probability of each token.
        notes: what was decided.
    """

    model: str
    sentence: ScoredSentence
    foil: ScoredSentence
    notes: list[str]

    @property
    def margin(self) -> float:
        """The log-probability of the sentence less that of the foil, nats."""
        return self.sentence.total - self.foil.total

    def to_frame(self) -> "DataFrame":
        """One row per token."""
        import polars as pl

        rows = [
            (which, pos, piece, value, pos < one.parts)
            for which, one in (("sentence", self.sentence), ("foil", self.foil))
            for pos, (piece, value) in enumerate(zip(one.pieces, one.values, strict=True))
        ]
        return pl.DataFrame(rows, ["which", "pos", "token", "log_probability", "shared"], orient="row")

    def drawing(self) -> Drawing:
        """Both, coloured by how improbable each token is; marked where they part."""
        strips = [(f"{name}: {one.total:.4g} {UNIT}", strip(one, name)) for name, one in (("sentence", self.sentence), ("foil", self.foil))]
        more = "sentence" if self.margin > 0 else "foil"
        note = f"The {more} is the more probable one, by {abs(self.margin):.3g} {UNIT}." if self.margin else "Both are equally probable."
        return beside("Which of the two does it prefer, and where do they part?", strips, note=note)


def minimal_pair(model: Model | Scorer, sentence: str, foil: str, bos: Bos = None) -> OnePair:
    """Compare a sentence with a foil.

    Arguments:
        model: a language model with its tokenizer, or a scorer.
        sentence: the one that is meant.
        foil: the one that it is compared with.
        bos: what stands before a text, as for `minimal_pairs`.

    Raises:
        InputError: both are equal, or one can't be read.

    >>> import sonde
    >>> minimal_pair(sonde.load("specimen:words"), "The keys on the cabinet are old.", "The keys on the cabinet is old.").margin > 0
    True
    """
    if sentence == foil:
        raise InputError(f"sentence and foil are both {sentence!r}: an equal pair compares nothing; change a word in one of them")
    scorer = scorer_of(model, bos=bos)
    found = example(scorer, Pair(sentence, foil), 0.0)
    recipe = Recipe.of("sonde.behaviour.minimal_pair", {"bos": bos}, model_hash=scorer.hash, inputs=[sentence, foil])
    return OnePair(scorer.name, found.good, found.bad, list(scorer.notes), recipe=recipe)
