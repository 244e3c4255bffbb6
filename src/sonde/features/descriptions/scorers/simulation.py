"""Simulation: a judge predicts the activation on every token from the description (Bills et al. 2023)."""

import math
from dataclasses import dataclass

import torch

from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge
from sonde.features.descriptions.measures import pooled
from sonde.features.descriptions.scorers.scorer import NOTHING, Score


@dataclass(frozen=True)
class Simulation:
    """The correlation of real and simulated activations over the tokens of all windows together.

    The simulated ones are scaled by the highest activation among the windows that the explainer saw: nothing is fitted to the windows that are
    judged. A window whose answer can't be read gets the mean of all other predictions: it says nothing.
    """

    name = "simulation"
    measure = "correlation over all tokens"
    chance = 0.0
    best = 1.0

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description.

        Arguments:
            judge: who reads the description.
            description: the words.
            examples: of the latent.
        """
        if not examples.firing:
            return NOTHING
        answers = judge.activations(description, [example.window for example in examples.judged])
        read = [value for answer in answers if answer is not None for value in answer]
        middle = math.fsum(read) / len(read) if read else 0.0
        simulated = [value for answer, e in zip(answers, examples.judged, strict=True) for value in answer or [middle] * len(e.activations)]
        real = [a for example in examples.judged for a in example.activations]
        found = pooled(torch.tensor(real), torch.tensor(simulated) * examples.most)
        return Score(found.pop("correlation"), len(answers), answers.count(None), found)
