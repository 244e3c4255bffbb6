"""What a reader of a format is given and what it gives."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sonde.tasks.gathering import Example, Misfit
from sonde.tasks.own.template import SlotTemplate
from sonde.tasks.tables import Record


@dataclass(frozen=True)
class Source:
    """A file's rows, and what is wanted of them.

    Arguments:
        file: the file.
        rows: what it holds.
        variant: which of the format's variants; empty where it has none.
        seed: of what is drawn.
    """

    file: Path
    rows: list[Record]
    variant: str
    seed: int

    def each(self, example: Callable[[Record], Example]) -> Iterator[Example | Misfit]:
        """An example of each row, with its place; what a row lacks counts against it alone.

        Arguments:
            example: makes one of a row, or raises `Misfit`.
        """
        for i, row in enumerate(self.rows, 1):
            place = f"row {i}"
            try:
                made = example(row)
                yield Example(made.clean, made.corrupt, made.answers, made.wrongs, made.spans, place)
            except Misfit as misfit:
                yield Misfit(misfit.reason, misfit.figures, place)


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Arguments:
        name: its name.
        what: what it holds, in one line.
        columns: what its rows must have, by which it is recognised.
        read: makes examples, or a template to draw them from.
        variants: what may be read from one file, the first by default; empty where there is one thing only.
        notes: what was decided for it, told with every task.
    """

    name: str
    what: str
    columns: frozenset[str]
    read: Callable[[Source], Iterable[Example | Misfit] | SlotTemplate]
    variants: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def spaced(*words: str) -> tuple[str, ...]:
    """Words as they follow a prompt, each after a space; each once.

    >>> spaced("he", "she")
    (' he', ' she')
    """
    return tuple(dict.fromkeys(f" {word.strip()}" for word in words if word.strip()))
