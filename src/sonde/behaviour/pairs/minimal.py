"""Does a model prefer the acceptable sentence? (Warstadt et al. 2020, "BLiMP: the benchmark of linguistic minimal pairs for English")

    right if score(good) > score(bad)

strictly: a tie is wrong, and counted. Scores are log-probabilities of whole sentences, or of one word after its prefix, or pseudo-log-likelihoods.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import torch

from sonde.access import Model
from sonde.behaviour.pairs.examples import disagreeing, hardest
from sonde.behaviour.pairs.pair import Pair
from sonde.behaviour.pairs.published import Published
from sonde.behaviour.pairs.reading import PairSet, read_pairs
from sonde.behaviour.pairs.results import MinimalPairs
from sonde.behaviour.pairs.scores import Method, pair_scores
from sonde.behaviour.scorers.causal import Bos
from sonde.behaviour.scorers.scorer import Scorer
from sonde.behaviour.scorers.sentences import Normalise, scorer_of
from sonde.results import InputError, Recipe, content_hash, shown


def minimal_pairs(
    models: Model | Scorer | Sequence[Model | Scorer],
    pairs: PairSet | Sequence[Pair] | str | Path | Sequence[str | Path],
    method: Method = "sentence",
    normalise: Normalise = None,
    bos: Bos = None,
    published: Sequence[Published] = (),
    examples: int = 3,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = False,
) -> MinimalPairs:
    """Compare the two sentences of each pair under one or several models.

    Arguments:
        models: language models with their tokenizers, or scorers (`NGram`, `char_lstm`); one, or several for one table.
        pairs: pairs, or files and folders that hold them; see `read_pairs`.
        method: "sentence": whole sentences (masked models by pseudo-log-likelihood); "one-prefix": two words after the same text;
            "two-prefix": the same word after two texts; "pll" or "pll-word-l2r": the two pseudo-log-likelihoods.
        normalise: divide whole sentences by their "tokens", "words" or "characters".
        bos: what stands before a text: the tokenizer's own token where it has one; True, False, or "eos" for the end-of-sequence token.
        published: rows of others, shown beside.
        examples: how many of the hardest pairs, and of those on which models disagree, are kept token by token.
        batch_size: rows per pass.
        progress: show a bar.

    Raises:
        InputError: no pair, an unknown method, a method that a model does not have, two models of one name, or no pair that a model can read.

    >>> import sonde
    >>> from sonde.behaviour import Pair
    >>> pairs = [Pair("The keys on the cabinet are old.", "The keys on the cabinet is old.", paradigm="attractor")]
    >>> minimal_pairs(sonde.load("specimen:words"), pairs).overall[0].value
    1.0
    """
    if method not in get_args(Method):
        raise InputError(f"method={shown(method)}: use {', '.join(map(repr, get_args(Method)))}")
    several = list(models) if isinstance(models, Sequence) else [models]
    scorers = [scorer_of(one, method, bos, batch_size) for one in several]
    names = [scorer.name for scorer in scorers]
    if not names or len(set(names)) < len(names):
        raise InputError(f"models= holds {', '.join(names) or 'none'}: give at least one, and each a name of its own")
    given = _given(pairs)
    found = [pair_scores(scorer, given.pairs, method, normalise, progress) for scorer in scorers]
    for scorer, one in zip(scorers, found, strict=True):
        if not one.values.isfinite().any():
            raise InputError(f"{scorer.name} could score none of the {len(given)} pairs; the first: {one.problems[0]}")
    good, bad = (torch.stack([one.values[side] for one in found]) for side in (0, 1))
    asked = {"models": names, "files": given.files, "method": method, "normalise": normalise, "bos": bos}
    hashes = [scorer.hash for scorer in scorers]
    texts = [(pair.good, pair.bad) for pair in given.pairs]
    return MinimalPairs(
        models=names,
        kinds=[scorer.kind for scorer in scorers],
        hashes=hashes,
        pairs=given.pairs,
        good=good,
        bad=bad,
        method=method,
        normalise=normalise,
        hardest=[example for m, scorer in enumerate(scorers) for example in hardest(scorer, given.pairs, good[m], bad[m], examples)],
        disagreeing=disagreeing(scorers, given.pairs, good, bad, examples),
        published=list(published),
        problems=[*given.problems, *(problem for one in found for problem in one.problems)],
        notes=[note for one in found for note in one.notes],
        recipe=Recipe.of(
            "sonde.behaviour.minimal_pairs", asked, model_hash=hashes[0] if len(hashes) == 1 else content_hash(hashes), inputs=texts
        ),
    )  # fmt: skip


def _given(pairs: PairSet | Sequence[Pair] | str | Path | Sequence[str | Path]) -> PairSet:
    """The pairs that are meant; equal ones are left out and named."""
    if isinstance(pairs, PairSet):
        return pairs
    if isinstance(pairs, str | Path):
        return read_pairs(pairs)
    listed = list(pairs)
    if not listed:
        raise InputError("no pair: give at least one")
    if all(isinstance(one, str | Path) for one in listed):
        return read_pairs([Path(str(one)) for one in listed])
    kept, problems = [], []
    for i, pair in enumerate(listed):
        if not isinstance(pair, Pair):
            raise InputError(f"{shown(pair)} is no pair: give sonde.behaviour.Pair(good, bad), or the name of a file")
        if pair.good == pair.bad:
            problems.append(f"{pair.place or f'pair {i}'}: both sentences are {shown(pair.good, 60)}: an equal pair compares nothing")
        else:
            kept.append(pair)
    if not kept:
        raise InputError(f"no pair is left: {problems[0]}")
    return PairSet(kept, problems, [])
