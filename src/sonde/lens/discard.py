"""Is the input token discarded? Its rank in each layer's reading, beside what a linear probe still tells of it.

Where embeddings and unembedding are tied, the first row of the lens says the token itself, and a block later it is gone from the best guesses. That
the model has "discarded" its input is a claim about this readout alone: the token may stand in other directions. So a ridge classifier is trained on
the same states to tell the commonest tokens apart, and judged on other rows of text beside the same classifier of shuffled tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare
from sonde.lens.logit import asked_ids, measured
from sonde.lens.reading import layer_sites, readable
from sonde.lens.training import encoded
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

CLASSES, LEAST = 20, 5  # tokens that are told apart, and how often each must occur in the rows that are learned from
MEASURE = "share of held-out tokens that a linear probe of the last block's states names rightly; control: the probe of shuffled tokens"
THRESHOLD, SOURCE = 0.5, "half of the tokens: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class InputDiscard(Result):
    """What each layer's states still say of the token at their own position.

    Arguments:
        layers: the embeddings, each block, and the model.
        first: by row of text the share of positions at which the token is the reading's first guess.
        ten: the share at which it is among the first ten.
        probed: whether the probe names a held-out token rightly.
        shuffled: whether the probe of shuffled tokens does.
        classes: the tokens that the probe tells apart.
        notes: rows that were left out.
    """

    layers: list[str]
    first: Float[Tensor, "layer row"]
    ten: Float[Tensor, "layer row"]
    probed: Float[Tensor, "layer token"]
    shuffled: Float[Tensor, "layer token"]
    classes: list[str]
    notes: list[str]

    def to_frame(self) -> "DataFrame":
        """One row for each layer."""
        import polars as pl

        columns = {"first": self.first, "ten": self.ten, "linear": self.probed, "chance": self.shuffled}
        return pl.DataFrame({"layer": self.layers, **{name: values.mean(1).tolist() for name, values in columns.items()}})

    def drawing(self) -> Drawing:
        """All shares by layer."""
        series = [
            Series("first in the reading", self.first.mean(1)), Series("among the first ten", self.ten.mean(1)),
            Series(f"named by a linear probe ({len(self.classes)} tokens)", self.probed.mean(1)),
        ]  # fmt: skip
        return lines(
            "Is the input token discarded?", "share of positions", "layer", self.layers, series,
            control=Series("the probe of shuffled tokens", self.shuffled.mean(1)),
        )  # fmt: skip

    def check(self, model: Model) -> list[Verdict]:  # type: ignore[override]
        """Whether the token can be read linearly to the end, whatever the readout shows.

        Arguments:
            model: the one that was read.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        claim = f"The input token can still be told from the last states, where the readout has it among its first ten in {self.ten[-1].mean():.0%}."
        return [compare(claim, MEASURE, self.probed[-1], self.shuffled[-1], threshold=THRESHOLD, threshold_source=SOURCE)]


def input_discard(model: Model, rows: Sequence[str | Sequence[int]], bos: bool | None = None, seed: int = 0) -> InputDiscard:
    """Follow the token at each position through the layers.

    Arguments:
        model: a language model of a known family.
        rows: texts or token ids; the probe learns from two thirds of them.
        bos: as for `Model.run`.
        seed: of the division and of the shuffle.

    Raises:
        InputError: too little text: fewer than two tokens that occur often enough. SiteUnavailable: a model without unembedding.
    """
    readable(model)
    taken, notes = encoded(model, rows, bos)
    sites = layer_sites(model)
    order = torch.randperm(len(taken), generator=torch.Generator().manual_seed(seed)).tolist()
    learned = set(order[: 2 * len(taken) // 3])
    first, ten, states, ids, learning = [], [], [], [], []
    for i, row in enumerate(taken):
        run = model.run([row], read=list(sites.values()))
        assert run.mask is not None
        found = measured(model, run, list(sites.values()), asked_ids(run, run.mask, model.architecture.causal), 1, None)
        own = found.rank[..., 1]
        first.append((own == 1).float().mean(1))
        ten.append((own <= 10).float().mean(1))
        states.append(torch.stack([run[site][0].float().cpu() for site in sites.values()]))
        ids.append(run.ids[0].cpu())
        learning.append(torch.full((len(row),), i in learned))
    told, learn = torch.cat(ids), torch.cat(learning)
    classes = _commonest(told[learn])
    if len(classes) < 2:
        raise InputError(f"{len(taken)} rows hold fewer than two tokens that occur {LEAST} times: give more text")
    among = torch.isin(told, classes)
    probed: list[Tensor] = []
    shuffled: list[Tensor] = []
    for layer in range(len(sites)):
        x = torch.cat([row[layer] for row in states])
        right = told[learn & among]
        wrong = right[torch.randperm(len(right), generator=torch.Generator().manual_seed(seed + 1))]
        for labels, into in ((right, probed), (wrong, shuffled)):
            into.append(_named(x[learn & among], labels, x[~learn & among], told[~learn & among]))
    if not len(probed[0]):
        raise InputError(f"none of the commonest tokens stands in the {len(taken) - len(learned)} rows kept for judging: give more text")
    names = model.tokenizer.strings(classes.tolist()) if model.tokenizer else [str(i) for i in classes.tolist()]
    recipe = Recipe.of("sonde.lens.input_discard", {"bos": bos}, model_hash=model.hash, inputs=taken, seed=seed)
    return InputDiscard(
        list(sites), torch.stack(first, 1), torch.stack(ten, 1), torch.stack(probed), torch.stack(shuffled), names, notes, recipe=recipe
    )


def _commonest(ids: Tensor) -> Tensor:
    found, counts = ids.unique(return_counts=True)
    order = counts.argsort(descending=True, stable=True)
    return found[order][counts[order] >= LEAST][:CLASSES]


def _named(x: Tensor, labels: Tensor, held_out: Tensor, truth: Tensor) -> Float[Tensor, " token"]:
    """Whether a ridge classifier names held-out tokens rightly."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not len(held_out):
        return torch.zeros(0)
    probe: Any = make_pipeline(StandardScaler(), RidgeClassifier())
    probe.fit(x.numpy(), labels.numpy())
    return (torch.from_numpy(probe.predict(held_out.numpy())) == truth).float()
