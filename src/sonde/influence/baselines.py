"""Other estimators that give the same scores: what a curvature has to be better than.

`gradient_cosine` leaves the length of gradients out. `tracin` adds up the effects of the steps at kept checkpoints (Pruthi et al. 2020, "Estimating
Training Data Influence by Tracing Gradient Descent"): sum_c rate_c g_q(c) . g_i(c). `nearest` knows nothing of training: it is how alike the model's
representations of query and example are, the control that every method must beat. `averaged` is the mean over models of several seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sonde.access import Model
from sonde.influence.examples import Examples, TensorExamples, examples_of
from sonde.influence.fit import fit, subject_of
from sonde.influence.losses import Loss
from sonde.influence.results import Scores
from sonde.influence.rows import TokenRows
from sonde.influence.taken import label_all
from sonde.jobs import track
from sonde.results import InputError, Recipe, content_hash, shown


def gradient_cosine(
    model: Model | nn.Module, train_set: Any, query: Any, loss: Loss | None = None, modules: str | Sequence[str] | None = None,
    batch_size: int | None = None,
) -> Scores:  # fmt: skip
    """The cosine of the gradients of query and example; no unit, and no removal effect.

    Arguments:
        model, train_set, loss, modules, batch_size: as for `fit`.
        query: examples of the same kind as the training set.
    """
    found = fit(model, train_set, loss, "identity", modules=modules, batch_size=batch_size)
    asked = fit(model, query, loss, "identity", modules=modules, batch_size=batch_size)
    scores, own, queries = found.scores(query), found.self_influence().values, asked.self_influence().values
    if not (own > 0).all() or not (queries > 0).all():
        raise InputError("an example or a query has a gradient of zero, which has no direction: leave it out")
    values = scores.values / (queries.sqrt()[:, None] * own.sqrt())
    return replace(scores, values=values, method="gradient cosine", recipe=replace(scores.recipe, function="sonde.influence.gradient_cosine"))


def tracin(
    model: Model | nn.Module, checkpoints: Sequence[tuple[Mapping[str, Tensor], float]], train_set: Any, query: Any, loss: Loss | None = None,
    of: Loss | None = None, modules: str | Sequence[str] | None = None, batch_size: int | None = None,
) -> Scores:  # fmt: skip
    """The products of gradients at kept checkpoints, weighed by the learning rates there.

    Arguments:
        model, train_set, loss, modules, batch_size: as for `fit`; the module gets its own weights back.
        checkpoints: (state dictionary, learning rate) pairs.
        query, of: as for `Influence.scores`.

    Raises:
        InputError: no checkpoint, or one that does not fit the model.
    """
    if not checkpoints:
        raise InputError("tracin adds up checkpoints, and there is none: give (state dictionary, learning rate) pairs")
    handle = model if isinstance(model, Model) else Model(model)
    own = {name: value.detach().clone() for name, value in handle.module.state_dict().items()}
    found: list[tuple[Scores, float]] = []
    try:
        for i, (state, rate) in enumerate(checkpoints):
            try:
                handle.module.load_state_dict(state)
            except RuntimeError as error:
                raise InputError(f"checkpoint {i} does not fit {handle.name}: {shown(str(error))}") from None
            found.append((fit(handle, train_set, loss, "identity", modules=modules, batch_size=batch_size).scores(query, of), rate))
    finally:
        handle.module.load_state_dict(own)
    first = found[0][0]
    values = sum((rate * scores.values for scores, rate in found), torch.zeros_like(first.values))
    asked = {"rates": [rate for _, rate in found], "checkpoints": [scores.recipe.model_hash for scores, _ in found]}
    inputs = first.recipe.inputs_hash
    recipe = Recipe.of("sonde.influence.tracin", asked, model_hash=handle.hash, inputs=inputs)
    return replace(first, values=values, method=f"TracIn over {len(found)} checkpoint(s)", recipe=recipe)


def nearest(model: Model | nn.Module, train_set: Any, query: Any, site: str, loss: Loss | None = None, batch_size: int | None = None) -> Scores:
    """The cosine of the representations of query and example: a control, which knows nothing of training or labels.

    Arguments:
        model, train_set, loss, batch_size: as for `fit`.
        query: examples of the same kind as the training set.
        site: where representations are read, such as "blocks.1.resid_post", or a module's path with ":out"; of a sequence their mean over tokens.

    Raises:
        InputError: examples that are neither tensors nor rows of tokens.
    """
    subject = subject_of(model, train_set, loss, batch_size=batch_size)
    queries = examples_of(subject.model, query, "query")
    states, asked = (_states(subject.model, examples, site, subject.batch_size or 32) for examples in (subject.examples, queries))
    values = nn.functional.normalize(asked, dim=1) @ nn.functional.normalize(states, dim=1).T
    inputs = [subject.examples.fingerprint, queries.fingerprint]
    return Scores(
        values=values, queries=label_all(queries), examples=label_all(subject.examples), query_values=torch.zeros(len(queries)),
        n=len(subject.examples),
        method=f"cosine of representations at {site}", of="nothing: likeness only",
        recipe=Recipe.of("sonde.influence.nearest", {"site": site}, model_hash=subject.model.hash, inputs=inputs),
    )  # fmt: skip


def averaged(scores: Sequence[Scores]) -> Scores:
    """The mean of the scores of several models, such as one for each seed of training.

    Arguments:
        scores: of the same queries and examples.

    Raises:
        InputError: none, or scores of other queries or examples.
    """
    if not scores:
        raise InputError("a mean needs scores: give those of one model or more")
    first = scores[0]
    if any(one.examples != first.examples or one.queries != first.queries or one.of != first.of for one in scores):
        raise InputError("these scores are of different queries, examples or questions: a mean is taken over models alone")
    values = torch.stack([one.values for one in scores]).mean(0)
    models = [one.recipe.model_hash for one in scores]
    recipe = Recipe.of("sonde.influence.averaged", {"models": models}, model_hash=content_hash(models), inputs=first.recipe.inputs_hash)
    return replace(
        first, values=values, method=f"mean of {len(scores)}: {first.method}", query_values=torch.stack([s.query_values for s in scores]).mean(0),
        modules=None, by_module=None, tokens=None, by_token=None, recipe=recipe,
    )  # fmt: skip


def _states(model: Model, examples: Examples, site: str, size: int) -> Tensor:
    """One vector for each example: the mean over its positions, of which padding is none."""
    if not isinstance(examples, TensorExamples | TokenRows):
        raise InputError("representations are read of tensors or of rows of tokens: give (x, y), texts or token ids")
    found = []
    for begin in track(range(0, len(examples), size), "reading"):
        some = range(begin, min(begin + size, len(examples)))
        inputs = examples.tensors[0][list(some)] if isinstance(examples, TensorExamples) else [list(examples.rows[i]) for i in some]
        run = model.run(inputs, read=site, logits=False)
        value = run[site].detach().double().cpu().flatten(2) if run[site].ndim > 2 else run[site].detach().double().cpu()
        if isinstance(examples, TokenRows):
            lengths = [len(examples.rows[i]) for i in some]
            found += [value[row, :length].mean(0) for row, length in enumerate(lengths)]
        else:
            found += list(value.flatten(1))
    return torch.stack(found)
