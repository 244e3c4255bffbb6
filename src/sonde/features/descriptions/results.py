"""Descriptions with their scores, and everything that must stand beside a score."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from sonde.evidence import compare
from sonde.features.descriptions.clients import Usage
from sonde.features.descriptions.explainers import Description
from sonde.features.records import Description as Record
from sonde.results import InputError, Result, Verdict
from sonde.results.drawing import Control, Drawing, tabs, violins

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True)
class Scored:
    """One description's score by one scorer.

    Arguments:
        latent: whose description it is.
        scorer: the scorer's name.
        measure: what the values are.
        value: the score; NaN where there was nothing to judge.
        shuffled: the score that another latent's description gets on this latent's examples.
        chance: what a judge gets that knows nothing.
        n: questions that were asked.
        failures: answers that could not be read; they count as guesses.
        details: other measures of the same answers.
    """

    latent: int
    scorer: str
    measure: str
    value: float
    shuffled: float
    chance: float
    n: int
    failures: int
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Descriptions(Result):
    """Latents in words, and how well the words predict; made by `describe`.

    Arguments:
        descriptions: one for each latent.
        scores: one for each latent and scorer.
        judge: who read the descriptions.
        usage: what it cost.
        notes: what was decided or left out.
    """

    descriptions: tuple[Description, ...]
    scores: tuple[Scored, ...]
    judge: str
    usage: Usage
    notes: tuple[str, ...] = ()

    @property
    def scorers(self) -> list[str]:
        """The names of the scorers."""
        return list(dict.fromkeys(score.scorer for score in self.scores))

    @property
    def failures(self) -> int:
        """Answers that could not be read, those without a description included."""
        return sum(score.failures for score in self.scores) + sum(not d.text for d in self.descriptions)

    def text(self, latent: int) -> str:
        """The description of a latent.

        Arguments:
            latent: its number.

        Raises:
            InputError: one that was not described.
        """
        found = next((d for d in self.descriptions if d.latent == latent), None)
        if found is None:
            raise InputError(f"latent {latent} was not described: ask for one of {[d.latent for d in self.descriptions][:20]}")
        return found.text

    def values(self, scorer: str) -> list[Scored]:
        """The scores of a scorer, where there was something to judge.

        Arguments:
            scorer: its name.
        """
        return [score for score in self.scores if score.scorer == scorer and not math.isnan(score.value)]

    def records(self) -> dict[int, Record]:
        """By latent its description as a database keeps it."""
        found: dict[int, Record] = {}
        for one in self.descriptions:
            own = [score for score in self.scores if score.latent == one.latent]
            asked = "; ".join(f"{s.scorer}: {s.measure}, n={s.n}, chance {s.chance:g}, {s.failures} answers not read" for s in own)
            found[one.latent] = {
                "text": one.text, "author": one.author, "scores": {s.scorer: _known(s.value) for s in own},
                "controls": {s.scorer: _known(s.shuffled) for s in own}, "note": one.error or f"judged by {self.judge}. {asked}",
            }  # fmt: skip
        return found

    def to_frame(self) -> "DataFrame":
        """One row for each latent and scorer; of latents without scores one row."""
        import polars as pl

        texts = {d.latent: d for d in self.descriptions}
        rows: list[dict[str, Any]] = [
            {
                "latent": s.latent, "description": texts[s.latent].text, "scorer": s.scorer, "measure": s.measure, "value": s.value,
                "shuffled": s.shuffled, "chance": s.chance, "n": s.n, "failures": s.failures, "details": json.dumps(s.details),
                "author": texts[s.latent].author, "error": texts[s.latent].error,
            }
            for s in self.scores
        ]  # fmt: skip
        scored = {s.latent for s in self.scores}
        rows += [
            {"latent": d.latent, "description": d.text, "author": d.author, "error": d.error} for d in self.descriptions if d.latent not in scored
        ]
        return pl.DataFrame(rows, schema=_SCHEMA)

    def drawing(self) -> Drawing:
        """The scores of all descriptions beside those of shuffled ones, scorer by scorer."""
        drawn = []
        for name in self.scorers:
            own = self.values(name)
            if own:
                drawn.append((name, spread(name, {"described": [s.value for s in own], "shuffled": [s.shuffled for s in own]}, own[0])))
        if not drawn:
            raise InputError(
                f"nothing was scored, so there is nothing to draw: {'; '.join(self.notes) or 'no latent fires in the texts for judging'}"
            )
        return tabs("Do the descriptions predict?", drawn)

    def check(self, model: Any) -> list[Verdict]:  # type: ignore[override]
        """Whether descriptions say more about their latent than those of others do, on texts that no explainer had seen.

        Arguments:
            model: the one that was recorded.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        return self.verdicts

    @property
    def verdicts(self) -> list[Verdict]:
        """What `check` finds, for who has no model at hand: one for each scorer."""
        return [claimed(name, self.values(name)) for name in self.scorers]

    def __repr__(self) -> str:
        lines = [f"Descriptions of {len(self.descriptions)} latents by {self.descriptions[0].author if self.descriptions else 'nobody'}"]
        for name in self.scorers:
            own = self.values(name)
            if own:
                means = [math.fsum(getattr(s, what) for s in own) / len(own) for what in ("value", "shuffled")]
                lines.append(
                    f"  {name}: {own[0].measure} {means[0]:.3f}, shuffled {means[1]:.3f}, chance {own[0].chance:g} ({len(own)} latents, "
                    f"{sum(s.n for s in own)} questions, {sum(s.failures for s in own)} answers not read)"
                )
        lines += [f"  cost: {self.usage}", *(f"  note: {note}" for note in self.notes), f"  by {self.recipe}"]
        return "\n".join(lines)


def claimed(name: str, own: Sequence[Scored]) -> Verdict:
    """The verdict on one scorer's scores.

    Arguments:
        name: of the scorer.
        own: its scores.
    """
    kept = [s for s in own if not math.isnan(s.shuffled)]
    return compare(
        f"The descriptions predict what their own latents do ({name}).", own[0].measure if own else name,
        torch.tensor([s.value for s in kept]), torch.tensor([s.shuffled for s in kept]),
        threshold=own[0].chance if own else 0.0, threshold_source="what a judge gets that knows nothing",
    )  # fmt: skip


def spread(title: str, samples: Mapping[str, Sequence[float]], like: Scored) -> Drawing:
    """Scores as violins, with chance.

    Arguments:
        title: of the drawing.
        samples: scores by name.
        like: one of the scores, which tells the measure and chance.
    """
    values = [[_known(v) for v in own] for own in samples.values()]
    return violins(title, like.measure, list(samples), values, control=Control("chance", like.chance))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


_SCHEMA = {
    "latent": int, "description": str, "scorer": str, "measure": str, "value": float, "shuffled": float, "chance": float, "n": int, "failures": int,
    "details": str, "author": str, "error": str,
}  # fmt: skip
