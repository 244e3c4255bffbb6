"""A random network of any size with a planted circuit: dense random weights, in which every edge outside the circuit reads nothing.

Each live sender u writes into a frame F_u of its own, the frames being orthonormal to one another in random directions. A receiver v reads

    W_v = sum over u -> v in the circuit of B_uv F_u^T,    B_uv random,

so what it reads of any other sender is W_v F_u = 0. All other heads and MLPs read the whole stream and write beside all frames, where nobody reads.

A norm adds a path of its own: every sender moves the scale by which every later receiver is divided. A layer norm's mean is harmless, for the
frames are orthogonal to it; its scale sqrt(variance + epsilon) is held still by a large epsilon, and the gain undoes the division. An edge outside
the circuit then moves the scale by about variance / epsilon, relatively. With an ordinary epsilon, such as 1e-5, the scale is a path like any other.
"""

import random
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError
from sonde.specimens.compiled.ablation import forward
from sonde.specimens.compiled.assembly import word_tokenizer
from sonde.specimens.compiled.graph import KINDS, MLP, Circuit, Edge, Head, Kind, component, edges, receivers
from sonde.specimens.compiled.program import Compiled, Example

_WIDEST_FRAME = 16
_NEURONS_PER_DIMENSION = 4
_SCORE = 2.0  # deviation of a live head's attention scores: patterns that choose, and still move
_CALIBRATION = 16  # random inputs on which the outputs are brought to unit deviation


def planted(
    n_layers: int = 2, n_heads: int = 4, d_model: int = 64, live: float = 0.5, density: float = 0.5, norm: Literal["layer", "rms"] | None = "layer",
    mlp: bool = True, n_words: int = 20, length: int = 6, norm_eps: float = 1e8, seed: int = 0, dtype: torch.dtype = torch.float32,
) -> Compiled:  # fmt: skip
    """A random network in which a random circuit was planted.

    Arguments:
        n_layers: its blocks.
        n_heads: heads in each.
        d_model: width of the residual stream; the frames of all live components must fit.
        live: share of heads and MLPs that are part of the circuit.
        density: share of the edges among them that are.
        norm: before attention, MLP and unembedding; None leaves it out.
        mlp: whether there are MLPs.
        n_words: words that it knows.
        length: words of an example.
        norm_eps: the norm's epsilon: how still its scale is held.
        seed: of circuit and weights.
        dtype: of the weights.

    Returns:
        The network, with the truth for all kinds of ablation. Edges that carry places only, and no words, are dead but under zero ablation.

    Raises:
        InputError: a share that is none, or frames that do not fit.

    >>> network = planted(n_layers=3, n_heads=4, d_model=96, seed=1)
    >>> len(network.truth["zero"].edges), len(edges(network.model.config))
    (48, 302)
    """
    for name, share in (("live", live), ("density", density)):
        if not 0 <= share <= 1:
            raise InputError(f"{name}={share}: give a share from 0 to 1")
    shape: dict[str, Any] = {"n_layers": n_layers, "d_model": d_model, "n_heads": n_heads, "d_vocab": n_words + 2, "n_ctx": length + 1}
    rng = random.Random(seed)
    circuit = _circuit(TransformerConfig(**shape, d_mlp=int(mlp), d_head=1), live, density, rng)
    senders = sorted({sender for sender, _ in circuit})
    n_frames, mean = len(senders) + 1, int(norm == "layer")  # one frame more for those that nobody reads; a layer norm takes the mean away
    width = min(_WIDEST_FRAME, (d_model - mean) // n_frames)
    if width < 2:
        raise InputError(
            f"d_model={d_model} is too narrow for the frames of {len(senders)} senders: give at least {2 * n_frames + mean}, or less live"
        )
    neurons = _NEURONS_PER_DIMENSION * width * mlp
    config = TransformerConfig(**shape, d_mlp=neurons, d_head=width, norm=norm, norm_eps=norm_eps, tied=False, bias=False)
    model = Transformer(config).double().eval()
    generator = torch.Generator().manual_seed(seed)
    directions = _directions(d_model, norm == "layer", generator)
    frames = dict(zip(senders, directions.split(width, 1), strict=False))
    _write(model, circuit, frames, directions[:, len(senders) * width :], generator)
    model = model.to(dtype)
    words = [f"w{i}" for i in range(n_words)]
    tokenizer = word_tokenizer(words)

    def draw(rng: random.Random) -> Example:
        texts = [" ".join(rng.choices(words, k=length)) for _ in range(2)]
        with torch.no_grad():
            clean, corrupt = model(torch.tensor([tokenizer.encode(text) for text in texts]))[:, -1, 2:]
        best, second = clean.topk(2).indices.tolist()
        theirs = int(corrupt.argmax())
        return texts[0], texts[1], words[best], words[second if theirs == best else theirs]

    changing = _changing(circuit, config)
    truth: dict[Kind, Circuit] = {kind: Circuit(circuit if kind == "zero" else changing) for kind in KINDS}
    return Compiled("planted", f"nothing: a random circuit of {len(circuit)} edges", model, tokenizer, truth, draw)


def _circuit(config: TransformerConfig, live: float, density: float, rng: random.Random) -> frozenset[Edge]:
    """Random edges among random components, such that each lies on a path from an embedding to the logits."""
    possible = receivers(config)
    components = [sender for sender in possible["logits"] if sender.startswith("blocks")]
    chosen = {"embed", "pos_embed", *rng.sample(components, max(1, round(live * len(components))))}
    fitting = {v: [u for u in before if u in chosen] for v, before in possible.items() if v == "logits" or component(v) in chosen}
    found = {(u, v) for v, before in fitting.items() for u in before if rng.random() < density}
    for v, before in fitting.items():
        if not any((u, v) in found for u in before):
            found.add((rng.choice(before), v))
    for u in fitting["logits"]:
        if not any(sender == u for sender, _ in found):
            found.add((u, rng.choice([v for v, before in fitting.items() if u in before])))
    return frozenset(found)


def _changing(circuit: frozenset[Edge], config: TransformerConfig) -> frozenset[Edge]:
    """The edges of a circuit whose sender depends on the words."""
    senders, found = {"embed"}, set()
    for u, v in edges(config):  # in the order of the computation, so senders are settled before they are read
        if (u, v) in circuit and u in senders:
            found.add((u, v))
            senders.add(component(v))
    return frozenset(found)


def _directions(d_model: int, centred: bool, generator: torch.Generator) -> Tensor:
    """[d_model direction], orthonormal; where the norm centres, orthogonal to the mean as well."""
    start = torch.randn(d_model, d_model, generator=generator, dtype=torch.float64)
    if centred:
        start[:, 0] = 1
    return torch.linalg.qr(start)[0][:, int(centred) :]


@torch.no_grad()
def _write(model: Transformer, circuit: frozenset[Edge], frames: Mapping[str, Tensor], beside: Tensor, generator: torch.Generator) -> None:
    """Fill in all weights."""
    config = model.config
    width, normal = config.head_dim, lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)
    unread = beside @ normal(beside.shape[1], width) / beside.shape[1] ** 0.5

    def read(receiver: str, rows: int) -> Tensor:
        """[rows d_model]: of unit deviation where what is read is."""
        sources = [frames[u] for u, v in sorted(circuit) if v == receiver]
        if not sources:
            return normal(rows, config.d_model) / config.d_model**0.5
        return sum(normal(rows, width) @ frame.T for frame in sources) / (width * len(sources)) ** 0.5

    for norm in (module for module in model.modules() if isinstance(module, torch.nn.LayerNorm | torch.nn.RMSNorm)):
        norm.weight.fill_((1 + config.norm_eps) ** 0.5)
    model.embed.weight.copy_(normal(config.d_vocab, width) @ frames.get("embed", unread).T)
    model.pos_embed.weight.copy_(normal(config.n_ctx, width) @ frames.get("pos_embed", unread).T)
    ids = torch.randint(config.d_vocab, (_CALIBRATION, config.n_ctx), generator=generator)
    blocks: Any = model.blocks
    for layer, block in enumerate(blocks):
        attn, heads = block.attn, [Head(layer, head) for head in range(config.n_heads)]
        attn.q.weight.copy_(_SCORE * torch.cat([read(head.q, width) for head in heads]))
        attn.k.weight.copy_(torch.cat([read(head.k, width) for head in heads]))
        attn.v.weight.copy_(torch.cat([read(head.v, width) for head in heads]))
        attn.o.weight.copy_(torch.cat([frames.get(head.z, unread) for head in heads], 1))
        _, sent = forward(model, ids)
        for head, columns in zip(heads, attn.o.weight.split(width, 1), strict=True):
            columns /= _deviation(sent[head.z], width)
        if block.has_mlp:
            block.mlp.up.weight.copy_(read(MLP(layer).reads, config.d_mlp))
            block.mlp.down.weight.copy_(frames.get(MLP(layer).out, unread) @ normal(width, config.d_mlp) / config.d_mlp**0.5)
            _, sent = forward(model, ids)
            block.mlp.down.weight /= _deviation(sent[MLP(layer).out], width)
    model.unembed.weight.copy_(read("logits", config.d_vocab))


def _deviation(out: Tensor, width: int) -> Tensor:
    """Of an output [batch pos d_model] around its mean, per dimension of its frame."""
    return out.flatten(0, 1).std(0).norm() / width**0.5
