"""The tokenizer behind a model: text to token ids and back, with the special tokens of its own default.

One face over a transformers tokenizer (models from the Hub or a folder) and a plain `tokenizers.Tokenizer` (specimens).
"""

import contextlib
import functools
import json
from collections.abc import Sequence
from typing import Any

from sonde.results import InputError, shown


class Tokenizer:
    """Text to ids and back.

    Arguments:
        backend: a `tokenizers.Tokenizer` or a transformers tokenizer.
        bos_id: the token that may stand before a text; taken from a transformers tokenizer where not given.
        pad_id: the token for padding; where there is none, padding uses id 0, which the mask hides.
        add_bos: for a plain tokenizer: whether a text gets the token `bos_id` by default.
        eos_id: the token that ends a text; taken from a transformers tokenizer where not given.
    """

    def __init__(self, backend: Any, bos_id: int | None = None, pad_id: int | None = None, add_bos: bool = False, eos_id: int | None = None):
        self._fast = hasattr(backend, "token_to_id") and not hasattr(backend, "convert_ids_to_tokens")
        if not self._fast and not hasattr(backend, "convert_ids_to_tokens"):
            raise InputError(f"{shown(backend)} is no tokenizer: give one of transformers or a tokenizers.Tokenizer")
        # a plain tokenizer may have been saved with a length at which it cuts every text in silence
        cuts = self._fast and (backend.truncation or backend.padding)
        self.backend = _uncut(backend) if cuts else backend
        self.bos_id = bos_id if self._fast or bos_id is not None else backend.bos_token_id
        self.pad_id = pad_id if self._fast or pad_id is not None else backend.pad_token_id
        self.eos_id = eos_id if self._fast or eos_id is not None else backend.eos_token_id
        self._add_bos = add_bos

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, added ones included."""
        return self.backend.get_vocab_size() if self._fast else len(self.backend)

    def encode(self, text: str, bos: bool | None = None) -> list[int]:
        """The ids of a text.

        Arguments:
            text: any text; may be empty.
            bos: put the beginning-of-sequence token before it; by default what the tokenizer itself does.

        Raises:
            InputError: `bos=True` where the tokenizer has no such token; a text with a word that the vocabulary lacks and has no substitute for.
        """
        try:
            return self._encode(text, bos)
        except InputError:
            raise
        except Exception as error:  # tokenizers raises plain Exception
            raise InputError(f"the tokenizer can't read {shown(text)} ({error}): give text of its vocabulary, or token ids") from None

    def _encode(self, text: str, bos: bool | None) -> list[int]:
        if bos is None and not self._fast:
            return list(self.backend(text).input_ids)
        if bos is None and not self._add_bos:
            return list(self.backend.encode(text).ids)
        ids = self.backend.encode(text, add_special_tokens=False)
        ids = list(ids.ids if self._fast else ids)
        if bos is False:
            return ids
        if self.bos_id is None:
            raise InputError("bos=True, but this tokenizer has no beginning-of-sequence token; leave bos out")
        return [self.bos_id, *ids]

    def encode_all(self, texts: Sequence[str]) -> list[list[int] | InputError]:
        """The ids of many texts without special tokens, read together where the tokenizer can.

        Arguments:
            texts: any number of them.

        Returns:
            For each text its ids, or the error that `encode` raises on it.
        """
        with contextlib.suppress(Exception):  # whatever is wrong with one of them is told below
            rust = self._rust
            if rust is not None and rust.truncation is None and rust.padding is None:
                return [encoding.ids for encoding in rust.encode_batch(list(texts), add_special_tokens=False)]
            return [list(ids) for ids in self.backend(list(texts), add_special_tokens=False, return_attention_mask=False).input_ids]
        return [self._or_error(text) for text in texts]

    def _or_error(self, text: str) -> list[int] | InputError:
        try:
            return self.encode(text, bos=False)
        except InputError as error:
            return error

    def located(self, text: str, bos: bool | None = None) -> list[tuple[int, int] | None]:
        """Where each token of `encode(text, bos)` stands in the text: its first character and the one after its last.

        Tokens that spell one character together, byte by byte, stand where it does. A leading space belongs to the token if it spells it.

        Arguments:
            text: any text.
            bos: as for `encode`.

        Returns:
            A span for each token; `None` for the special tokens put around the text.

        Raises:
            InputError: a tokenizer that does not know where its tokens stand.
        """
        ids = self.encode(text, bos)
        if self._fast:
            encoding = self.backend.encode(text, add_special_tokens=False)
            own, spans = encoding.ids, encoding.offsets
        elif getattr(self.backend, "is_fast", False):
            encoding = self.backend(text, add_special_tokens=False, return_offsets_mapping=True)
            own, spans = encoding.input_ids, encoding.offset_mapping
        else:
            raise InputError(f"{type(self.backend).__name__} does not tell where its tokens stand in a text: load the model's fast tokenizer")
        before = next((n for n in range(len(ids) - len(own) + 1) if ids[n : n + len(own)] == own), None)
        if before is None:
            raise InputError(f"the tokenizer cuts {shown(text)} otherwise when special tokens stand around it: leave bos out, or say bos=False")
        return [None] * before + [(int(start), int(end)) for start, end in spans] + [None] * (len(ids) - before - len(own))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence of ids; special tokens are left out."""
        return str(self.backend.decode(list(ids), skip_special_tokens=True))

    def strings(self, ids: Sequence[int]) -> list[str]:
        """The text of each token by itself, with its leading space; bytes that are no whole character come as the replacement sign."""
        spelt = self._spelt
        return [spelt[i] if i in spelt else spelt.setdefault(i, self._string(i)) for i in map(int, ids)]

    def single(self, text: str) -> int:
        """The one token that a text is, as it stands inside a sentence (`" Mary"` with its space).

        Raises:
            InputError: the text is no single token; the message shows its pieces.
        """
        ids = self.encode(text, bos=False)
        if len(ids) != 1 and text:
            # some tokenizers treat the beginning of a text specially: look at the text after another token
            before = self.encode("a", bos=False)
            after = self.encode("a" + text, bos=False)
            if after[: len(before)] == before and len(after) == len(before) + 1:
                ids = after[len(before) :]
        if len(ids) != 1:
            pieces = ", ".join(repr(piece) for piece in self.strings(ids))
            raise InputError(
                f"{text!r} is {len(ids)} tokens in this tokenizer ({pieces}); give one that is a single token, with its leading space if it has one"
            )
        if ids[0] == self.unknown_id:
            raise InputError(f"{text!r} is not in this tokenizer's vocabulary; give a token that is")
        return ids[0]

    def continues(self, ids: Sequence[int]) -> list[bool]:
        """Whether each token goes on with the word of the token before it, as its own spelling tells.

        Arguments:
            ids: of one text, in order.
        """
        style = json.loads(self._rust.to_str())["model"] if self._rust is not None else {}
        mark = style.get("continuing_subword_prefix") if style.get("type") == "WordPiece" else None
        pieces = self.strings(ids)
        if mark:
            return [piece.startswith(mark) for piece in pieces]
        return [i > 0 and not piece[:1].isspace() and self._style != "plain" for i, piece in enumerate(pieces)]

    @functools.cached_property
    def mask_id(self) -> int | None:
        """The token that stands for a hidden one; `None` where there is none."""
        own: int | None = None if self._fast else getattr(self.backend, "mask_token_id", None)
        if self._fast:
            own = next((self.backend.token_to_id(token) for token in ("[MASK]", "<mask>") if self.backend.token_to_id(token) is not None), None)
        return own

    @functools.cached_property
    def unknown_id(self) -> int | None:
        """The token that stands for every word the vocabulary lacks; `None` where there is none."""
        if not self._fast:
            own: int | None = getattr(self.backend, "unk_token_id", None)
            return own
        model = json.loads(self._rust.to_str())["model"]
        token = model.get("unk_token")
        found: int | None = model.get("unk_id") if token is None else self._rust.token_to_id(token)  # SentencePiece's unigram models have an id
        return found

    @property
    def _rust(self) -> Any:
        return self.backend if self._fast else getattr(self.backend, "backend_tokenizer", None)

    @functools.cached_property
    def _style(self) -> str:
        """How pieces spell spaces: "bytes" (GPT-2), "metaspace" (SentencePiece) or "plain"."""
        if self._rust is None:
            return "metaspace" if any("▁" in token for token in list(self.backend.get_vocab())[:2000]) else "plain"
        parts = json.loads(self._rust.to_str())
        text = json.dumps([parts.get("decoder"), parts.get("pre_tokenizer"), parts.get("normalizer")], ensure_ascii=False)
        return "bytes" if "ByteLevel" in text else "metaspace" if "▁" in text else "plain"

    @functools.cached_property
    def special(self) -> frozenset[int]:
        """The ids that stand for no text: beginning, end, padding, separators, the mask; an unknown word is text."""
        marked = {i for i, token in self._beside.items() if token.special} - {self.unknown_id}
        return frozenset(marked | {i for i in (self.bos_id, self.eos_id, self.pad_id) if i is not None})

    @property
    def _beside(self) -> dict[int, Any]:
        """Tokens that stand beside the vocabulary."""
        held: dict[int, Any] = self.backend.get_added_tokens_decoder() if self._fast else self.backend.added_tokens_decoder
        return held

    @functools.cached_property
    def _added(self) -> set[str]:
        """Their texts: they are spelt as they are."""
        return {token.content for token in self._beside.values()}

    @functools.cached_property
    def _spelt(self) -> dict[int, str]:
        """The text of the tokens met so far: the same few thousand come in every batch."""
        return {}

    def _string(self, i: int) -> str:
        piece: str | None = self.backend.id_to_token(i) if self._fast else self.backend.convert_ids_to_tokens(i)
        if piece is None:  # models round their vocabulary up
            return f"<no token {i}>"
        if piece in self._added or self._style == "plain":
            return piece
        if self._style == "bytes":
            known = _byte_of_character()
            return bytes(known[c] for c in piece).decode("utf-8", errors="replace") if known.keys() >= set(piece) else piece
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)]).decode("utf-8", errors="replace")
        return piece.replace("▁", " ")


def _uncut(backend: Any) -> Any:
    """The same tokenizer without truncation and padding; the user's own is left as it is."""
    copy = type(backend).from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


@functools.cache
def _byte_of_character() -> dict[str, int]:
    """Byte-level tokenizers write every byte as a printable character: printable Latin-1 as itself, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in set(printable)]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}
