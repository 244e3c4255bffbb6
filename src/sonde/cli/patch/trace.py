"""`sonde patch trace`: at which token and after which block does the model hold the fact?"""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import add_task_options, opened_task
from sonde.cli.patch.shared import add_output, halves
from sonde.cli.printing import refuse_unwritable, report
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.patching import Trace


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "trace",
        help="at which token and after which block a fact is held",
        description="Causal tracing: noise on the subject's embeddings loses the answer, and one place at a time is put back to what it was.",
    )
    action.add_argument("prompts", nargs="*", metavar="PROMPT", help="texts that end before the answer")
    action.add_argument("--task", metavar="NAME|FILE", help="the examples of a task instead")
    action.add_argument("--subject", action="append", metavar="WORDS", help="what is corrupted, once or for each text; of a task the name of a span")
    action.add_argument("--answer", action="append", metavar="T", help="the token that is asked for, once or for each text (default: the model's)")
    action.add_argument("--restored", default="state", choices=("state", "mlp", "attn"), help="what is put back (default: %(default)s)")
    action.add_argument("--window", type=int, metavar="N", help="blocks over which mlp or attn is put back (default: a fifth of them, at most 10)")
    action.add_argument("--severed", choices=("mlp", "attn"), help="what cannot answer to what is put back")
    action.add_argument("--metric", default="probability", metavar="NAME", help="or log_probability; of a task any (default: %(default)s)")
    action.add_argument("--std", type=float, metavar="X", help="of the noise (default: three times that of the subjects' embeddings)")
    action.add_argument("--samples", type=int, default=10, metavar="N", help="draws of noise (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="choose the place on half of the prompts, and test it on the others")
    add_task_options(action, n=16)
    add_output(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Trace, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if bool(arguments.prompts) == (arguments.task is not None):
        raise InputError("give the prompts: texts, or --task NAME")
    if not arguments.subject:
        raise InputError("--subject is missing: say which words of the text are the subject, or the name of the task's span")
    from sonde.loading import load
    from sonde.results.plain import json_ready

    model = load(arguments.model)
    found, verdicts = _traced(arguments, model)
    drawings = [found.drawing(), *([found.courses()] if len(found.texts) > 1 else [])]
    rows = [
        {"text": text, "tokens": found.tokens[i], "subject": found.subjects[i], "answer": found.answers[i], "clean": float(found.clean[i]),
         "corrupt": float(found.corrupt[i].mean()), "values": json_ready(found.values[i, :, : len(found.tokens[i])].tolist())}
        for i, text in enumerate(found.texts)
    ]  # fmt: skip
    return report(
        arguments, start, model, "Where is the fact?", drawings, verdicts, found.notes, unit=found.unit, restored=found.restored,
        window=found.window, severed=found.severed, std=found.std, samples=found.corrupt.shape[1], prompts=rows,
    )  # fmt: skip


def _traced(arguments: argparse.Namespace, model: "Model") -> "tuple[Trace, list[Any]]":
    from functools import partial

    from sonde.patching import causal_tracing

    once = len(arguments.subject) == 1
    traced = partial(
        causal_tracing, model, restored=arguments.restored, window=arguments.window, severed=arguments.severed, metric=arguments.metric,
        std=arguments.std, samples=arguments.samples, seed=arguments.seed, progress=not arguments.json,
    )  # fmt: skip
    if arguments.task is None:
        if arguments.check:
            raise InputError("--check needs prompts of one kind to choose on and to test on: give --task")
        answers = arguments.answer[0] if arguments.answer and len(arguments.answer) == 1 else arguments.answer
        return traced(arguments.prompts, arguments.subject[0] if once else arguments.subject, answers, bos=arguments.bos), []
    if not once or arguments.answer:
        raise InputError("a task has one --subject, the name of a span, and says itself what is right: leave --answer out")
    task = opened_task(arguments, model)
    if not arguments.check:
        return traced(task, arguments.subject[0]), []
    search, judged = halves(arguments, task)
    found, other = traced(search, arguments.subject[0]), traced(judged, arguments.subject[0])
    return found, found.check(model, other, arguments.seed)
