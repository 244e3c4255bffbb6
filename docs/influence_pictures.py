"""The pictures on the page about the study of influence: sequences, layers, two models beside each other, kinds of queries.

    python docs/influence_pictures.py FOLDER

FOLDER is that of `python docs/influence_study.py kinds FOLDER`. Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys
from dataclasses import replace
from pathlib import Path

from photographs import photographed

from sonde.influence import Study, beside

KIND, FEW = "agreement", 4


def main(folder: Path) -> None:
    """Write `docs/images/influence-*.png`."""
    larger, small = (Study.load(folder / name / "study") for name in ("words", "words-small"))
    query = larger.kinds.index(KIND)
    pair = beside(*(_fewer(one, FEW) for one in (larger, small)))
    photographed(
        {"list": larger.list_of(query), "layers": larger.map_of(query), "beside": pair.list_of(query), "kinds": larger.kinds_by_layer()}, "influence"
    )


def _fewer(study: Study, k: int) -> Study:
    """The study with fewer sequences told, so that two lists stand beside each other."""
    told = study.helpful.shape[1]
    shares = study.shares[:, [*range(k), *range(told, told + k)]]
    return replace(study, helpful=study.helpful[:, :k], harmful=study.harmful[:, :k], shares=shares)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
