"""Texts as tokens, and which latents fire on each: what descriptions are made from and judged on.

A latent "fires" where its coordinate is above a threshold of its own: 0, or, for a coordinate that is positive on more than a share `dense` of the
tokens (a neuron, a principal component), the value that so many exceed. Below it counts as silent. So a neuron and a sparse feature are asked the
same question.

Shape legend: T tokens, E entries (token, latent), F latents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Basis, Model
from sonde.bases import Codes, codes, directions
from sonde.features.collecting.directions import nearest
from sonde.jobs import track
from sonde.results import InputError, content_hash

DENSE = 0.05
"""A coordinate fires on this share of the tokens at most."""


@dataclass(frozen=True, eq=False)
class Recording:
    """The tokens of some texts, and the latents that fire on each.

    Arguments:
        ids: the tokens, text after text, without special ones.
        starts: where each text begins.
        vocabulary: the text of each token id.
        codes: the firing latents of each token, above 0.
        nearest: of each latent those whose directions have the highest cosine with its own; `None` where that is not known.
        promoted: by latent the tokens that it stands out in promoting; see `promotions`.
        model_hash: of the model that was recorded; empty where there was none.
        subject: what the latents are, as plain text by name: the site, the basis.
        notes: what was decided on the way.

    >>> codes = Codes.of(torch.tensor([[0.0], [2.0], [0.0]]))
    >>> recording = Recording(torch.tensor([0, 1, 0]), torch.tensor([0]), (" the", " cat"), codes)
    >>> recording, recording.activations(0)
    (Recording(3 tokens in 1 texts, 1 of 1 latents fire), tensor([0., 2., 0.]))
    """

    ids: Int[Tensor, " token"]
    starts: Int[Tensor, " text"]
    vocabulary: tuple[str, ...]
    codes: Codes
    nearest: Int[Tensor, "size other"] | None = None
    promoted: dict[int, tuple[str, ...]] = field(default_factory=dict)
    model_hash: str = ""
    subject: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.codes) or not len(self.ids) or not (self.codes.values > 0).all():
            raise InputError(f"{len(self.ids)} tokens with codes of {len(self.codes)}: give at least one token, a row of codes for each, all above 0")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> int:
        """How many latents there are, firing or not."""
        return self.codes.size

    @cached_property
    def hash(self) -> str:
        """A content hash of tokens and activations."""
        return content_hash([self.ids, self.starts, self.codes.values, self.codes.latents, self.codes.offsets])

    @cached_property
    def text(self) -> Int[Tensor, " token"]:
        """Which text each token is of."""
        return torch.searchsorted(self.starts, torch.arange(len(self.ids)), right=True) - 1

    @cached_property
    def position(self) -> Int[Tensor, " token"]:
        """Where each token stands in its text, from 0."""
        return torch.arange(len(self.ids)) - self.starts[self.text]

    @property
    def alive(self) -> list[int]:
        """The latents that fire at all."""
        latents: list[int] = self.codes.latents.unique().tolist()
        return latents

    def firing(self, latent: int) -> tuple[Int[Tensor, " firing"], Float[Tensor, " firing"]]:
        """The tokens on which a latent fires, in order, and how strongly.

        Arguments:
            latent: its number.

        Raises:
            InputError: no such latent.
        """
        if not 0 <= latent < self.size:
            raise InputError(f"latent {latent}: there are {self.size}, counted from 0")
        order, bounds = self._by_latent
        entries = order[bounds[latent] : bounds[latent + 1]]
        return self._rows[entries], self.codes.values[entries]

    def activations(self, latent: int) -> Float[Tensor, " token"]:
        """A latent's activation on every token, 0 where it is silent.

        Arguments:
            latent: its number.
        """
        where, values = self.firing(latent)
        return values.new_zeros(len(self)).index_put_((where,), values)

    def strings(self, start: int, stop: int) -> tuple[str, ...]:
        """The texts of some tokens.

        Arguments:
            start: the first.
            stop: the one after the last.
        """
        return tuple(self.vocabulary[i] for i in self.ids[start:stop].tolist())

    def split(self, seed: int = 0) -> tuple["Recording", "Recording"]:
        """Half of the texts to make descriptions from, the other half to judge them on; texts that are the same stay together.

        Arguments:
            seed: of the draw.

        Raises:
            InputError: fewer than two texts that differ.
        """
        bounds = [*self.starts.tolist(), len(self)]
        same = [content_hash(self.ids[a:b].tolist()) for a, b in pairwise(bounds)]
        kinds = sorted(set(same))
        if len(kinds) < 2:
            raise InputError(f"{len(kinds)} text can't be halved into one to describe from and one to judge on: record at least two that differ")
        order = torch.randperm(len(kinds), generator=torch.Generator().manual_seed(seed)).tolist()
        first = {kinds[i] for i in order[: (len(kinds) + 1) // 2]}
        chosen = torch.tensor([one in first for one in same])
        return self.only(chosen.nonzero().flatten()), self.only((~chosen).nonzero().flatten())

    def only(self, texts: Int[Tensor, " chosen"]) -> "Recording":
        """Some of the texts.

        Arguments:
            texts: their numbers.
        """
        kept = torch.isin(self.text, texts)
        lengths = torch.bincount(self.text, minlength=len(self.starts))[texts.sort().values]
        entries = kept[self._rows]
        counts = self.codes.counts[kept]
        part = Codes(self.codes.values[entries], self.codes.latents[entries], counts.cumsum(0) - counts, self.size)
        return replace(self, ids=self.ids[kept], starts=lengths.cumsum(0) - lengths, codes=part)

    @cached_property
    def _rows(self) -> Tensor:
        return self.codes.rows

    @cached_property
    def _by_latent(self) -> tuple[Tensor, Tensor]:
        """The entries sorted by latent, and where each latent's begin."""
        order = self.codes.latents.argsort(stable=True)
        counts = torch.bincount(self.codes.latents, minlength=self.size)
        return order, torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def __repr__(self) -> str:
        return f"Recording({len(self)} tokens in {len(self.starts)} texts, {len(self.alive)} of {self.size} latents fire)"


def record(
    model: Model, site: str, basis: Basis, texts: Sequence[str], dense: float = DENSE, batch_size: int = 32, progress: bool = False,
) -> Recording:  # fmt: skip
    """Run texts through a model and note which latents fire on which token.

    Arguments:
        model: a language model with its tokenizer.
        site: where the basis reads.
        basis: a dictionary, neurons, principal components, random directions.
        texts: what the model reads; each within its context.
        dense: a coordinate that is positive on more tokens than this share counts as firing on so many, its highest.
        batch_size: texts per forward.
        progress: show a bar.

    Raises:
        InputError: a model without tokenizer, no text, a share that is none, a site of another width, activations that are not finite.

    >>> import sonde
    >>> from sonde.bases import Neurons
    >>> model = sonde.load("specimen:words-small")
    >>> record(model, "blocks.0.resid_post", Neurons(model.d_model), ["The keys are here."]).size == model.d_model
    True
    """
    if model.tokenizer is None:
        raise InputError(f"{model.name} has no tokenizer, and descriptions speak of tokens: load it with tokenizer=")
    if isinstance(texts, str) or not texts or not 0 < dense <= 1:
        raise InputError(f"{len(texts)} texts, dense={dense}: give a list of texts, and a share above 0 and up to 1")
    special = torch.tensor(sorted(model.tokenizer.special), dtype=torch.long, device=model.device)
    batches = [texts[i : i + batch_size] for i in range(0, len(texts), batch_size)]
    ids, lengths, parts = [], [], []
    for batch in track(batches, "recording", shown=progress):
        run = model.run(list(batch), read=site, logits=False)
        values = run[site]
        if values.ndim != 3 or run.mask is None:
            raise InputError(f"{site} has {values.ndim} axes: descriptions need one activation for each token (batch pos width)")
        real = run.mask & ~torch.isin(run.ids, special)
        rows = values[real].detach().float().cpu()
        if not rows.isfinite().all():
            raise InputError(f"{site} holds nan or inf on {int((~rows.isfinite()).any(1).sum())} tokens: they can't be described")
        found = codes(basis, rows)
        parts.append(_kept(found, found.values > 0))
        ids.append(run.ids[real].cpu())
        lengths += real.sum(1).tolist()
    together = Codes.together(parts)
    sizes = torch.tensor([length for length in lengths if length])
    all_ids = torch.cat(ids)
    vocabulary = tuple(model.tokenizer.strings(range(max(int(all_ids.max()) + 1, model.tokenizer.vocab_size))))
    sparse, cut = sparsened(together, dense)
    notes = (f"{cut} of {basis.size} coordinates are positive on more than {dense:.1%} of the tokens and fire on their highest {dense:.1%}",)
    return Recording(
        all_ids, sizes.cumsum(0) - sizes, vocabulary, sparse, _nearest(basis), model_hash=model.hash,
        subject={"model": model.name, "site": site, "basis": type(basis).__name__, "basis_hash": basis.hash}, notes=notes if cut else (),
    )  # fmt: skip


def sparsened(found: Codes, dense: float) -> tuple[Codes, int]:
    """Only the highest activations of latents that fire too often.

    Arguments:
        found: activations above 0.
        dense: the greatest share of tokens on which a latent may fire.

    Returns:
        The codes, and how many latents were cut.

    >>> sparsened(Codes.of(torch.tensor([[1.0], [2.0], [4.0], [3.0]])), dense=0.5)[0].values
    tensor([4., 3.])
    """
    most = max(1, int(dense * len(found)))
    counts = torch.bincount(found.latents, minlength=found.size)
    thresholds = found.values.new_zeros(found.size)
    often = (counts > most).nonzero().flatten().tolist()
    order = found.latents.argsort(stable=True)
    ends = counts.cumsum(0)
    for latent in often:
        own = found.values[order[ends[latent] - counts[latent] : ends[latent]]]
        thresholds[latent] = own.kthvalue(len(own) - most).values  # the highest value that is not kept
    return _kept(found, found.values > thresholds[found.latents]), len(often)


def _kept(found: Codes, mask: Tensor) -> Codes:
    counts = torch.bincount(found.rows[mask], minlength=len(found))
    return Codes(found.values[mask], found.latents[mask], counts.cumsum(0) - counts, found.size)


def _nearest(basis: Basis) -> Tensor | None:
    """The neighbours by direction; none in a basis whose coordinates have no directions."""
    try:
        return nearest(directions(basis).detach().float().cpu())[0] if basis.size > 1 else None
    except InputError:
        return None
