"""From a template that is data, or the file that holds one, to a task."""

import random
from collections.abc import Sequence
from pathlib import Path

from sonde.access import Model
from sonde.jobs import defined
from sonde.results import InputError
from sonde.tasks.gathering import Gathering, Misfit
from sonde.tasks.own.document import read
from sonde.tasks.own.draws import Words, draw
from sonde.tasks.own.template import SlotTemplate
from sonde.tasks.parts import Part, part_of
from sonde.tasks.task import Task
from sonde.tasks.template import Template

TRIES = 200  # draws in a row that give nothing new, after which there is nothing new
ENDINGS = (".yaml", ".yml", ".py")


def read_template(file: str | Path) -> Template | SlotTemplate:
    """The template in a file.

    A Python file is run, as any program is: open none that you do not trust. It holds one `Template` or `SlotTemplate`.

    Arguments:
        file: a file that ends in .yaml, .yml or .py.

    Raises:
        InputError: it can't be read, or what it says can't be understood; with the line.
    """
    file = Path(file).expanduser()
    if file.suffix not in ENDINGS:
        raise InputError(f"{file} is no file of a template: it ends in .yaml, .yml or .py; files of examples are opened by sonde.tasks.read")
    if not file.is_file():
        raise InputError(f"there is no file {file}; `sonde tasks new {file}` writes one that works")
    return _run(file) if file.suffix == ".py" else SlotTemplate.of(read(file), file.parent)


def load_own(
    template: SlotTemplate, model: Model, n: int = 64, seed: int = 0, bos: bool | None = None, kind: str | None = None, part: Part | None = None,
    name: str | None = None, notes: Sequence[str] = (),
) -> Task:  # fmt: skip
    """A task of `n` distinct examples.

    Arguments:
        template: the template.
        model: the model whose tokenizer the words must suit.
        n: how many examples.
        seed: of the draws.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
        kind: which of the template's counterfactuals; the first by default.
        part: examples of this part only.
        name: the task's name; the template's by default.
        notes: what was decided before.

    Raises:
        InputError: an unknown kind, slots that do not suit the tokenizer, or no example that fits; with the figures.
    """
    if kind is not None and kind not in template.counterfactuals:
        raise InputError(f"the template {template.name!r} has no counterfactual {kind!r}; it has {', '.join(template.counterfactuals)}")
    kind = kind or next(iter(template.counterfactuals))
    gathering = Gathering(model, name or template.name, "draws", bos)
    words, rng = Words.of(template, gathering.tokenizer), random.Random(seed)
    found: set[str] = set()
    missed = 0
    while len(found) < n and missed < TRIES:
        missed += 1
        try:
            example = draw(template, words, gathering.tokenizer, kind, rng)
        except Misfit as misfit:
            gathering.add(misfit)
            continue
        if example.clean not in found and part in (None, part_of(example.clean)) and gathering.add(example):
            found.add(example.clean)
            missed = 0
    short = (f"only {len(found)} distinct examples of the {n} asked for were found",) if len(found) < n else ()
    others = [other for other in template.counterfactuals if other != kind]
    kinds = (f"the counterfactual is {kind!r}; there is also {', '.join(map(repr, others))}",) if others else ()
    return gathering.task(template.metric, (*notes, *kinds, *words.notes, *short))


def _run(file: Path) -> Template | SlotTemplate:
    found = {id(value): value for value in defined(file).values() if isinstance(value, Template | SlotTemplate)}
    if len(found) != 1:
        raise InputError(f"{file} holds {len(found) or 'no'} templates: it must define one sonde.tasks.Template or SlotTemplate.of({{...}})")
    return next(iter(found.values()))
