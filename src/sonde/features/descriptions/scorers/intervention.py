"""Intervention: is what the latent does to the output what the description says?

On silent texts the latent's direction is added at its site; beside it, on the same texts, a random direction of the same length. A judge is shown
both outcomes, in random order, and says which is the latent's: the tokens that became likelier most, and how the text went on. A random direction is
a stricter control than the untouched model, from which any push is easy to tell.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Add, Model, PerRow, Run
from sonde.access.model import Edits
from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.judges import Judge, Outcome
from sonde.features.descriptions.measures import agreement, readable
from sonde.features.descriptions.scorers.scorer import NOTHING, Score
from sonde.results import InputError

PROMOTED = 10
"""Tokens that an outcome names."""


@dataclass(frozen=True, eq=False)
class Intervention:
    """The share of pairs in which the latent's outcome was found.

    Arguments:
        model: the model that the latent belongs to.
        site: where the latent writes.
        directions: what each latent writes.
        strength: times the latent's highest activation.
        n: texts.
        new: tokens that the model writes after each.
        seed: of the random directions and of the order.

    Raises:
        InputError: a model without tokenizer; no text.
    """

    model: Model
    site: str
    directions: Float[Tensor, "size width"]
    strength: float = 2.0
    n: int = 20
    new: int = 10
    seed: int = 0
    name = "intervention"
    measure = "share of outcomes found"
    chance = 0.5
    best = 1.0

    def __post_init__(self) -> None:
        if self.model.tokenizer is None or self.n < 1 or self.new < 1:
            raise InputError(f"n={self.n}, new={self.new} on {self.model.name}: give at least 1 of each, and a model with its tokenizer")

    def score(self, judge: Judge, description: str, examples: Examples) -> Score:
        """Judge one description.

        Arguments:
            judge: who reads the description.
            description: the words.
            examples: of the latent; the beginnings of its silent windows are the texts.
        """
        prompts = [_beginning(example.window.tokens) for example in examples.silent[: self.n]]
        if not prompts or examples.most == 0:
            return NOTHING
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + examples.latent)
        vector = self.strength * examples.most * self.directions[examples.latent]
        random = torch.nn.functional.normalize(torch.randn(len(prompts), len(vector), generator=generator), dim=1) * vector.norm()
        control = PerRow([Add(self.site, row) for row in random])
        own, other = self._outcomes(prompts, Add(self.site, vector)), self._outcomes(prompts, control)
        first = (torch.rand(len(prompts), generator=generator) < 0.5).tolist()
        pairs = [(a, b) if here else (b, a) for a, b, here in zip(own, other, first, strict=True)]
        answers = judge.shows(description, pairs)
        right = [p if here else 1 - p for p, here in zip(readable(answers), first, strict=True)]
        return Score(1 - agreement(right, [])["misses"], len(pairs), answers.count(None))

    def _outcomes(self, prompts: list[str], edits: Edits) -> list[Outcome]:
        assert self.model.tokenizer is not None
        change = _likelihoods(self.model.run(prompts, edits=edits, logits="last")) - _likelihoods(self.model.run(prompts, logits="last"))
        texts = self.model.generate(prompts, edits=edits, max_new_tokens=self.new)
        top = change.topk(min(PROMOTED, change.shape[1]), dim=1).indices.tolist()
        return [Outcome(tuple(self.model.tokenizer.strings(row)), text) for row, text in zip(top, texts, strict=True)]


def _likelihoods(run: Run) -> Float[Tensor, "batch vocab"]:
    return run.last_logits.float().log_softmax(-1).cpu()


def _beginning(tokens: tuple[str, ...], most: int = 12) -> str:
    return "".join(tokens[:most])
