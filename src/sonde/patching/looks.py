"""Looks: which queries look at which keys, as selections along the attention scores' axes; what blocks them, and which others could be blocked."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access import Edit, Model, Set, Site
from sonde.access.selection import Rows
from sonde.access.sites import Choice, Index, Span
from sonde.access.views import hidden
from sonde.results import InputError, shown

Position = Choice
Pair = tuple[Position, Position]
Look = tuple[Index, Index]
Seen = Mapping[int, Sequence[Bool[Tensor, "query key"]]]
"""By the length of a prompt, for each layer: which query may see which key."""
Placed = list[tuple[list[int], list[int]]]
"""Of one prompt: the positions of each look's queries and keys."""

SCORES = Site("scores")


def looks_of(given: Pair | Sequence[Pair]) -> list[Look]:
    """What is blocked together: one pair of queries and keys, or several.

    Arguments:
        given: a pair, or a list of pairs.

    Raises:
        InputError: something else.

    >>> looks_of((-1, "subject"))
    [(-1, Span(name='subject'))]
    """
    pairs = [given] if isinstance(given, tuple) else list(given)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise InputError(f"{shown(pair)} is no pair of queries and keys: write (-1, 'subject'), or a list of such pairs")
    return [(_index(query, "query"), _index(key, "key")) for query, key in pairs]


def _index(position: Position, axis: str) -> Index:
    """A position as a selection holds it; a text is read as it would be inside a site's brackets."""
    site = Site.parse(f"{SCORES}[{axis}={position}]") if isinstance(position, str) else SCORES.at(**{axis: position})
    return dict(site.select)[axis]


def text_of(looks: Sequence[Look]) -> str:
    """The looks in words, so that `read` understands them."""
    return " + ".join(str(SCORES.at(query=query, key=key))[len("scores[") : -1] for query, key in looks)


def read(text: str) -> list[Look]:
    """The looks behind `text_of`."""
    chosen = [dict(Site.parse(f"{SCORES}[{part}]").select) for part in text.split(" + ")]
    return [(one["query"], one["key"]) for one in chosen]


def blocking(looks: Sequence[Look], layers: Iterable[int], heads: Sequence[int] | None) -> list[Edit]:
    """The edits that keep these looks from seeing anything in some layers.

    Arguments:
        looks: queries and keys.
        layers: where.
        heads: of these heads; of all without them.
    """
    some = {} if heads is None else {"head": heads}
    sites = [Site(f"blocks.{layer}.attn.scores").at(query=query, key=key, **some) for layer in layers for query, key in looks]
    return [Set(site, -math.inf) for site in sites]


def seen(model: Model, prompts: Iterable[Sequence[int]]) -> Seen:
    """Which query may see which key, taken from the model's own mask: one prompt of each length tells it.

    Arguments:
        model: a model whose attention scores can be read.
        prompts: token ids.
    """
    found: dict[int, list[Tensor]] = {}
    for row in {len(row): row for row in prompts}.values():
        run = model.run([list(row)], read="blocks.*.attn.scores", logits=False)
        found[len(row)] = [~hidden(run[f"blocks.{layer}.attn.scores"])[0].any(0).cpu() for layer in range(model.n_layers)]
    return found


def placed(looks: Sequence[Look], rows: Rows, row: int) -> Placed:
    """The positions of each look's queries and keys in one prompt; raises `InputError` for those that it has not."""
    at = lambda index: [column - rows.starts[row] for column in rows.columns(row, index, SCORES)]
    return [(at(query), at(key)) for query, key in looks]


def blind(looks: Placed, seen: Sequence[Bool[Tensor, "query key"]]) -> str:
    """Why these looks of one prompt can't be blocked, as a clause; empty where they can.

    Arguments:
        looks: positions.
        seen: for each layer which query may see which key.
    """
    blocked = torch.zeros_like(seen[0])
    for queries, keys in looks:
        blocked[torch.tensor(queries)[:, None], torch.tensor(keys)] = True
    for layer, visible in enumerate(seen):
        empty = (blocked.any(1) & ~(visible & ~blocked).any(1)).nonzero()
        if len(empty):
            return f"in layer {layer} the query at position {int(empty[0])} would be left with nothing to see: leave it one key at least"
    if not any(bool((visible & blocked).any()) for visible in seen):
        return "no query sees any of the keys in any layer, blocked or not: in a causal model a key comes before its query"
    return ""


def moved(looks: Placed, seen: Sequence[Bool[Tensor, "query key"]], rng: random.Random) -> Placed | None:
    """The looks at a random other place, at the same distances; `None` where there is none.

    Arguments:
        looks: positions in one prompt.
        seen: for each layer which query may see which key.
        rng: drawn from.
    """
    every = [position for queries, keys in looks for position in (*queries, *keys)]
    shifts = [step for step in range(-min(every), len(seen[0]) - max(every)) if step]
    places = [[([q + step for q in queries], [k + step for k in keys]) for queries, keys in looks] for step in shifts]
    possible = [place for place in places if not blind(place, seen)]
    return rng.choice(possible) if possible else None


def elsewhere(looks: Placed, seen: Sequence[Bool[Tensor, "query key"]], rng: random.Random) -> Placed | None:
    """The same queries, kept from as many other keys; `None` where they see too few.

    Arguments:
        looks: positions in one prompt.
        seen: for each layer which query may see which key.
        rng: drawn from.
    """
    others = []
    for queries, keys in looks:
        free = [k for k in range(len(seen[0])) if k not in keys and all(bool(visible[q, k]) for visible in seen for q in queries)]
        if len(free) < len(keys):
            return None
        others.append((queries, rng.sample(free, len(keys))))
    return None if blind(others, seen) else others


def spanned(draws: Sequence[Sequence[Placed]], name: str = "draw") -> tuple[list[list[Look]], dict[str, tuple[tuple[int, ...], ...]]]:
    """Looks that stand at other places in every prompt, as looks at named spans, and the spans.

    Arguments:
        draws: for each draw the positions in every prompt.
        name: what the spans' names begin with.
    """
    found: list[list[Look]] = []
    spans: dict[str, tuple[tuple[int, ...], ...]] = {}
    for number, draw in enumerate(draws):
        looks: list[Look] = []
        for i in range(len(draw[0])):
            names = [f"{name} {number} {end} {i}" for end in ("query", "key")]
            spans |= {names[end]: tuple(tuple(sorted(row[i][end])) for row in draw) for end in (0, 1)}
            looks.append((Span(names[0]), Span(names[1])))
        found.append(looks)
    return found, spans
