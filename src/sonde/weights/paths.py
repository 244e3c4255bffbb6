"""Which paths make a prediction, and which kinds of paths matter for a text: the terms of the expansion, one by one and by order."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown
from sonde.weights.bigrams import refuse_without_direct_path, token_names
from sonde.weights.corpora import Rows, rows_of
from sonde.weights.expansion import PAIRS, Term, terms
from sonde.weights.frozen import Frozen
from sonde.weights.path_results import PathImportance, Paths


def paths(
    model: Model, prompt: str | Sequence[int], target: str | int, foil: str | int | None = None, linear: bool = False, progress: bool = False
) -> Paths:  # fmt: skip
    """Tell by which paths a model prefers a token to another after a prompt.

    Arguments:
        model: a causal language model whose parts add up to its logits.
        prompt: a text, or token ids.
        target: the token asked about, as text with its leading space, or its id.
        foil: the token that it is compared with; without one, all tokens: the logit less the mean of all logits.
        linear: let paths go through MLPs, with each neuron's slope held; else what an MLP adds is a source.
        progress: show it in a terminal.

    Raises:
        SiteUnavailable: a model whose parts do not add up. InputError: no such token; a prompt of fewer than two tokens.

    >>> import sonde
    >>> found = paths(sonde.load("specimen:words-small"), "The keys on the cabinet", " are", " is")
    >>> abs(float(found.values.sum()) - found.total) < 1e-4
    True
    """
    refuse_without_direct_path(model)
    [row] = rows_of(model, prompt if isinstance(prompt, str) else [prompt])
    asked = [_token(model, token) for token in (target, foil) if token is not None]
    frozen = Frozen(model, [row], linear)
    told = _pairs(model, linear)
    found = list(terms(frozen, told))
    columns = None if foil is None else torch.tensor(asked)

    def difference(logits: Float[Tensor, "batch pos vocab"]) -> float:
        last = logits[0, -1].double()
        return float(last[0] - last[1] if columns is not None else last[asked[0]] - last.mean())

    nothing = torch.zeros_like(found[0].value)
    bias = difference(frozen.logits(nothing, constant=True, tokens=columns, last=True))
    shown_terms = track(found, "reading paths", shown=progress)
    values = [difference(frozen.logits(term.value, tokens=columns, last=True)) for term in shown_terms]
    own = frozen.run.logits.double().cpu()
    names = token_names(model)
    return Paths(
        tokens=[names[i] for i in row],
        target=names[asked[0]],
        foil="" if foil is None else names[asked[1]],
        terms=[term.name for term in found] + ["biases at the end"] * bool(bias),
        orders=[term.order for term in found] + [0] * bool(bias),
        values=torch.tensor(values + [bias] * bool(bias)),
        total=difference(own if columns is None else own[..., columns]),
        recipe=Recipe.of(
            "sonde.weights.paths", {"target": target, "foil": foil, "linear": linear}, model_hash=model.hash, inputs=row
        ),
    )  # fmt: skip


def path_importance(model: Model, texts: Rows, linear: bool = False, start: int = 1, progress: bool = False) -> PathImportance:
    """Tell what each kind of path is worth on a text: the loss without it, and the loss with it alone.

    Arguments:
        model: a causal language model whose parts add up to its logits.
        texts: texts, or rows of token ids, none beyond the context.
        linear: let paths go through MLPs, with each neuron's slope held; else what an MLP adds is a source.
        start: the first token of each row whose prediction counts, from 1 on.
        progress: show it in a terminal.

    Raises:
        SiteUnavailable: a model whose parts do not add up. InputError: no text of two tokens; a row that ends before `start`.
    """
    refuse_without_direct_path(model)
    rows = rows_of(model, texts)
    if start < 1 or any(len(row) <= start for row in rows):
        raise InputError(f"start={shown(start)}: count from 1 on, and give rows that go on beyond; the shortest has {min(map(len, rows))} tokens")
    frozen = Frozen(model, rows, linear)
    found = list(terms(frozen, _pairs(model, linear)))
    total = torch.stack([term.value for term in found]).sum(0)
    groups = {name: torch.stack([term.value for term in members]).sum(0) for name, members in _groups(found, model.n_layers).items() if members}
    losses = [
        (_loss(frozen, total - value, rows, start), _loss(frozen, value, rows, start))
        for value in track(list(groups.values()), "taking paths out", shown=progress)
    ]
    top = max(term.order for term in found)
    up_to = [torch.stack([term.value for term in found if term.order <= k]).sum(0) for k in range(top + 1)]
    own, summed = frozen.run.logits.double().cpu(), frozen.logits(total, constant=True)
    return PathImportance(
        groups=list(groups),
        norms=torch.tensor([float(value[frozen.mask].norm(dim=-1).mean()) for value in groups.values()]),
        without=torch.stack([without for without, _ in losses]).float(),
        alone=torch.stack([alone for _, alone in losses]).float(),
        up_to=torch.stack([_loss(frozen, value, rows, start) for value in up_to]).float(),
        full=_loss(frozen, total, rows, start).float(),
        d_vocab=model.architecture.d_vocab,
        error=float((own - summed)[frozen.mask].abs().max()),
        recipe=Recipe.of("sonde.weights.path_importance", {"linear": linear, "start": start}, model_hash=model.hash, inputs=rows),
    )


def _groups(found: Sequence[Term], n_layers: int) -> dict[str, list[Term]]:
    """The terms that are taken out together, by name: kinds, then each head, then each virtual head."""
    kinds = {"direct: sources": [term for term in found if term.order == 0], "single heads": [term for term in found if term.order == 1]}
    for layer in range(n_layers):
        kinds[f"single heads of block {layer}"] = [term for term in found if term.order == 1 and term.layer == layer]
    kinds["virtual heads"] = [term for term in found if term.order > 1]
    return kinds | {term.name: [term] for term in found}


def _loss(frozen: Frozen, stream: Tensor, rows: Sequence[Sequence[int]], start: int) -> Float[Tensor, " row"]:
    """The mean loss on each row's next tokens, nats per token, where only this part of the stream reaches the unembedding."""
    logs = frozen.logits(stream, constant=True).log_softmax(-1)
    losses = []
    for log, row in zip(logs, rows, strict=True):
        losses.append(-log[torch.arange(start - 1, len(row) - 1), torch.tensor(row[start:])].mean())
    return torch.stack(losses)


def _pairs(model: Model, linear: bool) -> bool:
    """Whether there are few enough virtual heads of two to tell them one by one."""
    per_layer, n = model.n_heads + linear, model.n_layers
    return per_layer * per_layer * n * (n - 1) // 2 <= PAIRS


def _token(model: Model, token: str | int) -> int:
    if isinstance(token, str):
        if model.tokenizer is None:
            raise InputError(f"{model.name} was loaded without a tokenizer: give the token {shown(token)} as its id")
        return model.tokenizer.single(token)
    if not 0 <= token < model.architecture.d_vocab:
        raise InputError(f"token {shown(token)} is none of the model's: ids go from 0 to {model.architecture.d_vocab - 1}")
    return token
