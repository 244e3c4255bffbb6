"""What an audit found: every output under every change, and what follows from them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.behaviour.audit import drawings
from sonde.evidence import compare, corrected, t_interval, untestable, wilson
from sonde.results import Drawing, InputError, Result, Verdict

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Metric, Model
    from sonde.behaviour.audit.changes import Implied
    from sonde.behaviour.audit.profiles import Profiles

UNDER_CLAIM = 0.2
"""An attribution is flagged where it gives an attribute this much less of the whole than intervention does."""
THRESHOLD, SOURCE = 0.1, "a tenth of the deviation of the output over the profiles: a convention"


@dataclass(frozen=True)
class Contrast:
    """What it does on average to set an attribute to one value instead of another: paired, within each profile.

    Arguments:
        attribute: what is changed.
        joint: whether what implies it was changed with it.
        first, second: the values; the effect is that of the second instead of the first.
        effect: the mean over profiles.
        interval: of the mean, at 95 %; `None` for fewer than two profiles.
        n: profiles in which both values are possible.
    """

    attribute: str
    joint: bool
    first: str
    second: str
    effect: float
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True)
class Faithfulness:
    """How far an attribution's claims are from what the interventions show.

    Arguments:
        claim: the attribution's name.
        attribute: the one that it under-claims most.
        gap: the largest share by intervention minus share claimed.
        distance: the sum over attributes of the absolute differences (L1), from 0 to 2.
        flagged: whether the gap reaches the threshold.
    """

    claim: str
    attribute: str
    gap: float
    distance: float
    flagged: bool


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Result):
    """The outputs of a model for profiles and for what they become when attributes change.

    Arguments:
        values: of each attribute, as they were tried.
        own: of each attribute, which of these each profile has; -1 for none of them.
        base: the output for each profile as it is.
        outputs: for each attribute, the output with that attribute alone set to each value; NaN where that profile cannot exist.
        joint: the same where whatever implies the attribute was changed with it.
        implying: for these, the attributes that imply them.
        pairs: for each two attributes "a, b", the output with both set.
        together: with all attributes changed at once.
        additive: what that would be if the effects added up.
        impossible: different profiles that cannot exist and were not asked about.
        refused: profiles that could not be shown to the model, and why.
        claims: what each attribution gives each attribute, [example attribute].
        decision: the output above which a case is decided in favour.
        unit: of the outputs.
    """

    values: dict[str, list[str]]
    own: dict[str, Int[Tensor, " example"]]
    base: Float[Tensor, " example"]
    outputs: dict[str, Float[Tensor, "example _"]]
    joint: dict[str, Float[Tensor, "example _"]]
    implying: dict[str, list[str]]
    pairs: dict[str, Float[Tensor, "example _ _"]]
    together: Float[Tensor, "example case"]
    additive: Float[Tensor, "example case"]
    impossible: int
    refused: list[str]
    claims: dict[str, Float[Tensor, "claimed attribute"]]
    decision: float
    unit: str

    @property
    def attributes(self) -> list[str]:
        """What was changed."""
        return list(self.values)

    def effects(self, attribute: str, joint: bool = False) -> Float[Tensor, "example value"]:
        """The change of each profile's output when an attribute is set to each value.

        Arguments:
            attribute: what is changed.
            joint: together with what implies it, where anything does.

        Raises:
            InputError: it was not audited.
        """
        if attribute not in self.values:
            raise InputError(f"{attribute!r} was not audited: {', '.join(self.values)} were")
        outputs = self.joint.get(attribute, self.outputs[attribute]) if joint else self.outputs[attribute]
        return outputs - self.base[:, None]

    def interactions(self, first: str, second: str) -> Float[Tensor, "example first second"]:
        """Second differences: what two changes do together beyond what they do one by one."""
        swapped = f"{first}, {second}" not in self.pairs
        both = self.pairs[f"{second}, {first}"].mT if swapped else self.pairs[f"{first}, {second}"]
        return both - self.outputs[first][:, :, None] - self.outputs[second][:, None, :] + self.base[:, None, None]

    def sizes(self, joint: bool = False) -> dict[str, Float[Tensor, " example"]]:
        """For each attribute the mean size of the effect over the values that a profile doesn't have; jointly, attributes that imply others are in
        those and have no entry of their own."""
        held = {other for others in self.implying.values() for other in others} if joint else set()
        return {name: self._changed(name, joint).abs().nanmean(1) for name in self.values if name not in held}

    def shares(self, joint: bool = False) -> dict[str, float]:
        """Each attribute's share of the effects' sizes; NaN where no attribute has any effect."""
        sizes = {name: float(values.nanmean()) for name, values in self.sizes(joint).items()}
        whole = sum(size for size in sizes.values() if size == size)
        return {name: size / whole if whole else float("nan") for name, size in sizes.items()}

    def claimed_shares(self, claim: str, joint: bool = False) -> dict[str, float]:
        """What an attribution says that each attribute's share is: the mean size of what it gives, of the whole.

        Arguments:
            claim: the attribution's name.
            joint: what implies an attribute counts as part of it.
        """
        column = dict(zip(self.values, self.claims[claim].unbind(1), strict=True))
        given = {name: sum((column[other] for other in self.implying.get(name, []) if joint), column[name]) for name in self.sizes(joint)}
        sizes = {name: float(values.abs().mean()) for name, values in given.items()}
        whole = sum(sizes.values())
        return {name: size / whole if whole else 0.0 for name, size in sizes.items()}

    def faithfulness(self, joint: bool = False) -> list[Faithfulness]:
        """Each attribution's claims against the interventions; none where no attribute has any effect.

        A rank correlation would not do: shares of .92, .03, .03, .02 claimed where intervention says .5, .5, 0, 0 have Spearman's .71.
        """
        shares = self.shares(joint)
        found = []
        for name in self.claims if all(share == share for share in shares.values()) else ():
            claimed = self.claimed_shares(name, joint)
            gaps = {attribute: share - claimed[attribute] for attribute, share in shares.items()}
            worst = max(gaps, key=lambda attribute: gaps[attribute])
            found.append(Faithfulness(name, worst, gaps[worst], sum(map(abs, gaps.values())), gaps[worst] >= UNDER_CLAIM))
        return found

    def contrasts(self, joint: bool = False) -> list[Contrast]:
        """Every two values of every attribute, with the interval over profiles."""
        return [
            _contrast(name, joint and name in self.joint, values[v], values[w], effects[:, w] - effects[:, v])
            for name, values in self.values.items()
            for effects in [self.effects(name, joint)]
            for v in range(len(values))
            for w in range(v + 1, len(values))
        ]

    def flips(self, attribute: str, joint: bool = False) -> tuple[int, int, tuple[float, float]]:
        """In how many profiles some value of the attribute turns the decision, of how many, and Wilson's interval of the share."""
        before = self.base > self.decision
        after = self._changed(attribute, joint) + self.base[:, None]
        asked = ~after.isnan().all(1)
        turned = (((after > self.decision) != before[:, None]) & ~after.isnan()).any(1)
        n, flipped = int(asked.sum()), int(turned.sum())
        return flipped, n, wilson(flipped, n) if n else (0.0, 1.0)

    def non_additive(self) -> float:
        """Of the variance of the joint changes, the share that is not the sum of the single effects; NaN where nothing changes."""
        kept = ~(self.together.isnan() | self.additive.isnan())
        effect = (self.together - self.base[:, None])[kept]
        return float((self.together - self.additive)[kept].square().sum() / effect.square().sum()) if bool(effect.any()) else float("nan")

    def to_frame(self) -> "DataFrame":
        """One row per contrast: every two values of every attribute, alone and together with what implies it."""
        import polars as pl

        found = self.contrasts() + [one for one in self.contrasts(joint=True) if one.joint]
        return pl.DataFrame(
            [
                (c.attribute, c.joint, c.first, c.second, c.effect, *(c.interval or (None, None)), c.n, self.flips(c.attribute, c.joint)[0])
                for c in found
            ],
            ["attribute", "joint", "from", "to", "effect", "low", "high", "n", "flipped"],
            orient="row",
        )

    def drawing(self) -> Drawing:
        """What the interventions do beside what is claimed, the effects of every value, how often decisions flip."""
        return drawings.whole(self)

    def check(  # type: ignore[override]
        self, model: "Model", profiles: "Profiles", of: "Metric", implied: "Implied | None" = None, threshold: float = THRESHOLD
    ) -> list[Verdict]:
        """Test on other profiles, for each attribute, the contrast that is the largest here; corrected for their number (Holm 1979).

        Arguments:
            model: the model that was audited.
            profiles: cases that were not audited.
            of: the output, as in the audit.
            implied: what implies what, as in the audit.
            threshold: the least mean effect that counts, in deviations of the output over the profiles.

        Raises:
            CheckRefused: it is another model.
        """
        from sonde.behaviour.audit.verification import effects_on

        self.refuse_other(model)
        largest: dict[str, Contrast] = {}
        for one in self.contrasts(joint=True):
            if one.n and abs(one.effect) >= abs(largest[one.attribute].effect if one.attribute in largest else 0.0):
                largest[one.attribute] = one
        tested = []
        for one in largest.values():
            raised, base = effects_on(model, profiles, of, one, implied or {})
            sign = 1.0 if one.effect > 0 else -1.0
            claim = f"{one.attribute} {one.second} instead of {one.first} {'raises' if sign > 0 else 'lowers'} the output."
            measure = f"mean {'rise' if sign > 0 else 'fall'} of the output, {self.unit}, against no change"
            least = threshold * float(base.std()) if len(base) > 1 else threshold
            if one.effect == 0:
                claim, reason = f"{one.attribute} moves the output.", "in the audit none of its values made a difference"
                tested.append(untestable(claim, measure, reason, threshold=least, threshold_source=SOURCE))
                continue
            raised = raised[~raised.isnan()]
            tested.append(compare(claim, measure, sign * raised, torch.zeros_like(raised), threshold=least, threshold_source=SOURCE))
        return corrected(tested)

    def _changed(self, attribute: str, joint: bool) -> Float[Tensor, "example value"]:
        """The effects of the values that a profile doesn't have already; NaN at its own."""
        effects = self.effects(attribute, joint)
        own = self.own[attribute][:, None] == torch.arange(effects.shape[1])
        return effects.masked_fill(own, float("nan"))


def _contrast(attribute: str, joint: bool, first: str, second: str, differences: Float[Tensor, " example"]) -> Contrast:
    kept = differences[~differences.isnan()]
    interval = t_interval(kept) if len(kept) > 1 else None
    return Contrast(attribute, joint, first, second, float(kept.mean()) if len(kept) else float("nan"), interval, len(kept))
