"""Blocks of weights, and what one backward pass tells of their gradients for every example, without a weight gradient ever being formed.

An example's gradient is a matrix G_i (row, col). Of a linear map with its bias as a trailing column, G_i = sum_t delta_t [a_t, 1]^T; a convolution is
a linear map of the unfolded picture; an embedding has G_i = sum_t delta_t onehot(id_t)^T; a norm has the two rows sum_t delta_t * x_t and sum_t
delta_t. A score with a matrix V is then <G_i, V> = sum_t delta_t^T V a_t: additive over the places whose activations carry gradient.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access.uses import Use
from sonde.results import SiteUnavailable


class Trace(ABC):
    """What a backward pass tells of one block's gradients, for a batch of examples."""

    places: int
    """Places t of an example over which its gradient is a sum, the block's calls one after the other."""

    @abstractmethod
    def dense(self) -> Float[Tensor, "example row col"]:
        """Every example's gradient."""

    @abstractmethod
    def against(self, V: Float[Tensor, "query row col"]) -> Float[Tensor, "query example place"]:
        """What each place adds to each example's inner product with each matrix."""

    def products(self, V: Float[Tensor, "query row col"]) -> Float[Tensor, "query example"]:
        """Every example's inner product with each matrix.

        Arguments:
            V: the matrices.
        """
        return self.against(V).sum(-1)

    def norms(self) -> Float[Tensor, " example"]:
        """Every example's squared gradient norm."""
        return self.dense().square().sum((1, 2))

    def squares(self) -> Float[Tensor, "row col"]:
        """The sum over the examples of their squared gradients."""
        return self.dense().double().square().sum(0)

    def weighed(self, weights: Float[Tensor, "row col"]) -> Float[Tensor, " example"]:
        """Every example's sum of its squared gradient times the weights.

        Arguments:
            weights: of the entries.
        """
        return torch.einsum("brc,rc->b", self.dense().square(), weights.to(self.dense()))


@dataclass(frozen=True, eq=False)
class Outer(Trace):
    """A sum of outer products.

    Arguments:
        a: what the linear map reads, the bias's 1 last.
        delta: the gradients at its output.
    """

    a: Float[Tensor, "example place col"]
    delta: Float[Tensor, "example place row"]

    @property
    def places(self) -> int:  # type: ignore[override]
        """How many outer products."""
        return self.a.shape[1]

    def dense(self) -> Float[Tensor, "example row col"]:
        """Every example's gradient."""
        return self.delta.transpose(1, 2) @ self.a

    def against(self, V: Float[Tensor, "query row col"]) -> Float[Tensor, "query example place"]:
        """What each place adds to each example's inner product with each matrix.

        Arguments:
            V: the matrices.
        """
        return torch.stack([((self.delta @ v) * self.a).sum(-1) for v in V.to(self.a)])

    def products(self, V: Float[Tensor, "query row col"]) -> Float[Tensor, "query example"]:
        """Every example's inner product with each matrix: the gradients are formed, unless the places are fewer than that is worth.

        Arguments:
            V: the matrices.
        """
        q, (rows, cols) = len(V), V.shape[1:]
        formed = self.places * rows * cols + q * rows * cols
        if formed <= q * self.places * (rows * cols + cols):
            return V.to(self.a).flatten(1) @ self.dense().flatten(1).T
        return super().products(V)

    def pairs(self, other: "Outer") -> Float[Tensor, "other example"]:
        """The inner products of two sets of gradients from their factors: the sum over s and t of (delta_s . delta_t) (a_s . a_t).

        Arguments:
            other: the other set.
        """
        deltas = torch.einsum("qsr,btr->qbst", other.delta, self.delta)
        return (deltas * torch.einsum("qsc,btc->qbst", other.a, self.a)).sum((2, 3))

    def norms(self) -> Float[Tensor, " example"]:
        """Every example's squared gradient norm, by ghost products where the places are few."""
        rows, cols = self.delta.shape[2], self.a.shape[2]
        if self.places * (rows + cols) < rows * cols:
            return ((self.delta @ self.delta.transpose(1, 2)) * (self.a @ self.a.transpose(1, 2))).sum((1, 2))
        return super().norms()


@dataclass(frozen=True, eq=False)
class Lookup(Trace):
    """Gradients of the rows of a table that were looked up.

    Arguments:
        ids: which entry each place looked up.
        delta: the gradients at what it found.
        entries: of the table.
    """

    ids: Int[Tensor, "example place"]
    delta: Float[Tensor, "example place row"]
    entries: int

    @property
    def places(self) -> int:  # type: ignore[override]
        """How many look-ups."""
        return self.ids.shape[1]

    def dense(self) -> Float[Tensor, "example row col"]:
        """Every example's gradient, an entry of the table in each column."""
        found = self.delta.new_zeros(len(self.ids), self.entries, self.delta.shape[2])
        found.scatter_add_(1, self.ids[..., None].expand_as(self.delta), self.delta)
        return found.transpose(1, 2)

    def against(self, V: Float[Tensor, "query row col"]) -> Float[Tensor, "query example place"]:
        """What each place adds to each example's inner product with each matrix.

        Arguments:
            V: the matrices.
        """
        return torch.stack([(v.T[self.ids] * self.delta).sum(-1) for v in V.to(self.delta)])

    def squares(self) -> Float[Tensor, "row col"]:
        """The sum over the examples of their squared gradients; only the entries that an example looks up are touched."""
        found = torch.zeros(self.entries, self.delta.shape[2], dtype=torch.float64, device=self.delta.device)
        for entries, gradients in self._entries():
            found.index_add_(0, entries, gradients.double().square())
        return found.T

    def weighed(self, weights: Float[Tensor, "row col"]) -> Float[Tensor, " example"]:
        """Every example's sum of its squared gradient times the weights.

        Arguments:
            weights: of the entries.
        """
        of = weights.T.to(self.delta)
        return torch.stack([(gradients.square() * of[entries]).sum() for entries, gradients in self._entries()])

    def _entries(self) -> list[tuple[Tensor, Tensor]]:
        """For every example the entries that it looked up, each once, with their gradients."""
        found = []
        for ids, delta in zip(self.ids, self.delta, strict=True):
            entries, places = ids.unique(return_inverse=True)
            found.append((entries, delta.new_zeros(len(entries), delta.shape[1]).index_add_(0, places, delta)))
        return found


@dataclass(frozen=True, eq=False)
class Scaling(Trace):
    """Gradients of what is multiplied and added coordinate by coordinate.

    Arguments:
        each: each place's gradient: a row for the scale, and one for the shift where there is one.
    """

    each: Float[Tensor, "example place row col"]

    @property
    def places(self) -> int:  # type: ignore[override]
        """How many places."""
        return self.each.shape[1]

    def dense(self) -> Float[Tensor, "example row col"]:
        """Every example's gradient."""
        return self.each.sum(1)

    def against(self, V: Float[Tensor, "query row col"]) -> Float[Tensor, "query example place"]:
        """What each place adds to each example's inner product with each matrix.

        Arguments:
            V: the matrices.
        """
        return torch.einsum("btrc,qrc->qbt", self.each, V.to(self.each))


@dataclass(frozen=True)
class Block:
    """Weights that are looked at together: a module's, or those of several modules that share them.

    Arguments:
        name: the path of the first module.
        paths: of all modules with these weights.
        rows, cols: of the gradient's matrix, the bias as a trailing column (of a norm: as a second row).
        source: the name of the block whose activations it reads; its own where it reads by itself.
        places: over how many places the gradient of the example that was tried is a sum.
    """

    name: str
    paths: tuple[str, ...]
    rows: int
    cols: int
    source: str = ""
    places: int = 1

    @property
    def size(self) -> int:
        """How many weights."""
        return self.rows * self.cols


def rotates_first(places: int, rows: int, cols: int, row_axes: int = 0, col_axes: int = 0) -> bool:
    """Whether rotating activations and gradients at every place takes fewer operations than rotating the gradient's matrix.

    Arguments:
        places: of an example.
        rows, cols: of the matrix.
        row_axes, col_axes: how many axes it is rotated into; as many as it has if not given.

    >>> rotates_first(128, 768, 768), rotates_first(2048, 768, 768)
    (True, False)
    >>> rotates_first(2048, 768, 768, 64, 64)
    True
    """
    r, c = row_axes or rows, col_axes or cols
    return places * (rows * r + cols * c + r * c) < places * rows * cols + r * cols * (rows + c)


def kind_of(module: nn.Module) -> str | None:
    """What kind of map a module is; `None` where its gradients are not known.

    Arguments:
        module: any.
    """
    names = {cls.__name__ for cls in type(module).__mro__}
    if type(module) in (nn.Linear, nn.Conv2d, nn.LayerNorm, nn.Embedding):
        return "lookup" if type(module) is nn.Embedding else "scaling" if type(module) is nn.LayerNorm else "linear"
    if "Conv1D" in names and type(module).__module__.startswith("transformers"):
        return "linear"
    is_rms = any(name.endswith("RMSNorm") for name in names)
    return "scaling" if is_rms and [name for name, _ in module.named_parameters()] == ["weight"] else None


def refusal(module: nn.Module) -> str:
    """Why a module of a known kind can't be looked at; empty where it can.

    Arguments:
        module: of a known kind.
    """
    if isinstance(module, nn.Conv2d):
        if module.groups != 1:
            return f"it has {module.groups} groups, and only convolutions of one group are unfolded"
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            return f"it pads by {module.padding if isinstance(module.padding, str) else module.padding_mode!r}, and only padding by zeros is unfolded"
    if isinstance(module, nn.Embedding) and (module.max_norm is not None or module.scale_grad_by_freq):
        return "it changes its weights or gradients by itself (max_norm, scale_grad_by_freq)"
    if isinstance(module, nn.LayerNorm) and (module.weight is None or len(module.normalized_shape) != 1):
        return "it has no scale of its own for each coordinate of the last axis"
    return ""


def weights_of(module: nn.Module) -> list[nn.Parameter]:
    """The weight, and the bias where there is one."""
    bias = getattr(module, "bias", None)
    return [module.weight, *([bias] if isinstance(bias, nn.Parameter) else [])]  # type: ignore[list-item]


def as_matrix(module: nn.Module, tensors: Sequence[Tensor]) -> Float[Tensor, "row col"]:
    """A weight and its bias, or anything of their shapes, as the matrix of the block.

    Arguments:
        module: whose.
        tensors: in the order of `weights_of`.
    """
    weight, *bias = tensors
    if kind_of(module) == "lookup":
        return weight.T
    if kind_of(module) == "scaling":
        return torch.stack([weight, *bias])
    matrix = weight.T if "Conv1D" in type(module).__name__ else weight.reshape(len(weight), -1)
    return torch.cat([matrix, bias[0][:, None]], 1) if bias else matrix


def as_weights(module: nn.Module, matrix: Float[Tensor, "row col"]) -> list[Tensor]:
    """The way back from the matrix of the block: weight, and bias where there is one.

    Arguments:
        module: whose.
        matrix: of the block.
    """
    shapes = [p.shape for p in weights_of(module)]
    if kind_of(module) == "lookup":
        return [matrix.T]
    if kind_of(module) == "scaling":
        return list(matrix)
    body = matrix[:, :-1] if len(shapes) > 1 else matrix
    weight = body.T if "Conv1D" in type(module).__name__ else body.reshape(shapes[0])
    return [weight, *([matrix[:, -1]] if len(shapes) > 1 else [])]


def trace(module: nn.Module, uses: Sequence[Use], examples: int) -> Trace:
    """What the calls of a module, or of modules that share its weights, tell of every example's gradient.

    Arguments:
        module: whose weights they are.
        uses: the calls.
        examples: in the batch.

    Raises:
        SiteUnavailable: a call whose first axis is not that of the examples.
    """
    for use in uses:
        if len(use.delta) != examples or not use.entered.ndim or len(use.entered) != examples:
            raise SiteUnavailable(
                f"{use.module!r} sees {tuple(use.entered.shape)} for {examples} examples: its first "
                "axis is not that of the examples, so their gradients "
                "can't be told apart"
            )
    if isinstance(module, nn.Embedding):
        return _lookup(module, uses, examples)
    if kind_of(module) == "scaling":
        return Scaling(torch.cat([_scaling(module, use, examples) for use in uses], 1))
    found = [_linear(module, use, examples) for use in uses]
    return Outer(torch.cat([a for a, _ in found], 1), torch.cat([delta for _, delta in found], 1)) if len(found) > 1 else Outer(*found[0])


def _linear(module: nn.Module, use: Use, examples: int) -> tuple[Tensor, Tensor]:
    if isinstance(module, nn.Conv2d):
        assert not isinstance(module.padding, str)
        a = nn.functional.unfold(use.entered, module.kernel_size, module.dilation, module.padding, module.stride).transpose(1, 2)
        delta = use.delta.flatten(2).transpose(1, 2)
    else:
        a, delta = use.entered.reshape(examples, -1, use.entered.shape[-1]), use.delta.reshape(examples, -1, use.delta.shape[-1])
    if getattr(module, "bias", None) is not None:
        a = torch.cat([a, a.new_ones(*a.shape[:2], 1)], 2)
    return a, delta


def _lookup(module: nn.Embedding, uses: Sequence[Use], examples: int) -> Lookup:
    ids = torch.cat([use.entered.reshape(examples, -1) for use in uses], 1)
    delta = torch.cat([use.delta.reshape(examples, ids.shape[1] // len(uses), -1) for use in uses], 1)
    if module.padding_idx is not None:  # torch gives this entry no gradient
        delta = delta * ids.ne(module.padding_idx)[..., None]
    return Lookup(ids, delta, module.num_embeddings)


def _scaling(module: nn.Module, use: Use, examples: int) -> Tensor:
    """The gradient of scale and shift at each place, from what the norm makes of its input before both."""
    x, size = use.entered, use.entered.shape[-1]
    if isinstance(module, nn.LayerNorm):
        normed = nn.functional.layer_norm(x, (size,), eps=module.eps)
    else:
        eps = getattr(module, "eps", getattr(module, "variance_epsilon", None))
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        normed = (wide * (wide.square().mean(-1, keepdim=True) + (torch.finfo(x.dtype).eps if eps is None else eps)).rsqrt()).to(x.dtype)
    normed, delta = normed.reshape(examples, -1, size), use.delta.reshape(examples, -1, size)
    return torch.stack([normed * delta, *([delta] if len(weights_of(module)) > 1 else [])], 2)
