"""How the edges of a computation are named, and what it means that some of them are the circuit.

A component (the token embedding, the position embedding, a head, an MLP) adds its output z_u to the residual stream, and a receiver (a head's query,
key or value, an MLP, the logits) reads x_v = sum of z_u over all u before v, before any norm. So an edge is a pair of sites: the sender's output and
the place that the receiver feeds.

    ("embed", "blocks.0.attn.k[head=2]")    ("blocks.0.attn.z[head=2]", "blocks.1.mlp.in")    ("blocks.1.mlp.out", "logits")

Senders are `embed`, `pos_embed` (where there is one), `blocks.i.attn.z[head=h]` (what it adds through its rows of the output map; the map's bias
belongs to no edge) and `blocks.i.mlp.out` (its bias included). Receivers are `blocks.i.attn.q[head=h]`, `.k`, `.v`, `blocks.i.mlp.in`, `logits`.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from sonde.nn import TransformerConfig

Edge = tuple[str, str]
Kind = Literal["zero", "mean", "resample", "counterfactual"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What takes the place of a sender's output on an ablated edge: nothing; its mean over the partners of all examples, position by position; its
value in the partner of another example; its value in the example's own partner."""


@dataclass(frozen=True)
class Head:
    """One head: its site as a sender and its three as receivers.

    >>> head = Head(1, 2)
    >>> print(head, head.z, head.k)
    1.2 blocks.1.attn.z[head=2] blocks.1.attn.k[head=2]
    """

    layer: int
    head: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.head}"

    @property
    def q(self) -> str:
        return self._site("q")

    @property
    def k(self) -> str:
        return self._site("k")

    @property
    def v(self) -> str:
        return self._site("v")

    @property
    def z(self) -> str:
        return self._site("z")

    def _site(self, part: str) -> str:
        return f"blocks.{self.layer}.attn.{part}[head={self.head}]"


@dataclass(frozen=True)
class MLP:
    """One MLP: its site as a sender and its site as a receiver."""

    layer: int

    @property
    def reads(self) -> str:
        return f"blocks.{self.layer}.mlp.in"

    @property
    def out(self) -> str:
        return f"blocks.{self.layer}.mlp.out"


@dataclass(frozen=True)
class Circuit:
    """The edges along which the answer is computed, as one kind of ablation sees them.

    Arguments:
        edges: ablating them changes the answer: each by itself, but for those in `hidden`.
        hidden: those that matter only together with others, which do their work meanwhile: ablating one of them alone changes nothing.
        flat: those whose gradient is zero where the model stands, so that no first-order score can see them.
        harmful: those that stand against the answer: ablating one raises the metric.
    """

    edges: frozenset[Edge]
    hidden: frozenset[Edge] = frozenset()
    flat: frozenset[Edge] = frozenset()
    harmful: frozenset[Edge] = frozenset()

    @property
    def nodes(self) -> frozenset[str]:
        """The components at the edges' ends, each by its site as a sender; and the logits."""
        return frozenset(component(site) for edge in self.edges for site in edge)


def by_kind(zero: Circuit, changed: Circuit) -> dict[Kind, Circuit]:
    """The truth where all kinds but zero ablation, which put something of the partners in place, see the same.

    Arguments:
        zero: the circuit by zero ablation.
        changed: the circuit by the others.
    """
    return {"zero": zero, "mean": changed, "resample": changed, "counterfactual": changed}


def component(site: str) -> str:
    """The component that a sender or receiver belongs to, by its site as a sender.

    Arguments:
        site: a sender or a receiver.

    >>> component("blocks.1.attn.k[head=2]"), component("blocks.0.mlp.in"), component("logits")
    ('blocks.1.attn.z[head=2]', 'blocks.0.mlp.out', 'logits')
    """
    return re.sub(r"\.attn\.[qkv]\[", ".attn.z[", site).replace("mlp.in", "mlp.out")


def receivers(config: TransformerConfig) -> dict[str, tuple[str, ...]]:
    """Every receiver, in the order of the computation, and the senders that come before it.

    Arguments:
        config: the network's shape.

    >>> config = TransformerConfig(n_layers=1, d_model=8, n_heads=1, d_vocab=5, n_ctx=4, d_mlp=8)
    >>> receivers(config)["blocks.0.mlp.in"]
    ('embed', 'pos_embed', 'blocks.0.attn.z[head=0]')
    >>> sum(map(len, receivers(config).values()))
    13
    """
    senders: tuple[str, ...] = ("embed", "pos_embed") if config.positional == "learned" else ("embed",)
    found: dict[str, tuple[str, ...]] = {}
    for layer in range(config.n_layers):
        heads = [Head(layer, head) for head in range(config.n_heads)]
        found |= {site: senders for head in heads for site in (head.q, head.k, head.v)}
        senders += tuple(head.z for head in heads)
        if config.d_mlp:
            found[MLP(layer).reads] = senders
            senders += (MLP(layer).out,)
    return found | {"logits": senders}


def edges(config: TransformerConfig) -> list[Edge]:
    """Every edge of a network of this shape.

    Arguments:
        config: the network's shape.

    >>> gpt2_small = TransformerConfig(n_layers=12, d_model=768, n_heads=12, d_vocab=50257, n_ctx=1024, d_mlp=3072, positional=None)
    >>> len(edges(gpt2_small))
    32491
    """
    return [(sender, receiver) for receiver, senders in receivers(config).items() for sender in senders]
