"""A name for every head that has earned one, each with its evidence.

`head_scores` gives a name where a score is high, and higher than the same model gives any head by chance. Here the name must also be more than what
heads have that learnt nothing: those of the same network with its weights permuted, measured on the same rows and tokens. Each name of each head is
a claim; all of them are judged together (Holm), so that of hundreds of heads none is named by luck.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.nn import permuted
from sonde.results import InputError, Recipe
from sonde.weights.by_example import scores_by_example
from sonde.weights.heads import head_scores
from sonde.weights.labels import HeadLabels
from sonde.weights.repeats import draw_repeats
from sonde.weights.written import Writing, probe_tokens, reason_against, unembedding

SHOWN = 3  # pairs of tokens for each head


def label_heads(model: Model, n: int = 32, networks: int = 5, seed: int = 0, progress: bool = True) -> HeadLabels:
    """Name every head of a model by what it looks at and what it writes, with the evidence.

    Arguments:
        model: a language model of a known family.
        n: how many rows of random tokens are said twice.
        networks: how many times the weights are permuted; all heads of all of these networks are the control.
        seed: of rows, tokens and permutations.
        progress: show a progress bar.

    Returns:
        The scores of every head with those of the controls; `labels()` are the names that hold.

    Raises:
        InputError: no language model of a known family; a context or vocabulary too small; fewer than 8 rows or 2 networks.
        SiteUnavailable: a family that shows no attention patterns.

    >>> import sonde
    >>> [label.head for label in label_heads(sonde.load("specimen:induction"), networks=2).labels("induction")]
    ['1.3', '1.0', '1.1', '1.2']
    """
    if networks < 2:
        raise InputError(f"networks={networks}: take at least 2 networks with permuted weights, of which the spread is seen")
    known = head_scores(model, n=n, seed=seed)
    drawn = draw_repeats(model, n, seed)
    measured = scores_by_example(model, drawn, seed)
    controls = []
    for draw in track(range(networks), "networks with permuted weights", shown=progress):
        broken = Model(permuted(model.module, seed + draw), model.tokenizer, f"{model.name}, weights permuted", model.processor)
        controls.append(scores_by_example(broken, drawn, seed))
    scores = list(measured)
    row = min(range(n), key=lambda i: drawn.periods[i])
    sites = [f"blocks.{layer}.attn.pattern" for layer in range(model.n_layers)]
    run = model.run([drawn.rows[row]], read=sites, logits=False)
    return HeadLabels(
        scores=scores,
        values=[measured[score] for score in scores],
        control=[torch.cat([one[score].flatten(0, 1) for one in controls]) for score in scores],
        chance=known.chance[[known.scores.index(score) for score in scores]],
        left_out=known.left_out | {score: "there are too few tokens for an interval" for score in known.scores if score not in measured},
        tokens=list(run.tokens[0]) if model.tokenizer is not None else list(map(str, drawn.rows[row])),
        patterns=torch.stack([run[site][0] for site in sites]).float().cpu(),
        writes=[] if reason_against(model) else _written_pairs(model, seed),
        recipe=Recipe.of("sonde.weights.label_heads", {"n": n, "networks": networks}, model_hash=model.hash, inputs=[], seed=seed),
    )


def _written_pairs(model: Model, seed: int) -> list[list[str]]:
    """For each head the tokens that it raises most, each with the one that it must look at for it."""
    tokens = probe_tokens(model, seed)
    W_U = unembedding(model, tokens)
    return [[_pairs(model, tokens, of_head @ W_U.T) for of_head in Writing(model, layer).of(tokens)] for layer in range(model.n_layers)]


def _pairs(model: Model, tokens: list[int], raised: Float[Tensor, "source raised"]) -> str:
    best = raised.max(1)
    sources = best.values.topk(min(SHOWN, len(tokens))).indices.tolist()
    return ", ".join(f"{_text(model, tokens[a])} → {_text(model, tokens[int(best.indices[a])])}" for a in sources)


def _text(model: Model, token: int) -> str:
    return str(token) if model.tokenizer is None else model.tokenizer.decode([token]).strip()
