"""Indirect objects in GPT-2 small: "When Mary and John went to the shop, John gave a book to" -> " Mary" (Wang et al. 2022)."""

from sonde.circuits.reference.known import Reference, with_mlps

LAYERS = 12
ROLES = {
    "name mover": [(9, 9), (10, 0), (9, 6)],
    "negative name mover": [(10, 7), (11, 10)],
    "backup name mover": [(10, 10), (10, 6), (10, 2), (10, 1), (11, 2), (9, 7), (9, 0), (11, 9)],
    "S-inhibition": [(7, 3), (7, 9), (8, 6), (8, 10)],
    "induction": [(5, 5), (5, 8), (5, 9), (6, 9)],
    "duplicate token": [(0, 1), (0, 10), (3, 0)],
    "previous token": [(2, 2), (4, 11)],
}
MOVERS = ("name mover", "negative name mover", "backup name mover")
LINKS = [
    ("input", "previous token", "qkv"),
    ("input", "duplicate token", "qkv"),
    ("input", "S-inhibition", "q"),
    ("previous token", "induction", "kv"),
    ("induction", "S-inhibition", "kv"),
    ("duplicate token", "S-inhibition", "kv"),
    *(("input", mover, "kv") for mover in MOVERS),
    *(("S-inhibition", mover, "q") for mover in MOVERS),
    *((mover, "logits", "") for mover in MOVERS),
]

IOI = Reference(
    "ioi", "GPT-2 small", LAYERS, 12, ROLES, "Wang et al. 2022; edges as Conmy et al. 2023",
    "963 edges. Conmy et al. count 1,041: one more for each query, key and value of the 26 heads, an edge inside the head.",
    lambda graph: with_mlps(LAYERS, ROLES, LINKS),
)  # fmt: skip
