"""Under which conditions a number about edges was measured.

The same circuit scores below 0 or above 1 as the kind of ablation, the granularity, the positions, the metric or the examples change (Miller,
Chughtai and Saunders 2024), so they stay with every number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sonde.access import Graph
from sonde.results import content_hash
from sonde.tasks import Ablation, Task, sign_of, unit_of


@dataclass(frozen=True)
class Conditions:
    """What was measured, on what, and what took the place of what was ablated.

    Arguments:
        ablation: what ablated edges carry.
        granularity: which nodes the graph has, at which positions.
        metric: its name.
        unit: of its values.
        better: whether more of it is better, or less.
        task: the name of the behaviour.
        examples: a hash of each example, prompt and partner.
        n_partners: how many partners the ablation is made of.
    """

    ablation: Ablation
    granularity: str
    metric: str
    unit: str
    better: Literal["more", "less"]
    task: str
    examples: tuple[str, ...]
    n_partners: int

    @staticmethod
    def of(graph: Graph | str, task: Task, ablation: Ablation, partners: Task | None = None) -> "Conditions":
        """The conditions of a measurement on a task.

        Arguments:
            graph: whose edges are ablated; or what is, in words.
            task: the examples and the metric.
            ablation: what ablated edges carry.
            partners: the task whose partners a mean is taken over, where that is another one.

        >>> import sonde
        >>> model = sonde.load("specimen:words")
        >>> task = sonde.tasks.load("agreement", model, n=4)
        >>> str(Conditions.of(Graph.of(model), task, Ablation("zero")))
        'probability difference in probability on 4 examples of agreement; ablated: zero; joint embedding, heads with q, k and v, MLPs; ...'
        """
        better: Literal["more", "less"] = "less" if sign_of(task.metric) < 0 else "more"
        return Conditions(
            replace(ablation, groups=None), graph if isinstance(graph, str) else graph.summary, name_of(task.metric), unit_of(task.metric), better,
            task.name, fingerprints(task), len(partners or task),
        )  # fmt: skip

    @property
    def n(self) -> int:
        """How many examples."""
        return len(self.examples)

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, -1 where less is."""
        return 1 if self.better == "more" else -1

    def seen(self, examples: Sequence[str]) -> int:
        """How many of some examples were among these.

        Arguments:
            examples: their hashes, as `fingerprints` gives them.
        """
        return len(set(examples) & set(self.examples))

    def __str__(self) -> str:
        return f"{self.metric} in {self.unit} on {self.n} examples of {self.task}; ablated: {self.ablation.told(self.n_partners)}; {self.granularity}"


def fingerprints(task: Task) -> tuple[str, ...]:
    """A hash of each example of a task: of its prompt and its partner, whatever the metric.

    Arguments:
        task: the task.
    """
    return tuple(content_hash(rows) for rows in zip(task.clean, task.corrupt, strict=True))


def name_of(metric: object) -> str:
    """The name of a metric in words: that of its class, or of the function that it is.

    >>> from sonde.tasks import LogitDifference
    >>> name_of(LogitDifference([1], [2]))
    'logit difference'
    """
    name = getattr(metric, "__name__", type(metric).__name__)
    return "".join(f" {c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c.lower() for i, c in enumerate(name))
