"""The score of a whole sentence: the sum over its tokens, as it is or per token, word or character."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.behaviour.scorers.causal import Bos, CausalScorer
from sonde.behaviour.scorers.masked import MaskedScorer
from sonde.behaviour.scorers.scorer import Scorer, own
from sonde.results import InputError, shown

Normalise = Literal["tokens", "words", "characters"] | None
SentenceMethod = Literal["sentence", "pll", "pll-word-l2r"]
PREFIX = ("one-prefix", "two-prefix")


def scorer_of(model: "Model | Scorer", method: str = "sentence", bos: Bos = None, batch_size: int | Literal["auto"] = "auto") -> Scorer:
    """The scorer that a model is under a method.

    Arguments:
        model: a model, or a scorer, which stays as it is.
        method: "pll" or "pll-word-l2r" for masked models, for which "sentence" means the latter; every other method reads from left to right.
        bos: what stands before a text, for causal models.
        batch_size: rows per pass.

    Raises:
        InputError: a method that this model does not have.
    """
    if not isinstance(model, Model):
        return model
    masked = not model.architecture.causal and model.architecture.family != "module"
    if masked and method in PREFIX:
        raise InputError(
            f"method={method!r} reads from left to right, and {model.name} fills in hidden tokens: use 'sentence', 'pll' or 'pll-word-l2r'"
        )
    if method == "pll":
        return MaskedScorer(model, "pll", batch_size)
    if method == "pll-word-l2r" or (method == "sentence" and masked):
        return MaskedScorer(model, "pll-word-l2r", batch_size)
    return CausalScorer(model, bos, batch_size)


def sentence_scores(
    model: "Model | Scorer", texts: Sequence[str], method: SentenceMethod = "sentence", normalise: Normalise = None, bos: Bos = None,
    batch_size: int | Literal["auto"] = "auto", progress: bool = False,
) -> Float[Tensor, " text"]:  # fmt: skip
    """The log-probability of whole sentences, in natural logarithms.

    Arguments:
        model: a language model with its tokenizer, or a scorer.
        texts: sentences.
        method: "sentence" (for masked models their pseudo-log-likelihood), "pll" or "pll-word-l2r" (masked models).
        normalise: divide by the number of scored "tokens", of "words", or of "characters".
        bos: what stands before a text: the tokenizer's own token where it has one; True, False, or "eos" for the end-of-sequence token.
        batch_size: rows per pass.
        progress: show a bar.

    Returns:
        One score per text. Without a token before it, a text's first token has no probability and is in no score.

    Raises:
        InputError: a text that the model can't read; a method that it does not have.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> good, bad = sentence_scores(model, ["The keys on the cabinet are old.", "The keys on the cabinet is old."]).tolist()
    >>> good > bad
    True
    """
    if method not in get_args(SentenceMethod):
        raise InputError(f"method={shown(method)}: whole sentences are scored by {', '.join(map(repr, get_args(SentenceMethod)))}")
    scorer = scorer_of(model, method, bos, batch_size)
    rows = []
    for row in scorer.rows(texts):
        if isinstance(row, InputError):
            raise row
        rows.append(row)
    values = scorer.score(rows, progress)
    return torch.tensor([total(own(value, scorer), text, normalise) for value, text in zip(values, texts, strict=True)], dtype=torch.float64)


def total(values: Sequence[float], text: str, normalise: Normalise = None) -> float:
    """The score of a sentence from its tokens' log-probabilities, exactly rounded, so that the order of the terms does not matter.

    Arguments:
        values: one per token; NaN where it has none.
        text: the sentence.
        normalise: by what it is divided.

    >>> total([-1.0, -2.0, float("nan")], "to be", "words")
    -1.5
    """
    scored = [value for value in values if value == value]  # NaN is not
    units = {None: 1, "tokens": len(scored), "words": len(text.split()), "characters": len(text)}
    if normalise not in units:
        raise InputError(f"normalise={shown(normalise)}: use None, 'tokens', 'words' or 'characters'")
    return math.fsum(scored) / max(1, units[normalise])
