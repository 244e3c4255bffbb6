"""Activation patching: which place carries what differs between a prompt and its counterfactual?

A site's value is taken from the run of one prompt and written into the run of the other, and the metric m says how far that moves the answer
(Vig et al. 2020; Meng et al. 2022):

    denoising, clean into corrupted:  (m_patched - m_corrupt) / (m_clean - m_corrupt)     is the site enough?
    noising, corrupted into clean:    (m_clean - m_patched) / (m_clean - m_corrupt)       is the site needed?

The two differ: of parts that back one another up each is enough and none is needed, of parts that work in a chain each is needed and none is
enough. Every cell equals one plain hooked forward; the sweep behind it reuses what they share.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from sonde.access import Model, Patch, Site
from sonde.access.forward import logits_for
from sonde.patching.results import Direction, PatchResult
from sonde.results import InputError, Recipe
from sonde.tasks import Task
from sonde.tasks.metrics import unit_of


def activation_patching(
    model: Model,
    task: Task,
    sites: Iterable[str | Site | Sequence[str | Site]],
    direction: Direction = "denoising",
    batch_size: int | Literal["auto"] = "auto",
) -> PatchResult:
    """The metric of a task under each patch.

    Arguments:
        model: any model that the task's prompts suit.
        task: prompts with their counterfactuals, token by token of the same length, and a metric.
        sites: what to patch, one entry per patch: a site, or several that are patched together.
        direction: "denoising" or "noising".
        batch_size: rows per pass.

    Returns:
        The metric under each patch and in both runs, and the effects.

    Raises:
        InputError: no sites, or an unknown direction. UnknownSite.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("ioi", model, n=8)
    >>> activation_patching(model, task, model.sites("blocks.*.mlp.out")).effect.shape
    torch.Size([4])
    """
    if direction not in ("denoising", "noising"):
        raise InputError(f"direction={direction!r}: use 'denoising' (clean into corrupted) or 'noising' (corrupted into clean)")
    groups = [[Site.parse(one)] if isinstance(one, str | Site) else [Site.parse(s) for s in one] for one in sites]
    if not groups or not all(groups):
        raise InputError("nothing to patch: give at least one site, and at least one in every group")
    read = list(dict.fromkeys(str(site.whole()) for group in groups for site in group))
    source, target = (task.clean, task.corrupt) if direction == "denoising" else (task.corrupt, task.clean)
    # the metrics of both unpatched runs come with the runs: one gives the values, the other is the sweep's base
    run = model.run(source, read=read, logits=logits_for(task.metric))
    sweep = model.sweep(target, [[Patch(site, run) for site in group] for group in groups], task.metric, batch_size)
    unpatched = task.metric(run).detach().cpu()
    clean, corrupt = (unpatched, sweep.base.cpu()) if direction == "denoising" else (sweep.base.cpu(), unpatched)
    names = [" + ".join(str(site) for site in group) for group in groups]
    return PatchResult(
        direction=direction,
        sites=names,
        values=sweep.values.cpu(),
        clean=clean,
        corrupt=corrupt,
        unit=unit_of(task.metric),
        tokens=run.tokens[0] if run.tokens else [],
        recipe=Recipe.of("sonde.patching.activation_patching", {"sites": names, "direction": direction}, model_hash=model.hash, inputs=task.content),
    )


def residual_sites(model: Model, length: int) -> list[Site]:
    """The residual stream entering each block, at each position: layer by layer."""
    return list(model.sites("blocks.*.resid_pre").each(pos=range(length)))


def head_sites(model: Model) -> list[Site]:
    """Every head's mixed values at all positions: layer by layer."""
    return list(model.sites("blocks.*.attn.z").each(head=range(model.n_heads)))


def mlp_sites(model: Model) -> list[Site]:
    """What every MLP adds, at all positions; none in attention-only models."""
    return [site for site in model.sites() if site.name.endswith(".mlp.out")]
