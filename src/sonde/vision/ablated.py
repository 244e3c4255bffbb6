"""What does a unit do to the network's answer? Its values are replaced on many pictures, and the answers are compared; beside other units.

    change(class) = mean over pictures of  logit'(class) - logit(class),       logits less their mean over classes, which the answer ignores
    moved(picture) = 1/2 sum over classes |p'(class) - p(class)|               the share of probability that goes to other classes

Any unit does something, so the same is done to other units of the layer, drawn at random among those of which the replacement takes about as much
away (root mean square over pictures and places). The class that gains or loses most is chosen on every second picture and tested on the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.access.edits import Set, SiteEdit
from sonde.access.sites import Site
from sonde.evidence import compare, t_interval, untestable, wilson
from sonde.jobs import Pieces, track
from sonde.results import Drawing, InputError, Recipe, Result, SiteUnavailable, Verdict, content_hash, shown
from sonde.results.drawing import Series, bars, table
from sonde.tasks import Ablation
from sonde.vision.examples import source_of
from sonde.vision.files import Pictures, differing, told
from sonde.vision.layers import refuse_others, site_of
from sonde.vision.normalisation import Normalisation, normalisation

if TYPE_CHECKING:
    import numpy as np
    from polars import DataFrame

DRAWS = 8
NEAREST = 3  # times as many units, of which the others are drawn
SHOWN = 6  # classes that gain most, and as many that lose most
PLACES = ("row", "col", "pos", "patch")
KINDS = ("mean", "zero")


@dataclass(frozen=True, eq=False, repr=False)
class UnitEffect(Result):
    """What replacing a unit does to the network's answers, beside other units of the layer.

    Arguments:
        layer, unit: which was replaced.
        ablation: by what.
        classes: their names.
        count: how many pictures were shown.
        others: the units of the control, by number.
        removed: of the unit and of the others, how much the replacement takes away: root mean square over pictures and places.
        change: of each class' logit, less the mean over classes; of the unit, then of the others.
        interval: of the unit's change, 95 % over pictures.
        moved: the share of probability that goes to other classes.
        flipped: whether the first guess is another class.
        guess: the first guess before.
        falling, rising: the class that loses and the one that gains most, on every second picture.
        at_falling, at_rising: its change on the other pictures.
        notes: what was decided or found on the way.
    """

    layer: str
    unit: int
    ablation: Ablation
    classes: list[str]
    count: int
    others: list[int]
    removed: list[float]
    change: Float[Tensor, "who class"]
    interval: Float[Tensor, "class two"]
    moved: Float[Tensor, "who picture"]
    flipped: Bool[Tensor, "who picture"]
    guess: Int[Tensor, " picture"]
    falling: int
    rising: int
    at_falling: Float[Tensor, "who tested"]
    at_rising: Float[Tensor, "who tested"]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def name(self) -> str:
        """Layer and number."""
        return f"{self.layer}:{self.unit}"

    @property
    def idle(self) -> bool:
        """Whether the replacement changes nothing at all, as of a unit that is always zero."""
        return self.removed[0] == 0

    def to_frame(self) -> "DataFrame":
        """One row per class: how its logit changes, its interval, and the mean change under the other units."""
        import polars as pl

        others = self.change[1:].mean(0).tolist() if self.others else [None] * len(self.classes)
        columns = {"class": list(range(len(self.classes))), "name": self.classes, "change": self.change[0].tolist()}
        columns |= {"low": self.interval[:, 0].tolist(), "high": self.interval[:, 1].tolist()}
        return pl.DataFrame({**columns, "others": others}, schema_overrides={"others": pl.Float64})

    def drawing(self) -> Drawing:
        """The classes that lose and gain most, beside what they do under the other units."""
        order = self.change[0].argsort().tolist()
        chosen = list(dict.fromkeys([*order[:SHOWN], *order[-SHOWN:]]))
        notes = (
            [f"The {SHOWN} that lose and the {SHOWN} that gain most of {len(order)}; the choice favours extremes."]
            if len(chosen) < len(order)
            else []
        )
        notes += ["Logits less their mean over classes, which the answer does not see."]
        control = Series(f"{len(self.others)} other units", self.change[1:, chosen].mean(0)) if self.others else None
        return bars(
            f"What does the network say without {self.name}?", "change of the logit", [self.classes[one] for one in chosen], self.change[0, chosen],
            intervals=[(float(low), float(high)) for low, high in self.interval[chosen]], bar_control=control, zero="no change", note=" ".join(notes),
        )  # fmt: skip

    def answers(self) -> Drawing:
        """How many first guesses change and how much probability moves, beside the other units."""
        rows, intervals = [], []
        for i, name in enumerate([self.name, *(f"{self.layer}:{other} (control)" for other in self.others)]):
            turned = int(self.flipped[i].sum())
            rows.append([name, 100 * turned / self.count, 100 * float(self.moved[i].mean()), self.removed[i]])
            low, high = t_interval(self.moved[i]) if self.count > 1 else (float("nan"), float("nan"))
            share = wilson(turned, self.count)
            intervals.append([None, (100 * share[0], 100 * share[1]), (100 * low, 100 * high) if self.count > 1 else None, None])
        return table(
            f"How many answers change without {self.name}?", ["replaced", "other first guess, %", "probability moved, %", "taken away"], rows,
            intervals=intervals, note=f"On {self.count} pictures; replaced by {replacement(self.ablation)}.",
        )  # fmt: skip

    def check(self, model: Model) -> list[Verdict]:
        """Test whether the unit matters more than others of the layer, and whether it speaks for and against the classes that change most.

        Arguments:
            model: the network that was asked.

        Raises:
            CheckRefused: the model is another one.
        """
        self.refuse_other(model)
        held = f"replaced by {replacement(self.ablation)}"
        asked = [(f"{self.name}, {held}, changes the answers more than other units of its layer of which as much goes.",
                  "share of probability that goes to other classes", self.moved, "greater")]  # fmt: skip
        for number, values, verb, direction in ((self.falling, self.at_falling, "loses", "less"), (self.rising, self.at_rising, "gains", "greater")):
            claim = f"Without {self.name} the class `{self.classes[number]}` {verb}, more than without other units."
            asked.append((claim, "change of its logit, on the pictures that did not choose it", values, direction))
        verdicts = []
        for claim, measure, values, direction in asked:
            words: dict[str, Any] = {"threshold": 0.0, "threshold_source": "no change", "direction": direction}
            if self.idle:
                verdicts.append(untestable(claim, measure, f"it is always what it is replaced by on these {self.count} pictures", **words))
            elif len(self.others) < 2:
                verdicts.append(untestable(claim, measure, f"{self.layer} has no other two units that do anything on these pictures", **words))
            else:
                verdicts.append(compare(claim, measure, values[0], values[1:], exceeding="draw", **words))
        return verdicts


def unit_effect(
    model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path", layer: str, unit: int, *,
    ablation: Ablation | None = None, classes: Sequence[str] | None = None, normalise: Normalisation | str | None = None,
    size: int | tuple[int, int] | None = None, draws: int = DRAWS, seed: int = 0, batch_size: int = 32, folder: str | Path | None = None,
    progress: bool = False,
) -> UnitEffect:  # fmt: skip
    """Replace a unit on many pictures, and tell how the network's answers change, beside other units of its layer.

    Arguments:
        model: a network of pictures that gives a number for each class.
        pictures: from 0 to 1, as `dataset_examples` takes them.
        layer: a module's path or a site.
        unit: its number.
        ablation: what takes its place everywhere: `Ablation("mean")`, its mean over the pictures, place by place (the default) or with over="all"
            over places, too; or `Ablation("zero")`.
        classes: their names in order; numbers by default.
        normalise: from pictures of 0 to 1 to what the network takes; by default as the model's own image processor says, and nothing else is guessed.
        size: to which files are brought.
        draws: other units, as many as there are at most.
        seed: of their choice.
        batch_size: pictures at once.
        folder: keep the answers there; a search that was interrupted goes on, and other units of the layer use them, too.
        progress: show a bar.

    Raises:
        InputError: no pictures, no such unit, another kind of ablation, names for another number of classes.
        UnknownSite: no such layer. SiteUnavailable: the network gives no numbers for classes.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> found = unit_effect(sonde.load("specimen:digits"), held_out()[0][:40], "blocks.1.act", 3, normalise="none", draws=2)
    >>> found.change.shape, len(found.others)
    (torch.Size([3, 10]), 2)
    """
    refuse_others(model)
    ablation = Ablation("mean") if ablation is None else ablation
    if not isinstance(ablation, Ablation) or ablation.kind not in KINDS or ablation.over == "template":
        raise InputError(
            f"ablation={shown(ablation)}: pictures have no partners and no templates: give Ablation('mean') or Ablation('zero') of sonde.tasks"
        )
    for name, value, least in (("draws", draws, 0), ("batch_size", batch_size, 1)):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name}={shown(value)}: give a number of {least} or more")
    means, site = normalisation(model, normalise), Site.parse(site_of(model, layer))
    model.locate(site.name)
    source = source_of(model, pictures, size)
    pieces = Pieces(folder, content_hash([model.hash, str(site), str(means), source.key(), str(ablation), batch_size]))
    total, square, count, axis, inputs = pieces("activity", partial(_activity, model, str(site), layer, unit, source, means, batch_size, progress))
    if not isinstance(unit, int) or not 0 <= unit < len(total):
        raise _no_unit(unit, layer, len(total))
    middle = _middle(ablation, total, count)
    removed = (square / count - 2 * middle * total / count + middle.square()).clamp(min=0).reshape(len(total), -1).mean(1).sqrt()
    removed[removed < 1e-6 * (square / count).reshape(len(total), -1).mean(1).sqrt()] = 0  # what sums of many roundings leave
    others = _others(removed, unit, draws, seed)
    told_of = {unit: "this unit", **dict.fromkeys(others, "other units")}
    base = pieces("whole", partial(_answers, model, source, means, [], batch_size, progress, "answers as they are"))
    names = _names(classes, base.shape[1])
    after = []
    for who in [unit, *others] if float(removed[unit]) else [unit]:
        edits = [Set(site.at(**{axis: who}), middle[who].float())] if float(removed[who]) else []
        after.append(pieces(f"without {who}", partial(_answers, model, source, means, edits, batch_size, progress, f"without {told_of[who]}")))
    if not float(removed[unit]):
        others = []
    change = torch.stack([_centred(one) - _centred(base) for one in after])
    by_half = change[0, ::2].mean(0)
    falling, rising = int(by_half.argmin()), int(by_half.argmax())
    share = base.softmax(1)
    spread = [t_interval(one) if len(base) > 1 else (float("nan"), float("nan")) for one in change[0].T]
    recipe = Recipe.of("sonde.vision.unit_effect", {"layer": layer, "unit": unit, "ablation": str(ablation), "normalise": str(means), "size": size,
                       "draws": draws}, model_hash=model.hash, inputs=[inputs, names], seed=seed)  # fmt: skip
    notes = [f"{len(source.broken)} of {source.count} files were left out: {told(source.broken)}"] if source.broken else []
    return UnitEffect(
        layer=layer, unit=unit, ablation=ablation, classes=names, count=len(base), others=others,
        removed=[float(removed[who]) for who in [unit, *others]], change=change.mean(1), interval=torch.tensor(spread),
        moved=torch.stack([(one.softmax(1) - share).abs().sum(1) / 2 for one in after]),
        flipped=torch.stack([one.argmax(1) != base.argmax(1) for one in after]), guess=base.argmax(1), falling=falling, rising=rising,
        at_falling=change[:, 1::2, falling], at_rising=change[:, 1::2, rising], notes=tuple(notes), recipe=recipe,
    )  # fmt: skip


def _batches(source: Pictures, batch_size: int, progress: bool, words: str) -> Iterator[Float[Tensor, "picture channel row col"]]:
    seen = None
    for start in track(range(0, source.count, batch_size), words, shown=progress):
        read = source.stacked(range(start, min(start + batch_size, source.count)))
        if read is not None:
            seen = seen or read[1].shape[2:]
            if read[1].shape[2:] != seen:
                raise differing(seen, read[1].shape[2:])
            yield read[1]


def _activity(
    model: Model, site: str, layer: str, unit: int, source: Pictures, means: Normalisation, batch_size: int, progress: bool
) -> tuple[Float[Tensor, "unit *place"], Float[Tensor, "unit *place"], int, str, str]:  # fmt: skip
    """The sums of each unit's values and of their squares at each place, over how many pictures, the axis of units, and the pictures' hash."""
    total, square, count, axis, digests = torch.zeros(()), torch.zeros(()), 0, "", []
    for pictures in _batches(source, batch_size, progress, "measuring units"):
        run = model.run(means(pictures), read=[site], logits=False)
        axis = _axis(site, run.axes(site))
        values = run[site].detach().cpu().double().movedim(run.axes(site).index(axis), 1)
        if not isinstance(unit, int) or not 0 <= unit < values.shape[1]:
            raise _no_unit(unit, layer, values.shape[1])
        total, square, count = total + values.sum(0), square + values.square().sum(0), count + len(values)
        digests.append(content_hash(pictures))
    if not count:
        raise InputError(f"none of the {source.count} files is a picture that can be read; the first: {told(dict(list(source.broken.items())[:1]))}")
    return total, square, count, axis, content_hash(digests)


def _axis(site: str, axes: Sequence[str]) -> str:
    named = [axis for axis in axes[1:] if axis not in PLACES]
    if len(named) != 1:
        raise SiteUnavailable(
            f"{site!r} has the axes {' '.join(axes)}, of which no single one counts units: name a convolution, or a site of an image encoder"
        )
    return named[0]


def _no_unit(unit: object, layer: str, count: int) -> InputError:
    return InputError(f"there is no unit {shown(unit)} at {layer!r}: it has {count}")


def _middle(ablation: Ablation, total: Float[Tensor, "unit *place"], count: int) -> Float[Tensor, "unit *place"]:
    """What takes each unit's place."""
    if ablation.kind == "zero":
        return torch.zeros_like(total)
    mean = total / count
    return mean if ablation.over == "position" else mean.reshape(len(mean), -1).mean(1).view(-1, *[1] * (mean.ndim - 1)).expand_as(mean)


def _others(removed: Float[Tensor, " unit"], unit: int, draws: int, seed: int) -> list[int]:
    """Units drawn among those nearest to one in how much is taken away, by the logarithm of the ratio."""
    alive = [one for one in range(len(removed)) if one != unit and float(removed[one])]
    near = sorted(alive, key=lambda one: abs(float((removed[one] / removed[unit]).log())))[: NEAREST * draws]
    order = torch.randperm(len(near), generator=torch.Generator().manual_seed(seed))
    return sorted(near[i] for i in order[:draws])


def _answers(
    model: Model, source: Pictures, means: Normalisation, edits: Sequence[SiteEdit], batch_size: int, progress: bool, words: str
) -> Float[Tensor, "picture class"]:  # fmt: skip
    """The logits of all pictures."""
    parts = []
    for pictures in _batches(source, batch_size, progress, words):
        logits = model.run(means(pictures), edits=list(edits)).logits.detach().cpu().float()
        if logits.ndim != 2 or logits.shape[1] < 2:
            shape = " x ".join(map(str, logits.shape))
            raise SiteUnavailable(
                f"the network's output has the shape {shape}, not a number for each of several classes: nothing tells what a unit does to it"
            )
        parts.append(logits)
    return torch.cat(parts)


def _centred(logits: Float[Tensor, "picture class"]) -> Float[Tensor, "picture class"]:
    return logits - logits.mean(1, keepdim=True)


def _names(given: Sequence[str] | None, count: int) -> list[str]:
    if given is None:
        return [f"class {number}" for number in range(count)]
    if isinstance(given, str) or len(given) != count:
        raise InputError(f"classes={shown(given)}: the network has {count} classes: give a name for each, in order")
    return [str(name) for name in given]


def replacement(ablation: Ablation) -> str:
    """What takes a unit's place, in words.

    Arguments:
        ablation: its kind.
    """
    if ablation.kind == "zero":
        return "zero"
    return "its mean over the pictures, place by place" if ablation.over == "position" else "its mean over all pictures and places"
