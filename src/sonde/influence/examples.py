"""What a model was trained on, as numbered examples: tensors, a data set, texts, or prompts with their completions.

Examples are looked up by number and made into batches; each data set has a fingerprint, so that a curvature remembers what it was fitted on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access import Model
from sonde.influence.rows import TokenRows, rows_from
from sonde.results import InputError, content_hash, shown
from sonde.results.hashing import is_tensor


class Examples(Protocol):
    """Numbered examples."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def batch(self, indices: Sequence[int]) -> Any:
        """Some of them together, as the loss takes them."""
        ...

    def positions(self, batch: Any) -> Bool[Tensor, "example pos"] | None:
        """Which positions of a batch are no padding; `None` where examples have no positions."""
        ...

    def label(self, index: int) -> str:
        """One of them in a few words."""
        ...

    def tokens(self, index: int) -> list[str] | None:
        """Its tokens' texts; `None` where it has none."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of their content, in order."""
        ...


@dataclass(frozen=True, eq=False)
class TensorExamples:
    """Examples along the first axis of tensors, such as inputs and labels.

    Arguments:
        tensors: of equal length.
    """

    tensors: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        if not self.tensors or len({len(t) if t.ndim else -1 for t in self.tensors}) > 1 or not self.tensors[0].ndim:
            raise InputError(f"tensors of examples share their first axis; got {', '.join(str(tuple(t.shape)) for t in self.tensors)}")

    def __len__(self) -> int:
        return len(self.tensors[0])

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """The tensors at these places."""
        chosen = torch.as_tensor(indices)
        return tuple(tensor[chosen.to(tensor.device)] for tensor in self.tensors)

    def positions(self, batch: Any) -> None:
        """No position of a tensor is known to be padding."""

    def label(self, index: int) -> str:
        """The number of the example, and what goes with it."""
        rest = [str(t[index].tolist()) for t in self.tensors[1:] if t[index].numel() == 1]
        return f"example {index}" + (f" ({', '.join(rest)})" if rest else "")

    def tokens(self, index: int) -> None:
        """There are none."""

    @property
    def fingerprint(self) -> str:
        """Of the tensors."""
        return content_hash(self.tensors)


@dataclass(frozen=True, eq=False)
class ItemExamples:
    """Examples of a list or of a map-style data set, put together as torch's loaders do.

    Arguments:
        items: whatever has a length and gives an example for a number.
    """

    items: Any

    def __len__(self) -> int:
        return len(self.items)

    def batch(self, indices: Sequence[int]) -> Any:
        """The examples at these places, stacked."""
        from torch.utils.data import default_collate

        try:
            return default_collate([self.items[i] for i in indices])
        except (TypeError, RuntimeError) as error:
            raise InputError(f"these examples can't be stacked ({shown(str(error))}): give tensors of one shape, or padded ones") from None

    def positions(self, batch: Any) -> None:
        """No position of an example is known to be padding."""

    def label(self, index: int) -> str:
        """The number of the example."""
        return f"example {index}"

    def tokens(self, index: int) -> None:
        """There are none."""

    @property
    def fingerprint(self) -> str:
        """Of the examples, one after the other."""
        return content_hash([content_hash(_plain(self.items[i], i)) for i in range(len(self.items))])


def examples_of(model: Model, given: Any, kind: str = "train_set") -> Examples:
    """Numbered examples from what a user gives.

    Arguments:
        model: that is to take them.
        given: tensors in a tuple, one tensor, a list or a map-style data set; for language models texts, rows of token ids, or (prompt, completion)
            pairs.
        kind: what it is called in messages.

    Raises:
        InputError: nothing of these; no example.
    """
    found = _found(model, given, kind)
    if not len(found):
        raise InputError(f"{kind} holds no example: give at least one")
    return found


def _found(model: Model, given: Any, kind: str) -> Examples:
    if isinstance(given, TensorExamples | ItemExamples | TokenRows):
        return given
    language = bool(model.architecture.d_vocab and model.architecture.sites)
    if language and (rows := rows_from(model, given)) is not None:
        return rows
    if is_tensor(given):
        return TensorExamples((given,))
    if isinstance(given, tuple) and given and all(is_tensor(part) for part in given):
        return TensorExamples(given)
    if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__getitem__") or not hasattr(given, "__len__"):
        what = "texts, rows of token ids, (prompt, completion) pairs" if language else "tensors in a tuple"
        raise InputError(f"{kind}={shown(given)} is no set of numbered examples: give {what}, or a list or data set with a length")
    return ItemExamples(given)


def _plain(item: Any, index: int) -> Any:
    """An example as what a hash takes."""
    if hasattr(item, "__array__") and not is_tensor(item):
        return torch.as_tensor(item)
    if isinstance(item, list | tuple):
        return [_plain(part, index) for part in item]
    if isinstance(item, Mapping):
        return {key: _plain(part, index) for key, part in item.items()}
    if item is None or isinstance(item, bool | int | float | str | bytes) or is_tensor(item):
        return item
    raise InputError(f"example {index} holds a {type(item).__name__}, by which it can't be recognised: give tensors, numbers and text")
