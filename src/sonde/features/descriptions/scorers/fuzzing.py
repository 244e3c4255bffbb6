"""Fuzzing: shown a text with marked tokens, does a judge know whether the marks are where the latent fires? (Paulo et al. 2024)

Half of the firing windows are shown with true marks, the other half with as many marks on silent tokens, so that the number of marks tells nothing.
"""

from dataclasses import dataclass

import torch

from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge
from sonde.features.descriptions.scorers.detection import rated
from sonde.features.descriptions.scorers.scorer import Score, mixed
from sonde.features.descriptions.windows import Example, Window


@dataclass(frozen=True)
class Fuzzing:
    """Balanced accuracy over true and false marks.

    Arguments:
        seed: of the false marks.
    """

    seed: int = 0
    name = "fuzzing"
    measure = "balanced accuracy"
    chance = 0.5
    best = 1.0

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description; windows with more firing than silent tokens can't be marked falsely and are left out.

        Arguments:
            judge: who reads the description.
            description: the words.
            examples: of the latent.
        """
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + examples.latent)
        usable = [example for example in examples.firing if 2 * sum(a > 0 for a in example.activations) <= len(example.activations)]
        # every other one: the windows are in the order of their strength
        true, false = [_true(example) for example in usable[0::2]], [_false(example, generator) for example in usable[1::2]]
        answers = mixed(lambda asked: judge.fires_at(description, asked), [*true, *false], examples.latent)
        score = rated(answers, len(true))
        return Score(score.value, score.n, score.failures, score.details | {"left_out": float(len(examples.firing) - len(usable))})


def _true(example: Example) -> tuple[Window, tuple[int, ...]]:
    return example.window, tuple(i for i, a in enumerate(example.activations) if a > 0)


def _false(example: Example, generator: torch.Generator) -> tuple[Window, tuple[int, ...]]:
    silent = [i for i, a in enumerate(example.activations) if a == 0]
    order = torch.randperm(len(silent), generator=generator).tolist()
    return example.window, tuple(sorted(silent[k] for k in order[: len(example.activations) - len(silent)]))
