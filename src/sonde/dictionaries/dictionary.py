"""A sparse dictionary: directions, and a rule that says which of them an activation is made of.

One class serves autoencoders, transcoders (what is read is not what is written), crosscoders (several sites, side by side) and dictionaries of
concatenated attention outputs (heads, side by side):

    z = W_e (N(x) - c b_d) + b_e        f = activation(z)        y = M^-1(W_d^T f + b_d + S N(x))

with normalisers N and M, c = 1 where the decoder's bias is taken away first, and S the skip connection of some transcoders.

Shape legend: N rows, D entries read, O entries written, F latents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde import bases
from sonde.bases import Codes
from sonde.dictionaries.activations import ACTIVATIONS, COUNTED, Activation, gated, select
from sonde.dictionaries.normalising import Normaliser
from sonde.results import InputError, content_hash, shown

ENTRIES = 2**24
"""How many values of z are computed at a time: 64 MB in float32."""


@dataclass(frozen=True, eq=False)
class Gate:
    """What opens the latents of a gated dictionary (Rajamanoharan et al. 2024).

    Arguments:
        bias: of the gates.
        log_scale: of the magnitudes, r_mag; their bias is the dictionary's encoder bias.
    """

    bias: Float[Tensor, " size"]
    log_scale: Float[Tensor, " size"]


@dataclass(frozen=True)
class Part:
    """One of the activations that a dictionary reads or writes, side by side with the others.

    Arguments:
        site: where it is, by name; empty where that is not known.
        width: how many entries it has.
    """

    site: str
    width: int


@dataclass(frozen=True, eq=False, repr=False)
class Dictionary:
    """Directions with the rule by which they are active: a `Basis` where it writes what it reads.

    Arguments:
        encoder: one row for each latent: the transpose of what the field calls W_enc.
        encoder_bias: added to z; of a gated dictionary the bias of the magnitudes.
        decoder: one direction for each latent: W_dec.
        decoder_bias: added to what is written.
        activation: which latents are active.
        k: how many, for those that count.
        threshold: of each latent, for `jumprelu`; at least 0.
        gate: for `gated`.
        skip: what is added to the output linearly, as skip transcoders do.
        centred: whether the decoder's bias is taken away from what is read.
        normaliser: of what is read.
        target: normaliser of what is written, undone at the end.
        reads: what it reads, side by side; one part without a name by default.
        writes: what it writes; `reads` by default.
        metadata: plain data about where it is from: the model, the training, the file.

    Raises:
        InputError: shapes that do not fit, weights that are not finite, k above the number of latents.

    >>> eye = torch.eye(4)
    >>> sae = Dictionary(eye, torch.zeros(4), eye, torch.zeros(4), "topk", k=2)
    >>> sae, sae.encode(torch.tensor([[3.0, 1.0, -5.0, 2.0]]))
    (Dictionary(4 latents of 4 entries, topk 2), tensor([[3., 0., 0., 2.]]))
    """

    encoder: Float[Tensor, "size width"]
    encoder_bias: Float[Tensor, " size"]
    decoder: Float[Tensor, "size out"]
    decoder_bias: Float[Tensor, " out"]
    activation: Activation = "relu"
    k: int | None = None
    threshold: Float[Tensor, " size"] | None = None
    gate: Gate | None = None
    skip: Float[Tensor, "out width"] | None = None
    centred: bool = False
    normaliser: Normaliser | None = None
    target: Normaliser | None = None
    reads: tuple[Part, ...] = ()
    writes: tuple[Part, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size, width = self.encoder.shape
        out = self.decoder.shape[-1]
        if not self.reads:
            object.__setattr__(self, "reads", (Part("", width),))
        if not self.writes:
            object.__setattr__(self, "writes", self.reads if out == width else (Part("", out),))
        _fits(self, size, width, out)

    @property
    def width(self) -> int:
        """How many entries an activation has that it reads."""
        return self.encoder.shape[1]

    @property
    def size(self) -> int:
        """How many latents there are."""
        return self.encoder.shape[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Latents have numbers only."""
        return ()

    @cached_property
    def hash(self) -> str:
        """A content hash of what decides its outputs."""
        return content_hash([getattr(self, name) for name in self.__dataclass_fields__ if name != "metadata"])

    @property
    def transcodes(self) -> bool:
        """Whether it writes something else than what it reads."""
        return self.reads != self.writes

    @property
    def directions(self) -> Float[Tensor, "size out"]:
        """What one unit of each latent adds to what is written."""
        return self.decoder if self.target is None else self.decoder / self.target.scale.to(self.decoder)

    def codes(self, x: Float[Tensor, "rows width"]) -> Codes:
        """The active latents of each activation.

        Arguments:
            x: activations, one a row.

        Raises:
            InputError: activations of another width.
        """
        if x.ndim != 2 or x.shape[1] != self.width:
            raise InputError(f"activations of shape {tuple(x.shape)}: {self!r} reads rows of {self.width} entries")
        step = max(1, ENTRIES // self.size)
        return Codes.together([self._active(part) for part in x.split(step)])

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The latents of activations, with their zeros; differentiable."""
        rows = x.reshape(-1, x.shape[-1])
        return self._active(rows).dense().view(*x.shape[:-1], self.size)

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows out"]:
        """What latents stand for; a skip connection is no part of it."""
        y = c.to(self.decoder.dtype) @ self.decoder + self.decoder_bias
        return y if self.target is None else self.target.undo(y)

    def reconstruct(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows out"]:
        """What is written for activations: the decoded latents, and the skip connection.

        Arguments:
            x: activations, one a row.
        """
        return self.written(self.codes(x), x)

    def written(self, codes: Codes, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows out"]:
        """The same where the codes are known, or others are wanted.

        Arguments:
            codes: one row for each activation.
            x: the activations, which a skip connection reads.
        """
        y = codes.decode(self.decoder) + self.decoder_bias
        if self.skip is not None:
            y = y + self._read(x) @ self.skip.T
        return y if self.target is None else self.target.undo(y)

    def skipped(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows out"]:
        """What a skip connection adds to what the latents of activations decode to; zeros without one.

        Arguments:
            x: activations.
        """
        if self.skip is None:
            return x.new_zeros(*x.shape[:-1], self.decoder.shape[1])
        y = self._read(x) @ self.skip.T
        return y if self.target is None else y / self.target.scale.to(y)

    def writing(self, site: str) -> "Dictionary":
        """The same latents, writing one of the sites only: what a crosscoder is at that site.

        Arguments:
            site: one of those in `writes`.

        Raises:
            InputError: it writes no such site.
        """
        names = [part.site for part in self.writes]
        if names.count(site) != 1:
            raise InputError(f"site={shown(site)}: {self!r} writes {', '.join(map(repr, names))}")
        folded, i = self.folded(), names.index(site)
        start = sum(part.width for part in self.writes[:i])
        own = slice(start, start + self.writes[i].width)
        return replace(
            folded, decoder=folded.decoder[:, own], decoder_bias=folded.decoder_bias[own],
            skip=None if folded.skip is None else folded.skip[own], writes=(self.writes[i],),
        )  # fmt: skip

    def with_unit_directions(self) -> "Dictionary":
        """The same function, each direction of length 1 and its length moved to the latent's activation.

        Raises:
            InputError: the k largest would be others, because directions have several lengths; see `activation`.
        """
        norms = self.directions.norm(dim=1)
        norms = torch.where(norms > 0, norms, torch.ones_like(norms))
        if self.activation in COUNTED and not torch.allclose(norms, norms[0], rtol=1e-4):
            raise InputError(f"{self!r}: its latents are compared before their directions' lengths count; scaling them would select others")
        gate = self.gate and Gate(self.gate.bias, self.gate.log_scale + norms.log())
        return replace(
            self, encoder=self.encoder if gate else self.encoder * norms[:, None], encoder_bias=self.encoder_bias * norms,
            decoder=self.decoder / norms[:, None], threshold=None if self.threshold is None else self.threshold * norms, gate=gate,
        )  # fmt: skip

    def folded(self) -> "Dictionary":
        """The same function without normalisers and without centring: what other programs expect."""
        encoder, bias, shift = self.encoder, self.encoder_bias, torch.zeros_like(self.encoder[0])
        normaliser, target = self.normaliser, self.target
        skip, skipped = self.skip, torch.zeros_like(self.decoder_bias)
        if normaliser is not None:
            scale, mean = normaliser.scale.to(encoder), normaliser.mean.to(encoder)
            encoder, shift = encoder * scale, shift + mean
            if skip is not None:
                skip = skip * scale
                skipped = skip @ mean
        if self.centred:
            shift = shift + (self.decoder_bias / normaliser.scale.to(encoder) if normaliser is not None else self.decoder_bias)
        moved = encoder @ shift
        gate = self.gate and Gate(self.gate.bias - moved, self.gate.log_scale)
        bias = bias - (moved * self.gate.log_scale.exp() if self.gate else moved)
        out = self.decoder_bias - skipped
        if target is not None:
            out, skip = target.undo(out), None if skip is None else skip / target.scale.to(encoder)[:, None]
        return replace(
            self, encoder=encoder, encoder_bias=bias, decoder=self.directions, decoder_bias=out, gate=gate, skip=skip, centred=False,
            normaliser=None, target=None,
        )  # fmt: skip

    def save(self, folder: str | Path) -> Path:
        """Keep it as an artifact: JSON and safetensors.

        Arguments:
            folder: made if it is missing.
        """
        return bases.save(self, folder)

    def _active(self, x: Tensor) -> Codes:
        read = self._read(x)
        read = read - self.decoder_bias if self.centred else read
        if self.gate is not None:
            return gated(read @ self.encoder.T, self.gate.bias, self.gate.log_scale, self.encoder_bias)
        return select(torch.addmm(self.encoder_bias, read, self.encoder.T), self.activation, self.k, self.threshold)

    def _read(self, x: Tensor) -> Tensor:
        x = x.to(self.encoder.dtype)
        return x if self.normaliser is None else self.normaliser(x)

    def __repr__(self) -> str:
        written = "" if not self.transcodes else f" to {self.decoder.shape[1]}"
        counted = f" {self.k}" if self.k is not None else ""
        return f"Dictionary({self.size} latents of {self.width}{written} entries, {self.activation}{counted})"


def _fits(d: Dictionary, size: int, width: int, out: int) -> None:
    """Refuse what would give wrong numbers or none."""
    if d.activation not in ACTIVATIONS:
        raise InputError(f"activation={shown(d.activation)}: choose from {', '.join(ACTIVATIONS)}")
    if d.activation in COUNTED and not (d.k and 0 < d.k <= size):
        raise InputError(f"k={d.k} of {size} latents: give {d.activation} a number from 1 to {size}")
    if d.activation == "groupmax" and size % (d.k or 1):
        raise InputError(f"k={d.k} groups of {size} latents: give a k that divides their number")
    if (d.activation == "jumprelu") != (d.threshold is not None) or (d.activation == "gated") != (d.gate is not None):
        raise InputError(f"activation={d.activation!r}: a threshold belongs to jumprelu, a gate to gated, and each needs its own")
    wanted = {"encoder_bias": (size,), "decoder": (size, out), "decoder_bias": (out,), "threshold": (size,), "skip": (out, width)}
    for name in ("encoder", *wanted):
        weight = getattr(d, name)
        if weight is not None and (weight.shape != wanted.get(name, weight.shape) or not weight.isfinite().all()):
            raise InputError(f"{name} has shape {tuple(weight.shape)}: it should be {wanted.get(name)} and finite (the encoder is {(size, width)})")
    if d.threshold is not None and (d.threshold < 0).any():
        raise InputError(f"a threshold of {float(d.threshold.min()):.3g}: jumprelu's are at least 0")
    for name, parts, entries in (("reads", d.reads, width), ("writes", d.writes, out)):
        if sum(part.width for part in parts) != entries:
            raise InputError(f"{name} parts of {[part.width for part in parts]} entries: they should add up to {entries}")
