"""The scores of `head_scores` example by example, so that each has an interval and a claim about it can be judged.

An example is a row of random words said twice for where a head looks; a pair of a word and its successor; and, as the share of positive eigenvalues
belongs to many tokens together, one of eight groups of tokens for copying.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.weights.repeats import SCORES, Repeats, looks
from sonde.weights.written import Writing, copying, ordered_classes, probe_tokens, raised_successors, reason_against, unembedding

GROUPS = 8  # as few examples as a verdict takes: the larger a group, the nearer its eigenvalues to those of all tokens
LEAST_OF_A_GROUP = 4


def scores_by_example(model: Model, drawn: Repeats, seed: int) -> dict[str, Float[Tensor, "layer head example"]]:
    """Every score that can be measured, by its name.

    Arguments:
        model: a language model of a known family.
        drawn: the rows for where heads look.
        seed: of the tokens for what they write.

    Raises:
        SiteUnavailable: the family shows no patterns.
    """
    by_row = looks(model, drawn).by_row().permute(0, 2, 3, 1)
    found = dict(zip(SCORES, by_row, strict=True))
    if reason_against(model):
        return found
    heads = [Writing(model, layer) for layer in range(model.n_layers)]
    tokens = probe_tokens(model, seed)
    if len(tokens) >= GROUPS * LEAST_OF_A_GROUP:
        found["copying"] = _by_group(model, heads, tokens)
    raised = [raised_successors(model, heads, words, after) for words, after in ordered_classes(model)]
    if raised:
        found["successor"] = torch.cat([words == answers for words, answers in raised], -1).float()
    return found


def _by_group(model: Model, heads: list[Writing], tokens: list[int]) -> Float[Tensor, "layer head group"]:
    """The copying score within each group of tokens, which are in random order."""
    groups = torch.arange(len(tokens)).tensor_split(GROUPS)
    W_U, d_head, layers = unembedding(model, tokens), model.architecture.d_head, []
    for head in heads:
        written = head.of(tokens)
        layers.append(torch.stack([copying(written[:, of], W_U[of], d_head, [torch.arange(len(of))])[0] for of in groups], -1))
    return torch.stack(layers)
