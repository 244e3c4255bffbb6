"""Automatic circuit discovery: every edge is ablated in its turn, and stays ablated if the metric hardly minds (Conmy et al. 2023).

From the logits down, with C the edges that are left so far,

    C becomes C without e    if    cost(C without e) - cost(C) < threshold

for a cost such as the divergence from the whole model's prediction. Which edges go depends on which went before, so the order is a part of the
answer; of two edges that do the same work the one that is visited later stays. The decisions are those of the plain algorithm, one forward for each
edge, up to rounding; `waves` tells how many of them are made together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Graph, Metric, Model
from sonde.circuits.asking import asking
from sonde.circuits.circuit import Circuit, same_graph
from sonde.circuits.journal import Journal
from sonde.circuits.rewire import COUNTERFACTUAL, Rewired
from sonde.circuits.visiting import Order, visiting
from sonde.circuits.waves import Walk, Wave
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash, shown
from sonde.results.drawing import Series, lines
from sonde.tasks import Ablation, Task

if TYPE_CHECKING:
    from polars import DataFrame

Rule = Literal["worse", "changed"]
DRAWN = 200  # places on a curve


@dataclass(frozen=True, eq=False, repr=False)
class Acdc(Result):
    """A circuit, and the decisions that led to it.

    Arguments:
        circuit: the edges that were kept; its weights are the changes below.
        visits: the edges in the order in which they were visited: the numbers of sender and receiver.
        changes: of the metric, by the ablation of each edge in its turn, the mean over the examples: ablated minus intact, in the metric's unit.
        kept: what was decided.
        intact: the mean metric of the whole model.
        threshold: below which an edge is dropped.
        rule: whether the change counts as far as it is for the worse, or in both directions.
        states: how many sets of edges were evaluated; the plain algorithm evaluates one for each edge.
        n_waves: how many passes that took.
    """

    circuit: Circuit
    visits: Int[Tensor, "edge 2"]
    changes: Float[Tensor, " edge"]
    kept: Bool[Tensor, " edge"]
    intact: float
    threshold: float
    rule: Rule
    states: int
    n_waves: int

    @property
    def metric(self) -> Float[Tensor, " edge"]:
        """The mean metric of what was left after each decision."""
        return self.intact + torch.where(self.kept, torch.zeros_like(self.changes), self.changes).cumsum(0)

    def to_frame(self) -> "DataFrame":
        """One row per decision, in their order."""
        import polars as pl

        graph = self.circuit.graph
        return pl.DataFrame(
            {
                "sender": [graph.senders[s] for s in self.visits[:, 0].tolist()],
                "receiver": [graph.receivers[r] for r in self.visits[:, 1].tolist()],
                "change": self.changes.tolist(),
                "kept": self.kept.tolist(),
                "metric": self.metric.tolist(),
            }
        )

    def drawing(self) -> Drawing:
        """The metric of what is left, as edge after edge goes."""
        steps = torch.linspace(0, len(self.visits) - 1, min(DRAWN, len(self.visits))).long()
        note = f"{self.circuit.n_edges:,} of {len(self.visits):,} edges are kept: {self.circuit.method}; {self.states:,} states were evaluated"
        series = [Series("what is left", self.metric[steps].tolist())]
        return lines("What does the search give up?", self.circuit.unit, "edges visited", (steps + 1).tolist(), series, note=note)

    def check(self, model: Model, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Test the circuit; see `Circuit.check`.

        Arguments:
            model: the model that was searched.
            *args, **kwargs: as for `Circuit.check`: a task of other examples first.
        """
        self.refuse_other(model)
        return self.circuit.check(model, *args, **kwargs)


def acdc(
    model: Model, task: Task, threshold: float, graph: Graph | None = None, ablation: Ablation = COUNTERFACTUAL, metric: str | Metric | None = None,
    rule: Rule = "worse", order: Order = "topological", seed: int = 0, expected: Circuit | None = None, partners: Task | None = None,
    constants: Float[Tensor, "source #batch #pos d_model"] | None = None, folder: str | Path | None = None,
    batch_size: int | Literal["auto"] = "auto", show: bool = False,
) -> Acdc:  # fmt: skip
    """Find a circuit by ablating one edge after the other.

    Arguments:
        model: a language model.
        task: prompts with their counterfactual partners, and a metric: those to search on, not those to judge by.
        threshold: how much the mean metric may mind an edge that is dropped, in its unit.
        graph: which nodes there are; heads, MLPs and a joint embedding by default.
        ablation: what dropped edges carry.
        metric: `None` for the task's own, "kl" for the divergence from the whole model's prediction, another name as in `Task.with_metric`, or any.
        rule: "worse": an edge goes if that makes the metric worse by less than the threshold, so parts that stand against the answer go, too;
            "changed": if it moves it by less than the threshold in either direction. Of a divergence, "worse" is what Conmy et al. do.
        order: "topological", "random", or a permutation of the edges; see `visiting`. The circuit depends on it.
        seed: of a random order.
        expected: edges that are expected to be kept, such as a cheap ranking's. What is decided does not depend on it, only the number of states.
        partners: another task over whose counterfactuals a mean is taken.
        constants: what dropped edges carry where the kind of ablation is "optimal".
        folder: where decisions are written down, so that an interrupted search goes on where it stopped.
        batch_size: examples that go through the model together.
        show: show progress.

    Returns:
        The circuit with every decision.

    Raises:
        InputError: a threshold that is not above zero or keeps nothing; another rule or order; nothing that the ablation changes. SondeError: the
            folder is another search's.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> found = acdc(model, sonde.tasks.load("agreement", model, n=2), threshold=0.1)
    >>> 0 < found.circuit.n_edges < 40, found.states < 479
    (True, True)
    """
    if not threshold > 0 or threshold == float("inf"):
        raise InputError(f"threshold={shown(threshold)}: give a number above zero, in the unit of the metric; edges without any effect would stay")
    if rule not in ("worse", "changed"):
        raise InputError(f"rule={shown(rule)}: use 'worse' (what helps the metric may go) or 'changed' (what moves it stays)")
    graph = graph or Graph.of(model)
    asked = asking(model, task, metric)
    if expected is not None:
        same_graph(graph, expected.graph)
    visits = visiting(graph, order, seed)
    rewired = Rewired(model, graph, asked, ablation, partners, constants, batch_size)
    conditions = rewired.conditions
    cost = abs if rule == "changed" else lambda change: -conditions.sign * change
    intact, same = _start(rewired)
    walk = Walk(
        graph, visits, lambda change: cost(change) < threshold, lambda kept: rewired.values(kept).double().mean(1).tolist(), intact, same,
        torch.zeros_like(graph.real) if expected is None else expected.mask,
    )  # fmt: skip
    arguments = {
        "threshold": threshold, "graph": graph.summary, "ablation": vars(rewired.ablation), "metric": conditions.metric, "rule": rule,
        "order": order if isinstance(order, str) else content_hash(visits), "constants": constants,
    }  # fmt: skip
    inputs = task.content if partners is None else [task.content, partners.content]
    recipe = Recipe.of("sonde.circuits.acdc", arguments, model_hash=model.hash, inputs=inputs, seed=seed if order == "random" else None)
    guessed = None if expected is None else expected.mask
    journal = Journal(folder, content_hash([recipe.arguments, recipe.model_hash, recipe.inputs_hash, graph.hash, visits, guessed]))
    waves = list(journal.done)
    list(track(_deciding(walk, journal, waves), "deciding edges", total=len(visits) - sum(len(wave.changes) for wave in waves), shown=show))
    changes = torch.tensor([change for wave in waves for change in wave.changes], dtype=torch.float64)
    kept = torch.tensor([not dropped for wave in waves for dropped in wave.dropped])
    if not kept.any():
        raise InputError(
            f"threshold={threshold:g} keeps no edge: the largest change by any of them was {float(changes.abs().max()):.3g} {conditions.unit} "
            f"(the whole model has {intact:.3g}, without edges it has {walk.metric:.3g}); give a smaller threshold"
        )
    weights = torch.zeros(graph.real.shape, dtype=torch.float64)
    weights[visits[:, 0], visits[:, 1]] = changes
    direction = "" if rule == "worse" else " in either direction"
    how = f"ACDC at {threshold:g} {conditions.unit}{direction}, {order if isinstance(order, str) else 'given'} order"
    circuit = Circuit(graph, walk.kept, how, conditions, weights, recipe=recipe)
    states = sum(wave.states for wave in waves)
    return Acdc(circuit, visits, changes, kept, intact, threshold, rule, states, len(waves), recipe=recipe)


def _start(rewired: Rewired) -> tuple[float, Bool[Tensor, " sender"]]:
    """The mean metric of the whole model, and the senders whose ablated edges carry what they put out anyway."""
    base, same = [], torch.ones(len(rewired.graph.sources), dtype=torch.bool)
    for _, rewiring in rewired.chunks():
        base.append(rewiring.base)
        same &= (rewiring.carried == rewiring.current).flatten(1).all(1).cpu()
    if same.all():
        raise InputError(
            f"what ablated edges carry ({rewired.ablation}) is what they carry anyway, in all {len(rewired.task)} examples: prompts and "
            "counterfactuals are the same to this model; choose another counterfactual or another ablation"
        )
    return float(torch.cat(base).double().mean()), same.repeat_interleave(rewired.graph.n_spans)


def _deciding(walk: Walk, journal: Journal, waves: list[Wave]) -> Iterator[float]:
    """The changes by the edges that are still to be decided; each wave is written down and added to the others."""
    for wave in walk.waves(journal.done):
        journal.add(wave)
        waves.append(wave)
        yield from wave.changes
