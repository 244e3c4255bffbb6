"""The phase diagram: is the last feature left out, given a dimension of its own, or put into superposition? By experiment and by exact theory.

With n = m + 1 features, the last of importance r and the others of importance 1, of which each is present with probability p = 1 - S, three kinds of
solution compete. A feature that is left out is replaced by its mean and costs its variance; two features on opposite sides of one dimension cost
only where both are present, and then each the square of the smaller one:

    left out        r v,            v = p / 3 - p^2 / 4
    dedicated       min(v, p^2 / 3)      another feature is left out, or (from n = 3) two others are opposite
    superposition   p^2 (1 + r) / 6      it is opposite to another feature

For n = 2 the boundaries are r = 2 p / (4 - 5 p) and its inverse; they meet at p = 4 / 7. The costs are those of unit vectors without bias, which
training may still improve. Elhage et al. (2022), section "Superposition as a phase change".
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.evidence import compare
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash
from sonde.results.drawing import beside, matrix
from sonde.superposition.toy.geometry import solids, told
from sonde.superposition.toy.inputs import Features
from sonde.superposition.toy.measures import REPRESENTED, interference
from sonde.superposition.toy.training import Setting, ToyTraining, train

if TYPE_CHECKING:
    from polars import DataFrame

PHASES = ("left out", "dedicated", "superposition")
SHARED = 0.5
"""The last feature is in superposition where others are read with more than this, (sum_j (hat W_n . W_j)^2)."""
DRAWS = 50
SPARSITY = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98)
IMPORTANCE = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
COLOURS = torch.tensor([0.0, 1.0, -1.0])


@dataclass(frozen=True, eq=False, repr=False)
class PhaseDiagram(Result):
    """The phase of the last feature, by sparsity and importance; made by `phase_diagram`.

    Arguments:
        sparsity: of the columns.
        importance: of the last feature, relative to each other's; of the rows.
        found: the phase of the best trained model, a number of `PHASES`.
        theory: the phase whose solution costs least.
        loss: of the best trained model.
        cost: of the cheapest solution on paper.
        solids: what the features of the best model make.
    """

    sparsity: tuple[float, ...]
    importance: tuple[float, ...]
    found: Int[Tensor, "importance sparsity"]
    theory: Int[Tensor, "importance sparsity"]
    loss: Float[Tensor, "importance sparsity"]
    cost: Float[Tensor, "importance sparsity"]
    solids: list[list[str]]

    @property
    def agrees(self) -> Bool[Tensor, "importance sparsity"]:
        """Where training found the phase that theory expects."""
        return self.found == self.theory

    def to_frame(self) -> "DataFrame":
        """One row for each cell."""
        import polars as pl

        rows = [
            {
                "importance": r, "sparsity": s, "found": PHASES[int(self.found[i, j])], "theory": PHASES[int(self.theory[i, j])],
                "loss": float(self.loss[i, j]), "cost": float(self.cost[i, j]), "solids": self.solids[i][j],
            }
            for i, r in enumerate(self.importance)
            for j, s in enumerate(self.sparsity)
        ]  # fmt: skip
        return pl.DataFrame(rows)

    def drawing(self) -> Drawing:
        """Both diagrams: what training found, with the solids, and what costs least on paper."""
        losses = [[f"loss {a:.3g}, on paper {b:.3g}" for a, b in zip(*row, strict=True)] for row in zip(self.loss, self.cost, strict=True)]
        found = [[f"{solid}; {loss}" for solid, loss in zip(*row, strict=True)] for row in zip(self.solids, losses, strict=True)]
        return beside(
            "What becomes of the last feature?",
            [("experiment", self._map("Found by training", self.found, found)), ("theory", self._map("Cheapest on paper", self.theory, losses))],
            note=f"Training and theory agree in {int(self.agrees.sum())} of {self.agrees.numel()} cells.",
        )

    def check(self, seed: int = 0) -> list[Verdict]:  # type: ignore[override]
        """Whether training finds what theory expects, beside the same phases in cells drawn at random.

        Arguments:
            seed: of the draws.
        """
        generator = torch.Generator().manual_seed(seed)
        orders = [torch.randperm(self.found.numel(), generator=generator) for _ in range(DRAWS)]
        shuffled = torch.stack([(self.found.flatten()[order] == self.theory.flatten()).double() for order in orders])
        return [
            compare(
                "Training finds the phase that costs least on paper.", "share of the cells", self.agrees.flatten().double(), shuffled,
                exceeding="draw", threshold=0.8, threshold_source="four cells of five: close to a boundary two phases cost the same",
            )
        ]  # fmt: skip

    def _map(self, title: str, phases: Tensor, details: list[list[str]]) -> Drawing:
        named = [[f"{PHASES[int(k)]}: {text}" for k, text in zip(*row, strict=True)] for row in zip(phases, details, strict=True)]
        return matrix(
            title, "phase", COLOURS[phases].flip(0), row_name="importance", rows=[f"{r:.3g}" for r in reversed(self.importance)],
            col_name="sparsity S", cols=[f"{s:.3g}" for s in self.sparsity], details=named[::-1], limit=1.0, zero="left out",
            note="1: a dimension of its own; -1: in superposition; 0: left out. Importance beside that of each other feature.",
        )  # fmt: skip


def costs(p: Float[Tensor, "*cell"], r: Float[Tensor, "*cell"], n: int) -> Float[Tensor, "phase *cell"]:
    """What each phase costs at least, by the solutions above.

    Arguments:
        p: the probability that a feature is present.
        r: the importance of the last feature.
        n: features, one more than dimensions.

    >>> costs(torch.tensor(4 / 7), torch.tensor(1.0), n=2)
    tensor([0.1088, 0.1088, 0.1088])
    """
    variance = p / 3 - p**2 / 4
    dedicated = variance if n == 2 else variance.minimum(p**2 / 3)
    return torch.stack([r * variance, dedicated + 0 * r, p**2 * (1 + r) / 6])


def phase_diagram(
    n: int = 2, sparsity: Sequence[float] = SPARSITY, importance: Sequence[float] = IMPORTANCE,
    config: ToyTraining | None = None, seed: int = 0, folder: str | Path | None = None, progress: bool = False,
) -> PhaseDiagram:  # fmt: skip
    """Train toy models with one feature more than dimensions, at every sparsity and importance of the last one.

    Arguments:
        n: features; the dimensions are one fewer.
        sparsity: of the columns.
        importance: of the last feature, relative to the others, of the rows.
        config: of the training.
        seed: of weights and inputs.
        folder: where a checkpoint is kept; the same call goes on from there.
        progress: show a bar.

    Returns:
        The phase in each cell, by experiment and by theory.

    Raises:
        InputError: fewer than two features, or no cell.
    """
    if n < 2 or not sparsity or not importance or min(importance) <= 0:
        raise InputError(f"n={n}, {len(sparsity)} sparsities, importances {list(importance)}: give two features or more, and importances above 0")
    config = config or ToyTraining(seeds=4)
    settings = [Setting(float(s), (1.0,) * (n - 1) + (float(r),)) for r in importance for s in sparsity]
    W, b, loss = train(settings, n - 1, Features(n), config, seed, None if folder is None else Path(folder), progress)
    best = W[torch.arange(len(W)), loss.argmin(1)]
    cells = (len(importance), len(sparsity))
    p, r = 1 - torch.tensor(sparsity).expand(cells), torch.tensor(importance)[:, None].expand(cells)
    paper = costs(p, r, n)
    arguments = {"n": n, "sparsity": list(sparsity), "importance": list(importance), **asdict(config)}
    recipe = Recipe.of("sonde.superposition.phase_diagram", arguments, model_hash=content_hash([W, b]), inputs=settings, seed=seed)
    named = [told(solids(one)) for one in best]
    return PhaseDiagram(
        tuple(sparsity), tuple(importance), phases(best).view(cells), paper.argmin(0), loss.min(1).values.view(cells), paper.min(0).values,
        [named[i : i + cells[1]] for i in range(0, len(named), cells[1])], recipe=recipe,
    )  # fmt: skip


def phases(W: Float[Tensor, "*instance m n"]) -> Int[Tensor, "*instance"]:
    """The phase of the last feature, a number of `PHASES`.

    Arguments:
        W: weights of toy models.

    >>> [PHASES[int(k)] for k in phases(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, -1.0]]]))]
    ['left out', 'dedicated', 'superposition']
    """
    length = W[..., -1].norm(dim=-1)
    read = interference(W)[..., -1, :-1] / length.clamp_min(torch.finfo(W.dtype).tiny)[..., None]
    shared = read.square().sum(-1) > SHARED
    return torch.where(length <= REPRESENTED, 0, torch.where(shared, 2, 1))
