"""Do weights help a network that sees every word alone? They are imposed on it, and it is trained anew.

The network has no context: tanh(W e_t + b), averaged under the given weights. If it does better under a network's attention than under equal
weights, and better than with attention of its own, those weights tell something of the words (Wiegreffe and Pinter 2019, section 3.4, table 3).
They come from a network that knows the answer, so they may tell the answer itself, by where they lie: where the deciding word is known, how much of
the weight lies on it stands beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.attribution.attention.permutation import shuffles
from sonde.attribution.attention.texts import Corpus, Rows, Texts, one_hot
from sonde.attribution.attention.training import Setting, f1, train
from sonde.attribution.attention.weighing import equal
from sonde.evidence import compare
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, bars

if TYPE_CHECKING:
    from polars import DataFrame

UNIFORM, TRAINED, ORACLE, SHUFFLED = "UNIFORM", "TRAINED", "ORACLE", "SHUFFLED"


@dataclass(frozen=True, eq=False, repr=False)
class AttentionGuides(Result):
    """What a network without context reaches under several kinds of weights.

    Arguments:
        guides: whose weights: UNIFORM (equal), TRAINED (the network's own), ORACLE (all on the deciding word), SHUFFLED (the oracle's in random
            order), and those that were given.
        f1: under each guide, the mean over trainings.
        right: the share of trainings in which the text is classified rightly.
        deciding: the weight on the word that decides the class, where it is known (NaN otherwise). A guide that helps with little weight there
            tells the class in another way, such as by where it looks.
        labels: the right classes.
    """

    guides: tuple[str, ...]
    f1: Float[Tensor, " guide"]
    right: Float[Tensor, "guide text"]
    deciding: Float[Tensor, "guide text"]
    labels: Int[Tensor, " text"]

    def to_frame(self) -> "DataFrame":
        """One row per guide."""
        import polars as pl

        return pl.DataFrame({"guide": list(self.guides), "f1": self.f1.tolist(), "accuracy": self.right.mean(1).tolist()}).with_columns(
            deciding=pl.Series(self.deciding.mean(1).tolist()).fill_nan(None)
        )

    def drawing(self) -> Drawing:
        """F1 under each guide, as bars, with equal weights as the control of each."""
        equal = float(self.f1[self.guides.index(UNIFORM)])
        return bars(
            "Whose weights help a network that sees every word alone?",
            "F1 of a network without context",
            self.guides,
            self.f1,
            bar_control=Series("equal weights", [equal] * len(self.guides)),
            zero="nothing found",
            note=f"The most frequent class alone is right in {self.labels.bincount().max() / len(self.labels):.0%} of the texts.",
        )

    def check(self, model: AttentionClassifier) -> list[Verdict]:
        """Test for each guide but the two controls whether its weights help, and whether they lie on the word that decides, where it is known.

        Arguments:
            model: the base.

        Raises:
            CheckRefused: the result was computed on another base.
        """
        self.refuse_other(model)
        own = float(self.right[self.guides.index(TRAINED)].mean())
        equal = self.guides.index(UNIFORM)
        asked = [i for i, name in enumerate(self.guides) if name not in (UNIFORM, TRAINED)]
        helping = [
            compare(
                f"The weights of {self.guides[i]} help a network that sees every word alone.",
                "share of texts that it classifies rightly under them; the control is under equal weights",
                self.right[i],
                self.right[equal],
                threshold=own,
                threshold_source="what the network reaches with attention of its own",
            )
            for i in asked
        ]
        lying = [
            compare(
                f"The weights of {self.guides[i]} lie on the word that decides.",
                "weight on it, in the class where that is least; the control is of equal weights",
                self.deciding[i, least],
                self.deciding[equal, least],
                threshold=0.5,
                threshold_source="most of the weight",
            )
            for i in asked
            if not bool(self.deciding.isnan().any())
            for least in [self._least(self.deciding[i])]
        ]
        return helping + lying

    def _least(self, values: Float[Tensor, " text"]) -> Bool[Tensor, " text"]:
        """The texts of the class in which the values are least on average."""
        means = {cls: float(values[self.labels == cls].mean()) for cls in self.labels.unique().tolist()}
        return self.labels == min(means, key=lambda cls: means[cls])


def guided(
    base: AttentionClassifier, corpus: Corpus, guides: Mapping[str, AttentionClassifier] | None = None, setting: Setting | None = None,
    trainings: int = 1, seed: int = 0, progress: bool = False,
) -> AttentionGuides:  # fmt: skip
    """Train networks without context under the weights of a base, of other networks, and of the controls.

    Arguments:
        base: the network whose weights are asked about; it appears as BASE.
        corpus: the texts that it was trained on.
        guides: other networks whose weights are tried, such as adversaries.
        setting: shape and training of the networks without context; its encoder and attention are set here.
        trainings: for each guide, from seeds of their own.
        seed: of the first training; the random orders of the oracle's weights are drawn with it too.
        progress: show a bar.

    Raises:
        InputError: no trainings, or a guide with the name of a control.
    """
    guides = {"BASE": base, **(guides or {})}
    if trainings < 1 or (taken := sorted(set(guides) & {UNIFORM, TRAINED, ORACLE, SHUFFLED})):
        raise InputError(f"trainings={trainings}: give 1 or more" if trainings < 1 else f"{taken[0]} is the name of a control: choose another")
    setting = replace(setting or Setting(), encoder="projection", attention="additive")
    parts = base.rows(corpus.train), base.rows(corpus.test)
    imposed: dict[str, list[Tensor] | None] = {UNIFORM: [equal(rows.mask) for rows in parts], TRAINED: None}
    imposed |= {name: [model.attend(rows).weights for rows in parts] for name, model in guides.items()}
    if corpus.train.deciding is not None and corpus.test.deciding is not None:
        oracle = [one_hot(corpus.train), one_hot(corpus.test)]
        generator = torch.Generator().manual_seed(seed)
        orders = [shuffles(rows.mask, 1, generator)[:, 0] for rows in parts]
        imposed |= {ORACLE: oracle, SHUFFLED: [weights.gather(-1, order) for weights, order in zip(oracle, orders, strict=True)]}
    jobs = [(name, seed + i) for name in imposed for i in range(trainings)]
    labels, predicted, used = parts[1].labels, {}, {}
    for name, one in track(jobs, "training under guidance", shown=progress):
        weights = imposed[name]
        model = train(corpus, setting, one, None if weights is None else weights[0])
        used[name] = model.attend(parts[1]).weights if weights is None else weights[1]
        predicted[name, one] = _predicted(model, parts[1], used[name])
    right = torch.stack([torch.stack([(predicted[name, seed + i] == labels).float() for i in range(trainings)]).mean(0) for name in imposed])
    scores = [sum(f1(predicted[name, seed + i], labels, len(corpus.classes)) for i in range(trainings)) / trainings for name in imposed]
    arguments = {"guides": {name: model.hash for name, model in guides.items()}, "setting": vars(setting), "trainings": trainings}
    return AttentionGuides(
        guides=tuple(imposed),
        f1=torch.tensor(scores),
        right=right,
        deciding=torch.stack([_on_deciding(used[name], corpus.test) for name in imposed]),
        labels=labels,
        recipe=Recipe.of("sonde.attribution.attention.guided", arguments, model_hash=base.hash, inputs=corpus.test.hash, seed=seed),
    )


@torch.no_grad()
def _predicted(model: AttentionClassifier, rows: Rows, weights: Float[Tensor, "row pos"]) -> Int[Tensor, " row"]:
    return model(rows.ids, rows.questions, weights).argmax(-1)


def _on_deciding(weights: Float[Tensor, "row pos"], texts: Texts) -> Float[Tensor, " row"]:
    if texts.deciding is None:
        return torch.full((len(texts),), torch.nan)
    return (weights * one_hot(texts)).sum(1)
