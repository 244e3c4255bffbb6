"""A dictionary of activations each of which was brought to a common scale by itself, as OpenAI's were and some of SAELens'.

The dictionary reads n = (x - m) / (s + e) with the activation's own mean m and deviation s, and what it writes is scaled back:
y = s (W_d^T f + b_d) + m.
Scaling back needs m and s, which f does not tell. So they become coordinates of their own, and decoding is linear again, as a basis should have it:

    c = (s f, s, m)        y = sum_i c_i d_i + s b_d + m (1, ..., 1)

Latents are thus in the units of the activation; within a row they are ordered as f is.

| kind | m | s | coordinates |
| --- | --- | --- | --- |
| `layer_norm` | mean of the entries | their standard deviation (n - 1 in the denominator), e added to it | F latents, s, m |
| `constant_norm` | 0 | length over the square root of the width | F latents, s |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sonde import bases
from sonde.bases import Codes
from sonde.dictionaries.dictionary import Dictionary, Part
from sonde.results import InputError, content_hash, shown

Scaling = Literal["layer_norm", "constant_norm"]


@dataclass(frozen=True, eq=False, repr=False)
class Standardised:
    """A dictionary with each activation's own scale: a `Basis` whose last coordinates are that scale, and the mean.

    Arguments:
        dictionary: of the activations at the common scale; it writes what it reads.
        kind: how an activation is brought to it.
        epsilon: added to the deviation before dividing by it, of `layer_norm`.

    Raises:
        InputError: a dictionary that writes something else than it reads: the scale of what is read says nothing about that.

    >>> eye = torch.eye(2)
    >>> sae = Standardised(Dictionary(eye, torch.zeros(2), eye, torch.zeros(2)), "layer_norm", epsilon=0.0)
    >>> sae, sae.encode(torch.tensor([[1.0, 3.0]]))
    (Standardised(2 latents of 2 entries, relu, layer_norm), tensor([[0.0000, 1.0000, 1.4142, 2.0000]]))
    """

    dictionary: Dictionary
    kind: Scaling
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.kind not in get_args(Scaling):
            raise InputError(f"kind={shown(self.kind)}: choose from {', '.join(get_args(Scaling))}")
        if self.dictionary.transcodes or self.dictionary.skip is not None:
            raise InputError(f"{self.dictionary!r} writes something else than it reads: the scale of one says nothing about the other")

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return self.dictionary.width

    @property
    def size(self) -> int:
        """How many coordinates there are: the latents, the scale, and the mean of `layer_norm`."""
        return self.dictionary.size + (2 if self.kind == "layer_norm" else 1)

    @property
    def names(self) -> tuple[str, ...]:
        """Latents have numbers only."""
        return ()

    @cached_property
    def hash(self) -> str:
        """A content hash of what decides its outputs."""
        return content_hash([self.dictionary.hash, self.kind, self.epsilon])

    @property
    def reads(self) -> tuple[Part, ...]:
        """What it reads."""
        return self.dictionary.reads

    @property
    def writes(self) -> tuple[Part, ...]:
        """What it writes: what it reads."""
        return self.dictionary.writes

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Plain data about where it is from."""
        return self.dictionary.metadata

    @property
    def directions(self) -> Float[Tensor, "size width"]:
        """The latents' directions, the decoder's bias, and a row of ones for the mean."""
        inner = self.dictionary
        rows = [inner.directions, inner.decode(inner.decoder.new_zeros(1, inner.size))]
        return torch.cat([*rows, torch.ones_like(rows[1])] if self.kind == "layer_norm" else rows)

    def codes(self, x: Float[Tensor, "rows width"]) -> Codes:
        """The active latents of each activation, its scale and its mean.

        Arguments:
            x: activations, one a row.
        """
        standard, scale, mean = self._standard(x)
        found = self.dictionary.codes(standard)
        last = torch.stack([scale, mean], dim=1)[:, : self.size - self.dictionary.size]
        values = torch.cat([found.values * scale[found.rows], last.reshape(-1)])
        latents = torch.cat([found.latents, torch.arange(self.dictionary.size, self.size, device=x.device).repeat(len(x))])
        rows = torch.cat([found.rows, torch.arange(len(x), device=x.device).repeat_interleave(last.shape[1])])
        order = rows.argsort(stable=True)
        counts = found.counts + last.shape[1]
        return Codes(values[order], latents[order], counts.cumsum(0) - counts, self.size).without_zeros()

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The coordinates with their zeros; differentiable."""
        standard, scale, mean = self._standard(x)
        last = torch.stack([scale, mean], dim=-1)[..., : self.size - self.dictionary.size]
        return torch.cat([self.dictionary.encode(standard) * scale[..., None], last], dim=-1)

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """What coordinates stand for."""
        return c.to(self.dictionary.decoder.dtype) @ self.directions

    def reconstruct(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """What is written for activations.

        Arguments:
            x: activations, one a row.
        """
        return self.codes(x).decode(self.directions)

    def save(self, folder: str | Path) -> Path:
        """Keep it as an artifact: JSON and safetensors.

        Arguments:
            folder: made if it is missing.
        """
        return bases.save(self, folder)

    def _standard(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Activations at the common scale, their scales and their means."""
        x = x.to(self.dictionary.encoder.dtype)
        if self.kind == "layer_norm":
            mean, scale = x.mean(-1), x.std(-1)
            return (x - mean[..., None]) / (scale[..., None] + self.epsilon), scale, mean
        scale = x.norm(dim=-1) / self.width**0.5
        tiny = torch.finfo(x.dtype).tiny  # an activation of zeros has no direction: it stays 0
        return x / scale.clamp(min=tiny)[..., None], scale, torch.zeros_like(scale)

    def __repr__(self) -> str:
        return f"Standardised({repr(self.dictionary).removeprefix('Dictionary(').removesuffix(')')}, {self.kind})"
