"""The pictures in the docs on probes and on taking concepts out: a property of the small world by layer, and what is lost or
left without it.

    python docs/probe_pictures.py [probes|amnesic|removal|ranks|property-table ...]

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys
from collections.abc import Callable

from photographs import photographed

import sonde
from sonde.probing import Labelled, amnesic, rank_curve, remove, shipped, sweep, words
from sonde.results.drawing import Drawing
from sonde.specimens.words import documents

PROPERTY, DOCUMENTS = "after a plural subject", 1000
SITE = "blocks.3.resid_post"


def prompts() -> dict[str, Labelled]:
    """Prompts of agreement, by the number of the subject and by two other properties."""
    known = [document for document in documents("agreement", n=300, seed=5) if document.truth.number]
    texts = [document.prompt for document in known]
    properties = {
        "number of the subject": [document.truth.number for document in known],
        "article": ["the" if text.startswith("The ") else "another" for text in texts],
        "length of the prompt": ["long" if len(text.split()) > 4 else "short" for text in texts],
    }
    return {name: Labelled.of(texts, labels, name) for name, labels in properties.items()}


def agreement(model: sonde.Model) -> sonde.tasks.Task:
    """What is lost."""
    return sonde.tasks.load("agreement", model, n=48, seed=3)


def removed(model: sonde.Model) -> Drawing:
    """What agreement costs without the number of the subject, and without two other properties of the prompts."""
    return amnesic(model, prompts(), agreement(model), SITE, progress=True).drawing()


def left(model: sonde.Model) -> Drawing:
    """What probes find of the number of the subject before and after it is taken out."""
    number, article, _ = prompts().values()
    return remove(model, number, SITE, main=article, progress=True).drawing()


def by_rank(model: sonde.Model) -> Drawing:
    """What agreement costs without more and more directions of the number of the subject."""
    return rank_curve(model, prompts()["number of the subject"], agreement(model), SITE, draws=6, progress=True).drawing()


KINDS: dict[str, Callable[[sonde.Model], Drawing]] = {
    "probes": lambda model: sweep(model, words(PROPERTY, n=DOCUMENTS), progress=True).drawing(),
    "amnesic": removed,
    "removal": left,
    "ranks": by_rank,
    "property-table": lambda model: shipped().drawing(),
}


def main(*chosen: str) -> None:
    """Write `docs/images/drawing-probes.png` and the others."""
    model = sonde.load("specimen:words")
    kinds = {key: KINDS[key](model) for key in chosen or KINDS}
    photographed(kinds)


if __name__ == "__main__":
    main(*sys.argv[1:])
