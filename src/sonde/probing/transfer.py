"""Does a probe of one language or domain read another one? What it keeps there is common to both; what it loses was tied to the first.

The probe is learnt on one source and judged on others, beside a probe that each other source learns for itself, on the same examples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected
from sonde.jobs import track
from sonde.probing.baselines import told
from sonde.probing.checked import Checked
from sonde.probing.held_out import Parts, interval, three_parts
from sonde.probing.judging import judged, rightness
from sonde.probing.labelled import Labelled, shared_texts
from sonde.probing.pooling import Pooling
from sonde.probing.probes import Kind, kind_of
from sonde.probing.reading import read_states
from sonde.probing.states import States
from sonde.probing.sweep_results import short
from sonde.results import Drawing, InputError, Recipe, Verdict, shown
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Transfer(Checked):
    """A probe of one source on others.

    Arguments:
        name: what was asked.
        source: what the probe learnt from.
        sites: where it read.
        targets: the other sources.
        at_home: whether each example held out from its own source was told.
        abroad: the same of each other source.
        natives: the same examples, told by a probe that learnt from the rest of that source.
        commonest: the same, told by the commonest class (or the mean) of that source.
        home_groups: of the examples of its own source.
        groups: of those of each other source.
        notes: what was decided, left out or is suspicious.
    """

    name: str
    source: str
    sites: list[str]
    targets: list[str]
    at_home: Float[Tensor, "site home"]
    abroad: list[Float[Tensor, "site _"]]
    natives: list[Float[Tensor, "site _"]]
    commonest: list[Float[Tensor, " _"]]
    home_groups: Int[Tensor, " home"]
    groups: list[Int[Tensor, " _"]]
    notes: list[str]

    def to_frame(self) -> "DataFrame":
        """One row per site and source: the probe from elsewhere, the native one, and the commonest class."""
        import polars as pl

        rows: list[tuple[Any, ...]] = []
        for i, site in enumerate(self.sites):
            rows.append((site, self.source, float(self.at_home[i].mean()), *interval(self.at_home[i], self.home_groups), None, None))
            rows += [
                (site, name, float(there[i].mean()), *interval(there[i], groups), float(native[i].mean()), float(common.mean()))
                for name, there, native, common, groups in zip(
                    self.targets, self.abroad, self.natives, self.commonest, self.groups, strict=True
                )
            ]  # fmt: skip
        schema = {"site": pl.String, "judged_on": pl.String, **dict.fromkeys(("score", "low", "high", "native", "commonest"), pl.Float64)}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def drawing(self) -> Drawing:
        """The probe at home and abroad, by site; of a single other source its native probe and its commonest class, too."""
        ends = [interval(row, self.home_groups) for row in self.at_home]
        series = [Series(f"{self.source}, where it was learnt", self.at_home.mean(1), [low for low, _ in ends], [high for _, high in ends])]
        for name, there, groups in list(zip(self.targets, self.abroad, self.groups, strict=True))[:6]:
            ends = [interval(row, groups) for row in there]
            series.append(Series(name, there.mean(1), [low for low, _ in ends], [high for _, high in ends]))
        control = None
        if len(self.targets) == 1:
            series.append(Series(f"{self.targets[0]}, learnt there", self.natives[0].mean(1)))
            control = Series(f"commonest of {self.targets[0]}", [float(self.commonest[0].mean())] * len(self.sites))
        note = f"a probe of {self.name} learnt on {self.source}; 95 % interval over groups"
        return lines(
            "Does the probe read elsewhere, too?", "accuracy (R^2 of numbers)", "site", short(self.sites), series, control=control, note=note
        )

    @property
    def verdicts(self) -> list[Verdict]:
        """At the site that is best at home: does the probe tell more of each other source than its commonest class?"""
        best = int(self.at_home.mean(1).argmax())
        found = []
        for name, there, common, groups in zip(self.targets, self.abroad, self.commonest, self.groups, strict=True):
            claim = f"A probe of {self.name} at {self.sites[best]}, learnt on {self.source}, reads {name}."
            floor, source = float(common.mean()), "what its commonest class (or mean) tells"
            measure = "accuracy (R^2 of numbers) on examples held out"
            found.append(compare(claim, measure, there[best], common, threshold=floor, threshold_source=source, blocks=groups))
        return corrected(found)


def transfer(
    model: Model, train: Labelled, test: Labelled | Mapping[str, Labelled], source: str = "the training",
    sites: str | Sequence[str] | None = None, probe: str | Kind = "logistic",
    pooling: Pooling = "last", share: float = 0.2, seed: int = 0, batch_size: int | Literal["auto"] = "auto", progress: bool = False,
) -> Transfer:  # fmt: skip
    """Judge a probe of one source on others.

    Arguments:
        model: what is probed.
        train: examples of the source that the probe learns from.
        test: another source, or several by name: other languages, other domains; classes are matched by name.
        source: what the first one is called.
        sites: names or globs; by default the embedding and what every block leaves behind.
        probe: "logistic", "ridge" or "mlp", or settings.
        pooling: what is read of a word of several tokens.
        share: of the examples of each source that are kept for the test; whole groups.
        seed: of the divisions.
        batch_size: texts per pass.
        progress: show bars.

    Raises:
        InputError: a class that the training does not have, or what `read_states` refuses.
    """
    others = {"the other source": test} if isinstance(test, Labelled) else dict(test)
    home = read_states(model, train, sites, pooling, batch_size, progress)
    there = {name: read_states(model, one, home.sites, pooling, batch_size, progress) for name, one in others.items()}
    return transfer_of(home, there, source, probe, share, seed, progress)


def transfer_of(
    home: States, others: Mapping[str, States], source: str = "the training", probe: str | Kind = "logistic", share: float = 0.2, seed: int = 0,
    progress: bool = False,
) -> Transfer:  # fmt: skip
    """The same for activations that were read before, or elsewhere.

    Arguments:
        home: of the source that the probe learns from.
        others: of the other sources, by name, at the same sites.
        source: what the first one is called.
        probe: "logistic", "ridge" or "mlp", or settings.
        share: of the examples of each source that are kept for the test; whole groups.
        seed: of the divisions.
        progress: show a bar.

    Raises:
        InputError: as for `transfer`; other sites.
    """
    kind, n_classes = kind_of(probe), len(home.data.classes)
    parts, *rest = _divided([home.data.groups, *(one.data.groups for one in others.values())], share, seed)
    labels = {name: _renumbered(home, name, one) for name, one in others.items()}
    divided = dict(zip(others, rest, strict=True))
    at_home, abroad, natives = [], {name: [] for name in others}, {name: [] for name in others}  # type: ignore[var-annotated]
    for site in track(home.sites, "probing", shown=progress):
        own = judged(kind, home[site], home.y, parts, n_classes, seed)
        at_home.append(own.right)
        for name, one in others.items():
            there = divided[name]
            x, y = one[site], labels[name]
            abroad[name].append(rightness(own.probe.predict(x[there.test]), y[there.test], y[torch.cat([there.train, there.dev])]))
            natives[name].append(judged(kind, x, y, there, n_classes, seed).right)
    arguments = {"sites": home.sites, "probe": probe, "pooling": home.pooling, "share": share, "test": list(others)}
    hashes = [home.data.hash, *(one.data.hash for one in others.values())]
    recipe = Recipe.of("sonde.probing.transfer", arguments, model_hash=home.model_hash, inputs=hashes, seed=seed)
    notes = list(dict.fromkeys([*home.notes, *(note for one in others.values() for note in one.notes), *_shared(home, others)]))
    return Transfer(
        name=home.data.name, source=source, sites=home.sites, targets=list(others), at_home=torch.stack(at_home),
        abroad=[torch.stack(rows) for rows in abroad.values()], natives=[torch.stack(rows) for rows in natives.values()],
        commonest=[_floor(labels[name], divided[name]) for name in others], home_groups=home.data.groups[parts.test],
        groups=[one.data.groups[divided[name].test] for name, one in others.items()], notes=notes, recipe=recipe,
    )  # fmt: skip


def _divided(groups: Sequence[Int[Tensor, " _"]], share: float, seed: int) -> list[Parts]:
    """The parts of each source. A number stands on one side in all of them, so that no translation of a sentence of the training is judged on;
    where that leaves a part of a small source empty, it is divided by itself."""
    joint = three_parts(torch.cat(list(groups)), share, seed)
    found, start = [], 0
    for own in groups:
        parts = Parts(*(part[(part >= start) & (part < start + len(own))] - start for part in joint))
        found.append(parts if all(map(len, parts)) else three_parts(own, share, seed))
        start += len(own)
    return found


def _renumbered(home: States, name: str, one: States) -> Tensor:
    """Another source's targets with the class numbers of the first."""
    if one.sites != home.sites:
        raise InputError(
            f"{name!r} was read at {', '.join(one.sites[:3])}, and the training at {', '.join(home.sites[:3])}: read both at the same sites"
        )
    if bool(one.data.classes) != bool(home.data.classes):
        raise InputError(f"{name!r} has {'classes' if one.data.classes else 'numbers'} and the training has not: give both alike")
    if not home.data.classes:
        return one.y
    if strange := [each for each in one.data.counts if each not in home.data.classes]:
        raise InputError(
            f"{name!r} has the class {shown(strange[0], 40)}, which the training has not ({', '.join(home.data.classes[:12])}): leave it out"
        )
    numbers = torch.tensor([home.data.classes.index(each) if each in home.data.classes else -1 for each in one.data.classes])
    return numbers[one.y]


def _floor(y: Tensor, parts: Parts) -> Tensor:
    learnt = torch.cat([parts.train, parts.dev])
    return rightness(told([0] * len(y), y, learnt, parts.test), y[parts.test], y[learnt])


def _shared(home: States, others: Mapping[str, States]) -> list[str]:
    """A warning for each source that holds texts of the training."""
    both = {name: shared_texts(home.data, one.data) for name, one in others.items()}
    return [f"{len(texts)} texts of {name!r} are in the training too, such as {shown(texts[0], 60)}" for name, texts in both.items() if texts]
