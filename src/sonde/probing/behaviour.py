"""What a model does under edits, as losses by example: of a task its metric, of texts what the next tokens cost and how far the predictions move."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Edit, Model
from sonde.access.forward import logits_for
from sonde.jobs import by_length, track
from sonde.results import InputError
from sonde.tasks import Task
from sonde.tasks.metrics import sign_of, unit_of

TOKENS = 1024  # of a pass: two sets of logits are held
MEASURES = ["loss, nats per token", "KL from the intact model, nats per token"]

Texts = Sequence[str] | Sequence[Sequence[int]]


@dataclass(frozen=True, eq=False)
class Losses:
    """How much each edit costs.

    Arguments:
        measures: what was measured, each the larger the worse.
        values: the cost of each edit.
        intact: the measure of the intact model.
        gap: what there is to lose of the first measure, the mean over examples: of a task the distance to its counterfactuals; nan of texts.
    """

    measures: list[str]
    values: Float[Tensor, "edit measure example"]
    intact: Float[Tensor, "measure example"]
    gap: float


def losses(model: Model, on: Task | Texts, edits: Sequence[Sequence[Edit]], progress: bool = False) -> Losses:
    """What edits cost.

    Arguments:
        model: does it.
        on: a task, or texts that a causal language model reads.
        edits: each entry made together.
        progress: show a bar.

    Raises:
        InputError: no text, a text of one token; texts for a model that is no causal language model.
    """
    if isinstance(on, Task):
        return _of_task(model, on, edits)
    if isinstance(on, str) or not len(on):
        raise InputError("nothing is measured: give a task, or a list of texts, in on=")
    if not model.architecture.causal or not model.architecture.unembed:
        raise InputError(f"{model.name} is no causal language model of a known family, so texts have no loss: give a task in on=")
    rows = model.prepare(on).rows
    assert rows is not None
    if short := [i for i, length in enumerate(rows.lengths) if length < 2]:
        raise InputError(f"text {short[0]} has a single token, and no token after it could be told: leave it out")
    values, intact = torch.zeros(len(edits), len(MEASURES), len(on)), torch.zeros(len(MEASURES), len(on))
    for group in track(list(by_length(rows.lengths, TOKENS)), "erasing", shown=progress):
        values[..., group], intact[:, group] = _of_texts(model, [on[i] for i in group], edits)
    return Losses(MEASURES, values, intact, float("nan"))


def _of_task(model: Model, task: Task, edits: Sequence[Sequence[Edit]]) -> Losses:
    # the metric's sign makes more of it better, so that what is lost is positive
    sign = sign_of(task.metric)
    sweep = model.sweep(task.clean, [list(edit) for edit in edits], task.metric, spans=task.spans)
    base = sign * sweep.base.float().cpu()
    corrupt = sign * task.metric(model.run(task.corrupt, logits=logits_for(task.metric))).detach().float().cpu()
    return Losses([unit_of(task.metric)], (base - sign * sweep.values.float().cpu())[:, None], (sign * base)[None], float((base - corrupt).mean()))


def _of_texts(model: Model, texts: Any, edits: Sequence[Sequence[Edit]]) -> tuple[Tensor, Tensor]:
    """The costs on some texts under each edit, and the intact loss beside a divergence of 0."""
    intact = model.run(texts)
    assert intact.mask is not None
    ids, both = intact.ids[:, 1:, None], intact.mask[:, 1:] & intact.mask[:, :-1]
    before = intact.logits[:, :-1].float().log_softmax(-1)

    def mean(values: Float[Tensor, "batch pos"]) -> Float[Tensor, " batch"]:
        return ((values * both).sum(1) / both.sum(1)).detach().cpu()

    base = mean(-before.gather(-1, ids)[..., 0])
    found = []
    for edit in edits:
        after = model.run(texts, edits=list(edit)).logits[:, :-1].float().log_softmax(-1)
        found.append(torch.stack([mean(-after.gather(-1, ids)[..., 0]) - base, mean((before.exp() * (before - after)).sum(-1))]))
    return torch.stack(found), torch.stack([base, torch.zeros_like(base)])
