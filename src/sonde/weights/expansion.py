"""The logits as a sum over paths: from a source straight to the unembedding, through one head, through two, and so on.

With patterns and scales of norms held (`sonde.weights.frozen`), the stream after all blocks is (Elhage et al. 2021)

    sum_source x_source  +  sum_h A_h x V_h O_h  +  sum_{h2 after h1} A_h2 A_h1 x V_h1 O_h1 V_h2 O_h2  +  ...

The order of a path is the number of heads on it; a path through two is a virtual head. Orders are summed layer by layer, without naming their paths:
with X_k what flows on paths of order k, each block adds heads(X_k) to X_{k+1}. The sum of all terms is the model's own logits.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from sonde.weights.frozen import Frozen, Stream

PAIRS = 400
"""Virtual heads of two that are still told one by one."""


@dataclass(frozen=True, eq=False)
class Term:
    """One summand of the stream after all blocks.

    Arguments:
        name: "tokens", "MLP 0", "0.1", "0.1 > 1.2", "order 3".
        order: heads (and linear MLPs) on the path.
        layer: of the last part on it; -1 for what enters before the blocks.
        value: what it adds to the stream.
    """

    name: str
    order: int
    layer: int
    value: Stream


def terms(frozen: Frozen, pairs: bool = True) -> Iterator[Term]:
    """Every term of the expansion; their values add up to the stream after all blocks.

    Arguments:
        frozen: the linear network of a run.
        pairs: whether virtual heads of two are told one by one, and not by their order.
    """
    model = frozen.model
    parallel = model.architecture.law == "parallel"
    source = dict(frozen.sources())
    direct = torch.stack(list(source.values())).sum(0)
    yield from (Term(name, 0, -1, value) for name, value in source.items())
    orders: list[Stream] = []  # what flows on paths of order 1, 2, ...
    single: list[tuple[str, Stream]] = []  # what each part has added for the sources alone
    for layer in range(model.n_layers):
        entering = direct, list(orders), list(single)
        found, bias = _attention(frozen, layer, *entering, pairs)
        yield from found.named
        if bias.abs().max() > 0:
            yield Term(f"biases of attention {layer}", 0, layer, bias)
        after = direct + bias, _added(orders, found.orders), single + found.single
        if f"blocks.{layer}.mlp.out" in model.architecture.sites:
            made, rest = _mlp(frozen, layer, *(entering if parallel else after), pairs)
            yield from made.named
            if rest.abs().max() > 0:
                yield Term(f"{'biases of ' * frozen.linear}MLP {layer}", 0, layer, rest)
            after = after[0] + rest, _added(after[1], made.orders), after[2] + made.single
        direct, orders, single = after
    for k, value in enumerate(orders, 1):
        if k > (2 if pairs else 1):
            yield Term(f"order {k}", k, model.n_layers - 1, value)


@dataclass(frozen=True, eq=False)
class _Made:
    """What a part has added: the terms that have names, by order, and for the sources alone by part."""

    named: list[Term]
    orders: list[Stream]
    single: list[tuple[str, Stream]]


def _attention(
    frozen: Frozen, layer: int, direct: Stream, orders: list[Stream], single: list[tuple[str, Stream]], pairs: bool
) -> tuple[_Made, Stream]:  # fmt: skip
    by_head = frozen.heads(layer, direct)
    own = [(f"{layer}.{h}", value) for h, value in enumerate(by_head)]
    named = [Term(name, 1, layer, value) for name, value in own]
    if pairs:
        for first, value in single:
            named += [Term(f"{first} > {layer}.{h}", 2, layer, two) for h, two in enumerate(frozen.heads(layer, value))]
    return _Made(named, [by_head.sum(0), *(frozen.heads(layer, value).sum(0) for value in orders)], own), frozen.attn_bias(layer)


def _mlp(
    frozen: Frozen, layer: int, direct: Stream, orders: list[Stream], single: list[tuple[str, Stream]], pairs: bool
) -> tuple[_Made, Stream]:  # fmt: skip
    rest = frozen.mlp_rest(layer)
    if not frozen.linear:
        return _Made([], [], []), rest
    own = f"MLP {layer}", frozen.mlp(layer, direct)
    named = [Term(own[0], 1, layer, own[1])]
    named += [Term(f"{first} > {own[0]}", 2, layer, frozen.mlp(layer, value)) for first, value in single] if pairs else []
    return _Made(named, [own[1], *(frozen.mlp(layer, value) for value in orders)], [own]), rest


def _added(orders: list[Stream], more: list[Stream]) -> list[Stream]:
    """Both sums, order by order."""
    n = max(len(orders), len(more))
    return [sum((part[k] for part in (orders, more) if k < len(part)), torch.zeros(())) for k in range(n)]
