"""Is there a very different attention that gives the same output?

K candidates per text, found together by ascent on

    sum_k JSD(a_k, alpha) + mean over pairs JSD(a_i, a_j) - penalty * sum_k max(0, TVD(y(a_k), y) - aim)

with encoder and head frozen (Jain and Wallace 2019, section 4.2.2, equation 2). Of all weights on the way with TVD <= bound the farthest is kept.
What is found is a lower bound: that nothing far was found does not prove that there is nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.attribution.attention.bins import by_largest
from sonde.attribution.attention.classifier import Attended, AttentionClassifier
from sonde.attribution.attention.distances import jsd, tvd
from sonde.attribution.attention.permutation import shuffles
from sonde.attribution.attention.texts import Texts
from sonde.evidence import compare
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict

if TYPE_CHECKING:
    from polars import DataFrame

CHUNK = 256  # texts that are searched at once


@dataclass(frozen=True, eq=False, repr=False)
class AttentionAdversary(Result):
    """For each text the weights farthest from the model's own that leave its output within a bound.

    Arguments:
        distance: their JSD from the model's weights, in nats (at most 0.693); 0 where nothing else was found.
        moved: the TVD of the outputs.
        largest: the largest of the model's weights.
        weights: the model's weights.
        adversarial: the weights found.
        output: the probabilities of the classes, by the model.
        adversarial_output: the same under the weights found.
        lengths: words of each text.
        classes: the names of the classes.
        bound: how far the output was allowed to move.
    """

    distance: Float[Tensor, " text"]
    moved: Float[Tensor, " text"]
    largest: Float[Tensor, " text"]
    weights: Float[Tensor, "text pos"]
    adversarial: Float[Tensor, "text pos"]
    output: Float[Tensor, "text cls"]
    adversarial_output: Float[Tensor, "text cls"]
    lengths: Int[Tensor, " text"]
    classes: tuple[str, ...]
    bound: float

    def to_frame(self) -> "DataFrame":
        """One row per text."""
        import polars as pl

        columns = {
            "text": [*range(len(self.distance))],
            "class": [self.classes[i] for i in self.output.argmax(-1).tolist()],
            "length": self.lengths.tolist(),
            "largest": self.largest.tolist(),
            "jsd": self.distance.tolist(),
            "tvd": self.moved.tolist(),
        }
        return pl.DataFrame(columns)

    def drawing(self) -> Drawing:
        """How far the weights could be moved, by the largest weight: as violins."""
        return by_largest(
            "How different can the weights be, with the same output?",
            "JSD of the weights (nats)",
            self.distance,
            self.largest,
            note=f"Outputs within {self.bound:g}. At most 0.693 is possible; large values mean that the output does not tell where the model looks.",
        )

    def check(self, model: AttentionClassifier, texts: Texts, draws: int = 20, seed: int = 0) -> list[Verdict]:
        """Impose the weights found on the model: they must leave its output alone, and the same weights in random order must not.

        Where any weights at all give the same output, the control stays as well, and the claim does not hold.

        Arguments:
            model: the classifier.
            texts: the texts of the result.
            draws: random orders of the weights found.
            seed: of the orders.

        Raises:
            CheckRefused: the result was computed on another model.
            InputError: other texts.
        """
        self.refuse_other(model)
        rows = model.rows(texts)
        if Recipe.of("", {}, model_hash="", inputs=texts.hash).inputs_hash != self.recipe.inputs_hash:
            raise InputError("these are not the texts of the result: give those that it was computed on")
        generator = torch.Generator().manual_seed(seed)
        orders = shuffles(rows.mask, draws, generator)
        with torch.no_grad():
            found = tvd(model(rows.ids, rows.questions, self.adversarial).softmax(-1), self.output)
            shuffled = [
                tvd(model(rows.ids, rows.questions, self.adversarial.gather(-1, order)).softmax(-1), self.output) for order in orders.unbind(1)
            ]
        return [
            compare(
                "Weights that differ widely give the same output, and it is not the case that any weights do.",
                "TVD of the outputs under the weights found",
                found,
                torch.stack(shuffled).mean(0),
                direction="less",
                threshold=self.bound,
                threshold_source="the bound of the search",
            )
        ]


def adversarial(
    model: AttentionClassifier, texts: Texts, bound: float = 0.05, k: int = 5, steps: int = 500, aim: float = 0.01, penalty: float = 500.0,
    lr: float = 0.01, spread: float = 3.0, seed: int = 0, progress: bool = False,
) -> AttentionAdversary:  # fmt: skip
    """Search for other weights that give the same output.

    Arguments:
        model: the classifier.
        texts: the texts to look at.
        bound: how far the output may move, in TVD; the papers take 0.05 for few classes, 0.1 for answers to questions.
        k: candidates for each text, kept apart from one another.
        steps: of Adam (with AMSGrad).
        aim: the search pays for every movement beyond this.
        penalty: how dearly.
        lr: of Adam, on the logits of the weights.
        spread: deviation of the logits at the start.
        seed: of the starts.
        progress: show a bar.

    Raises:
        InputError: a bound, aim, k or number of steps that allows no search.
    """
    if not 0 <= aim <= bound or k < 1 or steps < 1:
        raise InputError(f"aim={aim}, bound={bound}, k={k}, steps={steps}: give 0 <= aim <= bound, and 1 or more candidates and steps")
    attended = model.attend(texts)
    generator = torch.Generator().manual_seed(seed)
    found = attended.weights.clone()
    for part in track(torch.arange(len(texts)).split(CHUNK), "searching other weights", shown=progress):
        some = Attended(attended.weights[part], attended.votes[part], attended.bias, attended.mask[part], attended.labels[part])
        start = _start(some.mask, k, spread, generator)
        found[part] = _search(some, start, bound, aim, penalty, steps, lr)
    after = attended.under(found[:, None])[:, 0]
    settings = {"bound": bound, "k": k, "steps": steps, "aim": aim, "penalty": penalty, "lr": lr, "spread": spread}
    return AttentionAdversary(
        distance=jsd(found, attended.weights).clamp(min=0),
        moved=tvd(after, attended.probabilities),
        largest=attended.weights.max(1).values,
        weights=attended.weights,
        adversarial=found,
        output=attended.probabilities,
        adversarial_output=after,
        lengths=attended.mask.sum(1),
        classes=model.config.classes,
        bound=bound,
        recipe=Recipe.of("sonde.attribution.attention.adversarial", settings, model_hash=model.hash, inputs=texts.hash, seed=seed),
    )


def _start(mask: Bool[Tensor, "row pos"], k: int, spread: float, generator: torch.Generator) -> Float[Tensor, "row k pos"]:
    """Logits of random weights, drawn text by text, so that a text's draws do not depend on how far the batch is padded."""
    start = torch.full((len(mask), k, mask.shape[1]), -torch.inf)
    for i, length in enumerate(mask.sum(1).tolist()):
        start[i, :, :length] = spread * torch.randn(k, length, generator=generator)
    return start


def _search(
    attended: Attended, start: Float[Tensor, "row k pos"], bound: float, aim: float, penalty: float, steps: int, lr: float
) -> Float[Tensor, "row pos"]:
    """The farthest weights within the bound that are met on the way."""
    mask = attended.mask[:, None]
    own, output = attended.weights[:, None], attended.probabilities[:, None]
    logits = start.masked_fill(~mask, 0.0).requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=lr, amsgrad=True)
    best, farthest = attended.weights.clone(), torch.zeros(len(own))
    first, second = torch.triu_indices(start.shape[1], start.shape[1], offset=1)
    for _ in range(steps):
        weights = logits.masked_fill(~mask, -torch.inf).softmax(-1)
        moved, away = tvd(attended.under(weights), output), jsd(weights, own)
        with torch.no_grad():
            within, winner = torch.where(moved <= bound, away, -1.0).max(1)
            better = within > farthest
            farthest = torch.where(better, within, farthest)
            best = torch.where(better[:, None], weights[torch.arange(len(own)), winner], best)
        apart = jsd(weights[:, first], weights[:, second]).mean(1) if len(first) else 0.0
        gain = away.sum(1) + apart - penalty * (moved - aim).clamp(min=0).sum(1)
        optimizer.zero_grad()
        (-gain.sum()).backward()
        optimizer.step()
    return best
