"""`sonde behaviour coreference`: whom does a pronoun mean, and does its gender decide that? (Winogender)"""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.behaviour.shared import add_options, each, opened
from sonde.cli.printing import noted, plain_verdict, print_json, told

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.behaviour import Coreference
    from sonde.results import Verdict


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "coreference",
        help="whom does a pronoun mean, and does its gender decide that? (Winogender)",
        description="Ask a model whom the pronouns of the Winogender schemas mean, by substitution and by a question; compare the pronouns' genders, "
        "and the model's expectations with the share of women in each occupation.",
    )
    action.add_argument(
        "folder", metavar="FOLDER", help="the authors' files (templates.tsv or all_sentences.tsv, occupations-stats.tsv), or one file"
    )
    action.add_argument("--women", default="bls", choices=("bls", "bergsma"), help="whose shares of women (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="hold the claims against weights in random order and shares handed out at random")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn at random (default: %(default)s)")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask each model, then print or write what was asked for."""
    start = time.perf_counter()
    from sonde.behaviour import coreference, read_schemas
    from sonde.evidence import corrected
    from sonde.results.document import Document, Section, Sentence

    schemas = read_schemas(arguments.folder, women=arguments.women)
    models = opened(arguments)
    found, warnings = each(models, lambda model: (model, coreference(model, schemas, arguments.bos, progress=not arguments.json)))
    verdicts: list[Verdict] = []
    if arguments.check:
        verdicts = corrected([verdict for model, result in found for verdict in result.check(model, schemas, seed=arguments.seed)])
    for _, result in found:
        warnings += [f"{result.model}: {note}" for note in (*result.bad, *result.notes)]
    if arguments.json:
        print_json(
            arguments, start, models[0], warnings=warnings, results=[_plain(*one) for one in found], verdicts=[plain_verdict(v) for v in verdicts]
        )
    sections = [Section(f"model-{i}", model.name, drawings=[result.table(), result.drawing()]) for i, (model, result) in enumerate(found)]
    if verdicts:
        sections.append(Section("evidence", "Is it true?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    told(arguments, Document("Whom do pronouns mean?", "", (), [*sections, *noted(warnings)]))
    return 0


def _plain(model: "Model", result: "Coreference") -> dict[str, Any]:
    """A result as plain data: the table's rows, and every sentence."""
    names = ("measure", "value", "low", "high", "n")
    measures = [dict(zip(names, row, strict=True)) for row in result.table().data["rows"]]
    sentences = [{name: None if value != value else value for name, value in row.items()} for row in result.to_frame().to_dicts()]
    return {"model": model.name, "model_hash": model.hash, "measures": measures, "sentences": sentences, "bad": result.bad}
