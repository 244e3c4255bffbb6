"""Circuits of which the heads are known, and no edges."""

from sonde.circuits.reference.known import Reference

COLORED_OBJECTS = Reference(
    "colored_objects", "GPT-2 medium", 24, 16,
    {"mover": [(15, 14), (16, 15), (17, 4), (18, 5), (19, 15)], "induction": [(9, 3)], "duplicate token": [(6, 4)],
     "content gatherer": [(11, 6), (11, 7), (12, 15)]},
    "Merullo, Eickhoff and Pavlick 2024",
    "It shares its mover, induction and duplicate token heads with indirect objects in this model, which has the inhibition heads 12.3, 13.4 and "
    "13.13 and the negative mover 19.1 besides.",
)  # fmt: skip
INDUCTION = Reference(
    "induction", "GPT-2 small", 12, 12, {"previous token": [(4, 11)], "induction": [(5, 1), (5, 5), (6, 9), (7, 2), (7, 10)]},
    "common knowledge since Olsson et al. 2022", "Check it: sonde.weights and sonde.lens tell which heads attend so in the model at hand.",
)  # fmt: skip
