"""How the tensor at a point of the module tree becomes the tensor that a site promises, and back.

A module's input or output is often packed: GPT-2 keeps q, k and v side by side, heads lie inside the last axis. A view unpacks the raw
tensor into the site's declared axes (`get`) and packs a changed one again, out of place (`put`). Views that copy nothing are plain
reshapes, so that reading q costs no memory. With `old = get(raw)`, `put(raw, old, old)` gives back `raw` bit for bit: every view keeps that.

Shape legend: b batch, p position, h head, d d_model, e d_head.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from sonde.results import EditError


@dataclass(frozen=True)
class Firing:
    """What is at hand when a point of the module tree fires.

    Arguments:
        module: the module whose input or output this is.
        entering: the first tensor that entered the module; for the attention pattern the scores it comes from.
        block: the hidden state that entered the block around it, where the view asked for it.
        batch: the number of rows of the inputs, where it is known.
        earlier: the values of sites that a view here needs, as this forward had them where it passed them.
        written: values that were written here and that their view can't see in the raw tensor.
    """

    module: nn.Module
    entering: Tensor | None
    block: Tensor | None
    batch: int | None
    earlier: Mapping[str, Tensor] = field(default_factory=dict)
    written: dict[str, Tensor] = field(default_factory=dict)


class View(Protocol):
    """Unpack a raw tensor into a site's axes, and pack it again.

    `sees_changes` says whether `get` finds in the raw tensor what `put` wrote. Where the value is computed from what entered the module, it does
    not, and whoever wrote it must remember it. `block` is the path of the block whose entering hidden state the view needs, else empty.
    """

    @property
    def sees_changes(self) -> bool: ...

    @property
    def block(self) -> str: ...

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        """The site's value."""
        ...

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        """The raw tensor with the site's value changed from `old` to `new`."""
        ...


@dataclass(frozen=True)
class Whole:
    """The raw tensor is the site."""

    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return raw

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return new


@dataclass(frozen=True)
class Heads:
    """Heads that lie in the last axis: b p (h e) as b p h e.

    Fused projections hold queries, keys and values in one axis: one after the other, or in groups, each with some queries, a key and a value.

    Arguments:
        n: how many heads.
        width: entries per head.
        start: where the first head begins, in each group.
        groups: how many groups; each holds n / groups heads side by side.
    """

    n: int
    width: int
    start: int = 0
    groups: int = 1
    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        own: Tensor = raw.unflatten(-1, (self.groups, -1))[..., self.start : self.start + self._size].unflatten(-1, (-1, self.width))
        return own.flatten(-3, -2)

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        if self.n * self.width == raw.shape[-1]:
            return new.flatten(-2)
        grouped, own = raw.unflatten(-1, (self.groups, -1)), new.unflatten(-2, (self.groups, -1)).flatten(-2)
        return torch.cat([grouped[..., : self.start], own, grouped[..., self.start + self._size :]], dim=-1).flatten(-2)

    @property
    def _size(self) -> int:
        """Entries of one group that are these heads'."""
        return self.n // self.groups * self.width


@dataclass(frozen=True)
class Part:
    """A part of the last axis, such as one half of a fused gate and up-projection.

    Arguments:
        start, width: where it begins, and how many entries it has.
    """

    start: int
    width: int
    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return raw[..., self.start : self.start + self.width]

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return torch.cat([raw[..., : self.start], new, raw[..., self.start + self.width :]], dim=-1)


@dataclass(frozen=True)
class Folded:
    """Another view of a tensor in which the positions of all rows lie one after the other: (b p) d as b p d.

    Arguments:
        view: how the unfolded tensor is unpacked.
        block: the path of the block, whose entering hidden state tells how many positions a row has.
    """

    view: View
    block: str

    @property
    def sees_changes(self) -> bool:
        return self.view.sees_changes

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        assert firing.block is not None
        unfolded: Tensor = self.view.get(raw, firing).unflatten(0, firing.block.shape[:2])
        return unfolded

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return self.view.put(raw, old.flatten(0, 1), new.flatten(0, 1), firing)


@dataclass(frozen=True)
class HeadFirst:
    """Heads before positions, as attention functions take them: b h p e as b p h e."""

    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return raw.transpose(1, 2)

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return new.transpose(1, 2)


@dataclass(frozen=True)
class Broadcast:
    """A tensor that the model keeps once for all rows, such as position embeddings: 1 p d as b p d."""

    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return raw.expand(firing.batch or raw.shape[0], *raw.shape[1:])

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return new


@dataclass(frozen=True)
class Patches:
    """The patches of an image in a map, as a convolution gives them: b d row col as b p d, row by row."""

    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return raw.flatten(2).transpose(1, 2)

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return new.transpose(1, 2).reshape(raw.shape)


@dataclass(frozen=True)
class Scores:
    """The softmax's input, b h q k, with the mask in it: an edit changes what a query makes of a key, never whether it may see it.

    Zero or a mean written over the mask would let a causal model look ahead, and a negative factor would turn the mask into the largest scores.
    """

    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return raw

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return torch.where(hidden(raw), raw, new)


@dataclass(frozen=True)
class Pattern:
    """The softmax's output, b h q k; the scores are what entered.

    What is written is used as it is, also where the mask hides a key from a query: `opened` tells, so that the run can say it.
    """

    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return raw

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return new

    def opened(self, new: Tensor, firing: Firing) -> bool:
        """Whether the new pattern lets a query see a key that the mask hides."""
        assert firing.entering is not None
        return bool((hidden(firing.entering) & (new != 0)).any())


def hidden(scores: Tensor) -> Tensor:
    """True where a mask hides the key: masks add the lowest number of the dtype, or minus infinity."""
    return scores <= torch.finfo(scores.dtype).min / 2


@dataclass(frozen=True)
class HeadResults:
    """What each head adds to the residual stream, at the output projection: z_h W_O[h], b p h d.

    The sum over heads plus the projection's bias is the projection's output, so a change of one head's result is added to that output.

    Arguments:
        n: how many heads.
        width: entries per head.
        transposed: the projection keeps its weight as (in, out), as GPT-2 does, instead of (out, in).
    """

    n: int
    width: int
    transposed: bool = False
    sees_changes: ClassVar[bool] = False
    block: ClassVar[str] = ""

    def z(self, firing: Firing) -> Tensor:
        """What enters the output projection, by head: b p h e."""
        assert firing.entering is not None
        return firing.entering.view(*firing.entering.shape[:-1], self.n, self.width)

    def weight(self, module: nn.Module) -> Tensor:
        """The output projection by head: h e d."""
        weight = module.weight
        assert isinstance(weight, Tensor)
        weight = weight if self.transposed else weight.T
        return weight.view(self.n, self.width, weight.shape[1])

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        return torch.einsum("bphe,hed->bphd", self.z(firing), self.weight(firing.module))

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return raw + (new - old).sum(-2)


@dataclass(frozen=True)
class ResidMid:
    """The residual stream between attention and MLP: what entered the block plus attention's output.

    No module's input can be changed to change it (the block keeps its own reference), so a change is added to attention's output; what is
    written arrives up to the rounding of that sum.

    Arguments:
        block: the path of the block.
    """

    block: str
    sees_changes: ClassVar[bool] = True

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        assert firing.block is not None
        return raw + firing.block

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return raw + (new - old)


@dataclass(frozen=True)
class NormScale:
    """The number by which a norm divides its (centred) input: b p. LayerNorm: sqrt(var + eps); RMSNorm: sqrt(mean square + eps).

    Arguments:
        offset: what the norm adds to its weight before it multiplies by it: 1 in Gemma's.
    """

    offset: float = 0.0
    sees_changes: ClassVar[bool] = False
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        assert firing.entering is not None
        return norm_scale(firing.module, firing.entering)

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        if not (new > 0).all():
            raise EditError("a norm's scale divides its input: an edit must leave it above zero everywhere")
        bias = getattr(firing.module, "bias", None)
        centred = raw if bias is None else raw - bias
        return raw + centred * (old / new - 1).unsqueeze(-1).to(raw.dtype)


def norm_scale(norm: nn.Module, hidden: Tensor) -> Tensor:
    """The scale of a LayerNorm or RMSNorm for these hidden states (..., d), without its last axis; in float32 at least."""
    hidden = hidden.float() if hidden.dtype in (torch.float16, torch.bfloat16) else hidden
    eps: float = getattr(norm, "variance_epsilon", None) or getattr(norm, "eps", None) or 0.0
    if isinstance(norm, nn.LayerNorm):
        hidden = hidden - hidden.mean(-1, keepdim=True)
    return (hidden.pow(2).mean(-1) + eps).sqrt()
