"""The weights from which a training begins, chosen by its first activations."""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.architectures import Architecture

ROUNDS = 32  # of Weiszfeld's algorithm; the median moves by less than a thousandth of the spread after a few


def begin(architecture: Architecture, x: Float[Tensor, "rows width"], y: Float[Tensor, "rows out"], same: bool, seed: int) -> dict[str, Tensor]:
    """Weights at the start.

    An autoencoder's encoder is its decoder (tied at the start); the bias is the geometric median of the activations where it is taken away from them
    (Bricken et al. 2023, Gao et al. 2024), else 0. A transcoder's directions are 0, and its bias is the mean of what it should write. The encoder is
    not scaled so that what it writes is as long as what it reads, as Gao et al. do: on planted features fewer were found so.

    Arguments:
        architecture: what is trained.
        x: what is read, normalised.
        y: what should be written, normalised.
        same: whether it writes what it reads.
        seed: of the directions.
    """
    size = architecture.latents(x.shape[1])
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(size, x.shape[1], generator=generator).to(x)
    encoder = rows / rows.norm(dim=1, keepdim=True)
    weights = {"encoder": encoder, "encoder_bias": torch.zeros_like(encoder[:, 0])}
    if same:
        weights["decoder"] = encoder * architecture.length
        weights["encoder"] = weights["decoder"].clone()
        weights["decoder_bias"] = geometric_median(x) if architecture.centred else torch.zeros_like(x[0])
    else:
        other = torch.randn(size, y.shape[1], generator=generator).to(y)
        weights["decoder"] = other / other.norm(dim=1, keepdim=True) if architecture.unit else torch.zeros_like(other)
        weights["decoder_bias"] = y.mean(0)
    if architecture.activation == "jumprelu":
        weights["threshold"] = torch.full_like(weights["encoder_bias"], architecture.threshold)
    if architecture.activation == "gated":
        weights |= {"gate_bias": torch.zeros_like(weights["encoder_bias"]), "log_scale": torch.zeros_like(weights["encoder_bias"])}
    if architecture.skip:
        weights["skip"] = x.new_zeros(y.shape[1], x.shape[1])
    return weights


def geometric_median(x: Float[Tensor, "rows width"]) -> Float[Tensor, " width"]:
    """The point with the least mean distance to some activations (Weiszfeld's algorithm).

    Arguments:
        x: the activations.

    >>> geometric_median(torch.tensor([[0.0], [1.0], [50.0]])).round(decimals=2)
    tensor([1.])
    """
    median = x.mean(0)
    for _ in range(ROUNDS):
        closeness = 1 / (x - median).norm(dim=1, keepdim=True).clamp(min=1e-9)
        median = (x * closeness).sum(0) / closeness.sum()
    return median
