"""Does a map depend on what was to be learnt? The same network is trained on the true labels and on shuffled ones, and maps are compared.

A network with room enough learns shuffled labels by heart. A map that stays the same then shows the input, and not what distinguishes the classes
(Adebayo et al. 2018, section 3.2). Beside it stand the maps of two networks trained on the true labels from different seeds: what two networks that
learnt the same have in common is all that can be asked for.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.attribution.evaluation.blocks import train_pixels
from sonde.attribution.evaluation.cascade import alike
from sonde.attribution.evaluation.diffroar import Trainer
from sonde.attribution.evaluation.removing import Method, refuse_tokens
from sonde.attribution.evaluation.similarity import MEASURES
from sonde.evidence import compare, shuffled, untestable
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import bars
from sonde.tasks import Logit

if TYPE_CHECKING:
    from polars import DataFrame

LEARNT = 0.95  # of the shuffled labels: a network that did not learn them by heart is no control
MOST, SOURCE = 1.0, "none of its own: less than what two networks of the true labels share"


@dataclass(frozen=True, eq=False, repr=False)
class LabelRandomisation(Result):
    """Maps of networks trained on true and on shuffled labels.

    Arguments:
        method: the method of attribution.
        similarity: of the map of a network of the true labels to that of one of shuffled ones, by every measure of `measures`.
        ceiling: to that of another network of the true labels.
        learnt: the share of the training labels that the network of shuffled ones knows by heart.
        measures: the names of the measures.
    """

    method: str
    similarity: Float[Tensor, "measure example"]
    ceiling: Float[Tensor, "measure example"]
    learnt: float
    measures: tuple[str, ...] = MEASURES

    def to_frame(self) -> "DataFrame":
        """One row per measure."""
        import polars as pl

        columns = {"measure": list(self.measures), "shuffled labels": self.similarity.nanmean(-1).tolist()}
        return pl.DataFrame(columns | {"another seed": self.ceiling.nanmean(-1).tolist()})

    def drawing(self) -> Drawing:
        """Both similarities as bars, measure by measure."""
        names = [f"{name}, {world}" for name in self.measures for world in ("shuffled labels", "another seed")]
        values = torch.stack([self.similarity.nanmean(-1), self.ceiling.nanmean(-1)], 1).flatten()
        note = f"The network of shuffled labels knows {self.learnt:.0%} of them by heart; means over {self.similarity.shape[1]} examples."
        return bars(f"Does {self.method} depend on what was learnt?", "similarity of maps", names, values, zero="nothing in common", note=note)

    def check(self, model: Any = None, *args: Any, **kwargs: Any) -> list[Verdict]:
        """For each measure, whether maps of shuffled labels are less alike than those of two networks of the true ones."""
        if model is not None:
            self.refuse_other(model)
        found = []
        for name, similar, ceiling in zip(self.measures, self.similarity, self.ceiling, strict=True):
            claim = f"Maps of {self.method} depend on the labels, by their {name}."
            measure = f"{name} of the maps of true and of shuffled labels; control: of true labels and another seed"
            kept = ~(similar.isnan() | ceiling.isnan())
            if not bool(kept.any()):
                reason = "it can't be taken of these maps"
                found.append(untestable(claim, measure, reason, direction="less", threshold=MOST, threshold_source=SOURCE))
                continue
            found.append(compare(claim, measure, similar[kept], ceiling[kept], direction="less", threshold=MOST, threshold_source=SOURCE))
        return found


def label_randomisation(
    inputs: Float[Tensor, "example *axis"],
    labels: Int[Tensor, " example"],
    method: Method,
    *,
    explained: Float[Tensor, "other *axis"],
    train: Trainer = train_pixels,
    seed: int = 0,
) -> LabelRandomisation:
    """Train on true and on shuffled labels and compare the maps.

    Arguments:
        inputs: pictures or a table to train on.
        labels: their classes, counted from 0.
        method: the method with its arguments bound.
        explained: other inputs, whose maps are compared, by the logit of the class that the network of the true labels gives them.
        train: makes a network of inputs, labels and a seed.
        seed: of the networks and of the shuffling.

    Raises:
        InputError: shuffled labels that the network did not learn by heart.
    """
    refuse_tokens(inputs)
    mixed = shuffled(labels, seed)
    nets = [train(inputs, labels, seed), train(inputs, labels, seed + 1), train(inputs, mixed, seed)]
    with torch.no_grad():
        learnt = float((nets[2](inputs).argmax(-1) == mixed).float().mean())
        said = nets[0](explained).argmax(-1)
    if learnt < LEARNT:
        raise InputError(f"the network knows {learnt:.0%} of the shuffled labels, and {LEARNT:.0%} are needed: train longer, or on fewer inputs")
    models = [Model(net) for net in nets]
    first, other, blind = (method(model, explained, of=Logit(said)) for model in models)
    return LabelRandomisation(
        first.method, alike(first, blind), alike(first, other), learnt,
        recipe=Recipe.of(
            "sonde.attribution.evaluation.label_randomisation", {"method": first.recipe.function}, model_hash=models[0].hash,
            inputs=first.recipe.inputs_hash, seed=seed,
        ),
    )  # fmt: skip
