"""Intruder: of five texts the latent fires in all but one; does a judge find it from the description?"""

from dataclasses import dataclass

import torch

from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge
from sonde.features.descriptions.scorers.scorer import NOTHING, Score
from sonde.features.descriptions.windows import Window
from sonde.results import InputError


@dataclass(frozen=True)
class Intruder:
    """The share of groups in which the silent window was found.

    Arguments:
        seed: of the draws of groups, and of the place of the silent window in each.
        size: windows in a group.

    Raises:
        InputError: groups of less than two windows.
    """

    seed: int = 0
    size: int = 5
    name = "intruder"
    measure = "share of intruders found"
    best = 1.0

    def __post_init__(self) -> None:
        if self.size < 2:
            raise InputError(f"groups of {self.size} windows have no intruder: give at least 2")

    @property
    def chance(self) -> float:
        """One of the windows, picked blindly."""
        return 1 / self.size

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description.

        Arguments:
            judge: who reads the description.
            description: the words.
            examples: of the latent.
        """
        if len(examples.firing) < self.size - 1:
            return NOTHING
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + examples.latent)
        groups: list[list[Window]] = []
        places = []
        for silent in examples.silent:
            chosen = torch.randperm(len(examples.firing), generator=generator)[: self.size - 1].tolist()
            place = int(torch.randint(self.size, (1,), generator=generator))
            windows = [examples.firing[i].window for i in chosen]
            groups.append([*windows[:place], silent.window, *windows[place:]])
            places.append(place)
        if not groups:
            return NOTHING
        answers = judge.odd(description, groups)
        # an answer that can't be read is a blind guess
        found = [self.chance if answer is None else answer[place] for answer, place in zip(answers, places, strict=True)]
        return Score(sum(found) / len(found), len(found), answers.count(None))
