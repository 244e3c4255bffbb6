"""`sonde lens table`: a question layer by layer, and whether its answer is got by adding a vector."""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import add_task_options, opened_task
from sonde.cli.lens.shared import add_output_options
from sonde.cli.printing import refuse_unwritable, report
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.lens import Question


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "table",
        help="when does the argument of a question give way to its answer?",
        description="Read the last token of some questions at every layer: the argument, the function, saturation. With --vectors take what the "
        "deciding MLP adds for some of them, and add it to prompts of others that do not ask, beside random vectors.",
    )
    action.add_argument("--task", metavar="NAME|FILE", help="a task with a span that names the argument (default: capital)")
    action.add_argument("--argument", metavar="SPAN", help="the span (default: country)")
    action.add_argument("--template", metavar="TEXT", help="a form of your own with {argument} in it, instead of a task")
    action.add_argument("--pair", action="append", default=[], metavar="A=B", help="with --template: an argument and its answer; again for each")
    action.add_argument("--vectors", action="store_true", help="take relation vectors and test them on other questions")
    action.add_argument(
        "--bare", metavar="TEXT",
        help="with --template and --vectors: a form with {argument} that does not ask, to which vectors are added (default: the prompt up to "
        "its argument)",
    )  # fmt: skip
    action.add_argument("--layer", type=int, metavar="L", help="of the MLP (default: the one that raises the answer most)")
    add_task_options(action, 32)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import answer_course, relation_vectors
    from sonde.lens.reading import readable
    from sonde.loading import load

    model = load(arguments.model)
    readable(model)
    search, evaluate, bare = _questions(arguments, model)
    course = answer_course(model, [*search, *evaluate])
    drawings, verdicts = [course.drawing()], []
    more: dict[str, Any] = {}
    if arguments.vectors:
        found = relation_vectors(model, search, evaluate, arguments.layer, bare, seed=arguments.seed)
        drawings, verdicts = [*drawings, found.drawing()], found.check(model)
        more = {"layer": found.layer, "effects": found.to_frame().to_dicts()}
    return report(
        arguments, start, model, "How does the answer arise?", drawings, verdicts, layers=course.layers, phases=course.phases,
        rows=course.to_frame().to_dicts(), **more,
    )  # fmt: skip


def _questions(arguments: argparse.Namespace, model: "Model") -> "tuple[list[Question], list[Question], list[list[int]] | None]":
    """The questions in two halves, to choose on and to judge on; and prompts that do not ask, where a form of them is given."""
    from sonde.lens import asked, questions

    if arguments.template:
        if arguments.task:
            raise InputError("give --task or --template, not both")
        pairs = [pair.partition("=")[::2] for pair in arguments.pair]
        if len(pairs) < 2 or not all(argument and answer for argument, answer in pairs):
            raise InputError("--template needs at least two of --pair, such as --pair 'France= Paris' --pair 'Poland= Warsaw'")
        found, half = asked(model, arguments.template, pairs, arguments.bos), len(pairs) // 2
        return found[:half], found[half:], _bare(arguments, model, [argument for argument, _ in pairs[half:]])
    if arguments.pair or arguments.bare:
        raise InputError("--pair and --bare go with --template")
    arguments.task, span = arguments.task or "capital", arguments.argument or ("country" if not arguments.task else None)
    if span is None:
        raise InputError("say with --argument which span of the task names what is asked about")
    search, evaluate = opened_task(arguments, model).split(arguments.seed)
    return questions(search, span), questions(evaluate, span), None


def _bare(arguments: argparse.Namespace, model: "Model", named: list[str]) -> list[list[int]] | None:
    """A prompt for each argument to be judged that names it and does not ask."""
    if arguments.bare is None or model.tokenizer is None:
        return None
    if arguments.bare.count("{argument}") != 1:
        raise InputError(f"--bare {arguments.bare!r}: write {{argument}} once where the argument stands")
    return [model.tokenizer.encode(arguments.bare.replace("{argument}", one), arguments.bos) for one in named]
