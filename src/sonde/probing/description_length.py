"""How many bits do the labels cost who has the activations? A probe that must be learnt pays for what it learns.

Voita and Titov 2020, "Information-theoretic probing with minimum description length", section 2.2: labels are sent in portions, each coded by a
probe of all portions before it, and the first one evenly. The sum is the online code, and n log2 K bits divided by it the compression. Accuracy can
be equal where a probe reads and where it remembers; to remember takes examples, and every example that comes before costs bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected, shuffled
from sonde.jobs import track
from sonde.probing.checked import Checked
from sonde.probing.division import divide
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import Kind, bits, kind_of
from sonde.probing.random_labels import control_labels
from sonde.probing.reading import read_states
from sonde.probing.states import States
from sonde.probing.sweep_results import short
from sonde.results import Drawing, InputError, Recipe, Verdict
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

PORTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Shares of the examples after which a new probe is learnt, as in the paper."""
CONTROL_TASK, SHUFFLED = "control task", "shuffled labels"


@dataclass(frozen=True, eq=False, repr=False)
class DescriptionLength(Checked):
    """The online code of labels, given activations.

    Arguments:
        name: what was asked.
        classes: the classes' names.
        sites: whose activations are given.
        ends: how many examples were sent after each portion.
        order: the examples in the order in which they were sent.
        bits: what each label cost, in the order of the examples.
        groups: of each example; those of one group are not independent.
        controls: as `bits`, by name, for each draw: of random labels of the same words, and of the same labels in random order.
        notes: what was decided, left out or is suspicious.
    """

    name: str
    classes: tuple[str, ...]
    sites: list[str]
    ends: list[int]
    order: Int[Tensor, " example"]
    bits: Float[Tensor, "site example"]
    groups: Int[Tensor, " example"]
    controls: Mapping[str, Float[Tensor, "draw site example"]]
    notes: list[str]

    @property
    def uniform(self) -> float:
        """What each label costs without any knowledge."""
        return float(torch.tensor(float(len(self.classes))).log2())

    @property
    def length(self) -> Float[Tensor, " site"]:
        """Bits for all labels."""
        return self.bits.double().sum(1)

    @property
    def compression(self) -> Float[Tensor, " site"]:
        """How many times shorter than the even code: 1 where nothing is told."""
        return self.uniform * self.bits.shape[1] / self.length

    def to_frame(self) -> "DataFrame":
        """One row per site for the labels, and one per site and draw for each control."""
        import polars as pl

        even = self.uniform * self.bits.shape[1]
        rows: list[tuple[str, str, int | None, float, float]] = [
            (site, "labels", None, float(length), even / float(length)) for site, length in zip(self.sites, self.length, strict=True)
        ]
        rows += [
            (site, name, draw, float(length), even / float(length))
            for name, draws in self.controls.items()
            for draw, one in enumerate(draws.double().sum(2))
            for site, length in zip(self.sites, one, strict=True)
        ]
        schema = {"site": pl.String, "what": pl.String, "draw": pl.Int64, "bits": pl.Float64, "compression": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def drawing(self) -> Drawing:
        """Compression by site; the band is that of random labels of the same words."""
        even = self.uniform * self.bits.shape[1]
        found = {name: even / draws.double().sum(2) for name, draws in self.controls.items()}
        band = next((name for name in (CONTROL_TASK, SHUFFLED) if name in found), None)
        series = [Series(self.name, self.compression)] + [Series(name, values.mean(0)) for name, values in found.items() if name != band]
        control = None if band is None else Series(band, found[band].mean(0), found[band].amin(0), found[band].amax(0))
        note = f"n log2 K over the bits of the online code; {self.bits.shape[1]:,} labels of {len(self.classes)} classes in {len(self.ends)} portions"
        return lines(
            f"How much shorter is {self.name} with the activations?", "compression", "site", short(self.sites), series, control=control, note=note
        )

    @property
    def verdicts(self) -> list[Verdict]:
        """Are the labels cheaper than random labels of the same words, at each site?"""
        found = []
        for name, draws in self.controls.items():
            what = "random labels of the same words" if name == CONTROL_TASK else "the same labels in random order"
            found += [
                compare(
                    f"{self.name} takes fewer bits at {site} than {what}.", "bits per label, online code", self.bits[i],
                    draws[:, i] if len(draws) > 1 else draws[0, i], direction="less", threshold=self.uniform, threshold_source="the even code",
                    blocks=self.groups,
                )
                for i, site in enumerate(self.sites)
            ]  # fmt: skip
        return corrected(found)


def description_length(
    model: Model, data: Labelled, sites: str | Sequence[str] | None = None, probe: str | Kind = "logistic", pooling: Pooling = "last",
    seeds: int = 5, portions: Sequence[float] = PORTIONS, seed: int = 0, batch_size: int | Literal["auto"] = "auto", progress: bool = False,
) -> DescriptionLength:  # fmt: skip
    """The online code of a property's labels at every site, beside that of labels that mean nothing.

    Arguments:
        model: what is probed.
        data: examples of the property.
        sites: names or globs; by default the embedding and what every block leaves behind.
        probe: "logistic" or "mlp", or settings: a kind that gives probabilities.
        pooling: what is read of a word of several tokens.
        seeds: draws of each control.
        portions: shares of the examples after which a new probe is learnt, rising to 1.
        seed: of the order and of the draws.
        batch_size: texts per pass.
        progress: show bars.

    Raises:
        InputError: numbers instead of classes, a probe without probabilities, portions that do not rise to 1, or what `read_states` refuses.
    """
    states = read_states(model, data, sites, pooling, batch_size, progress)
    return description_length_of(states, probe, seeds, portions, seed, progress)


def description_length_of(
    states: States, probe: str | Kind = "logistic", seeds: int = 5, portions: Sequence[float] = PORTIONS, seed: int = 0, progress: bool = False
) -> DescriptionLength:  # fmt: skip
    """The same for activations that were read before, or elsewhere.

    Arguments:
        states: activations by site, with labels.
        probe: "logistic" or "mlp", or settings.
        seeds: draws of each control.
        portions: shares of the examples after which a new probe is learnt, rising to 1.
        seed: of the order and of the draws.
        progress: show a bar.

    Raises:
        InputError: as for `description_length`.
    """
    kind, data = kind_of(probe), states.data
    if not data.classes:
        raise InputError(f"{data.name!r} are numbers, which have no code without a precision: give classes, or use sweep(probe='ridge')")
    order, ends = sent(data.groups, portions, seed)
    labels = {"": [states.y]}
    labels[SHUFFLED] = [shuffled(states.y, seed + draw) for draw in range(seeds)]
    notes = list(states.notes)
    if len(set(data.types)) < len(data):
        labels[CONTROL_TASK] = [control_labels(data, seed + draw) for draw in range(seeds)]
    else:
        notes.append("no control task: no word occurs twice, so there is nothing to remember")
    jobs = [(name, y, site) for name, drawn in labels.items() for y in drawn for site in states.sites]
    codes = [online_code(states[site], y, order, ends, len(data.classes), kind, seed) for _, y, site in track(jobs, "coding", shown=progress)]
    by_name = {}
    for name in labels:
        own = torch.stack([code for code, job in zip(codes, jobs, strict=True) if job[0] == name])
        by_name[name] = own.unflatten(0, (-1, len(states.sites)))
    arguments = {"sites": states.sites, "probe": probe, "pooling": states.pooling, "seeds": seeds, "portions": list(portions)}
    recipe = Recipe.of("sonde.probing.description_length", arguments, model_hash=states.model_hash, inputs=data.hash, seed=seed)
    found = by_name.pop("")[0]
    return DescriptionLength(data.name, data.classes, states.sites, ends, order, found, data.groups, by_name, notes, recipe=recipe)


def sent(groups: Int[Tensor, " example"], portions: Sequence[float], seed: int) -> tuple[Int[Tensor, " example"], list[int]]:
    """The order in which examples are sent, group after group, and how many were sent after each portion; a portion ends with a group.

    Arguments:
        groups: the group of each example.
        portions: shares of the examples, rising to 1.
        seed: of the order of the groups.

    Raises:
        InputError: portions that do not rise to 1, or a single group.
    """
    if not portions or not portions[0] > 0 or any(a >= b for a, b in pairwise(portions)) or portions[-1] != 1:
        raise InputError(f"portions={list(portions)}: give shares that rise to 1")
    _, own, sizes = groups.unique(return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise InputError("all examples are one group, which is sent at once: give more groups, such as sentences")
    place = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed))
    order = place[own].argsort(stable=True)
    after = torch.empty_like(sizes).scatter_(0, place, sizes).cumsum(0)
    wanted = torch.tensor([portion * len(groups) for portion in portions])
    ends = after[torch.searchsorted(after, wanted - 1e-6).clamp_max(len(after) - 1)]
    return order, sorted(set(ends.tolist()))


def online_code(
    x: Float[Tensor, "n d"], y: Int[Tensor, " n"], order: Int[Tensor, " n"], ends: Sequence[int], n_classes: int, kind: str | Kind = "logistic",
    seed: int = 0,
) -> Float[Tensor, " n"]:  # fmt: skip
    """What each label costs, in the order of the examples.

    The first portion is sent evenly, and so is the next one while all that was sent is of one class.

    Arguments:
        x: activations, one row per example.
        y: the class of each.
        order: in which they are sent.
        ends: how many were sent after each portion.
        n_classes: how many classes there are, known beforehand.
        kind: of probe.
        seed: of its fit, and of which examples choose its penalty.

    Raises:
        InputError: a probe without probabilities.
    """
    kind = kind_of(kind)
    cost = torch.full((len(y),), float(torch.tensor(float(n_classes)).log2()))
    for start, stop in pairwise(ends):
        known, coming = order[:start], order[start:stop]
        if len(y[known].unique()) < 2:
            continue
        # with so few examples neither part is large; a class in neither costs what was never seen costs
        train, dev = divide(torch.arange(start), 0.1 if start >= 100 else 0.3, seed)
        if len(y[known[train]].unique()) < 2:
            train = torch.arange(start)
        probe = kind.fit((x[known[train]], y[known[train]]), (x[known[dev]], y[known[dev]]), n_classes, seed)
        cost[coming] = bits(probe, x[coming], y[coming]).float()
    return cost
