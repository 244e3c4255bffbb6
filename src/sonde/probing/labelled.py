"""Examples with labels: what a probe is asked to read, where it stands, and which examples must stay together.

Every reader of data ends here, and every method of this package begins here. Nothing in it knows a model: places are characters of texts, so that
models with different tokenizers are asked the same question.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.probing.division import divide
from sonde.results import InputError, content_hash, shown

Span = tuple[int, int]
"""First character and the one after the last; positions, where the texts are token ids or tensors."""

Texts = tuple[str, ...] | tuple[tuple[int, ...], ...] | Tensor
Index = Int[Tensor, " chosen"] | Bool[Tensor, " example"] | Sequence[int]


@dataclass(frozen=True, eq=False, repr=False)
class Labelled:
    """Examples with labels.

    Arguments:
        name: what is asked of each, such as "part of speech".
        texts: texts, rows of token ids, or one tensor of items (item ...).
        text: the text that each example belongs to, int64 (example).
        spans: where each example stands in its text: nothing for the whole text, one span for a word, two for a pair; alike for all.
        targets: the number of each example's class, int64; or a number to be told, float (example).
        classes: the classes' names; empty where numbers are to be told.
        types: what stands there, such as the word; of a pair both, with a tab between them.
        groups: examples with one number are never divided between train and test, int64 (example).
        notes: what was decided, left out or is suspicious.

    Raises:
        InputError: fields of different lengths; a span outside its text; a class without a name; a number that is not finite.
    """

    name: str
    texts: Texts
    text: Int[Tensor, " example"]
    spans: tuple[tuple[Span, ...], ...]
    targets: Int[Tensor, " example"] | Float[Tensor, " example"]
    classes: tuple[str, ...]
    types: tuple[str, ...]
    groups: Int[Tensor, " example"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.targets)
        if not n:
            raise InputError(f"{self.name!r} has no example: give at least one")
        for field in ("text", "spans", "types", "groups"):
            if len(getattr(self, field)) != n:
                raise InputError(f"{self.name!r} has {n} targets and {len(getattr(self, field))} {field}: give one for each example")
        if not 0 <= int(self.text.min()) <= int(self.text.max()) < len(self.texts):
            raise InputError(f"{self.name!r} has {len(self.texts)} texts, and an example of text {int(self.text.max())}: count texts from 0")
        if self.classes and (self.targets.is_floating_point() or not 0 <= int(self.targets.min()) <= int(self.targets.max()) < len(self.classes)):
            raise InputError(f"{self.name!r} has the classes {shown(self.classes, 80)}, and a target outside them: number them from 0")
        if not self.classes and not (self.targets.is_floating_point() and bool(self.targets.isfinite().all())):
            raise InputError(f"{self.name!r} has no classes, so its targets must be finite numbers (float); name the classes with classes=")
        _refuse_outside(self)

    @staticmethod
    def of(
        texts: Sequence[str] | Sequence[Sequence[int]] | Tensor, targets: Sequence[object] | Tensor, name: str = "label",
        text: Sequence[int] | Tensor | None = None, spans: Sequence[Sequence[Span]] | None = None, classes: Sequence[str] = (),
        types: Sequence[str] | None = None, groups: Sequence[object] | Tensor | None = None, notes: Sequence[str] = (),
    ) -> "Labelled":  # fmt: skip
        """Examples of plain lists.

        Arguments:
            texts: texts, rows of token ids, or a tensor of items (item ...).
            targets: one for each example: names of classes, whole numbers or truth values (classes too), or numbers with a point, which are told.
            name: what is asked.
            text: the text of each example; by default each text is one example.
            spans: for each example its spans; by default the whole text.
            classes: the classes' names in order, where the targets are their numbers; by default the targets as they are, in alphabetical order.
            types: what stands there; by default the words of the spans.
            groups: what must stay together, as numbers or names; by default the text, and texts that are equal are one.
            notes: what is to be said about them.

        Raises:
            InputError: what `Labelled` refuses; a single class, or a single text that is no list.

        >>> Labelled.of(["keys", "key"], ["plural", "singular"], name="number")
        Labelled 'number': 2 examples in 2 texts; plural 1, singular 1
        """
        if isinstance(texts, str):
            raise InputError(f"{shown(texts, 40)} is one text: give a list of texts, with text= where several examples are of one")
        held: Any = texts if isinstance(texts, Tensor) else tuple(one if isinstance(one, str) else tuple(map(int, one)) for one in texts)
        where = torch.arange(len(held)) if text is None else torch.as_tensor(text, dtype=torch.long)
        places = tuple(tuple((int(start), int(stop)) for start, stop in one) for one in spans) if spans is not None else ((),) * len(where)
        values, names = _numbered(targets, tuple(classes), name)
        if len(where) != len(places) or len(where) != len(values):
            raise InputError(f"{name!r} has {len(values)} targets for {len(where)} examples with {len(places)} spans: give one for each")
        together = _groups(held, where, groups)
        found = Labelled(name, held, where, places, values, names, types=("",) * len(values), groups=together, notes=tuple(notes))  # type: ignore[arg-type]
        if names and len(found.counts) < 2:
            why = f"; {notes[0]}" if notes else ""  # what was left out may have held the others
            raise InputError(f"{name!r} has one class only ({next(iter(found.counts))!r}): a probe needs examples of two at least{why}")
        spelt = tuple(map(str, types)) if types is not None else tuple(map(found.words, range(len(found))))
        return replace(found, types=spelt, notes=(*found.notes, *_divided(found)))

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def counts(self) -> dict[str, int]:
        """How many examples each class has, those that have none left out; empty for numbers."""
        sizes = torch.bincount(self.targets, minlength=len(self.classes)).tolist() if self.classes else []
        return {name: size for name, size in zip(self.classes, sizes, strict=True) if size}

    @property
    def summary(self) -> str:
        """One line: how many examples of what."""
        told = ", ".join(f"{name} {count}" for name, count in Counter(self.counts).most_common(8))
        more = f" and {len(self.counts) - 8} more" if len(self.counts) > 8 else ""
        numbers = "" if self.classes else f"numbers from {float(self.targets.min()):.4g} to {float(self.targets.max()):.4g}"
        return f"{len(self):,} examples in {len(self.text.unique()):,} texts; {told}{more}{numbers}"

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash([self.name, self.texts, self.text, self.spans, self.targets, self.classes, self.types, self.groups])

    def words(self, example: int) -> str:
        """What an example's spans hold, those of a pair with a tab between them; the whole text where it has none."""
        one = self.texts[int(self.text[example])]
        if isinstance(one, Tensor):
            return f"item {int(self.text[example])}"
        parts = [one[start:stop] for start, stop in self.spans[example]] or [one]
        return "\t".join(part if isinstance(part, str) else " ".join(map(str, part)) for part in parts)

    def select(self, index: Index) -> "Labelled":
        """Some of the examples; texts keep their numbers.

        Arguments:
            index: their numbers, or true where they are wanted.
        """
        index = torch.as_tensor(index)
        chosen = index.nonzero().flatten() if index.dtype == torch.bool else index.long()
        numbers = chosen.tolist()
        return replace(
            self, text=self.text[chosen], spans=tuple(self.spans[i] for i in numbers), targets=self.targets[chosen],
            types=tuple(self.types[i] for i in numbers), groups=self.groups[chosen],
        )  # fmt: skip

    def balanced(self, seed: int = 0) -> "Labelled":
        """As many examples of each class as the rarest one has, drawn at random.

        Arguments:
            seed: of the draw.

        Raises:
            InputError: numbers, which have no classes.
        """
        if not self.classes:
            raise InputError(f"{self.name!r} has numbers for targets, which can't be balanced: give classes")
        size, order = min(self.counts.values()), torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        chosen = [order[self.targets[order] == number][:size] for number in range(len(self.classes))]
        return self.select(torch.cat(chosen).sort().values)

    def split(self, share: float = 0.2, seed: int = 0) -> tuple["Labelled", "Labelled"]:
        """Examples to train on and to test on; no group is in both.

        Arguments:
            share: of the examples that are kept for the test, as near as whole groups come.
            seed: of the draw of groups.

        Raises:
            InputError: a single group.
        """
        train, test = divide(self.groups, share, seed)
        return self.select(train), self.select(test)

    def __repr__(self) -> str:
        return f"Labelled {self.name!r}: {self.summary}"


def shared_texts(train: Labelled, test: Labelled) -> list[str]:
    """The texts that stand in both: what a probe remembers of them it need not read.

    Arguments:
        train, test: examples of two sources, such as two domains.
    """
    if isinstance(train.texts, Tensor) or isinstance(test.texts, Tensor):
        return []
    seen = {train.texts[i] for i in train.text.unique().tolist()}
    both = [test.texts[i] for i in test.text.unique().tolist() if test.texts[i] in seen]
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in both]


def _numbered(targets: Sequence[object] | Tensor, classes: tuple[str, ...], name: str) -> tuple[Tensor, tuple[str, ...]]:
    """Targets as numbers, and the names of the classes."""
    values = targets.tolist() if hasattr(targets, "tolist") else list(targets)  # tensors and arrays
    if classes:
        try:
            return torch.tensor(values, dtype=torch.long), classes
        except (TypeError, ValueError):
            raise InputError(f"{name!r}: with classes= the targets are their numbers, from 0; leave it out to give the targets by name") from None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) and any(isinstance(v, float) for v in values):
        return torch.tensor(values, dtype=torch.float), ()
    strange = [value for value in values if not isinstance(value, str | int)]
    if strange:
        raise InputError(f"{name!r} has the target {shown(strange[0], 40)}: give names of classes, whole numbers, or numbers with a point throughout")
    found = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    return torch.tensor([found.index(value) for value in values], dtype=torch.long), tuple(map(str, found))


def _groups(texts: Texts, text: Tensor, groups: Sequence[object] | Tensor | None) -> Tensor:
    """The number of each example's group."""
    names: list[object]
    if groups is not None:
        names = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    else:
        names = text.tolist() if isinstance(texts, Tensor) else [texts[i] if 0 <= i < len(texts) else i for i in text.tolist()]
    numbers = {one: i for i, one in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[one] for one in names], dtype=torch.long)


def _divided(data: Labelled) -> list[str]:
    """A warning where equal texts are in different groups, so that a test may hold what was trained on."""
    if isinstance(data.texts, Tensor):
        return []
    groups: dict[object, set[int]] = {}
    for i, group in zip(data.text.tolist(), data.groups.tolist(), strict=True):
        groups.setdefault(data.texts[i], set()).add(group)
    twice = [text for text, held in groups.items() if len(held) > 1]
    same = f"{len(twice)} texts stand in several groups, such as {shown(twice[0], 60)}: train and test may share them" if twice else ""
    return [same] if twice else []


def _refuse_outside(data: Labelled) -> None:
    """Raise `InputError` where spans are of several kinds, and at the first one that is not in its text."""
    kinds = {len(spans) for spans in data.spans}
    if len(kinds) > 1 or max(kinds) > 2:
        raise InputError(f"{data.name!r} has examples of {sorted(kinds)} spans: give all none for the whole text, all one, or all two for pairs")
    for i, (number, spans) in enumerate(zip(data.text.tolist(), data.spans, strict=True)):
        for start, stop in spans:
            one = data.texts[number]
            if not 0 <= start < stop <= len(one):
                what = "an item" if isinstance(one, Tensor) else shown(one, 60)
                raise InputError(f"example {i} of {data.name!r} has the span {start} to {stop}, outside its text of length {len(one)} ({what})")
