"""Does a unit stand for several things? Its largest pictures as the layer before sees them: how many groups, with which labels, and what follows.

- Groups: each picture is the direction of the layer before, on average over the pixels that reach the unit where it answers most;
  `sonde.vision.clusters` counts the groups.
- Labels: the entropy of the labels of random pictures at every level of the unit's range (the largest alone make it look purer than it is).
- Geometry, of the weights w_i by which units read: cos(w_i, w_j); the largest of them beside any other unit (mutual coherence); and the share of a
  dimension that is a unit's own, |w_i|^2 / sum_j (w_i . w_j / |w_i|)^2 (Elhage et al. 2022, "Toy Models of Superposition").
- Downstream: a unit that joins cases of one thing (a union) and one that stands for two things look the same from their pictures. They differ in what
  follows: the correlation over classes of the mean answers to the groups, less the mean answer to all pictures here; near 1 of a union.
- Cause: without the unit, the class of each group must lose more than other classes do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.edits import Zero
from sonde.access.sites import Site
from sonde.evidence import compare, corrected, untestable
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Points, matrix, scatter, tabs
from sonde.vision.clusters import grouped
from sonde.vision.example_results import DatasetExamples
from sonde.vision.examples import source_of
from sonde.vision.files import Pictures
from sonde.vision.layers import site_of
from sonde.vision.reading import maps_of
from sonde.vision.slices import slices

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

TOP = 200
LEAST = 24  # pictures, for groups to be told


@dataclass(frozen=True, eq=False, repr=False)
class Polysemanticity(Result):
    """How many things units of a layer stand for.

    Arguments:
        layer: of the units.
        before: the layer in whose space their pictures were grouped.
        units: by number.
        pictures: of each unit its largest, by number; -1 for none.
        groups: how many groups they fall into; 1 where no partition is better than chance.
        group: of each picture, -1 for none.
        places: each picture along the first two principal components.
        silhouette: of the best partition, whether it counts or not.
        cut: what 5 % of Gaussian clouds of the same shape exceed, or .5 where that is more.
        entropy: of the labels at all levels, in nats; NaN without labels.
        most_entropy: the same of all pictures.
        cosines: of the weights by which units read; empty of layers without weights of their own.
        coherence: the largest size of a unit's cosine with any other unit of the layer.
        dimension: the share of a dimension that is its own.
        downstream: the mean correlation of the answers to its groups; NaN of one group, or of a network without classes.
        labels: of the most frequent label of each group; empty without labels.
        lost: for every picture the change of the logit of its group's class without the unit, less that of the other classes; NaN where not tested.
        notes: what was decided or found on the way.
    """

    layer: str
    before: str
    units: list[int]
    pictures: Int[Tensor, "unit picture"]
    groups: list[int]
    group: Int[Tensor, "unit picture"]
    places: Float[Tensor, "unit picture two"]
    silhouette: Float[Tensor, " unit"]
    cut: Float[Tensor, " unit"]
    entropy: Float[Tensor, " unit"]
    most_entropy: float
    cosines: Float[Tensor, "one other"]
    coherence: Float[Tensor, " unit"]
    dimension: Float[Tensor, " unit"]
    downstream: Float[Tensor, " unit"]
    labels: list[list[str]]
    lost: Float[Tensor, "unit picture"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    def to_frame(self) -> "DataFrame":
        """One row per unit."""
        import polars as pl

        def known(values: Tensor) -> list[float | None]:
            return [float(one) if bool(one.isfinite()) else None for one in values]

        columns = {
            "unit": self.units, "groups": self.groups, "silhouette": known(self.silhouette), "cut": known(self.cut),
            "labels": [", ".join(one) for one in self.labels] if self.labels else [None] * len(self.units), "entropy": known(self.entropy),
            "coherence": known(self.coherence), "dimension": known(self.dimension), "downstream": known(self.downstream),
        }  # fmt: skip
        numbers = dict.fromkeys(("silhouette", "cut", "entropy", "coherence", "dimension", "downstream"), pl.Float64)
        return pl.DataFrame(columns, schema_overrides={**numbers, "labels": pl.String})

    def drawing(self) -> Drawing:
        """The pictures of each unit along the first two principal components of the layer before, a mark for each group."""
        drawn = []
        for i, unit in enumerate(self.units):
            series = []
            for number in range(self.groups[i]):
                here = self.group[i] == number
                named = f" ({self.labels[i][number]})" if self.labels else ""
                words = [f"picture {one}" for one in self.pictures[i, here].tolist()]
                series.append(Points(f"group {number + 1}{named}", self.places[i, here, 0], self.places[i, here, 1], labels=words))
            note = f"The best partition has a silhouette of {float(self.silhouette[i]):.2f}; it counts above {float(self.cut[i]):.2f}."
            title = f"How many things excite {self.layer}:{unit}?"
            drawn.append((f"{self.layer}:{unit}", scatter(title, f"{self.before}, first component", "second component", series, note=note)))
        return drawn[0][1] if len(drawn) == 1 else tabs("How many things excite them?", drawn)

    def interference(self) -> Drawing:
        """The cosines of the weights by which the units read.

        Raises:
            InputError: the layer has no weights of its own.
        """
        if not self.cosines.numel():
            raise InputError(f"{self.layer} has no weights of its own: ask for a convolution or a linear layer")
        names = list(map(str, self.units))
        values = self.cosines.clone().fill_diagonal_(torch.nan)
        return matrix(
            f"Which units of {self.layer} read alike?", "cosine", values, row_name="unit", rows=names, col_name="unit", cols=names, limit=1.0
        )

    def check(self, model: Model) -> list[Verdict]:
        """Test whether the class of each group hangs on the unit more than other classes do: on every second picture, the others chose the class.

        The more units are tested, the wider the intervals (Holm's correction).

        Arguments:
            model: the network that was asked.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        verdicts = []
        for i, unit in enumerate(self.units):
            for number in range(self.groups[i]):
                claim = f"Without {self.layer}:{unit} the answer to pictures of its group {number + 1} loses, more than other answers do."
                measure = "loss of the logit, less the mean loss of other classes"
                values = self.lost[i, self.group[i] == number]
                values = values[values.isfinite()]
                if not len(values):
                    reason = "the network gives no number for each class"
                    verdicts.append(untestable(claim, measure, reason, threshold=0.0, threshold_source="above zero"))
                else:
                    verdicts.append(compare(claim, measure, values, torch.zeros_like(values), threshold=0.0, threshold_source="above zero"))
        return corrected(verdicts)


def polysemanticity(
    model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", found: DatasetExamples, before: str,
    units: Sequence[int] | None = None, *, draws: int = 100, seed: int = 0, batch_size: int = 32, progress: bool = False,
) -> Polysemanticity:  # fmt: skip
    """Count the things that units stand for, and tell what follows from each.

    Arguments:
        model: a network of pictures.
        pictures: those that were looked at.
        found: the units' largest pictures (`dataset_examples` with top=200); labels there are used here.
        before: the layer in whose space the pictures are grouped: the one that the units read.
        units: of those that were looked at; its pictured ones by default.
        draws: of the null.
        seed: of it.
        batch_size: pictures at once.
        progress: show a bar.

    Raises:
        InputError: other pictures, a unit that was not looked at, or too few pictures that excite it.
        UnknownSite: no such layer.
    """
    if not isinstance(found, DatasetExamples):
        raise InputError(f"{shown(found)} are no dataset examples: give what sonde.vision.dataset_examples(..., top={TOP}) returns")
    found.refuse_other(model)
    chosen = list(found.pictured) if units is None else list(units)
    if wrong := [unit for unit in chosen if unit not in found.units]:
        raise InputError(f"unit {shown(wrong[0])} was not looked at: there are {len(found.units)} units, from {found.units[0]} to {found.units[-1]}")
    if not chosen:
        raise InputError("units=[]: name some")
    site, own = site_of(model, before), site_of(model, found.layer)
    model.locate(Site.parse(site).name)
    is_folder = isinstance(pictures, str | Path) and Path(pictures).is_dir()
    source = source_of(model, pictures, found.field.picture if is_folder else None)
    if source.names != found.names or source.count < int(found.most.number.max()) + 1:
        raise InputError("these are not the pictures that were looked at: give the same ones")
    rows = [found.units.index(unit) for unit in chosen]
    number = torch.where(found.most.value[rows] > 0, found.most.number[rows], -1)[:, :TOP]
    few = [unit for unit, one in zip(chosen, number, strict=True) if int((one >= 0).sum()) < LEAST]
    if few:
        raise InputError(f"fewer than {LEAST} pictures excite {found.layer}:{few[0]}: show more, with top={TOP}, or leave it out")
    space, answers = _seen(model, site, source, found, chosen, number, batch_size, progress)
    notes = [] if number.shape[1] >= TOP else [f"{number.shape[1]} pictures of each unit were kept: {TOP} tell groups apart more surely (top={TOP})"]
    width = number.shape[1]
    group, places = torch.full((len(chosen), width), -1), torch.full((len(chosen), width, 2), torch.nan)
    groups, silhouette, cut = [], torch.full((len(chosen),), torch.nan), torch.full((len(chosen),), torch.nan)
    for i in track(range(len(chosen)), "counting groups", shown=progress):
        there = number[i] >= 0
        # how strongly the layer before answers is no second thing: of each picture the direction counts
        seen = space[i][there]
        one = grouped(seen / seen.norm(dim=1, keepdim=True).clamp(min=1e-30), draws, seed)
        groups.append(one.count)
        group[i, there], silhouette[i], cut[i] = one.group, one.silhouette, one.cut
        places[i, there] = torch.nn.functional.pad(one.places, (0, 2))[:, :2]
    lost, downstream = torch.full((len(chosen), width), torch.nan), torch.full((len(chosen),), torch.nan)
    if answers:
        for i, unit in enumerate(track(chosen, "leaving units out", shown=progress)):
            lost[i], downstream[i] = _followed(model, own, unit, source, found, number[i], group[i], answers, batch_size)
    else:
        notes.append("the network gives no number for each of several classes, so what follows from the groups is not told")
    labels = [[_label(found, number[i][group[i] == one]) for one in range(groups[i])] for i in range(len(chosen))] if found.labels else []
    cosines, coherence, dimension = _geometry(model, found.layer, chosen)
    if not cosines.numel():
        notes.append(f"{found.layer} has no weights of its own, so how its units read is not compared")
    arguments = {"layer": found.layer, "before": before, "units": chosen, "draws": draws}
    recipe = Recipe.of("sonde.vision.polysemanticity", arguments, model_hash=model.hash, inputs=[found.recipe.inputs_hash, number], seed=seed)
    return Polysemanticity(
        layer=found.layer, before=before, units=chosen, pictures=number, groups=groups, group=group, places=places, silhouette=silhouette, cut=cut,
        entropy=torch.tensor([_entropy(_drawn(found, unit)) if found.labels else torch.nan for unit in chosen]),
        most_entropy=_entropy(found.label_of) if found.labels else float("nan"), cosines=cosines, coherence=coherence, dimension=dimension,
        downstream=downstream, labels=labels, lost=lost, notes=tuple(notes), recipe=recipe,
    )  # fmt: skip


def _seen(
    model: Model, site: str, source: Pictures, found: DatasetExamples, units: list[int], number: Int[Tensor, "unit picture"], batch_size: int,
    progress: bool,
) -> tuple[Float[Tensor, "unit picture width"], dict[int, Tensor]]:  # fmt: skip
    """Of each unit's pictures the mean of the layer before over what the unit sees, and the answers to all of them where there are any."""
    wanted = sorted({int(one) for one in number.flatten() if one >= 0})
    place_of = [found.most.place[found.units.index(unit)] for unit in units]
    uses: dict[int, list[tuple[int, int]]] = {}
    for i, line in enumerate(number.tolist()):
        for rank, one in enumerate(line):
            if one >= 0:
                uses.setdefault(one, []).append((i, rank))
    space: Tensor | None = None
    answers: dict[int, Tensor] = {}
    for start in track(range(0, len(wanted), batch_size), "looking at the layer before", shown=progress):
        some = wanted[start : start + batch_size]
        views = found.normalise(torch.stack([source[one] for one in some]))
        maps = maps_of(model, site, views)
        logits = model.run(views).logits
        if isinstance(logits, Tensor) and logits.ndim == 2 and logits.shape[1] > 1:
            answers |= dict(zip(some, logits.detach().cpu().float(), strict=True))
        space = torch.zeros(*number.shape, maps.shape[1]) if space is None else space
        for one, value in zip(some, maps, strict=True):
            for i, rank in uses[one]:
                row, col = place_of[i][rank].tolist()
                space[i, rank] = value if value.ndim == 1 else _within(value, found.field.box(row, col), found.field.picture)
    assert space is not None
    return space, answers


def _within(maps: Float[Tensor, "unit row col"], box: tuple[int, int, int, int], picture: tuple[int, int]) -> Float[Tensor, " unit"]:
    """The mean over the places of maps that lie in a box of the picture."""
    top, left, bottom, right = box
    (rows, cols), (height, width) = maps.shape[1:], picture
    down = slice(top * rows // height, max(top * rows // height + 1, -(-bottom * rows // height)))
    across = slice(left * cols // width, max(left * cols // width + 1, -(-right * cols // width)))
    return maps[:, down, across].mean((1, 2))


def _followed(
    model: Model, site: str, unit: int, source: Pictures, found: DatasetExamples, number: Int[Tensor, " picture"], group: Int[Tensor, " picture"],
    answers: dict[int, Tensor], batch_size: int,
) -> tuple[Float[Tensor, " picture"], float]:  # fmt: skip
    """What the class of each group loses without the unit, on every second picture; and how alike the answers to the groups are."""
    there = (number >= 0).nonzero()[:, 0]
    base = torch.stack([answers[int(number[i])] for i in there])
    base = base - base.mean(1, keepdim=True)
    axes = model.run(found.normalise(source[int(number[there[0]])][None]), read=[site], logits=False).axes(site)
    axis = next(one for one in axes[1:] if one not in ("row", "col", "pos", "patch"))
    edit, after = Zero(Site.parse(site).at(**{axis: unit})), []
    for some in there.split(batch_size):
        views = found.normalise(torch.stack([source[int(number[i])] for i in some]))
        after.append(model.run(views, edits=[edit]).logits.detach().cpu().float())
    gone = torch.cat(after)
    loss = base - (gone - gone.mean(1, keepdim=True))
    lost, means = torch.full(number.shape, torch.nan), []
    rest = torch.stack(list(answers.values()))
    rest = (rest - rest.mean(1, keepdim=True)).mean(0)
    for one in range(int(group.max()) + 1):
        here = (group[there] == one).nonzero()[:, 0]
        mean = base[here].mean(0) - rest
        means.append(mean)
        told = int((base[here[::2]].mean(0) - rest).argmax())
        tested = here[1::2]
        others = (loss[tested].sum(1) - loss[tested, told]) / (loss.shape[1] - 1)
        lost[there[tested]] = loss[tested, told] - others
    if len(means) < 2:
        return lost, float("nan")
    alike = torch.corrcoef(torch.stack(means))
    return lost, float(alike[tuple(torch.triu_indices(len(means), len(means), 1))].mean())


def _geometry(model: Model, layer: str, units: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    none = torch.full((len(units),), torch.nan)
    module = dict(model.module.named_modules()).get(layer.removesuffix(":out"))
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return torch.zeros(0, 0), none, none
    weight = slices(model, layer).flatten(1).double()
    size = weight.norm(dim=1, keepdim=True)
    unit = weight / size.clamp(min=1e-30)
    cosines = unit @ unit.T
    others = cosines.clone().fill_diagonal_(0).abs().amax(1)
    own = size[:, 0].square() / (unit @ weight.T).square().sum(1).clamp(min=1e-30)
    return cosines[units][:, units].float(), others[units].float(), own[units].float()


def _drawn(found: DatasetExamples, unit: int) -> Int[Tensor, " picture"]:
    """The labels of random pictures of all levels."""
    numbers = torch.tensor([one.number for one in found.drawn(unit) if one.kind == "level"], dtype=torch.int64)
    return found.label_of[numbers]


def _entropy(labels: Int[Tensor, " picture"]) -> float:
    share = torch.bincount(labels).double() / max(1, len(labels))
    share = share[share > 0]
    return float(-(share * share.log()).sum())


def _label(found: DatasetExamples, numbers: Int[Tensor, " picture"]) -> str:
    return found.labels[int(torch.bincount(found.label_of[numbers]).argmax())] if len(numbers) else ""
