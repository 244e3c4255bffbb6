"""What each edge does by itself, exactly, without a whole forward for each.

The ablation of u -> v changes what v reads and nothing before it, so each edge costs what comes after v's block. One norm and one projection of
x + (carried_u - current_u) serve all heads of the block: of each only its own query, key or value is another. Then each head's change goes on by
itself from where attention adds to the stream; at the last block only where the metric looks.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sonde.access.edges.graph import Part
from sonde.access.engine.sweep import BOUND, BOUND_HALF
from sonde.jobs import track

if TYPE_CHECKING:
    from sonde.access.edges.rewiring import Rewiring

MEET = "heads meet:"  # a model has shown that a head's query, key or value changes what others compare

Case = tuple[int, Tensor]  # the edge's number, and the site's value under its ablation, b p d


def effects(rewiring: "Rewiring", wanted: Tensor, show: bool) -> Tensor:
    """The change of the metric by the ablation of each edge alone: edge example."""
    graph, tails = rewiring.graph, rewiring.tails
    numbers = torch.full(wanted.shape, -1, dtype=torch.long)
    numbers[wanted.cpu()] = torch.arange(int(wanted.sum()))
    found = rewiring.base.new_zeros(int(wanted.sum()), len(rewiring.base))
    readers = rewiring.wiring.reader_slices
    parts = list(zip(graph.receiving, readers, strict=True))
    for part, place in track(parts, "ablating edges") if show else parts:
        own = numbers[:, place.start * graph.n_spans : place.stop * graph.n_spans]
        if not (own >= 0).any():
            continue
        alone = f"{MEET} {part.kind}" in rewiring.model.verified
        if not tails.replays or part.kind == "neuron" or alone:
            _by_masks(rewiring, own, place.start * graph.n_spans, found)
            continue
        _by_cases(rewiring, part, own, found)
        if part.kind in ("q", "k", "v") and not _confirmed(rewiring, part, own, place.start * graph.n_spans, found):
            _by_masks(rewiring, own, place.start * graph.n_spans, found)
    return found


def _by_cases(rewiring: "Rewiring", part: Part, numbers: Tensor, found: Tensor) -> None:
    """All wanted edges into the nodes of a part, several in a pass."""
    site = f"blocks.{part.layer}.attn.out" if part.kind in ("q", "k", "v") else part.site
    waiting: list[Case] = []
    for case in _cases(rewiring, part, numbers):
        waiting.append(case)
        if len(waiting) == rewiring.tails.per_pass:
            _settle(rewiring, part, site, waiting, found)
            waiting = []
    if waiting:
        _settle(rewiring, part, site, waiting, found)


def _confirmed(rewiring: "Rewiring", part: Part, numbers: Tensor, first: int, found: Tensor) -> bool:
    """Whether heads are computed each for itself, as far as the largest effect shows; asked once per model for queries, keys and values.

    A norm over the queries of all heads together, as in OLMo 2, lets them meet.
    """
    done = f"heads by themselves: {part.kind}"
    if done in rewiring.model.verified:
        return True
    places = (numbers >= 0).nonzero()
    sizes = found[numbers[numbers >= 0]].abs().amax(1)
    if not sizes.any():
        return True  # nothing here to tell by
    s, r = places[int(sizes.argmax())].tolist()
    kept = rewiring.graph.real.clone()
    kept[s, first + r] = False
    plain = rewiring.values(kept[None])[0]
    bound = BOUND.get(plain.dtype, BOUND_HALF) * max(1.0, float(plain.abs().max()))
    agree = bool(((found[int(numbers[s, r])] + rewiring.base - plain).abs() <= bound).all())
    rewiring.model.verified.add(done if agree else f"{MEET} {part.kind}")
    return agree


def _settle(rewiring: "Rewiring", part: Part, site: str, cases: list[Case], found: Tensor) -> None:
    tails = rewiring.tails
    values = torch.stack([value for _, value in cases])
    metric = tails.read_out(values.flatten(0, 1), tails.start) if part.kind == "logits" else tails.tail(part.layer, site, values)
    found[[number for number, _ in cases]] = metric - rewiring.base


def _cases(rewiring: "Rewiring", part: Part, numbers: Tensor) -> Iterator[Case]:
    """Every wanted edge into the nodes of a part that can matter at all, with what it leaves at the site where its change goes on.

    Arguments:
        rewiring: what is ablated.
        part: of the receivers.
        numbers: of the edges, sender by the part's receivers; -1 where none is wanted.
    """
    graph, wiring, tails = rewiring.graph, rewiring.wiring, rewiring.tails
    start, p, batch = tails.start, graph.n_spans, rewiring.inputs.batch
    stream = _stream(rewiring, part)
    heads = part.kind in ("q", "k", "v")
    senders = (numbers >= 0).any(1).nonzero().squeeze(1).tolist()
    deltas = rewiring.deltas[:, :, start:]
    if heads:
        z, weight = tails.base[f"blocks.{part.layer}.attn.z"][:, start:], wiring.output_map(part.layer)
        together = wiring.summed(part.layer, z)
    size = max(1, tails.per_pass // 4)
    for chunk in (senders[i : i + size] for i in range(0, len(senders), size)):
        changes = deltas[[s // p for s in chunk]]
        if rewiring.spans is not None:
            changes = changes * rewiring.spans[[s % p for s in chunk], :, start:, None]
        matter = changes.flatten(1).any(1).tolist()  # where the same is carried nothing changes, exactly
        chunk, changes = [s for s, m in zip(chunk, matter, strict=True) if m], changes[torch.tensor(matter, device=changes.device)]
        if not chunk:
            continue
        streams = stream[None] + changes
        if not heads:
            ((_, values),) = wiring.reads(part, streams, [0])
            yield from ((int(numbers[s, s % p]), value) for s, value in zip(chunk, values, strict=True))
            continue
        read = wiring.projected(part.site, wiring.norm(part)(streams.flatten(0, 1)))
        mixed = tails.attention(part.layer, part.site, read).unflatten(0, (-1, batch)) - z
        shared = len(weight) // len(part)
        for node in range(len(part)):
            own = slice(node * shared, (node + 1) * shared)
            out = wiring.attended(part.layer, together + torch.einsum("cbphe,hed->cbpd", mixed[..., own, :], weight[own]))
            for i, s in enumerate(chunk):
                number = int(numbers[s, node * p + s % p])
                if number >= 0:
                    yield number, out[i]


def _stream(rewiring: "Rewiring", part: Part) -> Tensor:
    """The residual stream that a part reads in the unedited run, from the first column that is computed."""
    tails, start = rewiring.tails, rewiring.tails.start
    hidden = tails.recorded.hidden[part.layer][:, start:]
    if part.kind == "mlp" and rewiring.model.architecture.law != "parallel":
        return hidden + tails.base[f"blocks.{part.layer}.attn.out"][:, start:]
    return hidden


def _by_masks(rewiring: "Rewiring", numbers: Tensor, first: int, found: Tensor) -> None:
    """The same by masks that leave out one edge each: for receivers of many entries, and models whose blocks can't be called by themselves."""
    places = (numbers >= 0).nonzero().tolist()
    size = rewiring.masks_per_pass
    for chunk in (places[i : i + size] for i in range(0, len(places), size)):
        kept = rewiring.graph.real.repeat(len(chunk), 1, 1)
        for m, (s, r) in enumerate(chunk):
            kept[m, s, first + r] = False
        found[[int(numbers[s, r]) for s, r in chunk]] = rewiring.values(kept) - rewiring.base
