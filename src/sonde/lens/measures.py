"""What is measured of a reading: the likeliest tokens, ranks, entropies and divergences, layer by layer, in few passes over the vocabulary.

With z the logits of one layer less their maximum, p = softmax(z), and Z = sum exp(z) = 1 / max(p):

    entropy H(p)         = log Z - sum p z
    KL(final || layer)   = -H(final) - sum p_final z + log Z
    KL(layer || before)  = -H(p) - sum p z_before + log Z_before

so that no table of log-probabilities is made. All of it is in float32, whatever the model's type. A table's rows are gone through a few at a time, in
space that is used again and again: fresh memory costs as much as a pass over it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

TOKENS = 128  # whose logits are held at a time: a few tables of so many rows and the whole vocabulary
CELLS = 2**19  # of a table that are looked at together: what stays in a processor's cache from one pass to the next

Reader = Callable[[int, slice], Float[Tensor, "token vocab"]]
"""The logits of one layer (by number) for some of the tokens."""


@dataclass(frozen=True, eq=False)
class Measures:
    """Measures of every layer and token.

    Arguments:
        top: the ids of the likeliest tokens, the likeliest first.
        logit, probability: theirs.
        rank: of the tokens that were asked about, from 1; 0 where none was asked for.
        logprob: theirs, in nats.
        asked_logit: their logits.
        entropy: in nats.
        kl: KL(final || layer) in nats.
        kl_previous: KL(layer || the layer before), in nats; NaN in the first.
    """

    top: Int[Tensor, "layer token k"]
    logit: Float[Tensor, "layer token k"]
    probability: Float[Tensor, "layer token k"]
    rank: Int[Tensor, "layer token asked"]
    logprob: Float[Tensor, "layer token asked"]
    asked_logit: Float[Tensor, "layer token asked"]
    entropy: Float[Tensor, "layer token"]
    kl: Float[Tensor, "layer token"]
    kl_previous: Float[Tensor, "layer token"]


def measure(
    read: Reader, layers: int, final: Float[Tensor, "token vocab"], asked: Int[Tensor, "token asked"], k: int
) -> Measures:  # fmt: skip
    """Measure readings of some layers.

    Arguments:
        read: the logits of a layer; what it gives is written into, and must last until the next but one is read.
        layers: how many.
        final: the model's own logits.
        asked: ids of tokens whose ranks are wanted, -1 for none.
        k: how many of the likeliest tokens are kept.
    """
    k = min(k, final.shape[-1])
    n = len(final)
    parts = [_of_tokens(read, layers, final[rows], asked[rows], k, rows) for rows in _slices(n, TOKENS)]
    return Measures(**{field.name: torch.cat([getattr(part, field.name) for part in parts], 1).cpu() for field in fields(Measures)})


def _of_tokens(read: Reader, layers: int, final: Tensor, asked: Tensor, k: int, rows: slice) -> Measures:
    """All layers of some tokens; two layers' logits are held at a time."""
    p_final = final.float().softmax(-1)
    space = _Space(final)
    entropy_final = torch.cat([_entropy(p_final[part], final[part].float(), space) for part in _parts(final)])
    found: list[dict[str, Tensor]] = []
    before = None
    for layer in range(layers):
        z = read(layer, rows).float()
        pieces = []
        for part in _parts(z):
            previous = None if before is None else before[part]
            pieces.append(_measured(z[part], previous, p_final[part], entropy_final[part], asked[part], k, space))
        found.append({name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]})
        before = z
    stacked = {name: torch.stack([layer[name] for layer in found]) for name in found[0]}
    log_z = stacked.pop("log_z")
    # the mean of the logits before is under this layer's probabilities, their normaliser is the other layer's
    stacked["kl_previous"][1:] += log_z[:-1]
    stacked["kl_previous"] = stacked["kl_previous"].clamp(min=0)
    return Measures(**stacked)


class _Space:
    """Two tables of a few rows that are written again and again.

    Arguments:
        like: a table of as many columns, on the same device.
    """

    def __init__(self, like: Tensor):
        rows = max((part.stop - part.start for part in _parts(like)), default=0)
        self.p, self.work = (torch.empty(rows, like.shape[-1], device=like.device) for _ in range(2))


def _measured(
    z: Tensor, previous: Tensor | None, p_final: Tensor, entropy_final: Tensor, asked: Tensor, k: int, space: _Space
) -> dict[str, Tensor]:  # fmt: skip
    """One layer of a few tokens; `z` is shifted in place so that its maximum is 0."""
    largest = z.amax(-1, keepdim=True)
    z -= largest
    p, work = torch.softmax(z, -1, out=space.p[: len(z)]), space.work[: len(z)]
    shifted, top = _top(z, k)
    log_z = -p.gather(-1, top[:, :1])[:, 0].log()
    entropy = log_z - _dot(p, z, work)
    wanted = z.gather(-1, asked.clamp(min=0))
    # written and counted as floats, exact up to 2^24: on a processor booleans take four times as long
    rank = 1 + torch.stack([torch.gt(z, one[:, None], out=work).sum(-1) for one in wanted.T], -1).long()
    none = asked < 0
    return {
        "top": top, "logit": shifted + largest, "probability": p.gather(-1, top), "rank": rank.masked_fill(none, 0),
        "logprob": (wanted - log_z[:, None]).masked_fill(none, math.nan), "asked_logit": (wanted + largest).masked_fill(none, math.nan),
        "entropy": entropy, "kl": (log_z - _dot(p_final, z, work) - entropy_final).clamp(min=0), "log_z": log_z,
        "kl_previous": torch.full_like(entropy, math.nan) if previous is None else -entropy - _dot(p, previous, work),
    }  # fmt: skip


def _top(z: Tensor, k: int, width: int = 64) -> tuple[Tensor, Tensor]:
    """The largest entries of each row: the k largest lie in the k blocks with the largest maxima."""
    blocks = z.shape[-1] // width
    if blocks <= 2 * k:
        found = z.topk(k)
        return found.values, found.indices
    inside = z[:, : blocks * width].view(len(z), blocks, width)
    chosen = inside.amax(-1).topk(k).indices
    candidates = inside.gather(1, chosen[..., None].expand(-1, -1, width)).flatten(1)
    ids = (chosen[..., None] * width + torch.arange(width, device=z.device)).flatten(1)
    tail = torch.arange(blocks * width, z.shape[-1], device=z.device)
    candidates, ids = torch.cat([candidates, z[:, blocks * width :]], 1), torch.cat([ids, tail.expand(len(z), -1)], 1)
    found = candidates.topk(k)
    return found.values, ids.gather(1, found.indices)


def _entropy(p: Tensor, logits: Tensor, space: _Space) -> Tensor:
    z = torch.sub(logits, logits.amax(-1, keepdim=True), out=space.p[: len(logits)])
    return -p.amax(-1).log() - _dot(p, z, space.work[: len(logits)])


def _dot(p: Tensor, z: Tensor, work: Tensor) -> Float[Tensor, " token"]:
    """The mean of z under p, row by row; what has no probability counts nothing, also where z is minus infinity."""
    mean = torch.mul(p, z, out=work).sum(-1)
    return torch.where(p > 0, p * z, 0).sum(-1) if mean.isnan().any() else mean


def _parts(table: Tensor) -> Iterator[slice]:
    return _slices(len(table), max(1, CELLS // table.shape[-1]))


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
