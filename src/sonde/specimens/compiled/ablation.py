"""What an edge does, by recomputing the network without it: the plain definition, slow and exact, against which faster methods can be held.

On an ablated edge u -> v the receiver reads the reference value of the sender's output instead of the current one,

    x_v = sum over all u before v of z_u  +  sum over ablated u -> v of (reference z_u - z_u),

and everything after it is computed anew. An edge's effect is the metric with the edge ablated minus the metric as it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde import tasks
from sonde.nn import Transformer
from sonde.results import InputError
from sonde.specimens.compiled.graph import KINDS, MLP, Edge, Head, Kind, edges
from sonde.tasks import Task

Outputs = dict[str, Tensor]
"""By sender: [batch pos d_model]."""
Replaced = Mapping[Edge, tuple[Tensor, float | Tensor]]
"""By edge: what it carries instead, [batch pos d_model], and by which amount."""


class Ablation:
    """One kind of ablation of a network on the examples of a task.

    Arguments:
        model: a network of `sonde.nn` with as many key as query heads and no rotary positions, as the programs are.
        task: examples of equal length; their logit difference at the last token is the metric.
        kind: what takes the place of an ablated output.
        seed: of the choice of other examples, where the kind is "resample".

    Raises:
        InputError: another kind of network or of ablation, or examples of different lengths.
    """

    def __init__(self, model: Transformer, task: Task, kind: Kind, seed: int = 0) -> None:
        _refuse(model, task, kind)
        self.model, self.task = model, task
        self.ids = torch.tensor(task.clean)
        with torch.no_grad():
            _, partners = forward(model, torch.tensor(task.corrupt))
        self.reference = {sender: tasks.Ablation(kind, seed=seed).of(z) for sender, z in partners.items()}

    def metric(self, ablated: Iterable[Edge] = (), amount: float | Tensor = 1.0) -> Float[Tensor, " example"]:
        """The logit difference of each example with some edges ablated together.

        Arguments:
            ablated: the edges.
            amount: how far: 0 not at all, 1 wholly. The derivative at 0 is the edges' score by attribution patching.
        """
        return self._metric({edge: (self.reference[edge[0]], amount) for edge in ablated})

    @torch.no_grad()
    def effects(self, ablated: Iterable[Edge] | None = None) -> dict[Edge, Float[Tensor, " example"]]:
        """The effect of ablating each edge by itself.

        Arguments:
            ablated: the edges; by default all that the network has.
        """
        asked = edges(self.model.config) if ablated is None else list(ablated)
        whole = self.metric()
        found: dict[Edge, Tensor] = {}
        for receiver in dict.fromkeys(receiver for _, receiver in asked):
            # one forward for the edges into one receiver: each has the examples once, and is ablated there
            into = [edge for edge in asked if edge[1] == receiver]
            replaced = {}
            for copy, edge in enumerate(into):
                here = torch.arange(len(into)).eq(copy).repeat_interleave(len(self.task))
                replaced[edge] = (self.reference[edge[0]].repeat(len(into), 1, 1), here[:, None, None])
            changed = self._metric(replaced, copies=len(into)).view(len(into), -1)
            found |= {edge: values - whole for edge, values in zip(into, changed, strict=True)}
        return found

    def _metric(self, replaced: Replaced, copies: int = 1) -> Tensor:
        logits, _ = forward(self.model, self.ids.repeat(copies, 1), replaced)
        right, wrong = (logits.gather(1, ids.repeat(copies)[:, None])[:, 0] for ids in (self.task.targets, self.task.foils))
        return right - wrong


def _refuse(model: Transformer, task: Task, kind: str) -> None:
    """Raise `InputError` where the plain recomputation below would be another network's."""
    if not isinstance(model, Transformer):
        raise InputError(f"{type(model).__name__} is no network of sonde.nn, which ablation by recomputation is written for: use model.sweep")
    config = model.config
    if config.positional == "rotary" or config.kv_heads != config.n_heads:
        raise InputError("ablation by recomputation knows neither rotary positions nor grouped keys: use model.sweep for this network")
    if kind not in KINDS:
        raise InputError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
    if task.length is None:
        raise InputError(f"the examples of {task.name!r} differ in length: give ones of equal length")


def forward(model: Transformer, ids: Int[Tensor, "batch pos"], replaced: Replaced | None = None) -> tuple[Float[Tensor, "batch vocab"], Outputs]:
    """Logits at the last position and every sender's output, where some edges carry another value by some amount."""
    cut = defaultdict(list)
    for (sender, receiver), change in (replaced or {}).items():
        cut[receiver].append((sender, *change))
    sent: Outputs = {"embed": model.embed(ids)}
    if model.config.positional == "learned":
        sent["pos_embed"] = model.pos_embed(torch.arange(ids.shape[1])).expand_as(sent["embed"])

    def received(stream: Tensor, receiver: str) -> Tensor:
        return stream + sum(amount * (value - sent[sender]) for sender, value, amount in cut[receiver])

    stream = torch.stack(list(sent.values())).sum(0)
    blocks: Any = model.blocks
    for layer, block in enumerate(blocks):
        attn, mlp = block.attn, MLP(layer)
        heads = [Head(layer, head) for head in range(model.config.n_heads)]
        plain = block.attn_norm(stream)
        own = {site: block.attn_norm(received(stream, site)) for site in list(cut) if site.startswith(f"blocks.{layer}.attn.")}
        q, k, v = (_by_head(getattr(attn, part), [own.get(getattr(head, part), plain) for head in heads]) for part in "qkv")
        z, _ = attn.kernel(attn, q, k, v, None, scaling=attn.scaling)
        results = torch.einsum("bphe,dhe->hbpd", z, attn.o.weight.unflatten(1, (len(heads), -1)))
        sent |= {head.z: result for head, result in zip(heads, results, strict=True)}
        stream = stream + results.sum(0) + (0 if attn.o.bias is None else attn.o.bias)
        if block.has_mlp:
            sent[mlp.out] = block.mlp(block.mlp_norm(received(stream, mlp.reads)))
            stream = stream + sent[mlp.out]
    return model.unembed(model.final_norm(received(stream, "logits")[:, -1])), sent


def _by_head(linear: nn.Linear, inputs: Sequence[Tensor]) -> Tensor:
    """Queries, keys or values [batch head pos d_head], each head's from an input [batch pos d_model] of its own."""
    biases = [None] * len(inputs) if linear.bias is None else linear.bias.chunk(len(inputs))
    rows = linear.weight.chunk(len(inputs))
    return torch.stack([nn.functional.linear(x, W, b) for x, W, b in zip(inputs, rows, biases, strict=True)], dim=1)
