"""How much of a probe's success is its own memory? Probes of growing capacity on a task and on its control task.

Hewitt and Liang 2019, "Designing and interpreting probes with control tasks", section 4: selectivity is the accuracy on the task less that on random
labels of the same words. Of two probes equally good at the task, the more selective one says more about the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected
from sonde.jobs import track
from sonde.probing.baselines import known_types
from sonde.probing.checked import Checked
from sonde.probing.held_out import three_parts
from sonde.probing.judging import judged
from sonde.probing.labelled import Labelled
from sonde.probing.pooling import Pooling
from sonde.probing.probes import MLP, Kind, Logistic
from sonde.probing.random_labels import control_labels
from sonde.probing.reading import read_states
from sonde.probing.states import States
from sonde.results import Drawing, InputError, Recipe, Verdict
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

CAPACITIES: dict[str, Kind] = {
    "linear, C .001": Logistic(Cs=(1e-3,)), "linear, C .1": Logistic(Cs=(0.1,)), "linear, C 10": Logistic(Cs=(10.0,)),
    "MLP of 4": MLP(hidden=4), "MLP of 32": MLP(hidden=32), "MLP of 128": MLP(hidden=128),
}  # fmt: skip
"""Probes from the simplest on."""


@dataclass(frozen=True, eq=False, repr=False)
class Selectivity(Checked):
    """Probes on a task and on its control task.

    Arguments:
        name: what was asked.
        site: where.
        width: entries that a probe reads.
        types: how many different words there are: a linear probe can remember about as many as it reads entries.
        probes: their names.
        task: whether each example of the test was told, by probe; only examples whose word occurs in the training.
        control: the same of random labels of the same words, by draw.
        groups: of each of these examples.
        notes: what was decided, left out or is suspicious.
    """

    name: str
    site: str
    width: int
    types: int
    probes: list[str]
    task: Float[Tensor, "probe example"]
    control: Float[Tensor, "probe draw example"]
    groups: Int[Tensor, " example"]
    notes: list[str]

    @property
    def selectivity(self) -> Float[Tensor, " probe"]:
        """Accuracy on the task less that on the control task."""
        return self.task.mean(1) - self.control.mean((1, 2))

    def to_frame(self) -> "DataFrame":
        """One row per probe."""
        import polars as pl

        columns = {"task": self.task.mean(1), "control": self.control.mean((1, 2)), "selectivity": self.selectivity}
        return pl.DataFrame({"probe": self.probes, **{name: values.double().tolist() for name, values in columns.items()}})

    def drawing(self) -> Drawing:
        """Task and selectivity over growing capacity; the band is the control task."""
        draws = self.control.mean(2)
        return lines(
            f"Is {self.name} read, or remembered?", "accuracy", "probe", self.probes,
            [Series(self.name, self.task.mean(1)), Series("selectivity", self.selectivity)],
            control=Series("control task", draws.mean(1), draws.amin(1), draws.amax(1)),
            note=f"{self.site}, {self.width} entries, {self.types:,} word types; {self.task.shape[1]:,} examples whose word occurs in the training",
        )  # fmt: skip

    @property
    def verdicts(self) -> list[Verdict]:
        """Is each probe better at the task than at random labels of the same words?"""
        return corrected(
            [
                compare(
                    f"A probe ({name}) reads {self.name} at {self.site} rather than remembering words.", "accuracy on examples held out", task,
                    control if len(control) > 1 else control[0], threshold=0.0, threshold_source="none: the control decides", blocks=self.groups,
                )
                for name, task, control in zip(self.probes, self.task, self.control, strict=True)
            ]
        )  # fmt: skip


def selectivity(
    model: Model, data: Labelled, site: str, probes: Mapping[str, Kind] | None = None, pooling: Pooling = "last", seeds: int = 5, share: float = 0.2,
    seed: int = 0, batch_size: int | Literal["auto"] = "auto", progress: bool = False,
) -> Selectivity:  # fmt: skip
    """Probes of growing capacity on a property and on random labels of the same words.

    Arguments:
        model: what is probed.
        data: examples of the property.
        site: one.
        probes: by name; `CAPACITIES` if not given.
        pooling: what is read of a word of several tokens.
        seeds: draws of the control task.
        share: of the examples that are kept for the test; whole groups.
        seed: of the division and of the draws.
        batch_size: texts per pass.
        progress: show bars.

    Raises:
        InputError: several sites, numbers instead of classes, no word of the test in the training, or what `read_states` refuses.
    """
    return selectivity_of(read_states(model, data, site, pooling, batch_size, progress), probes, seeds, share, seed, progress)


def selectivity_of(
    states: States, probes: Mapping[str, Kind] | None = None, seeds: int = 5, share: float = 0.2, seed: int = 0, progress: bool = False
) -> Selectivity:  # fmt: skip
    """The same for activations that were read before, or elsewhere.

    Arguments:
        states: activations of one site, with labels and words.
        probes: by name; `CAPACITIES` if not given.
        seeds: draws of the control task.
        share: of the examples that are kept for the test; whole groups.
        seed: of the division and of the draws.
        progress: show a bar.

    Raises:
        InputError: as for `selectivity`.
    """
    data, kinds = states.data, probes or CAPACITIES
    if len(states.sites) != 1:
        raise InputError(f"there are {len(states.sites)} sites ({', '.join(states.sites[:3])}, ...): give one")
    if not data.classes:
        raise InputError(f"{data.name!r} are numbers: the control task is one of classes; use sweep(probe='ridge')")
    x, parts = states[states.sites[0]], three_parts(data.groups, share, seed)
    known = known_types(states, parts)
    if not bool(known.any()):
        raise InputError("no word of the test occurs in the training, so no probe could remember it: give more examples, or words that come back")
    random = [control_labels(data, seed + draw) for draw in range(seeds)]
    task, control = [], []
    for kind in track(list(kinds.values()), "probing", shown=progress):
        right = [judged(kind, x, y, parts, len(data.classes), seed).right[known] for y in (states.y, *random)]
        task.append(right[0])
        control.append(torch.stack(right[1:]))
    arguments = {"site": states.sites[0], "probes": list(kinds), "pooling": states.pooling, "seeds": seeds, "share": share}
    recipe = Recipe.of("sonde.probing.selectivity", arguments, model_hash=states.model_hash, inputs=data.hash, seed=seed)
    return Selectivity(
        data.name, states.sites[0], x.shape[1], len(set(data.types)), list(kinds), torch.stack(task), torch.stack(control),
        data.groups[parts.test][known], list(states.notes), recipe=recipe,
    )  # fmt: skip
