"""The log-probability of every token of many rows, what they share at their beginning computed once.

    log p(t_i | t_1 ... t_{i-1})

Rows are sorted, so that those with the same beginning are neighbours. A few columns at a time are computed once for all rows that agree so far,
beside the keys and values of the columns before; from where a row has no company it goes to its end in one forward. The logits are the model's own,
formed for one batch at a time and kept nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access.engine.passes import checked
from sonde.access.forward import forward
from sonde.access.inputs import Inputs
from sonde.access.modes import takes
from sonde.jobs import rows_within, track
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access.model import Model

COLUMNS = 8  # computed at a time while rows share their beginning: fewer find more that is shared, and call the model more often
TOKENS = 4096  # of one batch: more is no faster on a processor
ROWS = 2048  # that are sorted and computed together
WORKSPACE = 2**28  # bytes that the logits of one batch may take
NONE = -1  # in the place of a token, beyond a row's end

KeysAndValues = list[tuple[Tensor, Tensor]]  # by layer: node head pos d_head


def log_likelihoods(
    model: "Model", rows: Sequence[Sequence[int]], batch_size: int | Literal["auto"] = "auto", progress: bool = False
) -> list[list[float]]:  # fmt: skip
    """The log-probability of each token of each row given those before it.

    Arguments:
        model: a causal language model, or a module that maps ids (batch pos) to logits (batch pos vocab).
        rows: token ids; none may be empty or longer than the context.
        batch_size: rows per pass.
        progress: show a bar.

    Returns:
        In natural logarithms; NaN for each row's first token, before which nothing stands.

    Raises:
        InputError: a row that the model can't take; a model that looks at later tokens.

    >>> from sonde.access import Model
    >>> from sonde.nn.transformer import Transformer, TransformerConfig
    >>> model = Model(Transformer(TransformerConfig(n_layers=1, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32)))
    >>> [len(row) for row in log_likelihoods(model, [[3, 1, 4], [3, 1]])]
    [3, 2]
    """
    checked(batch_size)
    wanted = [tuple(row) for row in rows]
    unique = sorted(set(wanted))
    if not unique:
        return []
    if model.architecture.d_vocab:
        model.prepare([unique[0], max(unique, key=len)])  # refuses what the model can't take
    shared = _keeps(model) and _agrees(model, unique)
    if not shared:
        _refuse_looking_ahead(model, max(unique, key=len))
    size = min(ROWS, _rows_kept(model, unique)) if shared else ROWS
    chunks = [unique[i : i + size] for i in range(0, len(unique), size)]
    found: dict[tuple[int, ...], list[float]] = {}
    for chunk in track(chunks, "scoring", shown=progress):
        values = (_shared if shared else _plain)(model, chunk, batch_size).tolist()
        found.update((row, value[: len(row)]) for row, value in zip(chunk, values, strict=True))
    return [found[row] for row in wanted]


def _plain(model: "Model", rows: Sequence[tuple[int, ...]], batch_size: int | Literal["auto"]) -> Float[Tensor, "row pos"]:
    """Whole rows, those of one length together."""
    ids = _padded(rows)
    values = torch.full(ids.shape, torch.nan)
    by_length: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(i)
    for length, members in by_length.items():
        for part in _batches(members, length, model, batch_size):
            batch = ids[part, :length].to(model.device)
            logits = model.run(batch).logits
            values[part, 1:length] = _told(logits[:, :-1], batch[:, 1:])
    return values


def _shared(model: "Model", rows: Sequence[tuple[int, ...]], batch_size: int | Literal["auto"]) -> Float[Tensor, "row pos"]:
    """Sorted rows, each column once for all that agree up to it."""
    ids = _padded(rows)
    lengths = torch.tensor([len(row) for row in rows]) - 1  # of what is computed: nothing follows a row's last token
    inputs = ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], NONE)
    values = torch.full(ids.shape, torch.nan)
    alive, start, kept = (lengths > 0).nonzero().flatten(), 0, _Kept([], torch.zeros(len(rows), dtype=torch.long))
    while len(alive):
        end = min(start + COLUMNS, ids.shape[1] - 1)
        columns = inputs[alive, :end]
        node = torch.cat([torch.zeros(1, dtype=torch.long), (columns[1:] != columns[:-1]).any(1).long().cumsum(0)])
        company = node.bincount()[node] > 1
        for row in _groups(alive[~company], lengths, start, model, batch_size):  # to its end at once
            stop = int(lengths[row].max())
            logits, _ = _forward(model, inputs[row, :stop], start, kept, row)
            values[row, start + 1 : stop + 1] = _told(logits, ids[row, start + 1 : stop + 1])
        alive, node = alive[company], node[company].unique_consecutive(return_inverse=True)[1]
        if not len(alive):
            break
        first = torch.cat([torch.ones(1, dtype=torch.bool), node[1:] != node[:-1]]).nonzero().flatten()
        parts = []
        for nodes in _batches(list(range(len(first))), end - start, model, batch_size):
            held = alive[first[nodes]]
            logits, cache = _forward(model, inputs[held, :end], start, kept, held)
            parts.append(cache)
            members = (node >= nodes[0]) & (node <= nodes[-1])
            row = alive[members]
            values[row, start + 1 : end + 1] = _told(logits, ids[row, start + 1 : end + 1], node[members] - nodes[0])
        kept.grow(parts, alive, node)
        alive, start = alive[lengths[alive] > end], end
    return values


@dataclass
class _Kept:
    """Keys and values of the beginnings that rows share.

    Arguments:
        cache: of every beginning.
        of: each row's beginning.
    """

    cache: KeysAndValues
    of: Int[Tensor, " row"]

    def grow(self, parts: Sequence[KeysAndValues], rows: Tensor, node: Tensor) -> None:
        """Hold longer beginnings in place of these."""
        self.cache = [(torch.cat([k for k, _ in layer]), torch.cat([v for _, v in layer])) for layer in zip(*parts, strict=True)]
        self.of[rows] = node


def _forward(model: "Model", ids: Int[Tensor, "node pos"], start: int, kept: _Kept, rows: Tensor) -> tuple[Tensor, KeysAndValues]:
    """Logits of the columns from `start` on, and the keys and values of all; beyond a row's end they mean nothing, and no token looks there."""
    from transformers import DynamicCache

    cache: Any = DynamicCache()
    if start:
        of = kept.of[rows].to(model.device)
        for layer, (key, value) in enumerate(kept.cache):
            cache.update(key[of], value[of], layer)
    whole = ids.clamp(min=0).to(model.device)
    kwargs = {"past_key_values": cache} | ({"use_cache": True} if "use_cache" in model.architecture.call else {})
    inputs = Inputs((whole[:, start:],), kwargs, len(whole), whole, torch.ones_like(whole, dtype=torch.bool), cached=start)
    run = forward(model, inputs, (), (), True)
    return run.logits, [(layer.keys, layer.values) for layer in cache.layers]


def _told(
    logits: Float[Tensor, "node pos vocab"], targets: Int[Tensor, "row pos"], node: Int[Tensor, " row"] | None = None
) -> Float[Tensor, "row pos"]:
    """The log-probability of the tokens that follow; NaN beyond a row's end.

    Arguments:
        logits: of the columns.
        targets: of each row the token after each column; fewer columns where the rows end.
        node: the row of `logits` that each row has; the same one if not given.
    """
    logits = logits[:, : targets.shape[1]].float()
    whole = logits.logsumexp(-1)
    at = targets.clamp(min=0).to(logits.device)
    if node is None:
        told = logits.gather(-1, at[..., None]).squeeze(-1) - whole
    else:
        node = node.to(logits.device)
        told = logits[node[:, None], torch.arange(at.shape[1], device=at.device), at] - whole[node]
    return told.cpu().masked_fill(targets == NONE, torch.nan)


def _padded(rows: Sequence[tuple[int, ...]]) -> Int[Tensor, "row pos"]:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[NONE] * (longest - len(row))] for row in rows])


def _groups(rows: Tensor, lengths: Tensor, start: int, model: "Model", batch_size: int | Literal["auto"]) -> list[Tensor]:
    """Rows of like length together, so that little is computed beyond a row's end."""
    ordered = rows[lengths[rows].sort(descending=True, stable=True).indices]
    found = []
    while len(ordered):
        n = _size(int(lengths[ordered[0]]) - start, model, batch_size)
        found.append(ordered[:n])
        ordered = ordered[n:]
    return found


def _batches(members: list[int], columns: int, model: "Model", batch_size: int | Literal["auto"]) -> list[list[int]]:
    n = _size(columns, model, batch_size)
    return [members[i : i + n] for i in range(0, len(members), n)]


def _size(columns: int, model: "Model", batch_size: int | Literal["auto"]) -> int:
    """How many rows of so many columns go together."""
    if batch_size != "auto":
        return batch_size
    arch = model.architecture
    row = 3 * 4 * columns * max(1, arch.d_vocab)  # the logits, a copy in float32, and what their logsumexp needs
    return max(1, min(TOKENS // columns, WORKSPACE // row, rows_within(row + 8 * columns * arch.n_layers * arch.d_model)))


def _refuse_looking_ahead(model: "Model", row: tuple[int, ...]) -> None:
    """Raise `InputError` where the last token of a row moves the logits before it."""
    other = next((token for token in row if token != row[-1]), row[-1] - 1 if row[-1] else 1)
    before, after = (model.run(torch.tensor([ids], device=model.device)).logits[:, :-1].float() for ids in (row, (*row[:-1], other)))
    if len(row) > 1 and not torch.allclose(before, after, rtol=1e-3, atol=1e-3):
        raise InputError(f"{model.name} looks at later tokens, so what it says before them is no probability of a text; use a causal language model")


def _rows_kept(model: "Model", rows: Sequence[tuple[int, ...]]) -> int:
    """How many rows may share a cache, were each to hold keys and values of its own."""
    arch = model.architecture
    return rows_within(2 * 4 * arch.n_layers * arch.d_model * max(map(len, rows)))


def _keeps(model: "Model") -> bool:
    """Whether keys and values can be handed on."""
    arch = model.architecture
    return arch.causal and bool(arch.unembed) and not arch.rows_meet and takes(model.module, arch.blocks, "past_key_values")


def _agrees(model: "Model", rows: Sequence[tuple[int, ...]]) -> bool:
    """Hold the shared computation against plain forwards, once per model, on rows that part soon and late; where they differ, this
    model's cache is no continuation, and whole rows are computed."""
    if "likelihood" not in model.verified:
        row = max(rows, key=len)
        longest = (row * (1 + 2 * COLUMNS // len(row)))[: max(len(row), 2 * COLUMNS)][: model.context or None]
        alike = COLUMNS + 1
        few = sorted({longest, longest[:-1], (*longest[:alike], *longest[:alike:-1])})
        ours, plain = _shared(model, few, 1), _plain(model, few, 1)
        real = plain.isfinite()
        off = (ours - plain)[real].abs() / plain[real].abs().clamp(min=1)
        if len(off) and not off.max() <= 100 * torch.finfo(next(model.module.parameters()).dtype).eps:
            return False
        model.verified.add("likelihood")
    return True
