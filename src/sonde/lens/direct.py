"""Direct contributions: what does each part of a model write straight into an answer?

The unembedding reads the final norm of the residual stream, and the stream is a sum: the embeddings and what every head and MLP has added. With
the final norm's scale held at its value s, the way from the stream to a logit difference is linear, so the difference is a sum over the parts c:

    logit(target) - logit(foil) = sum_c <c, g> + constant,      g = (W_U[target] - W_U[foil]) * gamma / s, centred where the norm centres

(Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; "direct logit attribution".) g is taken as a gradient: with every norm's
scale frozen and what later parts read of the stream detached, only the direct paths are left, in whatever way a family adds to its stream. The
constant, what the biases of the final norm and the unembedding give, is the reading of an empty stream.

The scale depends on all parts, and what is made of that is a choice, stated in the result as `norm`:

    frozen    s is held: the parts sum to the difference; what a part does by changing s is nobody's
    linear    the norm's own slope: what the difference changes by when a part grows a little; a norm forgets length, so these sum to about zero
    removed   the difference less that of the stream without the part, s formed anew: true of each part alone, and no sum of anything
"""

from typing import TYPE_CHECKING, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Detach, Gradients, Model
from sonde.access.direct import direct_only, refuse_indirect
from sonde.access.inputs import Given
from sonde.lens.contributions import Contributions, Norm
from sonde.lens.removing import differences_without
from sonde.results import InputError, Recipe, SiteUnavailable, shown
from sonde.tasks import LogitDifference, Task
from sonde.tasks.metrics import BeforeCap

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKENS_PER_PASS = 4096
BOUND, BOUND_HALF = 1e-3, 5e-2  # of the sizes of all parts together: what rounding explains, many times over


def direct_contributions(
    model: Model, task: Task | Given, of: LogitDifference | None = None, bos: bool | None = None, norm: Norm = "frozen"
) -> Contributions:
    """What the embeddings, each head and each MLP write straight into the logit difference of target and foil.

    Arguments:
        model: a language model of a known family whose parts are added to one stream (not post-norm).
        task: a task, whose counterfactuals are taken apart too; or inputs (then with `of`).
        of: the targets and foils, and the position; by default the task's representative target and foil.
        bos: for inputs, as for `Model.run`.
        norm: what is made of the final norm's scale: it is "frozen"; its slope is taken too, "linear"; or each part is "removed" from the stream.

    Returns:
        One value per part and example; with the constant and the remainder they sum to the logit difference. With the frozen norm the remainder is
        rounding; with the others it is what no part alone accounts for.

    Raises:
        InputError: no targets and foils, or no examples. SiteUnavailable: a family in which parts do not add up.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = direct_contributions(model, sonde.tasks.load("agreement", model, n=4))
    >>> torch.allclose(found.values.sum(0) + found.constant, found.metric, atol=1e-3)
    True
    """
    if of is None and isinstance(task, Task):
        of = LogitDifference(task.targets, foils=task.foils)
    if not isinstance(of, LogitDifference):
        raise InputError(
            "direct contributions add up to a logit difference and to nothing else: give a task, or of=LogitDifference(target, foils=foil)"
        )
    if norm not in get_args(Norm):
        raise InputError(f"norm={shown(norm)}: use {', '.join(map(repr, get_args(Norm)))}")
    refuse_indirect(model)
    rows = [ids[real].tolist() for ids, real in _rows(model, task.clean if isinstance(task, Task) else task, bos)]
    if not rows:
        raise InputError("there are no examples to take apart")
    clean = _Apart(model, of, rows, norm)
    against = _Apart(model, of, task.corrupt, norm) if isinstance(task, Task) else None
    return Contributions(
        names=clean.names,
        values=clean.values,
        metric=clean.metric,
        constant=clean.constant,
        counterfactual=None if against is None else against.values,
        before_cap=bool(model.architecture.softcap),
        norm=norm,
        recipe=Recipe.of(
            "sonde.lens.direct_contributions", {"pos": of.pos, "norm": norm}, model_hash=model.hash,
            inputs=task.content if isinstance(task, Task) else rows,
        ),
    )  # fmt: skip


def _rows(model: Model, inputs: Given, bos: bool | None) -> "Iterator[tuple[Tensor, Tensor]]":
    prepared = model.prepare(inputs, bos)
    if prepared.ids is None or prepared.mask is None:
        raise InputError(f"direct contributions need rows of tokens, and {model.name} was given none")
    return zip(prepared.ids, prepared.mask, strict=True)


class _Apart:
    """The logit differences of some rows, taken apart; in whatever way, it is proved first that the parts make up the stream."""

    def __init__(self, model: Model, of: LogitDifference, rows: "list[list[int]] | tuple[tuple[int, ...], ...]", norm: Norm):
        self.model, self.of, self.sites = model, of, model.architecture.sites
        per_pass = max(1, TOKENS_PER_PASS // max(len(row) for row in rows))
        passes = [range(start, min(start + per_pass, len(rows))) for start in range(0, len(rows), per_pass)]
        given = [([list(rows[i]) for i in chosen], of.select(list(chosen))) for chosen in passes]
        made = [self._pass(some, asked, direct_only(model)) for some, asked in given]
        self.names: list[str] = made[0][0]
        self.values: Float[Tensor, "part example"] = torch.cat([values for _, values, _ in made], -1).float().cpu()
        self.metric: Float[Tensor, " example"] = torch.cat([metric for _, _, metric in made]).float().cpu()
        self.constant = self._constant(len(rows))
        self._prove()
        if norm == "linear":
            slopes = [edit for edit in direct_only(model) if edit.site.name != "final_norm.scale"]
            self.values = torch.cat([self._pass(some, asked, slopes)[1] for some, asked in given], -1).float().cpu()
        elif norm == "removed":
            without = torch.cat([differences_without(model, some, asked, self.names) for some, asked in given], -1)
            self.values = self.metric - without

    def _pass(self, rows: list[list[int]], of: LogitDifference, edits: list[Detach]) -> tuple[list[str], Tensor, Tensor]:
        """The parts of some rows, one after the other along the stream, by the slopes under some edits."""
        model, layers = self.model, range(self.model.n_layers)
        ends = self._there(["embed", "pos_embed"]) if not model.architecture.embed_norm else []
        inside = self._there(f"blocks.{i}.{site}" for i in layers for site in ("attn.z", "attn.out", "mlp.out"))
        metric = BeforeCap(of, model.architecture.softcap)
        grads = model.grad(rows, of=metric, at=[*ends, "blocks.0.resid_pre", *inside], edits=edits)
        parts: dict[str, Tensor] = {end: _along(grads, end).sum((1, 2)) for end in ends}
        parts = parts or {"embeddings": _along(grads, "blocks.0.resid_pre").sum((1, 2))}
        biases = torch.zeros(len(rows), dtype=torch.float64)
        for i in layers:
            of_heads = _along(grads, f"blocks.{i}.attn.z").sum((1, 3))
            parts |= {f"head {i}.{head}": of_heads[:, head] for head in range(model.n_heads)}
            biases += (_along(grads, f"blocks.{i}.attn.out").sum((1, 2)) - of_heads.sum(1)).cpu()
            if f"blocks.{i}.mlp.out" in self.sites:
                parts[f"MLP {i}"] = _along(grads, f"blocks.{i}.mlp.out").sum((1, 2))
        parts["attention biases"] = biases
        return list(parts), torch.stack([part.cpu() for part in parts.values()]), grads.metric.double().cpu()

    def _constant(self, n: int) -> Float[Tensor, " example"]:
        """What an empty stream says: a norm makes of nothing its own bias."""
        weight = next(self.model.module.get_submodule(self.model.architecture.unembed).parameters())
        with torch.no_grad():
            logits = self.model.unembed(torch.zeros(self.model.d_model, dtype=weight.dtype, device=weight.device)).double().cpu()
        logits = BeforeCap(self.of, self.model.architecture.softcap).of(logits)
        targets, foils = (torch.as_tensor(ids).reshape(-1).expand(n) for ids in (self.of.targets, self.of.foils))
        return (logits[targets] - logits[foils]).float()

    def _prove(self) -> None:
        """The sum must be the metric: else something that is no part writes to the stream."""
        off = (self.metric - self.constant - self.values.sum(0)).abs()
        sizes = self.values.abs().sum(0) + self.metric.abs()
        bound = BOUND if self.model.dtype in ("float32", "float64") else BOUND_HALF
        worst = int((off / sizes.clamp(min=1e-9)).argmax())
        if off[worst] > bound * sizes[worst]:
            raise SiteUnavailable(
                f"the parts of {self.model.name} do not add up to its logits (off by {off[worst]:.3g} where they measure {sizes[worst]:.3g}): "
                "something that sonde does not know adds to its stream, so no part's share can be told; use sonde.patching"
            )

    def _there(self, names: "Iterator[str] | list[str]") -> list[str]:
        return [name for name in names if name in self.sites]


def _along(grads: Gradients, site: str) -> Tensor:
    """Value times gradient, entry by entry."""
    return grads.values[site].double() * grads[site].double()
