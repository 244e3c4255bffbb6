"""Who is spoken of where: the prompts of causal tracing, with the positions of their subject and the answer that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from sonde.access import Metric, Model
from sonde.results import InputError, UnknownSite, shown
from sonde.tasks import Task
from sonde.tasks.metrics import METRICS
from sonde.tasks.pair import token_id
from sonde.tasks.prompt import tokenizer_of


@dataclass(frozen=True)
class Asked:
    """One prompt.

    Arguments:
        text: as it was given.
        ids: its tokens.
        tokens: their text.
        subject: the positions of the subject.
        answer: what is asked for, as text.
        metric: of this prompt alone.
    """

    text: str
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    subject: tuple[int, ...]
    answer: str
    metric: Metric


def asked_of_task(model: Model, task: Task, span: str | Sequence[str], metric: str | None) -> tuple[list[Asked], list[str]]:
    """The examples of a task, and why some are left out.

    Arguments:
        model: the model.
        task: the task.
        span: the name of the span that holds the subject.
        metric: the name of a metric; `None` for the task's own.

    Raises:
        InputError: no such span, in no example; a metric that cannot be asked of single examples.
    """
    if not isinstance(span, str) or span not in task.spans:
        known = ", ".join(task.spans) or "none"
        raise InputError(f"the task {task.name!r} has no span {shown(span)}: name what is corrupted by subject=; there are {known}")
    task = task if metric is None else task.with_metric(metric)
    texts = model.tokenizer.strings if model.tokenizer else (lambda ids: [str(i) for i in ids])
    found, notes = [], []
    for i, ids in enumerate(task.clean):
        if not task.spans[span][i]:
            notes.append(f"left out: example {i} has no {span}")
            continue
        answer = texts([task.answers[i][0]])[0]
        found.append(Asked(task.texts[i], ids, tuple(texts(list(ids))), task.spans[span][i], answer, task.select([i]).metric))
    if not found:
        raise InputError(f"no example of {task.name!r} has a {span}: name another span by subject=")
    return found, notes


def asked_of_texts(
    model: Model, texts: Sequence[str], subject: str | Sequence[str], answers: str | Sequence[str] | None, metric: str | None, bos: bool | None
) -> tuple[list[Asked], list[str]]:  # fmt: skip
    """Texts, and why some are left out.

    Arguments:
        model: the model.
        texts: prompts.
        subject: the words that are corrupted, in every text or one for each.
        answers: what is asked for, likewise; what the model says next by default.
        metric: the name of a metric of one token.
        bos: whether the beginning-of-sequence token comes first.

    Raises:
        InputError: nothing is left; other numbers of subjects or answers than texts; a metric that needs a wrong answer, too.
    """
    if metric not in ("probability", "log_probability"):
        raise InputError(f"metric={shown(metric)}: texts have a right answer only, so ask for 'probability' or 'log_probability', or give a task")
    subjects, wanted = _each(subject, len(texts), "subject"), _each(answers, len(texts), "answers")
    found: list[Asked] = []
    refused: list[str] = []
    for text, own, answer in zip(texts, subjects, wanted, strict=True):
        try:
            found.append(_asked(model, text, str(own), answer, metric, bos))
        except (InputError, UnknownSite) as error:
            refused.append(f"{text!r}: {error}")
    if not found:
        raise InputError(refused[0] if refused else "there is no text to trace: give at least one")
    return found, [f"left out: {reason}" for reason in refused]


def _asked(model: Model, text: str, subject: str, answer: str | None, metric: str, bos: bool | None) -> Asked:
    tokenizer = tokenizer_of(model)
    inputs = model.prepare([text], bos, {"subject": [subject]})
    assert inputs.rows is not None
    ids = tuple(tokenizer.encode(text, bos))
    target = int(model.run([list(ids)], logits="last").last_logits[0].argmax()) if answer is None else token_id(tokenizer, answer)
    told = tokenizer.strings([target])[0]
    return Asked(text, ids, inputs.tokens[0], tuple(inputs.spans["subject"][0]), told, METRICS[metric](((target,),), ()))


def _each(given: str | Sequence[str] | None, n: int, name: str) -> list[str | None]:
    """One for each text."""
    if given is None or isinstance(given, str):
        return [given] * n
    if len(given) != n:
        raise InputError(f"{name}= has {len(given)} entries for {n} texts: give one for each, or one for all")
    return list(given)
