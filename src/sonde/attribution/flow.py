"""Where attention looks: weights, rollout, norms of what is moved, values taken away, and weights that the metric depends on; none has a sign.

    weights          A_ts of one layer
    rollout          prod_l (A_l + I) / 2                                           (Abnar and Zuidema 2020)
    weighted norm    || sum_h A_hts v_hs W_O_h ||  of one layer                     (Kobayashi et al. 2020)
    value zeroing    prod_l C_l,  C_ts = 1 - cos(x_t, x_t without v_s), rows to 1   (Mohebbi et al. 2023)
    relevance        R = I;  R += mean_h ReLU(A dF/dA) R  layer by layer            (Chefer et al. 2021)

An attention weight says what is looked at, not what comes of it: a vector that is moved may be next to nothing, or thrown away by the next layer.
Only relevance knows the metric; the others are the same for every question about the same input.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model, PerRow, Zero
from sonde.access.inputs import Given
from sonde.access.views import HeadResults
from sonde.attribution.looking import Patterns, layer_of, look
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

Heads = Literal["mean", "max"] | int


def attention_weights(
    model: Model, task: Task | Given, of: Metric | None = None, *, layer: int = -1, heads: Heads = "mean", pos: int | None = None,
    bos: bool | None = None,
) -> Attribution:  # fmt: skip
    """The attention of one position in one layer.

    Arguments:
        model: a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's. Only the position that it reads matters.
        layer: from 0, or back from -1.
        heads: the "mean" over heads, their "max", or the number of one.
        pos: the position that looks, counted in real tokens; by default the metric's, or the class token.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no such layer, head or position, no metric, or a network without attention that sonde knows.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> attention_weights(model, "The keys", of=sonde.tasks.Logit(5)).values.nansum().round().item()
    1.0
    """
    looked = look(model, task, of, pos, bos, [layer])
    values = looked.row(_combined(looked.patterns[0], heads))
    arguments = {"layer": layer, "heads": heads, "pos": pos}
    which = f"layer {layer_of(looked.stack, layer)}, {f'head {heads}' if isinstance(heads, int) else f'{heads} of heads'}"
    return looked.answer(values, f"attention weights ({which}; unsigned)", "attention_weights", arguments, "share of attention")


def attention_rollout(
    model: Model, task: Task | Given, of: Metric | None = None, *, heads: Heads = "mean", pos: int | None = None, bos: bool | None = None
) -> Attribution:  # fmt: skip
    """The attention of one position through all layers, half of every layer being the residual stream.

    Arguments:
        model: a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's. Only the position that it reads matters.
        heads: the "mean" over heads, their "max" (with rows brought to 1 again), or the number of one.
        pos: the position that looks, counted in real tokens; by default the metric's, or the class token.
        bos: for inputs, as for `Model.run`.

    Returns:
        Shares that sum to 1.

    Raises:
        InputError: no such head or position, no metric, or a network without attention that sonde knows.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> attention_rollout(model, "The keys", of=sonde.tasks.Logit(5)).values.nansum().round().item()
    1.0
    """
    looked = look(model, task, of, pos, bos)
    rolled = torch.eye(looked.patterns[0].shape[-1])
    for pattern in looked.patterns:
        step = _combined(pattern, heads) + torch.eye(pattern.shape[-1]).to(pattern)
        rolled = step / step.sum(-1, keepdim=True) @ rolled.to(step)
    return looked.answer(looked.row(rolled), "attention rollout (unsigned)", "attention_rollout", {"heads": heads, "pos": pos}, "share of attention")


def value_weighted_norm(
    model: Model, task: Task | Given, of: Metric | None = None, *, layer: int = -1, pos: int | None = None, bos: bool | None = None
) -> Attribution:  # fmt: skip
    """How long the vectors are that attention moves to one position in one layer.

    Arguments:
        model: a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's. Only the position that it reads matters.
        layer: from 0, or back from -1.
        pos: the position that looks, counted in real tokens; by default the metric's, or the class token.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no such layer or position, no metric, or a network without attention that sonde knows. SiteUnavailable: an output projection
            that is no plain linear map.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> value_weighted_norm(model, "The keys", of=sonde.tasks.Logit(5)).own_unit
    'length of what is moved'
    """
    looked = look(model, task, of, pos, bos, [layer], beside="attn.v")
    block = f"{looked.stack.prefix}blocks.{layer_of(looked.stack, layer)}.attn"
    v_bkhe = looked.question.run[f"{block}.v"]
    spec = model.locate(f"{block}.result")
    assert isinstance(spec.view, HeadResults)
    W_O_hed = spec.view.weight(model.module.get_submodule(spec.point.module)).detach()
    pattern = looked.patterns[0]
    v_bkhe = v_bkhe.repeat_interleave(pattern.shape[1] // v_bkhe.shape[2], dim=2)  # each query head with the values it shares
    row = pattern[torch.arange(len(pattern)), :, looked.columns]
    moved = torch.einsum("bhk,bkhe,hed->bkd", row, v_bkhe, W_O_hed)
    method = f"value-weighted norm (layer {layer_of(looked.stack, layer)}; unsigned)"
    return looked.answer(moved.norm(dim=-1), method, "value_weighted_norm", {"layer": layer, "pos": pos}, "length of what is moved")


def value_zeroing(
    model: Model, task: Task | Given, of: Metric | None = None, *, layer: int | None = None, pos: int | None = None, bos: bool | None = None
) -> Attribution:  # fmt: skip
    """How far one position's vector turns when another position's value vectors are taken away; one run for each position and layer, batched.

    Arguments:
        model: a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's. Only the position that it reads matters.
        layer: from 0, or back from -1; by default all of them, multiplied as in rollout.
        pos: the position whose vector is watched, counted in real tokens; by default the metric's, or the class token.
        bos: for inputs, as for `Model.run`.

    Returns:
        Shares that sum to 1; all 0 where no value changes anything.

    Raises:
        InputError: no such layer or position, no metric, inputs that can't be asked one by one, or a network without attention that sonde knows.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> value_zeroing(model, "The keys", of=sonde.tasks.Logit(5), layer=0).values.nansum().round().item()
    1.0
    """
    looked = look(model, task, of, pos, bos)
    question, stack = looked.question, looked.stack
    layers = range(stack.n_layers) if layer is None else [layer_of(stack, layer)]
    values = torch.zeros(question.value.shape[:2])
    for i in range(len(question)):
        n = question.value.shape[1] if question.mask is None else int(question.mask[i].sum())
        rolled = torch.eye(n)
        for index in layers:
            rolled = _turned(question.rows([i] * n), model, f"{stack.prefix}blocks.{index}", n) @ rolled
        values[i, :n] = rolled[_within(question.mask, i, int(looked.columns[i]))]
    which = "all layers" if layer is None else f"layer {layers[0]}"
    return looked.answer(values, f"value zeroing ({which}; unsigned)", "value_zeroing", {"layer": layer, "pos": pos}, "share of the turning")


def attention_relevance(
    model: Model, task: Task | Given, of: Metric | None = None, *, pos: int | None = None, bos: bool | None = None
) -> Attribution:  # fmt: skip
    """The attention weights that speak for the metric, followed from the position that is read down to the input.

    Arguments:
        model: a transformer of a known family.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        pos: the position that is read, counted in real tokens; by default the metric's, or the class token.
        bos: for inputs, as for `Model.run`.

    Returns:
        The relevances, without that of 1 of the position for itself which they begin with.

    Raises:
        InputError: no such position, no metric, or a network without attention that sonde knows.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> attention_relevance(model, "The keys", of=sonde.tasks.Logit(5)).method
    'attention relevance (unsigned)'
    """
    looked = look(model, task, of, pos, bos, graded=True)
    relevance = torch.eye(looked.patterns[0].shape[-1]).to(looked.patterns[0])
    for pattern, slope in zip(looked.patterns, looked.gradients, strict=True):
        relevance = relevance + (pattern * slope).relu().mean(1) @ relevance
    values = looked.row(relevance - torch.eye(relevance.shape[-1]).to(relevance))
    return looked.answer(values, "attention relevance (unsigned)", "attention_relevance", {"pos": pos}, "relevance")


def _combined(pattern: Patterns, heads: Heads) -> Float[Tensor, "example query key"]:
    """One pattern for all heads."""
    if isinstance(heads, int) and not isinstance(heads, bool):
        if not 0 <= heads < pattern.shape[1]:
            raise InputError(f"heads={heads}: there are {pattern.shape[1]} heads, 0 to {pattern.shape[1] - 1}")
        return pattern[:, heads]
    if heads not in ("mean", "max"):
        raise InputError(f"heads={heads!r}: use 'mean', 'max' or the number of a head")
    return pattern.mean(1) if heads == "mean" else pattern.amax(1)


def _turned(inputs: Given, model: Model, block: str, n: int) -> Float[Tensor, "query key"]:
    """How far each position's vector after a block turns without the values of each position; rows sum to 1, or are 0."""
    without = PerRow([Zero(f"{block}.attn.v[pos={s}]") for s in range(n)])
    site = f"{block}.resid_post"
    turned = model.run(inputs, edits=without, read=site, logits=False)[site]
    whole = model.run(inputs, read=site, logits=False)[site]
    apart = (1 - torch.cosine_similarity(whole.double(), turned.double(), dim=-1)).clamp(min=0).T.float()
    apart = apart.masked_fill(apart < 1e-9, 0)  # rounding, where nothing has changed
    return apart / apart.sum(-1, keepdim=True).clamp(min=1e-30)


def _within(mask: Tensor | None, example: int, column: int) -> int:
    """A column of a padded batch, counted in the example's own tokens."""
    return column if mask is None else int(mask[example][:column].sum())
