"""`tasks.load`: a task from a template, with words that are single tokens for the model at hand."""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sonde.access import Model
from sonde.results import InputError
from sonde.tasks.fillers import Fillers
from sonde.tasks.frame import TooFewWords, fill
from sonde.tasks.own import SlotTemplate, load_own, read_template
from sonde.tasks.pair import Pair, pair, singles, token_id
from sonde.tasks.parts import Part, known_part, part_of
from sonde.tasks.prompt import Prompt, tokenizer_of
from sonde.tasks.task import Row, Task
from sonde.tasks.template import Template
from sonde.tasks.templates import TEMPLATES

TRIES = 200  # draws in a row that give nothing new, after which there is nothing new
CASES = 30  # counterfactuals of one prompt that are tried


def load(
    template: str | Path | Template | SlotTemplate, model: Model, n: int = 64, seed: int = 0, bos: bool | None = None,
    counterfactual: str | None = None, part: Part | None = None,
) -> Task:  # fmt: skip
    """A task of `n` distinct examples.

    Arguments:
        template: the name of one of ours, a YAML or Python file with one of yours (a Python file is run), or a template.
        model: the model whose tokenizer the words must suit.
        n: how many examples.
        seed: of the draws.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
        counterfactual: a kind of counterfactual that the template has; by default its first.
        part: "search" or "evaluate": examples of one part only. Two tasks of different parts share no example, nor two of the same words, whatever
            their seeds.

    Returns:
        The task; its spans are the positions of the words that matter, by their part in the template's rule, and its notes tell which words were
        left out because they are several tokens, and which frames gave nothing.

    Raises:
        InputError: an unknown name, kind or part, a mistake in a file (with its line), or a tokenizer that the template does not suit.

    >>> import sonde
    >>> task = load("agreement", sonde.load("specimen:words"), n=8)
    >>> len(task), task.name
    (8, 'agreement')
    """
    if isinstance(template, Path) or (isinstance(template, str) and Path(template).suffix):
        template = read_template(template)
    known_part(part)
    if isinstance(template, SlotTemplate):
        return load_own(template, model, n, seed, bos, counterfactual, part)
    if isinstance(template, str):
        if template not in TEMPLATES:
            raise InputError(f"there is no task {template!r}; there are {', '.join(TEMPLATES)}")
        template = TEMPLATES[template]
    maker = _Maker(template, Fillers(tokenizer_of(model)), bos, template.kind(counterfactual), part)
    found = maker.examples(n, random.Random(seed))
    if not found:
        raise InputError(f"no example of the task {template.name!r} suits this tokenizer: {'; '.join(maker.notes()) or 'all words were tried'}")
    short = (f"only {len(found)} distinct examples of the {n} asked for were found",) if len(found) < n else ()
    everywhere = set.intersection(*(set(example.roles) for example in found))
    spans = {role: [example.roles[role] for example in found] for role in found[0].roles if role in everywhere}
    notes = (*maker.notes(), *short)
    frames = [example.frame for example in found]
    return Task.of([example.pair for example in found], template.name, spans=spans, notes=notes, metric=template.metric, frames=frames)


@dataclass(frozen=True)
class _Example:
    """A pair, the number of its frame, and the positions of the words that matter, by their part."""

    pair: Pair
    frame: int
    roles: dict[str, Row]


@dataclass
class _Maker:
    """Draws examples from a template, and keeps account of what did not fit.

    Arguments:
        template: the template.
        fillers: the words that may be drawn.
        bos: whether the beginning-of-sequence token comes first.
        kind: the kind of counterfactual.
        part: the part that the examples belong to, if it matters.
        kept: how many examples each frame gave.
        misfits: the draws that did not fit, by frame and reason.
    """

    template: Template
    fillers: Fillers
    bos: bool | None
    kind: str
    part: Part | None
    kept: Counter[str] = field(default_factory=Counter)
    misfits: Counter[tuple[str, str]] = field(default_factory=Counter)

    def examples(self, n: int, rng: random.Random) -> list[_Example]:
        """At most `n` distinct examples."""
        found: dict[str, _Example] = {}
        frames = list(self.template.frames)
        missed = 0
        while frames and len(found) < n and missed < TRIES:
            frame = rng.choice(frames)
            missed += 1
            try:
                text = fill(frame, self.fillers, rng)
                if text is None or text in found or self.part not in (None, part_of(text)):
                    continue
                found[text] = self._example(text, self.template.frames.index(frame))
                self.kept[frame] += 1
                missed = 0
            except InputError as refusal:
                self.misfits[frame, str(refusal)] += 1
                if isinstance(refusal, TooFewWords):
                    frames.remove(frame)
        return list(found.values())

    def _example(self, text: str, frame: int) -> _Example:
        """The first case of this kind that suits the tokenizer; raises `InputError` where none does."""
        prompt = Prompt(text, self.fillers.tokenizer, self.bos, self.fillers.lexicon)
        refused = InputError(f"no counterfactual of the kind {self.kind!r} for {'|'.join(prompt.strings)}")
        cases = (case for case in self.template.rule(prompt) if case.kind == self.kind and case.wrongs)
        for case in islice(cases, CASES):
            answers, wrongs = (singles(prompt.tokenizer, tokens) for tokens in (case.answers, case.wrongs))
            token_id(prompt.tokenizer, answers[0])  # no other counterfactual mends an answer that does not fit
            try:
                made = pair(prompt.tokenizer, text, case.corrupt, answers, wrongs, self.bos)
            except InputError as refusal:
                refused = refusal
                continue
            return _Example(made, frame, {role: prompt.positions(word) for role, word in case.roles.items()})
        raise refused

    def notes(self) -> tuple[str, ...]:
        """What was left out: words, frames, draws; each with its number and a reason."""
        frames, draws = self.template.frames, sum(self.misfits.values())
        reasons = {frame: reason for frame, reason in self.misfits if not self.kept[frame]}
        lines = [f"{len(reasons)} of {len(frames)} frames gave no example, such as {frame!r}: {why}" for frame, why in list(reasons.items())[:1]]
        others = [reason for frame, reason in self.misfits if frame not in reasons]
        lines += [f"{draws} of {draws + self.kept.total()} draws did not fit, such as: {why}" for why in others[:1]]
        return (*self.fillers.notes(), *lines)
