"""From documents to the sequences of tokens that a model reads: a seeded order, packed into contexts, each with the place where the next one begins.

Nothing is cut off: a document that is longer than a context goes on in the next one, and the last context of an epoch may be short. A sequence
depends on its place alone (epoch, number of the sequence, document in the epoch's order, how many tokens of it are done): so reading goes on exactly.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from torch import Tensor

from sonde.access import Model, Tokenizer
from sonde.dictionaries.store.documents import Document, Documents, Listed, Stream, opened, tokens
from sonde.dictionaries.store.source import State
from sonde.dictionaries.store.stream import Place, permutation
from sonde.results import InputError, content_hash, shown

Bos = Literal["both", "document", "context", "none"]
LENGTH = 128
"""Tokens of a context, where none are asked for and the model has as many."""
AHEAD = 64
"""Documents that are made tokens of at a time."""

TOLD: dict[str, str] = {
    "both": "{} before every context and every document",
    "document": "{} before every document",
    "context": "{} before every context, none between documents",
    "none": "no special token put before contexts or documents",
}


class Sequenced(NamedTuple):
    """One sequence: its tokens (or the one input of another module), and where the next one begins."""

    tokens: Any
    after: Place


class Corpus:
    """Documents as sequences of tokens.

    Arguments:
        documents: by number, or a stream.
        tokenizer: for texts.
        length: tokens of a context, the special one included.
        bos: where the beginning-of-sequence token is put (of a tokenizer without one, the end-of-sequence token): before every document, every
            context, both or none.
        packed: whether a context goes on with the next document where one ends; else each document begins a context of its own.
        shuffled: another order of documents in every epoch; a stream keeps its own.
        seed: of the order.
        d_vocab: the model's vocabulary, beyond which there are no ids; 0 where it is not known.

    Raises:
        InputError: a length below 2; a special token that the tokenizer has not.
    """

    def __init__(
        self, documents: Documents | Stream, tokenizer: Tokenizer | None, length: int, bos: Bos = "both", packed: bool = True, shuffled: bool = True,
        seed: int = 0, d_vocab: int = 0,
    ):  # fmt: skip
        if not isinstance(length, int) or length < 2:
            raise InputError(f"length={shown(length)}: a context has 2 tokens or more")
        if bos not in TOLD:
            raise InputError(f"bos={shown(bos)}: use {', '.join(map(repr, TOLD))}")
        self.documents, self.tokenizer, self.length, self.bos, self.packed, self.seed = documents, tokenizer, length, bos, packed, seed
        self.d_vocab = d_vocab
        self.shuffled = shuffled and not isinstance(documents, Stream)
        self._first = _first(tokenizer) if bos != "none" else None
        self._misread: dict[str, None] = {}  # what was wrong, in order

    @cached_property
    def identity(self) -> State:
        """What must be the same for the same sequences."""
        words = None if self.tokenizer is None else content_hash(sorted(self.tokenizer.backend.get_vocab().items()))
        return {
            "documents": self.documents.hash, "tokenizer": words, "length": self.length, "bos": self.bos, "packed": self.packed,
            "order": self.seed if self.shuffled else None,
        }  # fmt: skip

    @property
    def notes(self) -> tuple[str, ...]:
        """How the sequences are made, and which documents were left out so far."""
        token = "" if self._first is None or self.tokenizer is None else repr(self.tokenizer.strings([self._first])[0])
        joined = "packed: one document follows another" if self.packed else "every document in contexts of its own"
        notes = [f"contexts of {self.length} tokens, {joined}; {TOLD[self.bos].format(token)}"]
        if isinstance(self.documents, Stream):
            notes.append("a stream keeps its own order: only the mixing buffer shuffles it")
        if self._misread:
            notes.append(f"{len(self._misread)} documents could not be read and were left out, the first: {next(iter(self._misread))}")
        return tuple(notes)

    @property
    def sample(self) -> list[list[int]]:
        """An input from which the sizes of activations are seen; a stream is not touched for that."""
        return [[0, 0]]

    def beginning(self, epoch: int) -> Place:
        """The place where an epoch begins."""
        return (epoch, 0, 0, 0)

    def sequences(self, place: Place) -> Iterator[Sequenced]:
        """The sequences of one epoch, from a place on."""
        epoch, number, begun, done = place
        row: list[int] = []
        for at, ids in self._encoded(epoch, begun):
            offset = done if at == begun else 0
            while offset < len(ids):
                row += self._special(row, offset)
                taken = ids[offset : offset + self.length - len(row)]
                row, offset = row + taken, offset + len(taken)
                ended = offset == len(ids)
                if len(row) == self.length or (ended and not self.packed):
                    number += 1
                    yield Sequenced(row, (epoch, number, at + 1, 0) if ended else (epoch, number, at, offset))
                    row = []
            last = at
        if row:
            yield Sequenced(row, (epoch, number + 1, last + 1, 0))

    def _special(self, row: list[int], offset: int) -> list[int]:
        """The token that comes before what is put into a row now, if one does."""
        if self._first is None:
            return []
        opens, begins = not row and self.bos in ("both", "context"), offset == 0 and self.bos in ("both", "document")
        return [self._first] if opens or begins else []

    def _encoded(self, epoch: int, begun: int) -> Iterator[tuple[int, list[int]]]:
        """Each document's place in the order with its tokens; those that can't be read are left out and told."""
        found = self._read(epoch, begun)
        while group := list(islice(found, AHEAD)):
            texts = [document for _, document in group if isinstance(document, str)]
            if texts and self.tokenizer is None:
                raise InputError(
                    "these documents are texts, and the model was loaded without a tokenizer: give token ids, or load it with tokenizer="
                )
            encoded = iter(self.tokenizer.encode_all(texts) if self.tokenizer is not None and texts else [])
            for at, document in group:
                ids = self._within(next(encoded) if isinstance(document, str) else document)
                if isinstance(ids, InputError):
                    self._misread[str(ids)] = None
                else:
                    yield at, ids

    def _within(self, ids: list[int] | InputError) -> list[int] | InputError:
        """A document's tokens, or what is wrong with them."""
        if isinstance(ids, InputError) or not ids or (min(ids) >= 0 and (not self.d_vocab or max(ids) < self.d_vocab)):
            return ids
        wrong = min(ids) if min(ids) < 0 else max(ids)
        return InputError(f"a document holds token {wrong}, and the model's vocabulary has {self.d_vocab or 'no negative ones'}: {shown(ids, 60)}")

    def _read(self, epoch: int, begun: int) -> Iterator[tuple[int, Document]]:
        """Each document's place in the order with what it is."""
        if isinstance(self.documents, Stream):
            yield from enumerate(self.documents.after(begun), begun)
            return
        n = len(self.documents)
        order = permutation(n, "documents", self.seed, epoch).tolist() if self.shuffled else range(n)
        for at in range(begun, n):
            yield at, self.documents[order[at]]


def corpus(
    given: Any, model: Model | None = None, length: int | None = None, field: str = "text", separator: str | None = None, bos: Bos | None = None,
    packed: bool | None = None, shuffled: bool = True, seed: int = 0,
) -> Corpus:  # fmt: skip
    """Sequences of tokens from whatever holds text or tokens.

    Arguments:
        given: a file or several (a glob, `Path`s): text, JSON lines, Parquet, arrays of token ids; a list of texts, of rows of ids, of records, of
            documents of the small world; a tensor or an array of ids; a data set; any iterable of records. A `Corpus` is given back as it is.
        model: whose tokenizer reads texts, and whose context bounds the length.
        length: tokens of a context; by default 128, or the model's whole context where that is shorter.
        field: where a record has its text; a Parquet column; the name of a tensor.
        separator: what stands between the documents of a text file, such as "<|endoftext|>"; by default a file is one document.
        bos: where the beginning-of-sequence token is put: "both", "document", "context" or "none". By default "both"; "document" where the tokenizer
            only knows an end-of-sequence token, which then takes its place; "none" for arrays of ids, which are taken as they are.
        packed: whether a context goes on with the next document; by default yes, and no for arrays of ids.
        shuffled: another order of documents in every epoch.
        seed: of the order.

    Raises:
        InputError: what is no corpus; texts for a tokenizer that puts special tokens behind them, too, where `bos` is not said.
        LoadError: a file that can't be read.

    >>> words = corpus([[5, 6, 7], [8, 9]], length=4, shuffled=False)
    >>> [sequence.tokens for sequence in words.sequences(words.beginning(0))]
    [[5, 6, 7, 8], [9]]
    """
    if isinstance(given, Corpus):
        return given
    n_ctx = model.architecture.n_ctx if model is not None else 0
    length = min(LENGTH, n_ctx or LENGTH) if length is None else length
    if n_ctx and isinstance(length, int) and length > n_ctx:
        raise InputError(f"length={length} is beyond the model's context of {n_ctx}: give length={n_ctx} or less")
    tokenizer = None if model is None else model.tokenizer
    found, as_it_is = _documents(given, field, separator, length)
    if bos is None:
        _refuse_surrounded(tokenizer if not as_it_is else None)
        if as_it_is or tokenizer is None or (tokenizer.bos_id is None and tokenizer.eos_id is None):
            bos = "none"
        else:
            bos = "document" if tokenizer.bos_id is None else "both"
    d_vocab = model.architecture.d_vocab if model is not None else 0
    return Corpus(found, tokenizer, length, bos, not as_it_is if packed is None else packed, shuffled, seed, d_vocab)


def _documents(given: Any, field: str, separator: str | None, length: int) -> tuple[Documents | Stream, bool]:
    """The documents, and whether they are contexts already."""
    if isinstance(given, str | Path):
        given = [Path(path) for path in sorted(glob(str(given)))] or [Path(given)]
    if isinstance(given, Sequence) and given and all(isinstance(one, Path) for one in given):
        found = opened(given, field, separator, length)
        return found, given[0].suffix.lower() in (".npy", ".safetensors")
    if isinstance(given, Tensor | np.ndarray):
        return tokens(given, length), True
    if hasattr(given, "__len__") and hasattr(given, "__getitem__") and not isinstance(given, dict | bytes):
        return Listed(given, field), False
    if isinstance(given, Iterable) and not isinstance(given, dict | bytes):
        return Stream(given, field), False
    raise InputError(f"{shown(given)} is no corpus: give files, a list of texts, token ids, records with a field of text, or an iterable of these")


def _refuse_surrounded(tokenizer: Tokenizer | None) -> None:
    """Refuse to decide how texts are packed where the model expects special tokens behind them, too, as encoders do."""
    if tokenizer is None:
        return
    try:
        whole, own = tokenizer.encode("a"), tokenizer.encode("a", bos=False)
    except InputError:  # a vocabulary without the letter
        return
    if whole[-len(own) :] != own:
        around = ", ".join(map(repr, tokenizer.strings([i for i in whole if i not in own])))
        told = f"this tokenizer puts special tokens around a text ({around}), which contexts would lack"
        raise InputError(f"{told}: give rows of token ids that have them, or say bos='none'")


def _first(tokenizer: Tokenizer | None) -> int:
    """The token that begins a sequence."""
    found = None if tokenizer is None else tokenizer.eos_id if tokenizer.bos_id is None else tokenizer.bos_id
    if found is None:
        raise InputError("there is no token that begins a sequence here: say bos='none'")
    return found
