"""Text as rows of token ids, and how often one token follows another in it."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError

Rows = str | Sequence[str] | Sequence[Sequence[int]] | Tensor


def rows_of(model: Model, texts: Rows) -> list[list[int]]:
    """The rows of real tokens, each at least two long.

    Arguments:
        model: whose tokenizer reads texts.
        texts: texts, or rows of token ids; no row is run, so it may be longer than the context.

    Raises:
        InputError: texts for a model without tokenizer; no row of two tokens; an id beyond the vocabulary.
    """
    given: list[Any] = [texts] if isinstance(texts, str) else texts.tolist() if isinstance(texts, Tensor) else list(texts)
    if any(isinstance(text, str) for text in given) and model.tokenizer is None:
        raise InputError(f"{model.name} was loaded without a tokenizer: give rows of token ids, or load it with tokenizer=")
    rows = [model.tokenizer.encode(text) if isinstance(text, str) and model.tokenizer is not None else [int(i) for i in text] for text in given]
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        raise InputError("these texts have no two tokens in a row: give at least one text of two tokens")
    n = model.architecture.d_vocab
    if wrong := [i for row in rows for i in row if not 0 <= i < n]:
        raise InputError(f"token {wrong[0]} is none of the model's: ids go from 0 to {n - 1}")
    return rows


def bigram_counts(rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "pair 2"], Int[Tensor, " pair"]]:
    """The pairs of neighbours, and how often each occurs.

    Arguments:
        rows: token ids.

    >>> pairs, counts = bigram_counts([[1, 2, 1, 2]])
    >>> pairs.tolist(), counts.tolist()
    ([[1, 2], [2, 1]], [2, 1])
    """
    found = sorted(Counter(pair for row in rows for pair in pairwise(row)).items())
    pairs = torch.tensor([pair for pair, _ in found], dtype=torch.long).reshape(-1, 2)
    return pairs, torch.tensor([count for _, count in found], dtype=torch.long)
