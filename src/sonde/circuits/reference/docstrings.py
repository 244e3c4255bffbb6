"""Docstrings in a four-layer attention-only model: which argument comes next (Heimersheim and Janiak 2023)."""

from sonde.access.edges import Edge
from sonde.circuits.reference.known import EMBEDDING, Head, Reference, into, out

MOVERS: list[Head] = [(3, 0), (3, 6)]


def edges() -> list[Edge]:
    """24 links, as edges of queries, keys and values."""

    def link(sender: str, head: Head, parts: str) -> list[Edge]:
        return [(sender, site) for site in into(head, parts)]

    first = out((0, 5))
    found = link(first, (1, 4), "v") + link(EMBEDDING, (0, 5), "v") + link(EMBEDDING, (2, 0), "qk") + link(first, (2, 0), "qk")
    found += link(out((1, 4)), (2, 0), "v") + link(EMBEDDING, (1, 4), "v") + link(EMBEDDING, (1, 2), "qk") + link(first, (1, 2), "qk")
    for head in MOVERS:
        found += [(out(head), "logits"), *link(out((1, 4)), head, "q"), *link(EMBEDDING, head, "v"), *link(first, head, "v")]
        found += link(out((2, 0)), head, "k") + link(out((1, 2)), head, "k")
    return found


DOCSTRING = Reference(
    "docstring", "a four-layer attention-only model", 4, None, {"before": [(0, 5), (1, 2), (1, 4), (2, 0)], "argument mover": MOVERS},
    "Heimersheim and Janiak 2023; edges as Conmy et al. 2023", "As nodes it has 0.2 and 0.4 as well.", lambda graph: edges(),
)  # fmt: skip
