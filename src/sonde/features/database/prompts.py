"""Which latents are active on the user's own prompt, on which tokens, and what each does there."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sonde.access import Model
from sonde.features.database.ablation import Read, next_losses, read_codes, refuse_others, without
from sonde.features.records import Active, Firing
from sonde.results import InputError, shown

if TYPE_CHECKING:
    from sonde.features.database.features import Features

By = Literal["activation", "effect"]
LOGITS = 2**25


def active(features: "Features", model: Model, prompt: str, by: By | int, most: int) -> Active:
    """The latents that are active on a prompt, in order.

    Arguments:
        features: the database.
        model: from which it was collected.
        prompt: a text.
        by: the order: highest activation on any token; largest effect on the loss of any token; or the activation on the token at a position.
        most: how many latents; where effects are asked for, the most active are tried.

    Raises:
        InputError: no such order or position; no basis at hand. CheckRefused: another model.
    """
    refuse_others(features, model)
    if model.tokenizer is None or most < 1:
        raise InputError(f"most={most}: give 1 or more, and a model with a tokenizer")
    row = model.prepare(prompt).ids[0].tolist()  # type: ignore[index]
    if by not in ("activation", "effect") and (isinstance(by, str | bool) or not -len(row) <= by < len(row)):
        raise InputError(f"by={shown(by)}: order by 'activation', by 'effect', or by the token at a position from 0 to {len(row) - 1}")
    read = read_codes(features, model, [row], logits=by == "effect")
    counted = torch.tensor([i not in features.left_out for i in row])
    kept = counted[read.codes.rows]
    strength = torch.zeros(features.size)
    chosen = kept & (read.codes.rows == by % len(row)) if not isinstance(by, str) else kept
    strength.scatter_reduce_(0, read.codes.latents[chosen], read.codes.values[chosen].abs().float(), "amax")
    latents = strength.argsort(descending=True, stable=True)[: min(most, int((strength > 0).sum()))].tolist()
    values = {i: read.of(i)[0] * counted for i in latents}
    rises = dict(_rises(features, model, row, read, latents)) if by == "effect" else {}
    if by == "effect":
        latents.sort(key=lambda i: -float(rises[i].abs().max()))
    labels = features.labels(latents)
    firings = [
        Firing(latent=i, label=labels[i], values=values[i].tolist(), effects=[0.0, *rises[i].tolist()] if i in rises else None) for i in latents
    ]
    return Active(text=prompt, tokens=model.tokenizer.strings(row), firings=firings)


def _rises(features: "Features", model: Model, row: list[int], read: Read, latents: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
    """Each latent with the rise of every later token's loss when it is taken out."""
    (clean,) = next_losses(read.run.logits, [row])
    step = max(1, LOGITS // (len(row) * model.architecture.d_vocab))
    for start in range(0, len(latents), step):
        some = latents[start : start + step]
        values = torch.cat([read.of(i) for i in some])
        gone = without(features, model, [row] * len(some), values, some)
        yield from zip(some, (losses - clean for losses in next_losses(gone.logits, [row] * len(some))), strict=True)
