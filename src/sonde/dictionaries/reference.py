"""The losses of `sonde.dictionaries.step`, written densely from the papers and differentiated by torch: slow, short, the oracle of the tests.

It shares no line with the fast path beyond the configuration.
"""

import torch
from torch import Tensor

from sonde.dictionaries.architectures import L0, L1, Architecture, Tanh
from sonde.dictionaries.step import Moment


class Jump(torch.autograd.Function):
    """z where it is above its threshold; the threshold's slope is that of a ramp of some width."""

    @staticmethod
    def forward(ctx, z, threshold, width):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(z, threshold)
        ctx.width = width
        return z * (z > threshold)

    @staticmethod
    def backward(ctx, up):  # type: ignore[no-untyped-def]
        z, threshold = ctx.saved_tensors
        near = ((z - threshold).abs() < ctx.width / 2).to(z)
        return up * (z > threshold), (-up * near * threshold / ctx.width).sum(0), None


class Count(torch.autograd.Function):
    """1 where z is above its threshold; the threshold's slope is that of a ramp of some width."""

    @staticmethod
    def forward(ctx, z, threshold, width):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(z, threshold)
        ctx.width = width
        return (z > threshold).to(z)

    @staticmethod
    def backward(ctx, up):  # type: ignore[no-untyped-def]
        z, threshold = ctx.saved_tensors
        near = ((z - threshold).abs() < ctx.width / 2).to(z)
        return None, (-up * near / ctx.width).sum(0), None


def loss(weights: dict[str, Tensor], x: Tensor, y: Tensor, architecture: Architecture, moment: Moment, parts: tuple[int, ...]) -> dict[str, Tensor]:
    """The terms of the loss, as functions of the weights that torch differentiates.

    Arguments:
        weights: of the dictionary, by name.
        x: what is read, normalised.
        y: what should be written, normalised.
        architecture: what is trained.
        moment: of the training.
        parts: widths of what is written, side by side.
    """
    a, n, term = architecture, len(x), architecture.sparsity
    scale = 1 / ((y - y.mean(0)) ** 2).sum() * n if a.error == "fvu" else torch.ones(())
    decoder, bias = weights["decoder"], weights["decoder_bias"]
    read = x - bias if a.centred else x
    pi = read @ weights["encoder"].T
    width = term.bandwidth if isinstance(term, L0 | Tanh) else 1.0
    base = bias + (x @ weights["skip"].T if a.skip else 0)

    def error(f: Tensor, wanted: Tensor, beside: Tensor | float, directions: Tensor = decoder) -> Tensor:
        return scale * ((f @ directions + beside - wanted) ** 2).sum() / n

    def largest(z: Tensor, k: int, whole: bool) -> Tensor:
        flat = z.flatten() if whole else z
        mask = torch.zeros_like(flat).scatter(-1, flat.topk(min(k, flat.shape[-1]), dim=-1).indices, 1.0).view_as(z)
        return z.relu() * mask

    found: dict[str, Tensor] = {}
    gate = None
    if a.activation == "gated":
        gate = (pi + weights["gate_bias"]).relu()
        f = (gate > 0) * (pi * weights["log_scale"].exp() + weights["encoder_bias"]).relu()
        found["gate"] = error(gate, y, base.detach(), decoder.detach())
    else:
        z = pi + weights["encoder_bias"]
        k = a.k or 0
        if a.activation == "topk":
            f = largest(z, k * n if a.batch else k, a.batch)
        elif a.activation == "abstopk":
            f = z * torch.zeros_like(z).scatter(-1, z.abs().topk(k, dim=-1).indices, 1.0)
        elif a.activation == "groupmax":
            grouped = z.view(n, k, -1)
            f = (grouped.relu() * (grouped == grouped.max(-1, keepdim=True).values)).view_as(z)
        elif a.activation == "jumprelu":
            f = Jump.apply(z, weights["threshold"], width)
        else:
            f = z.relu()
        if a.multi is not None:
            found["multi"] = a.multi.weight * error(largest(z, k * a.multi.times, False), y, base)
        if moment.dead is not None and len(moment.dead):
            if a.auxk is not None:
                missing = (y - f @ decoder - base).detach()
                columns = z[:, moment.dead]
                taken = largest(columns, a.auxk.k or max(1, x.shape[1] // 2), False)
                found["auxk"] = a.auxk.weight * error(taken, missing, 0.0, decoder[moment.dead])
            if a.pre_activation is not None:
                below = (weights["threshold"] - z)[:, moment.dead].relu() * decoder[moment.dead].norm(dim=1)
                found["pre_activation"] = a.pre_activation.weight * below.sum() / n
    if a.prefixes:
        ends = [round(share * f.shape[1]) for share in a.prefixes]
        found["error"] = sum((error(f[:, :end], y, base, decoder[:end]) for end in ends), torch.zeros(())) / len(ends)
    else:
        found["error"] = error(f, y, base)
    if term is not None:
        values = gate if gate is not None else f.abs() if a.activation == "abstopk" else f
        lengths = sum(part.norm(dim=1) for part in decoder.split(list(parts), dim=1))
        weight = term.weight * moment.weight
        if isinstance(term, L1):
            powered = values if moment.p == 1 else (values + 1e-3) ** moment.p - 1e-3**moment.p
            found["sparsity"] = weight * (powered * (lengths if term.lengths else 1)).sum() / n
        elif isinstance(term, Tanh):
            found["sparsity"] = weight * torch.tanh(term.c * values * lengths).sum() / n
        else:
            mean = Count.apply(z, weights["threshold"], width).sum() / n
            found["sparsity"] = weight * mean if term.target is None else weight * (mean / term.target - 1) ** 2
    return found
