"""A text as a causal language model reads it: what it expected of each token, and where the token stands in the text.

    -ln p(t_i | t_1 ... t_{i-1})

The first token of a row has nothing before it, so nothing was expected of it: it has a surprisal only where a special token precedes it, and NaN
otherwise. A text longer than the context is refused, or read in windows that overlap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model, Tokenizer, log_likelihoods
from sonde.access.engine.passes import checked
from sonde.jobs import rows_within, track
from sonde.results import InputError, shown

WORKSPACE = 2**28  # bytes that the logits of one batch may take: more is no faster


@dataclass(frozen=True, eq=False)
class Reading:
    """One text, read.

    Arguments:
        text: the text.
        ids: its tokens, special ones included.
        tokens: their texts.
        spans: where each stands in the text, in characters; `None` for special tokens put around it.
        nats: the surprisal of each token; NaN where nothing stands before it.
        groups: of the distribution after each token, the log-probability that the next one is in each group of tokens.
    """

    text: str
    ids: list[int]
    tokens: list[str]
    spans: list[tuple[int, int] | None]
    nats: Float[Tensor, " pos"]
    groups: Float[Tensor, "group pos"]


@dataclass(frozen=True)
class _Window:
    """Tokens `begin` to `end` of a text, those from `scored` on counting."""

    text: int
    begin: int
    scored: int
    end: int


def readings(
    model: Model,
    texts: Sequence[str],
    bos: bool | None = None,
    stride: int | None = None,
    groups: Bool[Tensor, "group vocab"] | None = None,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = False,
) -> list[Reading]:
    """Read texts.

    Arguments:
        model: a causal language model with its tokenizer.
        texts: any number of them.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
        stride: for texts beyond the context: how many new tokens each further window holds, the rest of it being what stands before them.
        groups: sets of tokens whose probability is wanted after each token.
        batch_size: rows per pass.
        progress: show a bar.

    Raises:
        InputError: a model that is no causal language model, an empty text, one beyond the context without `stride`.
    """
    tokenizer = causal_tokenizer(model)
    refuse_stride(model, stride)
    checked(batch_size)
    for i, text in enumerate(texts):
        refuse_text(model, text, f"text {i}", bos, stride)
    ids = [tokenizer.encode(text, bos) for text in texts]
    spans = [tokenizer.located(text, bos) for text in texts]
    windows = [window for i, row in enumerate(ids) for window in _windows(i, len(row), model.context, stride)]
    nats = [torch.full((len(row),), torch.nan) for row in ids]
    masses = [torch.full((0 if groups is None else len(groups), len(row)), torch.nan) for row in ids]
    rows = [ids[w.text][w.begin : w.end] for w in windows]
    for w, (nat, mass) in zip(windows, _told(model, rows, groups, batch_size, progress), strict=True):
        nats[w.text][w.scored : w.end] = nat[w.scored - w.begin :]
        # what is said after a token belongs to the window that scores the next one
        masses[w.text][:, w.scored - 1 : w.end] = mass[:, w.scored - w.begin - 1 :]
    return [
        Reading(text, row, tokenizer.strings(row), span, nat, mass)
        for text, row, span, nat, mass in zip(texts, ids, spans, nats, masses, strict=True)
    ]


def causal_tokenizer(model: Model) -> Tokenizer:
    """The tokenizer of a causal language model; raises `InputError` for any other model, with the way out."""
    if model.tokenizer is None:
        raise InputError("surprisal is of texts, and this model was loaded without a tokenizer: load it with tokenizer=")
    if not model.architecture.causal or not model.architecture.d_vocab:
        raise InputError(
            f"surprisal reads from left to right, and {model.name} ({model.architecture.family}) is no causal language model: a masked one scores "
            "whole sentences by pseudo-log-likelihood, as in sonde.behaviour.minimal_pairs"
        )
    return model.tokenizer


def unknown_words(model: Model, read: Sequence[Reading]) -> list[str]:
    """A note on tokens that stand for any word that the vocabulary lacks; none where there are none."""
    unknown = causal_tokenizer(model).unknown_id
    n = 0 if unknown is None else sum(reading.ids.count(unknown) for reading in read)
    return [f"{n} tokens stand for words that the vocabulary lacks, and have the surprisal of any such word"] if n else []


def refuse_stride(model: Model, stride: int | None) -> None:
    """Raise `InputError` where windows of the model's context can't hold so many new tokens."""
    if stride is not None and (stride < 1 or (model.context and stride >= model.context)):
        raise InputError(f"stride={stride}: a window of {model.context} tokens holds between 1 and {model.context - 1} new ones")


def refuse_text(model: Model, text: str, name: str, bos: bool | None = None, stride: int | None = None) -> None:
    """Raise `InputError` for a text that can't be read.

    Arguments:
        model, text, bos, stride: as for `readings`.
        name: what the text is called in the message.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{name} is {shown(text)}: give a text of at least one word")
    length, context = len(causal_tokenizer(model).encode(text, bos)), model.context
    if context and length > context and stride is None:
        raise InputError(
            f"{name} has {length} tokens and the model's context is {context}: shorten it, or give stride=, the number of new tokens in each "
            f"window (such as {context // 2}), and it is read in windows"
        )


def _windows(text: int, length: int, context: int, stride: int | None) -> Iterator[_Window]:
    end = min(length, context) if context else length
    yield _Window(text, 0, 1, end)
    while end < length:
        assert stride is not None
        scored, end = end, min(end + stride, length)
        yield _Window(text, end - context, scored, end)


def _told(
    model: Model, rows: Sequence[list[int]], groups: Bool[Tensor, "group vocab"] | None, batch_size: int | Literal["auto"], progress: bool
) -> list[tuple[Float[Tensor, " pos"], Float[Tensor, "group pos"]]]:  # fmt: skip
    """Of each row the surprisal of its tokens, and the log-probability of the groups after each."""
    if groups is None:
        values = log_likelihoods(model, rows, batch_size, progress)
        return [(-torch.tensor(value), torch.empty(0, len(value))) for value in values]
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for batch in track(list(_batches(rows, model.architecture.d_vocab, batch_size)), "reading", shown=progress):
        run = model.run([rows[i] for i in batch])
        for at, i in enumerate(batch):
            logits = run.logits[at, : len(rows[i])].float()
            whole = logits.logsumexp(-1)
            told = logits[:-1].gather(-1, torch.tensor(rows[i][1:], device=logits.device)[:, None]).squeeze(-1)
            inside = logits.masked_fill(~groups.to(logits.device)[:, None], -torch.inf).logsumexp(-1)
            found[i] = torch.cat([torch.tensor([torch.nan]), (whole[:-1] - told).cpu()]), (inside - whole).cpu()
    return [found[i] for i in range(len(rows))]


def _batches(rows: Sequence[list[int]], d_vocab: int, batch_size: int | Literal["auto"]) -> Iterator[list[int]]:
    """Rows of like length together, so that little is padded."""
    waiting = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    while waiting:
        row = 3 * 4 * len(rows[waiting[0]]) * d_vocab  # the logits, a copy in float32, and what their logsumexp needs
        n = min(rows_within(row), max(1, WORKSPACE // row)) if batch_size == "auto" else batch_size
        yield waiting[:n]
        waiting = waiting[n:]
