"""A quiz about one neuron: look at tokens on which it fires, say what they have in common, and be scored on tokens that were not shown.

A hypothesis is one or several patterns, such as `*ing` or `cat|cats|kitten`, of which `*` stands for any characters and `?` for one; a token
matches, without its spaces, if one of them does. Where the neuron fires is told by its strong firings: half of its highest activation or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.access.placed import by_place
from sonde.results import Drawing, InputError
from sonde.results.drawing import beside, tokens

STRONG = 0.5
"""A token fires the neuron where its activation is at least this share of the highest."""
AROUND = 8
"""Tokens shown on either side."""


@dataclass(frozen=True)
class QuizScore:
    """How well a hypothesis predicts where a neuron fires, on tokens that were not shown.

    Arguments:
        hypothesis: as it was said.
        precision: the share of the tokens named by it on which the neuron fires; `None` where it names none.
        recall: the share of the firing tokens that it names; `None` where none fires.
        chance: the share of all tokens that fire, the precision of a guess.
        n: tokens that were not shown.
    """

    hypothesis: str
    precision: float | None
    recall: float | None
    chance: float
    n: int

    @property
    def passes(self) -> bool:
        """Whether four of five strong firings are explained, and the hypothesis points at more than chance does."""
        return (self.recall or 0) >= 0.8 and (self.precision or 0) > self.chance


@dataclass(frozen=True, eq=False)
class Quiz:
    """One neuron on some texts, half of which are shown; made by `quiz`.

    Arguments:
        strings: the text of each token.
        document: the number of the text that each is of.
        activation: of the neuron on each.
        shown: the numbers of the tokens around which examples are shown.
        hidden: the tokens on which hypotheses are scored.
    """

    strings: tuple[str, ...]
    document: Int[Tensor, " token"]
    activation: Float[Tensor, " token"]
    shown: Int[Tensor, " example"]
    hidden: Int[Tensor, " hidden"]

    def examples(self) -> list[tuple[list[str], list[float]]]:
        """The tokens around each strong firing, with their activations."""
        found = []
        for place in self.shown.tolist():
            near = [i for i in range(max(0, place - AROUND), min(len(self.strings), place + AROUND + 1)) if self.document[i] == self.document[place]]
            found.append(([self.strings[i] for i in near], [float(self.activation[i].clamp_min(0)) for i in near]))
        return found

    def drawing(self) -> Drawing:
        """The examples, coloured by the neuron's activation."""
        drawn = [
            (f"example {i + 1}", tokens("What do these have in common?", "activation", words, values, scale="sequential"))
            for i, (words, values) in enumerate(self.examples())
        ]
        return beside("What does this neuron fire on?", drawn)

    def score(self, hypothesis: str) -> QuizScore:
        """Hold a hypothesis against the tokens that were not shown.

        Arguments:
            hypothesis: patterns, separated by `|`.

        Raises:
            InputError: no pattern.
        """
        patterns = [part.strip().strip('"').strip() for part in hypothesis.split("|")]
        if not all(patterns):
            raise InputError(f"hypothesis {hypothesis!r}: give patterns of tokens, such as *ing or cat|cats")
        named = torch.tensor([any(fnmatchcase(self.strings[i].strip(), pattern) for pattern in patterns) for i in self.hidden.tolist()])
        fires = self.activation[self.hidden] >= STRONG * self.activation.max()
        right, said, firing = int((named & fires).sum()), int(named.sum()), int(fires.sum())
        share = firing / len(self.hidden)
        return QuizScore(hypothesis, right / said if said else None, right / firing if firing else None, share, len(self.hidden))


def quiz(
    strings: tuple[str, ...], document: Int[Tensor, " token"], activation: Float[Tensor, " token"], examples: int = 6, seed: int = 0
) -> Quiz:  # fmt: skip
    """Make a quiz about a neuron; the texts are halved, and examples shown of one half.

    Arguments:
        strings: the text of each token.
        document: the number of the text that each is of.
        activation: of the neuron on each.
        examples: how many are shown, at most one of a text.
        seed: of the halves.

    Raises:
        InputError: fewer than two texts, a neuron that is positive in none of those that are shown.

    >>> words = ("run", "ning", "cat", "walk", "ing", "dog") * 2
    >>> one = quiz(words, torch.tensor([0] * 6 + [1] * 6), torch.tensor([0.0, 1.0, 0.0, 0.0, 0.9, 0.0] * 2), examples=1)
    >>> one.score("*ing").recall, one.score("cat").precision
    (1.0, 0.0)
    """
    if not len(strings) == len(document) == len(activation) or len(document.unique()) < 2:
        raise InputError(f"{len(strings)} tokens of {len(document.unique())} texts: give two texts at least, and one activation for each token")
    numbers = document.unique()
    chosen = numbers[torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))[: len(numbers) // 2]]
    mine = torch.isin(document, chosen)
    seen: set[int] = set()
    shown: list[int] = []
    for place in activation.masked_fill(~mine, -torch.inf).argsort(descending=True).tolist():
        if len(shown) == examples or not mine[place] or activation[place] <= 0:
            break
        if int(document[place]) not in seen:
            seen.add(int(document[place]))
            shown.append(place)
    if not shown:
        raise InputError("the neuron is positive nowhere in the texts that are shown: choose another one, or give more texts")
    return Quiz(strings, document, activation, torch.tensor(shown), (~mine).nonzero().flatten())


def read_neuron(
    model: Model, site: str, texts: Sequence[str], neuron: int | None = None, examples: int = 6, seed: int = 0
) -> tuple[int, Quiz]:  # fmt: skip
    """Make a quiz about a neuron of a model.

    Arguments:
        model: a language model with a tokenizer.
        site: where the neuron is, such as `blocks.0.mlp.post`.
        texts: of which half are shown.
        neuron: its number; by default one that is drawn at random among those that fire.
        examples: how many are shown.
        seed: of the draws.

    Returns:
        The neuron's number, and the quiz.

    Raises:
        InputError: no tokenizer, no such neuron, a site without a vector for each token, or none that fires.
    """
    if model.tokenizer is None:
        raise InputError(f"{model.name} has no tokenizer, and the quiz shows tokens: load it with tokenizer=")
    special = torch.tensor(sorted(model.tokenizer.special), dtype=torch.long)
    rows, ids, document = [], [], []
    for start in range(0, len(texts), 32):
        run = model.run(list(texts[start : start + 32]), read=site, logits=False)
        values = by_place(run, site)
        if run.mask is None or values.shape[:2] != run.mask.shape:
            raise InputError(f"{site} has no vector for each token: choose another site")
        kept = run.mask.cpu() & ~torch.isin(run.ids.cpu(), special)
        rows.append(values.float().cpu()[kept])
        ids.append(run.ids.cpu()[kept])
        document.append(start + kept.nonzero()[:, 0])
    x = torch.cat(rows)
    alive = (x > 0).any(0).nonzero().flatten()
    if neuron is None and not len(alive):
        raise InputError(f"nothing at {site} is ever positive in these texts: give others")
    chosen = int(alive[torch.randint(len(alive), (1,), generator=torch.Generator().manual_seed(seed))]) if neuron is None else neuron
    if not 0 <= chosen < x.shape[1]:
        raise InputError(f"neuron {chosen}: {site} has {x.shape[1]}, counted from 0")
    strings = tuple(model.tokenizer.strings(torch.cat(ids).tolist()))
    return chosen, quiz(strings, torch.cat(document), x[:, chosen], examples, seed)
