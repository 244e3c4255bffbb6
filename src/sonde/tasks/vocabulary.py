"""Tokens that are written alike: stand-ins for words that are in no class."""

import random
from collections.abc import Iterator

import torch

from sonde.access import Model, Tokenizer

TRIES = 5000
NEIGHBOURS = 400


def same_shape(a: str, b: str) -> bool:
    """Whether two tokens are written alike: the same leading space, the same capitals, letters or digits only, the same alphabet.

    >>> same_shape(" dog", " cat"), same_shape(" dog", "cat"), same_shape(" Dog", " cat"), same_shape(" dog", " 12")
    (True, False, False, False)
    """
    return bool(a.strip() and b.strip()) and _shape(a) == _shape(b)


def alike(tokenizer: Tokenizer, token: str, seed: int = 0) -> Iterator[str]:
    """Other tokens of the same shape, in random order, each once."""
    rng, seen = random.Random(seed), {token}
    for _ in range(TRIES):
        text = tokenizer.strings([rng.randrange(tokenizer.vocab_size)])[0]
        if text not in seen and same_shape(text, token):
            yield text
        seen.add(text)


def neighbours(model: Model, tokenizer: Tokenizer, token: int) -> Iterator[str]:
    """Other tokens of the same shape, those with the most similar embedding (cosine) first."""
    embedding = model.module.get_submodule(model.architecture.embed).weight
    assert isinstance(embedding, torch.Tensor)
    with torch.no_grad():
        cosine = torch.nn.functional.cosine_similarity(embedding, embedding[token][None], dim=-1)[: tokenizer.vocab_size]
        nearest = cosine.topk(min(NEIGHBOURS, len(cosine))).indices.tolist()
    mine = tokenizer.strings([token])[0]
    yield from (text for text in tokenizer.strings([i for i in nearest if i != token]) if same_shape(text, mine))


def _shape(token: str) -> tuple[bool, bool, bool, str, bool]:
    word = token.strip()
    capitals = "lower" if word.islower() else "upper" if word.isupper() and len(word) > 1 else "title" if word[0].isupper() else "none"
    return token[0].isspace(), word.isalpha(), word.isdigit(), capitals, word.isascii()
