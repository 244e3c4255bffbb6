"""Where heads look in random text that is said twice.

Random tokens mean nothing, so what a head does there it does by position and by identity. Each row says n random tokens twice, with a period n of its
own: a head that looks a fixed number of places back would pass for an induction head on one period, and does not on several. Olsson et al. 2022,
"In-context Learning and Induction Heads". For a query t, A[t, s] the attention to place s:

    previous token   A[t, t - 1]        first copy
    first token      A[t, 0]            first copy
    duplicate token  A[t, t - n]        second copy: where this token stood before
    induction        A[t, t - n + 1]    second copy: what followed it then

each averaged over queries. By chance: the same attention to a place that means nothing (another row's period, another distance, another column).
"""

import random
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError
from sonde.weights.tokens import random_tokens

SCORES = ("previous token", "first token", "duplicate token", "induction")
LONGEST, SHORTEST = 24, 5
ROWS_PER_PASS = 16


@dataclass(frozen=True)
class Repeats:
    """Rows of random tokens said twice.

    Arguments:
        rows: the token ids, a beginning-of-sequence token before them where the tokenizer puts one.
        periods: how many tokens each row says twice.
        start: where the first copy begins.
    """

    rows: list[list[int]]
    periods: list[int]
    start: int


def draw_repeats(model: Model, n: int, seed: int) -> Repeats:
    """Draw rows of random tokens, none twice within a copy, each said twice.

    Arguments:
        model: a language model.
        n: how many rows.
        seed: of the draws.

    Raises:
        InputError: the context or the vocabulary is too small for periods that differ.
    """
    before = [] if model.tokenizer is None else model.tokenizer.encode("")[:1]
    tokens = random_tokens(model, 50 * LONGEST, seed)
    longest = min(LONGEST, ((model.context or 3 * LONGEST) - len(before)) // 2, len(tokens))
    shortest = max(SHORTEST, longest // 2)
    if longest < shortest + 3:
        raise InputError(
            f"{model.name} takes {model.context} tokens of {len(tokens)} kinds, too few to say {SHORTEST} to {SHORTEST + 3} random ones twice"
        )
    rng = random.Random(seed)
    # every period comes about as often: shuffled decks of them, not dice
    deck = list(range(shortest, longest + 1))
    periods = [period for _ in range(n // len(deck) + 1) for period in rng.sample(deck, len(deck))][:n]
    copies = [rng.sample(tokens, period) for period in periods]
    return Repeats([[*before, *copy, *copy] for copy in copies], periods, len(before))


@dataclass(frozen=True, eq=False)
class Looks:
    """How much attention goes to which place, averaged over the queries of a copy.

    Arguments:
        drawn: the rows.
        first, second: by distance, in the first and in the second copy; NaN beyond the row.
        column: by place, in the first copy.
    """

    drawn: Repeats
    first: Float[Tensor, "row layer head distance"]
    second: Float[Tensor, "row layer head distance"]
    column: Float[Tensor, "row layer head place"]

    def by_row(self) -> Float[Tensor, "score row layer head"]:
        """The scores of each row."""
        periods = torch.tensor(self.drawn.periods)
        return torch.stack(
            [
                self.first[..., 1],
                self.column[..., 0],
                _at(self.second, periods),
                _at(self.second, periods - 1),
            ]
        )

    def by_chance(self, draws: int, seed: int) -> Float[Tensor, "draw score row layer head"]:
        """The same scores of places that mean nothing, drawn anew for every row."""
        rng = random.Random(seed)
        low, high = min(self.drawn.periods), max(self.drawn.periods)
        made = []
        for _ in range(draws):
            distances = torch.tensor([rng.randint(2, low - 1) for _ in self.drawn.periods])
            places = torch.tensor([self.drawn.start + rng.randint(1, low // 2) for _ in self.drawn.periods])
            # neither the own period nor one beside it, at which the other score would be found, and none beyond the row
            others = torch.tensor([rng.choice([p for p in range(low, min(high, 2 * own - 2) + 1) if abs(p - own) > 1]) for own in self.drawn.periods])
            made.append(torch.stack([_at(self.first, distances), _at(self.column, places), _at(self.second, others), _at(self.second, others - 1)]))
        return torch.stack(made)


def looks(model: Model, drawn: Repeats) -> Looks:
    """Run the rows and see where every head looks.

    Arguments:
        model: a language model with attention patterns.
        drawn: the rows.

    Raises:
        SiteUnavailable: the family shows no patterns.
    """
    longest = max(drawn.periods)
    shape = (len(drawn.rows), model.n_layers, model.n_heads, longest + 1)
    found = Looks(drawn, torch.zeros(shape), torch.zeros(shape), torch.zeros(shape))
    for begin in range(0, len(drawn.rows), ROWS_PER_PASS):
        chosen = range(begin, min(begin + ROWS_PER_PASS, len(drawn.rows)))
        run = model.run([drawn.rows[i] for i in chosen], read=[f"blocks.{i}.attn.pattern" for i in range(model.n_layers)], logits=False)
        for layer in range(model.n_layers):
            pattern_bhqk = run[f"blocks.{layer}.attn.pattern"].float().cpu()
            for row, pattern in zip(chosen, pattern_bhqk, strict=True):
                n, start = drawn.periods[row], drawn.start
                found.first[row, layer] = _by_distance(pattern, range(start + 1, start + n), longest, start)
                found.second[row, layer] = _by_distance(pattern, range(start + n, start + 2 * n), longest, start)
                found.column[row, layer] = _by_column(pattern, range(start + 2, start + n), longest)
    return found


def _by_distance(pattern: Float[Tensor, "head query key"], queries: range, longest: int, start: int) -> Float[Tensor, "head distance"]:
    """The mean attention at each distance back, over those queries for which that place is in the row."""
    query, distance = torch.tensor(queries), torch.arange(longest + 1)
    key = query[:, None] - distance
    there = key >= start
    weights = pattern[:, query[:, None], key.clamp(min=0)] * there
    return torch.as_tensor(weights.sum(1) / there.sum(0))


def _by_column(pattern: Float[Tensor, "head query key"], queries: range, longest: int) -> Float[Tensor, "head place"]:
    """The mean attention to each place, over the queries after it."""
    query, place = torch.tensor(queries), torch.arange(longest + 1)
    after = query[:, None] > place
    weights = pattern[:, query[:, None], place.clamp(max=pattern.shape[-1] - 1)] * after
    return torch.as_tensor(weights.sum(1) / after.sum(0))


def _at(values: Float[Tensor, "row layer head place"], places: Tensor) -> Float[Tensor, "row layer head"]:
    """One place of each row."""
    return values[torch.arange(len(values)), ..., places]
