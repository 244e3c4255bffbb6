"""How strongly and how often each feature of a basis is active on some text: the scale on which it is steered, and what a fair control is drawn from.

Features differ by orders of magnitude in how often they are active and in how much they add to their site. A random feature is a control for a found
one only if it is active about as often, or adds about as much; `alike` draws such ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.bases import directions
from sonde.features.places import basis_at, codes_at
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, content_hash, shown
from sonde.results.drawing import Points, scatter

if TYPE_CHECKING:
    from polars import DataFrame

ROWS = 16  # of a pass
POOL = 10  # features that are nearest in density, or in what they add: from these a control is drawn
MOST_DRAWN = 2000  # points

By = Literal["density", "norm"]


@dataclass(frozen=True, eq=False, repr=False)
class Activity(Result):
    """What the features at a site do on some text, special tokens left out.

    Arguments:
        site: of the coordinates.
        tokens: how many were looked at.
        density: the share of the tokens at which each feature is not 0.
        maximum: the largest activation of each; 0 where it never is above 0.
        added: how much each adds to its site: the mean over all tokens of its activation's size times its direction's length.
    """

    site: str
    tokens: int
    density: Float[Tensor, " feature"]
    maximum: Float[Tensor, " feature"]
    added: Float[Tensor, " feature"]

    def largest(self, feature: int) -> float:
        """A feature's largest activation: what a strength of 1 means.

        Arguments:
            feature: its number.

        Raises:
            InputError: it was never above 0, so that it has no scale.
        """
        if not 0 <= feature < len(self.maximum):
            raise InputError(f"feature {feature}: {self.site!r} has {len(self.maximum)}, counted from 0")
        if not self.maximum[feature] > 0:
            raise InputError(
                f"feature {feature} was never above 0 on these {self.tokens} tokens, so it has no maximum to take multiples of: measure its activity "
                "on more text, or choose one that is active"
            )
        return float(self.maximum[feature])

    def alike(self, features: Sequence[int], n: int, seed: int = 0, by: By = "density") -> list[tuple[int, ...]]:
        """Random sets of other features, each member one of the nearest to a found one in density or in what it adds, and above 0 somewhere.

        Arguments:
            features: the found ones.
            n: how many sets; fewer where there are not so many of a single feature.
            seed: of the draws.
            by: "density": active at as many tokens; "norm": adding as much to the site.

        Raises:
            InputError: too few other features that are active.

        >>> density = torch.tensor([0.5, 0.01, 0.02, 0.011, 0.012, 0.0])
        >>> recipe = Recipe.of("by hand", {}, model_hash="", inputs=[])
        >>> Activity("s", 100, density, torch.ones(6), density, recipe=recipe).alike([1], n=2, seed=0)
        [(3,), (4,)]
        """
        measure = {"density": self.density, "norm": self.added}.get(by)
        if measure is None:
            raise InputError(f"by={shown(by)}: use 'density' or 'norm'")
        found = list(dict.fromkeys(features))
        silent = [f for f in found if not measure[f] > 0]
        if silent:
            raise InputError(f"feature {silent[0]} is never active on these {self.tokens} tokens, so no control is like it: measure more text")
        # what never is above 0, such as some neurons, has no scale, and could not be pushed as strongly
        others = [f for f in ((measure > 0) & (self.maximum > 0)).nonzero().flatten().tolist() if f not in set(found)]
        if len(others) < max(2, len(found)):
            raise InputError(
                f"{len(others)} other features of {self.site!r} are active on these {self.tokens} tokens: too few to draw from for {len(found)}"
            )
        generator = torch.Generator().manual_seed(seed)
        logs = measure.double().clamp(min=1e-300).log()
        size = max(POOL if n > 2 else n, len(found) + 1)
        pools = [sorted(others, key=lambda other, f=f: abs(float(logs[other] - logs[f])))[:size] for f in found]  # type: ignore[misc]
        if len(found) == 1:
            order = torch.randperm(len(pools[0]), generator=generator)[:n].tolist()
            return [(pools[0][i],) for i in sorted(order)]
        return [_one_of_each(pools, generator) for _ in range(n)]

    def to_frame(self) -> "DataFrame":
        """One row per feature."""
        import polars as pl

        columns = {"density": self.density, "maximum": self.maximum, "added": self.added}
        return pl.DataFrame({"feature": list(range(len(self.density))), **{name: values.tolist() for name, values in columns.items()}})

    def drawing(self) -> Drawing:
        """How often features are active and how strongly, the first few thousand that are."""
        active = (self.density > 0).nonzero().flatten()
        some = active[:MOST_DRAWN]
        points = Points("features", self.density[some].log10(), self.maximum[some], labels=[f"feature {f}" for f in some.tolist()])
        dead = len(self.density) - len(active)
        note = f"{self.tokens} tokens; {dead} of {len(self.density)} features were never active" + (
            f", and {len(active) - len(some)} are not drawn." if len(active) > len(some) else "."
        )
        return scatter("How often and how strongly are features active?", "log10 of the share of tokens", "largest activation", [points], note=note)


def activity(model: Model, site: str, texts: Sequence[str] | Sequence[Sequence[int]], progress: bool = False) -> Activity:
    """Measure how often and how strongly features are active, in one pass.

    Arguments:
        model: on which the basis is attached.
        site: of its coordinates.
        texts: texts, or rows of token ids.
        progress: show a bar.

    Raises:
        InputError: no site of features, or no text.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> model = model.attach("blocks.1.mlp.post", sonde.bases.Neurons(model.architecture.d_mlp), "neurons")
    >>> found = activity(model, "blocks.1.mlp.post.neurons", ["The keys on the cabinet are here.", "The cat sleeps."])
    >>> found.tokens > 8, bool((found.density > 0.5).any())
    (True, True)
    """
    basis = basis_at(model, site)
    if not texts or isinstance(texts, str):
        raise InputError("activity is measured on several texts: give a list with at least one")
    lengths, total = directions(basis).norm(dim=1).double().cpu(), 0
    fired, size, maximum = (torch.zeros(basis.size, dtype=torch.float64) for _ in range(3))
    for start in track(range(0, len(texts), ROWS), "measuring", shown=progress):
        found, real = codes_at(model, site, texts[start : start + ROWS])
        kept = real[found.rows]
        values, latents = found.values[kept].double().cpu(), found.latents[kept].cpu()
        fired.index_add_(0, latents, torch.ones_like(values))
        size.index_add_(0, latents, values.abs())
        maximum.scatter_reduce_(0, latents, values, "amax")
        total += int(real.sum())
    if not total:
        raise InputError("these texts hold no tokens but special ones: give longer ones")
    recipe = Recipe.of("sonde.features.activity", {"site": site, "basis": basis.hash}, model_hash=model.hash, inputs=content_hash(list(texts)))
    return Activity(site, total, (fired / total).float(), maximum.float(), (size / total * lengths).float(), recipe=recipe)


def _one_of_each(pools: Sequence[Sequence[int]], generator: torch.Generator) -> tuple[int, ...]:
    """One feature of each pool, none twice; each pool is larger than the number of pools."""
    drawn: list[int] = []
    for pool in pools:
        left = [f for f in pool if f not in drawn]
        drawn.append(left[int(torch.randint(len(left), (1,), generator=generator))])
    return tuple(sorted(drawn))
