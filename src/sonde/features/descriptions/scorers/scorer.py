"""What a scorer is: a description, its latent's examples and a judge, in; a score with everything that must stand beside it, out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch

from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge

T = TypeVar("T")


@dataclass(frozen=True)
class Score:
    """How well a description predicts by one measure.

    Arguments:
        value: in the unit of the scorer's measure; NaN where there was nothing to judge.
        n: questions that were asked.
        failures: answers that could not be read.
        details: other measures of the same answers, by name.
    """

    value: float
    n: int
    failures: int = 0
    details: dict[str, float] = field(default_factory=dict)


NOTHING = Score(math.nan, 0)
"""Of a latent that never fires, or always, in the texts for judging."""


def mixed(ask: Callable[[list[T]], list[float | None]], questions: Sequence[T], seed: int) -> list[float | None]:
    """The answers to questions that are asked in random order, so that their order, and their company in one prompt, tell nothing.

    Arguments:
        ask: gives an answer for each.
        questions: in an order that tells the answers.
        seed: of the order.
    """
    order = torch.randperm(len(questions), generator=torch.Generator().manual_seed(seed)).tolist()
    answers = dict(zip(order, ask([questions[i] for i in order]), strict=True))
    return [answers[i] for i in range(len(questions))]


class Scorer(Protocol):
    """One way to judge a description.

    `name` is the scorer's, `measure` says what the value is, `chance` is what a judge gets that knows nothing, and `best` what a perfect one gets.
    """

    name: str
    measure: str
    chance: float
    best: float

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description.

        Arguments:
            judge: who reads the description.
            description: the words.
            examples: of the latent.
        """
        ...
