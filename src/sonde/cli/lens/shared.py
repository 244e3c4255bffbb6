"""What the actions have in common: the model, the prompts or the text, a tuned lens, and where the findings go."""

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.cli.asking import count
from sonde.cli.dictionary.corpus import add_corpus_options, opened_corpus
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.lens import TunedLens


def add_model_options(action: argparse.ArgumentParser) -> None:
    """Register the model."""
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )


def add_prompt_options(action: argparse.ArgumentParser, several: bool = True) -> None:
    """Register the prompts and how they are made tokens.

    Arguments:
        action: the parser.
        several: whether more than one may be given.
    """
    if several:
        action.add_argument("prompts", nargs="+", metavar="PROMPT", help="a text; several are read side by side")
    else:
        action.add_argument("prompt", metavar="PROMPT", help="a text")
    action.add_argument("--bos", action=argparse.BooleanOptionalAction, default=None, help="put the beginning-of-sequence token first")
    add_model_options(action)


def add_text_options(action: argparse.ArgumentParser, rows: int) -> None:
    """Register the text that a lens is trained or judged on.

    Arguments:
        action: the parser.
        rows: how many contexts of it by default.
    """
    add_corpus_options(action)
    action.add_argument("--rows", type=count, default=rows, metavar="N", help="contexts that are read (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the order of documents (default: %(default)s)")


def opened_rows(arguments: argparse.Namespace, model: "Model") -> list[list[int]]:
    """The first contexts of the text that is meant; a model that no lens can read is refused before its text is opened."""
    from sonde.lens.reading import readable

    readable(model)
    corpus = opened_corpus(arguments, model)
    rows = [list(sequence.tokens) for sequence in islice(corpus.sequences(corpus.beginning(0)), arguments.rows)]
    if not rows:
        raise InputError(f"{arguments.corpus} holds no text: give a file with some by --corpus")
    return rows


def opened_lens(folder: str) -> "TunedLens":
    """A tuned lens that was kept as an artifact."""
    from sonde.lens import TunedLens
    from sonde.lens.translators import KIND
    from sonde.results.artifact import read_manifest

    if not (Path(folder) / "artifact.json").is_file():
        inside = Path(folder) / "lens"
        way_out = (
            f"give {inside}, which is in it" if (inside / "artifact.json").is_file() else "make one with `sonde lens train` or `sonde lens convert`"
        )
        raise InputError(f"{folder} holds no lens: {way_out}")
    if read_manifest(Path(folder))["kind"] == KIND:
        raise InputError(f"{folder} is what a training goes on from, and no lens: give {Path(folder).parent / 'lens'}, which it writes at its end")
    return TunedLens.load(folder)


def add_output_options(action: argparse.ArgumentParser) -> None:
    """Register how the findings are printed."""
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
