"""Surprisal: does the description make a language model expect the texts in which the latent fires?"""

from dataclasses import dataclass

from sonde.features.descriptions.clients import Local
from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge
from sonde.features.descriptions.measures import auc
from sonde.features.descriptions.scorers.scorer import NOTHING, Score

WITHOUT = "A text:\n"
WITH = "A text about the following: {}\nThe text:\n"


@dataclass(frozen=True, eq=False)
class Surprisal:
    """How well the drop of surprisal that the description brings tells firing windows from silent ones: AUC.

    Arguments:
        model: who reads; it must give the probabilities of a text that it is shown, as a local model does and a chat endpoint does not.
    """

    model: Local
    name = "surprisal"
    measure = "AUC of the drop of surprisal"
    chance = 0.5
    best = 1.0

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description; windows that do not fit into the model's context beside it count as failures, without any drop.

        Arguments:
            judge: not asked.
            description: the words.
            examples: of the latent.
        """
        texts = [example.window.text for example in examples.judged]
        if not examples.firing or not examples.silent:
            return NOTHING
        before = self.model.surprisal([WITHOUT] * len(texts), texts)
        after = self.model.surprisal([WITH.format(description)] * len(texts), texts)
        drops = [None if x is None or y is None else x - y for x, y in zip(before, after, strict=True)]
        read = [0.0 if drop is None else drop for drop in drops]
        n = len(examples.firing)
        details = {"drop_firing": sum(read[:n]) / n, "drop_silent": sum(read[n:]) / len(examples.silent)}
        return Score(auc(read[:n], read[n:]), len(texts), drops.count(None), details)
