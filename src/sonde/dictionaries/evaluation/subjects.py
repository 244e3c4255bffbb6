"""Bases on their way through activations: where each reads and writes, what gives the activations, and the controls beside them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Basis, Model
from sonde.access.inputs import Given
from sonde.bases import codes
from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.evaluation import samples
from sonde.dictionaries.evaluation.activity import Activity
from sonde.dictionaries.evaluation.controls import KINDS, controls
from sonde.dictionaries.evaluation.reconstruction import Reconstruction
from sonde.dictionaries.evaluation.samples import Sample, Texts
from sonde.dictionaries.evaluation.splicing import written
from sonde.results import InputError, shown

Source = Callable[[list["Subject"]], Iterator[Sample]]
"""What gives the activations at the sites of some subjects."""


@dataclass(eq=False)
class Subject:
    """One basis on its way through the activations.

    Arguments:
        basis: the basis.
        reads, writes: its sites.
    """

    basis: Basis
    reads: tuple[Part, ...]
    writes: tuple[Part, ...]
    activity: Activity = field(init=False)
    fit: Reconstruction = field(init=False)

    def __post_init__(self) -> None:
        self.activity, self.fit = Activity(self.basis.size), Reconstruction(sum(part.width for part in self.writes))

    def read(self, sample: Sample) -> Float[Tensor, "rows width"]:
        """What the basis reads of a sample, where it is."""
        return sample.side_by_side(self.reads).to(_device(self.basis)).float()

    def update(self, sample: Sample) -> None:
        """Take in more activations."""
        x, y = self.read(sample), sample.side_by_side(self.writes)
        found = codes(self.basis, x)
        self.activity.update(found)
        own = getattr(self.basis, "written", None)  # dictionaries write from their codes: nothing is encoded twice
        known = written(self.basis, x) if own is None else own(found, x)
        self.fit.update(y, known, sample.blocks)


def source_of(
    x: Model | Tensor | Iterable[Tensor], corpus: Given | None, target: Tensor | None, bos: bool | None, seed: int,
) -> tuple[list[Texts] | None, Source]:  # fmt: skip
    """The texts, where a model reads any, and what gives the samples for some subjects."""
    if not isinstance(x, Model):
        if corpus is not None:
            raise InputError("corpus= is read by a model: give one in place of activations, or leave it out")
        if not isinstance(x, Tensor | Iterable):
            raise InputError(f"{shown(x)} is neither a model nor activations: give one of them")
        return None, lambda subjects: samples.given(x, target)
    if corpus is None or target is not None:
        raise InputError("a model reads a corpus: give corpus=, texts or rows of token ids, and no target=")
    found = samples.texts(x, corpus, bos)
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed)).tolist()
    texts = [found[place] for place in order]  # short and long ones mixed: the first samples decide the controls

    def read(subjects: list[Subject]) -> Iterator[Sample]:
        sites = list(dict.fromkeys(part.site for subject in subjects for part in (*subject.reads, *subject.writes)))
        return samples.read(x, texts, sites)

    return texts, read


def peeked(source: Source, subjects: list[Subject]) -> tuple[Sample, Source]:
    """The first samples as one, without losing them: batches that are given may come only once."""
    stream = source(subjects)
    seen: list[Sample] = []
    for sample in stream:
        seen.append(sample)
        if sum(len(one.places) for one in seen) >= samples.ROWS:
            break
    together = Sample(
        {site: torch.cat([one.values[site] for one in seen]) for site in seen[0].values},
        torch.cat([one.blocks for one in seen]), torch.cat([one.places for one in seen]),
    )  # fmt: skip
    return together, lambda _: chain(seen, stream)


def subject_of(basis: Basis, sited: bool, site: str | None) -> Subject:
    if sited:
        return Subject(basis, samples.reads(basis, site), samples.writes(basis, site))
    out = sum(part.width for part in getattr(basis, "writes", (Part("", basis.width),)))
    return Subject(basis, (Part("read", basis.width),), (Part("written", out),))


def with_controls(subjects: dict[str, Subject], first: Sample, seed: int, notes: list[str]) -> dict[str, tuple[str, ...]]:
    """Add controls that are active as often as each subject on the first activations; their names, by the subject's."""
    beside = {}
    several = len({subject.reads for subject in subjects.values()}) > 1
    for name, subject in list(subjects.items()):
        if getattr(subject.basis, "transcodes", False):
            notes.append(f"{name} has no control: nothing but a transcoder writes another site than it reads")
            continue
        x = first.side_by_side(subject.reads).cpu().float()
        seen = Activity(subject.basis.size).update(codes(subject.basis, x.to(_device(subject.basis))))
        found = controls(x, round(seen.l0), subject.basis.size, seed)
        if len(found) < len(KINDS):
            left_out = "random directions: to fit so many takes long" if found else "control: as many coordinates of any basis keep everything"
            notes.append(f"{name} has {round(seen.l0)} latents active at a time, so it has no {left_out}")
        names = []
        for control, basis in found.items():
            where = f"{control} at {subject.reads[0].site}" if several else control
            subjects.setdefault(where, Subject(basis, subject.reads, subject.writes))
            names.append(where)
        beside[name] = tuple(names)
    return beside


def _device(basis: Basis) -> torch.device:
    """Where a basis has its tensors."""
    held = [*vars(basis).values(), *vars(getattr(basis, "dictionary", basis)).values()]
    return next((value.device for value in held if isinstance(value, Tensor)), torch.device("cpu"))
