"""The pictures in the docs on superposition: dimensionality by sparsity, what interferes, the phase diagram, a basis beside its rotations, SoLU.

    python docs/superposition_pictures.py [FOLDER]

with the folder of `docs/superposition_studies.py solu`, without which that study's pictures stay as they are.

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys

from photographs import photographed

import sonde
from sonde import superposition
from sonde.results.drawing import Drawing
from sonde.specimens.words import documents
from sonde.superposition import SoluStudy, ToyTraining


def drawings() -> dict[str, Drawing]:
    """By the name of their file."""
    toys = superposition.toy_models(sparsity=(0.0, 0.5, 0.7, 0.9), linear=False, config=ToyTraining(steps=800, batch=128, seeds=6))
    phases = superposition.phase_diagram(config=ToyTraining(steps=500, batch=96, seeds=3))
    model = sonde.load("specimen:words-small")
    basis = superposition.privileged_basis(model, [document.text for document in documents(n=60)], rotations=20)
    return {
        "dimensionality": toys.by_sparsity(),
        "interference": toys.interference(3),
        "phases": phases.drawing(),
        "basis": basis.drawing(),
    }


def main(folder: str = "") -> None:
    """Write `docs/images/drawing-{name}.png` of each."""
    kinds = drawings()
    if folder:
        study = SoluStudy.load(f"{folder}/study")
        kinds["solu"] = study.passing_bars()
        if study.weak is not None:
            kinds["weak"] = study.weak.drawing()
    photographed(kinds)


if __name__ == "__main__":
    main(*sys.argv[1:])
