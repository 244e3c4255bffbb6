"""`sonde tasks`: what a model can be asked: which tasks there are, a file for one's own, its examples, and whether a model does it."""

import argparse
import sys
import time
from typing import Any

from sonde.cli.asking import add_task_options, opened_task
from sonde.cli.printing import console, print_json

COLOURS = ("cyan", "green", "magenta", "blue", "red")
CHANGED = "bold underline"


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "tasks",
        help="list tasks, write one of your own, look at its examples, check that a model does it",
        description="A task is prompts with right answers, and a counterfactual of each in which another answer is right. It comes from a template "
        "that is shipped, from a YAML or Python file of your own, or from a file of examples.",
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the shipped tasks, and the files that are read", description="List tasks and formats of files.")
    writing = actions.add_parser("new", help="write a template of your own", description="Write a commented template that works as it is.")
    writing.add_argument("file", metavar="FILE", help="where: a name that ends in .yaml and is not taken")
    writing.add_argument("--from", dest="source", default="ioi", metavar="NAME", help="what it begins from (default: %(default)s)")
    showing = actions.add_parser("show", help="print examples", description="Print examples with their spans and counterfactuals.")
    checking = actions.add_parser(
        "check",
        help="does a model do it?",
        description="Count the examples that could be made and what was dropped, and compare the metric on the examples with that on their "
        "counterfactuals. The exit code is 2 where there is no gap between the two.",
    )
    for action, n in ((showing, 5), (checking, 64)):
        action.add_argument("task", metavar="NAME|FILE", help="a shipped task, a template (.yaml, .py: is run), or a file of examples")
        add_task_options(action, n)
    for action, run in ((listing, _list), (writing, _new), (showing, _show), (checking, _check)):
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=run)


def _list(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    from sonde.tasks import FORMATS, TEMPLATES

    if arguments.json:
        tasks = [{"name": task.name, "question": task.question} for task in TEMPLATES.values()]
        formats = [{"name": known.name, "what": known.what, "variants": list(known.variants)} for known in FORMATS.values()]
        print_json(arguments, start, tasks=tasks, formats=formats)
        return 0
    from rich.table import Table

    out = console()
    for heads, rows in (
        (("task", "question"), [(task.name, task.question) for task in TEMPLATES.values()]),
        (("file of examples", "rows"), [(known.name, known.what) for known in FORMATS.values()]),
    ):
        table = Table(*heads, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        out.print(table, "")
    out.print("`sonde tasks new my_task.yaml` writes a template of your own.", markup=False)
    return 0


def _new(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    from sonde.tasks import write_starter

    file = write_starter(arguments.file, arguments.source)
    if arguments.json:
        print_json(arguments, start, file=str(file))
    else:
        print(f"{file} written: it works as it is. Change it, then `sonde tasks check {file} --model M`")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    model, task = _opened(arguments)
    if arguments.json:
        print_json(arguments, start, model, task=_described(task), examples=[_example(task, model, i) for i in range(len(task))])
        return 0
    from rich.text import Text

    out = console()
    spans = [name for name in task.spans if name != "changed"]
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(spans)}
    out.print(Text.assemble((task.name, "bold"), ": ", *(part for name in spans for part in ((name, colours[name]), " ")), ("changed", CHANGED)))
    for i in range(len(task)):
        example = _example(task, model, i)
        out.print()
        for tokens in (example["tokens"], example["corrupt_tokens"]):
            line = Text()
            for position, token in enumerate(tokens):
                styles = [colours[name] for name in spans if position in example["spans"][name]]
                line.append(token, " ".join([*styles[:1], *([CHANGED] if position in example["spans"]["changed"] else [])]))
            out.print(line)
        was, now = ("".join(example[name][position] for position in example["spans"]["changed"]) for name in ("tokens", "corrupt_tokens"))
        out.print(Text(f"  right {_few(example['answers'])}, wrong {_few(example['wrongs'])}; changed {was!r} to {now!r}", "dim"))
    for note in task.notes:
        out.print(Text(f"note: {note}", "dim"))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    from sonde.results import InputError
    from sonde.tasks import check

    model, task = _opened(arguments)
    result = check(model, task)
    if arguments.json:
        low, high = result.interval or (None, None)
        gap = {"mean": result.gap, "low": low, "high": high, "unit": result.unit, "holds": result.holds}
        print_json(arguments, start, model, task=_described(task), figures=_figures(result), gap=gap)
    else:
        from rich.text import Text

        from sonde.views import terminal

        out = console()
        terminal.show(result.drawing(), out)
        out.print(Text("\n".join([f"\n{len(task)} examples could be made", *(f"note: {note}" for note in task.notes)]), "dim"))
    try:
        result.require_gap()
    except InputError as error:
        print(f"sonde tasks: {error}", file=sys.stderr)
        return 2
    return 0


def _opened(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The model and the task that are meant."""
    from sonde.loading import load

    model = load(arguments.model)
    return model, opened_task(arguments, model)


def _described(task: Any) -> dict[str, Any]:
    from sonde.tasks import unit_of

    return {"name": task.name, "examples": len(task), "metric": type(task.metric).__name__, "unit": unit_of(task.metric), "notes": list(task.notes)}


def _example(task: Any, model: Any, i: int) -> dict[str, Any]:
    """One example as plain data."""
    strings = model.tokenizer.strings
    return {
        "text": task.texts[i], "corrupt_text": task.corrupt_texts[i], "tokens": strings(task.clean[i]), "corrupt_tokens": strings(task.corrupt[i]),
        "spans": {name: list(positions[i]) for name, positions in task.spans.items()},
        "answers": strings(task.answers[i]), "wrongs": strings(task.wrongs[i]),
    }  # fmt: skip


def _figures(result: Any) -> list[dict[str, Any]]:
    """The table of the check, a row each: a measure on the examples and on their counterfactuals, with intervals."""
    names = ("measure", "clean", "clean_low", "clean_high", "corrupt", "corrupt_low", "corrupt_high")
    return [dict(zip(names, row, strict=True)) for row in result.drawing().data["rows"]]


def _few(texts: list[str]) -> str:
    return ", ".join(map(repr, texts[:4])) + (f" and {len(texts) - 4} more" if len(texts) > 4 else "")
