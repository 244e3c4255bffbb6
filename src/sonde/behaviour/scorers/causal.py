"""A causal language model as a scorer: log p(t_i | t_1 ... t_{i-1}), after a token that begins the text where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sonde.access import Model, Tokenizer, log_likelihoods
from sonde.behaviour.reading import causal_tokenizer
from sonde.behaviour.scorers.scorer import Span, unread
from sonde.nn import permuted
from sonde.results import InputError, content_hash, shown

Bos = bool | Literal["eos"] | None


@dataclass(frozen=True)
class CausalScorer:
    """A model that reads from left to right.

    Arguments:
        model: with its tokenizer.
        bos: whether the beginning-of-sequence token comes first: `None` where the tokenizer has one; "eos" puts the end-of-sequence token there.
        batch_size: rows per pass.

    Raises:
        InputError: a model that is no causal language model; a token asked for that the tokenizer has not.
    """

    model: Model
    bos: Bos = None
    batch_size: int | Literal["auto"] = "auto"
    kind: str = field(default="transformer", init=False)
    after: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        tokenizer = self._tokenizer
        if self.bos not in (True, False, None, "eos"):
            raise InputError(f"bos={shown(self.bos)}: use True, False, 'eos', or None for the tokenizer's own token where it has one")
        if self.bos is True and tokenizer.bos_id is None:
            raise InputError(f"bos=True, but the tokenizer of {self.name} has no beginning-of-sequence token: use bos='eos' or bos=False")
        if self.bos == "eos" and tokenizer.eos_id is None:
            raise InputError(f"bos='eos', but the tokenizer of {self.name} has no end-of-sequence token: use bos=False")

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def hash(self) -> str:
        """Of the model and of what stands before a text."""
        return content_hash([self.model.hash, self._first])

    @property
    def before(self) -> int:
        """One where a special token comes first."""
        return len(self._first)

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands before a text."""
        if self._first:
            return (f"{self.name}: special token {self._tokenizer.strings(self._first)[0]!r} put before each text, so the first token counts",)
        return (f"{self.name}: nothing stands before a text's first token, so it has no probability and counts in no score; bos='eos' may help",)

    @property
    def _tokenizer(self) -> Tokenizer:
        if self.model.architecture.family == "module" and self.model.tokenizer is not None:
            return self.model.tokenizer  # that it reads from left to right shows when it is run
        return causal_tokenizer(self.model)

    @property
    def _first(self) -> list[int]:
        asked = self._tokenizer.eos_id if self.bos == "eos" else None if self.bos is False else self._tokenizer.bos_id
        return [] if asked is None else [asked]

    def rows(self, texts: Sequence[str]) -> list[list[int] | InputError]:
        """Each text's tokens, or why it can't be read."""
        found: list[list[int] | InputError] = []
        for text, ids in zip(texts, self._tokenizer.encode_all(texts), strict=True):
            row = ids if isinstance(ids, InputError) else [*self._first, *ids]
            if not isinstance(row, InputError) and self.model.context and len(row) > self.model.context:
                row = InputError(f"{shown(text, 40)} has {len(row)} tokens and the context of {self.name} is {self.model.context}: shorten it")
            found.append(unread(text) or row)
        return found

    def spans(self, text: str) -> list[Span]:
        """Where each token stands in the text."""
        return [span for span in self._tokenizer.located(text, bos=False) if span is not None]

    def score(self, rows: Sequence[Sequence[int]], progress: bool = False) -> list[list[float]]:
        """The log-probability of each token; NaN for a row's first."""
        return log_likelihoods(self.model, rows, self.batch_size, progress)

    def unknown(self, rows: Sequence[Sequence[int]]) -> int:
        """How many tokens stand for words that the vocabulary lacks."""
        return 0 if self._tokenizer.unknown_id is None else sum(row.count(self._tokenizer.unknown_id) for row in rows)

    def control(self, seed: int) -> "CausalScorer":
        """The same network with the entries of its weights in random order."""
        broken = Model(permuted(self.model.module, seed), self.model.tokenizer, f"{self.name}, weights permuted", self.model.processor)
        return CausalScorer(broken, self.bos, self.batch_size)
