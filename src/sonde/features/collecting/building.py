"""From the codes of a corpus to the tables of a database: one row of statistics for each latent, the tokens, and the words for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from sonde import bases
from sonde.access import Basis, Model
from sonde.features.collecting import tables
from sonde.features.collecting.corpus import Corpus
from sonde.features.collecting.correlations import Related, Sums, with_latents, with_neurons
from sonde.features.collecting.directions import added_at, head_shares, largest_entries, nearest
from sonde.features.collecting.logits import Effects, effects, typical_scale, written
from sonde.results import InputError

if TYPE_CHECKING:
    from polars import DataFrame

ROWS = 2048
"""Latents in a group of the table: asked for one, DuckDB reads its group."""
LABEL = 3
"""Tokens that name a latent which has no description."""


@dataclass(frozen=True, eq=False)
class Collected:
    """What the pass over the model gave, beside the codes.

    Arguments:
        model, basis, corpus: what was run.
        writes: where the basis's directions are written.
        heads: how many heads lie side by side in what the basis reads; 0 where they are none.
        places: how many tokens were counted at each position.
        sums: of products with neurons; `None` without them.
        keep: the most codes that are kept.
        seed: of draws.
    """

    model: Model
    basis: Basis
    corpus: Corpus
    writes: str
    heads: int
    places: Tensor
    sums: Sums | None
    keep: int
    seed: int


def build(got: Collected, work: Path, out: Path) -> dict[str, Any]:
    """Write the tables of a database.

    Arguments:
        got: of the pass.
        work: holds the pieces' codes under `codes`, and takes temporary files.
        out: the folder for the tables.

    Returns:
        What is known of the whole: numbers of tokens and firings, edges of the profile, what was decided.
    """
    size, notes = got.basis.size, list(got.corpus.notes)
    connection = tables.opened(work, torch.get_num_threads())
    everything = work / "all.parquet"
    tables.sort_codes(connection, work / "codes", everything)
    n = int(got.places.sum())
    basic = tables.basic(connection, size)
    firings = int(basic["firings"].sum())
    columns: dict[str, Any] = dict(_basic_columns(basic, n))
    columns["histogram"] = tables.histograms(connection, size)
    columns["highest"] = tables.highest(connection, size)
    columns["profile"], edges = tables.profiles(connection, size, len(got.places))
    if got.sums is not None:
        columns |= _related("neurons", with_neurons(got.sums, basic["total"], basic["square"], n))
    lengths, counted = _lengths(got.corpus, len(got.places))
    related, over = with_latents(connection, size, lengths, counted, firings, got.seed)
    columns |= _related("correlated", related)
    if over < n:
        notes.append(f"correlations between latents: over {over:,} tokens, in sequences drawn at random")
    used, more = _of_directions(got, columns)
    tokens = [row.numpy().astype(np.uint32) for row in got.corpus.rows] if got.corpus.texts else _numbered(got)
    columns["label_tokens"] = _labels(tables.strongest(connection), tokens, size)
    kept = "all" if firings <= got.keep else "examples"
    if kept == "all":
        connection.close()
        everything.rename(out / "codes.parquet")
    else:
        tables.thin(connection, out / "codes.parquet", got.seed)
        connection.close()
        notes.append(
            f"{firings:,} codes are more than keep={got.keep:,}: of each latent the {tables.TOP} strongest and {tables.DRAWN} drawn from each "
            "interval of activation are kept, with those around them; the statistics are over all"
        )
    _frame(columns, size).write_parquet(out / "latents.parquet", compression="zstd", row_group_size=ROWS)
    _write_tokens(got, tokens, used, out)
    return {
        "size": size, "sequences": len(tokens), "tokens": n, "firings": firings, "kept": kept, "profile_edges": edges,
        "places": got.places.tolist(), "notes": [*notes, *more],
    }  # fmt: skip


def _basic_columns(basic: dict[str, ndarray], n: int) -> dict[str, ndarray]:
    firings = basic["firings"]
    active = np.divide(basic["total"], firings, out=np.full(len(firings), np.nan), where=firings > 0)
    return {
        "firings": firings.astype(np.uint32), "density": firings / n, "mean": basic["total"] / n, "mean_active": active,
        "minimum": basic["low"], "maximum": basic["high"],
    }  # fmt: skip


def _related(name: str, related: Related) -> dict[str, ndarray]:
    index, pearson, cosine = related.index.astype(np.int32), related.pearson.astype(np.float32), related.cosine.astype(np.float32)
    return {name: index, f"{name}_pearson": pearson, f"{name}_cosine": cosine}


def _of_directions(got: Collected, columns: dict[str, Any]) -> tuple[set[int], list[str]]:
    """Add what the directions say; the tokens that are named, and what could not be told."""
    try:
        directions = bases.directions(got.basis).float().cpu()
    except InputError as error:
        return set(), [f"no logits, neighbours or entries: {error}"]
    names = ("entries", "entries_weight", "entries_share")
    columns |= {name: column.numpy() for name, column in zip(names, largest_entries(directions), strict=True)}
    latents, cosines = nearest(directions)
    columns |= {"nearest": latents.numpy(), "nearest_cosine": cosines.numpy()}
    if got.heads:
        columns["heads"] = head_shares(directions, got.heads).numpy()
    d_fd = written(got.model, got.writes, added_at(got.basis, got.writes))
    parts = len(getattr(got.basis, "writes", ()))
    several = [f"logits and effects: of what is written at {got.writes}, one of {parts} sites"] if parts > 1 else []
    if isinstance(d_fd, str):
        return set(), [*several, f"no logits: {d_fd}"]
    scale = typical_scale(got.model, got.corpus.inputs(next(got.corpus.passes())))
    found = effects(got.model, d_fd, scale)
    columns |= {f"logits_{name}": getattr(found, name).numpy() for name in Effects.__dataclass_fields__}
    return set(torch.cat([found.top, found.bottom]).unique().tolist()), [*several, f"logits: final norm's scale held at {scale:.4g}"]


def _numbered(got: Collected) -> list[ndarray]:
    """Items have no tokens: their places are numbered."""
    return [np.arange(len(got.places), dtype=np.uint32) for _ in got.corpus.rows]


def _lengths(corpus: Corpus, places: int) -> tuple[ndarray, ndarray]:
    """How many places each sequence has, and how many of them are counted."""
    if not corpus.texts:
        return (whole := np.full(len(corpus.rows), places, dtype=np.int64)), whole
    left_out = torch.tensor(sorted(corpus.left_out), dtype=torch.int32)
    out = [int(torch.isin(row, left_out).sum()) for row in corpus.rows]
    lengths = np.array([len(row) for row in corpus.rows], dtype=np.int64)
    return lengths, lengths - np.array(out)


def _labels(strongest: Sequence[tuple[int, list[dict[str, int]]]], tokens: list[ndarray], size: int) -> list[list[int]]:
    """Of each latent the tokens on which it is most active."""
    labels: list[list[int]] = [[] for _ in range(size)]
    for latent, places in strongest:
        seen = dict.fromkeys(int(tokens[place["sequence"]][place["position"]]) for place in places)
        labels[latent] = list(seen)[:LABEL]
    return labels


def _frame(columns: dict[str, Any], size: int) -> "DataFrame":
    import polars as pl

    small = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}
    frame = {"latent": np.arange(size, dtype=np.uint32)}
    for name, column in columns.items():
        frame[name] = column.astype(small.get(column.dtype, column.dtype)) if isinstance(column, ndarray) else column
    return pl.DataFrame(frame).with_columns(pl.col("label_tokens").cast(pl.List(pl.UInt32)), pl.col("mean_active").fill_nan(None))


def _write_tokens(got: Collected, tokens: list[ndarray], used: set[int], out: Path) -> None:
    """The tokens of the corpus, and the texts of all that are named anywhere."""
    import polars as pl

    ids = pl.Series("ids", [row.tolist() for row in tokens], dtype=pl.List(pl.UInt32))
    pl.DataFrame({"sequence": np.arange(len(tokens), dtype=np.uint32), "ids": ids}).write_parquet(out / "tokens.parquet", compression="zstd")
    known = sorted(used | set(np.unique(np.concatenate(tokens)).tolist()))
    texts = got.model.tokenizer.strings(known) if got.corpus.texts and got.model.tokenizer else [str(i) for i in known]
    words = {"id": pl.Series(known, dtype=pl.UInt32), "text": pl.Series(texts, dtype=pl.String)}
    pl.DataFrame(words).write_parquet(out / "vocabulary.parquet", compression="zstd")
