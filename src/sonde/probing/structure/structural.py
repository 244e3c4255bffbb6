"""Structural probes at every site of a model, judged on sentences that took no part, beside controls."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import spearman
from sonde.jobs import track
from sonde.probing.data import Sentence
from sonde.probing.held_out import Parts, three_parts
from sonde.probing.pooling import Pooling
from sonde.probing.structure.parsed import Parsed, parse, read_trees
from sonde.probing.structure.probe import Quantity, StructuralConfig, depths_of, distances_of, fit_structure
from sonde.probing.structure.results import CHAIN, RANDOM, UNTRAINED, StructuralProbes
from sonde.probing.structure.shown import Shown
from sonde.probing.structure.trees import Arc, chain_arcs, gold_arcs, random_arcs, spanning_arcs, tree_depths, tree_distances
from sonde.probing.untrained import broken
from sonde.results import InputError, Recipe

DRAWN = 5  # sentences that are kept to be drawn


def structural_probe(
    model: Model, data: str | Path | Sequence[Sentence], sites: str | Sequence[str] | None = None, config: StructuralConfig | None = None,
    pooling: Pooling = "mean", n: int | None = None, untrained: bool = True, draws: int = 10, share: float = 0.2, seed: int = 0,
    progress: bool = False,
) -> StructuralProbes:  # fmt: skip
    """Fit structural probes at every site, of distances and of depths, and hold them against held-out trees.

    Arguments:
        model: reads the sentences.
        data: a treebank in CoNLL-U, or sentences that were read.
        sites: names or globs; by default the embedding, which is a control, and what every block leaves behind.
        config: of the fit.
        pooling: how a word of several tokens becomes one vector.
        n: sentences, drawn at random; all by default.
        untrained: fit the same probes on an untrained model as well.
        draws: random trees for each sentence.
        share: of the sentences that are kept for the test; documents stay whole.
        seed: of the draws, the division and the fits.
        progress: show bars.

    Raises:
        InputError: no sentence with a tree; what `read_states` refuses; fewer than two draws.
    """
    given, notes = parse(data, n, seed=seed)
    parsed = read_trees(model, given, sites, pooling, notes, progress)
    there = read_trees(broken(model, UNTRAINED, seed), given, parsed.sites, pooling) if untrained else None
    return _studied(parsed, there, config or StructuralConfig(), draws, share, seed, progress)


def structural_probe_states(
    parsed: Parsed, config: StructuralConfig | None = None, draws: int = 10, share: float = 0.2, seed: int = 0, progress: bool = False
) -> StructuralProbes:
    """Structural probes of states that were read before, or elsewhere.

    Arguments:
        parsed: sentences with trees and states.
        config: of the fit.
        draws: random trees for each sentence.
        share: of the sentences that are kept for the test.
        seed: of the draws, the division and the fits.
        progress: show a bar.

    Raises:
        InputError: fewer than three groups of sentences, or than two draws.
    """
    return _studied(parsed, None, config or StructuralConfig(), draws, share, seed, progress)


def _studied(
    parsed: Parsed, there: Parsed | None, config: StructuralConfig, draws: int, share: float, seed: int, progress: bool
) -> StructuralProbes:  # fmt: skip
    if draws < 2:
        raise InputError(f"draws={draws}: a random control says something about its spread from two draws on")
    parts = three_parts(torch.tensor(parsed.groups), share, seed)
    # a sentence of one word and punctuation has no arc that could be found
    judged = [i for i in parts.test.tolist() if gold_arcs(parsed.heads[i], parsed.kept[i])]
    if not judged:
        raise InputError("no sentence of the test has two words that are no punctuation: give more sentences")
    distances = [tree_distances(heads) for heads in parsed.heads]
    depths = [tree_depths(heads) for heads in parsed.heads]
    test = parsed.select(judged)
    maps, depth_maps, rows, dev = dict[str, Tensor](), dict[str, Tensor](), list[_Judged](), list[float]()
    for site in track(parsed.sites, "probing for trees", shown=progress):
        maps[site] = _fitted(parsed, site, parts, distances, distances_of, config, seed)
        depth_maps[site] = _fitted(parsed, site, parts, depths, depths_of, config, seed)
        rows.append(_judged(test, site, maps[site], depth_maps[site]))
        held = parsed.select(parts.dev.tolist())
        dev.append(sum(_found(held, site, maps[site])) / max(1, sum(map(len, _gold(held)))))
    controls = _ignorant(test, draws, seed)
    if there is not None:
        same, fresh = there.select(judged), {site: _fitted(there, site, parts, distances, distances_of, config, seed) for site in parsed.sites}
        controls[UNTRAINED] = torch.tensor([_found(same, site, B) for site, B in fresh.items()]).float()
    best = parsed.sites[max(range(len(dev)), key=dev.__getitem__)]
    found, apart, down, roots = (torch.tensor([row[i] for row in rows]).float() for i in range(4))
    return StructuralProbes(
        parsed.sites, torch.tensor([len(arcs) for arcs in _gold(test)]), found, apart, down, roots, controls,
        torch.tensor([len(words) for words in test.words]), torch.tensor(test.groups), dev,
        min(config.rank, *(B.shape[1] for B in maps.values())), maps, depth_maps, _some(test, best, maps[best]), parsed.notes,
        recipe=Recipe.of(
            "sonde.probing.structural_probe", {**vars(config), "draws": draws, "share": share, "sites": parsed.sites},
            model_hash=parsed.model_hash, inputs=parsed.content, seed=seed,
        ),
    )  # fmt: skip


def _fitted(
    parsed: Parsed, site: str, parts: Parts, gold: Sequence[Tensor], quantity: Quantity, config: StructuralConfig, seed: int
) -> Float[Tensor, "width rank"]:
    """The map of one site."""
    train, dev = ([(parsed.values[site][i], gold[i]) for i in part.tolist()] for part in (parts.train, parts.dev))
    return fit_structure(train, dev, quantity, config, seed)


class _Judged(NamedTuple):
    """What a site's probes tell of each sentence."""

    found: list[int]
    spearman: list[float]
    depth_spearman: list[float]
    roots: list[float]


def _judged(test: Parsed, site: str, B: Float[Tensor, "width rank"], of_depths: Float[Tensor, "width rank"]) -> _Judged:
    far, deep = ([quantity(h @ m) for h in test.values[site]] for quantity, m in ((distances_of, B), (depths_of, of_depths)))
    # of distances the mean over words, of those from each
    apart = [float(spearman(said, tree_distances(heads).float()).nanmean()) for said, heads in zip(far, test.heads, strict=True)]
    down = [float(spearman(said, tree_depths(heads).float())) for said, heads in zip(deep, test.heads, strict=True)]
    least = [int(said.masked_fill(~kept, torch.inf).argmin()) for said, kept in zip(deep, test.kept, strict=True)]
    return _Judged(_found(test, site, B), apart, down, [float(heads[word] == -1) for word, heads in zip(least, test.heads, strict=True)])


def _found(parsed: Parsed, site: str, B: Float[Tensor, "width rank"]) -> list[int]:
    """How many arcs of each sentence are in the spanning tree of a probe's distances."""
    return _shared([spanning_arcs(distances_of(h @ B), kept) for h, kept in zip(parsed.values[site], parsed.kept, strict=True)], parsed)


def _ignorant(test: Parsed, draws: int, seed: int) -> dict[str, Float[Tensor, "draw sentence"]]:
    """How many arcs trees have that know nothing of the sentence."""
    draw = torch.Generator().manual_seed(seed)
    random = [_shared([random_arcs(kept, draw) for kept in test.kept], test) for _ in range(draws)]
    chain = [_shared([chain_arcs(kept) for kept in test.kept], test)]
    return {name: torch.tensor(rows).float() for name, rows in ((CHAIN, chain), (RANDOM, random))}


def _gold(parsed: Parsed) -> list[set[Arc]]:
    return [gold_arcs(heads, kept) for heads, kept in zip(parsed.heads, parsed.kept, strict=True)]


def _shared(said: Sequence[set[Arc]], parsed: Parsed) -> list[int]:
    """How many arcs of each sentence are in another tree, too."""
    return [len(mine & true) for mine, true in zip(said, _gold(parsed), strict=True)]


def _some(test: Parsed, site: str, B: Float[Tensor, "width rank"]) -> tuple[Shown, ...]:
    """The first sentences of the test, to be drawn."""
    some = range(min(DRAWN, len(test)))
    return tuple(Shown(test.words[i], test.kept[i], test.heads[i], distances_of(test.values[site][i] @ B)) for i in some)
