"""What does each layer of attention add? Models of no, one and two layers, trained on the same text and measured on the same held-out rows.

Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits": no layer is a bigram table, one layer adds skip-trigrams, and two layers can
build induction heads. Olsson et al. 2022, "In-context Learning and Induction Heads": with them the loss falls along the context. The in-context
score of a row is its loss at the end less that near the beginning,

    mean loss over the last tenth of places  -  mean loss over the tenth that begins a tenth in

(theirs: token 500 less token 50); below zero the model uses the context. It is measured again without the induction heads (their outputs replaced by
their mean over the rows), and without as many heads drawn from all of the model's.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Mean, Model
from sonde.evidence import random_sets
from sonde.jobs import place_for
from sonde.nn import Transformer
from sonde.results import InputError, Recipe
from sonde.weights.attention_only.results import AttentionOnly
from sonde.weights.attention_only.score import InContextScore
from sonde.weights.attention_only.tables import kinds_of, table_losses
from sonde.weights.attention_only.texts import Source, generated, letters
from sonde.weights.attention_only.training import SmallConfig, token_losses, trained
from sonde.weights.heads import head_scores
from sonde.weights.results import HeadScores

COUNTED = 2000  # rows of the training text for tables
SETS = 10


def attention_only(
    text: str | Path | None = None, config: SmallConfig | None = None, seed: int = 0, held_out: int = 256, folder: str | Path | None = None
) -> AttentionOnly:  # fmt: skip
    """Train attention-only models of several depths on one text, and measure what each adds.

    Arguments:
        text: a text file, read letter by letter; by default words by chance, parts of which are said again.
        config: the models and their training; by default three of depth 0, 1 and 2.
        seed: of the text, of first weights and of draws.
        held_out: rows that are measured on.
        folder: where models and checkpoints are kept, so that an interrupted study goes on; the models can be loaded from there.

    Returns:
        Loss by place, in-context scores, and what is left of them without induction heads.

    Raises:
        InputError: a text that can't be read or is too short; fewer than 8 rows; a folder that can't be written.
        LoadError: the folder holds checkpoints of another study.
    """
    if held_out < 8:
        raise InputError(f"held_out={held_out}: take at least 8 rows, of which an interval can be told")
    source = generated(seed) if text is None else letters(text)
    config = config or SmallConfig()
    kept = None if folder is None else place_for(folder)
    made = [trained(config, n, source, seed, kept) for n in config.layers]
    found = measured([network for network, _ in made], source, held_out, seed)
    recipe = Recipe.of(
        "sonde.weights.attention_only", {"config": vars(config), "held_out": held_out}, model_hash=found.recipe.model_hash,
        inputs=[source.name, source.held_out(held_out, config.n_ctx, "measured").tolist()], seed=seed,
    )  # fmt: skip
    return AttentionOnly(**{**vars(found), "curves": torch.stack([curve for _, curve in made]), "steps": config.steps, "recipe": recipe})


def measured(networks: list[Transformer], source: Source, held_out: int, seed: int) -> AttentionOnly:
    """What trained models of several depths make of the same held-out rows.

    Arguments:
        networks: from shallow to deep; the deepest is looked into.
        source: the text.
        held_out: rows that are measured on.
        seed: of the draws.
    """
    n_ctx, deepest = networks[0].config.n_ctx, networks[-1]
    ids = source.held_out(held_out, n_ctx, "measured")
    with torch.no_grad():
        losses = torch.stack([token_losses(network, ids) for network in networks])
    tables = table_losses(source.rows(COUNTED, n_ctx, "counted"), ids, len(source.vocabulary))
    model = Model(deepest)
    scores, reason = _head_scores(model, seed)
    heads = [] if scores is None else scores.named("induction")
    without = _without(model, ids, heads, seed) if heads else torch.zeros(0, held_out)
    reason = reason or ("" if heads else "no head looks like an induction head")
    reason = reason or ("" if len(without) > 2 else f"nearly all heads are induction heads ({len(heads)}): no other sets of as many can be drawn")
    return AttentionOnly(
        text=source.name,
        layers=[network.config.n_layers for network in networks],
        losses=losses,
        kinds=kinds_of(ids),
        tables=list(tables),
        table_losses=torch.stack(list(tables.values())),
        curves=torch.zeros(len(networks), 0),
        steps=0,
        scores=scores,
        heads=heads,
        without=without,
        reason=reason,
        recipe=Recipe.of("sonde.weights.attention_only", {}, model_hash=model.hash, inputs=ids.tolist(), seed=seed),
    )


def _head_scores(model: Model, seed: int) -> tuple[HeadScores | None, str]:
    """The scores of the heads, or why there are none."""
    if not model.n_layers:
        return None, "a model without layers has no heads"
    try:
        return head_scores(model, seed=seed), ""
    except InputError as reason:
        return None, str(reason)


def _without(model: Model, ids: Tensor, heads: list[str], seed: int) -> Float[Tensor, "set row"]:
    """The in-context scores without the heads, then without as many drawn from all heads, each set replaced by its mean over the rows."""
    sites = [f"blocks.{layer}.attn.z" for layer in range(model.n_layers)]
    run = model.run(ids, read=sites, logits=False)
    means = {f"{layer}.{head}": mean for layer, site in enumerate(sites) for head, mean in enumerate(run[site].mean((0, 1)))}
    # as in `repeats_by`: sets drawn from all heads may hold some of the named ones, or what these read from
    sets = [heads, *(one for one in random_sets(list(means), len(heads), SETS, seed) if set(one) != set(heads))]
    edits = [[Mean(_site(head), means[head]) for head in chosen] for chosen in sets]
    return model.sweep(ids, edits, InContextScore()).values.cpu()


def _site(head: str) -> str:
    layer, number = head.split(".")
    return f"blocks.{layer}.attn.z[head={number}]"
