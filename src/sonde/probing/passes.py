"""Which texts are run together, and which places of them the examples are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.access import Model
from sonde.jobs import by_length
from sonde.probing.labelled import Labelled, Span
from sonde.probing.placing import placed
from sonde.results import InputError

TOKENS = 4096  # of a pass: more is no faster on a processor
ITEMS = 64  # of a pass
TO_THE_END = -1  # of items, whose places are known only when they are read


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward.

    Arguments:
        given: what the model is given.
        length: tokens of the longest row; 0 for items that are no tokens.
        examples: numbers of the examples that are read.
        rows: of each of their spans the row that it is in.
        starts, stops: the first place of each span and the one after its last.
    """

    given: Any
    length: int
    examples: Int[Tensor, " example"]
    rows: Int[Tensor, " span"]
    starts: Int[Tensor, " span"]
    stops: Int[Tensor, " span"]


@dataclass(frozen=True, eq=False)
class Passes:
    """All of them.

    Arguments:
        passes: in the order in which they are run.
        kept: numbers of the examples that are read.
        positions: where each of these ends; of a pair how far the second ends after the first.
        notes: what was left out.
    """

    passes: list[Pass]
    kept: list[int]
    positions: Int[Tensor, " example"]
    notes: tuple[str, ...] = ()


def of_texts(model: Model, data: Labelled, rows: int = 0) -> Passes:
    """Texts and rows of token ids.

    Arguments:
        model: reads them.
        data: texts or rows of ids.
        rows: texts of a pass; 0 for as many as are quick.

    Raises:
        InputError: what `placed` raises.
    """
    found = placed(model, data)
    examples = _by_text(data.text[found.kept])
    numbers = sorted(examples)
    module = model.architecture.family == "module"
    passes = []
    # a module of no known family is told of no padding, so that its rows must be of one length
    for group in by_length([len(found.rows[i]) for i in numbers], 0 if rows else TOKENS, rows, equal=module):
        chosen = [numbers[i] for i in group]
        ids = [found.rows[i] for i in chosen]
        given = torch.tensor(ids) if module else [data.texts[i] for i in chosen] if isinstance(data.texts[0], str) else ids
        passes.append(_pass(given, max(map(len, ids)), [examples[i] for i in chosen], found.ranges))
    return Passes(passes, found.kept, positions(found.ranges), found.notes)


def of_items(model: Model, data: Labelled, rows: int = 0) -> Passes:
    """Items that are no tokens, such as pictures.

    Arguments:
        model: reads them.
        data: one tensor of items.
        rows: items of a pass; 0 for 64.

    Raises:
        InputError: a model that reads tokens.
    """
    assert isinstance(data.texts, Tensor)
    if model.architecture.d_vocab and model.architecture.images is None:
        raise InputError(f"{model.name} reads tokens, and {data.name!r} holds a tensor of items: give texts, or rows of token ids as lists")
    examples, size = _by_text(data.text), rows or ITEMS
    numbers = sorted(examples)
    ranges: list[tuple[Span, ...]] = [spans or ((0, TO_THE_END),) for spans in data.spans]
    groups = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    passes = [_pass(data.texts[group], 0, [examples[i] for i in group], ranges) for group in groups]
    return Passes(passes, list(range(len(data))), positions(ranges))


def positions(ranges: Sequence[tuple[Span, ...]]) -> Int[Tensor, " example"]:
    """Where each example ends, counted in places; of a pair how far the second ends after the first.

    Arguments:
        ranges: of each example, its spans.
    """
    ends = [[stop - 1 if stop != TO_THE_END else 0 for _, stop in spans] for spans in ranges]
    return torch.tensor([one[0] if len(one) == 1 else one[1] - one[0] for one in ends])


def _by_text(text: Tensor) -> dict[int, list[int]]:
    """The examples of each text."""
    held: dict[int, list[int]] = {}
    for example, number in enumerate(text.tolist()):
        held.setdefault(number, []).append(example)
    return held


def _pass(given: Any, length: int, examples: Sequence[Sequence[int]], ranges: Sequence[tuple[Span, ...]]) -> Pass:
    """The pass over some rows, of which each has these examples."""
    placed = [(row, *span) for row, own in enumerate(examples) for example in own for span in ranges[example]]
    rows, starts, stops = torch.tensor(placed).unbind(1)
    return Pass(given, length, torch.tensor([example for own in examples for example in own]), rows, starts, stops)
