"""The table of a model without its layers: which token would follow which, if nothing but the present token counted.

The direct path takes a token's embedding through the final norm straight to the unembedding (Elhage et al. 2021, "A Mathematical Framework for
Transformer Circuits"): with E the embedding, N the model's own final norm and U its unembedding,

    P(next = b | token = a) = softmax(N(E[a]) U + bias)[b]

A network of zero layers learns the bigrams of its text in it. In a deeper one the table is what is left of them for the direct path. The norm is
that of the embedding by itself, and embeddings of positions are left out.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import InputError, Recipe, SiteUnavailable, shown
from sonde.weights.corpora import Rows, bigram_counts, rows_of
from sonde.weights.tables import Bigrams

PER_PASS = 512


def bigrams(model: Model, texts: Rows | None = None, k: int = 10, draws: int = 10, seed: int = 0, progress: bool = False) -> Bigrams:
    """Read off which token the direct path puts after which, beside the bigrams of a text.

    Arguments:
        model: a causal language model of a known family.
        texts: texts, or rows of token ids, whose bigrams the table is compared with; without them there is the table alone.
        k: how many next tokens are kept for each token.
        draws: how often the control is drawn: the same table with the rows of the tokens that occur shuffled.
        seed: of the control.
        progress: show it in a terminal.

    Raises:
        SiteUnavailable: a model without unembedding, or that is not causal.
        InputError: no text with two tokens; a number that is none.

    >>> import sonde
    >>> table = bigrams(sonde.load("specimen:words-small"), k=3)
    >>> table.top.shape[1]
    3
    """
    refuse_without_direct_path(model)
    if not 1 <= k <= model.architecture.d_vocab:
        raise InputError(f"k={shown(k)}: a table keeps from 1 to {model.architecture.d_vocab} next tokens")
    if draws < 2:
        raise InputError(f"draws={shown(draws)}: a control is drawn at least twice")
    rows = [] if texts is None else rows_of(model, texts)
    pairs, counts = bigram_counts(rows)
    told = _Told(pairs, draws, seed)
    top, probability = [], []
    passes = list(torch.arange(model.architecture.d_vocab).split(PER_PASS))
    for ids, log_p in zip(passes, track(_logs(model, passes), "reading the table", len(passes), progress), strict=True):
        best = log_p.topk(k, dim=-1)
        top.append(best.indices)
        probability.append(best.values.exp())
        told.look(ids, log_p)
    return Bigrams(
        tokens=token_names(model),
        top=torch.cat(top),
        probability=torch.cat(probability),
        pairs=pairs,
        counts=counts,
        log_probability=told.own,
        losses=_by_row(rows, pairs, told.own[None])[0],
        shuffled=_by_row(rows, pairs, told.shuffled),
        recipe=Recipe.of("sonde.weights.bigrams", {"k": k, "draws": draws}, model_hash=model.hash, inputs=rows, seed=seed),
    )


def refuse_without_direct_path(model: Model) -> None:
    """Raise `SiteUnavailable` where no path leads from tokens straight to the logits.

    Arguments:
        model: that is asked.
    """
    arch = model.architecture
    if not arch.unembed or not arch.embed or not arch.d_vocab:
        raise SiteUnavailable(
            f"{model.name} ({arch.family}) has no unembedding over its tokens, so no path leads from a token to the next one's logits"
        )
    if not arch.causal:
        raise SiteUnavailable(f"{model.name} ({arch.family}) fills in masked tokens: it predicts no next token, so there are no bigrams to read")


def token_names(model: Model) -> list[str]:
    """The text of every token of the vocabulary; numbers where there is no tokenizer, or none of this number.

    Arguments:
        model: whose.
    """
    n, tokenizer = model.architecture.d_vocab, model.tokenizer
    known = 0 if tokenizer is None else min(n, tokenizer.vocab_size)
    return [*(tokenizer.strings(range(known)) if tokenizer is not None else []), *(f"[{i}]" for i in range(known, n))]


def _logs(model: Model, passes: Sequence[Tensor]) -> Iterator[Float[Tensor, "token vocab"]]:
    """The logarithms of the table's rows, some tokens at a time."""
    arch = model.architecture
    for ids in passes:
        with torch.no_grad():
            stream = model.embed(ids.to(model.device))
            if arch.embed_norm:
                stream = model.module.get_submodule(arch.embed_norm)(stream)
            yield model.unembed(stream).float().log_softmax(-1).cpu()


class _Told:
    """What the table tells of the pairs that occur, and what it tells with the rows of the tokens that occur shuffled."""

    def __init__(self, pairs: Int[Tensor, "pair 2"], draws: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.seconds = pairs[:, 1]
        firsts, place = pairs[:, 0].unique(return_inverse=True)
        self.rows = [pairs[:, 0], *(firsts[torch.randperm(len(firsts), generator=generator)][place] for _ in range(draws))]
        self.found = torch.zeros(draws + 1, len(pairs))

    def look(self, ids: Tensor, log_p: Tensor) -> None:
        """Note what some rows of the table tell."""
        for found, row in zip(self.found, self.rows, strict=True):
            own = (row >= ids[0]) & (row <= ids[-1])
            found[own] = log_p[row[own] - ids[0], self.seconds[own]]

    @property
    def own(self) -> Float[Tensor, " pair"]:
        return self.found[0]

    @property
    def shuffled(self) -> Float[Tensor, "draw pair"]:
        return self.found[1:]


def _by_row(rows: Sequence[Sequence[int]], pairs: Int[Tensor, "pair 2"], logs: Float[Tensor, "draw pair"]) -> Float[Tensor, "draw row"]:
    """The mean loss of each row's pairs."""
    place = {pair: i for i, pair in enumerate(map(tuple, pairs.tolist()))}
    losses = [-logs[:, [place[pair] for pair in pairwise(row)]].mean(1) for row in rows]
    return torch.stack(losses, 1) if losses else torch.zeros(len(logs), 0)
