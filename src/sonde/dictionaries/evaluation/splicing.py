"""How much a model's loss suffers where a basis writes a site instead of the model.

    recovered = (CE_ablated - CE_spliced) / (CE_ablated - CE_clean)

against two ablations, for they tell different stories: zero is far from everything the model has seen, so that almost anything recovers most of the
loss; the mean is what knows no input. The plain difference and the divergence need no ablation. Beginnings of sequences and other special tokens
are left as they are, in the splice and in the ablations alike, and what is predicted from them does not count.

Shape legend: T texts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Set, Site
from sonde.bases import Basis
from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.evaluation.samples import Texts, counted
from sonde.jobs import track
from sonde.results import InputError


@dataclass(frozen=True)
class Spliced:
    """A basis with the sites that it reads and writes.

    Arguments:
        basis: the basis.
        reads, writes: its sites.
    """

    basis: Basis
    reads: tuple[Part, ...]
    writes: tuple[Part, ...]

    @property
    def places(self) -> list[str]:
        """Where it writes; sites that are spliced one at a time, the heads of one site together."""
        return list(dict.fromkeys(Site.parse(part.site).name for part in self.writes))


@dataclass(eq=False)
class Loss:
    """Loss and divergence of each text under one change of the model.

    Arguments:
        texts: how many there are.
    """

    texts: int
    nats: Float[Tensor, " text"] = field(init=False, repr=False)
    divergence: Float[Tensor, " text"] = field(init=False, repr=False)
    tokens: Float[Tensor, " text"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.nats, self.divergence, self.tokens = (torch.zeros(self.texts, dtype=torch.float64) for _ in range(3))

    @property
    def ce(self) -> float:
        """Mean loss of a token, in nats."""
        return float(self.nats.sum() / self.tokens.sum())

    @property
    def kl(self) -> float:
        """Mean divergence of the model's own prediction from this one, in nats."""
        return float(self.divergence.sum() / self.tokens.sum())

    def by_text(self) -> Float[Tensor, " text"]:
        """Mean loss of a token in each text where any counts."""
        return (self.nats / self.tokens)[self.tokens > 0]


@dataclass(frozen=True, eq=False)
class Losses:
    """The losses of a model as it is, with sites ablated, and with bases spliced in.

    Arguments:
        clean: as it is.
        zero, mean: with the tokens' values at a site replaced, by site.
        spliced: with what a basis writes at a site, by basis and site.
    """

    clean: Loss
    zero: Mapping[str, Loss]
    mean: Mapping[str, Loss]
    spliced: Mapping[str, Mapping[str, Loss]]


def recovered(ablated: float, spliced: float, clean: float) -> float:
    """The share of the loss that is recovered; nan where the ablation does no harm.

    Arguments:
        ablated, spliced, clean: losses.

    >>> recovered(ablated=5.0, spliced=3.5, clean=3.0), recovered(3.0, 3.0, 3.0)
    (0.75, nan)
    """
    gap = ablated - clean
    return (ablated - spliced) / gap if gap > 0 else float("nan")


def losses(model: Model, corpus: Sequence[Texts], bases: Mapping[str, Spliced], means: Mapping[str, Tensor]) -> Losses:
    """Run a model as it is, ablated and spliced.

    Arguments:
        model: a causal language model.
        corpus: what `texts` gives.
        bases: what is spliced in, by name.
        means: the mean at each site that is written, heads side by side.

    Raises:
        InputError: a model that looks ahead; texts in which nothing is predicted.
    """
    if not (model.architecture.causal and model.architecture.d_vocab):
        raise InputError(f"{model.name} predicts no next token, so it has no such loss: leave 'loss' out of metrics=")
    n = 1 + max(int(batch.numbers.max()) for batch in corpus)
    places = list(dict.fromkeys(place for one in bases.values() for place in one.places))
    of_zero, of_mean = ({place: Loss(n) for place in places} for _ in range(2))
    found = Losses(Loss(n), of_zero, of_mean, {name: {place: Loss(n) for place in one.places} for name, one in bases.items()})
    sites = list(dict.fromkeys(part.site for one in bases.values() for part in (*one.reads, *one.writes)))
    for batch in track(corpus, "splicing"):
        ids = batch.ids.to(model.device)
        clean = model.run(ids, read=sites)
        own = _predictions(clean.logits)
        _add(found.clean, own, own, batch)
        values = {site: clean[site] for site in sites}
        for place in places:
            here = [(site, values[site]) for site in sites if Site.parse(site).name == place]
            zero = {site: torch.zeros_like(value[batch.counts]) for site, value in here}
            mean = {site: means[site].to(value).view(value.shape[2:]).expand(zero[site].shape) for site, value in here}
            _add(found.zero[place], own, _changed(model, batch, values, zero), batch)
            _add(found.mean[place], own, _changed(model, batch, values, mean), batch)
        for name, one in bases.items():
            read = torch.cat([counted(clean, part.site, batch) for part in one.reads], 1).float()
            for place, new in _by_place(one, written(one.basis, read)):
                _add(found.spliced[name][place], own, _changed(model, batch, values, new), batch)
    if not found.clean.tokens.sum():
        raise InputError("in none of the texts is a token predicted from one that counts: give texts of two tokens and more")
    return found


def written(basis: Basis, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows out"]:
    """What any basis writes for activations.

    Arguments:
        basis: any.
        x: activations, one a row.
    """
    own = getattr(basis, "reconstruct", None)
    y: Tensor = own(x) if own is not None else basis.decode(basis.encode(x))
    return y


def _by_place(one: Spliced, y: Tensor) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """What is written, by place and site."""
    by_site = dict(zip([part.site for part in one.writes], y.split([part.width for part in one.writes], dim=1), strict=True))
    for place in one.places:
        yield place, {site: value for site, value in by_site.items() if Site.parse(site).name == place}


def _changed(model: Model, batch: Texts, values: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> Float[Tensor, "text pos vocab"]:
    """The predictions where the tokens that count have other values at some sites."""
    edits = []
    for site, rows in new.items():
        value = values[site].clone()
        value[batch.counts] = rows.view(-1, *value.shape[2:]).to(value)
        edits.append(Set(site, value))
    return _predictions(model.run(batch.ids.to(model.device), edits=edits).logits)


def _predictions(logits: Tensor) -> Float[Tensor, "text pos vocab"]:
    return logits[:, :-1].float().log_softmax(-1)


def _add(loss: Loss, own: Tensor, other: Tensor, batch: Texts) -> None:
    """Take in a batch: the loss of each next token, and KL(own || other)."""
    counts = batch.counts[:, :-1]
    nats = -other.gather(-1, batch.ids[:, 1:, None].to(other.device)).squeeze(-1).cpu().double()
    apart = (own.exp() * (own - other)).sum(-1).cpu().double()
    for total, amount in ((loss.nats, nats), (loss.divergence, apart), (loss.tokens, torch.ones_like(nats))):
        total.index_add_(0, batch.numbers, (amount * counts).sum(1))
