"""Greater-than in GPT-2 small: "The war lasted from the year 1732 to the year 17" -> a year above 32 (Hanna, Liu and Variengien 2023)."""

from sonde.access.edges import Edge
from sonde.circuits.reference.known import EMBEDDING, Reference, into, mlp_in, mlp_out, out

EARLY_HEADS, FIRST = [(0, 3), (0, 5)], (0, 1)
MIDDLE = [(5, 5), (6, 1), (6, 9), (7, 10), (8, 11), (9, 1)]
EARLY, LATE = range(4), range(8, 12)


def edges() -> list[Edge]:
    """The embedding to the early parts; these to the middle heads; the middle heads to the late MLPs; both to the logits."""
    found = [(EMBEDDING, site) for head in [*EARLY_HEADS, FIRST] for site in into(head, "qkv")] + [(EMBEDDING, mlp_in(i)) for i in EARLY]
    found += [(out(FIRST), mlp_in(i)) for i in EARLY]
    for group in (EARLY, LATE):
        found += [(mlp_out(i), mlp_in(j)) for i in group for j in group if i < j]
    for head in MIDDLE:
        senders = [*map(out, [*EARLY_HEADS, FIRST]), *map(mlp_out, EARLY)]
        found += [(sender, site) for sender in senders for site in into(head, "qkv")]
        found += [(mlp_out(i), into(head, "q")[0]) for i in range(head[0])]
        found += [(out(head), mlp_in(i)) for i in LATE if i >= head[0]] + [(out(head), "logits")]
    return list(dict.fromkeys(found + [(mlp_out(i), "logits") for i in LATE]))


GREATER_THAN = Reference(
    "greater_than", "GPT-2 small", 12, 12, {"early": [*EARLY_HEADS, FIRST], "middle": MIDDLE},
    "Hanna, Liu and Variengien 2023; edges as Conmy et al. 2023", "MLPs 0 to 3 and 8 to 11; every earlier MLP to the middle heads' queries.",
    lambda graph: edges(),
)  # fmt: skip
