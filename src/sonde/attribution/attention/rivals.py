"""Other networks for the same task: do they look where the base looks?

Networks from other seeds say how far attention differs for no reason at all: the null beside which any "very different attention" must be seen.
Networks trained to look elsewhere (`train_adversary`) say how far it can be driven without losing the outputs, for one network over the whole
corpus instead of text by text (Wiegreffe and Pinter 2019, sections 3.3 and 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.attribution.attention.bins import by_largest
from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.attribution.attention.distances import jsd, tvd
from sonde.attribution.attention.permutation import shuffles
from sonde.attribution.attention.texts import Corpus, Texts
from sonde.attribution.attention.training import Setting, f1, train, train_adversary
from sonde.evidence import compare
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Control, tabs, violins

if TYPE_CHECKING:
    from polars import DataFrame

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True, eq=False, repr=False)
class AttentionRivals(Result):
    """How far other networks' attention and outputs are from those of a base.

    Arguments:
        names: of the other networks.
        distance: the JSD of the weights, in nats (at most 0.693).
        chance: the same with the other network's weights in random order, the mean over orders.
        moved: the TVD of the outputs.
        f1: of the other networks, against the labels.
        base_f1: of the base.
        largest: the largest of the base's weights, for each text.
    """

    names: tuple[str, ...]
    distance: Float[Tensor, "rival text"]
    chance: Float[Tensor, "rival text"]
    moved: Float[Tensor, "rival text"]
    f1: Float[Tensor, " rival"]
    base_f1: float
    largest: Float[Tensor, " text"]

    def to_frame(self) -> "DataFrame":
        """One row per network: means over the texts (the medians of the distances too), and F1."""
        import polars as pl

        columns = {
            "network": list(self.names),
            "jsd": self.distance.mean(1).tolist(),
            "median_jsd": self.distance.median(1).values.tolist(),
            "chance_jsd": self.chance.mean(1).tolist(),
            "tvd": self.moved.mean(1).tolist(),
            "f1": self.f1.tolist(),
        }
        return pl.DataFrame(columns).with_columns(base_f1=pl.lit(self.base_f1))

    def drawing(self) -> Drawing:
        """The distances as violins: of each network, and of all and each by the largest weight, behind tabs."""
        title, unit = "Does the other network look where this one looks?", "JSD of the weights (nats)"
        control = Control("their weights in random order", float(self.chance.mean()))
        parts = [
            ("networks", violins(title, unit, self.names, list(self.distance), control=control)),
            ("all of them", by_largest(title, unit, self.distance.flatten(), self.largest.repeat(len(self.names)))),
        ]
        for name, distance, moved, score in zip(self.names, self.distance, self.moved.mean(1), self.f1.tolist(), strict=True):
            note = f"Outputs differ by {moved:.2g} (TVD); F1 {score:.3f}, the base's {self.base_f1:.3f}."
            parts.append((name, by_largest(title, unit, distance, self.largest, note=note)))
        return tabs(title, parts)

    def check(self, model: AttentionClassifier) -> list[Verdict]:
        """Test for each network whether it looks where the base looks, beside its own weights in random order.

        Arguments:
            model: the base.

        Raises:
            CheckRefused: the result was computed on another base.
        """
        self.refuse_other(model)
        return [
            compare(
                f"{name} looks where the base looks.",
                "JSD of the weights, in nats",
                distance,
                chance,
                direction="less",
                threshold=0.17,
                threshold_source="a quarter of what is possible: a convention",
            )
            for name, distance, chance in zip(self.names, self.distance, self.chance, strict=True)
        ]


def rivals(base: AttentionClassifier, others: Mapping[str, AttentionClassifier], texts: Texts, draws: int = 20, seed: int = 0) -> AttentionRivals:
    """Compare other networks' attention and outputs with those of a base.

    Arguments:
        base: the network that is looked at.
        others: the others, by name; of the same words and classes.
        texts: the texts to look at.
        draws: random orders of the others' weights, for the control.
        seed: of the orders.

    Raises:
        InputError: there is none, or one knows other words or classes.
    """
    if not others:
        raise InputError("there is no other network to compare with: give at least one")
    own = base.attend(texts)
    orders = shuffles(own.mask, draws, torch.Generator().manual_seed(seed))
    distances, chances, moved, scores = [], [], [], []
    for name, other in others.items():
        if (other.config.vocabulary, other.config.classes) != (base.config.vocabulary, base.config.classes):
            raise InputError(f"{name} knows other words or classes than the base: train both on one corpus")
        its = other.attend(texts)
        distances.append(jsd(its.weights, own.weights).clamp(min=0))
        shuffled = its.weights[:, None].expand(-1, draws, -1).gather(-1, orders)
        chances.append(jsd(shuffled, own.weights[:, None]).mean(1))
        moved.append(tvd(its.probabilities, own.probabilities))
        scores.append(f1(its.predicted, own.labels, len(base.config.classes)))
    arguments = {"others": {name: other.hash for name, other in others.items()}, "draws": draws}
    return AttentionRivals(
        names=tuple(others),
        distance=torch.stack(distances),
        chance=torch.stack(chances),
        moved=torch.stack(moved),
        f1=torch.tensor(scores),
        base_f1=f1(own.predicted, own.labels, len(base.config.classes)),
        largest=own.weights.max(1).values,
        recipe=Recipe.of("sonde.attribution.attention.rivals", arguments, model_hash=base.hash, inputs=texts.hash, seed=seed),
    )


def seeds(
    base: AttentionClassifier, corpus: Corpus, setting: Setting | None = None, of: Sequence[int] = tuple(range(1, 9)), progress: bool = False
) -> AttentionRivals:
    """Train the same network from other seeds, and compare it with the base.

    Arguments:
        base: trained on this corpus under this setting.
        corpus: the texts.
        setting: shape and training.
        of: the seeds; not the base's.
        progress: show a bar.
    """
    trained = {f"seed {seed}": train(corpus, setting, seed) for seed in track(of, "training from other seeds", shown=progress)}
    return rivals(base, trained, corpus.test)


def consistent_adversary(
    base: AttentionClassifier, corpus: Corpus, setting: Setting | None = None, strengths: Sequence[float] = STRENGTHS, seed: int = 0,
    progress: bool = False,
) -> AttentionRivals:  # fmt: skip
    """Train networks to keep the base's outputs and look elsewhere, for several strengths, and compare them with the base.

    Arguments:
        base: trained on this corpus.
        corpus: the texts.
        setting: shape and training.
        strengths: how much other weights count against other outputs: lambda.
        seed: of the first weights and of the order of the texts.
        progress: show a bar.
    """
    found = track(strengths, "training adversaries", shown=progress)
    trained = {f"lambda {strength:g}": train_adversary(base, corpus, strength, setting, seed) for strength in found}
    return rivals(base, trained, corpus.test)
