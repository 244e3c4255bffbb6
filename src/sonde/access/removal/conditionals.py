"""Models of a table's rows that draw some columns given the others."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access.removal.question import Question
from sonde.results import InputError

JITTER = 1e-6  # of the mean variance, added to all variances: columns that follow from others leave the covariance singular


class Gaussian:
    """A normal distribution with the mean and the covariance of other rows (Aas, Jullum and Loland 2021).

        x_A | x_S ~ N(mu_A + C_AS C_SS^-1 (x_S - mu_S),  C_AA - C_AS C_SS^-1 C_SA)

    Draws come in pairs on both sides of the conditional mean, so that an even number of them has that mean exactly.

    Arguments:
        rows: of the table, more than columns.

    Raises:
        InputError: rows of another kind, or too few.

    >>> Gaussian(torch.randn(50, 3)).described
    'a Gaussian fitted to 50 rows'
    """

    notes: tuple[str, ...] = ()

    def __init__(self, rows: Float[Tensor, "row column"]):
        _checked(rows)
        if len(rows) <= rows.shape[1]:
            raise InputError(f"{len(rows)} rows do not tell the covariance of {rows.shape[1]} columns: give more rows than columns")
        self.described = f"a Gaussian fitted to {len(rows)} rows"
        self.mean = rows.double().mean(0)
        covariance = rows.double().T.cov()
        self.covariance = covariance + JITTER * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=covariance.dtype)

    def draw(
        self, question: Question, example: int, present: Bool[Tensor, "set column"], draws: int, generator: torch.Generator
    ) -> Float[Tensor, "set draw column"]:  # fmt: skip
        """Rows whose absent columns are drawn; see `Sampler.draw`.

        Arguments:
            question, example, present, draws, generator: as there.
        """
        row = _row(question, example, len(self.mean))
        half = torch.randn(-(-draws // 2), len(row), generator=generator, dtype=torch.float64)
        noise = torch.stack([half, -half], 1).flatten(0, 1)[:draws]
        found = torch.empty(len(present), draws, len(row), dtype=torch.float64)
        for one, staying in zip(found, present.cpu(), strict=True):
            mean, factor = self._given(row, staying)
            one[:] = row
            one[:, ~staying] = mean + noise[:, ~staying] @ factor.T
        return found.to(question.value)

    def _given(
        self, row: Float[Tensor, " column"], staying: Bool[Tensor, " column"]
    ) -> tuple[Float[Tensor, " absent"], Float[Tensor, "absent absent"]]:
        """The mean of the absent columns given the present ones, and a root of their covariance."""
        cross, own = self.covariance[~staying][:, staying], self.covariance[staying][:, staying]
        slope = torch.linalg.solve(own, cross.T).T
        rest = self.covariance[~staying][:, ~staying] - slope @ cross.T
        values, vectors = torch.linalg.eigh(rest)
        return self.mean[~staying] + slope @ (row[staying] - self.mean[staying]), vectors * values.clamp(min=0).sqrt()


class Neighbours:
    """The absent columns of those rows that are most like this one in the present columns.

    Columns are compared in units of their standard deviation. Draw number k is the k-th nearest row; rows equally near come in random order.

    Arguments:
        rows: of the table.

    Raises:
        InputError: rows of another kind.

    >>> Neighbours(torch.randn(50, 3)).described
    'the nearest of 50 rows'
    """

    notes: tuple[str, ...] = ()

    def __init__(self, rows: Float[Tensor, "row column"]):
        _checked(rows)
        self.rows, self.described = rows, f"the nearest of {len(rows)} rows"
        scale = rows.double().std(0, correction=0)
        self.scale = torch.where(scale > 0, scale, 1.0)

    def draw(
        self, question: Question, example: int, present: Bool[Tensor, "set column"], draws: int, generator: torch.Generator
    ) -> Float[Tensor, "set draw column"]:  # fmt: skip
        """Rows like this one; see `Sampler.draw`.

        Arguments:
            question, example, present, draws, generator: as there.
        """
        row = _row(question, example, self.rows.shape[1])
        if draws > len(self.rows):
            raise InputError(f"draws={draws}, and there are {len(self.rows)} rows: give more rows or fewer draws")
        mixed = torch.randperm(len(self.rows), generator=generator)
        rows = self.rows[mixed]
        apart = ((rows.double() - row) / self.scale).square()
        near = (present.cpu().double() @ apart.T).argsort(dim=1, stable=True)[:, :draws]
        return rows[near].to(question.value)


def _checked(rows: Tensor) -> None:
    if rows.ndim != 2 or not rows.is_floating_point() or len(rows) < 2 or not bool(rows.isfinite().all()):
        raise InputError(f"the rows are {rows.dtype} of shape {tuple(rows.shape)}: give two or more rows of finite numbers, (row, column)")


def _row(question: Question, example: int, columns: int) -> Float[Tensor, " column"]:
    """The row that is explained."""
    if question.value.shape[1:] != (columns,):
        raise InputError(f"the sampler knows rows of {columns} columns, and {question.site!r} has {tuple(question.value.shape[1:])} places")
    return question.value[example].detach().double().cpu()
