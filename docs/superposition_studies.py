"""The studies in docs/methods/superposition.md and docs/methods/solu.md: what toy models, a basis and SoLU networks do.

    python docs/superposition_studies.py toy              five features in two dimensions by sparsity, and the phase diagram of two
    python docs/superposition_studies.py basis            which places of specimen:words have a basis that matters
    python docs/superposition_studies.py solu [FOLDER [STEPS]]    GELU, SoLU and LN-SoLU at three sizes; what was trained is kept in FOLDER

prints each table with its verdicts; --help of `sonde superposition` says more.
"""

import sys
from collections.abc import Sequence

import torch

import sonde
from sonde import superposition
from sonde.results import Verdict
from sonde.specimens.words import documents

SPARSITY = (0.0, 0.5, 0.7, 0.9, 0.95)


def judged(verdicts: Sequence[Verdict]) -> None:
    """Print what holds."""
    for verdict in verdicts:
        values = f"{verdict.measured:.4g} against {verdict.control:.4g}" if verdict.measured is not None and verdict.control is not None else ""
        print(f"{verdict.holds}: {verdict.claim} {values} {verdict.interval} {verdict.reason}")


def of_toys() -> None:
    """Toy models, and a phase diagram."""
    found = superposition.toy_models(sparsity=SPARSITY, config=superposition.ToyTraining(steps=1500, batch=128), progress=True)
    print(found.to_frame())
    judged([*found.check(), *superposition.packing(found.W[found.rectified[-1]].mT).check()])
    diagram = superposition.phase_diagram(config=superposition.ToyTraining(steps=800, batch=128, seeds=4), progress=True)
    print(diagram.found, diagram.theory)
    judged(diagram.check())


def of_bases() -> None:
    """The residual stream and the neurons of a specimen."""
    model = sonde.load("specimen:words")
    found = superposition.privileged_basis(model, [document.text for document in documents(n=200)], rotations=50, progress=True)
    print(found.to_frame(), found.notes)
    judged(found.check(model))


def of_solu(folder: str | None, steps: str = "400") -> None:
    """Language models that differ in their neurons alone."""
    found = superposition.solu_study(config=superposition.LanguageTraining(steps=int(steps)), folder=folder, progress=True)
    print(found.to_frame())
    if found.weak is not None:
        print(found.weak.to_frame())
    judged(found.check())
    if folder is not None:
        found.save(f"{folder}/study")


if __name__ == "__main__":
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["toy"]:
            of_toys()
        case ["basis"]:
            of_bases()
        case ["solu", *folder]:
            of_solu(*folder or [None])
        case _:
            sys.exit(__doc__)
