"""What the actions are told: the model, its training texts, the curvature, and the query."""

import argparse
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.dictionary.corpus import WORLD, add_corpus_options
from sonde.cli.weights.asked import opened_rows
from sonde.results import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from sonde.access import Model
    from sonde.influence import Influence

KINDS = ("ekfac", "kfac", "diagonal", "identity")
DOCUMENTS = 4000
LABELS = ("auto", "exact", "sampled", "empirical")


def add_fit_options(action: argparse.ArgumentParser) -> None:
    """Register the model, what it was trained on, and the curvature."""
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    add_corpus_options(action)
    # what a specimen was trained on is known, so it needs no corpus; the options that make one are None where they are not given
    action.set_defaults(corpus=None, documents=None)
    action.add_argument("--contexts", type=count, default=200, metavar="N", help="rows of training text at most (default: %(default)s)")
    action.add_argument("--kind", choices=KINDS, default="ekfac", help="of curvature (default: %(default)s)")
    action.add_argument("--labels", choices=LABELS, default="auto", help="whose gradients make the curvature (default: %(default)s)")
    action.add_argument("--draws", type=count, default=1, metavar="N", help="sampled labels for each place (default: %(default)s)")
    action.add_argument("--damping", type=float, metavar="X", help="absolute damping (default: a tenth of each block's mean eigenvalue)")
    action.add_argument("--modules", nargs="+", metavar="PATH", help="paths or globs of modules (default: those inside the blocks)")
    action.add_argument("--batch-size", type=count, metavar="N", help="texts in a pass (default: what the memory holds)")
    action.add_argument("--folder", metavar="FOLDER", help="keep the curvature and finished pieces here, and use what is there")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    action.add_argument("--json", action="store_true", help="print JSON")


def add_worker_option(action: argparse.ArgumentParser) -> None:
    """Register which share of the pieces is done."""
    action.add_argument("--worker", type=share, metavar="I/N", help="do only the I-th of N shares of the pieces in --folder, counted from 1")


def share(text: str) -> tuple[int, int]:
    """Which worker of how many, as a type of an option."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no share: give 1/4 for the first of four")
    return int(number) - 1, int(of)


def or_waits(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Run an action; a worker that has done its share while others have not says so, and that is no mistake."""

    @wraps(run)
    def patient(arguments: argparse.Namespace) -> int:
        from sonde.jobs import Unfinished

        try:
            return run(arguments)
        except Unfinished as waiting:
            print(waiting)
            return 0

    return patient


def add_query_options(action: argparse.ArgumentParser) -> None:
    """Register what is asked about."""
    action.add_argument("prompt", help="a text, or the beginning of one that --completion goes on")
    action.add_argument("--completion", metavar="TEXT", help="ask about the loss on this text after the prompt only, leading space included")
    action.add_argument("-k", type=count, default=10, metavar="N", help="how many of the most helpful and most harmful texts (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")


def opened(arguments: argparse.Namespace) -> "tuple[Model, Influence, list[str]]":
    """The model, its fitted curvature, and what is to be said of it."""
    from sonde.loading import load

    model = load(arguments.model)
    rows, _, notes = training_of(arguments, model)
    found, said = fitted_on(arguments, model, rows, arguments.folder)
    return model, found, [*notes, *said]


def training_of(arguments: argparse.Namespace, model: "Model") -> tuple[list[list[int]], list[str] | None, list[str]]:
    """Rows of training text, their kinds where these are known, and what is to be said of them: of a language specimen what it was trained on."""
    from sonde.influence.small_world import read_by, specimen_of

    name = specimen_of(model)
    if arguments.corpus is None and name is not None:
        if arguments.documents or arguments.length:
            raise InputError(f"the documents that {name} was trained on are read as they were: give --contexts for how many, or --corpus {WORLD}")
        known, families = read_by(name, arguments.contexts, arguments.seed)
        return known, families, [f"{len(known)} documents that {name} was trained on, of batches drawn from its training"]
    made = argparse.Namespace(**{**vars(arguments), "corpus": arguments.corpus or WORLD, "documents": arguments.documents or DOCUMENTS})
    rows, notes = opened_rows(made, model)
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        raise InputError("the corpus holds no text of two tokens: give one with --corpus")
    return rows, None, notes


def fitted_on(arguments: argparse.Namespace, model: "Model", rows: list[list[int]], place: "str | Path | None") -> "tuple[Influence, list[str]]":
    """The curvature of a model on rows of text, kept in a folder if there is one, and what is to be said of it."""
    from pathlib import Path

    from sonde.influence import Absolute, Relative, fit
    from sonde.results.artifact import MANIFEST

    worker = getattr(arguments, "worker", None)
    if worker and not place:
        raise InputError("workers meet in a folder: give --folder with --worker")
    folder = Path(place) if place else None
    kept = folder / "curvature" if folder else None
    asked: dict[str, Any] = {"kind": arguments.kind, "labels": arguments.labels, "draws": arguments.draws, "seed": arguments.seed}
    damping = Relative() if arguments.damping is None else Absolute(arguments.damping)
    fitted = kept if kept is not None and (kept / MANIFEST).is_file() else None
    found = fit(
        model, rows, **asked, damping=damping, modules=arguments.modules, batch_size=arguments.batch_size, folder=folder and folder / "pieces",
        fitted=fitted, worker=None if fitted else worker,
    )  # fmt: skip
    if fitted is not None and (found.curvature.kind, found.curvature.examples) != (arguments.kind, len(rows)):
        raise InputError(
            f"{folder} keeps a curvature of the kind {found.curvature.kind} of {found.curvature.examples} texts, "
            f"not {arguments.kind} of {len(rows)}: give another --folder"
        )
    if kept is not None and fitted is None:
        found.save(kept)
    used = ["the curvature in the folder was used"] if fitted else []
    return found, [*found.coverage.notes, found.method, *used]


def query(arguments: argparse.Namespace) -> Any:
    """What is asked about."""
    return [(arguments.prompt, arguments.completion)] if arguments.completion else [arguments.prompt]
