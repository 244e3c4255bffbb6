"""Are features easier to describe than neurons, principal components or random directions? The same explainer, judge and texts for all.

Which latents are described is drawn at random within each group, among those that fire at all. A coordinate that is not sparse fires on its highest
values only (see `recording`), so that all groups are asked the same kind of question.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from sonde.evidence import compare
from sonde.features.descriptions.describing import describe
from sonde.features.descriptions.recording import Recording
from sonde.features.descriptions.results import Descriptions, Scored, spread
from sonde.features.descriptions.stored import stored
from sonde.results import InputError, Recipe, Result, Verdict
from sonde.results.drawing import Drawing, tabs

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.features.database import Features


@dataclass(frozen=True, eq=False, repr=False)
class DescriptionComparison(Result):
    """Descriptions of several kinds of coordinates; made by `compare_descriptions`.

    Arguments:
        groups: by name the descriptions of the latents that were drawn.
    """

    groups: dict[str, Descriptions]

    def to_frame(self) -> "DataFrame":
        """One row for each group, latent and scorer."""
        import polars as pl

        return pl.concat([found.to_frame().with_columns(group=pl.lit(name)) for name, found in self.groups.items()])

    def drawing(self) -> Drawing:
        """The scores of each group, and those of shuffled descriptions in the first, scorer by scorer."""
        first = next(iter(self.groups.values()))
        drawn = []
        for scorer in first.scorers:
            own = {name: [s.value for s in found.values(scorer)] for name, found in self.groups.items()}
            like = next((s for found in self.groups.values() for s in found.values(scorer)), None)
            if like is not None:
                shuffled = [s.shuffled for s in first.values(scorer)]
                drawn.append((scorer, spread(scorer, {**own, f"{next(iter(self.groups))}, shuffled": shuffled}, like)))
        return tabs("What is easier to describe?", drawn)

    def check(self, model: Any) -> list[Verdict]:  # type: ignore[override]
        """Whether the first group is described better than each of the others.

        Arguments:
            model: the one that was recorded.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        return self.verdicts

    @property
    def verdicts(self) -> list[Verdict]:
        """What `check` finds, for who has no model at hand: one for each scorer and other group.

        Latents of two groups are no pairs; drawn at random, each in its turn beside one of the other group, they give independent differences.
        """
        (name, first), *others = self.groups.items()
        return [_claimed(scorer, name, first.values(scorer), other, found.values(scorer)) for scorer in first.scorers for other, found in others]


def compare_descriptions(groups: "Mapping[str, Recording | Features]", latents: int = 50, seed: int = 0, **settings: Any) -> DescriptionComparison:
    """Describe as many latents of each group, and compare the scores.

    Arguments:
        groups: by name recordings or databases of the same texts; the first is compared with the others.
        latents: how many of each group; all that fire where there are fewer.
        seed: of the draws.
        settings: further arguments of `describe`: the client, scorers, and so on.

    Raises:
        InputError: fewer than two groups, groups of other texts or another model, a group in which nothing fires.
    """
    recordings = {name: one if isinstance(one, Recording) else stored(one) for name, one in groups.items()}
    first = next(iter(recordings.values()), None)
    if first is None or len(recordings) < 2 or latents < 1:
        raise InputError(f"groups {list(groups)}, latents={latents}: give at least two groups and one latent of each")
    for name, one in recordings.items():
        if not torch.equal(one.ids, first.ids) or one.model_hash != first.model_hash:
            raise InputError(f"{name!r} was recorded on other texts or another model than {next(iter(recordings))!r}: record all on the same")
        if not one.alive:
            raise InputError(f"nothing of {name!r} fires in these texts: leave it out, or record more")
    found = {name: describe(one, picked(one, latents, seed), seed=seed, **settings) for name, one in recordings.items()}
    inputs = [one.hash for one in recordings.values()]
    kept = {name: value for name, value in settings.items() if isinstance(value, int | float | str)}
    recipe = Recipe.of(
        "sonde.features.compare_descriptions",
        {"groups": list(groups), "latents": latents, **kept},
        model_hash=first.model_hash,
        inputs=inputs,
        seed=seed,
    )
    return DescriptionComparison(found, recipe=recipe)


def picked(recording: Recording, n: int, seed: int) -> list[int]:
    """Latents that fire, drawn at random.

    Arguments:
        recording: of the latents.
        n: how many; all where there are fewer.
        seed: of the draw.
    """
    alive = recording.alive
    return [alive[i] for i in torch.randperm(len(alive), generator=torch.Generator().manual_seed(seed))[:n].tolist()]


def _claimed(scorer: str, name: str, own: list[Scored], other: str, others: list[Scored]) -> Verdict:
    pairs = [(a.value, b.value) for a, b in zip(own, others, strict=False) if not math.isnan(a.value + b.value)]
    values = torch.tensor(pairs, dtype=torch.float64).reshape(-1, 2)
    return compare(
        f"{name} are easier to describe than {other} ({scorer}).", own[0].measure if own else scorer, values[:, 0], values[:, 1],
        threshold=own[0].chance if own else 0.0, threshold_source="what a judge gets that knows nothing",
    )  # fmt: skip
