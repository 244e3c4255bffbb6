"""Detection: shown a text, does a judge know from the description whether the latent fires in it? (Paulo et al. 2024)"""

from collections.abc import Sequence
from dataclasses import dataclass

from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge
from sonde.features.descriptions.measures import agreement, readable
from sonde.features.descriptions.scorers.scorer import NOTHING, Score, mixed


@dataclass(frozen=True)
class Detection:
    """Balanced accuracy over firing and silent windows.

    >>> Detection().chance
    0.5
    """

    name = "detection"
    measure = "balanced accuracy"
    chance = 0.5
    best = 1.0

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description; its false alarms are also told by the kind of silent windows.

        Arguments:
            judge: who reads the description.
            description: the words.
            examples: of the latent.
        """
        answers = mixed(lambda asked: judge.fires(description, asked), [example.window for example in examples.judged], examples.latent)
        score = rated(answers, len(examples.firing))
        alarms = readable(answers)[len(examples.firing) :]
        by_kind = {
            f"false_alarms[{kind}]": agreement([], [p for p, e in zip(alarms, examples.silent, strict=True) if e.kind == kind])["false_alarms"]
            for kind in examples.kinds
        }
        return Score(score.value, score.n, score.failures, score.details | by_kind)


def rated(answers: Sequence[float | None], positive: int) -> Score:
    """The score of probabilities of which the first ones should be high.

    Arguments:
        answers: `None` where one can't be read.
        positive: how many should be high.
    """
    if not 0 < positive < len(answers):
        return NOTHING
    probabilities = readable(answers)
    found = agreement(probabilities[:positive], probabilities[positive:])
    return Score(found.pop("balanced_accuracy"), len(answers), answers.count(None), found)
