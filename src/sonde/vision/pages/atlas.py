"""All units of a layer on one page: a small picture of what each looks for, what it is tuned to, and how often it fires; each leads to its own page.

Pictures are sought for many units side by side, and stimuli are shown to all at once, so that a layer takes a small part of the time that pages of
all its units would take. What stands under a picture describes, and tests nothing: `Atlas.check` and the pages of units do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.sites import Site
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.document import Document, Section, Sentence
from sonde.results.drawing import picture_grid, table
from sonde.vision.example_results import DatasetExamples
from sonde.vision.examples import dataset_examples, source_of
from sonde.vision.families import Families, families
from sonde.vision.layers import fitting, refuse_others, site_of
from sonde.vision.normalisation import Normalisation, normalisation
from sonde.vision.pages.canvas import grey, kept_in, side_of, stimuli_for
from sonde.vision.pages.orders import ORDERS, clearly, ordered
from sonde.vision.pages.sought import sought
from sonde.vision.parameters import Fourier
from sonde.vision.reading import maps_of
from sonde.vision.render import show
from sonde.vision.results import Visualisation
from sonde.vision.sentences import sentence
from sonde.vision.tuning import Tuning, tuning

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

SMALL = 64  # rows and columns of pictures
COLUMNS = 8
TOP = 8  # pictures whose labels name a unit


@dataclass(frozen=True, eq=False, repr=False)
class Atlas(Result):
    """What the units of a layer look for, in an order that is stated.

    Arguments:
        model: the network's name.
        layer: of the units.
        total: how many the layer has.
        units: those that are shown, in their order.
        by: the name of the order.
        looks: what they look for, in the order of their numbers.
        values: each unit's largest value on its picture, in the order of `units`.
        tunings: how they answer to drawn stimuli.
        families: which are one feature in several poses; `None` where that was not the order.
        examples: how often they fire on given pictures; `None` without any.
        notes: what was decided or found on the way.
    """

    model: str
    layer: str
    total: int
    units: list[int]
    by: str
    looks: Visualisation
    values: Float[Tensor, " unit"]
    tunings: list[Tuning]
    families: Families | None
    examples: DatasetExamples | None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def to_frame(self) -> "DataFrame":
        """One row per unit, in order: its largest value on its picture, what it prefers, how often it fires, the label of its largest pictures."""
        import polars as pl

        rows = []
        for i, unit in enumerate(self.units):
            angles = clearly(self.tunings, unit)
            rows.append(
                {
                    "unit": unit, "value": float(self.values[i]), "dead": self.looks.dead[self._picture(unit)],
                    "angle": angles.get("gratings"), "hue": angles.get("colours"), "family": self._family(unit),
                    "density": None if self.examples is None else self._density(unit), "label": self._label(unit),
                }
            )  # fmt: skip
        schema = {"unit": pl.Int64, "value": pl.Float64, "dead": pl.Boolean, "angle": pl.Float64, "hue": pl.Float64, "family": pl.Int64,
                  "density": pl.Float64, "label": pl.String}  # fmt: skip
        return pl.DataFrame(rows, schema=schema)

    def drawing(self, pages: Mapping[int, str] | None = None) -> Drawing:
        """The units in a grid, each with its number and what was measured of it.

        Arguments:
            pages: the file of a unit's own page, beside this one, by number.
        """
        width = min(COLUMNS, len(self.units))
        rows = [self.units[i : i + width] for i in range(0, len(self.units), width)]
        said = {row["unit"]: self._said(row) for row in self.to_frame().to_dicts()}
        value = dict(zip(self.units, self.values.tolist(), strict=True))
        gaps = [None] * (width - len(rows[-1]))
        links = [[(pages or {}).get(unit) for unit in row] for row in rows]
        links[-1] += gaps
        words = "Under each: its largest value there; its number, the direction of the waves and the hue that it clearly prefers, how often it fires."
        return picture_grid(
            f"What do the units of {self.layer} look for?", "activation",
            [[self.looks.pictures[self._picture(unit)] for unit in row] + gaps[: width - len(row)] for row in rows], row_name="units",
            rows=[f"{width * i + 1} to {width * i + len(row)}" for i, row in enumerate(rows)], col_name="in order",
            cols=[str(i + 1) for i in range(width)],
            values=[[value[unit] for unit in row] + gaps[: width - len(row)] for row in rows],
            details=[[said[unit] for unit in row] + [""] * (width - len(row)) for row in rows], links=links if pages else None,
            note=f"Ordered {ORDERS[self.by]}. {words}",
        )  # fmt: skip

    def document(self, pages: Mapping[int, str] | None = None, verdicts: Sequence[Verdict] = ()) -> Document:
        """The page as plain data, for any view.

        Arguments:
            pages: the file of a unit's own page, beside this one, by number.
            verdicts: as `check` gives them.
        """
        frame = self.to_frame()
        tuned, coloured, dead = frame["angle"].count(), frame["hue"].count(), int(frame["dead"].sum())
        told = [f"It has {self.total} units, of which {len(self.units)} are shown."]
        told.append(f"Units that clearly prefer one direction of waves: {tuned}; one hue: {coloured}. These numbers describe, and test nothing.")
        if verdicts:
            told.append(
                f"{sum(one.holds is True for one in verdicts)} of {len(verdicts)} tested units are tuned to waves above filters in random order."
            )
        if dead:
            told.append(
                f"{dead} {'are' if dead > 1 else 'is'} dead: no gradient moves {'them' if dead > 1 else 'it'}, so that such pictures say nothing."
            )
        sections = [Section("units", "What do they look for?", sentences=[Sentence(one) for one in told], drawings=[self.drawing(pages)])]
        columns = ["unit", "largest value", "waves, degrees", "hue, degrees", "family", "fires on, %", "label"]
        rows = [
            [f"{self.layer}:{row['unit']}", row["value"], row["angle"], row["hue"], row["family"],
             None if row["density"] is None else 100 * row["density"], row["label"]]
            for row in frame.to_dicts()
        ]  # fmt: skip
        kept = [i for i in range(len(columns)) if i < 2 or any(row[i] is not None for row in rows)]
        sections.append(
            Section("table", "As a table", folded=True,
                    drawings=[table("What was measured of each?", [columns[i] for i in kept], [[row[i] for i in kept] for row in rows])])
        )  # fmt: skip
        if verdicts:
            sections.append(Section("evidence", "Is it true?", sentences=[Sentence(one.claim, one) for one in verdicts], folded=True))
        if self.notes:
            sections.append(Section("notes", "Notes", sentences=[Sentence(sentence(one)) for one in self.notes]))
        facts = [
            ("model", f"{self.model} ({self.recipe.model_hash[:8]})"), ("layer", self.layer), ("order", self.by),
            ("pictures", f"{self.examples.count} given" if self.examples else "none given"), ("scaling", str(self.looks.setting.normalise)),
            ("seed", str(self.recipe.seed)),
        ]  # fmt: skip
        return Document(f"The units of {self.layer}", "", facts, sections)

    def check(self, model: Model, draws: int = 8, seed: int = 0) -> list[Verdict]:
        """Test of every unit whether it is tuned to the direction of waves by what the network learnt, widened for their number.

        Arguments:
            model: the network that was asked.
            draws: copies with filters in random order, at least 2.
            seed: of the draws.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        return self.tunings[0].check(model, self.units, draws=draws, seed=seed)

    def _picture(self, unit: int) -> int:
        return sorted(self.units).index(unit)

    def _family(self, unit: int) -> int | None:
        number = -1 if self.families is None else int(self.families.family[self.families.units.index(unit)])
        return None if number < 0 else number

    def _density(self, unit: int) -> float:
        assert self.examples is not None
        return float(self.examples.density[self.examples.units.index(unit)])

    def _label(self, unit: int) -> str | None:
        return self.examples.purity(unit)[0] if self.examples is not None and self.examples.labels and self._density(unit) else None

    def _said(self, row: Mapping[str, object]) -> str:
        parts = [f"waves {row['angle']:.0f}°"] if row["angle"] is not None else []
        parts += [f"hue {row['hue']:.0f}°"] if row["hue"] is not None else []
        parts += [f"family {row['family']}"] if row["family"] is not None else []
        parts += [f"{100 * row['density']:.3g} %"] if isinstance(row["density"], float) else []
        parts += [str(row["label"])] if row["label"] else []
        return f"{row['unit']}: {', '.join(['dead'] if row['dead'] else parts)}".removesuffix(": ")


def atlas(
    model: Model, layer: str, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path | None" = None,
    units: Sequence[int] | None = None, *, order: str = "orientation", normalise: Normalisation | str | None = None,
    size: int | tuple[int, int] | None = None, labels: Sequence[object] | Mapping[str, object] | str | None = None, pixels: int | None = None,
    steps: int = 128, seed: int = 0, batch_size: int = 32, folder: str | Path | None = None, progress: bool = False,
) -> Atlas:  # fmt: skip
    """Show what the units of a layer look for, in an order in which neighbours are alike.

    Arguments:
        model: a network of pictures.
        layer: a module's path or a site.
        pictures: from 0 to 1, as `dataset_examples` takes them; without any it is not told how often units fire.
        units: of the layer; all of them by default.
        order: "orientation" (and hue), "families", "weights", "activity" or "number".
        normalise: from pictures of 0 to 1 to what the network takes; by default as the model's own image processor says, and nothing else is guessed.
        size: to which files are brought.
        labels: of the pictures, as `dataset_examples` takes them.
        pixels: rows and columns of the pictures that are sought; by default as the network takes them, else 64, or fewer where the given ones have.
        steps: of ascent.
        seed: of the starts and draws.
        batch_size: pictures at once.
        folder: keep finished parts there; what was interrupted goes on.
        progress: show bars.

    Raises:
        InputError: no such unit or order, or a normalisation that nobody stated. UnknownSite: no such layer.

    >>> import sonde
    >>> found = atlas(sonde.load("specimen:digits"), "blocks.0.act", units=[3, 5], normalise="none", pixels=8, steps=2)
    >>> sorted(found.units), found.total
    ([3, 5], 16)
    """
    refuse_others(model)
    if order not in ORDERS:
        raise InputError(f"order={shown(order)}: choose one of {', '.join(ORDERS)}")
    means, site, kept = normalisation(model, normalise), site_of(model, layer), partial(kept_in, folder)
    model.locate(Site.parse(site).name)
    source = None if pictures is None else source_of(model, pictures, size)
    first = None if source is None else next((one for _, one in source.read(range(source.count))), None)
    given = None if first is None else (first.shape[1], first.shape[2])
    side, channels = side_of(model, pixels, given, SMALL), fitting(model)[1]
    maps = maps_of(model, site, means(grey(channels, side)))
    chosen = _units(units, maps.shape[1], layer)
    looks = show(
        model, [most for most, _ in sought(model, site, layer, chosen, means, (channels, side))],
        of=Fourier(side, channels, "decorrelated" if channels == 3 else "plain"), normalise=means, steps=steps, seed=seed, batch_size=batch_size,
        folder=kept(f"atlas {layer}"), progress=progress,
    )  # fmt: skip
    answers = [maps_of(model, site, means(some)).flatten(2).amax(2) if maps.ndim == 4 else maps_of(model, site, means(some))
               for some in looks.pictures.split(batch_size)]  # fmt: skip
    tunings = [tuning(model, layer, stimuli, chosen, normalise=means, folder=kept(f"{stimuli.name} {layer}"), progress=progress)
               for stimuli in stimuli_for(model, site, side) if stimuli.name != "curves"]  # fmt: skip
    grouped = families(tunings[0], seed=seed, progress=progress) if order == "families" and len(chosen) > 1 else None
    examples = None
    if pictures is not None:
        examples = dataset_examples(
            model, pictures, layer, chosen, normalise=means, size=size, top=TOP, levels=1, per_level=1, labels=labels, pictured=chosen[:1], seed=seed,
            batch_size=batch_size, folder=kept(f"examples {layer}"), progress=progress,
        )  # fmt: skip
    placed = ordered(order, model, layer, chosen, tunings, grouped, examples)
    largest = {unit: float(row[unit]) for unit, row in zip(chosen, (row for part in answers for row in part), strict=True)}
    notes = [] if pictures is not None else ["no pictures were given: how often units fire is not told"]
    recipe = Recipe.of("sonde.vision.atlas", {"layer": layer, "units": None if units is None else chosen, "order": order, "normalise": str(means),
                       "size": size, "pixels": side, "steps": steps}, model_hash=model.hash,
                       inputs=None if examples is None else examples.recipe.inputs_hash, seed=seed)  # fmt: skip
    return Atlas(
        model=model.name, layer=layer, total=maps.shape[1], units=placed, by=order, looks=looks,
        values=maps.new_tensor([largest[unit] for unit in placed]), tunings=tunings, families=grouped, examples=examples,
        notes=(*notes, *(examples.notes if examples else ())), recipe=recipe,
    )  # fmt: skip


def _units(given: Sequence[int] | None, count: int, layer: str) -> list[int]:
    units = list(range(count)) if given is None else sorted(given)
    if wrong := [unit for unit in units if not isinstance(unit, int) or not 0 <= unit < count]:
        raise InputError(f"there is no unit {shown(wrong[0])} at {layer!r}: it has {count}")
    if not units or len(set(units)) < len(units):
        raise InputError(f"units={shown(given)}: name some, each once")
    return units
