"""What features contribute to later features: directly along the residual stream, and in all.

    total     the later feature's activation less that with the earlier one ablated
    direct    the same, with every part between the two sites held at its value
    estimate  c dc'/dc along the direct path, norms held: the virtual weight <e', d> times the activation, where the later feature is active

Each is the sum over the tokens of a prompt. A later feature that is silent has no slope and may still be silent without the earlier one; one that
appears when another is ablated shows up in `direct` and `total`, never in the estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Clamp, Detach, Edit, Model, Patch, Run, Site
from sonde.access.direct import parts_between
from sonde.access.forward import gradients
from sonde.access.inputs import Given
from sonde.access.linearising import frozen_norms
from sonde.access.writes import Write
from sonde.features.places import feature_of, sites_read, written_site
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import matrix, tabs

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class FeatureEdges(Result):
    """What earlier features contribute to the activations of later ones.

    Arguments:
        site, features: the earlier ones.
        later_site, later: the later ones.
        activation: of the later ones, as it is.
        total, direct, estimate: see the package's page.
    """

    site: str
    features: list[int]
    later_site: str
    later: list[int]
    activation: Float[Tensor, "later example"]
    total: Float[Tensor, "feature later example"]
    direct: Float[Tensor, "feature later example"]
    estimate: Float[Tensor, "feature later example"]

    def to_frame(self) -> "DataFrame":
        """One row per pair of features and example."""
        import polars as pl

        rows = [
            (f, g, e, *(float(getattr(self, name)[i, j, e]) for name in ("total", "direct", "estimate")))
            for i, f in enumerate(self.features)
            for j, g in enumerate(self.later)
            for e in range(self.total.shape[2])
        ]
        return pl.DataFrame(rows, schema=["feature", "later", "example", "total", "direct", "estimate"], orient="row")

    def drawing(self) -> Drawing:
        """The means over prompts as tables of colours: in all, directly, and as the weights estimate it."""
        made = [
            (label, matrix(
                f"What do features contribute to later ones, {label}?", "activation of the later feature, summed over tokens", values.mean(2),
                row_name=self.site, rows=self.features, col_name=self.later_site, cols=self.later,
            ))
            for label, values in (("in all", self.total), ("directly", self.direct), ("estimated", self.estimate))
        ]  # fmt: skip
        return tabs("What do features contribute to later ones?", made)


def feature_edges(
    model: Model, site: str, features: Sequence[int], later_site: str, later: Sequence[int], inputs: Given
) -> FeatureEdges:  # fmt: skip
    """What earlier features contribute to later ones, by ablation and by their weights.

    Arguments:
        model: a transformer of a known family on which both bases are attached.
        site, features: the earlier ones.
        later_site, later: the later ones.
        inputs: prompts, as for `model.run`.

    Raises:
        InputError: no feature, or sites in the other order.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> neurons = sonde.bases.Neurons(model.architecture.d_mlp)
    >>> model = model.attach("blocks.0.mlp.post", neurons, "n").attach("blocks.2.mlp.post", neurons, "n")
    >>> feature_edges(model, "blocks.0.mlp.post.n", [3], "blocks.2.mlp.post.n", [5, 6], ["The keys", "The cat"]).total.shape
    torch.Size([1, 2, 2])
    """
    earlier, wanted = [feature_of(model, site, f) for f in features], [feature_of(model, later_site, f) for f in later]
    if not earlier or not wanted:
        raise InputError("name at least one earlier and one later feature")
    start, end = written_site(model, site).name, sites_read(model, later_site)[-1]
    order = list(model.architecture.sites)
    if start not in order or end not in order or order.index(start) >= order.index(end):
        raise InputError(f"{later_site!r} does not come after {site!r} in this model: give the earlier site first")
    between = parts_between(model, start, end)
    clean = model.run(inputs, read=[later_site, *between], logits=False)
    held: list[Edit] = [Patch(part, clean) for part in between]
    activation = _summed(clean, later_site, wanted)
    total, direct = list[Tensor](), list[Tensor]()
    for feature in earlier:
        ablation = Clamp(site, 0.0, dims=[feature])
        for edits, found in (([ablation], total), ([ablation, *held], direct)):
            found.append(activation - _summed(model.run(inputs, read=later_site, edits=edits, logits=False), later_site, wanted))
    estimate = _estimated(model, site, earlier, later_site, wanted, inputs, between)
    given = {"site": site, "features": earlier, "later_site": later_site, "later": wanted}
    recipe = Recipe.of("sonde.features.feature_edges", given, model_hash=model.hash, inputs=inputs)
    numbers = (one.float().cpu() for one in (activation, torch.stack(total), torch.stack(direct), estimate))
    return FeatureEdges(site, earlier, later_site, wanted, *numbers, recipe=recipe)


def _summed(run: Run, site: str, features: Sequence[int]) -> Float[Tensor, "feature example"]:
    """Activations summed over each row's real tokens."""
    values = run[site][..., list(features)]
    if run.mask is not None:
        values = values * run.mask[..., None]
    return values.sum(1).T


def _estimated(
    model: Model, site: str, features: Sequence[int], later_site: str, later: Sequence[int], inputs: Given, between: Sequence[str]
) -> Float[Tensor, "feature later example"]:  # fmt: skip
    """Activation times slope along the direct path."""
    prepared, places = model.prepare(inputs), (Site(site), Site(later_site))
    writes = [Write(edit.site, edit) for edit in (*map(Detach, between), *frozen_norms(model))]
    found = []
    for feature in later:
        grads = gradients(model, prepared, lambda run, f=feature: _summed(run, later_site, [f])[0], places[:1], writes, places[1:])  # type: ignore[misc]
        found.append((grads.values[site] * grads[site])[..., list(features)].sum(1).T)
    return torch.stack(found, 1)
