"""The axes of the tensors that modules outside the vocabulary take and return, as far as the kind of module tells them.

A module's kind says what its axes are: a convolution has channels before rows, a recurrent net may have positions before the batch. Where the kind
says nothing, the number of axes decides, and an axis that could be one thing or another gets a number for a name rather than a wrong one.
A site's first axis is always the batch: tensors that have it second are turned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from sonde.access.views import Firing, View, Whole
from sonde.results import InputError, SiteUnavailable

Axes = Mapping[int, tuple[str, ...]]  # the names of the axes, by their number

SEQUENCE: Axes = {1: ("batch",), 2: ("batch", "unit"), 3: ("batch", "pos", "unit")}
PLAIN: Axes = {**SEQUENCE, 4: ("batch", "channel", "row", "col")}
TOKENS: Axes = {1: ("batch",), 2: ("batch", "pos")}
MAPS: Axes = {3: ("batch", "channel", "pos"), 4: ("batch", "channel", "row", "col"), 5: ("batch", "channel", "depth", "row", "col")}
STATE: Axes = {3: ("batch", "layer", "unit")}
WEIGHTS: Axes = {3: ("batch", "query", "key"), 4: ("batch", "head", "query", "key")}

_OVER_MAPS = ("Conv", "ConvTranspose", "BatchNorm", "InstanceNorm", "MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool")
_MAPS = {ndim: tuple(getattr(nn, f"{kind}{ndim - 2}d") for kind in _OVER_MAPS) for ndim in MAPS}
_UNITS = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Bilinear, nn.Embedding, nn.RNNCellBase)


@dataclass(frozen=True)
class Layout:
    """How the tensor at a module's input or output lies.

    Arguments:
        axes: the names of its axes, by their number.
        view: to the site's axes, and back.
        strict: the kind of module has these numbers of axes only; another one means that the batch is missing.
    """

    axes: Axes
    view: View = Whole()
    strict: bool = False

    def names(self, value: Tensor, site: str, batch: int | None) -> tuple[str, ...]:
        """The names of a value's axes.

        Arguments:
            value: the site's tensor.
            site: its name, for the error.
            batch: how many rows the inputs have, where it is known; a first axis of another length is not the batch.

        Raises:
            SiteUnavailable: the tensor has no batch axis.
        """
        names = self.axes.get(value.ndim)
        if names is None and self.strict:
            expected = " or ".join(" ".join(names) for names in self.axes.values())
            raise SiteUnavailable(
                f"{site!r} has the axes {expected}, and the tensor here is {' x '.join(map(str, value.shape))}: give inputs with a batch axis"
            )
        names = names or ("batch", *(f"axis{i}" for i in range(1, value.ndim)))
        return names if value.ndim == 0 or batch is None or value.shape[0] in (1, batch) else ("axis0", *names[1:])


ANY = Layout(PLAIN)


@dataclass(frozen=True)
class BatchSecond:
    """A tensor whose second axis is the batch, as recurrent nets hold it unless they are told otherwise: p b d as b p d."""

    sees_changes: ClassVar[bool] = True
    block: ClassVar[str] = ""

    def get(self, raw: Tensor, firing: Firing) -> Tensor:
        if raw.ndim > 2 and firing.batch not in (None, raw.shape[1]):
            shape = " x ".join(map(str, raw.shape))
            raise SiteUnavailable(
                f"the {type(firing.module).__name__} here has its batch second, {shape}, and the inputs have {firing.batch} rows: "
                "wrap the model in a module whose inputs have the batch first"
            )
        return raw.transpose(0, 1) if raw.ndim > 2 else raw

    def put(self, raw: Tensor, old: Tensor, new: Tensor, firing: Firing) -> Tensor:
        return new.transpose(0, 1) if raw.ndim > 2 else new


def layout(root: nn.Module, module: nn.Module, port: str, item: str) -> Layout:
    """How the tensor lies that a module takes or returns.

    Arguments:
        root: the whole model.
        module: one of its modules.
        port: "in" or "out".
        item: which of several tensors; empty for the first.
    """
    if isinstance(module, nn.RNNBase):
        if item in ("", "0", "input"):
            return Layout({3: SEQUENCE[3]}, Whole() if module.batch_first else BatchSecond(), strict=True)
        return Layout(STATE, BatchSecond(), strict=True)
    if isinstance(module, nn.MultiheadAttention):
        if port == "out" and item == "1":
            return Layout(WEIGHTS, strict=True)
        if port == "out" or item in ("", "0", "1", "2", "query", "key", "value"):
            return Layout({3: SEQUENCE[3]}, Whole() if module.batch_first else BatchSecond(), strict=True)
        return Layout({})
    if isinstance(module, nn.Embedding | nn.EmbeddingBag) and port == "in":
        return Layout(TOKENS)
    if isinstance(module, _UNITS):
        return Layout(SEQUENCE)
    if isinstance(module, nn.GroupNorm):
        return Layout({2: ("batch", "channel"), **MAPS})
    for ndim, kinds in _MAPS.items():
        if isinstance(module, kinds):
            flat = {2: ("batch", "channel")} if isinstance(module, nn.BatchNorm1d) else {}
            return Layout({**flat, ndim: MAPS[ndim]}, strict=True)
    # in a net over sequences of channels, three axes may be batch channel pos or batch pos unit
    mixed = any(isinstance(m, _MAPS[3]) for m in root.modules())
    return Layout({**PLAIN, 3: ("batch", "axis1", "axis2")}) if mixed else ANY


def refuse_batch_second(module: nn.Module) -> None:
    """Raise where the inputs of the whole model have the batch second: its rows could not be told from its positions."""
    if isinstance(module, nn.RNNBase) and not module.batch_first:
        kind = type(module).__name__
        raise InputError(f"this {kind} takes positions before rows: set batch_first = True on it (the weights are the same) and give batch pos unit")
