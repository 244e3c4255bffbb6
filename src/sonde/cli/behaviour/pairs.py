"""`sonde behaviour pairs`: minimal pairs, such as BLiMP's: does a model prefer the acceptable sentence?"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.behaviour.shared import add_options, opened
from sonde.cli.printing import noted, plain_verdict, print_json, told
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.behaviour import MinimalPairs, Scorer

METHODS = ("sentence", "one-prefix", "two-prefix", "pll", "pll-word-l2r")
SHOWN = 10  # problems that are printed; --json has all


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "pairs",
        help="does it prefer the acceptable sentence? (BLiMP)",
        description="Score both sentences of minimal pairs by one or several models: the share of pairs whose acceptable sentence is more probable, "
        "for each paradigm and phenomenon, with 95 % intervals.",
    )
    action.add_argument(
        "files", nargs="+", metavar="FILE", help="pairs as JSON lines, CSV or TSV with sentence_good and sentence_bad, or folders of them"
    )
    action.add_argument("--ngram", action="append", default=[], metavar="TEXT", help="also an n-gram model of this text file; again for several")
    action.add_argument("--order", type=int, default=5, metavar="N", help="words in the longest n-gram (default: %(default)s)")
    action.add_argument("--lstm", action="append", default=[], metavar="FOLDER[/NAME]", help="also a character LSTM; again for several")
    action.add_argument("--method", default="sentence", choices=METHODS, help="what is compared (default: %(default)s)")
    action.add_argument("--normalise", choices=("tokens", "words", "characters"), help="divide whole sentences by how many they have")
    action.add_argument("--eos", action="store_true", help="put the end-of-sequence token first, for models without a token that begins a text")
    action.add_argument("-n", type=int, metavar="N", help="at most so many pairs of each paradigm, the first ones")
    action.add_argument("--published", metavar="FOLDER", help="show the authors' rows, from the folder of BLiMP that holds them")
    action.add_argument("--check", action="store_true", help="hold each model against itself without what it learnt")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the controls (default: %(default)s)")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score the pairs, then print or write what was asked for."""
    start = time.perf_counter()
    if arguments.n is not None and arguments.n < 1:
        raise InputError(f"-n {arguments.n} is no number of pairs: give 1 or more")
    if arguments.eos and arguments.bos is not None:
        raise InputError("--eos and --bos both say what stands before a text: give one of them")
    from sonde.behaviour import minimal_pairs, published, read_pairs
    from sonde.evidence import corrected
    from sonde.results.document import Document, Section, Sentence

    pairs = read_pairs(arguments.files)
    pairs = pairs if arguments.n is None else pairs.limited(arguments.n)
    rows = published(arguments.published) if arguments.published else []
    others = _others(arguments)
    models = opened(arguments) if arguments.models or not others else []
    bos: Any = "eos" if arguments.eos else arguments.bos
    several: list[Model | Scorer] = [*models, *others]
    result = minimal_pairs(several, pairs, arguments.method, arguments.normalise, bos, rows, progress=not arguments.json)
    verdicts = []
    if arguments.check:
        verdicts = corrected([result.check(model, seed=arguments.seed, bos=bos)[0] for model in several])
    if arguments.json:
        warnings = [*result.problems, *result.notes]
        evidence = [plain_verdict(verdict) for verdict in verdicts]
        print_json(arguments, start, next(iter(models), None), warnings=warnings, method=result.method, models=plain(result), verdicts=evidence)
    sections = [
        Section("pairs", "Does it prefer the acceptable sentence?", drawings=[result.drawing()]),
        Section("examples", "Single pairs", drawings=result.examples()),
    ]
    if verdicts:
        sections.append(Section("evidence", "Is it what the model has learnt?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    more = [f"... and {len(result.problems) - SHOWN} more (--json tells all)"] if len(result.problems) > SHOWN else []
    sections += noted([*result.notes, *result.problems[:SHOWN], *more])
    told(arguments, Document("Minimal pairs", ", ".join(result.models), (), sections))
    return 0


def plain(result: "MinimalPairs") -> list[dict[str, Any]]:
    """Each model's accuracies as plain data.

    Arguments:
        result: what was found.
    """
    found = []
    for m, model in enumerate(result.models):
        ties, identical = result.identical_ties[m]
        found.append({
            "name": model, "kind": result.kinds[m], "hash": result.hashes[m], "overall": vars(result.overall[m]),
            "phenomena": {name: vars(share) for name, share in result.by_phenomenon[m].items()},
            "paradigms": {name: vars(share) for name, share in result.by_paradigm[m].items()},
            "ties": result.ties[m], "identical_words": identical, "identical_words_tied": ties,
        })  # fmt: skip
    return found


def _others(arguments: argparse.Namespace) -> "list[Scorer]":
    """The n-gram models and the character networks that are meant."""
    from sonde.behaviour import NGram, char_lstm

    found: list[Scorer] = [NGram.from_file(text, arguments.order) for text in arguments.ngram]
    for place in map(Path, arguments.lstm):
        found.append(char_lstm(place) if place.is_dir() else char_lstm(place.parent, place.name))
    return found
