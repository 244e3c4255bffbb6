"""Make the pictures of the pages on subspaces and structural probes.

    python docs/subspace_pictures.py [MODEL TREEBANK]

The tree needs a language model and a treebank in CoNLL-U. Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys

from photographs import photographed

import sonde
from sonde.probing import Pairs, SearchConfig, das, illusion, structural_probe
from sonde.results import drawing
from sonde.specimens import subspaces as planted

WIDTH = 1080


def pushed() -> drawing.Drawing:
    """Patches in the planted network whose hidden layer only seems to hold the variable."""
    model = sonde.load(planted.illusion(seed=0))
    found = das(model, Pairs.between(*planted.sign_pairs(300)), "act:out", config=SearchConfig(steps=120, starts=2))
    return illusion(model, Pairs.between(*planted.sign_pairs(150, seed=1)), "act:out", found.subspace, readers=["down:out"]).drawing()


def trees(model: str, treebank: str) -> dict[str, drawing.Drawing]:
    """The sites of a model by how much of the tree they tell, and a sentence."""
    found = structural_probe(sonde.load(model), treebank, n=1000)
    # a sentence that fits the page
    number = min(range(len(found.shown)), key=lambda i: abs(len(found.shown[i].words) - 10))
    return {"structure": found.drawing(), "tree": found.tree(number)}


def main(*treebank: str) -> None:
    """Write `docs/images/drawing-illusion.png`, and with a treebank `drawing-structure.png` and `drawing-tree.png`."""
    kinds = {"illusion": pushed(), **(trees(*treebank) if treebank else {})}
    photographed(kinds, width=WIDTH)


if __name__ == "__main__":
    main(*sys.argv[1:])
