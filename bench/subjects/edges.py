"""What the circuits' jobs are about: the pairs, the edges of GPT-2 small, those that stand for all of them, the sizes of the circuits.

Senders are numbered in the order in which the residual stream gets their outputs: what enters block 0, then for each block its heads and its MLP.
Receivers likewise: for each block the queries, keys and values of its heads, then its MLP; last the logits. A score is what the mean metric changes
by when the edge alone is ablated with the partner's value. There are 157 senders, 445 receivers and 32,491 edges.
"""

from typing import Any, NamedTuple

from bench.subjects.trial import Stratum
from bench.subjects.workload import HEADS, LAYERS, tokens

POSITIONS, DIFFER = 15, (3, 9)  # tokens of a prompt, and where those of a pair differ
EAP_PAIRS, EXACT_PAIRS, EVALUATED_PAIRS = 8, 4, 2
IG_STEPS = 5
THRESHOLD = 4e-4  # of ACDC, nat: .05 of the divergence that ablating everything makes here

SENDERS, RECEIVERS = 1 + LAYERS * (HEADS + 1), LAYERS * (3 * HEADS + 1) + 1
BLOCK = 3 * HEADS + 1  # receivers in it

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of all edges: the sizes of the Mechanistic Interpretability Benchmark
TIMED = 30  # edges of each block, where one costs a forward
CHECKED = 2  # sampled edges of each block that are compared
DECIDED = 40  # first decisions of ACDC that are compared
UNIT = 3e-2  # scores are compared in it: the hundredth greatest is .2 of it, the ten thousandth .002


class Edge(NamedTuple):
    """From a sender to a receiver, both by number."""

    sender: int
    receiver: int


def before(receiver: int) -> int:
    """How many senders a receiver reads."""
    layer, place = divmod(receiver, BLOCK)
    return 1 + layer * (HEADS + 1) + (HEADS if place == BLOCK - 1 else 0)


def into(layer: int) -> list[Edge]:
    """Every edge into a block, or into the logits where the layer is the number of layers."""
    receivers = range(layer * BLOCK, min((layer + 1) * BLOCK, RECEIVERS))
    return [Edge(sender, receiver) for receiver in receivers for sender in range(before(receiver))]


def sampled(layer: int, n: int) -> list[Edge]:
    """Edges into a block that stand for all of them; fewer are the first of more."""
    import random

    return random.Random(layer).sample(into(layer), n)


def strata(n: int) -> tuple[Stratum, ...]:
    """Some edges into each block, and into the logits."""
    return tuple(Stratum(tuple(sampled(layer, n)), len(into(layer))) for layer in range(LAYERS + 1))


def checked() -> list[Edge]:
    """The edges whose scores are compared."""
    return [edge for stratum in strata(CHECKED) for edge in stratum.cells]


def first_decisions() -> list[Edge]:
    """The edges that ACDC decides on first: those into the logits, from the last sender on."""
    return into(LAYERS)[::-1][:DECIDED]


def pairs(rows: int, device: str) -> tuple[Any, Any]:
    """The clean prompts and their partners."""
    clean, other = tokens(rows, POSITIONS, device, seed=3), tokens(rows, POSITIONS, device, seed=4)
    corrupt = clean.clone()
    corrupt[:, DIFFER] = other[:, DIFFER]
    return clean, corrupt


def told(scores: Any) -> dict[str, Any]:
    """Scores, of all or of some edges, as they are compared."""
    import torch

    return {"scores": torch.as_tensor(scores) / UNIT}


def decided(kept_sr: Any) -> dict[str, Any]:
    """The first decisions as they are compared."""
    import torch

    return {"kept": torch.tensor([float(kept_sr[edge]) for edge in first_decisions()])}


def note(n: int) -> str:
    """What the table says of a sample."""
    return f"{n} of the edges into each block timed, for all {sum(stratum.of for stratum in strata(1)):,}"


def counts() -> list[int]:
    """How many edges the circuits have."""
    return [int(share * sum(stratum.of for stratum in strata(1))) for share in SHARES]


def kept(scores_sr: Any) -> Any:
    """The circuits of each size, boolean (size, sender, receiver): the edges of the greatest absolute scores."""
    import torch

    edges = torch.tensor([edge for layer in range(LAYERS + 1) for edge in into(layer)])
    ranked = edges[scores_sr[edges[:, 0], edges[:, 1]].abs().argsort(descending=True)]
    found = torch.zeros(len(SHARES), *scores_sr.shape, dtype=torch.bool)
    for i, count in enumerate(counts()):
        first = ranked[:count]
        found[i, first[:, 0], first[:, 1]] = True
    return found
