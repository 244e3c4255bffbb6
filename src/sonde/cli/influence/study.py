"""`sonde influence study`: queries of several kinds, token by token and layer by layer; and two models beside each other."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.influence.asked import add_fit_options, fitted_on, training_of
from sonde.cli.printing import refuse_unwritable, report
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from sonde.access import Model

FIELDS = ("kind", "prompt", "completion")
EXAMPLE = '{"kind": "agreement", "prompt": "The keys on the cabinet", "completion": " are"}'


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "study",
        help="queries of several kinds, token by token and layer by layer",
        description="Which training texts bear on queries of several kinds, by which of their tokens and in which layers; how lexical they are, and "
        "whether they are of the query's kind; and, with --beside, the same for a second model.",
    )
    action.add_argument(
        "queries", nargs="?", metavar="QUERIES",
        help=f"JSON lines, CSV or TSV with the fields {', '.join(FIELDS)}, such as {EXAMPLE}; a language specimen has queries of its own",
    )  # fmt: skip
    action.add_argument("--each", type=count, default=2, metavar="N", help="of a specimen's own queries so many of each kind (default: %(default)s)")
    action.add_argument("--beside", metavar="M", help="a second model with the same tokenizer, studied on the same texts")
    action.add_argument("-k", type=count, default=10, metavar="N", help="how many of the most helpful and most harmful texts (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    add_fit_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Study, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.influence import beside, study
    from sonde.loading import load
    from sonde.results.plain import json_ready

    model = load(arguments.model)
    queries = _queries(arguments, model)
    rows, groups, notes = training_of(arguments, model)
    models = [model] if arguments.beside is None else [model, _alike(load(arguments.beside), model, rows)]
    found, folder = [], arguments.folder
    for place, one in enumerate(models):
        influence, said = fitted_on(arguments, one, rows, folder and Path(folder) / str(place))
        notes += said
        found.append(study(influence, queries, groups, arguments.k))
    verdicts = [verdict for one, of in zip(found, models, strict=True) for verdict in one.check(of)]
    drawings = [one.drawing() for one in found]
    rest: dict[str, Any] = {}
    if len(found) == 2:
        both = beside(*found)
        verdicts, drawings = [*verdicts, *both.check(*models)], [both.drawing(), *drawings]
        rest = {"beside": arguments.beside, "beside_hash": models[1].hash, "agreement": json_ready(both.to_frame().to_dicts())}
    shares = [
        {"model": one.model, "kind": kind, "query": query, "layers": dict(zip(one.layers, row, strict=True))}
        for one in found for kind, query, row in zip(one.kinds, one.queries, one.layer_shares().tolist(), strict=True)
    ]  # fmt: skip
    named = [{"model": one.model, **row} for one in found for row in one.to_frame().to_dicts()]
    return report(
        arguments, start, model, "From which training does it have what it says?", drawings, verdicts, list(dict.fromkeys(notes)),
        method=found[0].method, sign=found[0].sign, n=found[0].n, rows=json_ready(named), layers=json_ready(shares), **rest,
    )  # fmt: skip


def _queries(arguments: argparse.Namespace, model: "Model") -> dict[str, list[Any]]:
    """A kind to its queries."""
    from sonde.influence.small_world import questions, specimen_of
    from sonde.tasks.tables import records

    if arguments.queries is None:
        if specimen_of(model) is None:
            raise InputError(f"what shall {model.name} be asked? give a file of queries, such as {EXAMPLE}")
        return dict(questions(arguments.each, arguments.seed))
    file = Path(arguments.queries)
    found: dict[str, list[Any]] = {}
    for number, record in enumerate(records(file), 1):
        if wrong := [name for name in record if name not in FIELDS]:
            raise InputError(f"{file}, query {number}: the field {shown(wrong[0])} is not known; a query has {', '.join(FIELDS)}")
        if wrong := [name for name in FIELDS if not isinstance(record.get(name, ""), str)]:
            raise InputError(f"{file}, query {number}: {wrong[0]} is {shown(record[wrong[0]])}, and it must be a text")
        prompt, completion = record.get("prompt", ""), record.get("completion", "")
        if not prompt:
            raise InputError(f"{file}, query {number} has no prompt: give one, such as {EXAMPLE}")
        found.setdefault(record.get("kind") or "query", []).append((prompt, completion) if completion else prompt)
    if not found:
        raise InputError(f"{file} holds no query: give one in a line, such as {EXAMPLE}")
    kinds = {bool(isinstance(one, tuple)) for asked in found.values() for one in asked}
    if len(kinds) > 1:
        raise InputError(f"{file}: some queries have a completion and some have none; give one to all of them, or to none")
    return found


def _alike(second: "Model", first: "Model", rows: list[list[int]]) -> "Model":
    """The second model, if it reads the same tokens as the same texts."""
    if first.tokenizer is None or second.tokenizer is None:
        raise InputError("two models are compared by the texts that they read, and one of them has no tokenizer")
    try:
        same = all(first.tokenizer.strings(row) == second.tokenizer.strings(row) for row in rows[:50])
    except (IndexError, OverflowError, TypeError):
        same = False
    if not same:
        raise InputError(f"{second.name} reads these tokens as other texts than {first.name} does: give two models with one tokenizer")
    return second
