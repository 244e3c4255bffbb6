"""The specimen's tokenizer: byte-level BPE, so that any text can be read and written back, with the world's words as single tokens.

Digits are split in pairs before anything is merged, so that a year is two tokens ("17", "32") and its last two digits are one choice of 100.
"""

import random
from collections.abc import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from sonde.results import LoadError
from sonde.specimens.words import grammar, scripts, world
from sonde.specimens.words.mixture import FAMILIES, NORMAL_MIX

END = "<|end|>"
"""Stands before every document; the beginning, padding and end of a text in one."""

VOCABULARY = 3072
_EMPHASIS = 400  # copies of each word that must become one token, against about 20,000 documents


def single_tokens() -> list[str]:
    """The strings that must be one token each: the world's words after a space, names without one too, and all pairs of digits."""
    verbs = [form for verb, forms in world.VERBS.items() for form in (verb, *forms)]
    words = [
        *(*world.WORD_POOL, *world.DAYS, *world.MONTHS, *world.ORDINALS, *world.CAPITALS.values(), *world.CLASSES, "them"),
        *(*verbs, *grammar.VERBS, *grammar.VERBS.values(), *scripts.answers()),
    ]
    return [f" {word}" for word in words] + list(world.NAMES) + [f"{pair:02d}" for pair in range(100)] + [f" {century}" for century in range(10, 21)]


def end_id(tokenizer: Tokenizer) -> int:
    """The id of `END`.

    Raises:
        LoadError: this tokenizer has no such token.
    """
    found = tokenizer.token_to_id(END)
    if found is None:
        raise LoadError(f"the tokenizer has no token {END}: take the one beside the specimen's weights")
    return found


def _corpus(seed: int, documents: int) -> Iterator[str]:
    rng = random.Random(seed)
    for family in rng.choices(list(NORMAL_MIX), list(NORMAL_MIX.values()), k=documents):
        yield FAMILIES[family](rng).text
    for word in single_tokens():
        for _ in range(_EMPHASIS):
            yield word


def train_tokenizer(seed: int = 0, documents: int = 20_000) -> Tokenizer:
    """Learn the merges from generated documents.

    Arguments:
        seed: of the documents.
        documents: how many to learn from.

    Returns:
        A tokenizer of `VOCABULARY` entries.

    Raises:
        LoadError: a word that must be one token is not.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r" ?\d{1,2}"), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(_corpus(seed, documents), trainer)
    torn = [word for word in single_tokens() if len(tokenizer.encode(word).ids) != 1]
    if torn:
        raise LoadError(f"the tokenizer tears {len(torn)} of the world's words, {torn[0]!r} among them: give it more than {VOCABULARY} entries")
    return tokenizer
