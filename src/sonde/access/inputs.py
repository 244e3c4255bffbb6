"""What a forward is given: texts, token ids or tensors, made into one padded batch.

Nothing is cut: a row beyond the context is refused. Padding is on the right, where no token of a causal model can see it, and the mask says
which columns are real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sonde.access.architectures import Architecture
from sonde.access.selection import Rows
from sonde.access.tokens import Tokenizer
from sonde.results import InputError

# texts, token ids by row, ids as a tensor (batch pos), or for other modules a tensor or the arguments by name
Given = str | Sequence[str] | Sequence[Sequence[int]] | Tensor | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Inputs:
    """One batch, ready for a forward.

    Arguments:
        args, kwargs: what the module is called with.
        batch: number of rows.
        ids: token ids, batch pos; `None` for inputs that are no token sequences.
        mask: true at real tokens, batch pos; `None` likewise.
        notes: what was decided on the way.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    batch: int
    ids: Tensor | None = None
    mask: Tensor | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> Rows | None:
        """Where each row's tokens lie."""
        if self.mask is None:
            return None
        starts = self.mask.int().argmax(1).tolist()
        return Rows(tuple(starts), tuple(self.mask.sum(1).tolist()))

    def repeat(self, times: int) -> "Inputs":
        """The whole batch, `times` over, stacked along the rows."""

        def again(value: Any) -> Any:
            return torch.cat([value] * times) if isinstance(value, Tensor) and value.ndim and value.shape[0] == self.batch else value

        return Inputs(
            tuple(again(a) for a in self.args), {k: again(v) for k, v in self.kwargs.items()}, self.batch * times,
            again(self.ids), again(self.mask), self.notes,
        )  # fmt: skip


def prepare(given: Given, architecture: Architecture, tokenizer: Tokenizer | None, device: torch.device, bos: bool | None = None) -> Inputs:
    """Make one padded batch of what the user gave; raises `InputError` for what does not fit the model."""
    if architecture.family == "module":
        return _plain(given, device)
    rows, notes = _token_rows(given, tokenizer, bos)
    if not rows:
        raise InputError("no input: give at least one prompt")
    lengths = [len(row) for row in rows]
    for i, length in enumerate(lengths):
        if length == 0:
            raise InputError("the prompt is empty: give at least one token" if len(rows) == 1 else f"row {i} is empty: give at least one token")
        if architecture.n_ctx and length > architecture.n_ctx:
            where = "the prompt" if len(rows) == 1 else f"row {i}"
            raise InputError(f"{where} has {length} tokens and the model's context is {architecture.n_ctx}: shorten it (sonde never cuts a prompt)")
        if architecture.d_vocab and not 0 <= min(rows[i]) <= max(rows[i]) < architecture.d_vocab:
            raise InputError(
                f"row {i} holds token {max(rows[i], key=abs)}, and the model's vocabulary has {architecture.d_vocab} (0 to {architecture.d_vocab - 1})"
            )
    longest = max(lengths)
    pad = 0 if tokenizer is None or tokenizer.pad_id is None else tokenizer.pad_id
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
    mask = torch.arange(longest, device=device)[None, :] < torch.tensor(lengths, device=device)[:, None]
    kwargs: dict[str, Any] = {}
    if min(lengths) < longest:
        kwargs["attention_mask"] = mask.long()
        notes = (*notes, f"rows of {min(lengths)} to {longest} tokens, padded on the right and masked")
    return Inputs((ids,), kwargs, len(rows), ids, mask, notes)


def _token_rows(given: Given, tokenizer: Tokenizer | None, bos: bool | None) -> tuple[list[list[int]], tuple[str, ...]]:
    if isinstance(given, Tensor):
        if given.is_floating_point() or given.ndim not in (1, 2):
            raise InputError(f"token ids must be whole numbers, (pos) or (batch pos); got {given.dtype} {tuple(given.shape)}")
        return torch.atleast_2d(given).tolist(), ()
    if isinstance(given, Mapping):
        raise InputError("a language model takes texts or token ids here; pass them directly, not by name")
    texts = [given] if isinstance(given, str) else list(given)
    if not texts or not isinstance(texts[0], str):
        rows = [texts] if texts and isinstance(texts[0], int) else texts
        return [[int(i) for i in row] for row in rows], ()  # type: ignore[union-attr]
    if tokenizer is None:
        raise InputError("this model was loaded without a tokenizer: pass token ids, or load it with tokenizer=")
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"texts and other inputs are mixed: {text!r} is no text")
        if not text.strip():
            raise InputError(f"the prompt {text!r} is empty: give at least one word")
    rows = [tokenizer.encode(text, bos) for text in texts]
    added = tokenizer.bos_id is not None and rows[0][:1] == [tokenizer.bos_id]
    name = tokenizer.strings([tokenizer.bos_id])[0] if added and tokenizer.bos_id is not None else ""
    return rows, ((f"special token {name!r} put before the text ({'asked for' if bos else 'the default of the tokenizer'})",) if added else ())


def _plain(given: Given, device: torch.device) -> Inputs:
    """Inputs of a module that is no known language model: a tensor, several by name, or token ids as lists."""
    if isinstance(given, Mapping):
        kwargs = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in given.items()}
        batch = next((v.shape[0] for v in kwargs.values() if isinstance(v, Tensor) and v.ndim), 1)
        return Inputs((), kwargs, batch)
    if isinstance(given, Tensor):
        return Inputs((given.to(device),), {}, given.shape[0] if given.ndim else 1)
    raise InputError(f"this module takes tensors, directly or by name in a dictionary; got {type(given).__name__}")
