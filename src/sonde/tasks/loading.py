"""`tasks.load`: a task from a template, with words that are single tokens for the model at hand."""

import random
from dataclasses import dataclass
from pathlib import Path

from sonde.access import Model
from sonde.results import InputError
from sonde.tasks.fillers import Fillers
from sonde.tasks.own import SlotTemplate, load_own, read_template
from sonde.tasks.pair import Pair, pair
from sonde.tasks.prompt import Prompt, tokenizer_of
from sonde.tasks.task import Row, Task
from sonde.tasks.template import Template, fill
from sonde.tasks.templates import TEMPLATES

TRIES = 200  # draws in a row that give nothing new, after which there is nothing new


def load(
    template: str | Path | Template | SlotTemplate, model: Model, n: int = 64, seed: int = 0, bos: bool | None = None, kind: str | None = None
) -> Task:
    """A task of `n` distinct examples.

    Arguments:
        template: the name of one of ours, a YAML or Python file with one of yours (a Python file is run), or a template.
        model: the model whose tokenizer the words must suit.
        n: how many examples.
        seed: of the draws.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
        kind: which counterfactual, where a template of yours has several by name; its first by default.

    Returns:
        The task; its spans are the positions of the words that matter, by their part in the template's rule, and its notes tell which words were
        left out because they are several tokens.

    Raises:
        InputError: an unknown name, a mistake in a file (with its line), or a tokenizer that knows too few of the words.

    >>> import sonde
    >>> task = load("agreement", sonde.load("specimen:words"), n=8)
    >>> len(task), task.name
    (8, 'agreement')
    """
    if isinstance(template, Path) or (isinstance(template, str) and Path(template).suffix):
        template = read_template(template)
    if isinstance(template, SlotTemplate):
        return load_own(template, model, n, seed, bos, kind)
    if kind is not None:
        raise InputError(f"kind={kind!r}, but only templates of your own name their counterfactuals: leave it out")
    if isinstance(template, str):
        if template not in TEMPLATES:
            raise InputError(f"there is no task {template!r}; there are {', '.join(TEMPLATES)}")
        template = TEMPLATES[template]
    fillers, rng = Fillers(tokenizer_of(model)), random.Random(seed)
    found: dict[str, _Example] = {}
    missed = 0
    while len(found) < n and missed < TRIES:
        text = fill(rng.choice(template.frames), fillers, rng)
        example = None if text is None or text in found else _example(template, text, fillers, bos)
        missed += 1
        if example is not None:
            found[example.pair.clean], missed = example, 0
    if not found:
        raise InputError(f"no example of the task {template.name!r} suits this tokenizer: {'; '.join(fillers.notes()) or 'all words were tried'}")
    short = (f"only {len(found)} distinct examples of the {n} asked for were found",) if len(found) < n else ()
    examples = list(found.values())
    everywhere = set.intersection(*(set(example.roles) for example in examples))
    spans = {role: [example.roles[role] for example in examples] for role in examples[0].roles if role in everywhere}
    return Task.of([example.pair for example in examples], template.name, spans=spans, notes=(*fillers.notes(), *short))


@dataclass(frozen=True)
class _Example:
    """A pair, and the positions of the words that matter, by their part."""

    pair: Pair
    roles: dict[str, Row]


def _example(template: Template, text: str, fillers: Fillers, bos: bool | None) -> _Example | None:
    """The first case of the template's rule that suits the tokenizer."""
    prompt = Prompt(text, fillers.tokenizer, bos, fillers.lexicon)
    for case in template.rule(prompt):
        if case.foil is None:
            continue
        try:
            made = pair(fillers.tokenizer, text, case.corrupt, case.target, case.foil, bos)
        except InputError:
            continue
        return _Example(made, {role: prompt.positions(word) for role, word in case.roles.items()})
    return None
