"""The books of a forward in which edges carry something else: what every receiver reads, kept while the model's own forward goes on.

The stream that flows is the sum of the current outputs. On an ablated edge u -> v the receiver reads another value of u's output,

    x_v = stream + sum over ablated u -> v of (carried_u - current_u),

before its norm. So only what receivers read is written; nothing is recomputed but their norms and their own rows of the weights. Several sets of
ablated edges go through the model at once, stacked along the batch.

Shape legend: m masks, s senders, r readers, b batch, p position, d d_model.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sonde.access.edges.wiring import Wiring
from sonde.access.edits import Apply
from sonde.access.sites import Site
from sonde.access.writes import Write

HEADS = ("q", "k", "v")


class Ledger:
    """The books of one forward.

    Arguments:
        wiring: the nodes.
        ablated: how much of each edge carries the other value: m source reader span.
        needed: the readers that must be computed anew: m reader.
        carried: the other values of the sources, source b p d.
        known: carried less current of the senders before the first block that is computed, which no edge changes: source b p d.
        spans: the positions of each span, span b p; `None` where there is one.
        entry: the first block that is computed.
    """

    def __init__(
        self, wiring: Wiring, ablated: Tensor, needed: Tensor, carried: Tensor, known: Tensor, spans: Tensor | None, entry: int
    ):  # fmt: skip
        self.wiring, self.ablated, self.needed, self.carried, self.spans, self.entry = wiring, ablated, needed, carried, spans, entry
        self.masks, self.shape = len(ablated), carried.shape[1:]
        self.known = known.flatten(1)
        self.graded = torch.is_grad_enabled()
        # for gradients every part is kept by itself; else all lie side by side, so that readers sum them in one product
        size = 0 if self.graded else len(carried) - len(known)
        self._current, self._filled = carried.new_empty(self.masks, size, self.known.shape[1]), 0
        self._parts: list[tuple[slice, Tensor]] = []
        self._stream: Tensor | None = None
        self._heads: tuple[int, Tensor, Tensor, Tensor] | None = None

    def writes(self) -> list[Write]:
        """What is to be done at which site, in the order of the computation."""
        model, graph = self.wiring.model, self.wiring.graph
        parallel, found = model.architecture.law == "parallel", []

        def at(site: str, act: Callable[[Tensor], Tensor]) -> None:
            found.append(Write(Site(site), Apply(site, act)))

        for layer in range(self.entry, model.n_layers):
            at(f"blocks.{layer}.resid_pre", self._keep)
            reading = [i for i, part in enumerate(graph.receiving) if part.layer == layer]
            sending = [i for i, part in enumerate(graph.sending) if part.layer == layer]
            for i in (i for i in reading if graph.receiving[i].kind in (*HEADS, "attn")):
                self._at_reader(at, i)
            attention = [i for i in sending if graph.sending[i].site.startswith(f"blocks.{layer}.attn.")]
            for i in attention:
                at(self.wiring.site(graph.sending[i]), lambda value, i=i: self._book(i, value))  # type: ignore[misc]
            if not parallel:
                at(f"blocks.{layer}.attn.out", self._add)
            for i in (i for i in reading if graph.receiving[i].kind in ("mlp", "neuron")):
                self._at_reader(at, i)
            for i in (i for i in sending if i not in attention):
                at(self.wiring.site(graph.sending[i]), lambda value, i=i: self._book(i, value))  # type: ignore[misc]
        last = f"blocks.{model.n_layers - 1}.resid_post"
        at(last, lambda stream: self._rewritten(len(graph.receiving) - 1, last, stream, stream))
        return found

    def logits_stream(self, stream: Tensor) -> Tensor:
        """What the logits read where no block is computed: (m b) p d."""
        last = len(self.wiring.graph.receiving) - 1
        return self._rewritten(last, self.wiring.graph.receiving[last].site, stream, stream)

    # while the forward goes on

    def _keep(self, stream: Tensor) -> Tensor:
        self._stream = stream
        return stream

    def _add(self, output: Tensor) -> Tensor:
        assert self._stream is not None
        self._stream = self._stream + output
        return output

    def _at_reader(self, at: Callable[[str, Callable[[Tensor], Tensor]], None], i: int) -> None:
        part = self.wiring.graph.receiving[i]
        if not self.needed[:, self.wiring.reader_slices[i]].any():
            return
        sites = [part.site]
        if part.kind == "neuron" and part.site.replace(".pre", ".gate") in self.wiring.model.architecture.sites:
            sites.append(part.site.replace(".pre", ".gate"))
        for site in sites:
            at(site, lambda old, site=site: self._rewritten(i, site, old, self._stream))  # type: ignore[misc]

    def _rewritten(self, i: int, site: str, old: Tensor, stream: Tensor | None) -> Tensor:
        """A receiver's site, with the entries of the nodes that read something else."""
        assert stream is not None
        part, rows = self.wiring.graph.receiving[i], self.wiring.reader_slices[i]
        if part.kind in HEADS:
            return self._projected(part.layer, site, rows, old, stream)
        new, b = old.clone(), self.shape[0]
        for m in range(self.masks):
            nodes = self.needed[m, rows].nonzero().squeeze(1)
            if not len(nodes):
                continue
            here = slice(m * b, (m + 1) * b)
            streams = self._read(m, rows.start + nodes, stream[here])
            entries = dict(self.wiring.reads(part, streams, nodes.tolist()))[site]
            if part.kind == "neuron":
                new[here, :, nodes] = entries.permute(1, 2, 0)
            else:
                new[here] = entries[0]
        return new

    def _projected(self, layer: int, site: str, rows: slice, old: Tensor, stream: Tensor) -> Tensor:
        """The queries, keys or values of a block, with those of the nodes that read something else."""
        if self._heads is None or self._heads[0] != layer:
            self._heads = layer, *self._head_inputs(layer, stream)
        _, readers, masks, normed = self._heads
        own = slice(*torch.searchsorted(readers, torch.tensor([rows.start, rows.stop], device=readers.device)).tolist())
        nodes = readers[own] - rows.start
        new = old.clone()
        new.unflatten(0, (self.masks, -1))[masks[own], :, :, nodes] = self.wiring.entries(site, normed[own], nodes.tolist())
        return new

    def _head_inputs(self, layer: int, stream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the heads of a block read that is not the stream, through their norm: the readers in order, the mask of each, what it reads, b p d.

        Queries, keys and values of all masks together: so what is summed is read from memory once, and each node's weights too.
        """
        parts = [i for i, part in enumerate(self.wiring.graph.receiving) if part.layer == layer and part.kind in HEADS]
        start, stop = self.wiring.reader_slices[parts[0]].start, self.wiring.reader_slices[parts[-1]].stop
        nodes, masks = self.needed[:, start:stop].T.nonzero().T
        norm, streams = self.wiring.norm(self.wiring.graph.receiving[parts[0]]), stream.unflatten(0, (self.masks, -1))
        normed = stream.new_empty(len(nodes), *self.shape)
        for m in masks.unique().tolist():
            asked = (masks == m).nonzero().squeeze(1)
            normed[asked] = norm(self._read(m, start + nodes[asked], streams[m]))
        return start + nodes, masks, normed

    def _read(self, m: int, readers: Tensor, stream: Tensor) -> Tensor:
        """What some readers read under one mask: r b p d."""
        amounts = self.ablated[m][:, readers]
        total = stream.reshape(1, -1).expand(len(readers), -1)
        for span in range(amounts.shape[2]):
            for weights, deltas in self._deltas(m, amounts[:, :, span]):
                if self.spans is not None:
                    deltas = (deltas.unflatten(1, self.shape) * self.spans[span][None, ..., None]).flatten(1)
                total = torch.addmm(total, weights.T.to(deltas.dtype), deltas)
        found: Tensor = total.unflatten(1, self.shape)
        return found

    def _deltas(self, m: int, amounts: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Carried less current of what was added so far, with how much of it each reader gets."""
        n = len(self.known)
        pairs = [(amounts[:n], self.known), (amounts[n : n + self._filled], self._current[m, : self._filled])]
        pairs += [(amounts[own], deltas[m]) for own, deltas in self._parts]
        return [(weights, deltas) for weights, deltas in pairs if len(deltas)]

    def _book(self, i: int, value: Tensor) -> Tensor:
        """Note what the nodes of a part add."""
        part, own = self.wiring.graph.sending[i], self.wiring.sender_slices[i]
        if self.graded:
            deltas = self.carried[own][:, None] - self.wiring.adds(part, value).unflatten(1, (self.masks, -1))
            self._parts.append((own, deltas.transpose(0, 1).flatten(2)))
            return value
        place = self._current[:, own.start - len(self.known) : own.stop - len(self.known)].unflatten(2, self.shape)
        if self.ablated[:, own].any():
            added = self.wiring.adds(part, value).unflatten(1, (self.masks, -1)).transpose(0, 1)
            torch.sub(self.carried[own], added, out=place)
        else:
            place.zero_()  # nobody reads another value of it
        self._filled = own.stop - len(self.known)
        return value
