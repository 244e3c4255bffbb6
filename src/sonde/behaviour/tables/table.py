"""A table: named columns, each of a kind, and the column that is predicted set apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.results import InputError, shown

Value = str | float
Kind = Literal["numeric", "categorical", "binned"]
KINDS = ("numeric", "categorical", "binned")


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of named columns with two or more classes to tell apart.

    Arguments:
        name: what it is called in results.
        columns: each column's values, one per row: numbers or texts.
        kinds: of each column that a model may read: "numeric", "categorical", or "binned" (a number that is read by its bin). A column without a
            kind is kept, for groups and comparisons, and no model reads it.
        labels: the class of each row, as its number in `classes`.
        classes: the names of the classes.
        notes: what was left out on reading, and why.

    Raises:
        InputError: columns of different length, a kind that is none, a column that isn't there, or a number that is none.

    >>> table = Table("loans", {"age": [20.0, 40.0], "job": ["nurse", "cook"]}, {"age": "numeric"}, torch.tensor([0, 1]), ("refused", "granted"))
    >>> len(table), table.rows()[1]
    (2, {'age': 40.0, 'job': 'cook'})
    """

    name: str
    columns: Mapping[str, Sequence[Value]]
    kinds: Mapping[str, Kind]
    labels: Int[Tensor, " row"]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for column, values in self.columns.items():
            if len(values) != len(self.labels):
                raise InputError(f"column {column!r} has {len(values)} values and the table {len(self.labels)} rows; give one for each row")
        for column, kind in self.kinds.items():
            self.column(column)
            if kind not in KINDS:
                raise InputError(f"column {column!r} is of the kind {kind!r}: give one of {', '.join(KINDS)}")
            wrong = next((value for value in self.columns[column] if kind != "categorical" and not isinstance(value, int | float)), None)
            if wrong is not None:
                raise InputError(f"column {column!r} is {kind} and holds {shown(wrong)}, which is no number: call it categorical, or mend the row")

    def __len__(self) -> int:
        return len(self.labels)

    def column(self, name: str) -> Sequence[Value]:
        """The values of one column.

        Raises:
            InputError: there is no such column.
        """
        if name not in self.columns:
            raise InputError(f"the table {self.name!r} has no column {name!r}: it has {', '.join(self.columns)}")
        return self.columns[name]

    def rows(self) -> list[dict[str, Value]]:
        """Each row as a mapping from column to value."""
        return [dict(zip(self.columns, values, strict=True)) for values in zip(*self.columns.values(), strict=True)]

    def select(self, rows: Sequence[int]) -> "Table":
        """Some of the rows, in the order given."""
        columns = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        return Table(self.name, columns, self.kinds, self.labels[list(rows)], self.classes, self.notes)

    def split(self, share: float, seed: int = 0) -> tuple["Table", "Table"]:
        """The rows in random order, divided in two.

        Arguments:
            share: of the rows, that the first part gets.
            seed: of the order.

        Raises:
            InputError: a part that would be empty.
        """
        cut = round(share * len(self))
        if not 0 < cut < len(self):
            raise InputError(f"share={share} of {len(self)} rows leaves one part empty; give a share between")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).tolist()
        return self.select(order[:cut]), self.select(order[cut:])
