"""Find the rules by which a latent fires.

Every clause of every kind parts the tokens into those where it holds (G) and the others; what it explains is

    R^2 = (s_G^2 / n_G + (S - s_G)^2 / (n - n_G) - S^2 / n) / (sum of squares about the mean)

with n tokens of summed activation S, n_G of them in G with s_G. Items of a kind (tokens, say) are added while they pay for what it takes to name
them: in the Bayesian information criterion, with the choice of p items among M, a clause is worth

    -n log(1 - R^2) - p (log n + 2 log M)

The best clause is then held against texts that took no part in finding it. What it covers is taken out, and the search goes on for what is left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.special import bdtrc
from torch import Tensor

from sonde.evidence import skew_interval, t_interval
from sonde.features.descriptions.offline.clauses import KINDS, Clause, Key
from sonde.features.descriptions.offline.language import Rule, Rules
from sonde.features.descriptions.windows import Grid

CLAUSES = 3
"""Rules of one description at most."""
SEEN = 3
"""Items that occurred less often are no evidence, nor are properties that fewer different tokens share."""
TRIED = 3
"""Clauses of different kinds that are held against new texts before the search ends."""
LEVEL = 0.99
"""Of the interval of what a clause explains in new texts."""
WORTH_SAYING = 0.1
"""A clause under which fewer of the tokens fire is left out: it would point to many places for each that it finds."""


@dataclass(frozen=True, eq=False)
class Table:
    """What the kinds of clauses see on every token of a grid; made once and used for every latent.

    Arguments:
        keys: by kind, everything that is seen, in the order of `tokens` and `items`.
        items: by kind, the number of what is seen, entry by entry.
        tokens: by kind, where it is seen, entry by entry.
        variety: by kind, on how many different tokens each thing is seen.
        text: the text of each token.
    """

    keys: dict[str, list[Key]]
    items: dict[str, Int[Tensor, " entry"]]
    tokens: dict[str, Int[Tensor, " entry"]]
    variety: dict[str, Int[Tensor, " key"]]
    text: Int[Tensor, " token"]

    @staticmethod
    def of(grid: Grid) -> "Table":
        """Look at all windows.

        Arguments:
            grid: the windows.
        """
        keys: dict[str, list[Key]] = {}
        items: dict[str, Tensor] = {}
        tokens: dict[str, Tensor] = {}
        variety: dict[str, Tensor] = {}
        bounds = [*grid.starts.tolist(), len(grid.recording)]
        spans = [
            (grid.recording.strings(a, b), a, int(position))
            for a, b, position in zip(bounds, bounds[1:], grid.recording.position[grid.starts], strict=False)
        ]
        for name, kind in KINDS.items():
            numbers: dict[Key, int] = {}
            where, what = [], []
            for window, first, start in spans:
                for i, seen in enumerate(kind.keys(window, start)):
                    for key in seen:
                        where.append(first + i)
                        what.append(numbers.setdefault(key, len(numbers)))
            keys[name] = list(numbers)
            items[name], tokens[name] = torch.tensor(what, dtype=torch.long), torch.tensor(where, dtype=torch.long)
            words = len(grid.recording.vocabulary)
            different = (items[name] * words + grid.recording.ids[tokens[name]]).unique() // words
            variety[name] = torch.bincount(different, minlength=len(numbers))
        return Table(keys, items, tokens, variety, grid.recording.text)

    def holds(self, clause: Clause) -> Bool[Tensor, " token"]:
        """Where a clause holds.

        Arguments:
            clause: one of the kinds that are known.
        """
        numbers = [i for i, key in enumerate(self.keys[clause.kind]) if key in set(clause.items)]
        mask = torch.zeros(len(self.text), dtype=torch.bool)
        mask[self.tokens[clause.kind][torch.isin(self.items[clause.kind], torch.tensor(numbers, dtype=torch.long))]] = True
        return mask


def found(table: Table, activations: Float[Tensor, " token"], searching: Bool[Tensor, " token"], promoted: Sequence[str] = ()) -> Rules:
    """The rules by which a latent fires, as far as they are simple.

    Arguments:
        table: what there is to see on each token.
        activations: of the latent, 0 where it is silent.
        searching: the tokens of the texts that are searched; what is found is held against the others.
        promoted: tokens that the latent is known to promote.

    Returns:
        At most three; none where nothing stands the test.
    """
    a = activations.double()
    free = torch.ones_like(searching)
    most = float(a.max())
    rules: list[Rule] = []
    while most > 0 and len(rules) < CLAUSES:
        clause = next((c for c in _best(table, a, free & searching) if _confirmed(table, a, c, free & ~searching)), None)
        if clause is None:
            break
        covered = table.holds(clause) & free
        fires = covered & (a > 0)
        share = float(fires.sum()) / float(covered.sum())
        if share < WORTH_SAYING:
            break
        rules.append(Rule(clause, max(0.01, round(share, 2)), max(0.01, round(float(a[fires].mean()) / most, 2))))
        free = free & ~covered
    return Rules(tuple(rules), tuple(promoted))


def _best(table: Table, a: Float[Tensor, " token"], used: Bool[Tensor, " token"]) -> list[Clause]:
    """The clause of each kind that is worth most, the best first; those that are worth nothing are left out."""
    n, total = int(used.sum()), float(a[used].sum())
    spread = float(a[used].square().sum()) - total**2 / max(n, 1)
    if n < 2 or spread <= 0:
        return []
    found: list[tuple[float, int, Clause]] = []
    for rank, name in enumerate(KINDS):
        chosen = _chosen(table, name, a, used, n, total, spread)
        if chosen is not None and chosen[0] > 0:
            found.append((-chosen[0], rank, chosen[1]))
    return [clause for _, _, clause in sorted(found, key=lambda one: one[:2])[:TRIED]]


def _chosen(
    table: Table, name: str, a: Float[Tensor, " token"], used: Bool[Tensor, " token"], n: int, total: float, spread: float,
) -> tuple[float, Clause] | None:  # fmt: skip
    """What the best clause of a kind is worth, and the clause."""
    keys, items, tokens = table.keys[name], table.items[name], table.tokens[name]
    inside = used[tokens]
    counts = torch.bincount(items[inside], minlength=len(keys)).double()
    sums = torch.zeros(len(keys), dtype=torch.float64).index_add_(0, items[inside], a[tokens[inside]])
    known = (counts >= SEEN) & (sums > 0) & (table.variety[name] >= (SEEN if KINDS[name].general else 1))
    if not known.any():
        return None
    # an item seen a few times only counts for less than its mean says
    order = torch.where(known, sums / (counts + 1), torch.full_like(sums, -1)).argsort(descending=True, stable=True)[: int(known.sum())]
    order, sizes = _lists(order, KINDS[name].most)
    # one row for each list of items, one column for each item in it
    held, gathered = ((values[order] * (order >= 0)).sum(1) for values in (counts, sums))
    explained = (gathered**2 / held + (total - gathered) ** 2 / (n - held).clamp(min=1) - total**2 / n) / spread
    worth = -n * torch.log((1 - explained).clamp(min=1e-9)) - sizes * (math.log(n) + 2 * math.log(len(keys)))
    worth[gathered / held <= total / n] = -1
    best = int(worth.argmax())
    return float(worth[best]), Clause(name, tuple(keys[i] for i in order[best].tolist() if i >= 0))


def _lists(order: Int[Tensor, " known"], most: int) -> tuple[Int[Tensor, "list item"], Int[Tensor, " list"]]:
    """The lists of items that are tried: each item alone where a clause names one, else the first, the first two, and so on; -1 fills them up."""
    if most == 1:
        return order[:, None], torch.ones(len(order), dtype=torch.long)
    sizes = torch.arange(1, min(most, len(order)) + 1)
    return torch.where(torch.arange(len(sizes)) < sizes[:, None], order[: len(sizes)], -1), sizes


def _confirmed(table: Table, a: Float[Tensor, " token"], clause: Clause, used: Bool[Tensor, " token"]) -> bool:
    """Whether the latent fires more where the clause holds, in texts that took no part in finding it; texts count as independent, tokens do not."""
    holds, values = table.holds(clause)[used], a[used]
    texts = table.text[used].unique(return_inverse=True)[1]
    if not len(texts) or int(texts.max()) < 2:
        return False
    chance = (1 - LEVEL) / TRIED / 2  # of each of two tests: one for what is frequent, one for what is rare
    products = (values - values.mean()) * (holds.double() - holds.double().mean())
    sums = torch.zeros(int(texts.max()) + 1, dtype=torch.float64).index_add_(0, texts, products)
    if min(t_interval(sums, 1 - chance)[0], skew_interval(sums, 1 - chance)[0]) > 0:
        return True
    return _rarely(texts, holds, values > 0) < chance


def _rarely(texts: Int[Tensor, " token"], holds: Bool[Tensor, " token"], fires: Bool[Tensor, " token"]) -> float:
    """The chance that the latent fires under the clause in as many texts, if it fired under it no more often than elsewhere.

    In a text with m tokens under the clause it then does so with a chance of m d at most, d being its density; the number of such texts among n is no
    more spread than a binomial one of the same mean (Hoeffding 1956).
    """
    n_texts = int(texts.max()) + 1
    under = torch.bincount(texts[holds], minlength=n_texts)
    n = int((under > 0).sum())
    found = len(texts[holds & fires].unique())
    expected = float((under[under > 0].double() * fires.double().mean()).clamp(max=1).sum())
    if not found or found <= expected:
        return 1.0
    return float(bdtrc(found - 1, n, expected / n))
