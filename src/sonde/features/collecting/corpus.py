"""What a database is collected over: sequences of tokens, or items that are no text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sonde.access import Model
from sonde.jobs import by_length
from sonde.results import InputError, SondeError, content_hash, shown

CONTEXT = 128
TOKENS_PER_PASS = 4096


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sequences, numbered in the order in which they were given.

    Arguments:
        rows: of each sequence its token ids; of each item the tensor that the model is given.
        left_out: ids of tokens that are not counted, such as the one that begins a text.
        texts: whether these are tokens.
        notes: what was decided, cut into pieces, or could not be read.
    """

    rows: tuple[Tensor, ...]
    left_out: frozenset[int]
    texts: bool
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(model: Model, given: Any, context: int | None = None, leave_out: Iterable[int] | None = None) -> "Corpus":
        """Read what the user gave.

        Arguments:
            model: its tokenizer reads texts.
            given: texts; token ids by row, or as a tensor (sequence pos); a corpus of the store; a tensor of items (item ...) for models that read
                no tokens.
            context: the longest sequence that texts make; longer ones become several. 128 by default, or the model's own limit where it is less.
            leave_out: ids of tokens that are not counted; by default those that stand for no text.

        Raises:
            InputError: nothing to collect over, or what is no sequence.
        """
        if isinstance(given, str) or not (isinstance(given, Tensor | Iterable) or hasattr(given, "sequences")):
            raise InputError(f"corpus={shown(given, 60)} is no corpus: give a list of texts, token ids by row, or a tensor of items")
        if isinstance(given, Tensor) and given.is_floating_point():
            return Corpus(tuple(given), frozenset(), texts=False)
        if hasattr(given, "sequences"):  # a corpus of the store: its first epoch
            told, given = given, [sequence.tokens for sequence in given.sequences(given.beginning(0))]
            return replace(Corpus.of(model, given, context, leave_out), notes=tuple(told.notes))
        special = () if model.tokenizer is None else model.tokenizer.special
        left_out = frozenset(special if leave_out is None else leave_out)
        limit = min(context or CONTEXT, model.context or context or CONTEXT)
        rows, notes = _rows(model, list(given), limit)
        if not rows:
            raise InputError("the corpus is empty: give at least one text, or one row of token ids" + "".join(f"; {note}" for note in notes))
        return Corpus(tuple(rows), left_out, texts=True, notes=tuple(notes))

    @property
    def hash(self) -> str:
        """A content hash."""
        return content_hash([self.rows, sorted(self.left_out)])

    def passes(self) -> Iterator[list[int]]:
        """Numbers of sequences that are run together: those of like length."""
        if not self.texts:
            size = max(1, TOKENS_PER_PASS // 64)
            yield from (list(range(start, min(start + size, len(self.rows)))) for start in range(0, len(self.rows), size))
            return
        yield from by_length([len(row) for row in self.rows], TOKENS_PER_PASS)

    def inputs(self, numbers: Sequence[int]) -> Any:
        """What the model is given for some sequences."""
        chosen = [self.rows[i] for i in numbers]
        return [row.tolist() for row in chosen] if self.texts else torch.stack(chosen)


def _rows(model: Model, given: list[Any], limit: int) -> tuple[list[Tensor], list[str]]:
    """Token ids by row, and what is to be said about them; a bad sequence is named and left out."""
    rows: list[Tensor] = []
    troubles: Counter[str] = Counter()
    cut = 0
    for i, one in enumerate(given):
        try:
            pieces = _of_text(model, one, limit) if isinstance(one, str) else [_of_ids(model, one)]
        except SondeError as error:
            troubles[str(error) if len(troubles) < 3 else "others like these"] += 1
            if i == 0 and len(given) == 1:
                raise
            continue
        cut += len(pieces) > 1
        rows += pieces
    notes = [f"{n} sequences left out: {text}" for text, n in troubles.items()]
    if cut:
        notes.append(f"{cut} texts longer than {limit} tokens were taken in pieces, each beginning as a text does")
    return rows, notes


def _of_text(model: Model, text: str, limit: int) -> list[Tensor]:
    if model.tokenizer is None:
        raise InputError(f"{model.name} was loaded without a tokenizer: give token ids, or load it with tokenizer=")
    ids = model.tokenizer.encode(text)
    own = model.tokenizer.encode(text, bos=False)
    begin = ids[:1] if ids != own and ids[:1] != own[:1] else []
    if not own:
        raise InputError("a text without a token")
    if len(ids) <= limit:
        return [torch.tensor(ids, dtype=torch.int32)]
    step = limit - len(begin)
    return [torch.tensor([*begin, *own[start : start + step]], dtype=torch.int32) for start in range(0, len(own), step)]


def _of_ids(model: Model, row: Any) -> Tensor:
    ids = torch.as_tensor(row)
    if ids.ndim != 1 or not len(ids) or ids.is_floating_point():
        raise InputError(f"{shown(row, 40)} is no sequence: give a text or a row of token ids")
    if model.context and len(ids) > model.context:
        raise InputError(f"a row of {len(ids)} tokens, and the model's context is {model.context}: cut it")
    if model.architecture.d_vocab and not 0 <= int(ids.min()) <= int(ids.max()) < model.architecture.d_vocab:
        raise InputError(f"a row with token {int(ids.max())}, and the vocabulary has {model.architecture.d_vocab}")
    return ids.to(torch.int32)
