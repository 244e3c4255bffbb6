"""What a shipped language specimen was trained on: its documents, made again by the seeds of its training, in the order in which it saw them.

Step s of a run with seed r reads the rows that `Packer` draws with the seed "r/s", so nothing was ever kept of them. The whole set is about 700,000
documents; asked for is a stated sample of its batches. Which mixture a step read depends on the stage of the training, which ended when copying was
learned; the log on the card tells the stage every thousand steps, and the steps between two different lines of it are left out.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from sonde.results import InputError, shown
from sonde.specimens.registry import card, path
from sonde.specimens.words.document import Document
from sonde.specimens.words.mixture import NORMAL_MIX, with_share
from sonde.specimens.words.packing import Packer
from sonde.specimens.words.recipe import RECIPES, Recipe

Stage = Literal["A", "B", "C"]
STAGES: tuple[Stage, ...] = ("A", "B", "C")


@dataclass(frozen=True)
class Seen:
    """A document of the training, where the training saw it.

    Arguments:
        document: with its truth.
        ids: its tokens as they were read, between two end tokens; cut where its row ended.
        stage: "A" (lists said again), "B" (each document by itself) or "C" (documents of a row see one another).
        step, row, begin: the update, the row of its batch, and the place of its first token there.
    """

    document: Document
    ids: tuple[int, ...]
    stage: Stage
    step: int
    row: int
    begin: int


def stages(name: str = "words") -> dict[Stage, range]:
    """The steps of a specimen's training whose stage is known.

    Arguments:
        name: of a shipped language specimen.

    >>> stages("words")["B"]
    range(1999, 3000)
    """
    recipe, log = _recipe(name), card(name)["log"]
    last = [line["tokens"] // recipe.step_tokens for line in log]
    told: dict[Stage, range] = {}
    for stage in STAGES:
        of = [step for step, line in zip(last, log, strict=True) if line["stage"] == stage]
        # a line of the log stands for the update before it; the training begins in stage A
        told[stage] = range(0 if stage == "A" else of[0] - 1, of[-1])
    return told


def training_set(name: str = "words", n: int = 1000, seed: int = 0, stages: Sequence[Stage] = STAGES) -> list[Seen]:
    """Documents that a specimen was trained on, in the order in which it saw them: whole batches, drawn at random from all that it read.

    Arguments:
        name: of a shipped language specimen.
        n: how many; of the last batch that is drawn the first ones.
        seed: of the draw of batches.
        stages: of the training.

    Raises:
        InputError: no such specimen; no such stage; more documents than it read in steps whose stage is known.

    >>> training_set("words", n=3)[0].document.family
    'years'
    """
    if n < 1:
        raise InputError(f"n={n}: ask for 1 document or more")
    recipe = _recipe(name)
    if wrong := [stage for stage in stages if stage not in STAGES]:
        raise InputError(f"stage {shown(wrong[0])}: the training has {', '.join(STAGES)}")
    steps = [(stage, step) for stage, known in _known(name) if stage in stages for step in known]
    random.Random(f"steps {seed}").shuffle(steps)
    found = list[Seen]()
    for stage, step in steps:
        if len(found) >= n:
            break
        packer = _packer(name, stage == "A")
        batch = enumerate(packer.documents(recipe.rows, f"{recipe.seed}/{step}"))
        read = [Seen(packed.document, (packer.end, *packed.ids), stage, step, row, packed.begin) for row, packs in batch for packed in packs]
        # where a row ends within the first word of a document, nothing of it is foretold
        found += [one for one in read if len(one.ids) > 2][: n - len(found)]
    if len(found) < n:
        raise InputError(f"n={n}: {name} read {len(found):,} documents in steps whose stage is known; ask for fewer")
    return sorted(found, key=lambda one: (one.step, one.row, one.begin))


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise InputError(f"{shown(name)} was not trained on documents of the small world that can be drawn again: choose {', '.join(RECIPES)}")
    return RECIPES[name]


def _known(name: str) -> list[tuple[Stage, range]]:
    """`stages`, which inside `training_set` is the name of an argument."""
    return list(stages(name).items())


@cache
def _packer(name: str, copying: bool) -> Packer:
    """Draws the rows of a stage; made once, because it measures how long each family's documents are."""
    from tokenizers import Tokenizer

    recipe = _recipe(name)
    mix = with_share(NORMAL_MIX, "repeats", recipe.repeats_share) if copying else NORMAL_MIX
    return Packer(Tokenizer.from_file(str(path(name) / "tokenizer.json")), mix, recipe.n_ctx + 1)
