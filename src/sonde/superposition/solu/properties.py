"""What a hypothesis about a neuron may say: one simple property of the tokens on which it fires.

A property is "the token is X", "the token before is X", or one of the small world's own, such as "a country" or "in the past tense". Properties of
nearly every token explain any neuron, and those of a handful explain none: only those between `RAREST` and `COMMONEST` count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.results import InputError

RAREST, COMMONEST = 8, 0.2
"""Tokens that have a property at least; share of the tokens that have it at most."""


@dataclass(frozen=True, eq=False)
class Properties:
    """Tokens with what is true of each.

    Arguments:
        names: of the properties.
        holds: whether it holds.
        document: the number of the document that each token is of.
    """

    names: tuple[str, ...]
    holds: Bool[Tensor, "token property"]
    document: Int[Tensor, " token"]

    def __post_init__(self) -> None:
        if self.holds.shape != (len(self.document), len(self.names)) or not self.names:
            raise InputError(f"{len(self.names)} properties of {len(self.document)} tokens need a table of that shape, and one property at least")

    def halves(self, seed: int) -> tuple[Bool[Tensor, " token"], Bool[Tensor, " token"]]:
        """The tokens of one half of the documents, in which hypotheses are sought, and those of the other, in which they are judged."""
        numbers = self.document.unique()
        if len(numbers) < 2:
            raise InputError(f"{len(numbers)} document can't be halved: give two at least")
        chosen = numbers[torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))[: len(numbers) // 2]]
        first = torch.isin(self.document, chosen)
        return first, ~first


def properties_of(
    rows: Sequence[Sequence[int]], vocabulary: Sequence[str], labels: Mapping[str, Sequence[Sequence[int]]] | None = None,
) -> Properties:  # fmt: skip
    """The properties of every token of some documents.

    Arguments:
        rows: token ids, a row for each document.
        vocabulary: the text of each token id.
        labels: further properties, by name, for each row one number for each token: 1 where it holds.

    Raises:
        InputError: no property that is neither too rare nor too common.

    >>> found = properties_of([[0, 1]] * 10 + [[2, 3]] * 40, ["a", "b", "c", "d"])
    >>> found.names
    ('the token is "a"', 'the token is "b"', 'the token before is "a"')
    """
    ids = torch.tensor([i for row in rows for i in row])
    before = torch.tensor([i for row in rows for i in (-1, *row[:-1])])
    document = torch.tensor([k for k, row in enumerate(rows) for _ in row])
    columns: dict[str, Tensor] = {}
    for said, found in (("is", ids), ("before is", before)):
        for i in found.unique().tolist():
            if i >= 0:
                columns[f'the token {said} "{vocabulary[i]}"'] = found == i
    for name, own in (labels or {}).items():
        columns[name] = torch.tensor([label == 1 for row in own for label in row])
    kept = {name: column for name, column in columns.items() if RAREST <= int(column.sum()) <= COMMONEST * len(ids)}
    if not kept:
        raise InputError(f"{len(ids)} tokens have no property that {RAREST} or more of them share, and a fifth at most: give more documents")
    return Properties(tuple(kept), torch.stack(list(kept.values()), dim=1), document)
