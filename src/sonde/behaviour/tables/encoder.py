"""From rows to numbers: what of a table a network sees.

A numeric column becomes one standardised number, a categorical one a place for each of its values (one-hot), a binned one a place for each of its
bins, whose borders are quantiles. To change one attribute is then to change all its places together: a half-changed one-hot group is no person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.behaviour.tables.table import Kind, Table, Value
from sonde.results import InputError

BINS = 4


@dataclass(frozen=True, eq=False)
class Encoder:
    """How the columns of a table are read.

    Arguments:
        kinds: of the columns that are read, in the order of their places.
        levels: the values of each categorical column.
        scales: mean and deviation of each numeric column.
        borders: the inner borders of each binned column's bins.
    """

    kinds: Mapping[str, Kind]
    levels: Mapping[str, Sequence[str]]
    scales: Mapping[str, tuple[float, float]]
    borders: Mapping[str, Sequence[float]]

    @staticmethod
    def fit(table: Table) -> "Encoder":
        """Take scales, values and borders from a table.

        Arguments:
            table: with the rows of training; values that occur only elsewhere are refused there.

        >>> table = Table("loans", {"job": ["nurse", "cook", "cook"]}, {"job": "categorical"}, torch.tensor([0, 1, 1]), ("no", "yes"))
        >>> encoder = Encoder.fit(table)
        >>> encoder.names, encoder(table.rows()).tolist()
        (['job=cook', 'job=nurse'], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
        """
        numbers = {name: torch.tensor([float(v) for v in table.column(name)]) for name, kind in table.kinds.items() if kind != "categorical"}
        return Encoder(
            dict(table.kinds),
            {name: sorted({str(v) for v in table.column(name)}) for name, kind in table.kinds.items() if kind == "categorical"},
            # a column that never varies is 0 everywhere, not a division by nothing
            {name: (float(v.mean()), float(v.std(correction=0)) or 1.0) for name, v in numbers.items() if table.kinds[name] == "numeric"},
            {name: _quantiles(v) for name, v in numbers.items() if table.kinds[name] == "binned"},
        )

    @property
    def names(self) -> list[str]:
        """What each place of the input is."""
        return [name for column in self.kinds for name in self._names(column)]

    @property
    def places(self) -> dict[str, list[int]]:
        """The places that each column takes."""
        widths = [len(self._names(column)) for column in self.kinds]
        ends = pairwise([0, *accumulate(widths)])
        return {column: list(range(first, last)) for column, (first, last) in zip(self.kinds, ends, strict=True)}

    def __call__(self, rows: Sequence[Mapping[str, Value]]) -> Float[Tensor, "row place"]:
        """The rows as a network takes them.

        Arguments:
            rows: each with a value for every column that is read.

        Raises:
            InputError: a row without such a column, or with a value that is no number or was not there in training.
        """
        columns = [self._encoded(column, [self._value(row, column) for row in rows]) for column in self.kinds]
        return torch.cat(columns, dim=1)

    def _names(self, column: str) -> list[str]:
        if self.kinds[column] == "numeric":
            return [column]
        if self.kinds[column] == "categorical":
            return [f"{column}={level}" for level in self.levels[column]]
        edges = [f"{border:g}" for border in self.borders[column]]
        if not edges:
            return [f"{column} any"]
        return [f"{column}<{edges[0]}", *(f"{low}<={column}<{high}" for low, high in pairwise(edges)), f"{column}>={edges[-1]}"]

    def _value(self, row: Mapping[str, Value], column: str) -> Value:
        if column not in row:
            raise InputError(f"a row has no {column!r}, which the model reads: it has {', '.join(map(str, row))}")
        return row[column]

    def _encoded(self, column: str, values: Sequence[Value]) -> Float[Tensor, "row place"]:
        width = len(self._names(column))
        if self.kinds[column] == "categorical":
            known = {level: place for place, level in enumerate(self.levels[column])}
            unknown = next((value for value in values if str(value) not in known), None)
            if unknown is not None:
                raise InputError(f"{column}={unknown!r} was not there when the encoder was fitted: give one of {', '.join(known)}")
            places = torch.tensor([known[str(value)] for value in values], dtype=torch.long)
            return torch.nn.functional.one_hot(places, width).float()
        try:
            numbers = torch.tensor([float(value) for value in values])
        except ValueError as error:
            raise InputError(f"{column} is {self.kinds[column]}: {error}") from None
        if self.kinds[column] == "numeric":
            mean, deviation = self.scales[column]
            return ((numbers - mean) / deviation)[:, None]
        borders = torch.tensor(list(self.borders[column]))
        return torch.nn.functional.one_hot(torch.bucketize(numbers, borders, right=True), width).float()


def _quantiles(values: Float[Tensor, " row"]) -> list[float]:
    """The inner borders of bins that hold about equally many rows; fewer where one value fills several."""
    borders = values.quantile(torch.arange(1, BINS) / BINS).unique().tolist()
    return [border for border in borders if border > float(values.min())]
