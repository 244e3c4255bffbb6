"""Take away the examples that bear most on a query, train again, and look: does its loss rise, does its prediction flip?

The counterfactual that a list of influential examples claims (Koh and Liang 2017; as a test of scores Park et al. 2023, "brittleness"). Beside it
stand the same number of examples drawn at random, and of nearest neighbours: what any list of similar examples would do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.evidence import compare, t_interval
from sonde.influence.losses import CrossEntropy, Loss
from sonde.influence.results import Scores
from sonde.influence.retraining import asked_again, numbered, seeds_of
from sonde.influence.training import Run, Training, training_of
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown

if TYPE_CHECKING:
    from polars import DataFrame

RANDOM = "random examples"


@dataclass(frozen=True, eq=False, repr=False)
class RemovalCurve(Result):
    """What queries' losses and predictions become without the examples that bear most on them.

    Arguments:
        methods: by whose scores examples were taken away; the last one is the random control.
        ks: how many examples were taken away.
        rise: by how much the query's loss rose, mean over seeds.
        flips: in which share of the seeds its prediction is another one; `None` where the loss knows no classes.
        queries: what they are, in a few words.
        n: how many training examples there are.
        seeds: of training.
        training: how models were trained.
    """

    methods: list[str]
    ks: list[int]
    rise: Float[Tensor, "method k query"]
    flips: Float[Tensor, "method k query"] | None
    queries: list[str]
    n: int
    seeds: list[int]
    training: str

    def fewest(self, method: str) -> list[int | None]:
        """The fewest examples, of the numbers that were tried, without which a query's prediction flips in most seeds; `None` where none did.

        Arguments:
            method: by whose scores.

        Raises:
            InputError: a method that was not tried; a loss without classes.
        """
        if method not in self.methods:
            raise InputError(f"{method!r} was not tried: there is {', '.join(map(repr, self.methods))}")
        if self.flips is None:
            raise InputError("this loss knows no classes, so there is no prediction to flip: look at rise")
        flipped = self.flips[self.methods.index(method)] > 0.5
        return [next((k for k, hit in zip(self.ks, column, strict=True) if hit), None) for column in flipped.T.tolist()]

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Do queries suffer more from losing these examples than from losing as many others?

        The model is that of the first method's scores.
        """
        self.refuse_other(model)
        return self.verdicts()

    def verdicts(self) -> list[Verdict]:
        """The first method against each control, at the largest number of examples."""
        first, rest = self.methods[0], list(enumerate(self.methods))[1:]
        return [
            compare(
                f"Training without the {self.ks[-1]} examples that {first} names raises a query's loss more than training without as many {name}.",
                "rise of the query's loss, nats", self.rise[0, -1], self.rise[place, -1], threshold=0.0, threshold_source="a rise at all",
            )
            for place, name in rest
        ]  # fmt: skip

    def to_frame(self) -> "DataFrame":
        """One row per method, number of examples and query."""
        import polars as pl

        m, k, q = self.rise.shape
        rows: dict[str, Any] = {
            "method": [name for name in self.methods for _ in range(k * q)], "removed": [one for one in self.ks for _ in range(q)] * m,
            "query": list(range(q)) * (m * k), "rise": self.rise.flatten().cpu().numpy(),
        }  # fmt: skip
        return pl.DataFrame(rows | ({} if self.flips is None else {"flips": self.flips.flatten().cpu().numpy()}))

    def drawing(self) -> Drawing:
        """The rise of the loss over the number of examples, and how often predictions flip."""
        from sonde.results.drawing import Series, lines, tabs

        note = f"Mean over {len(self.queries)} queries with its 95 % interval, over {len(self.seeds)} seed(s); {self.training}."

        def curve(title: str, unit: str, values: Tensor) -> Drawing:
            drawn = []
            for name, rows in zip(self.methods, values, strict=True):
                ends = [t_interval(row) if len(row) > 1 else (float(row.mean()),) * 2 for row in rows]
                drawn.append(Series(name, rows.mean(1).tolist(), [low for low, _ in ends], [high for _, high in ends]))
            return lines(title, unit, "examples taken away", self.ks, drawn[:-1], control=drawn[-1], note=note)

        rise = curve("What does a query lose without the examples that bear most on it?", "rise of its loss, nats", self.rise)
        if self.flips is None:
            return rise
        flips = curve("How often does its prediction flip?", "share of trainings", self.flips)
        return tabs("What happens without the examples that bear most on a query?", [("loss", rise), ("prediction", flips)])


def removal(
    scores: Scores | Mapping[str, Scores], training: Training | Callable[[list[int], int], nn.Module], train_set: Any, query: Any,
    loss: Loss | None = None, ks: Sequence[int] = (5, 10, 20, 50), seeds: int | Sequence[int] = 3, seed: int = 0, folder: str | Path | None = None,
) -> RemovalCurve:  # fmt: skip
    """Train again without the most helpful examples of each query, and without as many random ones.

    Arguments:
        scores: of these queries; several by name, the first is the one that is judged, others (`nearest`) are controls.
        training, train_set, query, loss, folder: as for `retrain_without`.
        ks: how many examples are taken away, increasing.
        seeds: of training, how many or which; one run for each method, number, query and seed.
        seed: of the random examples.

    Raises:
        InputError: numbers that are not increasing, or leave nothing; scores of other queries or examples.

    >>> from sonde.influence import CrossEntropy, SoftmaxRegression, exact, trained
    >>> x, y = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)).double(), torch.arange(60) % 3
    >>> training = SoftmaxRegression(3, decay=0.1)
    >>> scores = exact(trained(training, (x, y)), (x, y), CrossEntropy(), damping=0.1).scores((x[:2], y[:2]))
    >>> removal(scores, training, (x, y), (x[:2], y[:2]), ks=(5,)).rise.shape
    torch.Size([2, 1, 2])
    """
    several = {scores.method: scores} if isinstance(scores, Scores) else dict(scores)
    chosen, examples, queries, metric = training_of(training), numbered(train_set), numbered(query, "query"), loss or CrossEntropy()
    n, asked = len(examples), len(queries)
    numbers = list(ks)
    if not numbers or any(isinstance(k, bool) or not isinstance(k, int) for k in numbers) or sorted(set(numbers)) != numbers or numbers[0] < 1:
        raise InputError(f"ks={shown(ks)}: give increasing numbers of examples from 1")
    if numbers[-1] >= n:
        raise InputError(f"ks={shown(ks)}: there are {n} examples, and nothing would be left")
    if not several:
        raise InputError("there are no scores to judge: give those of one method or more")
    for name, one in several.items():
        if tuple(one.values.shape) != (asked, n):
            raise InputError(
                f"the scores of {name!r} are of {tuple(one.values.shape)} (queries, examples), and there are {(asked, n)}: give those of the same"
            )
    generator = torch.Generator().manual_seed(seed)
    orders = [one.values.argsort(dim=1, descending=True, stable=True) for one in several.values()]
    orders.append(torch.stack([torch.randperm(n, generator=generator) for _ in range(asked)]))
    every, drawn = tuple(range(n)), seeds_of(seeds, chosen)
    runs = [Run(every, s, tuple(order[q, :k].tolist())) for s in drawn for order in orders for k in numbers for q in range(asked)]
    whole = [Run(every, s) for s in drawn]
    metrics = {"loss": metric, **({"prediction": predicted(metric)} if isinstance(metric, CrossEntropy) else {})}
    found = asked_again(chosen, examples, queries, metrics, [*runs, *whole], folder)
    shape = (len(drawn), len(orders), len(numbers), asked, asked)

    def own(values: Tensor) -> Tensor:
        """Of each run the value of the query that it is about."""
        return values[: len(runs)].view(shape).diagonal(dim1=3, dim2=4)

    def before(values: Tensor) -> Tensor:
        return values[len(runs) :][:, None, None, :]

    rise = (own(found["loss"]) - before(found["loss"])).mean(0)
    flips = None if "prediction" not in found else (own(found["prediction"]) != before(found["prediction"])).double().mean(0)
    recipe = Recipe.of(
        "sonde.influence.removal",
        {"ks": numbers, "seeds": drawn, "training": str(chosen), **{name: str(one.recipe) for name, one in several.items()}},
        model_hash=next(iter(several.values())).recipe.model_hash, inputs=[examples.fingerprint, queries.fingerprint], seed=seed,
    )  # fmt: skip
    labels = [queries.label(q) for q in range(asked)]
    return RemovalCurve([*several, RANDOM], numbers, rise, flips, labels, n, drawn, str(chosen), recipe=recipe)


@dataclass(frozen=True)
class _Predicted:
    """The class that a model gives."""

    loss: CrossEntropy

    def __call__(self, module: nn.Module, batch: Any) -> Tensor:
        return self.loss.outputs(module, batch).argmax(-1).double()


def predicted(loss: CrossEntropy) -> Loss:
    """The metric that is the number of the class a model predicts.

    Arguments:
        loss: that the model was trained with.
    """
    return _Predicted(loss)
