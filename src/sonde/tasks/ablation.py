"""Kinds of ablation: what takes the place of an activation, so that what it did is missed.

| kind | what is written | it asks for |
| --- | --- | --- |
| counterfactual | the value in the example's own counterfactual partner | what the pair does not share |
| resample | the value in the partner of another example | what this example does not share with others of the task |
| mean | the mean over the partners of all examples | what makes the examples differ from their mean |
| zero | zeros | everything, also what is the same in every prompt |
| optimal | the constant under which the model does best | what no constant can stand for |

Zero puts most models where they have never been; the mean of unlike prompts is none of them; and each kind has a circuit of its own
(Miller, Chughtai and Saunders 2024). So no effect of an ablation means anything without its kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.results import InputError, shown

if TYPE_CHECKING:
    from sonde.tasks.task import Task

AblationKind = Literal["counterfactual", "zero", "mean", "resample", "optimal"]
Over = Literal["position", "all", "template"]


@dataclass(frozen=True)
class Ablation:
    """What is written in the place of an activation, made of the values that it has in the examples' counterfactual partners.

    Arguments:
        kind: "counterfactual": the value in the example's own partner; "zero"; "mean": over the partners; "resample": the value in another
            example's partner; "optimal": a learnt constant, which `sonde.patching.optimal_constant` finds.
        over: of means: "position": over the examples, position by position; "all": over all real tokens of the examples, so the same at every
            position; "template": over the examples of the same template, position by position.
        seed: of the choice of other examples, where the kind is "resample".
        groups: the template of each example, where means are over "template": one number per example; `on(task)` takes them from a task.

    Raises:
        InputError: an unknown kind or an unknown set to take a mean over; one that goes with another kind.

    >>> print(Ablation())
    the value in each example's own partner
    >>> print(Ablation("mean"))
    mean over the partners, position by position
    >>> Ablation("mean").of(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[2., 3.],
            [2., 3.]])
    """

    kind: AblationKind = "counterfactual"
    over: Over = "position"
    seed: int = 0
    groups: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(AblationKind):
            raise InputError(f"kind={shown(self.kind)}: choose one of {', '.join(get_args(AblationKind))}")
        if self.over not in get_args(Over):
            raise InputError(f"over={shown(self.over)}: a mean is taken over {', '.join(map(repr, get_args(Over)))}")
        if self.over != "position" and self.kind != "mean":
            raise InputError(f"over={self.over!r} says what a mean is taken over, and kind={self.kind!r} takes none: use kind='mean'")
        if self.groups is not None:
            if self.over != "template":
                raise InputError(f"groups= are the templates of the examples, and over={self.over!r} does not look at them: use over='template'")
            object.__setattr__(self, "groups", tuple(int(group) for group in self.groups))

    def told(self, n: int | None = None) -> str:
        """What is written, in words.

        Arguments:
            n: how many partners it is made of, where that is known.

        >>> Ablation("mean", over="all").told(64)
        'mean over all tokens of 64 partners'
        """
        partners = f"{n} partners" if n else "the partners"
        if self.kind == "mean":
            return {
                "position": f"mean over {partners}, position by position",
                "all": f"mean over all tokens of {partners}",
                "template": f"mean over those of {partners} that have the same template, position by position",
            }[self.over]
        return {
            "counterfactual": "the value in each example's own partner",
            "zero": "zero",
            "resample": f"the value in another example's partner (one of {n}, seed {self.seed})" if n else
            f"the value in another example's partner (seed {self.seed})",
            "optimal": "the constant under which the model does best",
        }[self.kind]  # fmt: skip

    def __str__(self) -> str:
        return self.told()

    def on(self, task: "Task") -> "Ablation":
        """The same kind for the examples of a task, whose templates it takes where it needs them.

        Arguments:
            task: the task.

        Raises:
            InputError: the templates are needed, and neither given nor known.
        """
        if self.over != "template" or self.groups is not None:
            return self
        if not task.frames:
            raise InputError(
                f"it is not known which template each example of {task.name!r} was made from: give groups=, a number for each, or use over='position'"
            )
        return replace(self, groups=task.frames)

    def of(self, partners: Float[Tensor, "example *axis"], real: Bool[Tensor, "example pos"] | None = None) -> Float[Tensor, "example *axis"]:
        """What is written in place of a site's or a sender's output.

        Arguments:
            partners: its values in the partners of all examples.
            real: true at real tokens, where the first axis after the examples counts columns of tokens; leave it out where a position was chosen.

        Returns:
            As many values; those at padding mean nothing.

        Raises:
            InputError: "optimal", which must be learnt; a mean per position, or another example's value, where examples differ in length; a mean over
                all tokens without `real`; a single example to resample from; no group for each example.

        >>> values = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
        >>> Ablation("mean", over="all").of(values, real=torch.tensor([[True, True], [True, False]]))
        tensor([[2., 2.],
                [2., 2.]])
        """
        if self.kind == "counterfactual":
            return partners
        if self.kind == "zero":
            return torch.zeros_like(partners)
        if self.kind == "optimal":
            raise InputError("the optimal constant has to be learnt: sonde.patching.optimal_constant does it for a site; or use kind='mean'")
        if self.kind == "resample":
            return partners[_others(_aligned(partners, real, "another example's value is written at the same positions"), self.seed)]
        if self.over == "all":
            if real is None:
                raise InputError("a mean over all tokens must know which of them are real: give real=, and choose no position")
            real = real.to(partners.device)
            return _mean(partners[real]).expand_as(partners)
        return self._by_group(partners, real)

    def _by_group(self, partners: Tensor, real: Tensor | None) -> Tensor:
        groups = (0,) * len(partners) if self.over == "position" else self.groups
        if groups is None or len(groups) != len(partners):
            given = "none were given" if groups is None else f"{len(groups)} were given"
            raise InputError(f"a mean over templates needs that of each of the {len(partners)} examples, and {given}: use on(task) or groups=")
        numbers, replaced = torch.tensor(groups, device=partners.device), partners
        for group in dict.fromkeys(groups):
            members = (numbers == group).nonzero()[:, 0]
            own = None if real is None else real.to(partners.device)[members]
            value = _mean(_aligned(partners[members], own, "a mean is taken position by position")).expand(len(members), *partners.shape[1:])
            replaced = replaced.index_copy(0, members, value.to(partners.dtype))
        return replaced


def _mean(values: Float[Tensor, "value *axis"]) -> Float[Tensor, "1 *axis"]:
    """The mean, which half precision is too coarse to sum."""
    return values.mean(0, keepdim=True, dtype=torch.promote_types(values.dtype, torch.float32)).to(values.dtype)


def _aligned(partners: Tensor, real: Tensor | None, why: str) -> Tensor:
    """The same values; raises `InputError` where a column is a token of some examples and padding in others."""
    if real is not None and bool((real != real[:1]).any()):
        lengths = real.sum(1)
        raise InputError(
            f"{why}, and the examples have {int(lengths.min())} to {int(lengths.max())} tokens, so their positions do not correspond: use over='all' "
            "with a mean, choose positions that all have (pos=-1, a span), or give examples of equal length"
        )
    return partners


def _others(partners: Tensor, seed: int) -> Sequence[int]:
    """For each example another one: a cycle through all of them, so that none is its own and each is taken once."""
    if len(partners) < 2:
        raise InputError("there is no other example to take a value from: give at least two, or use kind='counterfactual'")
    order = torch.randperm(len(partners), generator=torch.Generator().manual_seed(seed))
    others: list[int] = torch.empty_like(order).scatter_(0, order, order.roll(1)).tolist()
    return others
