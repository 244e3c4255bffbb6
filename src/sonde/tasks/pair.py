"""A prompt and its counterfactual, token by token: what may be compared position by position, and what must be refused."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sonde.access import Tokenizer
from sonde.results import InputError


@dataclass(frozen=True)
class Pair:
    """One example: the same number of tokens with and without what is asked about.

    Arguments:
        clean: the prompt.
        corrupt: its counterfactual.
        answers: the tokens that are right after the prompt; the first stands for them where a method looks at one.
        wrongs: those that they are compared with, likewise.
        clean_ids, corrupt_ids: their tokens, special ones included.
    """

    clean: str
    corrupt: str
    answers: tuple[int, ...]
    wrongs: tuple[int, ...]
    clean_ids: tuple[int, ...]
    corrupt_ids: tuple[int, ...]

    @property
    def target(self) -> int:
        """The right token that stands for all of them."""
        return self.answers[0]

    @property
    def foil(self) -> int:
        """The wrong token that stands for all of them."""
        return self.wrongs[0]

    @property
    def changed(self) -> tuple[int, ...]:
        """The positions at which the two differ."""
        return tuple(i for i, (a, b) in enumerate(zip(self.clean_ids, self.corrupt_ids, strict=True)) if a != b)


Token = str | int
Tokens = Token | Sequence[Token]


def pair(tokenizer: Tokenizer, clean: str, corrupt: str, answers: Tokens, wrongs: Tokens, bos: bool | None = None) -> Pair:
    """Put an example together.

    Arguments:
        tokenizer: the model's.
        clean, corrupt: the texts.
        answers, wrongs: a single token each, or several, of which the first stands for all; as text (with a leading space where they have one) or
            as ids.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.

    Raises:
        InputError: an answer of several tokens, a token that is right and wrong, a counterfactual that equals the prompt or has another number
            of tokens, or holds a word that the tokenizer does not know.
    """
    right, wrong = (_ids(tokenizer, tokens) for tokens in (answers, wrongs))
    both = [token for token in right if token in wrong]
    if both:
        raise InputError(f"{_named(right, wrong)} are the same token, {tokenizer.strings(both)[0]!r}: give two different ones")
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


def _ids(tokenizer: Tokenizer, tokens: Tokens) -> tuple[int, ...]:
    several = (tokens,) if isinstance(tokens, str | int) else tokens
    if not several:
        raise InputError("an example has no right or no wrong answer: give at least one token for each")
    return tuple(dict.fromkeys(token_id(tokenizer, token) for token in several))


def _named(right: tuple[int, ...], wrong: tuple[int, ...]) -> str:
    return "target and foil" if len(right) == len(wrong) == 1 else "a right and a wrong answer"


def token_id(tokenizer: Tokenizer, token: str | int) -> int:
    """A single token's id, from its text or its id; raises `InputError` for several tokens, or none."""
    if isinstance(token, str):
        return tokenizer.single(token)
    if not 0 <= token < tokenizer.vocab_size:
        raise InputError(f"token {token} is not in this tokenizer's vocabulary of {tokenizer.vocab_size} (0 to {tokenizer.vocab_size - 1})")
    return token


def is_single(tokenizer: Tokenizer, text: str) -> bool:
    """Whether a text, with its leading space, is one token inside a sentence."""
    try:
        tokenizer.single(text)
    except InputError:
        return False
    return True


def singles(tokenizer: Tokenizer, tokens: Iterable[Token]) -> tuple[Token, ...]:
    """Those of some answers that are single tokens; all of them where none is, so that a refusal can name them."""
    tokens = tuple(tokens)
    return tuple(token for token in tokens if isinstance(token, int) or is_single(tokenizer, token)) or tokens


def spells(tokenizer: Tokenizer, word: str) -> bool:
    """Whether a tokenizer can spell a word; one that knows whole words only writes others as unknown."""
    return word in "".join(tokenizer.strings(tokenizer.encode(f" {word}", bos=False)))


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9]+", text)


def _spelled(tokenizer: Tokenizer, ids: tuple[int, ...]) -> str:
    return "|".join(tokenizer.strings(ids))
