"""`sonde behaviour suite`: SyntaxGym suites: is a model surprised where the grammar says so?"""

import argparse
import math
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.behaviour.shared import add_options, each, opened
from sonde.cli.printing import noted, plain_verdict, print_json, told

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.behaviour import SuiteResult
    from sonde.behaviour.suites import Share, Suite
    from sonde.results import Verdict


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "suite",
        help="is it surprised where the grammar says so? (SyntaxGym)",
        description="Evaluate SyntaxGym suites: the surprisal of each region in each condition, and how often the suite's formulas hold.",
    )
    action.add_argument("files", nargs="*", metavar="FILE", help="suites in SyntaxGym's JSON (default: the examples in the words of specimen:words)")
    action.add_argument("--base", default="2", choices=("2", "e"), help="2 for bits, e for nats (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="hold the formulas against the same network with its weights in random order")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the random orders (default: %(default)s)")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate every suite on every model, then print or write what was asked for."""
    start = time.perf_counter()
    from sonde.behaviour.suites import EXAMPLES, accuracies, evaluate, read_suite
    from sonde.evidence import corrected
    from sonde.jobs import track
    from sonde.results.document import Document, Section, Sentence

    suites, warnings = each(arguments.files or list(EXAMPLES), read_suite)
    models = opened(arguments)
    pairs = [(suite, model) for suite in suites for model in models]
    base: Any = 2 if arguments.base == "2" else "e"
    found, unread = each(track(pairs, "suites", shown=not arguments.json), lambda pair: (*pair, evaluate(pair[1], pair[0], base, arguments.bos)))
    results = [result for _, _, result in found]
    verdicts: list[Verdict] = []
    if arguments.check:
        verdicts = corrected([verdict for suite, model, result in found for verdict in result.check(model, suite, seed=arguments.seed)])
    for result in results:
        warnings += [f"{result.suite}, {result.model}: {note}" for note in (*result.bad, *result.notes)]
    warnings += unread
    if arguments.json:
        print_json(
            arguments, start, models[0], warnings=warnings, results=[_plain(*one) for one in found], verdicts=[plain_verdict(v) for v in verdicts]
        )
    sections = [Section("accuracy", "How often do the formulas hold?", drawings=[accuracies(results)])]
    sections += [Section(f"suite-{i}", f"{result.suite}, {result.model}", drawings=[result.drawing()]) for i, result in enumerate(results)]
    if verdicts:
        sections.append(Section("evidence", "Is it what the model has learnt?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    told(arguments, Document("Is the model surprised where the grammar says so?", "", (), [*sections, *noted(warnings)]))
    return 0


def _plain(suite: "Suite", model: "Model", result: "SuiteResult") -> dict[str, Any]:
    """A result as plain data; what has no surprisal has none."""
    rows = [{**row, "surprisal": None if math.isnan(row["surprisal"]) else row["surprisal"]} for row in result.to_frame().to_dicts()]
    predictions = [
        {"formula": formula, **_share(share), "by_item": [None if math.isnan(truth) else bool(truth) for truth in holds]}
        for formula, share, holds in zip(result.predictions, result.accuracy, result.holds.tolist(), strict=True)
    ]
    return {
        "suite": suite.name, "model": model.name, "model_hash": model.hash, "metric": result.metric, "unit": result.unit, "items": result.items,
        "bad": result.bad, "predictions": predictions, "all_hold": _share(result.all_hold), "regions": rows,
    }  # fmt: skip


def _share(share: "Share | None") -> dict[str, Any]:
    if share is None:
        return {"share": None, "low": None, "high": None, "n": 0}
    return {"share": share.share, "low": share.low, "high": share.high, "n": share.n}
