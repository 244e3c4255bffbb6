"""What a guard looks for, and what it does where it finds it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model
from sonde.features.places import feature_of, special_tokens
from sonde.jobs import track
from sonde.results import InputError, shown

Action = Literal["log", "block", "steer"]
Where = Literal["all", "prompt", "new"]
ROWS = 16  # of a pass


@dataclass(frozen=True, eq=False)
class Rule:
    """A number at every token, and what happens where it is above a threshold.

    Arguments:
        name: what the rule is called in logs.
        site: of attached coordinates with `feature`, any site of tokens with `direction`.
        feature: whose activation is looked at.
        direction: a probe's: what is looked at is the site's value times it.
        action: "log" it; "block": the text is withheld, whatever else is logged; "steer": what is looked at is set to `to` at that token.
        to: for "steer".
        where: look at "all" tokens, at those of the "prompt", or at the "new" ones. Special tokens are never looked at.
        least: calibration never goes below it; by default 0 for a feature, which then fires only where it is active.

    Raises:
        InputError: both a feature and a direction, or neither; another action.
    """

    name: str
    site: str
    feature: int | None = None
    direction: Float[Tensor, " width"] | None = None
    action: Action = "log"
    to: float = 0.0
    where: Where = "all"
    least: float | None = None

    def __post_init__(self) -> None:
        if not self.name or (self.feature is None) == (self.direction is None):
            raise InputError(f"rule {self.name!r}: give it a name, and either feature= or direction=")
        if self.action not in ("log", "block", "steer") or self.where not in ("all", "prompt", "new"):
            raise InputError(
                f"rule {self.name!r}: action={shown(self.action)}, where={shown(self.where)}; an action is 'log', 'block' or 'steer', and "
                "it looks at 'all' tokens, at those of the 'prompt' or at the 'new' ones"
            )
        if self.direction is not None and not (self.direction.isfinite().all() and self.direction.norm() > 0):
            raise InputError(f"rule {self.name!r}: a direction is finite and not zero")

    @property
    def floor(self) -> float:
        """The lowest threshold that it may get."""
        return self.least if self.least is not None else 0.0 if self.feature is not None else -math.inf

    def refuse_unfit(self, model: Model) -> None:
        """Raise `InputError` where the model has no such place.

        Arguments:
            model: that is to be watched.
        """
        if self.feature is not None:
            feature_of(model, self.site, self.feature)
        elif model.locate(self.site).axes[:2] != ("batch", "pos") or len(model.locate(self.site).axes) != 3:
            raise InputError(
                f"rule {self.name!r}: {self.site!r} has the axes {' '.join(model.locate(self.site).axes)}, and a direction needs batch pos d"
            )

    def score(self, value: Float[Tensor, "*row width"]) -> Float[Tensor, "*row"]:
        """What is looked at, token by token.

        Arguments:
            value: of the site.
        """
        if self.feature is not None:
            return value[..., self.feature]
        assert self.direction is not None
        if self.direction.shape[-1] != value.shape[-1]:
            raise InputError(f"rule {self.name!r}: its direction has {len(self.direction)} entries and {self.site!r} has {value.shape[-1]}")
        return value @ self.direction.to(value)

    def steered(self, value: Float[Tensor, "*row width"], fired: Bool[Tensor, "*row"]) -> Float[Tensor, "*row width"]:
        """The site's value with what is looked at set to `to` where the rule fired.

        Arguments:
            value: of the site.
            fired: at which tokens.
        """
        if self.feature is not None:
            new = value.clone()
            new[..., self.feature] = torch.where(fired, torch.as_tensor(self.to, dtype=value.dtype, device=value.device), value[..., self.feature])
            return new
        assert self.direction is not None
        u = self.direction.to(value)
        return value + (fired * (self.to - self.score(value)) / u.square().sum()).unsqueeze(-1) * u


def scores(model: Model, rules: Sequence[Rule], texts: Sequence[str], progress: bool = False) -> Float[Tensor, "rule text"]:
    """The largest score of each rule in each text, special tokens left out: a rule fires on a text where this is above its threshold.

    Arguments:
        model: on which features are attached.
        rules: what is looked at.
        texts: any.
        progress: show a bar.

    Raises:
        InputError: no rule, no text, a text without tokens, a rule that does not fit.
    """
    if not rules or not texts or isinstance(texts, str):
        raise InputError("a guard needs at least one rule, and a list of texts")
    for rule in rules:
        rule.refuse_unfit(model)
    found = []
    for start in track(range(0, len(texts), ROWS), "scoring", shown=progress):
        run = model.run(list(texts[start : start + ROWS]), read=list(dict.fromkeys(rule.site for rule in rules)), logits=False)
        assert run.mask is not None
        seen = run.mask & ~special_tokens(model, run.ids)
        if not seen.any(1).all():
            raise InputError(f"text {start + int((~seen.any(1)).nonzero()[0])} has no tokens but special ones: leave it out")
        found.append(torch.stack([rule.score(run[rule.site]).masked_fill(~seen, -torch.inf).amax(1) for rule in rules]))
    return torch.cat(found, 1).float().cpu()
