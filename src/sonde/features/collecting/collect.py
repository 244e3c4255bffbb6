"""Collect a feature database: one pass over the model for all latents together, in pieces that survive being killed.

Codes are written piece by piece beside the folder, sorted by latent at the end, counted there, and moved into place in one step: a reader never sees
half a database. What was collected before an interruption is not collected again.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonde import bases
from sonde.access import Basis, Model
from sonde.features.collecting.building import Collected, build
from sonde.features.collecting.corpus import Corpus
from sonde.features.collecting.correlations import Sums
from sonde.features.collecting.pieces import Reader, in_pieces
from sonde.features.collecting.reading import read
from sonde.jobs import shards
from sonde.results import InputError, LoadError, Recipe, content_hash
from sonde.results.artifact import MANIFEST, read_manifest, write_manifest

if TYPE_CHECKING:
    from sonde.features.database import Features

KIND = "sonde.features.Features"
KEEP = 50_000_000


def collect(
    model: Model, site: str | Sequence[str], basis: Basis, corpus: Any, folder: str | Path, neurons: str | None = None, writes: str | None = None,
    context: int | None = None, leave_out: Iterable[int] | None = None, keep: int = KEEP, seed: int = 0,
) -> "Features":  # fmt: skip
    """Find where every coordinate of a basis is active in a corpus, and keep it in a folder that is asked many questions.

    Arguments:
        model: is run once over the corpus, as far as the sites.
        site: what the basis reads; several sites are put side by side, heads of one site, too.
        basis: a dictionary, neurons, principal components, random directions.
        corpus: texts; token ids by row, or as a tensor (sequence pos); or a tensor of items (item ...) for a model that reads no tokens. The places
            of an item are numbered, row by row.
        folder: for the database; made. Where a collection of the same was interrupted, it goes on.
        neurons: the site whose entries are correlated with the latents, such as an MLP's neurons; the first of the sites by default, "" for none.
        writes: where the directions are written, if elsewhere than at `site`; by default what the basis says of itself, of a crosscoder's sites the
            last. Logits and effects are those of what is written there.
        context: the longest sequence in tokens that texts make; 128 by default.
        leave_out: ids of tokens that are not counted; by default the tokenizer's special ones.
        keep: the most codes to keep. Where there are more, of each latent the strongest places and a sample of each interval of activation are kept.
            Statistics are over all in either case.
        seed: of the draws.

    Returns:
        The database, opened.

    Raises:
        InputError: a corpus without sequences; a site that the basis does not fit; activations that are not finite.
        LoadError: a folder that holds another database, or something else.

    >>> import tempfile
    >>> import sonde
    >>> from sonde.bases import Neurons
    >>> model = sonde.load("specimen:induction")
    >>> rows = [[1, 2, 3, 1, 2, 3], [5, 4, 5, 4, 5, 4]]
    >>> features = collect(model, "blocks.0.attn.out", Neurons(model.d_model), rows, tempfile.mkdtemp() + "/features")
    >>> features.about()["tokens"]
    12
    """
    from sonde.features.database import Features

    sites = (site,) if isinstance(site, str) else tuple(site)
    text = Corpus.of(model, corpus, context, leave_out)
    arguments = {
        "site": list(sites), "basis": repr(basis), "basis_hash": basis.hash, "neurons": sites[0] if neurons is None else neurons,
        "writes": writes or _written_at(basis) or sites[0], "left_out": sorted(text.left_out), "keep": keep,
    }  # fmt: skip
    recipe = Recipe.of("sonde.features.collect", arguments, model_hash=model.hash, inputs=text.hash, seed=seed)
    key = content_hash([recipe.function, recipe.arguments, recipe.model_hash, recipe.inputs_hash, seed])
    place = Path(folder)
    if _held(place, key):
        return Features.load(place, basis=basis)
    work = place.with_name(f".{place.name}.collecting")
    found = _collected(model, basis, text, arguments, work, key, seed)
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    facts = build(found, work, out)
    what = {"key": key, "model": model.name, "items": "tokens" if text.texts else "items", "names": list(basis.names), **facts}
    write_manifest(out, KIND, {**arguments, **what}, {"recipe": asdict(recipe)})
    if place.exists():
        place.rmdir()  # empty: `_held` refuses others
    out.rename(place)
    shutil.rmtree(work)
    return Features.load(place, basis=basis)


def _held(place: Path, key: str) -> bool:
    """Whether the folder holds this database already; raises `LoadError` where it holds another thing."""
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return False
    if not (place / MANIFEST).is_file():
        raise LoadError(f"{place} holds something that is no feature database: choose another folder")
    held = read_manifest(place)
    if held["kind"] != KIND or held["configuration"].get("key") != key:
        raise LoadError(f"{place} holds another collection ({held['kind']}; other model, basis, corpus or settings): choose another folder")
    return True


def _collected(model: Model, basis: Basis, corpus: Corpus, arguments: dict[str, Any], work: Path, key: str, seed: int) -> Collected:
    """Run the model, or read back what an earlier run has left."""
    sites, neurons = tuple(arguments["site"]), arguments["neurons"]
    passes = list(corpus.passes())
    density, shift = _probe(model, basis, corpus, passes[0], sites, neurons)
    reader = Reader(model, corpus, basis, sites, neurons, shift)
    pieces = in_pieces(iter(passes), corpus, density, len(shift))
    key = content_hash([key, pieces])  # how the corpus is divided decides what a piece holds
    forgotten = _forget_others(work, key)
    codes = work / "codes"
    shutil.rmtree(codes, ignore_errors=True)
    codes.mkdir(parents=True)
    places = torch.zeros(0, dtype=torch.int64)
    sums: Sums | None = None
    for i, piece in shards(reader, pieces, work / "pieces", key, "collecting"):
        _write_codes(piece, codes / f"{i:06d}.parquet")
        places = _added(places, piece["places"])
        if neurons:
            sums = _grown(sums, piece, shift)
    if not int(places.sum()):
        raise InputError("no token of the corpus is counted: all are among leave_out")
    heads = _heads(model, sites, str(arguments["writes"]))
    corpus = replace(corpus, notes=(*corpus.notes, *forgotten))
    return Collected(model, basis, corpus, str(arguments["writes"]), heads, places, sums, int(arguments["keep"]), seed)


def _probe(model: Model, basis: Basis, corpus: Corpus, numbers: list[int], sites: tuple[str, ...], neurons: str) -> tuple[float, Tensor]:
    """Entries at each place that are not 0, and the neurons' mean, on the first pass."""
    groups = [sites, *([(neurons,)] if neurons else [])]
    _, (x, *y) = read(model, corpus, numbers, groups)
    codes = bases.codes(basis, x)
    return len(codes.values) / max(1, len(codes)), (y[0].mean(0) if len(x) else y[0].new_zeros(y[0].shape[1])) if y else torch.zeros(0)


def _forget_others(work: Path, key: str) -> tuple[str, ...]:
    """Remove what an interrupted collection of something else has left, and say so."""
    name = work / "key"
    others = work.exists() and (not name.is_file() or name.read_text() != key)
    if others:
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    name.write_text(key)
    return ("began anew: an interrupted collection of something else was here",) if others else ()


def _write_codes(piece: Any, path: Path) -> None:
    import polars as pl

    kinds = {"latent": pl.UInt32, "sequence": pl.UInt32, "position": pl.UInt16 if len(piece["places"]) < 2**16 else pl.UInt32, "value": pl.Float32}
    pl.DataFrame({name: pl.Series(piece[name].numpy()).cast(kind) for name, kind in kinds.items()}).write_parquet(path, compression="lz4")


def _grown(sums: Sums | None, piece: Any, shift: Tensor) -> Sums:
    """The sums with those of one more piece."""
    products = piece["products"].double()
    if sums is None:
        return Sums(products, piece["sum"], piece["square"], shift)
    return Sums(sums.products.add_(products), sums.total + piece["sum"], sums.square + piece["square"], shift)


def _added(a: Tensor, b: Tensor) -> Tensor:
    longest = max(len(a), len(b))
    return torch.nn.functional.pad(a, (0, longest - len(a))) + torch.nn.functional.pad(b, (0, longest - len(b)))


def _written_at(basis: Basis) -> str:
    """The site that a dictionary says it writes; of several the last, as where it is attached."""
    parts: tuple[Any, ...] = getattr(basis, "writes", ())
    return str(parts[-1].site) if parts else ""


def _heads(model: Model, sites: tuple[str, ...], writes: str) -> int:
    """How many heads lie side by side in what is written, if it is heads: what a transcoder reads says nothing of where its directions lie."""
    whole = sites == (writes,) and writes.endswith("attn.z")
    return model.n_heads if whole else 0
