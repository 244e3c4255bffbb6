"""Rows of tokens as examples: each says which of its tokens are to be foretold, all of them or a completion's only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError, content_hash, shown
from sonde.results.hashing import is_tensor


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Rows of tokens, padded on the right.

    Arguments:
        ids: of the tokens.
        real: which of them are no padding.
        scored: which of them are to be foretold from those before.
        call: what the model is called with besides the ids.
    """

    ids: Int[Tensor, "example pos"]
    real: Bool[Tensor, "example pos"]
    scored: Bool[Tensor, "example pos"]
    call: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TokenRows:
    """Rows of tokens with what is foretold in each.

    Arguments:
        model: that reads them.
        rows: token ids.
        begins: for each row the place of the first token that is to be foretold; 1 for all but the first.
    """

    model: Model
    rows: Sequence[Sequence[int]]
    begins: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Sequence[int]) -> TokenBatch:
        """Some rows, padded to the longest of them."""
        inputs = self.model.prepare([list(self.rows[i]) for i in indices])
        assert inputs.ids is not None and inputs.mask is not None
        begins = torch.tensor([self.begins[i] for i in indices], device=inputs.ids.device)
        scored = inputs.mask & (torch.arange(inputs.ids.shape[1], device=inputs.ids.device) >= begins[:, None])
        return TokenBatch(inputs.ids, inputs.mask, scored, {**self.model.architecture.call, **inputs.kwargs})

    def positions(self, batch: TokenBatch) -> Bool[Tensor, "example pos"]:
        """The tokens that are no padding."""
        return batch.real

    def label(self, index: int) -> str:
        """The text of a row, or its ids where there is no tokenizer; an arrow stands before a completion."""
        tokens, begin = self.tokens(index), self.begins[index]
        return "".join(tokens) if begin == 1 else f"{''.join(tokens[:begin])} →{''.join(tokens[begin:])}"

    def tokens(self, index: int) -> list[str]:
        """The text of each token."""
        row = list(self.rows[index])
        return [f"{i} " for i in row] if self.model.tokenizer is None else self.model.tokenizer.strings(row)

    @property
    def fingerprint(self) -> str:
        """Of the ids and of what is foretold."""
        return content_hash([content_hash([list(map(int, row)), begin]) for row, begin in zip(self.rows, self.begins, strict=True)])


def rows_from(model: Model, given: Any) -> TokenRows | None:
    """Rows from texts, token ids or (prompt, completion) pairs; `None` where it is nothing of the kind.

    Arguments:
        model: a language model.
        given: what a user gave.

    Raises:
        InputError: a row with nothing to foretell, or that the model can't take.
    """
    if isinstance(given, str):
        return _made(model, [_encoded(model, given)], [1])
    if is_tensor(given):
        if given.is_floating_point() or given.ndim != 2:
            return None
        return _made(model, given.tolist(), [1] * len(given))
    if isinstance(given, Mapping) or not isinstance(given, Sequence) or not given:
        return None
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, str) for part in given):
        given = [given]
    if all(isinstance(one, str) for one in given):
        return _made(model, [_encoded(model, text) for text in given], [1] * len(given))
    if all(isinstance(one, tuple) and len(one) == 2 and all(isinstance(part, str) for part in one) for one in given):
        return _completed(model, given)
    if all(isinstance(one, list | tuple) and one and all(isinstance(i, int) for i in one) for one in given):
        return _made(model, given, [1] * len(given))
    return None


def _completed(model: Model, pairs: Sequence[tuple[str, str]]) -> TokenRows:
    """Rows of prompt and completion, of which the completion is to be foretold."""
    rows, begins = [], []
    for i, (prompt, completion) in enumerate(pairs):
        whole, before = _encoded(model, prompt + completion), _encoded(model, prompt) if prompt else []
        if whole[: len(before)] != before or len(whole) == len(before):
            raise InputError(
                f"pair {i}: the tokens of {shown(prompt + completion)} don't begin with those of "
                f"{shown(prompt)}, so where the completion begins is not "
                "clear: give rows of token ids, or put the space at the beginning of the completion"
            )
        rows.append(whole)
        begins.append(max(1, len(before)))
    return _made(model, rows, begins)


def _encoded(model: Model, text: str) -> list[int]:
    inputs = model.prepare([text])
    assert inputs.ids is not None
    return [int(i) for i in inputs.ids[0]]


def _made(model: Model, rows: Sequence[Sequence[int]], begins: Sequence[int]) -> TokenRows:
    for i, (row, begin) in enumerate(zip(rows, begins, strict=True)):
        if len(row) <= begin:
            raise InputError(f"row {i} has {len(row)} tokens, so there is none to foretell: give rows of two tokens or more")
        if model.context and len(row) > model.context:
            raise InputError(f"row {i} has {len(row)} tokens and the model's context is {model.context}: cut your documents into shorter rows first")
    return TokenRows(model, rows, begins)
