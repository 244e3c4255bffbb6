"""What steering says about single features, and the edits that it becomes.

A strength counts in multiples of the feature's largest activation on some text: clamped to 2, it is twice as active at every token as it ever was;
clamped to 0 it is ablated; with 1 added it is raised by its largest activation wherever it was before.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from sonde.access import Add, Clamp, Edit, Model
from sonde.features.activity import Activity
from sonde.features.places import basis_at, feature_of
from sonde.results import InputError, shown

How = Literal["clamp", "add"]


@dataclass(frozen=True)
class Push:
    """One feature set to a strength, or raised by it.

    Arguments:
        feature: its number.
        strength: in multiples of its largest activation; clamped to 0 a feature is ablated.
        how: "clamp" sets it at every token, "add" adds to it.

    Raises:
        InputError: another way, or a strength that is no finite number.

    >>> Push.parse("12=4"), str(Push.parse("7+0.5")), str(Push(3, 0))
    (Push(feature=12, strength=4.0, how='clamp'), '7+0.5', '3=0')
    """

    feature: int
    strength: float
    how: How = "clamp"

    def __post_init__(self) -> None:
        if self.how not in ("clamp", "add"):
            raise InputError(f"how={shown(self.how)}: use 'clamp' or 'add'")
        if not isinstance(self.strength, int | float) or not -1e6 < self.strength < 1e6:
            raise InputError(f"strength={shown(self.strength)}: give a finite number, in multiples of the feature's largest activation")

    @staticmethod
    def parse(text: str) -> "Push":
        """Read one from its text: `12=4` clamps feature 12 to 4 times its maximum, `12+4` and `12-4` add to it.

        Arguments:
            text: as it is written on a command line.
        """
        found = re.fullmatch(r"(\d+)(=|\+|(?=-))(-?\d*\.?\d+)", text.strip())
        if not found:
            raise InputError(f"{text!r} steers nothing: write 12=4 (clamp feature 12 to 4 times its maximum), 12=0 (ablate it) or 12+1 (add)")
        return Push(int(found[1]), float(found[3]), "clamp" if found[2] == "=" else "add")

    def __str__(self) -> str:
        return f"{self.feature}={self.strength:g}" if self.how == "clamp" else f"{self.feature}{self.strength:+g}"


def edits_for(model: Model, site: str, pushes: Sequence[Push], activity: Activity) -> list[Edit]:
    """The edits of the coordinates' site: those that are clamped together, then what is added.

    Arguments:
        model: on which the basis is attached.
        site: of its coordinates.
        pushes: what is said of each feature, each named once.
        activity: how active features are at this site.

    Raises:
        InputError: no push, a feature that is not there, is named twice or has no maximum, or the activity of another site.
    """
    basis, features = basis_at(model, site), [push.feature for push in pushes]
    if not pushes:
        raise InputError("nothing is steered: give at least one Push(feature, strength)")
    if twice := sorted({f for f in features if features.count(f) > 1}):
        raise InputError(f"feature {twice[0]} is named twice: say once what becomes of it")
    refuse_other_activity(model, site, activity)
    made: list[Edit] = []
    # an ablated feature needs no scale
    values = {feature_of(model, site, p.feature): p.strength * (activity.largest(p.feature) if p.strength else 0.0) for p in pushes}
    clamped = {push.feature: values[push.feature] for push in pushes if push.how == "clamp"}
    if clamped:
        made.append(Clamp(site, torch.tensor(list(clamped.values())), dims=list(clamped)))
    raised = torch.zeros(basis.size)
    for push in pushes:
        if push.how == "add":
            raised[push.feature] = values[push.feature]
    return [*made, Add(site, raised)] if raised.any() else made


def refuse_other_activity(model: Model, site: str, activity: Activity) -> None:
    """Raise `InputError` where activity was measured at another site or on another model.

    Arguments:
        model, site: where features are used.
        activity: as it was measured.
    """
    if activity.site != site or len(activity.maximum) != basis_at(model, site).size:
        raise InputError(f"the activity is that of {activity.site!r}, and features of {site!r} are used: measure it there")
    activity.refuse_other(model)
