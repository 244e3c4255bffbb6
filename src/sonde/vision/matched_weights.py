"""Are matched units wired alike? After the channels of two layers in a row were matched, the weights between matched ones beside each other.

    r[out] = corr over (in, row, col) of  W[out, in] s[in]  and  W'[pair(out), pair(in)] s'[pair(in)]

with s the deviation of a channel's answers, since a network may scale a channel and its weights against each other. Two units can answer alike and be
computed otherwise; here the circuit is compared. The null gives the same units partners in random order, on both sides of the weights. It is weak:
partners were chosen by their answers, which follow from their weights, so that partners among random weights agree, too. `check` has that control.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access import Model
from sonde.evidence import compare
from sonde.nn import filters_permuted
from sonde.results import CheckRefused, Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import violins
from sonde.vision.match_results import UnitMatches
from sonde.vision.sentences import sentences
from sonde.vision.slices import slices

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class WeightMatch(Result):
    """How far the weights of matched units agree.

    Arguments:
        layer, other, other_layer: the layers of weights.
        units, partners: the pairs behind the weights, each given once.
        inputs: how many pairs there are before them.
        agreement: of each unit's weights with its partner's.
        null: with partners in random order on both sides.
        entries: whether filters were compared entry by entry, or their sums, where their sizes differ.
        before, after: the matches of the channels that the weights read, and of the units behind them.
        notes: what was decided on the way.
    """

    layer: str
    other: str
    other_layer: str
    units: list[int]
    partners: list[int]
    inputs: int
    agreement: Float[Tensor, " unit"]
    null: Float[Tensor, "draw unit"]
    entries: bool
    before: UnitMatches
    after: UnitMatches
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def to_frame(self) -> "DataFrame":
        """One row per unit: its partner, how far their weights agree, and what they would in random order."""
        import polars as pl

        columns = {"agreement": self.agreement, "null": self.null.mean(0), "null_95": self.null.quantile(0.95, 0)}
        return pl.DataFrame({"unit": self.units, "partner": self.partners, **{name: one.double().tolist() for name, one in columns.items()}})

    def drawing(self) -> Drawing:
        """How the agreement of units is spread, and by chance."""
        what = "entries of filters" if self.entries else "sums of filters, whose sizes differ"
        said = (f"{len(self.units)} units and {self.inputs} channels that they read, {what}", *self.notes)
        return violins(
            f"Are matched units of {self.layer} and {self.other_layer} of {self.other} wired alike?", "correlation of weights",
            ["matched", "partners in random order"], [self.agreement, self.null.flatten()],
            note=sentences(said),
        )  # fmt: skip

    def check(
        self, model: Model, other: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", draws: int = 8, seed: int = 0,
        batch_size: int = 32, folder: str | Path | None = None, progress: bool = False,
    ) -> list[Verdict]:  # fmt: skip
        """Test whether matched units are wired alike: beside copies of the other network with this layer's filters in random order, matched anew.

        Arguments:
            model, other: the networks that were compared.
            pictures: the same ones, or others.
            draws: copies with shuffled filters, at least 2.
            seed: of the draws.
            batch_size: pictures at once.
            folder: keep finished batches there; a check that was interrupted goes on.
            progress: show a bar.

        Raises:
            CheckRefused: one of the models is another one.
        """
        from sonde.vision.matching import pairs_of

        self.refuse_other(model)
        if other.hash != self.after.other_hash:
            raise CheckRefused(
                f"weights were compared with the model {self.after.other_hash[:8]}, and the other given is {other.hash[:8]}: compare anew"
            )
        if not isinstance(draws, int) or draws < 2:
            raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
        path = self.other_layer.removesuffix(":out")
        copies = [Model(_shuffled(other.module, path, seed + draw), name=other.name) for draw in range(draws)]
        own, control = slices(model, self.layer), []
        for broken, pair in zip(copies, pairs_of(self.after, model, other, copies, pictures, seed, batch_size, folder, progress), strict=True):
            units, agreement = _compared(own, slices(broken, self.other_layer), self.before, pair)
            everywhere = torch.zeros(len(pair))  # a unit whose copy fell silent agrees with nothing
            everywhere[units] = agreement
            control.append(everywhere[self.units])
        claim = f"Matched units of {self.layer} and {self.other_layer} of {self.other} read matched channels by like weights."
        return [
            compare(claim, "correlation of weights, mean over units", self.agreement, torch.stack(control), threshold=0.0,
                    threshold_source="above zero", exceeding="draw")
        ]  # fmt: skip


def match_weights(
    before: UnitMatches, after: UnitMatches, model: Model, layer: str, other: Model, other_layer: str, draws: int = 99, seed: int = 0
) -> WeightMatch:  # fmt: skip
    """Compare the weights between two layers in two networks, once the units of both layers were matched.

    Arguments:
        before: the channels that the weights read, matched.
        after: the units that they lead to, matched.
        model, layer: the first network, and the convolution or linear layer between the two.
        other, other_layer: the same in the second.
        draws: random partners, at least 2.
        seed: of the draws.

    Raises:
        InputError: the matches are not of these networks, or do not fit the weights; fewer than two pairs on a side.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> from sonde.vision import match_units
    >>> model, pictures = sonde.load("specimen:digits"), held_out()[0][:40]
    >>> before, after = (match_units(model, one, model, one, pictures, normalise="none") for one in ("blocks.0.act", "blocks.1.act"))
    >>> round(float(match_weights(before, after, model, "blocks.1.conv", model, "blocks.1.conv").agreement.mean()), 3)
    1.0
    """
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    for one in (before, after):
        if (one.recipe.model_hash, one.other_hash) != (model.hash, other.hash):
            raise InputError(f"{one.layer} and {one.other_layer} were not matched in these two networks: match them first")
    own, theirs = slices(model, layer), slices(other, other_layer)
    for name, weights, out, read in (
        (layer, own, len(after.best), len(before.best)),
        (other_layer, theirs, len(after.other_spread), len(before.other_spread)),
    ):
        if tuple(weights.shape[:2]) != (out, read):
            said = f"{weights.shape[0]} units that read {weights.shape[1]} channels"
            raise InputError(f"the weights of {name!r} are of {said}, and {out} units and {read} channels were matched: name the layer between")
    units, channels = ((one.pair >= 0).nonzero()[:, 0] for one in (after, before))
    if min(len(units), len(channels)) < 2:
        raise InputError(f"{len(units)} units and {len(channels)} channels have partners: weights need two of each")
    generator = torch.Generator().manual_seed(seed)
    orders = [[torch.randperm(len(one), generator=generator) for one in (units, channels)] for _ in range(draws)]
    notes = [] if len(channels) == len(before.best) else [f"{len(before.best) - len(channels)} channels without a partner were left out"]
    recipe = Recipe.of("sonde.vision.match_weights", {"layer": layer, "other_layer": other_layer, "other": other.hash, "draws": draws},
                       model_hash=model.hash, inputs=[before.correlation, after.correlation], seed=seed)  # fmt: skip
    return WeightMatch(
        layer=layer, other=other.name, other_layer=other_layer, units=units.tolist(), partners=after.pair[units].tolist(), inputs=len(channels),
        agreement=_compared(own, theirs, before, after.pair)[1],
        null=torch.stack([_compared(own, theirs, before, after.pair, order)[1] for order in orders]), entries=own.shape[2:] == theirs.shape[2:],
        before=before, after=after, notes=tuple(notes), recipe=recipe,
    )  # fmt: skip


def _compared(
    own: Float[Tensor, "unit in row col"], theirs: Float[Tensor, "other otherin otherrow othercol"], before: UnitMatches, pair: Int[Tensor, " unit"],
    order: Sequence[Int[Tensor, "_"]] = (),
) -> tuple[Int[Tensor, " paired"], Float[Tensor, " paired"]]:  # fmt: skip
    """The units that have partners, and the correlation of their weights; with the partners of units and of channels in an order."""
    if own.shape[2:] != theirs.shape[2:]:
        own, theirs = (one.sum((2, 3), keepdim=True) for one in (own, theirs))
    units, channels = ((one >= 0).nonzero()[:, 0] for one in (pair, before.pair))
    partners, read = pair[units], before.pair[channels]
    if order:
        partners, read = partners[order[0]], read[order[1]]
    one = (own * before.spread[:, None, None])[units][:, channels].double().flatten(1)
    two = (theirs * before.other_spread[:, None, None])[partners][:, read].double().flatten(1)
    one, two = (each - each.mean(1, keepdim=True) for each in (one, two))
    length = (one.norm(dim=1) * two.norm(dim=1)).clamp(min=torch.finfo(one.dtype).tiny)  # 0 of a unit whose weights are all the same
    return units, ((one * two).sum(1) / length).float()


def _shuffled(module: nn.Module, path: str, seed: int) -> nn.Module:
    """A copy in which the filters of one layer have their entries in random order."""
    copied = copy.deepcopy(module)
    layer = copied.get_submodule(path)
    layer.load_state_dict(filters_permuted(layer, seed).state_dict())
    return copied
