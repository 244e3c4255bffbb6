"""A prompt and its counterfactual, token by token: what may be compared position by position, and what must be refused."""

import re
from dataclasses import dataclass

from sonde.access import Tokenizer
from sonde.results import InputError


@dataclass(frozen=True)
class Pair:
    """One example: the same number of tokens with and without what is asked about.

    Arguments:
        clean: the prompt.
        corrupt: its counterfactual.
        target: the token that is right after the prompt.
        foil: the token that it is compared with.
        clean_ids, corrupt_ids: their tokens, special ones included.
    """

    clean: str
    corrupt: str
    target: int
    foil: int
    clean_ids: tuple[int, ...]
    corrupt_ids: tuple[int, ...]

    @property
    def changed(self) -> tuple[int, ...]:
        """The positions at which the two differ."""
        return tuple(i for i, (a, b) in enumerate(zip(self.clean_ids, self.corrupt_ids, strict=True)) if a != b)


def pair(tokenizer: Tokenizer, clean: str, corrupt: str, target: str | int, foil: str | int, bos: bool | None = None) -> Pair:
    """Put an example together.

    Arguments:
        tokenizer: the model's.
        clean, corrupt: the texts.
        target, foil: single tokens, as text (with a leading space where they have one) or as ids.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.

    Raises:
        InputError: a target or foil of several tokens, a foil that equals the target, a counterfactual that equals the prompt or has another number
            of tokens, or holds a word that the tokenizer does not know.
    """
    right, wrong = token_id(tokenizer, target), token_id(tokenizer, foil)
    if right == wrong:
        raise InputError(f"target and foil are the same token, {tokenizer.strings([right])[0]!r}: give two different ones")
    clean_ids, corrupt_ids = tuple(tokenizer.encode(clean, bos)), tuple(tokenizer.encode(corrupt, bos))
    if clean_ids == corrupt_ids:
        raise InputError(f"the counterfactual {corrupt!r} is the prompt itself: change at least one word")
    unknown = [word for word in _words(corrupt) if word not in _words(clean) and not spells(tokenizer, word)]
    if unknown:
        raise InputError(f"the counterfactual holds {unknown[0]!r}, which this tokenizer cannot spell: choose a word that it knows")
    if len(clean_ids) != len(corrupt_ids):
        raise InputError(
            f"the counterfactual has {len(corrupt_ids)} tokens and the prompt {len(clean_ids)}, so their positions do not correspond: "
            f"{_spelled(tokenizer, corrupt_ids)} against {_spelled(tokenizer, clean_ids)}; exchange words for ones with as many tokens"
        )
    return Pair(clean, corrupt, right, wrong, clean_ids, corrupt_ids)


def token_id(tokenizer: Tokenizer, token: str | int) -> int:
    """A single token's id, from its text or its id; raises `InputError` for several tokens, or none."""
    if isinstance(token, str):
        return tokenizer.single(token)
    if not 0 <= token < tokenizer.vocab_size:
        raise InputError(f"token {token} is not in this tokenizer's vocabulary of {tokenizer.vocab_size} (0 to {tokenizer.vocab_size - 1})")
    return token


def spells(tokenizer: Tokenizer, word: str) -> bool:
    """Whether a tokenizer can spell a word; one that knows whole words only writes others as unknown."""
    return word in "".join(tokenizer.strings(tokenizer.encode(f" {word}", bos=False)))


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9]+", text)


def _spelled(tokenizer: Tokenizer, ids: tuple[int, ...]) -> str:
    return "|".join(tokenizer.strings(ids))
