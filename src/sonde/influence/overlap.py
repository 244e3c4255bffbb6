"""How much of a query's words stand in a training text: the likeness that needs no understanding.

A word w that stands in df of n texts counts log(n / df), so that "the" says little and a name much; the overlap of a query with a text is the share

    sum_{w in query and text} log(n / df_w) / sum_{w in query} log(n / df_w).
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

WORD = re.compile(r"\w+")


def words(text: str) -> set[str]:
    """The words of a text, small letters only.

    Arguments:
        text: any; special tokens such as `<|end|>` are no words.

    >>> sorted(words("<|end|>The keys, the keys."))
    ['keys', 'the']
    """
    return {word.lower() for word in WORD.findall(re.sub(r"<\|\w+\|>", " ", text))}


def word_overlap(queries: Sequence[str], texts: Sequence[str]) -> Float[Tensor, "query example"]:
    """The share of each query's words that stands in each text, from 0 to 1; rare words count more.

    Arguments:
        queries: texts that are asked about.
        texts: of the training.

    >>> word_overlap(["the red cat"], ["the dog", "the cat", "the end"])[0, 1].item() > 0.4
    True
    """
    held = [words(text) for text in texts]
    seen = Counter(word for text in held for word in text)
    found = torch.zeros(len(queries), len(texts), dtype=torch.float64)
    for q, query in enumerate(queries):
        # a word of no training text is as rare as can be
        weights = {word: math.log(len(texts) / max(1, seen[word])) for word in words(query)}
        whole = sum(weights.values())
        if whole > 0:
            found[q] = torch.tensor([sum(weights[word] for word in weights.keys() & text) / whole for text in held])
    return found
