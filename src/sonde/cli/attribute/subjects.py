"""What `sonde attribute` explains: a text, the examples of a task, pictures, or rows of a table; each with the metric that its target defines."""

import argparse
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.access import Metric, Model
from sonde.attribution import Attribution
from sonde.attribution.evaluation import Evaluation, evaluate
from sonde.attribution.methods import Method
from sonde.loading import load
from sonde.results import InputError, Verdict, shown
from sonde.tasks import Logit, LogitDifference, Task, counterfactuals, siblings
from sonde.tasks.prompt import Prompt

HIDDEN = (32,)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is explained.

    Arguments:
        model, inputs, metric: what a method takes; the metric is `None` where the inputs are a task with its own.
        target, foil: in words.
        labels: what each example is called.
        judged: the task on which claims are tested; a reason as text where there is none.
        notes: what was decided.
        absent: what stands for what is absent unless the user says so; the output names it.
        absent_said: the same in words, where it is a tensor.
        names: of the features of a table.
        players: the features that stand or fall together, such as the places of one column.
    """

    model: Model
    inputs: Any
    metric: Metric | None
    target: str
    foil: str
    labels: list[str]
    judged: Callable[[int], Task] | str
    notes: tuple[str, ...] = ()
    absent: str | Tensor = "zero"
    absent_said: str = ""
    names: tuple[str, ...] = ()
    players: Mapping[str, list[int]] = field(default_factory=dict)

    def checked(self, results: Sequence[Attribution], seed: int) -> list[Verdict]:
        """The verdict on each method's claim, on examples that were not looked at."""
        if isinstance(self.judged, str):
            raise InputError(f"--check: {self.judged}")
        task = self.judged(seed)
        return [verdict for result in results for verdict in result.check(self.model, task, seed=seed)]

    def evaluated(self, methods: Sequence[Method], seed: int) -> Evaluation:
        """The methods by all measures, on what is explained; where that is one text, on prompts of its kind."""
        if len(self.labels) > 1:
            return evaluate(self.model, self.inputs, methods, self.metric, seed=seed)
        if isinstance(self.judged, str):
            raise InputError("--evaluate: what is absent in one example is what others hold: give --image or --row again, eight times for a verdict")
        return evaluate(self.model, self.judged(seed), methods, seed=seed)


def subject(arguments: argparse.Namespace) -> Subject:
    """What the command line asks about; exactly one of a text, a task, pictures and a table."""
    ways = {"a text": arguments.prompt, "--task": arguments.task, "--image": arguments.image, "--table": arguments.table}
    given = [name for name, value in ways.items() if value]
    if len(given) != 1:
        raise InputError(f"give one of a text, --task, --image and --table; got {' and '.join(given) or 'none'}")
    if arguments.table:
        return _table(arguments)
    model = load(arguments.model)
    if arguments.image:
        return _pictures(model, arguments)
    return _task(model, arguments) if arguments.task else _text(model, arguments)


def _text(model: Model, arguments: argparse.Namespace) -> Subject:
    found = counterfactuals(arguments.prompt, model, target=arguments.target, foil=arguments.foil, seed=arguments.seed, bos=arguments.bos)
    tokenizer = model.tokenizer
    assert tokenizer is not None  # counterfactuals refuses a model without one
    metric = LogitDifference(tokenizer.single(found.target), tokenizer.single(found.foil))

    def judged(seed: int) -> Task:
        if found.best is None:
            raise InputError("no counterfactual of this prompt was found, so there are no prompts of its kind to test a claim on")
        pair = found.best.pair
        return siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=16, seed=seed, bos=arguments.bos)

    ids = list(Prompt(arguments.prompt, tokenizer, arguments.bos).ids)
    return Subject(model, [ids], metric, repr(found.target), repr(found.foil), [arguments.prompt], judged, absent="pad")


def _task(model: Model, arguments: argparse.Namespace) -> Subject:
    from sonde.tasks import load as load_task

    if arguments.target or arguments.foil:
        raise InputError("a task says itself what is right and wrong: leave --target and --foil out")
    drawn = functools.partial(load_task, arguments.task, model, bos=arguments.bos)
    task = drawn(n=arguments.n, seed=arguments.seed)
    return Subject(model, task, None, "the right answers", "the wrong ones", list(task.texts), lambda seed: drawn(n=16, seed=seed + 1), absent="pad")


def _pictures(model: Model, arguments: argparse.Namespace) -> Subject:
    pictures = torch.cat([_picture(Path(file), model) for file in arguments.image])
    labels = [Path(file).name for file in arguments.image]
    inputs: Any = pictures
    names: Sequence[str] = _classes(model)
    if arguments.caption:
        inputs, names = {"images": pictures, "text": arguments.caption}, arguments.caption
    elif model.architecture.towers:
        raise InputError(f"{model.name} compares pictures with texts: give --caption, once for each text")
    return _classified(model, inputs, names, labels, arguments, f"{len(pictures)} pictures are too few to test a claim on: use Python")


def _table(arguments: argparse.Namespace) -> Subject:
    """Some rows of a table, and a network that was trained on all others: a table has no model of its own that a folder would hold."""
    from sonde.behaviour import Encoder, read_table, train_classifier

    table = read_table(arguments.table, arguments.format, arguments.column or "")
    chosen = arguments.row or [1]
    if wrong := [number for number in chosen if not 1 <= number <= len(table)]:
        raise InputError(f"--row {wrong[0]}: {arguments.table} has the rows 1 to {len(table)}")
    others = table.select([i for i in range(len(table)) if i + 1 not in chosen])
    encoder = Encoder.fit(others)
    model = train_classifier(others, encoder, hidden=HIDDEN, seed=arguments.seed)
    rows = encoder(table.select([number - 1 for number in chosen]).rows())
    labels = [f"row {number}" for number in chosen]
    asked = _classified(model, rows, table.classes, labels, arguments, "single rows have no prompts of their kind: use sonde.attribution")
    notes = (f"{model.name}, trained on the other {len(others)} rows", *table.notes)
    mean = encoder(others.rows()).mean(0)
    return replace(asked, notes=notes, absent=mean, absent_said="the mean of the other rows", names=tuple(encoder.names), players=encoder.places)


def _classified(
    model: Model, inputs: Any, names: Sequence[str], labels: list[str], arguments: argparse.Namespace, unchecked: str
) -> Subject:  # fmt: skip
    """Inputs whose answer is a class: by default the one that the model gives each of them."""
    logits = model.run(inputs).logits
    if logits.ndim != 2:
        raise InputError(
            f"{model.name} gives {' x '.join(map(str, logits.shape))} numbers, not one for each class: this command explains classifiers"
        )
    guessed = logits.argmax(-1).tolist()
    targets = guessed if arguments.target is None else [_class(arguments.target, names, logits.shape[1])] * len(labels)
    said = sorted({_named(i, names) for i in targets})
    if arguments.foil is None:
        return Subject(model, inputs, Logit(targets), ", ".join(said), "", labels, unchecked)
    foil = _class(arguments.foil, names, logits.shape[1])
    if foil in targets:
        raise InputError(f"--foil {arguments.foil!r} is what is explained: contrast it with another class")
    return Subject(model, inputs, LogitDifference(targets, [foil]), ", ".join(said), _named(foil, names), labels, unchecked)


def _classes(model: Model) -> Sequence[str]:
    """The names of a classifier's classes; empty where it has none."""
    named = getattr(getattr(model.module, "config", None), "id2label", None) or {}
    return [str(named[i]) for i in sorted(named)] if all(isinstance(i, int) for i in named) else []


def _class(text: str, names: Sequence[str], n: int) -> int:
    if text in names:
        return list(names).index(text)
    if text.isdecimal() and int(text) < n:
        return int(text)
    known = f", or a name such as {shown(names[0])}" if names else ""
    raise InputError(f"{text!r} is no class: give a number from 0 to {n - 1}{known}")


def _named(i: int, names: Sequence[str]) -> str:
    return names[i] if i < len(names) else f"class {i}"


def _picture(file: Path, model: Model) -> Tensor:
    """One picture as the model takes it, a batch of one: an array as it stands; a picture file through the model's processor, or scaled to 0 to 1."""
    import numpy as np

    if not file.is_file():
        raise InputError(f"there is no file {file}")
    if file.suffix == ".npy":
        values = torch.from_numpy(np.load(file, allow_pickle=False)).float()
        return values[None] if values.ndim == 3 else values
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InputError(f"{file} is a picture file, and reading it needs Pillow: pip install pillow, or give an array (.npy)") from None
    try:
        with Image.open(file) as picture:
            picture.load()
    except UnidentifiedImageError:
        raise InputError(f"{file} is no picture that Pillow knows, and no array (.npy)") from None
    if picture.mode not in ("L", "RGB"):
        raise InputError(f"{file} has the mode {picture.mode}: convert it to L (grey) or RGB")
    if model.processor is not None:
        return torch.as_tensor(np.asarray(model.processor(images=[picture], return_tensors="np")["pixel_values"]))
    values = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
    return (values[None] if values.ndim == 2 else values.permute(2, 0, 1))[None]
