"""Heads described by what was measured of them: where they look, and what they write.

Four scores are read off the attention in random text that is said twice (`sonde.weights.repeats`), two off the path from a token through a head to
the logits (`sonde.weights.written`). Each is compared with the same measure where it means nothing; a name needs a score that is high and that
chance gives no head of the model.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError, Recipe
from sonde.weights.repeats import SCORES, draw_repeats, looks
from sonde.weights.results import HeadScores, chance_of_any
from sonde.weights.written import Writing, copying, ordered_classes, probe_tokens, raised_successors, reason_against, unembedding


@dataclass(frozen=True, eq=False)
class _Measured:
    """One score of all heads."""

    score: str
    values: Float[Tensor, "layer head"]
    by_chance: Float[Tensor, "draw layer head"]
    n: int


def head_scores(model: Model, n: int = 32, draws: int = 40, seed: int = 0) -> HeadScores:
    """Measure what every head looks at and what it writes.

    Arguments:
        model: a language model of a known family.
        n: how many rows of random tokens are said twice.
        draws: how often each control is drawn.
        seed: of rows and controls.

    Raises:
        InputError: no language model of a known family; a context or vocabulary too small; fewer than 8 rows or 20 draws.
        SiteUnavailable: a family that shows no attention patterns.

    >>> import sonde
    >>> sorted(head_scores(sonde.load("specimen:words")).named("previous token"))
    ['0.0']
    """
    if not model.n_heads or not model.architecture.d_vocab:
        raise InputError(f"head scores need a language model of a known family; {model.name} is {model.architecture.family!r}")
    if n < 8 or draws < 20:
        raise InputError(f"n={n}, draws={draws}: take at least 8 rows, and 20 draws, of which one in twenty is chance")
    left_out: dict[str, str] = {}
    measured = [*_looking(model, n, draws, seed), *_writing(model, draws, seed, left_out)]
    return HeadScores(
        scores=[one.score for one in measured],
        values=torch.stack([one.values for one in measured]),
        control=torch.stack([one.by_chance.mean(0) for one in measured]),
        chance=torch.stack([chance_of_any(one.by_chance) for one in measured]),
        n=[one.n for one in measured],
        left_out=left_out,
        recipe=Recipe.of("sonde.weights.head_scores", {"n": n, "draws": draws}, model_hash=model.hash, inputs=[], seed=seed),
    )


def _looking(model: Model, n: int, draws: int, seed: int) -> Iterator[_Measured]:
    """Where heads look."""
    found = looks(model, draw_repeats(model, n, seed))
    values, by_chance = found.by_row().mean(1), found.by_chance(draws, seed).mean(2)
    for i, score in enumerate(SCORES):
        yield _Measured(score, values[i], by_chance[:, i], n)


def _writing(model: Model, draws: int, seed: int, left_out: dict[str, str]) -> Iterator[_Measured]:
    """What heads write; notes down what cannot be measured, and why."""
    reason = reason_against(model)
    if reason:
        left_out |= dict.fromkeys(("copying", "successor"), reason)
        return
    heads = [Writing(model, layer) for layer in range(model.n_layers)]
    tokens, generator = probe_tokens(model, seed), torch.Generator().manual_seed(seed)
    W_U, d_head = unembedding(model, tokens), model.architecture.d_head
    orders = [torch.arange(len(tokens)), *(torch.randperm(len(tokens), generator=generator) for _ in range(draws))]
    scores = torch.stack([copying(head.of(tokens), W_U, d_head, orders) for head in heads], 1)
    yield _Measured("copying", scores[0], scores[1:], len(tokens))
    classes = ordered_classes(model)
    if not classes:
        left_out["successor"] = "no ordered class of words has four words and their successors as single tokens here"
        return
    hits, by_chance = [], []
    for words, after in classes:
        raised, answers = raised_successors(model, heads, words, after)
        hits.append(raised == answers)
        orders = [torch.randperm(len(answers), generator=generator) for _ in range(draws)]
        by_chance.append(torch.stack([raised == answers[order] for order in orders]))
    every, chance = torch.cat(hits, -1).float(), torch.cat(by_chance, -1).float()
    yield _Measured("successor", every.mean(-1), chance.mean(-1), every.shape[-1])
