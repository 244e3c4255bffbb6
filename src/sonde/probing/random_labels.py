"""Labels that only memory can tell: control tasks for words and for pairs of words.

Hewitt and Liang 2019, "Designing and interpreting probes with control tasks", sections 2.2 and 2.3: a word's control is one random label per word
type; an arc's is a random rule per type of the dependent that picks its head.
"""

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from sonde.evidence import control_task
from sonde.probing.labelled import Labelled

RULES = 3  # the first, the last or the nearest of the candidates


def control_labels(data: Labelled, seed: int) -> Shaped[Tensor, " example"]:
    """A random label for each example, the same wherever its word occurs.

    Arguments:
        data: examples. Pairs with yes and no, in which a word has several candidates, get random heads; all others a random label per type.
        seed: of the draw.
    """
    return random_heads(data, seed) if has_candidates(data) else control_task(data.types, data.targets, seed)


def remembered(data: Labelled) -> list[str]:
    """What a probe must remember of each example to tell its control: the word; of pairs with candidate heads the first word.

    Arguments:
        data: examples.
    """
    return [one.split("\t")[0] for one in data.types] if has_candidates(data) else list(data.types)


def has_candidates(data: Labelled) -> bool:
    """Whether the examples are pairs with yes and no, some of which share their first word.

    Arguments:
        data: examples.
    """
    pairs = len(data.spans[0]) == 2 and len(data.classes) == 2
    return pairs and len({(text, spans[0]) for text, spans in zip(data.text.tolist(), data.spans, strict=True)}) < len(data)


def random_heads(data: Labelled, seed: int) -> Int[Tensor, " example"]:
    """Yes for one candidate of each word: the first, the last or the nearest of its sentence, by a rule drawn for the word's type.

    The rules of the paper are itself, the first and the last word; a word paired with itself is no example, so the nearest stands for it.

    Arguments:
        data: pairs; the first span is the word, the second its candidate.
        seed: of the rules.
    """
    words = [one.split("\t")[0] for one in data.types]
    rules = torch.randint(RULES, (len(set(words)),), generator=torch.Generator().manual_seed(seed)).tolist()
    rule = dict(zip(dict.fromkeys(words), rules, strict=True))
    candidates: dict[tuple[int, tuple[int, int]], list[int]] = {}
    for i, (text, spans) in enumerate(zip(data.text.tolist(), data.spans, strict=True)):
        candidates.setdefault((text, spans[0]), []).append(i)
    labels = torch.zeros(len(data), dtype=torch.long)
    for (_, own), pairs in candidates.items():
        ordered = sorted(pairs, key=lambda i: data.spans[i][1])
        nearest = min(ordered, key=lambda i: abs(data.spans[i][1][0] - own[0]))
        labels[(ordered[0], ordered[-1], nearest)[rule[words[pairs[0]]]]] = 1
    return labels
