"""`sonde attribute`: which tokens, pixels or features mattered for an answer, by one method or several, and whether that is true."""

import argparse
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sonde.cli.printing import console, plain_verdict, print_json, refuse_unwritable, told
from sonde.results import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from sonde.attribution import Attribution
    from sonde.attribution.evaluation import Evaluation
    from sonde.attribution.methods import Method
    from sonde.cli.attribute.subjects import Subject
    from sonde.results import Verdict
    from sonde.results.document import Document


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "attribute",
        help="which tokens, pixels or features mattered for an answer",
        description="Which tokens of a text, pixels of a picture or columns of a table mattered for an answer of the model. Several methods are "
        "compared with one another; --check holds the tokens that they rank highest against others on prompts of the same kind.",
    )
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="a text; its next token is explained")
    parser.add_argument("--task", metavar="NAME|FILE", help="examples of a task instead of one text")
    parser.add_argument("-n", type=int, default=8, metavar="N", help="how many examples of the task (default: %(default)s)")
    parser.add_argument(
        "--image", metavar="FILE", action="append", help="a picture instead of a text: a picture file, or an array (.npy); again for several"
    )
    parser.add_argument(
        "--caption", metavar="TEXT", action="append", help="a text that pictures are compared with, for models of both; again for several"
    )
    parser.add_argument("--table", metavar="FILE", help="a row of a table instead: a network is trained on the others")
    parser.add_argument("--format", default="csv", metavar="NAME", help="of the table: adult, german, compas or csv (default: %(default)s)")
    parser.add_argument("--column", metavar="NAME", help="the table's column that is predicted (default: the format's)")
    parser.add_argument("--row", metavar="N", type=int, action="append", help="the table's row, from 1 on; again for several (default: 1)")
    parser.add_argument("--attention", metavar="DATA", help="instead: is attention an explanation? On keyword, marker, stories, sst2 or ag_news")
    parser.add_argument("--source", metavar="PATH", help="where sst2 (a folder) or ag_news (a file) lies")
    parser.add_argument("--folder", metavar="DIR", help="where networks of --attention are kept, so that it goes on where it was interrupted")
    parser.add_argument("--seeds", type=int, default=4, metavar="N", help="further networks of --attention (default: %(default)s)")
    parser.add_argument("--texts", type=int, default=200, metavar="N", help="texts that --attention looks at (default: %(default)s)")
    parser.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    parser.add_argument(
        "--target", metavar="T", help="what is explained: a token; a class by name or number; a caption (default: the model's answer)"
    )
    parser.add_argument("--foil", metavar="F", help="what it is contrasted with (default: of a text, as its counterfactual says; else nothing)")
    parser.add_argument(
        "--method", metavar="NAME", action="append", help="a method; again for several (default: integrated_gradients). 'list' lists them"
    )
    parser.add_argument(
        "--baseline", metavar="B", help="what stands for what is absent: pad, zero, mean, blur, or a token (default: picked, and named)"
    )
    parser.add_argument(
        "--option", metavar="NAME=VALUE", action="append", default=[], help="an option of the method, such as steps=50; again for several"
    )
    parser.add_argument("--check", action="store_true", help="test the claim on other examples")
    parser.add_argument(
        "--evaluate", action="store_true", help="compare the methods by all measures of faithfulness; for one text on other prompts of its kind"
    )
    parser.add_argument("--bos", action=argparse.BooleanOptionalAction, default=None, help="put the beginning-of-sequence token first")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of every random draw (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Attribute, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if arguments.attention:
        from sonde.cli.attribute import attention

        return attention.run(arguments, start)
    from sonde.attribution.methods import METHODS

    names = arguments.method or ["integrated_gradients"]
    if names == ["list"]:
        return _list(arguments, start)
    if unknown := [name for name in names if name not in METHODS]:
        raise InputError(f"there is no method {unknown[0]!r}: --method list lists them")
    given = _options(arguments.option, [METHODS[name] for name in names])
    from sonde.cli.attribute.subjects import subject
    from sonde.evidence import corrected
    from sonde.results.plain import json_ready

    asked = subject(arguments)
    baseline = _baseline(arguments.baseline) if arguments.baseline is not None else asked.absent
    methods = [_bound(METHODS[name], asked, baseline, given, arguments.seed) for name in names]
    results = [_applied(method, asked) for method in methods]
    evaluation = asked.evaluated(methods, arguments.seed) if arguments.evaluate else None
    claims = asked.checked(results, arguments.seed) if arguments.check else []
    verdicts = corrected([*claims, *(evaluation.verdicts if evaluation else [])])
    picked = any(r.absent for r in results) and arguments.baseline is None
    notes = [*asked.notes, *([f"what is absent: {asked.absent_said or results[-1].absent} (picked; choose with --baseline)"] if picked else [])]
    notes += [f"not evaluated: {reason}" for reason in evaluation.failed] if evaluation else []
    document = _document(asked, results, evaluation, verdicts, notes)
    if arguments.json:
        rows = evaluation.to_frame().to_dicts() if evaluation else []
        print_json(arguments, start, asked.model, warnings=notes, target=asked.target, foil=asked.foil, results=[_plain(r) for r in results],
                   evaluation=json_ready(rows), verdicts=[plain_verdict(v) for v in verdicts])  # fmt: skip
    told(arguments, document)
    return 0


def _list(arguments: argparse.Namespace, start: float) -> int:
    from sonde.attribution.methods import METHODS, options, takes_baseline

    rows: list[dict[str, Any]] = [
        {"name": name, "what": (method.__doc__ or "").partition("\n")[0], "baseline": takes_baseline(method), "options": list(options(method))}
        for name, method in METHODS.items()
    ]
    if arguments.json:
        print_json(arguments, start, methods=rows)
        return 0
    from rich.table import Table

    table = Table("method", "what it does", "options", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["what"], ", ".join([*(["baseline"] if row["baseline"] else []), *row["options"]]))
    console().print(table)
    return 0


def _options(given: list[str], methods: "list[Method]") -> dict[str, Any]:
    """The options as values; every one must be known to a method that was asked for."""
    import yaml

    from sonde.attribution.methods import options

    known = sorted({name for method in methods for name in options(method)})
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise InputError(f"--option {text!r}: give NAME=VALUE with a name of {', '.join(known) or 'no option'}")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[name] = value
    return found


def _baseline(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def _bound(method: "Method", asked: "Subject", baseline: "str | int | Tensor", given: dict[str, Any], seed: int) -> "Method":
    """The method with those of the options that it knows."""
    from sonde.attribution.methods import options, takes_baseline

    known = options(method)
    chosen: dict[str, Any] = {name: value for name, value in given.items() if name in known}
    if "seed" in known:
        chosen.setdefault("seed", seed)
    if takes_baseline(method):
        chosen["baseline"] = baseline
    if "players" in known and asked.players:
        chosen.setdefault("players", asked.players)
    return partial(method, **chosen)


def _applied(method: "Method", asked: "Subject") -> "Attribution":
    result = method(asked.model, asked.inputs, asked.metric)
    return replace(result, names=asked.names) if asked.names and not result.names else result


def _document(
    asked: "Subject", results: "list[Attribution]", evaluation: "Evaluation | None", verdicts: "list[Verdict]", notes: list[str]
) -> "Document":  # fmt: skip
    from sonde.attribution import agreement
    from sonde.results.document import Document, Section, Sentence

    sections = [Section(f"example-{i}", asked.labels[i], drawings=[result.drawing(example=i) for result in results]) for i in range(len(results[0]))]
    if len(results) > 1:
        sections.append(Section("agreement", "Do the methods agree?", drawings=[agreement(_alike(results)).drawing()]))
    if evaluation:
        sections.append(Section("evaluation", "How faithful are the methods?", drawings=[evaluation.drawing()]))
    if verdicts:
        sections.append(Section("evidence", "Is it true?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    facts = [
        ("model", f"{asked.model.name} ({asked.model.hash[:8]})"),
        ("explained", asked.target + (f" against {asked.foil}" if asked.foil else "")),
    ]
    return Document("Which inputs mattered?", "; ".join(notes), facts, sections)


def _alike(results: "list[Attribution]") -> "list[Attribution]":
    """Attributions of the same parts: where one took places together, the others' values are summed over its groups."""
    together = next((result for result in results if result.groups is not None), None)
    if together is None:
        return results
    return [result if result.groups is not None else result.grouped_as(together) for result in results]


def _plain(result: "Attribution") -> dict[str, Any]:
    """A result as plain data; NaN, where a row has no token, as nothing."""
    from sonde.results.plain import json_ready

    values = {name: getattr(result, name) for name in ("values", "error", "metric", "absent_metric", "groups")}
    return {
        "method": result.method, "function": str(result.recipe.function), "arguments": result.recipe.arguments, "unit": result.unit,
        "site": result.site, "axes": list(result.axes), "names": list(result.names), "tokens": result.tokens, "absent": result.absent,
        **{name: None if value is None else json_ready(_missing(value.tolist())) for name, value in values.items()},
        "evaluations": result.evaluations, "steps": result.steps, "notes": list(result.notes),
    }  # fmt: skip


def _missing(value: Any) -> Any:
    if isinstance(value, list):
        return [_missing(part) for part in value]
    return None if value != value else value
