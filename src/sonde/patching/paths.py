"""Path patching: along which paths does a part of the model act on another?

A sender u takes its value from another prompt while chosen parts f are held at what they were; what the receivers v then read is written into a run
in which nothing else has changed (Wang et al. 2023; Goldowsky-Dill et al. 2023). With x the prompt and x' the other one,

    x~_v   = what v reads in the run of x   where u is u(x') and every f is f(x)
    effect = m(the run of x where v reads x~_v) - m(x)

So the change takes the paths from u to v that avoid f. With the heads frozen these are the direct one and all through MLPs, which count as a part of
the way; with heads and MLPs frozen it is the direct path alone. A norm in front of the receivers is live unless it is frozen, too.

Receivers are written over: of two, one behind the other, the later does not hear what the earlier one makes of the change (`edge_patching` adds to
what is there instead). The senders go through the model stacked along the batch; where the logits are the receiver, a sweep does it all.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Literal

from sonde.access import Edit, Model, Patch, Set, Site
from sonde.access.engine.readings import readings
from sonde.access.forward import logits_for
from sonde.access.sites import Choice
from sonde.patching.activation import COUNTERFACTUAL, refuse_choice
from sonde.patching.freezing import Frozen, frozen_sites
from sonde.patching.path_results import Norm, PathResult
from sonde.patching.replacing import replacing
from sonde.patching.results import Direction, PatchResult, grouped, named
from sonde.results import InputError, Recipe, shown
from sonde.tasks import Ablation, Task
from sonde.tasks.metrics import unit_of

Given = str | Site | Iterable[str | Site | Sequence[str | Site]]
STREAM = ("embed", "resid_pre", "resid_mid", "resid_post", "final_norm", "logits")


def path_patching(
    model: Model, task: Task, senders: Given, receivers: str | Site | Sequence[str | Site] = "logits",
    frozen: Frozen | Sequence[str | Site] = "heads", positions: Choice | None = None, norm: Norm = "live", direction: Direction = "noising",
    ablation: Ablation = COUNTERFACTUAL, partners: Task | None = None, batch_size: int | Literal["auto"] = "auto",
) -> PathResult:  # fmt: skip
    """The effect of each sender on the metric by way of the receivers, along the paths that are not frozen.

    Arguments:
        model: a language model of a known family, or another whose sites are named by path.
        task: prompts with their counterfactuals, token by token of the same length, and a metric.
        senders: one entry per patch: a site, or several that are patched together; heads, MLPs, embeddings, the stream, coordinates of a basis.
        receivers: where the change may arrive: "logits", a head's q, k or v, an MLP's input, or any other site; several at once.
        frozen: what no path goes through: "heads" (what MLPs make of the change is passed on, as in Wang et al. 2023), "heads+mlps" (the direct path
            only), "none", or the sites themselves. What belongs to the sender stays free.
        positions: where they are frozen, as an index along `pos`; everywhere by default. Elsewhere the change passes through them.
        norm: "live", or "frozen": the scales of all norms between sender and receivers are held, so that what arrives is linear in what was sent.
        direction: "noising": the prompt's run with the counterfactual's value; "denoising": the other way round.
        ablation: what noising writes; by default the value in the example's own counterfactual.
        partners: another task over whose counterfactuals a mean is taken, such as a larger one.
        batch_size: rows per pass.

    Returns:
        The metric under each patch and in both runs, and the effects.

    Raises:
        InputError: no senders or receivers; the logits or the stream beside other receivers, whose effects they would overwrite; an ablation while
            denoising; unknown words. UnknownSite, SiteUnavailable: a place that the model has not.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("ioi", model, n=8)
    >>> path_patching(model, task, model.sites("blocks.*.mlp.out"), "logits", frozen="heads+mlps").effect.shape
    torch.Size([4])
    """
    given = [senders] if isinstance(senders, str | Site) else senders
    groups = grouped(given)
    into = [Site.parse(receivers)] if isinstance(receivers, str | Site) else [Site.parse(one) for one in receivers]
    _refuse(model, groups, into, direction, norm)
    held = [frozen_sites(model, group, frozen, positions, norm) for group in groups]
    base = task.clean if direction == "noising" else task.corrupt
    ablation = ablation.on(task)
    if direction == "noising":
        sent, source = replacing(model, task, groups, ablation, partners)
    else:
        refuse_choice(ablation, partners)
        source = model.run(task.clean, read=_whole(groups), logits=logits_for(task.metric), spans=task.spans)
        sent = [[Patch(site, source) for site in group] for group in groups]
    kept = model.run(base, read=_whole(held), logits=False, spans=task.spans) if any(held) else source
    cells: list[list[Edit]] = [[*(Patch(site, kept) for site in sites), *own] for sites, own in zip(held, sent, strict=True)]
    if into != [Site("logits")]:
        arrived = readings(model, model.prepare(base, spans=task.spans), cells, into, batch_size)
        cells = [[Set(site, values[i]) for site, values in arrived.items()] for i in range(len(groups))]
    sweep = model.sweep(base, cells, task.metric, batch_size, spans=task.spans)
    ends = sweep.base.cpu(), task.metric(source).detach().cpu()
    clean, corrupt = ends if direction == "noising" else ends[::-1]
    names, into_names = named(groups), [str(site) for site in into]
    kinds = [frozen] if isinstance(frozen, str) else [str(site) for site in frozen]
    where = "" if positions is None else str(Site("blocks").at(pos=positions)).removeprefix("blocks[pos=").rstrip("]")
    asked = {"senders": names, "receivers": into_names, "frozen": kinds, "positions": where, "norm": norm, "direction": direction}
    recipe = Recipe.of(
        "sonde.patching.path_patching", asked | {"ablation": vars(ablation)}, model_hash=model.hash,
        inputs=task.content if partners is None else [task.content, partners.content],
    )  # fmt: skip
    patches = PatchResult(
        direction=direction, sites=names, values=sweep.values.cpu(), clean=clean, corrupt=corrupt, unit=unit_of(task.metric),
        tokens=source.tokens[0] if source.tokens else [], ablation=ablation, n_partners=len(partners or task), recipe=recipe,
    )  # fmt: skip
    return PathResult(patches, into_names, kinds, where, norm, recipe=recipe)


def _refuse(model: Model, senders: list[list[Site]], receivers: list[Site], direction: str, norm: str) -> None:
    if direction not in ("denoising", "noising"):
        raise InputError(f"direction={shown(direction)}: use 'noising' (corrupted into clean) or 'denoising' (clean into corrupted)")
    if norm not in ("live", "frozen"):
        raise InputError(f"norm={shown(norm)}: use 'live' or 'frozen'")
    if not receivers:
        raise InputError("the change can arrive nowhere: give at least one receiver, such as 'logits'")
    names = {site.name for site in receivers}
    stream = [name for name in names if name.rpartition(".")[2] in STREAM]
    if stream and len(names) > 1:
        raise InputError(
            f"{stream[0]!r} holds what the other receivers do, too, and would overwrite it: give it alone, or name the edges to edge_patching"
        )
    order = {name: i for i, name in enumerate(model.site_names) if name in model.architecture.sites or name in model.bases}
    sending, receiving = ([model.locate(site.name).name for site in sites] for sites in (chain(*senders), receivers))
    if all(name in order for name in (*sending, *receiving)) and max(order[name] for name in receiving) < min(order[name] for name in sending):
        raise InputError(f"no sender comes before a receiver: {senders[0][0]} can't reach {receivers[0]}; exchange them")


def _whole(groups: Iterable[Iterable[Site]]) -> list[str]:
    """The names of all sites, once each."""
    return list(dict.fromkeys(site.name for group in groups for site in group))
