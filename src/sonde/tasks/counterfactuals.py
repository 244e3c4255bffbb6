"""What to compare a prompt with: its automatic counterfactuals, right answer and foil.

In this order: what the user gives; a template whose rule knows the prompt; else exchanges of single words, of which the one that takes most of
the target's log-probability away is chosen, if possible among words that siblings can rename. That statistic serves the choice alone: claims
are tested on siblings, where the exchange is another one, and by other measures; a counterfactual chosen for its effect would prove itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from sonde.access import Model
from sonde.results import Drawing, InputError, drawing
from sonde.tasks.pair import Pair, pair, token_id
from sonde.tasks.prompt import Prompt, tokenizer_of
from sonde.tasks.swaps import swaps
from sonde.tasks.task import Row, Task
from sonde.tasks.templates import TEMPLATES

SHOWN = 4  # candidates kept of one template
TRIES = 200  # cases of one template looked at
LISTED = 12  # candidates drawn


@dataclass(frozen=True)
class Candidate:
    """One way to ask what a prompt's answer depends on.

    Arguments:
        pair: the prompt, the counterfactual, target and foil.
        origin: whether the user gave it, a template's rule made it, or a single word was exchanged.
        reason: what was changed, as a clause.
        template: the name of the template that knows the prompt; empty where none does.
        spans: the positions of the words that matter, by their part, as the template's rule tells.
        effect: for an exchange, how much log-probability it takes from the target, in nats.
        renamable: for an exchange, whether siblings can rename the exchanged word.
    """

    pair: Pair
    origin: Literal["given", "template", "swap"]
    reason: str
    template: str = ""
    spans: tuple[tuple[str, Row], ...] = ()
    effect: float | None = None
    renamable: bool = True


@dataclass(frozen=True)
class Candidates:
    """All counterfactuals that were found, the chosen one among them.

    Arguments:
        prompt: the prompt.
        tokens: the text of its tokens, special ones included.
        target, foil: the answers that are compared, as text.
        answers: their ids.
        found: the candidates; none where no word can be exchanged.
        chosen: the place of the one that was chosen; `None` where there is none.
        rule: how it was chosen, or why there is none, as a sentence.
        dropped: which templates had counterfactuals that do not serve, and why; one line for each template.
    """

    prompt: str
    tokens: tuple[str, ...]
    target: str
    foil: str
    answers: tuple[int, int]
    found: tuple[Candidate, ...]
    chosen: int | None
    rule: str
    dropped: tuple[str, ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The candidate that was chosen."""
        return None if self.chosen is None else self.found[self.chosen]

    def task(self) -> Task:
        """The prompt itself as a task of one example; raises `InputError` where there is no counterfactual."""
        if self.best is None:
            raise InputError(f"{self.rule} Give a counterfactual of {len(self.tokens)} tokens.")
        return Task.of([self.best.pair], self.best.template or "prompt", self.tokens, {name: [positions] for name, positions in self.best.spans})

    def drawing(self) -> Drawing:
        """The candidates as a table; of many exchanges the strongest."""
        columns = ["", "counterfactual", "from", "what was changed", "effect on the target (nats)"]
        strongest = sorted(range(len(self.found)), key=lambda i: (i != self.chosen, -(self.found[i].effect or 0.0)))[:LISTED]
        shown = [(i, self.found[i]) for i in sorted(strongest)]
        rows = [["chosen" if i == self.chosen else "", c.pair.corrupt, c.template or c.origin, c.reason, c.effect] for i, c in shown]
        left_out = len(self.found) - len(rows)
        note = self.rule + (f" {left_out} more exchanges, with smaller effects, are not listed." if left_out else "")
        width = len(columns) if any(c.effect is not None for c in self.found) else len(columns) - 1
        return drawing.table("What is the prompt compared with?", columns[:width], [row[:width] for row in rows], note=note)

    def __repr__(self) -> str:
        lines = [f"{'>' if i == self.chosen else ' '} {c.pair.corrupt!r} ({c.template or c.origin}: {c.reason})" for i, c in enumerate(self.found)]
        return "\n".join([f"Candidates for {self.prompt!r}, {self.target!r} against {self.foil!r}", *lines, f"  {self.rule}"])


def counterfactuals(
    prompt: str,
    model: Model,
    target: str | int | None = None,
    foil: str | int | None = None,
    corrupt: str | None = None,
    seed: int = 0,
    bos: bool | None = None,
) -> Candidates:
    """The counterfactuals of a prompt, with the answers to compare.

    Arguments:
        prompt: any text.
        model: the model, for its tokenizer and its predictions.
        target: the answer to explain; by default the template's, else the model's top prediction.
        foil: what it is compared with; by default the template's, else the top prediction under the counterfactual, or the runner-up.
        corrupt: a counterfactual to use instead of an automatic one.
        seed: of the draws among words of a class.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.

    Raises:
        InputError: an empty prompt or one beyond the context, a target or foil of several tokens, a foil that equals the target,
            a counterfactual that equals the prompt or has another number of tokens.

    >>> import sonde
    >>> found = counterfactuals("The keys on the cabinet", sonde.load("specimen:words"))
    >>> found.best.pair.corrupt, found.target, found.foil
    ('The key on the cabinet', ' are', ' is')
    """
    text = Prompt(prompt, tokenizer_of(model), bos)
    answers = _Answers(model, text, target, foil)
    found, dropped = _from_templates(text, answers)
    rule = f"The prompt is one of the template {found[0].template!r}, whose rule makes the counterfactual." if found else ""
    chosen: int | None = 0
    if corrupt is not None:
        found, rule = [_given(text, answers, corrupt, found)], "The counterfactual was given."
    elif not found:
        found = _exchanges(model, text, answers, seed)
        chosen = max(range(len(found)), key=lambda i: (found[i].renamable, found[i].effect or 0.0), default=None)
        rule = (
            "No template knows this prompt, so single words were exchanged; chosen is the exchange that takes most log-probability from the target, "
            "among words of a class if there are any. Claims are tested with other words and by other measures."
            if found
            else "No template knows this prompt, and no word of it can be exchanged for another with as many tokens."
        )
    ids = answers.choose() if chosen is None else (found[chosen].pair.target, found[chosen].pair.foil)
    right, wrong = text.tokenizer.strings(ids)
    return Candidates(prompt, text.strings, right, wrong, ids, tuple(found), chosen, rule, tuple(dropped))


class _Answers:
    """Target and foil: the user's, a template's, or the model's, in this order. The model runs once, which also refuses what it cannot take."""

    def __init__(self, model: Model, prompt: Prompt, target: str | int | None, foil: str | int | None):
        self.model, self.prompt = model, prompt
        self.target = None if target is None else token_id(prompt.tokenizer, target)
        self.foil = None if foil is None else token_id(prompt.tokenizer, foil)
        if self.target is not None and self.target == self.foil:
            raise InputError(f"target and foil are the same token, {target!r}: give two different ones")
        first, second = self.predictions(prompt.ids)
        self.guesses = (first, second)

    def predictions(self, ids: Sequence[int]) -> list[int]:
        """The model's first two predictions after some tokens."""
        top: list[int] = self.model.run([list(ids)], logits="last").last_logits[0].topk(2).indices.tolist()
        return top

    def choose(self, target: int | None = None, foils: Iterable[int] = ()) -> tuple[int, int]:
        """The answers to compare, where the user gave none: `target` and the first of `foils` that differs, then the model's own predictions."""
        if self.target is None and target == self.foil:
            target = None  # the user's foil is the template's answer
        right = next(i for i in (self.target, target, *self.guesses) if i is not None and i != self.foil)
        wrong = self.foil if self.foil is not None else next(i for i in (*foils, *self.guesses) if i != right)
        return right, wrong


def _from_templates(text: Prompt, answers: _Answers) -> tuple[list[Candidate], list[str]]:
    """The candidates of the first template that knows the prompt and suits the tokenizer."""
    dropped: list[str] = []
    for template in TEMPLATES.values():
        found: dict[str, Candidate] = {}
        refused: list[str] = []
        kinds = list(template.counterfactuals)
        # the default kind first, however many of its cases do not suit the tokenizer
        for case in sorted(islice(template.rule(text), TRIES), key=lambda case: kinds.index(case.kind)):
            if len(found) == SHOWN:
                break
            try:
                named = [token_id(text.tokenizer, answer) for answer in (*case.wrongs[:1], case.answers[0])]
                right, wrong = answers.choose(named[-1], named)
                made = pair(text.tokenizer, text.text, case.corrupt, right, wrong, text.bos)
            except InputError as refusal:
                refused.append(str(refusal))
                continue
            spans = tuple((role, text.positions(word)) for role, word in case.roles.items())
            found.setdefault(case.corrupt, Candidate(made, "template", case.reason, template.name, spans))
        if refused:
            others = f" (and {len(refused) - 1} more like it)" if len(refused) > 1 else ""
            dropped.append(f"a counterfactual of the template {template.name!r}: {refused[0]}{others}")
        if found:
            return list(found.values()), dropped
    return [], dropped


def _given(text: Prompt, answers: _Answers, corrupt: str, known: Sequence[Candidate]) -> Candidate:
    """The user's counterfactual, with the answers of the template that knows the prompt, if there is one."""
    if known:
        like = known[0]
        made = pair(text.tokenizer, text.text, corrupt, like.pair.target, like.pair.foil, text.bos)
        return Candidate(made, "given", "given", like.template, like.spans)
    made = pair(text.tokenizer, text.text, corrupt, *answers.choose(), text.bos)
    right, wrong = answers.choose(foils=answers.predictions(made.corrupt_ids)[:1])
    return Candidate(pair(text.tokenizer, text.text, corrupt, right, wrong, text.bos), "given", "given")


def _exchanges(model: Model, text: Prompt, answers: _Answers, seed: int) -> list[Candidate]:
    """Exchanges of single words, with their effects and their foils."""
    exchanged = swaps(model, text, seed)
    if not exchanged:
        return []
    right, _ = answers.choose()
    rows = [list(text.ids), *(text.tokenizer.encode(swap.text, text.bos) for swap in exchanged)]
    logits = model.run(rows, logits="last").last_logits
    log_probability = logits.log_softmax(-1)[:, right]
    effects, tops = (log_probability[0] - log_probability[1:]).tolist(), logits[1:].argmax(-1).tolist()
    pairs = [pair(text.tokenizer, text.text, swap.text, *answers.choose(foils=[top]), text.bos) for swap, top in zip(exchanged, tops, strict=True)]
    return [
        Candidate(p, "swap", swap.reason, effect=effect, renamable=swap.renamable) for p, swap, effect in zip(pairs, exchanged, effects, strict=True)
    ]
