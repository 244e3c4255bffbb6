"""Worlds of features in the shapes that dictionaries are tested with: more features than entries, orthogonal ones, trees, groups, two sites."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from sonde.results import InputError
from sonde.specimens.features.world import World, generator


def superposed(
    width: int = 128, size: int = 512, most: float = 0.2, least: float = 0.002, exponent: float = 0.5, spread: float = 0.25, mean: float = 0.1,
    noise: float = 0.01, seed: int = 0,
) -> World:  # fmt: skip
    """Random directions, more of them than entries, that fire by Zipf's law: p_i = most i^-exponent, at least `least`.

    Arguments:
        width: entries of an activation.
        size: how many features.
        most: how often the first fires.
        least: how often the rarest do.
        exponent: of the law.
        spread: deviation of the strengths around 1.
        mean: deviation of the entries of the mean.
        noise: deviation of the noise in each entry.
        seed: of the world; no learner's seed, however small, draws the same.

    >>> world = superposed()
    >>> world.size, round(world.l0, 2)
    (512, 8.76)
    """
    return _independent(_directions(size, width, seed), _zipf(size, most, least, exponent), spread, mean, noise, seed)


def orthogonal(
    width: int = 32, size: int = 32, probability: float = 0.05, spread: float = 0.25, mean: float = 0.0, noise: float = 0.0, seed: int = 0
) -> World:  # fmt: skip
    """Directions at right angles: the case that must be recovered whole.

    Arguments:
        width, size, spread, mean, noise, seed: as for `superposed`; at most as many features as entries.
        probability: how often each fires.

    Raises:
        InputError: more features than entries.
    """
    if size > width:
        raise InputError(f"size={size}: at most {width} directions of {width} entries are at right angles to one another")
    start = torch.randn(width, size, generator=generator("directions", seed, width, size), dtype=torch.float64)
    directions = torch.linalg.qr(start)[0].T.float().contiguous()
    return _independent(directions, torch.full((size,), probability), spread, mean, noise, seed)


def hierarchical(
    width: int = 64, roots: int = 16, children: int = 3, levels: int = 2, probability: float = 0.15, given_parent: float = 0.25,
    spread: float = 0.1, mean: float = 0.0, noise: float = 0.0, seed: int = 0,
) -> World:  # fmt: skip
    """Trees of features: a child fires only with its parent, as "Paris" only with "a capital".

    What is sparser than the truth absorbs: the child's latent takes over the parent's direction, and the parent's is silent where the child fires.

    Arguments:
        width, spread, mean, noise, seed: as for `superposed`.
        roots: features that need no other.
        children: of each feature that is not at the last level.
        levels: of each tree, the root's counted.
        probability: how often a root fires.
        given_parent: how often a child does where its parent does.

    >>> world = hierarchical(roots=2, children=2, levels=3)
    >>> world.parents.tolist()
    [-1, -1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    """
    parents, level = [-1] * roots, list(range(roots))
    for _ in range(levels - 1):
        born = [parent for parent in level for _ in range(children)]
        level = list(range(len(parents), len(parents) + len(born)))
        parents += born
    above = torch.tensor(parents)
    chances = torch.where(above < 0, torch.tensor(probability), torch.tensor(given_parent))
    directions = _directions(len(above), width, seed)
    return World(directions, chances, above, torch.arange(len(above)), 0.0, spread, _mean(width, mean, seed), noise, seed)


def correlated(
    width: int = 64, groups: int = 16, members: int = 4, probability: float = 0.05, correlation: float = 0.6, spread: float = 0.25,
    mean: float = 0.0, noise: float = 0.0, seed: int = 0,
) -> World:  # fmt: skip
    """Groups of features that fire together more often than by chance, each as often as alone.

    Arguments:
        width, spread, mean, noise, seed: as for `superposed`.
        groups: how many.
        members: of each.
        probability: how often each feature fires.
        correlation: of the normal variables that decide, within a group.
    """
    size = groups * members
    of = torch.arange(groups).repeat_interleave(members)
    chances, alone = torch.full((size,), probability), torch.full((size,), -1)
    return World(_directions(size, width, seed), chances, alone, of, correlation, spread, _mean(width, mean, seed), noise, seed)


def crossed(
    width: int = 48, shared: int = 48, private: int = 16, probability: float = 0.04, spread: float = 0.25, mean: float = 0.0, noise: float = 0.0,
    seed: int = 0,
) -> World:  # fmt: skip
    """Two sites side by side, such as two models over the same tokens: features that both have, and features of one alone.

    The shared ones come first, then those of the first site, then those of the second; a shared feature has a direction of its own in each.

    Arguments:
        width: entries of each of the two sites.
        shared: how many features both have.
        private: how many each has alone.
        probability, spread, mean, noise, seed: as for `orthogonal`.

    >>> world = crossed(shared=2, private=1)
    >>> [[round(float(part.norm())) for part in direction.split(world.parts)] for direction in world.directions]
    [[1, 1], [1, 1], [1, 0], [0, 1]]
    """
    size = shared + 2 * private
    parts = _directions(2 * size, width, seed).view(2, size, width).clone()
    parts[0, shared + private :], parts[1, shared : shared + private] = 0, 0
    world = _independent(torch.cat([*parts], 1), torch.full((size,), probability), spread, mean, noise, seed)
    return World(**(vars(world) | {"parts": (width, width)}))


def _independent(directions: Tensor, chances: Tensor, spread: float, mean: float, noise: float, seed: int) -> World:
    size, width = directions.shape
    return World(directions, chances, torch.full((size,), -1), torch.arange(size), 0.0, spread, _mean(width, mean, seed), noise, seed)


def _zipf(size: int, most: float, least: float, exponent: float) -> Float[Tensor, " feature"]:
    return (most * torch.arange(1, size + 1).float().pow(-exponent)).clamp(least, most)


def _directions(size: int, width: int, seed: int) -> Float[Tensor, "feature width"]:
    return normalize(torch.randn(size, width, generator=generator("directions", seed, width, size)), dim=1)


def _mean(width: int, deviation: float, seed: int) -> Float[Tensor, " width"]:
    return deviation * torch.randn(width, generator=generator("mean", seed, width))
