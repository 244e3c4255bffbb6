"""What stands for what is absent. There is no neutral answer, so it is an argument without a default, and every result says which was taken.

A baseline says what a part of the input holds once it is removed. *Static* ones put the same there, whatever the rest is.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from sonde.access.model import Model
from sonde.access.removal.question import Question
from sonde.results import InputError, shown

BLUR = 0.25  # the side of the square that "blur" averages over, as a share of the shorter side of the picture


class Baseline(ABC):
    """What stands for what is absent.

    A subclass gives the values that stand there, for one example and several sets of parts at a time, and says in words what they are.
    """

    draws: int = 1
    """How many values stand for one set of absent parts; the metric is averaged over them."""
    seed: int | None = None
    """Of the draws; `None` where nothing is drawn."""
    notes: tuple[str, ...] = ()
    """What must be known of it beside its description."""

    @abstractmethod
    def described(self, question: Question) -> str:
        """What stands for what is absent, in a few words."""

    @abstractmethod
    def values(self, question: Question, example: int, present: Bool[Tensor, "set *cell"]) -> Float[Tensor, "set draw *axis"]:
        """The values of the site of which the absent cells are taken; those of present cells are not looked at.

        Arguments:
            question: the inputs.
            example: the index of the example.
            present: for each set the cells that stay: positions; rows and columns; features.
        """


Given = str | int | Tensor | Baseline
"""A baseline, or what `Static` takes."""


@dataclass(frozen=True, eq=False)
class Static(Baseline):
    """The same whatever the rest of the input is.

    Arguments:
        value: "zero"; "mean": the mean embedding of the vocabulary, or of the examples given; "blur": each channel of a picture averaged over a
            square of a quarter of its side; "pad": the padding token (the mean embedding where the tokenizer has none); another text, or a
            number: that token, or that id; a tensor: itself, of the site's shape or of one that broadcasts to it.
    """

    value: str | int | Float[Tensor, "..."]

    def described(self, question: Question) -> str:
        return self._found(question)[1]

    def values(self, question: Question, example: int, present: Bool[Tensor, "set *cell"]) -> Float[Tensor, "set draw *axis"]:
        whole = self.whole(question)[example]
        return whole.expand(len(present), 1, *whole.shape)

    def whole(self, question: Question) -> Float[Tensor, "example *axis"]:
        """The value of the site where everything is absent.

        Raises:
            InputError: no such token, or a tensor of another shape.
        """
        return self._found(question)[0].to(question.value).expand_as(question.value)

    def _found(self, question: Question) -> tuple[Tensor, str]:
        value, site = self.value, question.value
        if isinstance(value, Tensor):
            # a missing axis would be filled in silently, so that a row of a picture could stand for all rows
            missing = value.ndim not in (site.ndim, site.ndim - 1) and value.shape != site.shape[-1:]
            if missing or any(a not in (1, b) for a, b in zip(value.shape[::-1], site.shape[::-1], strict=False)):
                raise InputError(f"the baseline has shape {tuple(value.shape)}, and {question.site!r} has {tuple(site.shape)}: give one that fits")
            return value, "the values given"
        if value == "zero":
            return torch.zeros((), dtype=site.dtype), "zero"
        if value == "blur":
            return _blurred(question), "the blurred picture"
        if question.site == "embed":
            return _embedding(question.model, value)
        if value == "mean":
            if len(question) == 1:
                raise InputError("the mean of one example is the example itself, so nothing would be absent: give several, or the mean as a tensor")
            return site.mean(0, keepdim=True), "the mean of the examples"
        raise InputError(f"baseline={shown(value)} names a token, and {question.site!r} holds none: use 'zero', 'mean', 'blur' or a tensor")


def baseline_of(given: Given) -> Baseline:
    """A baseline from what the user gave.

    Raises:
        InputError: where it is none.

    >>> baseline_of("pad")
    Static(value='pad')
    """
    if isinstance(given, Baseline):
        return given
    if isinstance(given, str | int | Tensor) and not isinstance(given, bool):
        return Static(given)
    raise InputError(f"baseline={shown(given)}: give 'pad', 'zero', 'mean', 'blur', a token, a tensor, or a baseline such as sonde.Interventional")


def _embedding(model: Model, value: str | int) -> tuple[Float[Tensor, " d_model"], str]:
    """The embedding that stands for an absent token, and its description."""
    pad_id = None if model.tokenizer is None else model.tokenizer.pad_id
    with torch.no_grad():
        if value == "mean" or (value == "pad" and pad_id is None):
            # not the zero vector: an RMSNorm jumps there, so that no path to it can be integrated
            vectors = model.embed(torch.arange(model.architecture.d_vocab, device=model.device))
            return vectors.mean(0), "the mean embedding" + (" (there is no padding token)" if value == "pad" else "")
        token = pad_id if value == "pad" else _token(model, value)
        vector = model.embed(torch.tensor(token, device=model.device))
    name = str(token) if model.tokenizer is None else repr(model.tokenizer.strings([token or 0])[0])
    return vector, f"the padding token {name}" if value == "pad" else f"the token {name}"


def _token(model: Model, value: str | int) -> int:
    if isinstance(value, str):
        if model.tokenizer is None:
            raise InputError(f"{value!r} names a token, and this model was loaded without a tokenizer: use 'zero', 'mean' or a token id")
        return model.tokenizer.single(value)
    if not 0 <= value < model.architecture.d_vocab:
        raise InputError(f"token {value} is not in the model's vocabulary of {model.architecture.d_vocab}")
    return value


def _blurred(question: Question) -> Float[Tensor, "example channel row col"]:
    value = question.value
    if question.axes != ("channel", "row", "col"):
        raise InputError(
            f"'blur' is for pictures (channel row col), and {question.site!r} has the axes {' '.join(question.axes)}: use 'zero' or 'mean'"
        )
    side = max(1, round(BLUR * min(value.shape[-2:])) // 2)
    return avg_pool2d(pad(value, [side] * 4, mode="replicate"), 2 * side + 1, stride=1)
