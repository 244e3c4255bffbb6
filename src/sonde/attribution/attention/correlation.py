"""Do attention weights rank words as the model's own sensitivity does?

For each text three numbers per word: its weight alpha_t; the gradient's size g_t = |sum_d e_td dy/de_td|, through which no gradient flows into the
weights (alpha is held still); and what leaving it out changes, TVD(y, y without t). Kendall's tau-b compares them two by two (Jain and Wallace 2019,
section 4.1). How well the last two agree says how much agreement can be asked of the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.attribution.attention.distances import tvd
from sonde.attribution.attention.texts import Rows, Texts
from sonde.evidence import compare
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Control, tabs, violins

if TYPE_CHECKING:
    from polars import DataFrame

PAIRS = ["attention and gradient", "attention and leave-one-out", "gradient and leave-one-out"]
EQUAL = 1e-6  # values that differ by less are ties: single precision cannot tell them apart


@dataclass(frozen=True, eq=False, repr=False)
class AttentionCorrelation(Result):
    """How three rankings of the same words agree, text by text.

    Arguments:
        tau: Kendall's tau-b of each of `PAIRS`; NaN where a text is too short, or one ranking gives all words the same.
        p: how likely so large a tau is by chance.
        lengths: words of each text.
        predicted: the class that the model gives each text.
        classes: the names of the classes.
        weights: the attention.
        gradient: the sizes of the gradients, summing to 1; all 0 where there is none.
        left_out: the change of the output when the word is left out.
        top: how many words of the largest weights were compared; `None`: all.
        least: shorter texts are not compared.
    """

    tau: Float[Tensor, "pair text"]
    p: Float[Tensor, "pair text"]
    lengths: Int[Tensor, " text"]
    predicted: Int[Tensor, " text"]
    classes: tuple[str, ...]
    weights: Float[Tensor, "text pos"]
    gradient: Float[Tensor, "text pos"]
    left_out: Float[Tensor, "text pos"]
    top: int | None
    least: int

    def to_frame(self) -> "DataFrame":
        """One row per pair of rankings and text."""
        import polars as pl

        n = len(self.lengths)
        columns = {
            "pair": [pair for pair in PAIRS for _ in range(n)],
            "text": [*range(n)] * len(PAIRS),
            "class": [self.classes[i] for i in self.predicted.tolist()] * len(PAIRS),
            "length": self.lengths.tolist() * len(PAIRS),
            "tau": self.tau.flatten().tolist(),
            "p": self.p.flatten().tolist(),
        }
        return pl.DataFrame(columns)

    def table(self) -> "DataFrame":
        """One row per pair and predicted class: mean and deviation of tau, the share with p < 0.05, and how many texts have no tau."""
        import polars as pl

        tau = pl.col("tau").fill_nan(None)
        means = [tau.mean().alias("tau"), tau.std().alias("deviation"), (pl.col("p") < 0.05).filter(tau.is_not_null()).mean().alias("significant")]
        return self.to_frame().group_by("pair", "class", maintain_order=True).agg(*means, tau.count().alias("n"), tau.null_count().alias("undefined"))

    def drawing(self) -> Drawing:
        """The taus of each pair as violins, of all texts and of each class, beside what random orders give."""
        title = "Do the weights rank words as the model's sensitivity does?"
        spread = 2 * _chance(self.lengths[self.lengths >= self.least], self.top)
        control = Control("random orders, one text", 0.0, (-spread, spread))
        parts = {"all classes": torch.ones_like(self.predicted, dtype=torch.bool)}
        parts |= {name: self.predicted == i for i, name in enumerate(self.classes)}
        lost = int(self.tau.isnan().any(0).sum())
        shown = [(name, violins(title, "Kendall's tau-b", PAIRS, list(self.tau[:, part]), control=control)) for name, part in parts.items()]
        note = f"{lost} of {len(self.lengths)} texts have no tau somewhere: shorter than {self.least} words, or all words alike."
        return tabs(title, shown, note=note)

    def check(self, model: AttentionClassifier, draws: int = 20, seed: int = 0) -> list[Verdict]:
        """Test whether the weights rank words as leaving them out does, beside the same weights in random order.

        Arguments:
            model: the classifier.
            draws: random orders of the weights.
            seed: of the orders.

        Raises:
            CheckRefused: the result was computed on another model.
        """
        self.refuse_other(model)
        generator = torch.Generator().manual_seed(seed)
        measured = self.tau[1]
        kept = (~measured.isnan()).nonzero().flatten().tolist()
        shuffled = []
        for i in kept:
            weights, left_out = (row[i, : self.lengths[i]] for row in (self.weights, self.left_out))
            orders = [torch.randperm(len(weights), generator=generator) for _ in range(draws)]
            shuffled.append(torch.tensor([kendall(weights[order], left_out)[0] for order in orders]).mean())
        return [
            compare(
                "The weights rank words as leaving them out does.",
                "Kendall's tau-b of weights and the change of the output when the word is left out",
                measured[kept],
                torch.stack(shuffled) if shuffled else measured[kept],
                threshold=0.3,
                threshold_source="of two words the larger weight marks the more important one in 65 of 100 pairs: a convention",
            )
        ]


def correlation(model: AttentionClassifier, texts: Texts, top: int | None = None, least: int = 5) -> AttentionCorrelation:
    """Compare attention weights with the gradient and with leaving words out.

    Arguments:
        model: the classifier.
        texts: the texts to look at.
        top: compare only so many words of each text, those of the largest weights; the long tail of weights near 0 is mostly noise.
        least: texts with fewer words are counted, and have no tau.

    Raises:
        InputError: `top` or `least` below 2.
    """
    if least < 2 or (top is not None and top < 2):
        raise InputError(f"least={least}, top={top}: a ranking needs at least 2 words")
    rows = model.rows(texts)
    attended = model.attend(rows)
    lengths = rows.mask.sum(1)
    gradient = gradient_sizes(model, rows)
    left_out = leave_one_out(model, rows)
    found = torch.full((2, len(PAIRS), len(rows)), torch.nan)
    for i in (lengths >= least).nonzero().flatten().tolist():
        places = attended.weights[i, : lengths[i]].argsort(descending=True, stable=True)[:top]
        three = [values[i, places] for values in (attended.weights, gradient, left_out)]
        for pair, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
            found[:, pair, i] = torch.tensor(kendall(three[a], three[b]))
    return AttentionCorrelation(
        tau=found[0],
        p=found[1],
        lengths=lengths,
        predicted=attended.predicted,
        classes=model.config.classes,
        weights=attended.weights,
        gradient=gradient,
        left_out=left_out,
        top=top,
        least=least,
        recipe=Recipe.of("sonde.attribution.attention.correlation", {"top": top, "least": least}, model_hash=model.hash, inputs=texts.hash),
    )


def kendall(a: Float[Tensor, " word"], b: Float[Tensor, " word"]) -> tuple[float, float]:
    """Kendall's tau-b of two rankings and its p-value; NaN where one of them has all words alike.

    Arguments:
        a: one value per word; values within `EQUAL` of one another are ties.
        b: likewise.

    >>> kendall(torch.tensor([0.1, 0.2, 0.7]), torch.tensor([0.0, 0.5, 0.9]))[0]
    1.0
    """
    from scipy.stats import kendalltau

    whole = [(values.double() / EQUAL).round().numpy() for values in (a, b)]
    if any((values == values[0]).all() for values in whole):
        return torch.nan, torch.nan
    found = kendalltau(*whole)
    return float(found.statistic), float(found.pvalue)


def gradient_sizes(model: AttentionClassifier, rows: Rows, batch_size: int = 256) -> Float[Tensor, "row pos"]:
    """|gradient x embedding| of the predicted class's probability for each word, the attention held still; each text's sum to 1.

    Arguments:
        model: the classifier.
        rows: the texts.
        batch_size: texts that are run at once.
    """
    sizes = torch.zeros(rows.ids.shape)
    for chosen, batch in rows.batches(batch_size):
        embedded = model.embed(batch.ids).detach().requires_grad_()
        with torch.enable_grad():
            states = model.encoder(embedded, batch.mask)
            weights = model.weigh(states, batch.ids, batch.questions).detach()
            output = model.head((weights[:, None] @ states)[:, 0]).softmax(-1).max(-1).values
            (gradient,) = torch.autograd.grad(output.sum(), embedded)
        one = (gradient * embedded.detach()).sum(-1).abs() * batch.mask
        total = one.sum(1, keepdim=True)
        sizes[chosen, : one.shape[1]] = torch.where(total > 0, one / total.clamp(min=1e-30), 0.0)
    return sizes


@torch.no_grad()
def leave_one_out(model: AttentionClassifier, rows: Rows, batch_size: int = 512) -> Float[Tensor, "row pos"]:
    """TVD between the output and that of the text without the word; 0 where it is the only word.

    Arguments:
        model: the classifier.
        rows: the texts.
        batch_size: shortened texts that are run at once.
    """
    whole = model.attend(rows).probabilities
    changes = torch.zeros(rows.ids.shape)
    for text, place, shorter in _shortened(rows, batch_size):
        changes[text, place] = tvd(model.attend(shorter).probabilities, whole[text])
    return changes


def _shortened(rows: Rows, batch_size: int) -> Iterator[tuple[Int[Tensor, " part"], Int[Tensor, " part"], Rows]]:
    """Every text without each of its words: the numbers of text and word, and the rows."""
    text, place = (rows.mask & (rows.mask.sum(1, keepdim=True) > 1)).nonzero(as_tuple=True)
    for texts, places in zip(text.split(batch_size), place.split(batch_size), strict=True):
        kept = torch.arange(rows.ids.shape[1] - 1)
        ids = rows.ids[texts].gather(1, kept + (kept >= places[:, None]))
        yield texts, places, Rows(ids, rows.labels[texts], None if rows.questions is None else rows.questions[texts]).take(torch.arange(len(texts)))


def _chance(lengths: Int[Tensor, " text"], top: int | None) -> float:
    """The deviation of tau between random orders of as many words as the texts have in the middle."""
    if not len(lengths):
        return 1.0
    n = min(float(lengths.double().median()), top or torch.inf)
    return (2 * (2 * n + 5) / (9 * n * (n - 1))) ** 0.5
