"""Compare two dictionaries, or any two bases, on the same tokens: of one model, of one model at two sites, or of two models.

Latents match by what they do, the correlation of their activations, which needs no common space; angles are given where there is one. A latent of
the first splits into those of the second that point its way (cosine above .6), or in whose presence it is active more often than not and at least
twice as often as otherwise: a latent that is nearly always active is nobody's parent.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from sonde.access import Basis, Model
from sonde.access.inputs import Given
from sonde.bases import Codes, Neurons, codes
from sonde.dictionaries.baselines import Linear
from sonde.dictionaries.comparison.matching import angles, best_correlation, matches
from sonde.dictionaries.comparison.results import Comparison
from sonde.dictionaries.comparison.together import Together
from sonde.dictionaries.evaluation import samples
from sonde.dictionaries.evaluation.controls import controls as matched_controls
from sonde.dictionaries.evaluation.subjects import Subject, subject_of
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown

SAMPLE = 4096
"""Activations that the controls' means are taken of."""
NEURON_ROWS = 16384
"""Activations on which the neurons of two models are compared: they are never 0, and every entry of them is kept."""

Where = Model | Tensor | tuple[Model, Model] | tuple[Tensor, Tensor]


def compare(
    a: Basis, b: Basis, x: Where, site: str | tuple[str, str] | None = None, corpus: Given | None = None,
    names: tuple[str, str] = ("first", "second"), bos: bool | None = None, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Compare two bases on the same tokens.

    Arguments:
        a, b: the bases; of a smaller and a larger dictionary give the smaller one first, to see what splits.
        x: activations that both read; or those of each, row by row of the same tokens; or the model, or two models that read the same tokens.
        site: where, in a model: one for both, or one for each; dictionaries that say where they belong need none.
        corpus: what models read.
        names: of the two.
        bos: whether texts begin with that token; by default as the tokenizer does.
        seed: of the controls.

    Raises:
        InputError: other numbers of activations, models that cut the corpus into other tokens, a basis of another width.

    >>> from sonde.bases import Neurons
    >>> x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0)).relu()
    >>> compare(Neurons(4), Neurons(4), x).first.match.tolist()
    [0, 1, 2, 3]
    """
    for basis in (a, b):
        if not isinstance(basis, Basis):
            raise InputError(f"{shown(basis)} is no basis: give a dictionary, or one of sonde.bases")
    subjects, streams, models = _opened(a, b, x, site, corpus, bos)
    parts: tuple[list[Codes], list[Codes]] = ([], [])
    kept: tuple[list[Tensor], list[Tensor]] = ([], [])
    beside: dict[str, Linear] = {}
    others: dict[str, list[Codes]] = {}
    for both in track(streams, "comparing"):
        read = [subject.read(sample) for subject, sample in zip(subjects, both, strict=True)]
        for found, subject, values in zip(parts, subjects, read, strict=True):
            found.append(codes(subject.basis, values))
        if not beside:
            beside = _controls(read[1].cpu(), parts[1][0], b.size, seed)
            others = {name: [] for name in beside}
        for name, control in beside.items():
            others[name].append(codes(control, read[1].cpu()))
        if isinstance(x, tuple) and sum(map(len, kept[0])) < NEURON_ROWS:
            for held, values in zip(kept, read, strict=True):
                held.append(values.cpu())
    first, second = (Codes.together(found) for found in parts)
    chance = {name: Codes.together(found) for name, found in others.items()}
    order = torch.randperm(len(second), generator=torch.Generator().manual_seed(seed))
    chance[f"{names[1]} on other tokens"] = second.take(order.to(second.offsets.device))
    best = {name: best_correlation(Together(first, other)) for name, other in chance.items()}
    if isinstance(x, tuple):
        own, theirs = (torch.cat(held) for held in kept)
        best["neurons of the one with neurons of the other"] = best_correlation(
            Together(codes(Neurons(own.shape[1]), own), codes(Neurons(theirs.shape[1]), theirs)), least=0
        )  # fmt: skip
    pairs = matches(Together(first, second), angles(a, b))
    if isinstance(x, tuple) and len(pairs["first"].cosine):
        pairs["notes"] = (
            *pairs["notes"],
            "angles between two spaces mean something only where these are one, as those of checkpoints of one training",
        )
    return Comparison(
        names, len(first), **pairs, controls=best, model_hashes=tuple(model.hash for model in models),
        recipe=Recipe.of(
            "sonde.dictionaries.compare", {"a": a.hash, "b": b.hash, "site": site, "names": names, "bos": bos},
            model_hash=models[0].hash if models else "", inputs=[first.values, first.latents, second.values, second.latents], seed=seed,
        ),
    )  # fmt: skip


def _opened(
    a: Basis, b: Basis, x: Where, site: str | tuple[str, str] | None, corpus: Given | None, bos: bool | None
) -> tuple[list[Subject], Iterator[tuple[samples.Sample, samples.Sample]], list[Model]]:  # fmt: skip
    """The two bases with their sites, the samples of both, and the models behind them."""
    sites = site if isinstance(site, tuple) else (site, site)
    given = x if isinstance(x, tuple) else (x, x)
    if len(given) != 2 or len({isinstance(each, Model) for each in given}) > 1 or not all(isinstance(each, Model | Tensor) for each in given):
        raise InputError(f"{shown(x)}: give activations, a model, or two of either")
    models = [each for each in given if isinstance(each, Model)]
    subjects = [subject_of(basis, bool(models), where) for basis, where in zip((a, b), sites, strict=True)]
    if not models:
        if corpus is not None:
            raise InputError("corpus= is read by a model: give one in place of activations, or leave it out")
        one, other = (samples.given(each, None) for each in given if isinstance(each, Tensor))
        return subjects, _aligned(one, other), []
    if corpus is None:
        raise InputError("a model reads a corpus: give corpus=, texts or rows of token ids")
    texts = [samples.texts(model, corpus, bos) for model in models]
    if len(texts[0]) != len(texts[1]) or any(not torch.equal(p.ids, q.ids) for p, q in zip(*texts, strict=True)):
        raise InputError(
            f"{models[0].name} and {models[1].name} cut the corpus into other tokens: latents match token by token; give models with one tokenizer"
        )
    reads = [list(dict.fromkeys(part.site for part in subject.reads)) for subject in subjects]
    if models[0] is models[1]:
        both = samples.read(models[0], texts[0], list(dict.fromkeys([*reads[0], *reads[1]])))
        return subjects, ((sample, sample) for sample in both), models[:1]
    return subjects, _aligned(*(samples.read(model, texts[0], where) for model, where in zip(models, reads, strict=True))), models


def _aligned(one: Iterator[samples.Sample], other: Iterator[samples.Sample]) -> Iterator[tuple[samples.Sample, samples.Sample]]:
    for first in one:
        second = next(other, None)
        if second is None or len(first.places) != len(second.places):
            raise InputError("the two have other numbers of activations: give the same tokens to both, row by row")
        yield first, second
    if next(other, None) is not None:
        raise InputError("the two have other numbers of activations: give the same tokens to both, row by row")


def _controls(x: Tensor, seen: Codes, size: int, seed: int) -> dict[str, Linear]:
    """What is no dictionary, active as often as the second one on the first activations."""
    k = round(float(seen.counts.double().mean()))
    return {name: basis for name, basis in matched_controls(x[:SAMPLE], k, size, seed=seed).items() if "principal" not in name}
