"""Activation patching: which place carries what differs between a prompt and its counterfactual?

A site's value is taken from the run of one prompt and written into the run of the other, and the metric m says how far that moves the answer
(Vig et al. 2020; Meng et al. 2022):

    denoising, clean into corrupted:  (m_patched - m_corrupt) / (m_clean - m_corrupt)     is the site enough?
    noising, corrupted into clean:    (m_clean - m_patched) / (m_clean - m_corrupt)       is the site needed?

The two differ: of parts that back one another up each is enough and none is needed, of parts that work in a chain each is needed and none is
enough. Noising may write something else than the corrupted value: the mean over all of them, that of another example, zero; each asks another
question, so the kind of ablation stays with the numbers. Denoising has no such choice: the clean value needs a run in which all else is that of a
prompt. Every cell equals one plain hooked forward; the sweep behind it reuses what they share.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from sonde.access import Edit, Model, Patch, Site
from sonde.access.forward import logits_for
from sonde.patching.replacing import replacing
from sonde.patching.results import Direction, PatchResult, grouped, named
from sonde.results import InputError, Recipe
from sonde.tasks import Ablation, Task
from sonde.tasks.metrics import unit_of

COUNTERFACTUAL = Ablation()


def activation_patching(
    model: Model,
    task: Task,
    sites: Iterable[str | Site | Sequence[str | Site]],
    direction: Direction = "denoising",
    batch_size: int | Literal["auto"] = "auto",
    ablation: Ablation = COUNTERFACTUAL,
    partners: Task | None = None,
) -> PatchResult:
    """The metric of a task under each patch.

    Arguments:
        model: any model that the task's prompts suit.
        task: prompts with their counterfactuals, token by token of the same length, and a metric.
        sites: what to patch, one entry per patch: a site, or several that are patched together; coordinates of an attached basis are sites too, and
            the task's spans are positions.
        direction: "denoising" or "noising".
        batch_size: rows per pass.
        ablation: what noising writes; by default the value of the example's own counterfactual.
        partners: another task over whose counterfactuals a mean is taken, such as a larger one.

    Returns:
        The metric under each patch and in both runs, and the effects.

    Raises:
        InputError: no sites, an unknown direction, or an ablation that makes no sense in it or cannot be made. UnknownSite.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("ioi", model, n=8)
    >>> activation_patching(model, task, model.sites("blocks.*.mlp.out")).effect.shape
    torch.Size([4])
    >>> zeroed = activation_patching(model, task, model.sites("blocks.*.mlp.out"), "noising", ablation=sonde.tasks.Ablation("zero"))
    >>> print(zeroed.ablation)
    zero
    """
    if direction not in ("denoising", "noising"):
        raise InputError(f"direction={direction!r}: use 'denoising' (clean into corrupted) or 'noising' (corrupted into clean)")
    groups = grouped(sites)
    ablation = ablation.on(task)
    if direction == "denoising":
        refuse_choice(ablation, partners)
        read = list(dict.fromkeys(str(site.whole()) for group in groups for site in group))
        run = model.run(task.clean, read=read, logits=logits_for(task.metric), spans=task.spans)
        edits: list[list[Edit]] = [[Patch(site, run) for site in group] for group in groups]
    else:
        edits, run = replacing(model, task, groups, ablation, partners)
    target = task.corrupt if direction == "denoising" else task.clean
    # the metrics of both unpatched runs come with the runs: one gives the values, the other is the sweep's base
    sweep = model.sweep(target, edits, task.metric, batch_size, spans=task.spans)
    unpatched = task.metric(run).detach().cpu()
    clean, corrupt = (unpatched, sweep.base.cpu()) if direction == "denoising" else (sweep.base.cpu(), unpatched)
    names = named(groups)
    return PatchResult(
        direction=direction,
        sites=names,
        values=sweep.values.cpu(),
        clean=clean,
        corrupt=corrupt,
        unit=unit_of(task.metric),
        tokens=run.tokens[0] if run.tokens else [],
        ablation=ablation,
        n_partners=len(partners or task),
        recipe=Recipe.of(
            "sonde.patching.activation_patching", {"sites": names, "direction": direction, "ablation": vars(ablation)},
            model_hash=model.hash, inputs=task.content if partners is None else [task.content, partners.content],
        ),
    )  # fmt: skip


def refuse_choice(ablation: Ablation, partners: Task | None) -> None:
    """Raise `InputError` where denoising is told what to ablate with.

    Arguments:
        ablation, partners: as they were given.
    """
    if ablation.kind != "counterfactual" or partners is not None:
        raise InputError(
            f"denoising writes the clean value into the run of the counterfactual, where nothing is ablated, so {str(ablation)!r} has no meaning: "
            "use direction='noising', or leave ablation and partners out"
        )


def residual_sites(model: Model, length: int) -> list[Site]:
    """The residual stream entering each block, at each position: layer by layer."""
    return list(model.sites("blocks.*.resid_pre").each(pos=range(length)))


def head_sites(model: Model, part: Literal["z", "q", "k", "v", "result"] = "z") -> list[Site]:
    """A part of every head, at all positions: layer by layer.

    Arguments:
        model: a model of a known family.
        part: its mixed values z, its queries, keys or values, or what it adds to the residual stream. Where several heads share their keys and values
            there are as many sites as key-value heads, and they are named so.

    >>> import sonde
    >>> print(head_sites(sonde.load("specimen:words"), "k")[5])
    blocks.1.attn.k[head=1]
    """
    sites = model.sites(f"blocks.*.attn.{part}")
    axis = model.locate(f"blocks.0.attn.{part}").axes[2]
    return list(sites.each(**{axis: range(model.n_heads if axis == "head" else model.architecture.n_kv_heads)}))


def mlp_sites(model: Model) -> list[Site]:
    """What every MLP adds, at all positions; none in attention-only models."""
    return [site for site in model.sites() if site.name.endswith(".mlp.out")]
