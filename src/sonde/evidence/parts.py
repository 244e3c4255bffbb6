"""Is a set of components needed, is it enough, is it all, and is there nothing too much in it?

M are all components, C the found ones, m(S) the mean over examples of a metric (the larger the better) of the network in which only S is intact and
the rest is ablated. Everything is told as a share of the gap m(M) - m(empty), a ratio of means over examples; a mean of ratios would be ruled by the
examples whose own gap is small (Miller, Chughtai and Saunders 2024).

    necessity        (m(M) - m(M without C)) / gap                         what is lost without it
    sufficiency      (m(C) - m(empty)) / gap                               what it alone restores; as a number, the faithfulness
    completeness     |m(C without K) - m(M without K)| / gap               for sets K of its members: large where something is missing
    minimality       max_K |m(C without K and v) - m(C without K)| / gap   for each member v: small where it is too much

The last two are those of Wang et al. 2022.

An ablation, a granularity and a metric belong to every such number: the same set scores below 0 or above 1 under others.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence.intervals import bootstrap, t_interval
from sonde.evidence.verdicts import compare, untestable
from sonde.results import InputError, Verdict

T = TypeVar("T")
Intact = Callable[[Sequence[frozenset[T]]], Float[Tensor, "set example"]]
"""The metric, example by example, of the network in which only the members of a set are intact; several sets at once, so that they can be batched."""

HALF, HALF_SOURCE = 0.5, "half of the gap between the prompts and their counterfactuals: a convention"
LOST = "share of the gap lost when they are corrupted together; control: random sets of that size"
RESTORED = "share of the gap restored when they alone are clean; control: random sets of that size"


class Estimate(NamedTuple):
    """A number with the ends of its 95 % interval over examples."""

    value: float
    low: float
    high: float


def necessity(
    claim: str,
    whole: Float[Tensor, " example"],
    nothing: Float[Tensor, " example"],
    without: Float[Tensor, " example"],
    without_random: Float[Tensor, "draw example"],
    *,
    measure: str = LOST,
    threshold: float = HALF,
    threshold_source: str = HALF_SOURCE,
) -> Verdict:
    """Judge whether a set of components is needed: ablating it must cost more than ablating random sets does.

    Arguments:
        claim: a sentence that can be true or false.
        whole, nothing: the metric of the intact network and of the fully ablated one.
        without: the metric with the found set ablated.
        without_random: the metric with random sets of that size ablated, one row for each.
        measure: what was measured, with its unit.
        threshold: the least share of the gap that counts.
        threshold_source: where the threshold comes from.

    Returns:
        The verdict; not testable where there is no gap.

    >>> whole, nothing = torch.ones(9), torch.zeros(9)
    >>> necessity("It is needed.", whole, nothing, without=nothing, without_random=torch.stack([whole, whole])).holds
    True
    """
    return _judged(claim, whole, nothing, whole - without, whole - without_random, measure, threshold, threshold_source)


def sufficiency(
    claim: str,
    whole: Float[Tensor, " example"],
    nothing: Float[Tensor, " example"],
    alone: Float[Tensor, " example"],
    alone_random: Float[Tensor, "draw example"],
    *,
    measure: str = RESTORED,
    threshold: float = HALF,
    threshold_source: str = HALF_SOURCE,
) -> Verdict:
    """Judge whether a set of components is enough: it alone must do more than random sets alone do.

    Arguments:
        claim: a sentence that can be true or false.
        whole, nothing: the metric of the intact network and of the fully ablated one.
        alone: the metric with only the found set intact.
        alone_random: the metric with only random sets of that size intact, one row for each.
        measure: what was measured, with its unit.
        threshold: the least share of the gap that counts.
        threshold_source: where the threshold comes from.

    Returns:
        The verdict; not testable where there is no gap.

    >>> whole, nothing = torch.ones(9), torch.zeros(9)
    >>> sufficiency("It is enough.", whole, nothing, alone=nothing, alone_random=torch.stack([nothing, nothing])).holds
    False
    """
    return _judged(claim, whole, nothing, alone - nothing, alone_random - nothing, measure, threshold, threshold_source)


def faithfulness(intact: Intact[T], found: frozenset[T], everything: frozenset[T], seed: int = 0) -> Estimate:
    """The share of the gap that a set alone restores: 1 where it does all that the network does.

    Arguments:
        intact: the metric with only a set intact.
        found: the set.
        everything: all components.
        seed: of the bootstrap.

    Raises:
        InputError: there is no gap between everything and nothing.

    >>> weights = torch.tensor([3.0, 1.0])
    >>> def intact(sets):
    ...     return torch.stack([sum((weights[i] for i in one), torch.tensor(0.0)) * torch.ones(4) for one in sets])
    >>> faithfulness(intact, frozenset({0}), frozenset({0, 1}))
    Estimate(value=0.75, low=0.75, high=0.75)
    """
    alone, whole, nothing = intact([found, everything, frozenset()])
    _refuse_no_gap(whole, nothing)
    stacked = torch.stack([alone - nothing, whole - nothing], -1)
    low, high = bootstrap(stacked, of=lambda mean: mean[..., 0] / mean[..., 1], seed=seed)
    return Estimate(float(stacked[:, 0].mean() / stacked[:, 1].mean()), float(low), float(high))


def completeness(intact: Intact[T], found: frozenset[T], everything: frozenset[T], taken: Sequence[frozenset[T]]) -> Float[Tensor, " set"]:
    """How differently the found set and the network react to losing the same members, as a share of the gap: 0 for each where nothing is missing.

    Arguments:
        intact: the metric with only a set intact.
        found: the set.
        everything: all components.
        taken: members of the found set to take away, such as random subsets; the largest difference counts.

    Raises:
        InputError: there is no gap between everything and nothing, or a member taken away is not in the found set.

    >>> def both_or_spare(sets):  # 2 does alone what 0 and 1 do together
    ...     return torch.stack([torch.full((4,), float(2 in one or {0, 1} <= one)) for one in sets])
    >>> completeness(both_or_spare, frozenset({0, 1}), frozenset({0, 1, 2}), taken=[frozenset(), frozenset({0})])
    tensor([0., 1.])
    """
    _refuse_strangers(found, taken)
    values = intact([everything, frozenset(), *(found - one for one in taken), *(everything - one for one in taken)])
    gap = _refuse_no_gap(values[0], values[1])
    means = values[2:].mean(1)
    return (means[: len(taken)] - means[len(taken) :]).abs() / gap


def minimality(
    intact: Intact[T], found: Sequence[T], everything: frozenset[T], taken: Sequence[frozenset[T]] = (frozenset(),)
) -> Float[Tensor, " member"]:
    """How much each member of the found set matters, as a share of the gap: the most that losing it changes after some others were taken away.

    Arguments:
        intact: the metric with only a set intact.
        found: the set's members.
        everything: all components.
        taken: what is taken away beforehand; of members that back one another up each matters only where the other is gone.

    Raises:
        InputError: there is no gap between everything and nothing, or a member taken away is not in the found set.

    >>> def either(sets):
    ...     return torch.stack([torch.full((4,), float(bool(one & {0, 1}))) for one in sets])
    >>> minimality(either, [0, 1], frozenset({0, 1, 2}))
    tensor([0., 0.])
    >>> minimality(either, [0, 1, 2], frozenset({0, 1, 2}), taken=[frozenset({0}), frozenset({1})])
    tensor([1., 1., 0.])
    """
    members = frozenset(found)
    _refuse_strangers(members, taken)
    sets = [members - one for one in taken] + [members - one - {member} for one in taken for member in found]
    values = intact([everything, frozenset(), *sets])
    gap = _refuse_no_gap(values[0], values[1])
    before, after = values[2 : 2 + len(taken)].mean(1), values[2 + len(taken) :].mean(1).view(len(taken), len(found))
    return (after - before[:, None]).abs().max(0).values / gap


def _judged(
    claim: str,
    whole: Float[Tensor, " example"],
    nothing: Float[Tensor, " example"],
    moved: Float[Tensor, " example"],
    moved_random: Float[Tensor, "draw example"],
    measure: str,
    threshold: float,
    threshold_source: str,
) -> Verdict:
    reason = no_gap(whole, nothing)
    if reason:
        return untestable(claim, measure, reason, threshold=threshold, threshold_source=threshold_source)
    # one gap for all examples: shares of single gaps would let the smallest rule
    gap = (whole - nothing).mean()
    return compare(claim, measure, moved / gap, moved_random / gap, threshold=threshold, threshold_source=threshold_source)


def no_gap(whole: Float[Tensor, " example"], nothing: Float[Tensor, " example"]) -> str:
    """Why there is nothing to take shares of, with the figures; empty where the whole surely exceeds nothing."""
    gaps = whole - nothing
    if not len(gaps):
        return "there are no examples"
    low, high = t_interval(gaps) if len(gaps) > 1 else (float(gaps.mean()),) * 2
    if low > 0:
        return ""
    return (
        f"the metric is not surely larger with everything intact ({whole.mean():.3g}) than with nothing ({nothing.mean():.3g}): the gap is "
        f"{gaps.mean():+.3g}, 95 % interval {low:+.3g} to {high:+.3g} over {len(gaps)} examples"
    )


def _refuse_no_gap(whole: Float[Tensor, " example"], nothing: Float[Tensor, " example"]) -> Tensor:
    reason = no_gap(whole, nothing)
    if reason:
        raise InputError(f"{reason}; choose another ablation, other examples or another metric (of a loss its negative)")
    return (whole - nothing).mean()


def _refuse_strangers(found: frozenset[T], taken: Sequence[frozenset[T]]) -> None:
    strangers = [member for one in taken for member in one if member not in found]
    if strangers:
        raise InputError(f"{strangers[0]} is to be taken away, but is not in the found set; take away members only")
