"""An ablation of places as edits: what is written at each of them, made of their values in the counterfactual partners."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sonde.access import Edit, Model, Patch, Run, Set, Site, Zero
from sonde.access.forward import logits_for
from sonde.access.selection import POSITION_AXES
from sonde.results import InputError
from sonde.tasks import Ablation, Task

Group = Sequence[Site]


def replacing(model: Model, task: Task, groups: Sequence[Group], ablation: Ablation, partners: Task | None = None) -> tuple[list[list[Edit]], Run]:
    """The edits that ablate each group of sites, for a run of a task's clean prompts; and the run of its counterfactuals.

    Arguments:
        model: the model.
        task: the task.
        groups: the sites that are ablated together, group by group.
        ablation: the kind, with the templates of these examples where it needs them.
        partners: a task whose counterfactuals a mean is taken over, instead of this one's.

    Raises:
        InputError: what `Ablation.of` refuses; partners for another kind than a mean that is the same for all examples, or of another length; a
            selection of rows; a mean over all tokens at a place that has no positions.
    """
    _refuse_partners(task, partners, ablation)
    logits = logits_for(task.metric)
    if ablation.kind == "zero":
        return [[Zero(site) for site in group] for group in groups], model.run(task.corrupt, logits=logits, spans=task.spans)
    read = list(dict.fromkeys(str(site.whole()) for group in groups for site in group))
    run = model.run(task.corrupt, read=read, logits=logits, spans=task.spans)
    if ablation.kind == "counterfactual":
        return [[Patch(site, run) for site in group] for group in groups], run
    source = run if partners is None else model.run(partners.corrupt, read=read, logits=False, spans=partners.spans)
    values = {site: written(source, site, ablation, alike=partners is not None) for group in groups for site in group}
    return [[Set(site, values[site]) for site in group] for group in groups], run


def written(run: Run, site: Site, ablation: Ablation, alike: bool) -> Tensor:
    """What an ablation writes at a site, example by example; once for all of them where they are alike."""
    chosen = dict(site.select)
    if "batch" in chosen:
        raise InputError(f"{site}: {ablation} is made of all examples, and a selection of rows leaves some out: take another task with task.select")
    real = run.mask if "pos" in run.axes(site) and "pos" not in chosen else None
    if ablation.over == "all":
        return _over_all(run, site, ablation)
    crossed = [axis for axis in ("query", "key") if axis in run.axes(site) and axis not in chosen]
    if crossed and run.inputs.rows is not None and run.inputs.rows.ragged:
        raise InputError(f"{site}: the examples differ in length, so their {crossed[0]} positions do not correspond: give examples of equal length")
    value = ablation.of(run[site], real)
    return value[:1] if alike else value


def _over_all(run: Run, site: Site, ablation: Ablation) -> Tensor:
    """A mean over all tokens, with one position where the site keeps several and none where it chose one."""
    anywhere = Site(site.name, tuple((axis, index) for axis, index in site.select if axis not in POSITION_AXES))
    if run.axes(anywhere)[:2] != ("batch", "pos"):
        raise InputError(f"{site}: a mean over all tokens needs one value at each position, and the axes here are {' '.join(run.axes(anywhere))}")
    values = run[anywhere]
    mask = torch.ones(values.shape[:2], dtype=torch.bool) if run.mask is None else run.mask
    mean = ablation.of(values, mask)[:1, :1]
    return mean if "pos" in run.axes(site) else mean[:, 0]


def _refuse_partners(task: Task, partners: Task | None, ablation: Ablation) -> None:
    if partners is None:
        return
    if ablation.kind != "mean" or ablation.over == "template":
        raise InputError(f"partners= is another task to take a mean over, and {str(ablation)!r} is not one mean for all examples: leave it out")
    if ablation.over == "position" and (task.length is None or task.length != partners.length):
        raise InputError(
            f"a mean position by position needs one length; {task.name!r} has {task.length or 'several'} tokens and {partners.name!r} "
            f"{partners.length or 'several'}: use over='all'"
        )
