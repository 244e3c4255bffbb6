"""What random text is made of: words that mean nothing together.

Words of the lexicon that are single tokens, where the tokenizer has enough of them; else any tokens. A small model has hardly seen most of its
tokens, and what it does with them tells nothing of what it has learnt.
"""

import functools

import torch

from sonde.access import Model, Tokenizer
from sonde.results import InputError
from sonde.tasks import english

ENOUGH = 32


def random_tokens(model: Model, n: int, seed: int) -> list[int]:
    """Distinct token ids in random order.

    Arguments:
        model: a language model; without a tokenizer every id counts.
        n: how many at most.
        seed: of the draw.
    """
    words = [] if model.tokenizer is None else _words(model.tokenizer)
    generator = torch.Generator().manual_seed(seed)
    if len(words) >= ENOUGH:
        return [words[i] for i in torch.randperm(len(words), generator=generator).tolist()[:n]]
    order = torch.randperm(model.architecture.d_vocab, generator=generator).tolist()
    return order[:n] if model.tokenizer is None else _ordinary(model.tokenizer, order, n)


def are_words(model: Model) -> bool:
    """Whether random text is made of words, or of any tokens."""
    return model.tokenizer is not None and len(_words(model.tokenizer)) >= ENOUGH


@functools.lru_cache(maxsize=8)
def _words(tokenizer: Tokenizer) -> list[int]:
    """The words of unordered classes that are single tokens, in their first form."""
    found = []
    for kind in english().unordered:
        for entry in kind.entries:
            try:
                found.append(tokenizer.single(f" {entry.forms[0]}"))
            except InputError:
                continue
    return list(dict.fromkeys(found))


def _ordinary(tokenizer: Tokenizer, order: list[int], n: int) -> list[int]:
    """The first of some ids that are neither special tokens, which have no text, nor rows of the embedding that are no token."""
    special = {tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id}
    found: list[int] = []
    for i in order:
        if len(found) == n:
            break
        if i < tokenizer.vocab_size and i not in special and tokenizer.decode([i]):
            found.append(i)
    return found
