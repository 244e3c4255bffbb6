"""A task: examples, their counterfactual partners, right and wrong answers, and the metric that compares them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.results import InputError, shown
from sonde.tasks.metrics import METRICS
from sonde.tasks.pair import Pair, Tokens, pair
from sonde.tasks.parts import words_of
from sonde.tasks.prompt import tokenizer_of

Row = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Task:
    """Examples of one behaviour, each with its counterfactual of the same length.

    Arguments:
        name: what the behaviour is called.
        clean: token ids of each example, special tokens included.
        corrupt: token ids of its counterfactual, as many.
        answers: the tokens that are right after each example; the first stands for them where a method looks at one.
        wrongs: the tokens that they are compared with, likewise.
        metric: from a run of these examples, in this order, to one number per example.
        texts, corrupt_texts: the same examples as text.
        labels: one label per position, where all examples share their layout; else empty.
        spans: named positions: a name to the positions in each example, such as "changed".
        notes: what was decided or left out when the task was made.
        frames: the template that each example was made from, as a number; empty where that is not known.
    """

    name: str
    clean: tuple[Row, ...]
    corrupt: tuple[Row, ...]
    answers: tuple[Row, ...]
    wrongs: tuple[Row, ...]
    metric: Metric
    texts: tuple[str, ...]
    corrupt_texts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    spans: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()

    @staticmethod
    def from_pairs(
        model: Model, pairs: Iterable[tuple[str, str, Tokens, Tokens]], name: str = "pairs", bos: bool | None = None, notes: Sequence[str] = (),
        metric: str = "logit_difference",
    ) -> "Task":  # fmt: skip
        """A task from texts.

        Arguments:
            model: the model whose tokenizer is used.
            pairs: (prompt, counterfactual, right answers, wrong answers) for each example; an answer as text or id, or several of them, of which
                the first stands for all.
            name: what the behaviour is called.
            bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
            notes: what was decided when the pairs were made.
            metric: the name of a metric, as in `with_metric`.

        Raises:
            InputError: a pair whose parts do not fit, as `tasks.pair` says; an unknown metric.

        >>> import sonde
        >>> model = sonde.load("specimen:words")
        >>> task = Task.from_pairs(model, [("The keys", "The key", [" are", " were"], [" is", " was"])], metric="probability_difference")
        >>> model.tokenizer.strings(task.targets.tolist()), len(task.answers[0])
        ([' are'], 2)
        """
        tokenizer = tokenizer_of(model)
        return Task.of([pair(tokenizer, *parts, bos=bos) for parts in pairs], name, notes=notes, metric=metric)

    @staticmethod
    def of(
        pairs: Sequence[Pair], name: str, labels: Sequence[str] = (), spans: Mapping[str, Sequence[Row]] | None = None, notes: Sequence[str] = (),
        metric: str = "logit_difference", frames: Sequence[int] = (),
    ) -> "Task":  # fmt: skip
        """A task from pairs that were made already; the span "changed" holds where the partners differ."""
        answers, wrongs = tuple(p.answers for p in pairs), tuple(p.wrongs for p in pairs)
        named = {"changed": tuple(p.changed for p in pairs)} | {k: tuple(v) for k, v in (spans or {}).items()}
        return Task(
            name, tuple(p.clean_ids for p in pairs), tuple(p.corrupt_ids for p in pairs), answers, wrongs, _metric(metric, answers, wrongs),
            tuple(p.clean for p in pairs), tuple(p.corrupt for p in pairs), tuple(labels), named, tuple(notes), tuple(frames),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.clean)

    @property
    def targets(self) -> Int[Tensor, " example"]:
        """The right token that stands for each example's answers: the first of them."""
        return torch.tensor([row[0] for row in self.answers], dtype=torch.long)

    @property
    def foils(self) -> Int[Tensor, " example"]:
        """The wrong token that it is compared with: the first of them."""
        return torch.tensor([row[0] for row in self.wrongs], dtype=torch.long)

    @property
    def length(self) -> int | None:
        """The number of tokens of every example; `None` where they differ."""
        lengths = {len(row) for row in self.clean}
        return lengths.pop() if len(lengths) == 1 else None

    @property
    def content(self) -> dict[str, Any]:
        """What makes the task what it is, as plain data to be hashed."""
        return {
            "name": self.name, "clean": self.clean, "corrupt": self.corrupt, "answers": self.answers, "wrongs": self.wrongs,
            "metric": getattr(self.metric, "__qualname__", type(self.metric).__qualname__),
        }  # fmt: skip

    def with_metric(self, metric: str | Metric) -> "Task":
        """The same task asked by another metric.

        Arguments:
            metric: a metric of these examples, in this order, or the name of one that the answers define: "logit_difference", "probability" or
                "log_probability" of those that stand for all, "probability_difference", "cross_entropy", "rank" or "accuracy" of them all.

        Raises:
            InputError: an unknown name.
        """
        return replace(self, metric=_metric(metric, self.answers, self.wrongs) if isinstance(metric, str) else metric)

    def select(self, examples: Sequence[int]) -> "Task":
        """The task with some of its examples, in the order given; its metric goes along.

        Raises:
            InputError: for a metric that cannot be restricted to some of its examples.
        """
        restrict = getattr(self.metric, "select", None)
        if restrict is None:
            raise InputError(
                f"the metric {self.metric!r} has no select(examples), so the task {self.name!r} cannot be divided: give the metric that method"
            )
        rows = ("clean", "corrupt", "answers", "wrongs", "texts", "corrupt_texts")
        parts: dict[str, Any] = {name: tuple(getattr(self, name)[i] for i in examples) for name in rows}
        spans = {name: tuple(positions[i] for i in examples) for name, positions in self.spans.items()}
        frames = tuple(self.frames[i] for i in examples) if self.frames else ()
        return replace(self, **parts, metric=restrict(list(examples)), spans=spans, frames=frames)

    def split(self, seed: int = 0) -> tuple["Task", "Task"]:
        """Two parts, one to search on, and one, the larger where they differ, to judge what was found.

        They share no example, nor two of the same words in another order, number or form: such examples stay together, so the first part may be
        smaller than half.

        Arguments:
            seed: of the draw.

        Raises:
            InputError: for a metric that cannot be restricted to some of its examples.
        """
        together: dict[tuple[str, ...], list[int]] = {}
        for i, text in enumerate(self.texts):
            together.setdefault(words_of(text), []).append(i)
        groups = list(together.values())
        search: list[int] = []
        for i in torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed)).tolist():
            search += groups[i] if len(search) + len(groups[i]) <= len(self) // 2 else []
        return self.select(sorted(search)), self.select(sorted(set(range(len(self))) - set(search)))

    def __repr__(self) -> str:
        lines = [f"Task {self.name!r}: {len(self)} examples" + (f" of {self.length} tokens" if self.length else "")]
        lines += [f"  {clean!r} against {corrupt!r}" for clean, corrupt in list(zip(self.texts, self.corrupt_texts, strict=True))[:3]]
        return "\n".join([*lines, *(["  ..."] if len(self) > 3 else []), *(f"  note: {note}" for note in self.notes)])


def _metric(name: str, answers: tuple[Row, ...], wrongs: tuple[Row, ...]) -> Metric:
    if name not in METRICS:
        raise InputError(f"there is no metric {shown(name)}; there are {', '.join(METRICS)}")
    return METRICS[name](answers, wrongs)
