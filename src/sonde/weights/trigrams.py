"""What each head looks for and what it makes of it, in tokens: skip-trigrams "source ... destination -> out".

A head's two circuits speak of tokens alone (Elhage et al. 2021): with E the embedding and U the unembedding,

    looks[B, A]  = E QK E^T      how much destination B looks at source A
    writes[A, C] = E OV U        how much looking at A raises C

each standardised over its last axis, so that heads and tokens can be compared; a skip-trigram's score is the product of both. As the two are a
product, "A ... B -> C" and "A ... B' -> C'" force "A ... B -> C'" too, whether the text has it or not: the bugs of this form are listed beside.
Positions are left out, and in later blocks the stream is taken to hold the token's embedding, as if nothing had been added to it.
"""

from collections.abc import Sequence
from itertools import pairwise, permutations

import torch
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown
from sonde.weights.bigrams import refuse_without_direct_path, token_names
from sonde.weights.corpora import Rows, rows_of
from sonde.weights.distances import attention_by_distance
from sonde.weights.linear import LinearMap
from sonde.weights.maps import embedding, ov, qk, unembedding
from sonde.weights.trigram_results import SkipTrigrams

Triple = tuple[int, int, int]  # source, destination, out


def skip_trigrams(
    model: Model, layers: Sequence[int] | None = None, k: int = 20, near: int = 8, tokens: Sequence[int] | None = None, texts: Rows | None = None,
    progress: bool = False,
) -> SkipTrigrams:  # fmt: skip
    """List the skip-trigrams that each head raises most, those that it lowers most, and the ones that its form forces.

    Arguments:
        model: a causal language model of a known family.
        layers: of these blocks; of all by default.
        k: how many of each head.
        near: destinations and outs that are tried with each source.
        tokens: these tokens only; by default all but special ones.
        texts: texts, or rows of token ids, in which the skip-trigrams are counted; on the first of them how far back heads look is measured, too.
        progress: show it in a terminal.

    Raises:
        SiteUnavailable: a family whose scores or heads have no maps of their own. InputError: no such block; numbers below 1; fewer than 4 tokens.
    """
    import polars as pl

    refuse_without_direct_path(model)
    if k < 1 or near < 1:
        raise InputError(f"k={shown(k)}, near={shown(near)}: take 1 or more of each")
    ids = torch.tensor(_ordinary(model) if tokens is None else list(tokens))
    if len(ids) < 4 or int(ids.min()) < 0 or int(ids.max()) >= model.architecture.d_vocab:
        raise InputError(f"tokens: take four or more, from 0 to {model.architecture.d_vocab - 1}")
    E, U = LinearMap((embedding(model).rows(ids),)), _columns(unembedding(model), ids)
    rows = [] if texts is None else rows_of(model, texts)
    names, found = token_names(model), []
    chosen = list(range(model.n_layers) if layers is None else layers)
    for layer in track(chosen, "reading heads", shown=progress):
        looks, writes = E @ qk(model, layer) @ E.T, E @ ov(model, layer) @ U
        for head in range(model.n_heads):
            found += [{"head": f"{layer}.{head}"} | one for one in _of_head(looks[head], writes[head], ids, k, near)]
    counts = _counted(rows, {(one["source"], one["destination"], one["out"]) for one in found}) if rows else {}
    for one in found:
        triple = one["source"], one["destination"], one["out"]
        one["label"] = _label(names[one["source"]], names[one["out"]])
        one["seen"] = counts.get(triple, 0) if rows else None
        one |= {key: names[one[key]] for key in ("source", "destination", "out")}
    columns = {"head": pl.String, "kind": pl.String, "source": pl.String, "destination": pl.String, "out": pl.String, "looks": pl.Float64,
               "writes": pl.Float64, "score": pl.Float64, "label": pl.String, "seen": pl.Int64, "forced_by": pl.String}  # fmt: skip
    forced = [one | {"forced_by": _forced(one.pop("parents", ()), names)} for one in found]
    attention, first = attention_by_distance(model, rows, chosen)
    arguments = {"layers": chosen, "k": k, "near": near, "tokens": None if tokens is None else list(tokens)}
    return SkipTrigrams(
        found=pl.DataFrame(forced, schema=columns),
        tokens=len(ids),
        counted=bool(rows),
        layers=chosen,
        attention=attention,
        first=first,
        recipe=Recipe.of("sonde.weights.skip_trigrams", arguments, model_hash=model.hash, inputs=rows),
    )


def _of_head(looks: LinearMap, writes: LinearMap, ids: Tensor, k: int, near: int) -> list[dict]:  # type: ignore[type-arg]
    """The skip-trigrams of one head: those it raises, those it lowers, and those that two of the raised ones force."""
    near = min(near, len(ids))
    look, destination = looks.standardised().T.top_of_rows(near)
    standard = writes.standardised()
    found = []
    for kind, largest in (("raised", True), ("lowered", False)):
        write, out = standard.top_of_rows(near, largest)
        products = look.clamp(min=0)[:, :, None] * write[:, None, :]
        best = products.flatten().topk(min(k, products.numel()), largest=largest).indices
        for place in best.tolist():
            source, b, c = place // near**2, place // near % near, place % near
            triple = int(ids[source]), int(ids[destination[source, b]]), int(ids[out[source, c]])
            if products[source, b, c]:
                found.append(_row(kind, triple, float(look[source, b]), float(write[source, c])))
    return found + _bugs([one for one in found if one["kind"] == "raised"])


def _bugs(raised: list[dict]) -> list[dict]:  # type: ignore[type-arg]
    """What two raised skip-trigrams of one source force, crosswise."""
    known: dict[Triple, dict] = {}  # type: ignore[type-arg]
    for first, second in permutations(raised, 2):
        if first["source"] != second["source"] or first["destination"] == second["destination"] or first["out"] == second["out"]:
            continue
        triple = first["source"], first["destination"], second["out"]
        parents = tuple((one["source"], one["destination"], one["out"]) for one in (first, second))
        known.setdefault(triple, _row("forced", triple, first["looks"], second["writes"]) | {"parents": parents})
    return sorted(known.values(), key=lambda one: -one["score"])


def _row(kind: str, triple: Triple, looks: float, writes: float) -> dict:  # type: ignore[type-arg]
    source, destination, out = triple
    return {"kind": kind, "source": source, "destination": destination, "out": out, "looks": looks, "writes": writes, "score": looks * writes}


def _counted(rows: Sequence[Sequence[int]], asked: set[Triple]) -> dict[Triple, int]:
    """How often each stands in a text: the source anywhere before the destination, and the out right after it."""
    sources: dict[tuple[int, int], list[int]] = {}
    for source, destination, out in asked:
        sources.setdefault((destination, out), []).append(source)
    counts = dict.fromkeys(asked, 0)
    for row in rows:
        before: set[int] = set()
        for destination, out in pairwise(row):
            for source in sources.get((destination, out), ()):
                counts[source, destination, out] += source in before
            before.add(destination)
    return counts


def _ordinary(model: Model) -> list[int]:
    """All tokens but special ones, at which heads rest that find nothing to look at."""
    tokenizer = model.tokenizer
    special = {tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id} if tokenizer is not None else set()
    return [i for i in range(model.architecture.d_vocab) if i not in special]


def _columns(found: LinearMap, ids: Tensor) -> LinearMap:
    *others, last = found.factors
    return LinearMap((*others, last[:, ids]), found.notes)


def _label(source: str, out: str) -> str:
    """What kind of skip-trigram it is, by its source and what it raises."""
    if source == out:
        return "copies"
    return "copies in another form" if source.strip(" ·").casefold() == out.strip(" ·").casefold() else "other"


def _forced(parents: tuple[Triple, ...], names: list[str]) -> str:
    return " and ".join(f"{names[a]!r} ... {names[b]!r} -> {names[c]!r}" for a, b, c in parents)
