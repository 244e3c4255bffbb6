"""The pictures in the docs on weights: skip-trigrams, composition of the planted pair, paths by order, and what each layer of attention adds.

    python docs/weight_pictures.py [FOLDER]

with the folder of `docs/weight_studies.py`, without which the study's pictures stay as they are.

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys

from photographs import photographed

import sonde
from sonde.specimens import compiled
from sonde.specimens.words import documents
from sonde.weights import AttentionOnly, composition, path_importance, skip_trigrams


def main(folder: str = "") -> None:
    """Write `docs/images/weights-trigrams.png`, `-composition`, `-paths`, and of a study `-layers` and `-without`."""
    program = compiled.induction()
    planted, model = sonde.load(program.model, program.tokenizer), sonde.load("specimen:words")
    texts = [document.text for document in documents(n=60, seed=0)]
    kinds = {
        "trigrams": skip_trigrams(model, layers=[0, 1], k=8, near=4, texts=texts).drawing(),
        "composition": composition(planted).drawing(),
        "paths": path_importance(model, texts[:8]).drawing(),
    }
    if folder:
        study = AttentionOnly.load(f"{folder}/study")
        kinds |= {"layers": study.by_place(), "without": study.without_bars()}
    photographed(kinds, "weights")


if __name__ == "__main__":
    main(*sys.argv[1:])
