"""What stands for a whole input that is absent: one value of the site for each example, or several that are drawn."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access.removal import Given, Question, Static, baseline_of


def absents(question: Question, baseline: Given | Sequence[Given]) -> list[Float[Tensor, "example *axis"]]:
    """Every value of the site that stands for an absent input.

    Arguments:
        question: the inputs.
        baseline: one baseline or several; one that draws gives as many values as it draws.

    Raises:
        InputError: what is no baseline, or does not fit the site.
    """
    found = []
    for one in each(baseline):
        given = baseline_of(one)
        found += [given.whole(question)] if isinstance(given, Static) else list(_drawn(question, given))
    return found


def described(question: Question, baseline: Given | Sequence[Given]) -> str:
    """What stands for what is absent, in a few words.

    Arguments:
        question: the inputs.
        baseline: one baseline or several.
    """
    return "; ".join(dict.fromkeys(baseline_of(one).described(question) for one in each(baseline)))


def each(baseline: Given | Sequence[Given]) -> list[Given]:
    """The baselines one by one.

    Arguments:
        baseline: one baseline or several.
    """
    return list(baseline) if isinstance(baseline, list | tuple) else [baseline]  # type: ignore[list-item]


def _drawn(question: Question, baseline: Given) -> Sequence[Float[Tensor, "example *axis"]]:
    """What a baseline that draws puts in the place of everything."""
    shape = [size for axis, size in zip(question.axes, question.value.shape[1:], strict=True) if axis in question.cells]
    nothing = torch.zeros((1, *shape), dtype=torch.bool)
    by_example = [baseline_of(baseline).values(question, i, nothing)[0] for i in range(len(question))]
    return torch.stack(by_example, 1).unbind()
