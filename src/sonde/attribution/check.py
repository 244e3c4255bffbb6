"""Is an attribution true? The tokens that it ranks highest must matter more than others, on other prompts and under another removal.

A method is not judged by the removal that it works with itself, or it would prove itself. So tokens are replaced by tokens drawn from the other
examples' texts, never by the method's own "absent", and the highest ones are compared with as many tokens chosen at random in the same example.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.attribution.results import Attribution
from sonde.evidence import compare, t_interval, untestable
from sonde.results import Verdict
from sonde.tasks import Task

HIGHEST = 0.2  # the share of an example's tokens that is removed
DRAWS = 4  # replacements drawn for each set
SETS = 6  # random sets for each example
THRESHOLD, SOURCE = 0.25, "a quarter of the gap between the prompts and their counterfactuals: a convention"


def check(model: Model, task: Task, attribute: Callable[[Model, Task], Attribution], seed: int = 0) -> Verdict:
    """Test whether the tokens that a method ranks highest carry the answer more than others.

    Arguments:
        model: the model.
        task: prompts that were not looked at, such as siblings of the one explained.
        attribute: the method, from a model and a task to its result.
        seed: of the replacements and of the random sets.

    Returns:
        The verdict; not testable where the model does not do the task.

    >>> import sonde
    >>> from functools import partial
    >>> from sonde.attribution import occlusion
    >>> model = sonde.load("specimen:words")
    >>> check(model, sonde.tasks.load("agreement", model, n=16), partial(occlusion, baseline="pad")).direction
    'greater'
    """
    measure = "share of the gap lost when they are replaced by tokens of other prompts"
    if not len(task):
        claim = "The tokens ranked highest carry the answer more than others."
        reason = task.notes[0] if task.notes else "there are no prompts to test it on"
        return untestable(claim, measure, reason, threshold=THRESHOLD, threshold_source=SOURCE)
    result = attribute(model, task)
    claim = f"The tokens that {result.method} ranks highest carry the answer more than others."
    clean, corrupt = (task.metric(model.run(rows, logits="last")) for rows in (task.clean, task.corrupt))
    reason = undone(clean, corrupt)
    if reason:
        return untestable(claim, measure, reason, threshold=THRESHOLD, threshold_source=SOURCE)
    generator = torch.Generator().manual_seed(seed)
    places = _places(result)
    sizes = [tested(len(row)) for row in places]
    drawn = [
        [[row[i] for i in torch.randperm(len(row), generator=generator)[:k].tolist()] for row, k in zip(places, sizes, strict=True)]
        for _ in range(SETS)
    ]
    gap = (clean - corrupt).mean().cpu()
    lost = clean.cpu() - _without(model, task, result, generator)
    control = clean.cpu() - _replaced(model, task, drawn, places, generator)
    return compare(claim, measure, lost / gap, control / gap, threshold=THRESHOLD, threshold_source=SOURCE)


def carried(model: Model, task: Task, result: Attribution, seed: int = 0) -> Float[Tensor, " example"]:
    """What is lost of the metric when the highest tokens are replaced by tokens of other prompts: what methods can be compared by.

    Arguments:
        model: the model.
        task: prompts.
        result: what a method says of them.
        seed: of the replacements.
    """
    whole = task.metric(model.run(task.clean, logits="last")).cpu()
    return whole - _without(model, task, result, torch.Generator().manual_seed(seed))


def undone(clean: Float[Tensor, " example"], corrupt: Float[Tensor, " example"]) -> str:
    """Why there is no answer to explain on these prompts; empty where the model prefers the target, and less so in the counterfactuals."""
    if clean.mean() <= 0:
        return f"on these prompts the model does not prefer the target to the foil (mean of the metric {float(clean.mean()):+.3g})"
    low, _ = t_interval(clean - corrupt) if len(clean) > 1 else (float((clean - corrupt).sum()), 0.0)
    return "" if low > 0 else "on these prompts the counterfactuals do not surely lower the metric, so nothing shows what the answer depends on"


def tested(n: int) -> int:
    """How many of an example's tokens count as the highest."""
    return max(1, round(HIGHEST * n))


def _places(result: Attribution) -> list[list[int]]:
    """The positions of each example's ordinary tokens."""
    return [[i for i, special in enumerate(row) if not special] for row in result.special]


def _without(model: Model, task: Task, result: Attribution, generator: torch.Generator) -> Float[Tensor, " example"]:
    """The metric without the highest tokens."""
    places = _places(result)
    highest = [result.highest(example, tested(len(row))) for example, row in enumerate(places)]
    return _replaced(model, task, [highest], places, generator)


def _replaced(
    model: Model, task: Task, sets: list[list[list[int]]], places: list[list[int]], generator: torch.Generator
) -> Float[Tensor, " example"]:
    """The metric with sets of tokens replaced, the mean over sets and over draws of the replacements."""
    pool = [task.clean[example][i] for example, row in enumerate(places) for i in row]
    total = torch.zeros(len(task))
    for chosen in sets:
        for _ in range(DRAWS):
            rows = [list(row) for row in task.clean]
            for row, positions in zip(rows, chosen, strict=True):
                for i in positions:
                    row[i] = pool[int(torch.randint(len(pool), (), generator=generator))]
            total += task.metric(model.run(rows, logits="last")).cpu()
    return total / (len(sets) * DRAWS)
