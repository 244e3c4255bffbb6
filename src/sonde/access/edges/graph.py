"""A transformer as a graph: what is added to the residual stream, what reads it, and which of the two can meet.

A component (the embedding, a head, an MLP) adds its output z_u to the residual stream, and a receiver (a head's query, key or value, an MLP, the
logits) reads, before any norm, the sum of all that was added before it:

    x_v = sum over u before v of z_u   (+ biases, which belong to no edge)

So an edge u -> v is a term of that sum. Nodes are named by sites: a sender by what it puts out, a receiver by what it reads into.

    ("blocks.0.resid_pre", "blocks.3.attn.q[head=2]")    ("blocks.0.attn.z[head=2]", "blocks.1.mlp.in")    ("blocks.1.mlp.out", "logits")

A sender `blocks.i.attn.z[head=h]` stands for what that head adds through its rows of the output map. Edges are never objects: a set of them is a
boolean array [sender, receiver].
"""

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.results import InputError, content_hash, shown

if TYPE_CHECKING:
    from sonde.access.model import Model

Edge = tuple[str, str]
Kind = Literal["embed", "head", "attn", "mlp", "neuron", "feature", "q", "k", "v", "logits"]
REST = "rest"  # the span of the positions that are in no other


@dataclass(frozen=True)
class Part:
    """Nodes of one kind in one block, which are computed together.

    Arguments:
        kind: what they are.
        layer: their block; the number of blocks for the logits.
        step: when they read or add: a sender comes before a receiver of a later step.
        names: their sites, without positions.
        site: the site that holds them all; of features their coordinates.
    """

    kind: Kind
    layer: int
    step: int
    names: tuple[str, ...]
    site: str

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Graph:
    """The nodes of a model at a chosen granularity, and the edges that are real.

    Arguments:
        sending, receiving: the nodes in the order of the computation.
        inputs_of: by part of `sending`, the parts of `receiving` that are its inputs; of heads each is its own query's.
        heads_per_key: how many query heads share a key and a value.
        spans: names of positions: every node is once for each; empty where nodes are at all positions.
        summary: the granularity in words.
    """

    sending: tuple[Part, ...]
    receiving: tuple[Part, ...]
    inputs_of: tuple[tuple[int, ...], ...]
    heads_per_key: int = 1
    spans: tuple[str, ...] = ()
    summary: str = ""

    @staticmethod
    def of(
        model: "Model", embed: Literal["joint", "split"] = "joint", attention: Literal["heads", "layers"] = "heads",
        spans: Sequence[str] = (), neurons: Collection[int] = (), features: Collection[str] = (),
    ) -> "Graph":  # fmt: skip
        """The graph of a language model.

        Arguments:
            model: a transformer whose residual stream is the sum of what its parts add.
            embed: what enters the first block as one node, or token and position embeddings as two.
            attention: every head with its query, key and value (keys and values by the heads that they have), or every attention layer as one.
            spans: names of positions, as a task's `spans` has them; positions that are in none of them make a span "rest".
            neurons: blocks whose MLP is divided into its neurons.
            features: names that bases were attached under, at `attn.out` or `mlp.out` of some blocks: those components add features and an error.

        Raises:
            SiteUnavailable: a model whose residual stream is no such sum, or whose heads do not add to it one by one.
            InputError: another granularity, a block without an MLP, a basis at another site.

        >>> import sonde
        >>> graph = Graph.of(sonde.load("specimen:words"))
        >>> graph.n_edges, graph.receivers[-1]
        (479, 'logits')
        """
        from sonde.access.edges.granularity import Granularity

        return Granularity(model, embed, attention, tuple(neurons), tuple(features)).graph(tuple(spans))

    @property
    def sources(self) -> tuple[str, ...]:
        """The senders' sites, each once, whatever the spans."""
        return tuple(name for part in self.sending for name in part.names)

    @property
    def readers(self) -> tuple[str, ...]:
        """The receivers' sites, each once, whatever the spans."""
        return tuple(name for part in self.receiving for name in part.names)

    @property
    def n_spans(self) -> int:
        """How often a node is there."""
        return max(1, len(self.spans))

    @functools.cached_property
    def senders(self) -> tuple[str, ...]:
        """The senders: for each source, its spans."""
        return tuple(placed for name in self.sources for placed in self._placed(name))

    @functools.cached_property
    def receivers(self) -> tuple[str, ...]:
        """The receivers: for each reader, its spans."""
        return tuple(placed for name in self.readers for placed in self._placed(name))

    @functools.cached_property
    def sender_step(self) -> Int[Tensor, " sender"]:
        """When each sender adds to the stream."""
        return _steps(self.sending).repeat_interleave(self.n_spans)

    @functools.cached_property
    def receiver_step(self) -> Int[Tensor, " receiver"]:
        """When each receiver reads it."""
        return _steps(self.receiving).repeat_interleave(self.n_spans)

    @functools.cached_property
    def sender_layer(self) -> Int[Tensor, " sender"]:
        """The block of each sender; that of the embedding is -1."""
        return _layers(self.sending).repeat_interleave(self.n_spans)

    @functools.cached_property
    def receiver_layer(self) -> Int[Tensor, " receiver"]:
        """The block of each receiver; that of the logits is the number of blocks."""
        return _layers(self.receiving).repeat_interleave(self.n_spans)

    @functools.cached_property
    def real(self) -> Bool[Tensor, "sender receiver"]:
        """The edges that are there: the sender comes before the receiver, at the same positions."""
        before = self.sender_step[:, None] < self.receiver_step[None, :]
        span = torch.arange(self.n_spans)
        return before & (span.repeat(len(self.sources))[:, None] == span.repeat(len(self.readers))[None, :])

    @functools.cached_property
    def feeds(self) -> Bool[Tensor, "receiver sender"]:
        """Which senders a receiver is an input of; attention carries what it reads to all positions."""
        found = torch.zeros(len(self.readers), len(self.sources), dtype=torch.bool)
        starts, first = [], 0
        for part in self.receiving:
            starts.append(first)
            first += len(part)
        own = 0
        for part, inputs in zip(self.sending, self.inputs_of, strict=True):
            for i in inputs:
                reader = self.receiving[i]
                columns = torch.arange(own, own + len(part))
                if len(reader) in (1, len(part)) and reader.kind not in ("q", "k", "v"):
                    rows = torch.arange(len(reader)).expand(len(part)) if len(reader) == 1 else torch.arange(len(reader))
                    found[starts[i] + rows, columns] = True
                elif part.kind == "head":
                    shared = self.heads_per_key if reader.kind in "kv" else 1
                    found[starts[i] + torch.arange(len(part)) // shared, columns] = True
                else:  # features of what all heads of a layer add
                    found[starts[i] : starts[i] + len(reader), own : own + len(part)] = True
            own += len(part)
        if not self.spans:
            return found
        wide = found.repeat_interleave(self.n_spans, 0).repeat_interleave(self.n_spans, 1)
        span_r, span_s = torch.arange(self.n_spans).repeat(len(self.readers)), torch.arange(self.n_spans).repeat(len(self.sources))
        moves = torch.tensor([part.kind in ("q", "k", "v", "attn") for part in self.receiving for _ in part.names]).repeat_interleave(self.n_spans)
        stays = torch.tensor([part.kind == "q" for part in self.receiving for _ in part.names]).repeat_interleave(self.n_spans)
        return wide & ((span_r[:, None] == span_s[None, :]) | (moves & ~stays)[:, None])

    @property
    def n_edges(self) -> int:
        """How many edges are real."""
        return int(self.real.sum())

    @property
    def hash(self) -> str:
        """A content hash of nodes and granularity."""
        return content_hash([list(self.senders), list(self.receivers), self.real])

    def edges(self, mask: Bool[Tensor, "sender receiver"] | None = None) -> list[Edge]:
        """Edges by their names, receiver by receiver.

        Arguments:
            mask: which; all that are real by default.
        """
        chosen = self.real if mask is None else mask & self.real
        return [(self.senders[s], self.receivers[r]) for r, s in chosen.T.nonzero().tolist()]

    def mask(self, edges: Iterable[Edge]) -> Bool[Tensor, "sender receiver"]:
        """A set of edges as an array.

        Arguments:
            edges: (sender, receiver) by name.

        Raises:
            InputError: an edge that this graph has not.
        """
        found = torch.zeros_like(self.real)
        senders, receivers = self._places
        for sender, receiver in edges:
            if sender not in senders or receiver not in receivers or not self.real[senders[sender], receivers[receiver]]:
                raise InputError(
                    f"{shown((sender, receiver))} is no edge of this graph ({self.summary}); its senders are such as {self.senders[-1]!r}"
                )
            found[senders[sender], receivers[receiver]] = True
        return found

    def live(self, kept: Tensor) -> tuple[Bool[Tensor, "*mask sender"], Bool[Tensor, "*mask receiver"]]:
        """The nodes from which kept edges lead to the logits; whatever the others compute changes nothing.

        Arguments:
            kept: the edges that are intact, [sender, receiver] or [mask, sender, receiver]; amounts above zero count.
        """
        masks = (kept if kept.ndim == 3 else kept[None]) > 0
        masks = masks & self.real.to(masks.device)
        feeds = self.feeds.to(masks.device)
        receivers = (self.receiver_layer == self.receiver_layer.max()).to(masks.device).expand(len(masks), -1).clone()
        senders = torch.zeros(masks.shape[:2], dtype=torch.bool, device=masks.device)
        for step in sorted(set(self.sender_step.tolist()), reverse=True):
            now = (self.sender_step == step).nonzero().squeeze(1).to(masks.device)
            senders[:, now] = (masks[:, now] & receivers[:, None, :]).any(-1)
            receivers |= (feeds[None, :, now] & senders[:, None, now]).any(-1)
        return (senders, receivers) if kept.ndim == 3 else (senders[0], receivers[0])

    def by_span(self, kept: Tensor) -> Tensor:
        """Amounts [mask, sender, receiver] as [mask, source, reader, span]."""
        masks, p = kept.shape[0], self.n_spans
        return kept.view(masks, len(self.sources), p, len(self.readers), p).diagonal(dim1=2, dim2=4)

    @functools.cached_property
    def _places(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        return {name: i for i, name in enumerate(self.senders)}, {name: i for i, name in enumerate(self.receivers)}

    def _placed(self, name: str) -> list[str]:
        """A site at every span."""
        if not self.spans:
            return [name]
        return [f"{name[:-1]}, pos={span}]" if name.endswith("]") else f"{name}[pos={span}]" for span in self.spans]

    def __repr__(self) -> str:
        return f"Graph of {len(self.senders)} senders, {len(self.receivers)} receivers and {self.n_edges:,} edges: {self.summary}"


def _steps(parts: Sequence[Part]) -> Tensor:
    return torch.tensor([part.step for part in parts for _ in part.names])


def _layers(parts: Sequence[Part]) -> Tensor:
    return torch.tensor([part.layer for part in parts for _ in part.names])
