"""The specimens by name: what each is, where it lies, and what trains it anew."""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sonde.results import InputError, LoadError, shown

_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Specimen:
    """One line of the table."""

    summary: str
    """What it is."""
    recipe: str
    """`module:function` that trains it, called with `out`, `seed` and `threads`; an interrupted run goes on, and the card is written last."""
    seed: int = 0
    """Of the weights that are shipped."""


SPECIMENS = {
    "words": Specimen("a language model of a small generated world", "sonde.specimens.words.recipe:words"),
    "words-small": Specimen("a smaller language model of the same world", "sonde.specimens.words.recipe:words_small"),
    "words-small-b": Specimen("the same as words-small, from another seed", "sonde.specimens.words.recipe:words_small_b", seed=1),
    "induction": Specimen("two layers of attention that continue what was said before", "sonde.specimens.induction:train"),
    "addition": Specimen("a transformer of one layer that adds modulo 59", "sonde.specimens.addition:train"),
    "mask": Specimen("a tiny masked language model of the world of words", "sonde.specimens.mask:train"),
    "pair": Specimen("two encoders that match pictures of coloured shapes with captions", "sonde.specimens.pair.recipe:train"),
    "digits": Specimen("a convolutional network that reads handwritten digits", "sonde.specimens.digits:train"),
    "shapes": Specimen("a convolutional network that names figures, whichever way they face", "sonde.specimens.shapes.recipe:train"),
}


def names() -> list[str]:
    """The shipped specimens.

    >>> "words" in names()
    True
    """
    return [name for name in SPECIMENS if (_WEIGHTS / name / "config.json").is_file()]


def _known(name: str) -> Specimen:
    if name not in SPECIMENS:
        raise LoadError(f"unknown specimen {shown(name)}: there is {', '.join(SPECIMENS)}")
    return SPECIMENS[name]


def path(name: str) -> Path:
    """The folder with a specimen's weights, tokenizer and card.

    Arguments:
        name: one of `names()`.

    Raises:
        LoadError: there is no such specimen.
    """
    _known(name)
    return _WEIGHTS / name


def card(name: str) -> dict[str, Any]:
    """What a specimen is and what was measured on it.

    Arguments:
        name: one of `names()`.

    Returns:
        The card as plain data: `name`, `summary`, `parameters`, `recipe`, `command`, `measures` (each with value, interval and number of items),
        `limits`, ...

    Raises:
        LoadError: there is no such specimen.
    """
    return json.loads((path(name) / "card.json").read_text(encoding="utf-8"))


def train(name: str, out: str | Path, seed: int | None = None, threads: int = 1) -> Path:
    """Train a specimen anew, or go on with a training that was interrupted.

    The same seed gives the same weights on one machine with one number of threads.

    Arguments:
        name: one of the registry, shipped or not.
        out: folder for checkpoints and, under the specimen's name, the result.
        seed: of the first weights and the data; by default that of the weights that are shipped.
        threads: processor threads.

    Returns:
        The folder with weights and card, for `sonde.load`.

    Raises:
        InputError: no threads, or a place where no folder can be.
        LoadError: there is no such specimen, or the checkpoint there was made with other settings.
    """
    specimen = _known(name)
    if threads < 1:
        raise InputError(f"threads={threads}: give 1 or more")
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} can't be made a folder ({error.strerror}): give another with out") from None
    module, function = specimen.recipe.split(":")
    getattr(import_module(module), function)(out=out, seed=specimen.seed if seed is None else seed, threads=threads)
    return out / name
