"""Is attention needed at all? What is lost when its weights are frozen to the mean, for one text or for the whole training.

Three outputs for each text: under the weights that were learnt; *frozen instance*: the same network, the words of this text weighted equally;
*frozen average*: a network that was trained with equal weights from the start (Wiegreffe and Pinter 2019, section 3.2). Where the last one is as good
as the first, the task does not need attention, and no claim about its weights can be tested on it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.attribution.attention.texts import Texts
from sonde.attribution.attention.training import f1
from sonde.attribution.attention.viewer import alternatives
from sonde.evidence import compare
from sonde.results import Drawing, InputError, Recipe, Result, Verdict

if TYPE_CHECKING:
    from polars import DataFrame

KINDS = ("learnt", "frozen instance", "frozen average")


@dataclass(frozen=True, eq=False, repr=False)
class AttentionFrozen(Result):
    """The outputs with learnt and with frozen attention.

    Arguments:
        words: of each text.
        weights: that were learnt.
        output: the probabilities of the classes, for each of `KINDS`.
        labels: the right classes.
        classes: their names.
        f1: of each of `KINDS`.
    """

    words: list[list[str]]
    weights: Float[Tensor, "text pos"]
    output: Float[Tensor, "kind text cls"]
    labels: Int[Tensor, " text"]
    classes: tuple[str, ...]
    f1: Float[Tensor, " kind"]

    def to_frame(self) -> "DataFrame":
        """One row per text: the probability of the right class under each kind of weights."""
        import polars as pl

        right = self.output.gather(-1, self.labels.expand(len(KINDS), -1)[..., None])[..., 0]
        columns = {"text": [" ".join(row) for row in self.words], "class": [self.classes[i] for i in self.labels.tolist()]}
        return pl.DataFrame(columns | {kind: row.tolist() for kind, row in zip(KINDS, right, strict=True)})

    def drawing(self, text: int = 0) -> Drawing:
        """One text under learnt and frozen weights, with the outputs.

        Arguments:
            text: the number of the text.
        """
        words = self.words[text]
        learnt = self.weights[text, : len(words)]
        equal = torch.full_like(learnt, 1 / len(words))
        shown = [(kind, weights, output) for kind, weights, output in zip(KINDS, (learnt, equal, equal), self.output[:, text], strict=True)]
        scores = ", ".join(f"{kind} {score:.3f}" for kind, score in zip(KINDS, self.f1.tolist(), strict=True))
        return alternatives("Does it matter where the network looks?", words, shown, self.classes, note=f"F1 on all texts: {scores}.")

    def check(self, model: AttentionClassifier) -> list[Verdict]:
        """Test whether attention is needed: the network with learnt weights beside the one trained with equal weights.

        Arguments:
            model: the network with learnt weights.

        Raises:
            CheckRefused: the result was computed on another model.
        """
        self.refuse_other(model)
        right = (self.output.argmax(-1) == self.labels).float()
        return [
            compare(
                "The task needs attention.",
                "share of texts classified rightly; the control was trained with equal weights",
                right[0],
                right[2],
                threshold=float(self.labels.bincount().max() / len(self.labels)),
                threshold_source="what the most frequent class alone gets right",
            )
        ]


@torch.no_grad()
def frozen(model: AttentionClassifier, average: AttentionClassifier, texts: Texts) -> AttentionFrozen:
    """Compare a network with itself and with another one under equal weights.

    Arguments:
        model: with weights that were learnt.
        average: trained with equal weights: `train(corpus, Setting(attention="uniform"))`.
        texts: the texts to look at.

    Raises:
        InputError: `average` has weights of its own.
    """
    if average.config.attention != "uniform":
        raise InputError(f"the second network's attention is {average.config.attention!r}: train it with Setting(attention='uniform')")
    own = model.attend(texts)
    outputs = torch.stack([own.probabilities, own.under(own.uniform[:, None])[:, 0], average.attend(texts).probabilities])
    scores = [f1(output.argmax(-1), own.labels, len(model.config.classes)) for output in outputs]
    arguments = {"average": average.hash}
    return AttentionFrozen(
        words=[list(row) for row in texts.words],
        weights=own.weights,
        output=outputs,
        labels=own.labels,
        classes=model.config.classes,
        f1=torch.tensor(scores),
        recipe=Recipe.of("sonde.attribution.attention.frozen", arguments, model_hash=model.hash, inputs=texts.hash),
    )
