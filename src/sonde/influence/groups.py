"""What would be otherwise if a whole group of examples had not been there?

Leaving the examples U out of J = 1/n sum_i l_i moves the weights by a Newton step

    (H - H_U)^-1 g_U / n,    g_U = sum_{i in U} g_i,    H_U = 1/n sum_{i in U} (second derivative of l_i).

To first order that is H^-1 g_U / n, the sum of the single influences. To second order it takes in that the group's own curvature is gone too,

    H^-1 g_U / n + H^-1 H_U H^-1 g_U / n

(Basu, You and Feizi 2020, "On Second-Order Group Influence Functions for Black-Box Predictions"; there the mean is taken over the examples that are
left, here over n, as everywhere in this package). With a curvature that is a matrix the step itself can be had, by Woodbury's identity. H_U is the
Gauss-Newton matrix of the group, by the labels that the curvature was fitted with.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.directions import Formed
from sonde.influence.subject import Told
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from sonde.influence.fit import Influence

Groups = Mapping[str, Sequence[int]]


def refuse_groups(groups: Any, n: int) -> dict[str, list[int]]:
    """Groups as lists of numbers; raises where they are none.

    Arguments:
        groups: a name to the numbers of its examples.
        n: how many examples there are.
    """
    if not isinstance(groups, Mapping) or not groups:
        raise InputError(f"groups={shown(groups)}: give a name for each group with the numbers of its examples")
    found = {str(name): [int(i) for i in members] for name, members in groups.items()}
    for name, members in found.items():
        if wrong := [i for i in members if not 0 <= i < n]:
            raise InputError(f"group {name!r} holds example {wrong[0]}, and there are {n} (0 to {n - 1})")
        if len(set(members)) < len(members) or not members:
            raise InputError(f"group {name!r} holds {'an example twice: name each once' if members else 'no example'}")
    return found


def refuse_order(order: Any, known: Sequence[Any]) -> None:
    """Raise where an order is not known.

    Arguments:
        order: that was asked for.
        known: those that there are.
    """
    if isinstance(order, bool) or order not in known:
        raise InputError(f"order={shown(order)}: use {' or '.join(map(repr, known))}")


def by_second_order(
    influence: "Influence", V: Mapping[str, Float[Tensor, "query row col"]], members: Sequence[int], order: int
) -> Float[Tensor, " query"]:  # fmt: skip
    """n times the effect of leaving a group out on the queries.

    Arguments:
        influence: the fitted curvature.
        V: the queries' gradients after the inverse curvature, by block.
        members: of the group.
        order: 1 or 2.
    """
    subject = influence.subject
    G: dict[str, Tensor] = {}

    def add(told: Told) -> None:
        whole = told.trace.dense().sum(0)
        G[told.block.name] = G[told.block.name] + whole if told.block.name in G else whole

    for some in subject.batches(members):
        subject.back(subject.examples, some, add)
    nothing = torch.zeros(len(next(iter(V.values()))), dtype=torch.float64)
    first = sum(((V[name].to(g) * g).sum((1, 2)).double().cpu() for name, g in G.items()), nothing)
    if order == 1:
        return first
    x = {name: influence.curvature.spectra[name].inverse(g[None], influence.damping) for name, g in G.items()}
    second = torch.zeros_like(first)
    for some in subject.batches(members):
        along: dict[int, Tensor] = {}  # by way back: the queries' inner products with each U_i, and below them the group's

        def meet(told: Told, along: dict[int, Tensor] = along) -> None:
            both = Formed(torch.cat([V[told.block.name].to(x[told.block.name]), x[told.block.name]])).products(told.trace).double().cpu()
            along[told.again] = along[told.again] + both if told.again in along else both

        subject.back_from_labels(some, influence.curvature.labels, meet)
        second += sum((both[:-1] @ both[-1] for both in along.values()), torch.zeros_like(second))
    return first + second / len(subject.examples)
