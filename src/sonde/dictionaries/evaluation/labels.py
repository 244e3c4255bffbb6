"""Labelled activations: a bounded number of rows is held while the others stream by, and the latents of every basis are probed on them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.bases import Basis, codes, directions
from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.evaluation.absorption import LinearProbe, absorption, linear_probe
from sonde.dictionaries.evaluation.probing import KS, halves, probe
from sonde.dictionaries.evaluation.samples import Sample, Texts
from sonde.results import InputError

if TYPE_CHECKING:
    from polars import DataFrame

Labels = Mapping[str, Tensor | Sequence[Sequence[int]]]
MOST_ROWS = 8192
"""Rows that are held: whole texts, drawn at random."""


class Held:
    """The rows on which labels are looked at, with their activations.

    Arguments:
        labels: by property: one for each activation, or for each text one for each of its tokens.
        texts: the texts, where a model reads any.
        first: the first activations, to know the sites.
        seed: of the draw of texts, and of their halves.
    """

    def __init__(self, labels: Labels, texts: Sequence[Texts] | None, first: Sample, seed: int) -> None:
        self.seed = seed
        self.labels = {name: _flat(name, each, texts) for name, each in labels.items()}
        lengths = {name: len(each) for name, each in self.labels.items()}
        if not labels or len(set(lengths.values())) > 1:
            raise InputError(f"labels for {lengths} activations: give one or more properties, each with one label for every activation")
        for name, each in self.labels.items():
            if not torch.isin(each, torch.tensor([-1, 0, 1])).all():
                raise InputError(f"the labels of {name!r} hold {int(each.min())} to {int(each.max())}: 1 has it, 0 has it not, -1 takes no part")
        self.n = next(iter(lengths.values()))
        self.lots = torch.rand(self.n, generator=torch.Generator().manual_seed(seed))  # one for each text: there are no more texts than rows
        self.parts: dict[str, list[Tensor]] = {site: [] for site in first.values}
        self.places: list[Tensor] = []
        self.blocks: list[Tensor] = []
        self.seen = 0

    def update(self, sample: Sample) -> None:
        """Take in a sample; texts are kept with a chance that leaves about as many rows as may be held."""
        self.seen += len(sample.places)
        if self.seen > self.n:
            raise InputError(f"there are more activations than the {self.n} labels: give one for every activation that counts")
        kept = self.lots[sample.blocks] < MOST_ROWS / self.n
        self.places.append(sample.places[kept])
        self.blocks.append(sample.blocks[kept])
        for site, value in sample.values.items():
            self.parts[site].append(value[kept].cpu().float())

    def rows(self) -> tuple[Int[Tensor, " rows"], Int[Tensor, " rows"], dict[str, Float[Tensor, "rows _"]]]:
        """Places, blocks and activations of what was held.

        Raises:
            InputError: fewer activations than labels.
        """
        if self.seen != self.n:
            raise InputError(f"there are {self.seen} activations and {self.n} labels: give one for every activation that counts")
        return torch.cat(self.places), torch.cat(self.blocks), {site: torch.cat(parts) for site, parts in self.parts.items()}


def told(
    bases: Mapping[str, tuple[Basis, tuple[Part, ...]]], held: Held, absorbed: bool, notes: list[str]
) -> tuple["DataFrame", dict[str, dict[str, float]]]:  # fmt: skip
    """Probe every property in every basis.

    Arguments:
        bases: with the sites that they read, by name.
        held: labelled activations.
        absorbed: whether absorption is measured.
        notes: gets the properties that could not be probed, and why.

    Returns:
        A row for each property and basis, and the means over the properties by basis.
    """
    import polars as pl

    places, blocks, values = held.rows()
    sample = Sample(values, blocks, places)
    train = halves(blocks, held.seed)
    rows = []
    probes: dict[tuple[str, tuple[Part, ...]], LinearProbe] = {}  # of the activations, whatever the basis
    for name, (basis, parts) in bases.items():
        x = sample.side_by_side(parts)
        found = codes(basis, x)
        comparable = absorbed and not getattr(basis, "transcodes", False)
        for property_, labels in held.labels.items():
            part = labels[places] >= 0
            here = part.nonzero().flatten()
            own, mine = found.take(here), labels[places][here] == 1
            try:
                probed = probe(own, mine, train[here], held.seed)
                if comparable and (property_, parts) not in probes:
                    probes[property_, parts] = linear_probe(x[here], mine, train[here])
                lost = absorption(own, directions(basis), x[here], mine, train[here], probes[property_, parts]) if comparable else None
            except InputError as error:
                notes.append(f"{property_}: {error}")
                continue
            accuracies = {f"accuracy_{k}": value for k, value in zip(KS, probed.accuracy, strict=True)}
            by_chance = {f"accuracy_{k}_shuffled": value for k, value in zip(KS, probed.shuffled, strict=True)}
            absorbed_ = {"absorbed": lost.fraction if lost else None, "absorbed_full": lost.full if lost else None}
            f1 = {"f1": probed.f1, "f1_shuffled": probed.f1_shuffled, "f1_always": probed.f1_always}
            rows.append({"property": property_, "basis": name, "latent": probed.latent, **f1, **accuracies, **by_chance, **absorbed_, "n": probed.n})
    notes[:] = list(dict.fromkeys(notes))
    if not rows:
        raise InputError(f"no property could be probed: {notes[0]}")
    frame = pl.DataFrame(rows, infer_schema_length=None)
    kept = ["f1", "f1_shuffled", *(f"accuracy_{k}" for k in KS), "absorbed", "absorbed_full"]
    means = frame.group_by("basis").agg(pl.col(kept).mean())
    return frame, {row.pop("basis"): row for row in means.to_dicts()}


def _flat(name: str, labels: Tensor | Sequence[Sequence[int]], texts: Sequence[Texts] | None) -> Int[Tensor, " rows"]:
    """One label for each activation that counts, in the order in which they come."""
    if texts is None:
        if not isinstance(labels, Tensor):
            raise InputError(f"the labels of {name!r} are a {type(labels).__name__}: give a tensor with one for each activation")
        return labels.reshape(-1).long().cpu()
    found = []
    for batch in texts:
        for number, counts in zip(batch.numbers.tolist(), batch.counts, strict=True):
            if number >= len(labels) or len(labels[number]) < len(counts):
                have = len(labels[number]) if number < len(labels) else 0
                raise InputError(f"the labels of {name!r} for text {number} are {have} and it has {len(counts)} tokens: give one for each token")
            found.append(torch.as_tensor(labels[number])[: len(counts)].long().cpu()[counts])
    return torch.cat(found)
