"""What an evaluation says: a table of bases by measures, never one number of one basis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.evaluation import claims, pictures
from sonde.results import Drawing, Result, Verdict

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Model

MEASURES = {
    "size": "latents",
    "l0": "latents that are active in an activation, on average",
    "dead": "share of the latents that were never active",
    "dense": "share of the latents that are active in more than a tenth of the activations",
    "fvu": "share of the variance that is not written back, over the whole set",
    "norm_ratio": "length of what is written over length of what was to be",
    "slope": "what written deviations would have to be multiplied with; above 1 they are shrunk",
    "ce": "loss of a token with this basis spliced in, nats",
    "delta_ce": "the same less the model's own, nats",
    "kl": "KL(own prediction || spliced), nats",
    "recovered_zero": "share of the loss recovered, against zeros",
    "recovered_mean": "share of the loss recovered, against the mean",
    "mmcs": "mean best cosine of the true directions",
    "mmcs_chance": "the same of random directions",
    "mmcs_back": "mean best cosine of the learned directions",
    "mmcs_back_chance": "the same of random directions",
    "mcc": "mean abs(cosine) of a one-to-one matching",
    "mcc_chance": "the same of random directions",
    "found": "share of the true directions with a best cosine above 0.9",
    "found_chance": "the same of random directions",
    "f1": "F1 of the best latent of a property, mean over properties",
    "f1_shuffled": "the same with shuffled labels",
    "accuracy_1": "balanced accuracy of a probe on 1 latent, mean over properties",
    "accuracy_2": "on 2 latents",
    "accuracy_5": "on 5 latents",
    "absorbed": "absorbed fraction, mean over properties",
    "absorbed_full": "share of activations in which a property is absorbed in full",
}
"""Every measure and what it is; measures of one of several sites have the site's name behind them."""


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result):
    """Bases judged on the same activations.

    Arguments:
        names: of the bases; controls come last.
        controls: of each basis that has any, the names of the controls that are active as often.
        rows: how many activations there were: a latent is dead that was silent in all of them.
        measures: by name, a number for each basis; `None` where it has none.
        density: of each basis the share of the activations in which each latent is active.
        errors: each text's mean squared error over the variance of all texts, by basis.
        lengths: of each text, in activations: with them as weights the mean of the errors is the FVU.
        ablated: loss of the model as it is, with zeros, and with means, by place.
        losses: each text's loss with a basis spliced in, by basis; empty where the loss was not asked for, or a basis writes several places.
        best: of each basis the best cosine of each true direction; empty without known directions.
        by_chance: the same of random directions, by basis and draw.
        properties: a row for each property and basis; `None` without labels.
        notes: what was decided or left out.
    """

    names: tuple[str, ...]
    controls: Mapping[str, tuple[str, ...]]
    rows: int
    measures: Mapping[str, list[float | None]]
    density: tuple[Float[Tensor, " _"], ...]
    errors: Float[Tensor, "basis text"]
    lengths: Float[Tensor, " text"]
    ablated: Mapping[str, tuple[float, float, float]]
    losses: Mapping[str, Float[Tensor, " _"]]
    best: Mapping[str, Float[Tensor, " true"]]
    by_chance: Mapping[str, Float[Tensor, "draw true"]]
    properties: "DataFrame | None"
    notes: tuple[str, ...] = ()

    @property
    def judged(self) -> tuple[str, ...]:
        """The bases that were asked about; the others are controls."""
        beside = {name for names in self.controls.values() for name in names}
        return tuple(name for name in self.names if name not in beside)

    def __getitem__(self, name: str) -> dict[str, float | None]:
        """The measures of one basis."""
        place = self.names.index(name)
        return {measure: values[place] for measure, values in self.measures.items()}

    def to_frame(self) -> "DataFrame":
        """One row per basis, one column per measure."""
        import polars as pl

        return pl.DataFrame({"basis": list(self.names), "control": [name not in self.judged for name in self.names], **self.measures})

    def drawing(self) -> Drawing:
        """The table, what is active against what is left unexplained, against the loss, and how often latents are active."""
        return pictures.overview(self)

    def check(self, model: "Model | None" = None, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Is each basis better than its controls: less left unexplained, less loss, more true directions, properties told better?

        Arguments:
            model: the model that was judged; none where activations were given.
            args, kwargs: none.

        Raises:
            CheckRefused: another model.
        """
        if model is not None:
            self.refuse_other(model)
        return claims.verdicts(self)
