"""Which sequences bear most on what a language model says, token by token and layer by layer, for queries of several kinds?

The influence of a sequence is taken apart by layer, tau = sum_l tau_l, and by the place whose activations carry the gradient, tau = sum_t tau_t
(Grosse et al. 2023, "Studying Large Language Model Generalization with Influence Functions", sections 5.2 and 5.3). How lexical an influence is, is
told by the words that query and sequence share; how abstract, by whether the sequence is of the query's own kind, where kinds are known.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sonde.influence.fit import Influence
from sonde.influence.losses import Loss
from sonde.influence.overlap import word_overlap
from sonde.influence.rows import TokenRows
from sonde.influence.study_results import Study
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown

TOP = 10


def study(
    influence: Influence, queries: Mapping[str, Sequence[Any]], groups: Sequence[str] | None = None, k: int = TOP, of: Loss | None = None
) -> Study:  # fmt: skip
    """Ask of several kinds of queries which sequences of the training bear on them, in which layers, and by which words.

    Arguments:
        influence: fitted on sequences of tokens.
        queries: a kind to its queries, each a text or a (prompt, completion) pair.
        groups: the kind of each training sequence, where that is known; a query whose kind is among them tells whether like bears on like.
        k: how many of the most helpful and most harmful sequences are told token by token.
        of: what is asked about; by default the loss.

    Raises:
        InputError: training examples that are no sequences of tokens; no query; groups that do not fit the examples.

    >>> import sonde
    >>> from sonde.influence import fit
    >>> model = sonde.load("specimen:words-small")
    >>> influence = fit(model, ["The keys are here.", "The dog is big."], labels="empirical")
    >>> found = study(influence, {"agreement": [("The keys", " are")]}, k=1)
    >>> found.by_layer.shape, found.layers
    (torch.Size([1, 2, 3]), ['blocks.0', 'blocks.1', 'blocks.2'])
    """
    examples = influence.subject.examples
    if not isinstance(examples, TokenRows):
        raise InputError("a study is of sequences of tokens: fit the influence of a language model on texts or rows of token ids")
    kinds = [kind for kind, asked in queries.items() for _ in asked]
    asked = [query for of_kind in queries.values() for query in of_kind]
    if not asked:
        raise InputError("a study needs queries: give {'kind': [('The keys on the cabinet', ' are')]}")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k={shown(k)}: ask for 1 sequence or more")
    n = len(examples)
    if groups is not None and len(groups) != n:
        raise InputError(f"{len(groups)} groups for {n} training sequences: name the kind of each sequence once")
    apart = influence.scores(asked, of, by="module")
    assert apart.modules is not None and apart.by_module is not None
    layers, by_layer = layered(apart.modules, apart.by_module)
    k = min(k, n)
    order = by_layer.sum(-1).argsort(dim=1, descending=True, stable=True)
    helpful, harmful = order[:, :k], order.flip(1)[:, :k]
    shares = _token_by_token(influence, examples, asked, of, torch.cat([helpful, harmful], 1))
    named = sorted({int(i) for i in torch.cat([helpful, harmful]).flatten()})
    texts = ["".join(examples.tokens(i)) for i in range(n)]
    named_queries = [re.sub(r"<\|\w+\|>|<s>|<bos>", "", label) for label in apart.queries]
    return Study(
        model=influence.subject.model.name, kinds=kinds, queries=named_queries, query_values=apart.query_values, examples=apart.examples,
        groups=list(groups) if groups is not None else [], layers=layers, by_layer=by_layer, overlap=word_overlap(named_queries, texts),
        helpful=helpful, harmful=harmful, named=named, tokens=[examples.tokens(i) for i in named], shares=shares, n=n,
        method=apart.method, of=apart.of, recipe=_recipe(apart.recipe, kinds, k),
    )  # fmt: skip


def layered(modules: Sequence[str], values: Float[Tensor, "query example module"]) -> tuple[list[str], Float[Tensor, "query example layer"]]:
    """What each layer adds: the sum over its modules, which are those whose path has the same number first; a module outside is by itself.

    Arguments:
        modules: paths.
        values: what each adds.

    >>> layered(["h.0.up", "h.0.down", "h.1.up"], torch.tensor([[[1.0, 2.0, 4.0]]]))
    (['h.0', 'h.1'], tensor([[[3., 4.]]]))
    """
    found = [re.match(r"(.*?(?:^|\.)\d+)(?:\.|$)", path) for path in modules]
    names = [path if match is None else match[1] for path, match in zip(modules, found, strict=True)]
    layers = list(dict.fromkeys(names))
    return layers, torch.stack([values[..., [i for i, name in enumerate(names) if name == layer]].sum(-1) for layer in layers], -1)


def _token_by_token(influence: Influence, examples: TokenRows, asked: Sequence[Any], of: Loss | None, places: Int[Tensor, "query told"]) -> Tensor:
    """What each place of each query's own sequences adds: what is said of a sequence token by token costs its length, so no other is read."""
    found = []
    for query, own in track(list(zip(asked, places.tolist(), strict=True)), "token by token"):
        few = TokenRows(examples.model, [examples.rows[i] for i in own], [examples.begins[i] for i in own])
        told = Influence(replace(influence.subject, examples=few), influence.curvature, influence.damping).scores([query], of, by="token")
        assert told.by_token is not None
        found.append(told.by_token[0].T)
    return pad_sequence(found, batch_first=True).transpose(1, 2)


def _recipe(apart: Recipe, kinds: Sequence[str], k: int) -> Recipe:
    return replace(apart, function="sonde.influence.study", arguments={**apart.arguments, "kinds": list(kinds), "k": k})
