"""The activations that dictionaries are judged on: tensors that are given, or what a model computes on a corpus.

Beginnings of sequences, other special tokens and padding never count: at them activations are of another kind and many times larger.

Shape legend: N rows (one token each), D entries of a site.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Model, Run
from sonde.access.inputs import Given
from sonde.bases import Basis
from sonde.dictionaries.dictionary import Part
from sonde.results import InputError, shown

ROWS = 4096
"""Activations that are looked at together."""
LOGITS = 2**25
"""Entries that the logits of one batch may have: 128 MB."""
GIVEN_BLOCKS = 256
"""Blocks that activations without texts are cut into: their neighbours may belong together."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Some activations at one or several sites.

    Arguments:
        values: a row for each activation, by site; of activations that are given, by `read` and `written`.
        blocks: the text that each row is of, or the part of what was given.
        places: the number of each row among all that count.
    """

    values: Mapping[str, Float[Tensor, "rows _"]]
    blocks: Int[Tensor, " rows"]
    places: Int[Tensor, " rows"]

    def side_by_side(self, parts: Sequence[Part]) -> Float[Tensor, "rows width"]:
        """The activations of some sites.

        Arguments:
            parts: the sites, and how many entries each has.

        Raises:
            InputError: a site with another number of entries.
        """
        for part in parts:
            if self.values[part.site].shape[1] != part.width:
                raise InputError(f"{part.site or 'x'} has {self.values[part.site].shape[1]} entries and the basis reads {part.width} of it: "
                                 "judge it where it was made")  # fmt: skip
        found = [self.values[part.site] for part in parts]
        return found[0] if len(found) == 1 else torch.cat(found, 1)


@dataclass(frozen=True, eq=False)
class Texts:
    """Rows of tokens of one length, with those that count.

    Arguments:
        ids: their tokens.
        counts: true where the token is no special one.
        numbers: of the texts in the corpus.
    """

    ids: Int[Tensor, "text pos"]
    counts: Bool[Tensor, "text pos"]
    numbers: Int[Tensor, " text"]


def given(x: Tensor | Iterable[Tensor], target: Tensor | None) -> Iterator[Sample]:
    """Samples of activations that are given: every axis but the last counts them.

    Arguments:
        x: activations, or batches of them.
        target: what is to be written for them, where that is something else.

    Raises:
        InputError: activations that are not finite, as many targets as there are activations are not, or none at all.
    """
    batches: Iterable[tuple[Tensor, Tensor]]
    if isinstance(x, Tensor):
        wide = x.reshape(-1, x.shape[-1])
        goal = wide if target is None else target.reshape(-1, target.shape[-1])
        if len(goal) != len(wide):
            raise InputError(f"{len(wide)} activations and {len(goal)} targets: give one target for each")
        batches = zip(wide.split(ROWS), goal.split(ROWS), strict=True)
        block = max(1, len(wide) // GIVEN_BLOCKS)
    elif target is not None:
        raise InputError("target= goes with activations in one tensor: give both whole")
    else:
        batches, block = ((part.reshape(-1, part.shape[-1]),) * 2 for part in x), ROWS // 8
    start = 0
    for read, written in batches:
        for name, values in (("activations", read), ("targets", written)):
            if not values.isfinite().all():
                bad = int((~values.isfinite()).any(1).sum())
                raise InputError(f"{bad} of {len(values)} {name} from row {start} on are nan or inf: leave them out, or find out why")
        places = torch.arange(start, start + len(read))
        yield Sample({"read": read.detach(), "written": written.detach()}, places // block, places)
        start += len(read)
    if not start:
        raise InputError("there are no activations: give at least one batch")


def texts(model: Model, corpus: Given, bos: bool | None = None) -> list[Texts]:
    """A corpus as batches of texts of one length each, so that nothing is padded.

    Arguments:
        model: the one that reads it.
        corpus: texts, or rows of token ids.
        bos: as for `Model.run`.

    Raises:
        InputError: no texts; texts without any token that counts.
    """
    inputs = model.prepare(corpus, bos)
    if inputs.ids is None or inputs.mask is None:
        raise InputError(f"{model.name} reads no tokens: read its activations with model.run and give them as a tensor")
    lengths = inputs.mask.sum(1).tolist()
    special = torch.tensor(sorted(model.tokenizer.special if model.tokenizer else ()), dtype=torch.long)
    batches = []
    for length, group in groupby(sorted(range(len(lengths)), key=lengths.__getitem__), key=lengths.__getitem__):
        numbers = torch.tensor(list(group))
        rows = max(1, min(ROWS // length, LOGITS // (length * max(1, model.architecture.d_vocab))))
        for some in numbers.split(rows):
            ids = inputs.ids.cpu()[some, :length]
            batches.append(Texts(ids, ~torch.isin(ids, special), some))
    if not any(batch.counts.any() for batch in batches):
        raise InputError(f"none of the {len(lengths)} texts has a token that is no special one: give longer texts")
    return batches


def read(model: Model, corpus: Sequence[Texts], sites: Sequence[str]) -> Iterator[Sample]:
    """Samples of what a model computes at some sites; the forward ends after the last of them.

    Arguments:
        model: the model.
        corpus: what `texts` gives.
        sites: where.
    """
    start = 0
    for batch in corpus:
        run = model.run(batch.ids.to(model.device), read=list(sites), logits=False)
        n = int(batch.counts.sum())
        blocks = batch.numbers[:, None].expand(batch.ids.shape)[batch.counts]
        yield Sample({site: counted(run, site, batch) for site in sites}, blocks, torch.arange(start, start + n))
        start += n


def counted(run: Run, site: str, batch: Texts) -> Float[Tensor, "rows width"]:
    """The values at a site of the tokens that count; heads lie side by side.

    Arguments:
        run: what was read.
        site: where.
        batch: the texts.

    Raises:
        InputError: a site whose values do not belong to tokens, or that are not finite.
    """
    value = run[site]
    if value.shape[:2] != batch.ids.shape or value.ndim < 3:
        raise InputError(f"{site!r} has the axes {' '.join(run.axes(site))}: dictionaries read sites with entries for each token (batch pos ...)")
    rows = value[batch.counts.to(value.device)].flatten(1)
    if not rows.isfinite().all():
        raise InputError(f"{int((~rows.isfinite()).any(1).sum())} of {len(rows)} activations at {site!r} are nan or inf: this model is broken there")
    return rows


def reads(basis: Basis, site: str | None) -> tuple[Part, ...]:
    """The sites that a basis reads.

    Arguments:
        basis: any.
        site: where it is, where it does not say so itself.

    Raises:
        InputError: nobody says so.
    """
    return _sited(getattr(basis, "reads", (Part("", basis.width),)), basis, site)


def writes(basis: Basis, site: str | None) -> tuple[Part, ...]:
    """The sites that a basis writes, likewise.

    Arguments:
        basis: any.
        site: where it is, where it does not say so itself.

    Raises:
        InputError: nobody says so.
    """
    return _sited(getattr(basis, "writes", (Part("", basis.width),)), basis, site)


def _sited(parts: tuple[Part, ...], basis: Basis, site: str | None) -> tuple[Part, ...]:
    if len(parts) == 1 and (site is not None and not getattr(basis, "transcodes", False)):
        return (Part(site, parts[0].width),)
    if not all(part.site for part in parts):
        raise InputError(f"{shown(basis)} does not say where it reads and writes: name the place with site=")
    return parts
