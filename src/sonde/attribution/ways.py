"""The straight way from an absent input to an input, and integrals of the slope along it.

Over a whole piece of the way the values must sum to what the metric gains there, so every piece says by itself how well it was integrated: those
that err most are halved until all errors together are small. A smooth way is one piece, 15 gradients; a jump costs some more where it is and nothing
elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access.removal import Question
from sonde.attribution.quadrature import kronrod
from sonde.attribution.question import summed

MOST_PIECES = 32  # of an example's way


@dataclass(frozen=True, eq=False)
class Integral:
    """Values along the way.

    Arguments:
        values: of each example's places.
        steps: how many points the integral of an example has, at the most.
        asked: for how many points an example's gradient was taken, at the most.
    """

    values: Float[Tensor, "example *kept"]
    steps: int
    asked: int


@dataclass(eq=False)
class _Piece:
    """A piece of an example's way, with the metric at both its ends, the values there, and how far these may be off."""

    example: int
    start: float
    end: float
    metric: tuple[float, float]
    values: Tensor
    error: float = 0.0


@dataclass(frozen=True, eq=False)
class Way:
    """The way from an absent input to each example's.

    Arguments:
        question: the inputs.
        absent: where it begins.
        batch_size: rows per pass.
    """

    question: Question
    absent: Float[Tensor, "example *axis"]
    batch_size: int | Literal["auto"]

    def metric(self, examples: Sequence[int], places: Sequence[float]) -> Float[Tensor, " row"]:
        """The metric at a place between 0 and 1 of each of some examples' ways."""
        return self.question.metric_at(self._inputs(examples, places), examples, self.batch_size)

    def fixed(self, places: Sequence[float], weights: Sequence[float]) -> Integral:
        """The values by one quadrature over the whole way."""
        examples = range(len(self.question))
        values = [one for (one,) in self._integrals([(example, 0.0, 1.0) for example in examples], places, weights)]
        return Integral(torch.stack(values), len(places), len(places))

    def adaptive(self, tolerance: float, absent_metric: Float[Tensor, " example"]) -> Integral:
        """The values by Kronrod's rule over pieces.

        Arguments:
            tolerance: the share of the mean size of what is explained by which an example's values may be off.
            absent_metric: the metric at the beginning of each way.
        """
        ends = list(zip(absent_metric.tolist(), self.question.metric.tolist(), strict=True))
        allowed = tolerance * sum(abs(after - before) for before, after in ends) / len(ends)
        todo = [_Piece(example, 0.0, 1.0, metric, torch.empty(0)) for example, metric in enumerate(ends)]
        done: list[_Piece] = []
        asked = [0] * len(ends)
        rule = kronrod()
        while todo:
            spans = [(piece.example, piece.start, piece.end) for piece in todo]
            for piece, (fine, coarse) in zip(todo, self._integrals(spans, *rule), strict=True):
                asked[piece.example] += len(rule[0])
                # the sum may be right by accident, so every value must be what a coarser rule gives, too
                unexplained = abs(piece.metric[1] - piece.metric[0] - self._total(piece.example, fine))
                piece.values, piece.error = fine, max(unexplained, float((fine - coarse).abs().max()))
            done += todo
            todo = []
            for example in range(len(ends)):
                own = [piece for piece in done if piece.example == example]
                if sum(piece.error for piece in own) > allowed and len(own) < MOST_PIECES:
                    todo += [piece for piece in own if piece.error > allowed / (2 * len(own))]
            done = [piece for piece in done if piece not in todo]
            todo = self._halved(todo)
        by_example = [[piece for piece in done if piece.example == example] for example in range(len(ends))]
        values = torch.stack([torch.stack([piece.values for piece in own]).sum(0) for own in by_example])
        return Integral(values, len(rule[0]) * max(map(len, by_example)), max(asked))

    def _integrals(
        self, spans: Sequence[tuple[int, float, float]], places: Sequence[float], *rules: Sequence[float]
    ) -> Iterator[tuple[Float[Tensor, " *kept"], ...]]:
        """For each span (example, start, end) its part of the values, by each of the rules on the same places."""
        question = self.question
        at_once = question.rows_per_pass if question.selective else len(spans)
        for some in (spans[start : start + at_once] for start in range(0, len(spans), at_once)):
            examples = [example for example, _, _ in some]
            change = (question.value - self.absent)[examples]
            length = torch.tensor([end - start for _, start, end in some]).to(change).view(-1, *[1] * (change.ndim - 1))
            totals: list[Tensor] = [summed(question, torch.zeros_like(change)) for _ in rules]
            together = max(1, question.rows_per_pass // len(some))
            for first in range(0, len(places), together):
                part = range(first, min(first + together, len(places)))
                rows = examples * len(part)
                at = [start + places[k] * (end - start) for k in part for _, start, end in some]
                slopes = question.gradient_at(self._inputs(rows, at), rows, self.batch_size)
                for k, slope in zip(part, slopes.split(len(some)), strict=True):
                    value = summed(question, length * change * slope)
                    totals = [total + rule[k] * value for total, rule in zip(totals, rules, strict=True)]
            yield from zip(*totals, strict=True)

    def _inputs(self, examples: Sequence[int], places: Sequence[float]) -> Float[Tensor, "row *axis"]:
        """The values of the site at places of examples' ways."""
        absent, rows = self.absent[list(examples)], self.question.value[list(examples)]
        place = torch.tensor(places).to(rows).view(-1, *[1] * (rows.ndim - 1))
        return absent + place * (rows - absent)

    def _total(self, example: int, values: Float[Tensor, " *kept"]) -> float:
        """The sum of an example's values; padding has none."""
        mask = self.question.mask
        return float((values if mask is None else values[mask[example]]).sum())

    def _halved(self, pieces: list[_Piece]) -> list[_Piece]:
        """Both halves of each piece."""
        if not pieces:
            return []
        middles = [(piece.start + piece.end) / 2 for piece in pieces]
        metrics = self.metric([piece.example for piece in pieces], middles).tolist()
        halves = []
        for piece, middle, metric in zip(pieces, middles, metrics, strict=True):
            halves.append(_Piece(piece.example, piece.start, middle, (piece.metric[0], metric), piece.values))
            halves.append(_Piece(piece.example, middle, piece.end, (metric, piece.metric[1]), piece.values))
        return halves
