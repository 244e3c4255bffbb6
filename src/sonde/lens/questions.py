"""Questions about an argument: prompts that name something (Poland) and ask for what stands in a relation to it (its capital)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError, shown
from sonde.tasks import Task


@dataclass(frozen=True)
class Question:
    """One prompt.

    Arguments:
        ids: its tokens.
        argument: the token that names what is asked about; of a name of several tokens the last.
        place: where it stands.
        answer: the right next token; of an answer of several tokens the first.
    """

    ids: tuple[int, ...]
    argument: int
    place: int
    answer: int

    @property
    def bare(self) -> tuple[int, ...]:
        """The prompt up to its argument: what is asked of it is not said yet, where the question follows."""
        return self.ids[: self.place + 1]


def questions(task: Task, argument: str) -> list[Question]:
    """The examples of a task as questions.

    Arguments:
        task: with a span that names the argument.
        argument: the span's name, such as "country" in `capital`.

    Raises:
        InputError: no such span.

    >>> import sonde
    >>> task = sonde.tasks.load("capital", sonde.load("specimen:words"), n=4)
    >>> len(questions(task, "country"))
    4
    """
    if argument not in task.spans:
        known = ", ".join(map(repr, task.spans)) or "none"
        raise InputError(f"argument={shown(argument)}: {task.name!r} has the spans {known}; one of them must name what is asked about")
    places = [span[-1] for span in task.spans[argument]]
    return [
        Question(tuple(row), row[place], place, answer)
        for row, place, answer in zip(task.clean, places, task.targets.tolist(), strict=True)
    ]  # fmt: skip


def asked(model: Model, template: str, pairs: Sequence[tuple[str, str]], bos: bool | None = None) -> list[Question]:
    """Questions of one form, such as `"Q: What is the capital of France?\\nA: Paris\\nQ: What is the capital of {argument}?\\nA:"`.

    Arguments:
        model: with a tokenizer.
        template: the prompt, with `{argument}` in it once.
        pairs: arguments as they stand in the prompt, and answers with their leading space: `("Poland", " Warsaw")`.
        bos: as for `Model.run`.

    Raises:
        InputError: no tokenizer, a template without its slot, an argument whose tokens run into what stands around it.
    """
    if model.tokenizer is None:
        raise InputError(f"{model.name} has no tokenizer: make questions from token ids with sonde.lens.Question")
    if template.count("{argument}") != 1:
        raise InputError(f"template={shown(template)}: write {{argument}} once where the argument stands")
    found = []
    for argument, answer in pairs:
        before, after = template.split("{argument}")
        ids, start = model.tokenizer.encode(before + argument + after, bos), model.tokenizer.encode(before + argument, bos)
        if ids[: len(start)] != start:
            raise InputError(f"{argument!r} is joined to what follows it by this tokenizer: leave a space or a sign after {{argument}}")
        answered = model.tokenizer.encode(before + argument + after + answer, bos)
        if answered[: len(ids)] != ids or len(answered) == len(ids):
            raise InputError(f"the answer {answer!r} is joined to the prompt by this tokenizer: give it with its leading space")
        found.append(Question(tuple(ids), start[-1], len(start) - 1, answered[len(ids)]))
    return found


def reciprocal_rank(logits: Float[Tensor, "*batch example vocab"], ids: Int[Tensor, " example"]) -> Float[Tensor, "*batch example"]:
    """1 / rank of one token for each example: 1 where it stands first, near 0 where it is far behind.

    Arguments:
        logits: of the examples.
        ids: the tokens.
    """
    own = logits.gather(-1, ids.to(logits.device).expand(logits.shape[:-1])[..., None])
    return 1 / (1 + (logits > own).sum(-1)).float()


def columns(asked_about: Sequence[Question]) -> tuple[list[list[int]], Int[Tensor, " example"], Int[Tensor, " example"]]:
    """Rows, arguments and answers of some questions.

    Arguments:
        asked_about: at least one question.

    Raises:
        InputError: there is none.
    """
    if not asked_about:
        raise InputError("there are no questions: make some with sonde.lens.questions(task, span) or sonde.lens.asked(model, template, pairs)")
    rows = [list(one.ids) for one in asked_about]
    return rows, torch.tensor([one.argument for one in asked_about]), torch.tensor([one.answer for one in asked_about])
