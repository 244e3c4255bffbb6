"""A task: examples, their counterfactual partners, right and wrong answers, and the metric that compares them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.results import InputError
from sonde.tasks.metrics import LogitDifference
from sonde.tasks.pair import Pair, pair
from sonde.tasks.prompt import tokenizer_of

Row = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Task:
    """Examples of one behaviour, each with its counterfactual of the same length.

    Arguments:
        name: what the behaviour is called.
        clean: token ids of each example, special tokens included.
        corrupt: token ids of its counterfactual, as many.
        targets: the right next token of each example.
        foils: the token that it is compared with.
        metric: from a run of these examples, in this order, to one number per example.
        texts, corrupt_texts: the same examples as text.
        labels: one label per position, where all examples share their layout; else empty.
        spans: named positions: a name to the positions in each example, such as "changed".
        notes: what was decided or left out when the task was made.
    """

    name: str
    clean: tuple[Row, ...]
    corrupt: tuple[Row, ...]
    targets: Int[Tensor, " example"]
    foils: Int[Tensor, " example"]
    metric: Metric
    texts: tuple[str, ...]
    corrupt_texts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    spans: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @staticmethod
    def from_pairs(
        model: Model, pairs: Iterable[tuple[str, str, str | int, str | int]], name: str = "pairs", bos: bool | None = None, notes: Sequence[str] = ()
    ) -> "Task":
        """A task from texts; its metric is the logit difference of target and foil at the last token.

        Arguments:
            model: the model whose tokenizer is used.
            pairs: (prompt, counterfactual, target, foil) for each example; target and foil as text or id.
            name: what the behaviour is called.
            bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
            notes: what was decided when the pairs were made.

        Raises:
            InputError: a pair whose parts do not fit, as `tasks.pair` says.
        """
        tokenizer = tokenizer_of(model)
        return Task.of([pair(tokenizer, *parts, bos=bos) for parts in pairs], name, notes=notes)

    @staticmethod
    def of(
        pairs: Sequence[Pair], name: str, labels: Sequence[str] = (), spans: Mapping[str, Sequence[Row]] | None = None, notes: Sequence[str] = ()
    ) -> "Task":
        """A task from pairs that were made already; the span "changed" holds where the partners differ."""
        targets, foils = (torch.tensor([getattr(p, which) for p in pairs], dtype=torch.long) for which in ("target", "foil"))
        named = {"changed": tuple(p.changed for p in pairs)} | {k: tuple(v) for k, v in (spans or {}).items()}
        return Task(
            name, tuple(p.clean_ids for p in pairs), tuple(p.corrupt_ids for p in pairs), targets, foils, LogitDifference(targets, foils),
            tuple(p.clean for p in pairs), tuple(p.corrupt for p in pairs), tuple(labels), named, tuple(notes),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.clean)

    @property
    def length(self) -> int | None:
        """The number of tokens of every example; `None` where they differ."""
        lengths = {len(row) for row in self.clean}
        return lengths.pop() if len(lengths) == 1 else None

    @property
    def content(self) -> dict[str, Any]:
        """What makes the task what it is, as plain data to be hashed."""
        return {"name": self.name, "clean": self.clean, "corrupt": self.corrupt, "targets": self.targets.tolist(), "foils": self.foils.tolist()}

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
        parts: dict[str, Any] = {name: tuple(getattr(self, name)[i] for i in examples) for name in ("clean", "corrupt", "texts", "corrupt_texts")}
        spans = {name: tuple(positions[i] for i in examples) for name, positions in self.spans.items()}
        chosen = torch.tensor(list(examples), dtype=torch.long)
        return replace(self, **parts, targets=self.targets[chosen], foils=self.foils[chosen], metric=restrict(list(examples)), spans=spans)

    def split(self, seed: int = 0) -> tuple["Task", "Task"]:
        """Two halves that share no example: one to search on, and one, the larger where they differ, to judge what was found."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).tolist()
        return self.select(sorted(order[: len(self) // 2])), self.select(sorted(order[len(self) // 2 :]))

    def __repr__(self) -> str:
        lines = [f"Task {self.name!r}: {len(self)} examples" + (f" of {self.length} tokens" if self.length else "")]
        lines += [f"  {clean!r} against {corrupt!r}" for clean, corrupt in list(zip(self.texts, self.corrupt_texts, strict=True))[:3]]
        return "\n".join([*lines, *(["  ..."] if len(self) > 3 else []), *(f"  note: {note}" for note in self.notes)])
