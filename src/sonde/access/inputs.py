"""What a forward is given: texts, token ids or tensors, made into one padded batch.

Nothing is cut: a row beyond the context is refused. Padding is on the right, where no token of a causal model can see it, and the mask says
which columns are real; whatever padding a user brings is taken off first.
"""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from sonde.access.architectures import Architecture
from sonde.access.images import IMAGES, named, pixels
from sonde.access.selection import Rows, rows_of
from sonde.access.sites import Site, Span
from sonde.access.tokens import Tokenizer
from sonde.results import InputError, shown

# texts, token ids by row, ids as a tensor (batch pos), or by name ids with their mask; for other modules their arguments, in order or by name
Given = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | Tensor | tuple[Tensor, ...] | Mapping[str, Any]

# for each name where it is in each row: positions, or a text that stands there once; a text by itself stands in every row
Spans = Mapping[str, str | Sequence[str | Sequence[int]]]


@dataclass(frozen=True, eq=False)
class Inputs:
    """One batch, ready for a forward.

    Arguments:
        args, kwargs: what the module is called with.
        batch: number of rows.
        ids: token ids, batch pos; `None` for inputs that are no token sequences.
        mask: true at real tokens, batch pos; `None` likewise.
        tokens: the text of each row's real tokens; empty without a tokenizer.
        notes: what was decided on the way.
        spans: named positions: a name to the positions in each row.
        cached: how many columns at the beginning are not computed again, because their keys and values are kept.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    batch: int
    ids: Tensor | None = None
    mask: Tensor | None = None
    tokens: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    spans: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    cached: int = 0

    @functools.cached_property
    def rows(self) -> Rows | None:
        """Where each row's tokens lie."""
        if self.mask is None:
            return None
        return replace(rows_of(self.mask, self.tokens), ids=self.ids, spans=self.spans, cached=self.cached)

    def repeat(self, times: int) -> "Inputs":
        """The whole batch, `times` over, stacked along the rows."""

        def again(value: Any) -> Any:
            return torch.cat([value] * times) if isinstance(value, Tensor) and value.ndim and value.shape[0] == self.batch else value

        return Inputs(
            tuple(again(a) for a in self.args), {k: again(v) for k, v in self.kwargs.items()}, self.batch * times,
            again(self.ids), again(self.mask), self.tokens * times, self.notes, {name: rows * times for name, rows in self.spans.items()},
        )  # fmt: skip

    def fresh(self) -> "Inputs":
        """The same batch in tensors of its own: a module that overwrites its inputs must not reach the user's, or those of the next forward."""

        def copied(value: Any) -> Any:
            return value.clone() if isinstance(value, Tensor) else value

        return replace(self, args=tuple(map(copied, self.args)), kwargs={name: copied(value) for name, value in self.kwargs.items()})


def prepare(
    given: Given, architecture: Architecture, tokenizer: Tokenizer | None, device: torch.device, bos: bool | None = None, processor: Any = None
) -> Inputs:
    """Make one padded batch of what the user gave.

    Arguments:
        given: texts, token ids by row, ids as a tensor (batch pos), `{"input_ids": ..., "attention_mask": ...}`; images; both, by name; tensors for
            other modules.
        architecture: of the model.
        tokenizer: for texts.
        device: of the model.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does. For texts only.
        processor: for images that are no tensors.

    Raises:
        InputError: what does not fit the model.
    """
    if bos not in (True, False, None):
        raise InputError(f"bos={shown(bos)}: use True, False, or None for the tokenizer's default")
    if bos is not None and not _holds_texts(given):
        raise InputError(f"bos={bos} speaks of texts, and these inputs are taken as they are; put the token into them, or leave bos out")
    if architecture.family == "module" or _arguments(given, architecture):
        return _plain(given, device)
    if architecture.images is None:
        return _tokens(given, architecture, tokenizer, device, bos)
    if architecture.d_vocab:
        return _images_and_texts(given, architecture, tokenizer, device, processor)
    others = {name: value for name, value in given.items() if name not in IMAGES} if isinstance(given, Mapping) else {}
    values, notes = pixels(named(given) if isinstance(given, Mapping) else given, architecture.images, processor, device)
    return Inputs((values,), others, values.shape[0], notes=notes)


def _arguments(given: Given, architecture: Architecture) -> bool:
    """Whether these are a module's own arguments, where no vocabulary says what it takes."""
    return not architecture.sites and isinstance(given, Mapping) and not set(given) <= {"input_ids", "attention_mask"}


def _images_and_texts(given: Given, architecture: Architecture, tokenizer: Tokenizer | None, device: torch.device, processor: Any) -> Inputs:
    """Inputs of two towers. The rows of the batch are the images; the texts may be fewer or more."""
    assert architecture.images is not None
    images, texts = (named(given), {k: v for k, v in given.items() if k not in IMAGES}) if isinstance(given, Mapping) else (None, {})
    if images is None or not texts:
        raise InputError("this model compares images with texts: give both by name, as in {'images': ..., 'text': ...}")
    values, notes = pixels(images, architecture.images, processor, device)
    tokens = _tokens(texts["text"] if set(texts) == {"text"} else texts, architecture, tokenizer, device, None)
    kwargs = {"input_ids": tokens.ids, "pixel_values": values, **tokens.kwargs}
    return Inputs((), kwargs, values.shape[0], tokens.ids, tokens.mask, tokens.tokens, (*notes, *tokens.notes))


def _tokens(given: Given, architecture: Architecture, tokenizer: Tokenizer | None, device: torch.device, bos: bool | None) -> Inputs:
    """Rows of tokens, padded on the right and masked."""
    given, segments = _segments(given, architecture)
    rows, notes = _token_rows(given, tokenizer, bos)
    pad = 0 if tokenizer is None or tokenizer.pad_id is None else tokenizer.pad_id
    if architecture.fills_rows:
        rows, notes = _filled(rows, notes, architecture, _holds_texts(given), pad)
    _refuse_rows(rows, architecture)
    lengths = [len(row) for row in rows]
    longest = max(lengths)
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
    mask = torch.arange(longest, device=device)[None, :] < torch.tensor(lengths, device=device)[:, None]
    kwargs: dict[str, Any] = {}
    if segments is not None:
        kwargs["token_type_ids"] = torch.tensor([row + [0] * (longest - len(row)) for row in segments], device=device)
    if min(lengths) < longest:
        kwargs["attention_mask"] = mask.long()
        notes = (*notes, f"rows of {min(lengths)} to {longest} tokens, padded on the right and masked")
    tokens = () if tokenizer is None else tuple(tuple(tokenizer.strings(row)) for row in rows)
    return Inputs((ids,), kwargs, len(rows), ids, mask, tokens, notes)


def _segments(given: Given, architecture: Architecture) -> tuple[Given, list[list[int]] | None]:
    """The inputs without the segments that a tokenizer put beside them, and those, without padding, where the model tells segments apart."""
    if not isinstance(given, Mapping) or "token_type_ids" not in given or "type_embed" not in architecture.sites:
        return given, None
    others = {name: value for name, value in given.items() if name != "token_type_ids"}
    segments = given["token_type_ids"]
    if not isinstance(segments, Tensor) or not isinstance(given.get("input_ids"), Tensor) or segments.shape != given["input_ids"].shape:
        raise InputError(f"token_type_ids must be a whole number for every token id; got {shown(segments)}")
    return others, _unpadded({**others, "input_ids": segments})[0]


def with_spans(inputs: Inputs, spans: Spans) -> Inputs:
    """The same batch, its named positions known.

    Arguments:
        inputs: of tokens.
        spans: for each name, the positions in each row, counted in its real tokens, or a text that stands there once.

    Raises:
        InputError: positions that a row has not, a text that stands there not at all or more than once, more or fewer entries than rows.
    """
    rows = inputs.rows
    if spans and rows is None:
        raise InputError(f"spans={', '.join(map(repr, spans))} name positions of tokens, and these inputs are none; leave spans out")
    assert rows is not None or not spans
    known = {}
    for name, entries in spans.items():
        site, count = Site("spans").at(pos=Span(name)), len(rows.lengths) if rows else 0
        by_row = [entries] * count if isinstance(entries, str) else list(entries)
        if len(by_row) != count:
            raise InputError(f"the span {name!r} has {len(by_row)} entries for {count} rows; give one for each row")
        known[name] = tuple(_positions(rows, row, entry, site) for row, entry in enumerate(by_row) if rows)
    return replace(inputs, spans=known)


def _positions(rows: Rows, row: int, entry: str | Sequence[int], site: Site) -> tuple[int, ...]:
    """Where a span is in one row."""
    if not isinstance(entry, str):
        positions = tuple(column - rows.starts[row] for column in rows.columns(row, tuple(_whole(entry)), site))
        if len(set(positions)) < len(positions):
            raise InputError(f"{site}: {tuple(entry)} names a position twice in row {row}")
        return positions
    if not rows.tokens:
        raise InputError(f"{site}: without a tokenizer {entry!r} can't be found; give the positions as numbers")
    places = rows.places(row, entry)
    if len(places) != 1:
        found = f"{len(places)} times, at {', '.join(str(place[0]) for place in places)}" if places else "nowhere"
        raise InputError(f"{site}: {entry!r} stands in row {row} {found}; give the positions as numbers")
    return tuple(places[0])


def _filled(
    rows: list[list[int]], notes: tuple[str, ...], architecture: Architecture, texts: bool, pad: int
) -> tuple[list[list[int]], tuple[str, ...]]:  # fmt: skip
    """Rows for a model that reads its last column, whatever it holds: texts are filled up with padding, as its own processor does."""
    if texts:
        filled = [row + [pad] * (architecture.n_ctx - len(row)) for row in rows]
        return filled, (*notes, f"texts filled up to {architecture.n_ctx} tokens: this family reads padding as tokens")
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"this model reads its last column: give rows of one length, filled up to {architecture.n_ctx} as its processor does")
    return rows, notes


def _holds_texts(given: Given) -> bool:
    return isinstance(given, str) or (isinstance(given, Sequence) and any(isinstance(text, str) for text in given))


def _refuse_rows(rows: Sequence[Sequence[int]], architecture: Architecture) -> None:
    if not rows:
        raise InputError("no input: give at least one prompt")
    for i, row in enumerate(rows):
        name = "the prompt" if len(rows) == 1 else f"row {i}"
        if not row:
            raise InputError(f"{name} is empty: give at least one token")
        if architecture.n_ctx and len(row) > architecture.n_ctx:
            raise InputError(f"{name} has {len(row)} tokens and the model's context is {architecture.n_ctx}: shorten it (sonde never cuts a prompt)")
        unknown = [token for token in (min(row), max(row)) if architecture.d_vocab and not 0 <= token < architecture.d_vocab]
        if unknown:
            raise InputError(
                f"{name} holds token {unknown[0]}, and the model's vocabulary has {architecture.d_vocab} (0 to {architecture.d_vocab - 1})"
            )


def _token_rows(given: Given, tokenizer: Tokenizer | None, bos: bool | None) -> tuple[list[list[int]], tuple[str, ...]]:
    if isinstance(given, Tensor):
        return _ids(given).tolist(), ()
    if isinstance(given, Mapping):
        return _unpadded(given)
    if isinstance(given, bytes | bytearray | Set) or not isinstance(given, Iterable):
        raise InputError(f"{shown(given)} is no input: give a text, several texts, token ids by row, or ids as a tensor (batch pos)")
    if _holds_texts(given):
        return _texts([given] if isinstance(given, str) else given, tokenizer, bos)
    rows: Iterable[Any] = [given] if is_one(given) else given
    return [_whole(row) for row in rows], ()


def is_one(given: Given) -> bool:
    """Whether this is one text or one row of ids, not several."""
    if isinstance(given, str) or (isinstance(given, Tensor) and given.ndim == 1):
        return True
    return isinstance(given, Sequence) and bool(given) and not isinstance(given[0], Sequence) and not getattr(given[0], "ndim", 0)


def _texts(texts: Sequence[Any], tokenizer: Tokenizer | None, bos: bool | None) -> tuple[list[list[int]], tuple[str, ...]]:
    if tokenizer is None:
        raise InputError("this model was loaded without a tokenizer: pass token ids, or load it with tokenizer=")
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"texts and other inputs are mixed: {text!r} is no text")
        if not text.strip():
            raise InputError(f"the prompt {text!r} is empty: give at least one word")
    rows = [tokenizer.encode(text, bos) for text in texts]
    return rows, _special(rows[0], tokenizer.encode(texts[0], bos=False), tokenizer, bos)


def _special(row: list[int], own: list[int], tokenizer: Tokenizer, bos: bool | None) -> tuple[str, ...]:
    """A note on the tokens that stand around the text's own."""
    asked = "the tokenizer's default" if bos is None else "asked for"
    before = next((n for n in range(len(row) - len(own) + 1) if row[n : n + len(own)] == own), None)
    if before is None or row == own:
        return (f"no special token put before the text ({asked})",) if bos is False else ()
    around = {"before": row[:before], "after": row[before + len(own) :]}
    return tuple(
        f"special token {' '.join(map(repr, tokenizer.strings(ids)))} put {where} the text ({asked})" for where, ids in around.items() if ids
    )


def _ids(given: Tensor) -> Tensor:
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool or given.ndim not in (1, 2):
        raise InputError(f"token ids must be whole numbers, (pos) or (batch pos); got {given.dtype} {tuple(given.shape)}")
    return given if given.ndim == 2 else given.unsqueeze(0)


def _whole(row: Iterable[Any]) -> list[int]:
    try:
        return [operator.index(token) for token in row]
    except TypeError:
        raise InputError(f"token ids must be whole numbers, by row; got {f'{row!r}':.80}") from None


def _unpadded(given: Mapping[str, Any]) -> tuple[list[list[int]], tuple[str, ...]]:
    """Rows of ids from `{"input_ids": ..., "attention_mask": ...}`, without the padding that the mask hides."""
    others = [name for name in given if name not in ("input_ids", "attention_mask")]
    if others or not isinstance(given.get("input_ids"), Tensor):
        raise InputError(
            f"a language model takes texts, token ids, or the tensors 'input_ids' and 'attention_mask' by name; got {', '.join(map(repr, given))}"
        )
    ids = _ids(given["input_ids"])
    mask = given.get("attention_mask")
    if mask is None:
        return ids.tolist(), ()
    wanted = f"the attention_mask must be 0 or 1 for every token id, {tuple(ids.shape)}"
    try:
        mask = torch.as_tensor(mask)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{wanted}; got {shown(mask)}") from None
    mask = mask if mask.ndim == 2 else mask.unsqueeze(0)
    if mask.shape != ids.shape or not ((mask == 0) | (mask == 1)).all():
        raise InputError(f"{wanted}; got {mask.dtype} {tuple(mask.shape)}")
    rows_of(mask.bool())  # refuses holes and empty rows
    notes = ("the padding on the left was taken off: positions count each row's real tokens",) if not bool(mask[:, 0].all()) else ()
    return [row[real].tolist() for row, real in zip(ids, mask.bool(), strict=True)], notes


def _plain(given: Given, device: torch.device) -> Inputs:
    """Inputs of a module that is no known language model: a tensor, several in a tuple, or several by name."""
    held = given if isinstance(given, Mapping | tuple) else (given,)
    values = list(held.values()) if isinstance(held, Mapping) else list(held)
    first = next((value for value in values if isinstance(value, Tensor)), None)
    if first is None or not (isinstance(held, Mapping) or all(isinstance(value, Tensor) for value in values)):
        raise InputError(
            f"this module takes tensors: one, several in a tuple as its arguments, or by name in a dictionary; got {type(given).__name__}"
        )
    values = [value.to(device) if isinstance(value, Tensor) else value for value in values]
    batch = first.shape[0] if first.ndim else 1
    if not isinstance(held, Mapping):
        return Inputs(tuple(values), {}, batch)
    kwargs = dict(zip(held, values, strict=True))
    ids, mask = kwargs.get("input_ids"), kwargs.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2:
        return Inputs((), kwargs, batch)
    rows_of(mask.bool())  # refuses holes and empty rows, in which positions would mean nothing
    return Inputs((), kwargs, batch, ids if isinstance(ids, Tensor) else None, mask.bool())
