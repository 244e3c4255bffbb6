"""The pictures in the docs on weights: skip-trigrams, composition of the planted pair, and paths by order.

    python docs/weight_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

from photographs import photographed

import sonde
from sonde.specimens import compiled
from sonde.specimens.words import documents
from sonde.weights import composition, path_importance, skip_trigrams


def main() -> None:
    """Write `docs/images/weights-trigrams.png`, `weights-composition.png` and `weights-paths.png`."""
    program = compiled.induction()
    planted, model = sonde.load(program.model, program.tokenizer), sonde.load("specimen:words")
    texts = [document.text for document in documents(n=60, seed=0)]
    kinds = {
        "trigrams": skip_trigrams(model, layers=[0, 1], k=8, near=4, texts=texts).drawing(),
        "composition": composition(planted).drawing(),
        "paths": path_importance(model, texts[:8]).drawing(),
    }
    photographed(kinds, "weights")


if __name__ == "__main__":
    main()
