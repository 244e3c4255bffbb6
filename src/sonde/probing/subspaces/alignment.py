"""Distributed alignment search: which directions of a place hold the variable that tells a prompt from its counterfactual (Geiger et al. 2024)?

The directions are learned with the model frozen, on some pairs, so that the prompt's answer becomes the counterfactual's when only the coordinates
along them are taken from its run; what they are worth is told on pairs that took no part. A search over so many directions finds something almost
anywhere, so beside it stand the whole site, directions that need no search, random subspaces, and the same search in a model whose weights are
permuted.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Model, Site
from sonde.bases import Subspace
from sonde.evidence import compare
from sonde.evidence.parts import HALF
from sonde.probing.checked import Checked
from sonde.probing.subspaces.pairs import Pairs
from sonde.probing.subspaces.placed import Placed, placed
from sonde.probing.subspaces.rivals import gradient, mean_difference
from sonde.probing.subspaces.search import SearchConfig, search
from sonde.probing.subspaces.swaps import Swaps
from sonde.probing.untrained import broken
from sonde.results import Drawing, InputError, Recipe, Verdict
from sonde.results.drawing import bars
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

FOUND, WHOLE, DIFFERENCE, GRADIENT = "found directions", "whole site", "mean difference", "gradient"
MOST = "half of the answers: a convention"
MEASURE = "share of held-out pairs whose answer becomes the source's; control: "


@dataclass(frozen=True, eq=False, repr=False)
class Alignment(Checked):
    """Directions that were found, and what becomes of the answers of other pairs when they are swapped.

    Arguments:
        site: where.
        subspace: the directions; a basis like any other.
        width: how many entries the site's last axis has.
        held: what becomes of pairs that took no part in the search when the directions, the whole site, the mean difference, the gradient and random
            subspaces of the same dimension are swapped.
        broken: the same of what the same search found in the model whose weights are permuted.
        curves: the loss at each step, nats, start by start.
        chosen_by: the interchange accuracy of each start, on the pairs that chose among them.
    """

    site: str
    subspace: Subspace
    width: int
    held: Swaps
    broken: Swaps
    curves: Float[Tensor, "start step"]
    chosen_by: Float[Tensor, " start"]

    @property
    def accuracy(self) -> float:
        """The interchange accuracy of the directions on held-out pairs."""
        return self.held.of(FOUND)

    @property
    def could_flip(self) -> Bool[Tensor, " pair"]:
        """Held-out pairs whose answer is not the source's before anything is swapped, in the model and in its permuted copy."""
        return self.held.differs & self.broken.differs

    def to_frame(self) -> "DataFrame":
        """One row per swap and held-out pair."""
        return self.held.frame()

    def drawing(self) -> Drawing:
        """The interchange accuracy of the directions and their rivals as bars, with that of random subspaces as a band."""
        shares = [*self.held.accuracy[: len(self.held.names) - self.held.drawn].tolist(), float(self.broken.accuracy[0])]
        names = [*self.held.names[: len(shares) - 1], "found, weights permuted"]
        note = (
            f"{self.site}, {self.subspace.size} of {self.width} dimensions; {int(self.held.differs.sum())} pairs that took no part in the search, "
            f"{len(self.curves)} starts."
        )
        band = self.held.band(self.subspace.size)
        return bars("Does the answer become the source's?", "share of pairs", names, shares, control=band, zero="no answer does", note=note)

    @property
    def verdicts(self) -> list[Verdict]:
        """Whether most held-out answers become the source's, more than with random ones, and more than the search reaches in a permuted model."""
        what, both = f"{self.subspace.size} of the {self.width} dimensions of {self.site}", self.could_flip
        return [
            compare(
                f"{what} hold what tells base and source apart.", f"{MEASURE}random subspaces of that dimension", self.held.hits(FOUND),
                self.held.by_chance, threshold=HALF, threshold_source=MOST, blocks=self.held.groups[self.held.differs],
            ),
            compare(
                f"The training put it there: {what} hold more than the same search finds in a model whose weights are permuted.",
                f"{MEASURE}the same search with permuted weights", self.held.becomes[0, both], self.broken.becomes[0, both], threshold=HALF,
                threshold_source=MOST, blocks=self.held.groups[both],
            ),
        ]  # fmt: skip


def das(
    model: Model, task: Task | Pairs, site: str | Site, size: int = 1, config: SearchConfig | None = None, draws: int = 10, seed: int = 0,
    progress: bool = False,
) -> Alignment:  # fmt: skip
    """Search for the directions of a site that hold what tells the two sides of pairs apart.

    Arguments:
        model: any model whose logits tell the answers; its weights stay as they are.
        task: prompts with their counterfactuals, or pairs of other inputs. Half of them are searched on, a fifth chooses among the starts, the others
            judge; pairs of the same words stay together.
        site: where, with positions if they are meant, such as "blocks.2.resid_post[pos=-1]"; its last axis stays whole.
        size: how many directions.
        config: of the search.
        draws: how many random subspaces of the same dimension.
        seed: of the division, the starts, the draws and the permutation.
        progress: show a bar.

    Raises:
        InputError: too few pairs, or none to search on or to judge by whose answers differ; a size that the site has not; fewer than two draws.

    >>> import sonde
        >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=16)
    >>> found = sonde.probing.das(model, task, "blocks.2.resid_post[pos=-1]", config=sonde.probing.SearchConfig(steps=10, starts=1))
    >>> found.subspace
    Subspace(1 of 128)
    """
    if draws < 2:
        raise InputError(f"draws={draws}: a random control says something about its spread from two draws on")
    pairs, config = Pairs.of(task), config or SearchConfig()
    parts = [placed(model, part, site) for part in pairs.split(seed)]
    on, choose_by, held = parts
    for part, what in ((on, "to search on"), (held, "to judge by")):
        if not part.differs.any():
            raise InputError(
                f"of the {len(part.pairs)} pairs {what} the model gives none different answers on its two sides: give more pairs, or another task"
            )
    found = search(on, choose_by, size, config, seed, progress)
    rivals = {DIFFERENCE: mean_difference(on, size), GRADIENT: gradient(on, size)}
    random = {f"random {draw}": Subspace.random(on.width, size, seed + draw) for draw in range(draws)}
    swaps = {name: held.swap(subspace) for name, subspace in (rivals | random).items()}
    return Alignment(
        str(held.site), found.subspace, held.width, held.under({FOUND: held.swap(found.subspace), WHOLE: held.patch(), **swaps}),
        _in_permuted(model, parts, size, config, seed, progress), found.curves, found.chosen_by,
        recipe=Recipe.of(
            "sonde.probing.das", {"site": str(held.site), "size": size, **vars(config), "draws": draws}, model_hash=model.hash,
            inputs=pairs.content, seed=seed,
        ),
    )  # fmt: skip


def _in_permuted(model: Model, parts: list[Placed], size: int, config: SearchConfig, seed: int, progress: bool) -> Swaps:
    """What becomes of the held-out pairs under the swap of what the same search, for the same answers, finds in a model of permuted weights."""
    permuted = broken(model, "permuted weights", seed)
    on, choose_by, held = (placed(permuted, part.pairs, part.site, part.wanted) for part in parts)
    return held.under({FOUND: held.swap(search(on, choose_by, size, config, seed, progress).subspace)})
