"""Interchange interventions: is the variable that tells a prompt from its counterfactual in these coordinates of a place (Geiger et al. 2021, 2024)?

In the run of a prompt some coordinates c of a site take the values that they have in the counterfactual's run, and everything else stays:

    x' = x + decode(c') - decode(c),    c' = the counterfactual's coordinates

Where they hold the variable, the answer becomes the counterfactual's. The share of examples of which that is true is the interchange accuracy;
beside it stand the same swap of everything but these coordinates, of the whole site (activation patching), and of random subspaces as large.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access import Basis, Edit, Model, Patch, Set, Site, Swap
from sonde.access.forward import logits_for, measured
from sonde.bases import Neurons, Subspace
from sonde.evidence import compare, untestable
from sonde.evidence.parts import HALF
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Control, bars
from sonde.tasks import Accuracy, Task
from sonde.tasks.metrics import unit_of

if TYPE_CHECKING:
    from polars import DataFrame

SWAPPED, REST, ALL = "these coordinates", "everything but them", "the whole site"


@dataclass(frozen=True, eq=False, repr=False)
class Interchange(Result):
    """What an answer becomes when coordinates of a site are taken from the counterfactual.

    Arguments:
        site: where.
        size, width: how many coordinates were swapped, and how many entries the site's last axis has.
        swaps: what was swapped: the coordinates, everything but them, the whole site, then random subspaces of the same dimension.
        values: the metric under each swap.
        becomes: whether the answer is then on the side, right or wrong, on which the counterfactual's own is.
        differs: whether the answers of prompt and counterfactual are on different sides; the other examples say nothing.
        clean, corrupt: the metric of both runs.
        unit: of the metric.
    """

    site: str
    size: int
    width: int
    swaps: list[str]
    values: Float[Tensor, "swap example"]
    becomes: Bool[Tensor, "swap example"]
    differs: Bool[Tensor, " example"]
    clean: Float[Tensor, " example"]
    corrupt: Float[Tensor, " example"]
    unit: str

    @property
    def accuracy(self) -> Float[Tensor, " swap"]:
        """The interchange accuracy: the share of examples whose answer becomes the counterfactual's, of those in which the two differ; else NaN."""
        return self.becomes[:, self.differs].float().mean(1)

    @property
    def change(self) -> Float[Tensor, " swap"]:
        """The metric under each swap minus the metric as it is, the mean over examples."""
        return (self.values - self.clean).mean(1)

    def to_frame(self) -> "DataFrame":
        """One row per swap and example."""
        import polars as pl

        n = len(self.clean)
        columns = {"clean": self.clean.tolist(), "corrupt": self.corrupt.tolist(), "answers differ": self.differs.tolist()}
        return pl.DataFrame(
            {
                "swapped": [name for name in self.swaps for _ in range(n)],
                "example": list(range(n)) * len(self.swaps),
                "value": self.values.flatten().tolist(),
                "becomes the counterfactual's": self.becomes.flatten().tolist(),
                **{name: column * len(self.swaps) for name, column in columns.items()},
            }
        )

    def drawing(self) -> Drawing:
        """The interchange accuracy of the coordinates, of the rest and of the whole site as bars, with that of random subspaces as a band."""
        accuracy = self.accuracy.tolist() if self.differs.any() else [None] * len(self.swaps)
        found, random = accuracy[:3], [share for share in accuracy[3:] if share is not None]
        label = f"{len(self.swaps) - 3} random subspaces of dimension {self.size}"
        band = Control(label, sum(random) / len(random), (min(random), max(random))) if random else None
        changes = ", ".join(f"{name} {change:+.3g}" for name, change in zip(self.swaps[:3], self.change.tolist(), strict=False))
        note = f"{self.site}, {self.size} of {self.width} dimensions; {int(self.differs.sum())} examples; change in {self.unit}: {changes}."
        return bars(
            "Does the answer become the counterfactual's?", "share of examples", self.swaps[:3], found, control=band, zero="no answer does", note=note
        )

    def check(self, model: Model) -> list[Verdict]:
        """Whether most answers become the counterfactual's, and more of them than with random subspaces of the same dimension.

        Compute the result on prompts that took no part in finding the coordinates.

        Arguments:
            model: the model.
        """
        self.refuse_other(model)
        claim = f"{self.size} of the {self.width} dimensions of {self.site} hold what tells prompt and counterfactual apart."
        measure = "share of examples whose answer becomes the counterfactual's; control: random subspaces of that dimension"
        most = "half of the answers: a convention"
        if self.size >= self.width:
            reason = "these are all dimensions, so no other subspace is as large; swap fewer"
            return [untestable(claim, measure, reason, threshold=HALF, threshold_source=most)]
        hits = self.becomes[:, self.differs].double()
        return [compare(claim, measure, hits[0], hits[3:], threshold=HALF, threshold_source=most)]


def interchange(
    model: Model, task: Task, site: str | Site, basis: Basis | None = None, dims: Sequence[int] | None = None, draws: int = 10, seed: int = 0,
    batch_size: int | Literal["auto"] = "auto",
) -> Interchange:  # fmt: skip
    """Swap some coordinates of a site between each prompt and its counterfactual, and see whether the answer goes along.

    Arguments:
        model: a language model.
        task: prompts with their counterfactuals, right and wrong answers.
        site: where, with positions if they are meant, such as "blocks.2.resid_post[pos=-1]"; its last axis stays whole.
        basis: coordinates of the site's last axis; by default its own entries.
        dims: which coordinates; all of the basis by default.
        draws: how many random subspaces of the same dimension.
        seed: of the draws.
        batch_size: rows per pass.

    Raises:
        InputError: fewer than two draws. EditError: a basis or coordinates that do not fit the site. UnknownSite.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=8)
    >>> interchange(model, task, "blocks.3.resid_post[pos=-1]").accuracy[0]
    tensor(1.)
    """
    if draws < 2:
        raise InputError(f"draws={draws}: a random control says something about its spread from two draws on")
    place = Site.parse(site)
    sides = Accuracy(task.answers, task.wrongs)
    read, logits = [str(place.whole())], logits_for(task.metric)
    clean, corrupt = (model.run(rows, read=read, logits=logits, spans=task.spans) for rows in (task.clean, task.corrupt))
    old, theirs = clean[place], corrupt[place]
    width = old.shape[-1]
    swap = Swap(place, corrupt, basis or Neurons(width), dims)
    size = len(swap.dims) if swap.dims is not None else swap.basis.size
    subspaces = [Subspace.random(width, min(size, width), seed + draw) for draw in range(draws)]
    edits: list[Edit] = [swap, Set(place, old + theirs - swap.new(old)), Patch(place, corrupt)]
    edits += [Swap(place, corrupt, subspace) for subspace in subspaces]
    values, becomes = (model.sweep(task.clean, edits, metric, batch_size, spans=task.spans) for metric in (task.metric, sides))
    theirs_are = measured(sides, corrupt).cpu()
    return Interchange(
        str(place), size, width, [SWAPPED, REST, ALL, *(f"random {draw}" for draw in range(draws))],
        values.values.cpu(), becomes.values.cpu() == theirs_are, becomes.base.cpu() != theirs_are, values.base.cpu(),
        measured(task.metric, corrupt).detach().cpu(), unit_of(task.metric),
        recipe=Recipe.of(
            "sonde.patching.interchange", {"site": str(place), "basis": swap.basis.hash, "dims": swap.dims, "draws": draws},
            model_hash=model.hash, inputs=task.content, seed=seed,
        ),
    )  # fmt: skip
