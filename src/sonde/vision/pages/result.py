"""What a unit's page holds: the results of its parts, their verdicts, and the sentences that say them to a stranger."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.results import Drawing, Result, Verdict
from sonde.results.document import Document, Section, Sentence
from sonde.results.drawing import picture_grid, tabs
from sonde.vision.ablated import UnitEffect, replacement
from sonde.vision.example_results import DatasetExamples
from sonde.vision.fields import Field
from sonde.vision.match_results import UnitMatches
from sonde.vision.pages.partners import fed
from sonde.vision.results import Visualisation
from sonde.vision.tuning import Tuning
from sonde.vision.weight_results import UnitWeights

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from polars import DataFrame

    from sonde.access import Model

KINDS = {"gratings": "waves", "curves": "arcs", "colours": "colours"}
DEGREES = 360.0


@dataclass(frozen=True, eq=False, repr=False)
class UnitPage(Result):
    """All that is known of a unit.

    Arguments:
        model: the network's name.
        layer, unit: where it is.
        units: how many the layer has.
        field: the pixels that can reach it, of the given pictures, else of those that are sought.
        most: what it looks for.
        least: what it looks away from.
        varied: several pictures of what it looks for that differ; `None` where none were asked for, or it has no places.
        values: its largest value on each of these pictures in turn, and its smallest on the last, what it looks away from.
        tunings: how it answers to drawn stimuli.
        examples: when it fires on the given pictures; `None` without any.
        effect: what replacing it does to the answers; `None` without pictures, or of a network without classes.
        partners: how many are drawn on either side.
        built: its weights on the layer that it reads; `None` where nothing tells them.
        feeds: the weights of the layer that reads it next, on this unit alone; `None` where none does.
        matches: the units of another network that answer most alike; `None` where none was given.
        nearest: what the best of these look for, by name.
        verdicts: by part ("looks", "fires", "tuned", "does", "built"), widened together.
        notes: what was decided or found on the way.
    """

    model: str
    layer: str
    unit: int
    units: int
    field: Field
    most: Visualisation
    least: Visualisation
    varied: Visualisation | None
    values: Float[Tensor, " picture"]
    tunings: list[Tuning]
    examples: DatasetExamples | None
    effect: UnitEffect | None
    partners: int
    built: UnitWeights | None
    feeds: UnitWeights | None
    matches: UnitMatches | None
    nearest: dict[str, Tensor]
    verdicts: dict[str, list[Verdict]]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def name(self) -> str:
        """Layer and number."""
        return f"{self.layer}:{self.unit}"

    @property
    def dead(self) -> bool:
        """Whether neither ascent nor stimuli nor any given picture moves it."""
        still = all(float(one.response.max()) == float(one.response.min()) for one in self.tunings)
        silent = self.examples is None or float(self.examples.density[0]) == 0
        return self.most.dead[0] and still and silent

    def to_frame(self) -> "DataFrame":
        """One row per claim: its part, and what was measured, beside its control."""
        import polars as pl

        rows = [
            {
                "part": part, "claim": one.claim, "holds": one.holds, "measure": one.measure, "measured": one.measured, "control": one.control,
                "low": one.interval[0] if one.interval else None, "high": one.interval[1] if one.interval else None, "n": one.n, "reason": one.reason,
            }
            for part, verdicts in self.verdicts.items() for one in verdicts
        ]  # fmt: skip
        schema = {"part": pl.String, "claim": pl.String, "holds": pl.Boolean, "measure": pl.String, "measured": pl.Float64, "control": pl.Float64,
                  "low": pl.Float64, "high": pl.Float64, "n": pl.Int64, "reason": pl.String}  # fmt: skip
        return pl.DataFrame(rows, schema=schema)

    def drawing(self) -> Drawing:
        """What it looks for, several times where it was asked for, and what it looks away from."""
        shown = [(self.most, 0), *((self.varied, i) for i in range(len(self.varied.pictures)))] if self.varied else [(self.most, 0)]
        blank = [None] * (len(shown) - 1)
        names = ["alone", *(f"unlike the others {i}" for i in range(1, len(shown)))]
        return picture_grid(
            f"What does {self.name} look for?", "activation", [[found.pictures[i] for found, i in shown], [self.least.pictures[0], *blank]],
            row_name="sought", rows=["most", "least"], col_name="pictures", cols=names,
            values=[self.values[:-1].tolist(), [float(self.values[-1]), *blank]], note=self._made(),
        )  # fmt: skip

    def tested(self, verdicts: Mapping[str, list[Verdict]]) -> "UnitPage":
        """The page with these verdicts.

        Arguments:
            verdicts: by part.
        """
        return replace(self, verdicts=dict(verdicts))

    def check(
        self, model: "Model", pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path | None" = None, draws: int = 4,
        seed: int = 0,
    ) -> list[Verdict]:  # fmt: skip
        """Test all parts again.

        Arguments:
            model: the network that was asked.
            pictures: those that were looked at; without them the examples are not tested.
            draws: networks with shuffled weights; 0 leaves out what needs them.
            seed: of the draws.

        Raises:
            CheckRefused: the model is another one.
            InputError: other pictures.
        """
        from sonde.vision.pages.unit import tested

        self.refuse_other(model)
        return [verdict for part in tested(self, model, pictures, draws, seed).values() for verdict in part]

    def document(self, command: str = "") -> Document:
        """The page as plain data, for any view.

        Arguments:
            command: what makes it again.
        """
        sections = [
            Section("unit", "What is known of it?", sentences=self._summary()),
            Section("looks", "What does it look for?",
                    "Pictures made by ascent: each began as noise and was changed step by step until the unit was as large, or as small, as it got. "
                    "They show what excites it most, not what it does on natural pictures.",
                    [self.drawing()], self._proved("looks", slice(1, None))),
        ]  # fmt: skip
        if self.examples is not None:
            drawings = [self.examples.drawing(), self.examples.histogram(), *([self.examples.purities()] if self.examples.labels else [])]
            sections.append(
                Section("fires", "When does it fire?",
                        "Of the given pictures those that excite it most, and random ones at every level down to none: the largest alone make a "
                        "unit look as if it meant one thing.", drawings, self._proved("fires", slice(0, 1)))
            )  # fmt: skip
        if self.tunings:
            lead = "Drawn stimuli differ in one property, so that answers which differ are caused by it; the control are filters in random order."
            sections.append(Section("tuned", "What is it tuned to?", lead, [self._tuned(one) for one in self.tunings]))
        if self.effect is not None:
            lead = (
                f"On each picture the unit's values were replaced by {replacement(self.effect.ablation)}, and the network's answers compared; the "
                "same was done to other units of the layer, of which as much was taken away."
            )
            sections.append(Section("does", "What does it do?", lead, [] if self.effect.idle else [self.effect.drawing(), self.effect.answers()]))
        sections += [*self._wired(), *self._elsewhere()]
        said = dict.fromkeys([*self.notes, *(self.examples.notes if self.examples else ()), *(self.effect.notes if self.effect else ())])
        if said:
            sections.append(Section("notes", "Notes", sentences=[Sentence(f"{_capital(one)}.") for one in said]))
        facts = [
            ("model", f"{self.model} ({self.recipe.model_hash[:8]})"), ("unit", f"{self.unit} of {self.units} at {self.layer}, counted from 0"),
            ("pictures", f"{self.examples.count} given" if self.examples else "none given"), ("scaling", str(self.most.setting.normalise)),
            ("seed", str(self.recipe.seed)), ("made by", f"sonde {self.recipe.versions.get('sonde', '')}"),
        ]  # fmt: skip
        return Document(f"What is {self.name}?", "Each claim has its evidence beside it: open the badge.", facts, sections, command)

    def _summary(self) -> list[Sentence]:
        top, left, bottom, right = self.field.box(self.field.places[0] // 2, self.field.places[1] // 2)
        where = f"It is one of {self.units} units of `{self.layer}`"
        if (top, left, bottom, right) == (0, 0, *self.field.picture):
            sentences = [Sentence(f"{where}, and sees the whole picture.")]
        else:
            down, across = self.field.places
            sentences = [Sentence(f"{where}; at each of {down} x {across} places of the picture it sees {bottom - top} x {right - left} pixels.")]
        if self.dead:
            where = "" if self.examples is None else f", and none of the {self.examples.count} given pictures"
            return [*sentences, Sentence(f"It is dead: neither ascent nor any drawn stimulus moves it{where}. There is nothing more to tell.")]
        found = [*self._sought(), *self._fired()]
        tuned: Sequence[Verdict | None] = self.verdicts.get("tuned") or [None] * len(self.tunings)
        for tuning, verdict in zip(self.tunings, tuned, strict=True):
            found.append(Sentence(self._preference(tuning)))
            if verdict is not None and tuning.height(self.unit) > 0:
                kind = KINDS.get(tuning.stimuli.name, tuning.stimuli.name)
                found.append(Sentence(f"It is tuned to {kind} by what the network learnt: with its filters in random order it is less so.", verdict))
        return [*sentences, *found, *self._done(), *self._match()]

    def _sought(self) -> Iterator[Sentence]:
        if self.most.dead[0]:
            yield Sentence("No gradient moves it, so that the picture that was sought for it says nothing.")
            return
        high, low = float(self.values[0]), float(self.values[-1])
        yield Sentence(f"The picture that was found for it excites it to {_figure(high)}; what it looks away from takes it down to {_figure(low)}.")
        for verdict in self.verdicts.get("looks", [])[:1]:
            yield Sentence("That picture excites it wherever it lies, and its spectrum alone does not.", verdict)

    def _fired(self) -> Iterator[Sentence]:
        if self.examples is None:
            return
        share, count = 100 * float(self.examples.density[0]), self.examples.count
        if share == 0:
            yield Sentence(f"None of the {count} given pictures moves it: it is dead on them.")
            return
        yield Sentence(
            f"It is not zero on {share:.3g} % of the {count} given pictures, and {_figure(float(self.examples.most.value[0, 0]))} at most."
        )
        if self.examples.labels:
            label, levels = self.examples.purity(self.unit)
            top = levels.filter(levels["pictures"] > 0)[-1].to_dicts()[0]
            shares = f"{100 * top['purity']:.3g} % of those at the highest level, {100 * top['base']:.3g} % of all"
            yield Sentence(f"Most of its largest pictures show `{label}`: {shares}.")
            for verdict in self.verdicts.get("fires", [])[1:2]:
                yield Sentence(verdict.claim, verdict)

    def _preference(self, tuning: Tuning) -> str:
        kind = KINDS.get(tuning.stimuli.name, tuning.stimuli.name)
        if tuning.height(self.unit) <= 0:
            return f"It answers to all drawn {kind} alike."
        at, across = tuning.preferred(self.unit)
        curve = tuning.curve(self.unit)
        best, other = tuning.stimuli.at[at], tuning.stimuli.across_at[across]
        which = {
            "gratings": f"waves that follow one another at {best:g} degrees ({_turned(best)}), {1 / other:.3g} pixels apart",
            "curves": f"arcs whose middle lies at {best:g} degrees, with a radius of {other:.3g} pixels",
            "colours": f"the hue {best:g} degrees ({_hue(best)}) at a saturation of {other:g}",
        }.get(tuning.stimuli.name, f"{tuning.stimuli.axis} {best:g} at {tuning.stimuli.across} {other:g}")
        peak, middle, blank = map(_figure, (float(curve.max()), float(curve.quantile(0.5)), float(tuning.blank[0])))
        return f"Of drawn {kind} it answers most to {which}: {peak}, against {middle} in the middle of the sweep and {blank} to plain grey."

    def _done(self) -> Iterator[Sentence]:
        effect = self.effect
        if effect is None:
            return
        does: Sequence[Verdict | None] = self.verdicts.get("does") or [None] * 3
        matters, loses, gains = does
        if effect.idle:
            yield Sentence(f"Replacing it by {replacement(effect.ablation)} changes nothing: that is what it always is here.", matters)
            return
        flips, moved = (100 * of.float().mean(1) for of in (effect.flipped, effect.moved))
        beside = f", against {float(flips[1:].mean()):.2g} % and {float(moved[1:].mean()):.2g} % without other units" if effect.others else ""
        yield Sentence(f"Without it {float(flips[0]):.2g} % of first guesses change, and {float(moved[0]):.2g} % of probability moves{beside}.")
        yield Sentence("It matters more to the answers than other units of its layer.", matters)
        for number, verb, verdict, values in ((effect.falling, "loses", loses, effect.at_falling), (effect.rising, "gains", gains, effect.at_rising)):
            size = f" (logit {float(values[0].mean()):+.2g})" if values.shape[1] else ""
            yield Sentence(f"Without it the class `{effect.classes[number]}` {verb} most{size}, more than without other units.", verdict)

    def _wired(self) -> Iterator[Section]:
        drawings = []
        if self.built is not None:
            own = {} if self.most.dead[0] else {self.built.name(self.unit): self.most.pictures[0]}
            drawings.append(self.built.with_pictures(own).drawing(self.unit, self.partners))
        if self.feeds is not None and any(self.feeds.outgoing(0, 1, sign) for sign in (1, -1)):
            drawings.append(fed(self.feeds, self.partners))
        if drawings:
            lead = (
                "Read off the weights: a map shows the weights between two units, orange where one excites the other, blue where it inhibits it; a "
                "picture what that unit looks for."
            )
            yield Section("wired", "Of what is it built, and what is built of it?", lead, drawings, self._proved("built", slice(None)))

    def _elsewhere(self) -> Iterator[Section]:
        if self.matches is None:
            return
        found = self.matches
        alike = found.correlation[self.unit]
        names = list(self.nearest)
        pictures = [self.most.pictures[0], *self.nearest.values()]
        values = [None, *(float(alike[int(name.rpartition(":")[2])]) for name in names)]
        lead = (
            f"Units of `{found.other_layer}` of {found.other}, by the correlation of their answers to the same places of {found.pictures} pictures."
        )
        sections = [] if not names else [
            picture_grid(f"What do the units look for that answer like {self.name}?", "correlation", [pictures], row_name="units", rows=["look for"],
                         col_name="the most alike first", cols=[self.name, *names], values=[values])
        ]  # fmt: skip
        yield Section("elsewhere", "Is it in another network, too?", lead, sections, self._match())

    def _match(self) -> list[Sentence]:
        found, unit = self.matches, self.unit
        if found is None:
            return []
        if int(found.partner[unit]) < 0:
            return [Sentence(f"It is dead on these pictures, so no unit of {found.other} can be matched to it.")]
        null, best = found.null_best[:, unit], float(found.best[unit])
        below = int((null < best).sum())
        return [
            Sentence(
                f"The unit of {found.other} that answers most like it is `{found.other_layer}:{int(found.partner[unit])}`, correlation {best:.2f}."
            ),
            Sentence(f"That is above {below} of {len(null)} orders of its pictures at random, which reach {float(null.max()):.2f} at most."),
        ]

    def _proved(self, part: str, which: slice) -> list[Sentence]:
        """The verdicts of a part that the summary does not tell, with their own words."""
        return [Sentence(one.claim, one) for one in self.verdicts.get(part, [])[which]]

    def _tuned(self, tuning: Tuning) -> Drawing:
        kind = KINDS.get(tuning.stimuli.name, tuning.stimuli.name)
        return tabs(f"Which {kind} does it answer to?", [("along the best", tuning.drawing()), ("all of them", tuning.map(self.unit))])

    def _made(self) -> str:
        setting = self.most.setting
        said = " ".join(f"{_capital(one)}." for one in self.most.notes)
        words = (
            f"Sought: {self.most.names[0]}, in the mean over places; under each picture stands the largest value, or the smallest in the last row."
        )
        return f"{words} Pictures of {setting.of.size} x {setting.of.size} pixels, {setting.steps} steps. {said}".strip()


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _turned(degrees: float) -> str:
    """What the lines of such waves look like: they lie across the direction in which the waves follow."""
    names = ("upright lines", "lines that fall to the right", "level lines", "lines that rise to the right")
    return names[round(degrees / 45) % 4]


def _hue(degrees: float) -> str:
    names = ("red", "orange", "yellow", "yellow-green", "green", "sea green", "cyan", "sky blue", "blue", "violet", "magenta", "pink")
    return names[math.floor(degrees % DEGREES / 30 + 0.5) % 12]
