"""Does the order of a map mean anything for learning? Keep what it ranks first, or last, in every input, train anew on each, and compare.

    DiffROAR(k) = accuracy(trained on the first share k of places) - accuracy(trained on the last share k)

(Shah, Jain and Netrapalli 2021.) The rest is masked by the mean of the data, in training and in testing alike. Positive: the order puts first what
distinguishes the classes. The masks themselves carry information, for they were made by a model that knew the input; both sides of the difference
have that cue, which is why the plain accuracy (ROAR, Hooker et al. 2019) is not shown alone. Random orders stand beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.attribution.evaluation.blocks import train_pixels
from sonde.attribution.results import Attribution
from sonde.evidence import compare
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

Trainer = Callable[[Tensor, Tensor, int], nn.Module]
"""From inputs, labels and a seed to a trained network that gives logits."""


@dataclass(frozen=True, eq=False, repr=False)
class DiffRoar(Result):
    """Accuracies of networks trained on what a map ranks first, and last.

    Arguments:
        method: the attribution's method.
        shares: of places that are kept.
        first: accuracy with the first places, for each share and seed.
        last: with the last ones.
        random_first: the same for random orders.
        random_last: the same for random orders.
    """

    method: str
    shares: tuple[float, ...]
    first: Float[Tensor, "share seed"]
    last: Float[Tensor, "share seed"]
    random_first: Float[Tensor, "share seed"]
    random_last: Float[Tensor, "share seed"]

    @property
    def difference(self) -> Float[Tensor, "share seed"]:
        """DiffROAR."""
        return self.first - self.last

    @property
    def random_difference(self) -> Float[Tensor, "share seed"]:
        """That of random orders: about 0."""
        return self.random_first - self.random_last

    def to_frame(self) -> "DataFrame":
        """One row per share and seed."""
        import polars as pl

        n, seeds = self.first.shape
        columns = {"share": [share for share in self.shares for _ in range(seeds)], "seed": list(range(seeds)) * n}
        named = {"first": self.first, "last": self.last, "difference": self.difference, "random": self.random_difference}
        return pl.DataFrame(columns | {name: values.flatten().tolist() for name, values in named.items()})

    def drawing(self) -> Drawing:
        """DiffROAR against the share kept, with the range over seeds."""
        series = [
            Series(name, values.mean(-1), values.amin(-1), values.amax(-1))
            for name, values in ((self.method, self.difference), ("random orders", self.random_difference))
        ]
        labels = [f"{share:.0%}" for share in self.shares]
        note = f"Accuracy with the first places minus accuracy with the last; {self.first.shape[1]} networks each, the band is their range."
        return lines(f"Does {self.method} put first what distinguishes the classes?", "accuracy", "share of places kept", labels, series, note=note)

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Whether the first places teach more than the last ones, compared with random orders; the seeds are the examples."""
        self.refuse_other(model)
        claim = f"{self.method[:1].upper() + self.method[1:]} puts first what distinguishes the classes."
        measure = "DiffROAR, accuracy, mean over the shares kept; control: random orders"
        source = "the first places must teach more than the last"
        values, control = self.difference.mean(0), self.random_difference.mean(0)
        return [compare(claim, measure, values, control, threshold=0.0, threshold_source=source)]


def diffroar(
    attribution: Attribution,
    test: Attribution,
    inputs: tuple[Float[Tensor, "example *axis"], Float[Tensor, "other *axis"]],
    labels: tuple[Int[Tensor, " example"], Int[Tensor, " other"]],
    *,
    train: Trainer = train_pixels,
    shares: Sequence[float] = (0.1, 0.2, 0.3),
    seeds: int = 3,
    seed: int = 0,
) -> DiffRoar:
    """Train anew on what an attribution ranks first and last, by the sizes of its values.

    Arguments:
        attribution: of the inputs to train on, a value for every place.
        test: of those to test on.
        inputs: the inputs to train and to test on: tables or pictures.
        labels: their classes.
        train: makes a network of masked inputs; the same budget serves all.
        shares: of places that are kept.
        seeds: networks for each share and side: a verdict needs eight.
        seed: of the first network and of the random orders.

    Raises:
        InputError: attributions that don't fit the inputs, or shares outside 0 to 1.
    """
    if not all(0 < share < 1 for share in shares) or seeds < 1:
        raise InputError(f"shares={tuple(shares)}, seeds={seeds}: keep more than nothing and less than all, with at least 1 seed")
    sizes = [_sizes(one, values) for one, values in zip((attribution, test), inputs, strict=True)]
    mean = inputs[0].mean(0)
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.rand(own.shape, generator=generator) for own in sizes]
    found = torch.zeros(2, 2, len(shares), seeds)
    jobs = [(world, side, i, j) for world in range(2) for side in range(2) for i in range(len(shares)) for j in range(seeds)]
    for world, side, i, j in track(jobs, "training anew"):
        order = [own if side == 0 else -own for own in (sizes, drawn)[world]]
        seen, held = (_kept(values, own, shares[i], mean) for values, own in zip(inputs, order, strict=True))
        net = train(seen, labels[0], seed + j)
        with torch.no_grad():
            found[world, side, i, j] = (net(held).argmax(-1) == labels[1]).float().mean()
    return DiffRoar(
        attribution.method, tuple(shares), found[0, 0], found[0, 1], found[1, 0], found[1, 1],
        recipe=Recipe.of(
            "sonde.attribution.evaluation.diffroar", {"attribution": attribution.recipe.function, "shares": shares, "seeds": seeds},
            model_hash=attribution.recipe.model_hash, inputs=[attribution.recipe.inputs_hash, attribution.values], seed=seed,
        ),
    )  # fmt: skip


def _sizes(attribution: Attribution, inputs: Tensor) -> Float[Tensor, "example *cell"]:
    """The sizes of the values, in the shape of the inputs but for channels."""
    sizes = attribution.cells().abs()
    shape = inputs.shape[:1] + inputs.shape[2:] if attribution.axes[-2:] == ("row", "col") else inputs.shape
    if sizes.shape != shape or bool(sizes.isnan().any()):
        raise InputError(f"{attribution.method} has values of {tuple(sizes.shape)}, and the inputs {tuple(inputs.shape)}: give one for every place")
    return sizes


def _kept(inputs: Tensor, sizes: Tensor, share: float, mean: Tensor) -> Tensor:
    """Inputs of which the largest places are kept and the rest is the mean of the data."""
    flat = sizes.flatten(1)
    chosen = flat.topk(max(1, round(share * flat.shape[1])), -1).indices
    kept = torch.zeros_like(flat, dtype=torch.bool).scatter(1, chosen, True).view(sizes.shape)
    return torch.where(kept.unsqueeze(1) if sizes.ndim < inputs.ndim else kept, inputs, mean)
