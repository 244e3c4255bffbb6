"""Structural probes at every site of a model, judged on sentences that took no part, beside controls."""

from collections.abc import Sequence
from pathlib import Path

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
from sonde.probing.structure.probe import StructuralConfig, depths_of, distances_of, fit_structure
from sonde.probing.structure.results import CHAIN, RANDOM, UNTRAINED, StructuralProbes
from sonde.probing.structure.shown import Shown, hanging
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
    test = parsed.select(judged)
    distances = [tree_distances(heads) for heads in parsed.heads]
    depths = [tree_depths(heads) for heads in parsed.heads]
    gold = [gold_arcs(heads, kept) for heads, kept in zip(test.heads, test.kept, strict=True)]
    random = torch.Generator().manual_seed(seed)
    trees = {
        CHAIN: [[chain_arcs(kept) for kept in test.kept]],
        RANDOM: [[random_arcs(kept, random) for kept in test.kept] for _ in range(draws)],
    }
    controls = {name: torch.tensor([_shared(arcs, gold) for arcs in rows]).float() for name, rows in trees.items()}
    maps, depth_maps, found, correlations, depth_correlations, roots, dev = {}, {}, [], [], [], [], []
    for site in track(parsed.sites, "probing for trees", shown=progress):
        maps[site] = _fitted(parsed, site, parts, distances, True, config, seed)
        depth_maps[site] = _fitted(parsed, site, parts, depths, False, config, seed)
        said = [distances_of(h @ maps[site]) for h in test.values[site]]
        deep = [depths_of(h @ depth_maps[site]) for h in test.values[site]]
        found.append(_shared([spanning_arcs(d, kept) for d, kept in zip(said, test.kept, strict=True)], gold))
        correlations.append([_alike(d, distances[i]) for d, i in zip(said, judged, strict=True)])
        depth_correlations.append([float(spearman(d, depths[i].float())) for d, i in zip(deep, judged, strict=True)])
        roots.append([float(_least(d, kept) == heads.index(-1)) for d, kept, heads in zip(deep, test.kept, test.heads, strict=True)])
        dev.append(_share_found(parsed, parts.dev.tolist(), site, maps[site]))
    if there is not None:
        controls[UNTRAINED] = torch.tensor([
            _shared(
                [spanning_arcs(distances_of(h @ B), kept) for h, kept in zip(there.select(judged).values[site], test.kept, strict=True)], gold
            ) for site, B in ((site, _fitted(there, site, parts, distances, True, config, seed)) for site in parsed.sites)
        ]).float()  # fmt: skip
    best = parsed.sites[max(range(len(dev)), key=dev.__getitem__)]
    return StructuralProbes(
        parsed.sites, torch.tensor([len(arcs) for arcs in gold]), torch.tensor(found).float(), controls, torch.tensor(correlations),
        torch.tensor(depth_correlations), torch.tensor(roots), torch.tensor([len(words) for words in test.words]), torch.tensor(test.groups), dev,
        min(config.rank, *(B.shape[1] for B in maps.values())), maps, depth_maps,
        tuple(_drawn(test, i, best, (maps[best], depth_maps[best]), distances[judged[i]]) for i in range(min(DRAWN, len(judged)))), parsed.notes,
        recipe=Recipe.of(
            "sonde.probing.structural_probe", {**vars(config), "draws": draws, "share": share, "sites": parsed.sites},
            model_hash=parsed.model_hash, inputs=parsed.content, seed=seed,
        ),
    )  # fmt: skip


def _fitted(
    parsed: Parsed, site: str, parts: Parts, gold: Sequence[Tensor], pairs: bool, config: StructuralConfig, seed: int
) -> Float[Tensor, "width rank"]:
    """The map of one site for distances, or for depths."""
    train, dev = ([(parsed.values[site][i], gold[i]) for i in part.tolist()] for part in (parts.train, parts.dev))
    return fit_structure(train, dev, distances_of if pairs else depths_of, config, seed)


def _shared(said: Sequence[set[Arc]], gold: Sequence[set[Arc]]) -> list[int]:
    """How many arcs of each sentence are found."""
    return [len(mine & true) for mine, true in zip(said, gold, strict=True)]


def _share_found(parsed: Parsed, numbers: Sequence[int], site: str, B: Float[Tensor, "width rank"]) -> float:
    gold = [gold_arcs(parsed.heads[i], parsed.kept[i]) for i in numbers]
    said = [spanning_arcs(distances_of(parsed.values[site][i] @ B), parsed.kept[i]) for i in numbers]
    return sum(_shared(said, gold)) / max(1, sum(map(len, gold)))


def _alike(said: Float[Tensor, "word word"], gold: Tensor) -> float:
    """The rank correlation of the distances from each word, the mean over words."""
    return float(spearman(said, gold.float()).nanmean())


def _least(depths: Float[Tensor, " word"], kept: Tensor) -> int:
    """The word of the least depth, punctuation left out."""
    return int(depths.masked_fill(~kept, torch.inf).argmin())


def _drawn(test: Parsed, number: int, site: str, maps: tuple[Tensor, Tensor], gold: Tensor) -> Shown:
    h, kept, words = test.values[site][number], test.kept[number], test.words[number]
    said = distances_of(h @ maps[0])
    told = hanging(spanning_arcs(said, kept), _least(depths_of(h @ maps[1]), kept), len(words))
    return Shown(words, kept, test.heads[number], told, gold, said)
