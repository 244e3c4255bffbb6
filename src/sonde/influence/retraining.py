"""The truth of influence: what values queries have once the model was trained again without some of its examples.

`retrain_on_subsets` trains on random subsets, over which the linear datamodelling score is taken (Park et al. 2023, "TRAK: Attributing Model
Behavior at Scale"); `retrain_without` leaves out single examples, or groups of them. Training is a noisy measurement: another seed gives another
value. With the agreement r of one seed with another, the mean of R seeds has the reliability R r / (1 + (R - 1) r) (Spearman and Brown 1910), and
no score that knows nothing of the noise can correlate with it by more than the root of that: the ceiling that belongs beside every figure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.evidence import spearman
from sonde.influence.examples import Examples, TensorExamples, examples_of
from sonde.influence.losses import CrossEntropy, Loss, name_of
from sonde.influence.taken import label_all
from sonde.influence.training import Run, Training, training_of
from sonde.jobs import shards
from sonde.results import Drawing, InputError, Recipe, Result, content_hash, shown

if TYPE_CHECKING:
    from polars import DataFrame

HALVINGS = 50  # ways to cut the seeds in two that are looked at


@dataclass(frozen=True)
class Ceiling:
    """How well retraining agrees with itself, as mean rank correlations over queries.

    Arguments:
        one: one seed against another.
        halves: the mean of half of the seeds against that of the others.
        reliability: of the mean over all seeds, from `one` by Spearman and Brown's formula.
        bound: its root, beyond which no score can come but by chance; 1 where training is not random.
        seeds: how many.
    """

    one: float
    halves: float
    reliability: float
    bound: float
    seeds: int

    def __str__(self) -> str:
        if self.seeds == 0:
            return "training is not random: the ceiling is 1"
        return (
            f"ceiling {self.bound:.3f} (one seed against another {self.one:.3f}, the mean of {self.seeds} has the reliability {self.reliability:.3f})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class RetrainTruth(Result):
    """What queries' values are after training on some of the examples.

    Arguments:
        kind: "subsets", or "without".
        members: which examples each model was trained on.
        values: of the queries.
        whole: of the models that were trained on all examples with the same seeds, where examples were left out.
        seeds: of training; one 0 where training is not random.
        random: whether seeds matter.
        queries, examples: what they are, in a few words.
        of: what was asked about.
        training: how models were trained.
    """

    kind: str
    members: Bool[Tensor, "model example"]
    values: Float[Tensor, "seed model query"]
    whole: Float[Tensor, "seed query"] | None
    seeds: list[int]
    random: bool
    queries: list[str]
    examples: list[str]
    of: str
    training: str

    @property
    def effects(self) -> Float[Tensor, "seed model query"]:
        """By how much values change against training on everything; against the mean of the subsets where that was not trained."""
        return self.values - (self.values.mean(1, keepdim=True) if self.whole is None else self.whole[:, None])

    @property
    def target(self) -> Float[Tensor, "model query"]:
        """What scores are held against: the mean over seeds."""
        return self.effects.double().mean(0)

    def ceiling(self) -> Ceiling:
        """How well retraining agrees with itself.

        Raises:
            InputError: one seed, which can't be compared.
        """
        if not self.random:
            return Ceiling(1.0, 1.0, 1.0, 1.0, 0)
        R = len(self.seeds)
        if R < 2:
            raise InputError("one seed can't be compared with another: train over 2 seeds or more")
        effects = self.effects.double()
        one = float(torch.stack([_agreement(effects[a], effects[b]) for a, b in combinations(range(R), 2)]).mean())
        halvings = list(combinations(range(R), R // 2))[:HALVINGS]
        rest = [[s for s in range(R) if s not in half] for half in halvings]
        halves = float(torch.stack([_agreement(effects[list(a)].mean(0), effects[b].mean(0)) for a, b in zip(halvings, rest, strict=True)]).mean())
        reliability = R * one / (1 + (R - 1) * one)
        return Ceiling(one, halves, reliability, max(0.0, reliability) ** 0.5, R)

    def to_frame(self) -> "DataFrame":
        """One row per seed, model and query."""
        import polars as pl

        _, m, q = self.values.shape
        places = torch.cartesian_prod(torch.tensor(self.seeds), torch.arange(m), torch.arange(q)).view(-1, 3)
        columns = dict(zip(("seed", "model", "query"), places.T, strict=True))
        columns |= {"value": self.values.flatten(), "effect": self.effects.flatten()}
        return pl.DataFrame({name: column.cpu().numpy() for name, column in columns.items()})

    def drawing(self) -> Drawing:
        """How far retraining agrees with itself."""
        from sonde.results.drawing import bars

        told = self.ceiling()
        names = ["one seed against another", "half of the seeds against the others", "reliability of the mean", "no score can exceed"]
        note = f"{self.training}; {self.values.shape[1]} trainings over {len(self.seeds)} seed(s), {len(self.queries)} queries."
        values = [told.one, told.halves, told.reliability, told.bound]
        return bars(
            "How well does retraining agree with itself?", "rank correlation, mean over queries", names, values, zero="no agreement", note=note
        )


def retrain_on_subsets(
    training: Training | Callable[[list[int], int], nn.Module], train_set: Any, query: Any, loss: Loss | None = None, of: Loss | None = None,
    subsets: int = 100, share: float = 0.5, seeds: int | Sequence[int] = 5, seed: int = 1, folder: str | Path | None = None,
) -> RetrainTruth:  # fmt: skip
    """Train on random subsets of the examples, and ask each model.

    Arguments:
        training: `Descent`, `SoftmaxRegression`, or a function `(indices, seed) -> module`.
        train_set: what the runs choose from, as for `fit`.
        query: what the models are asked.
        loss: of the examples; `CrossEntropy()` if not given.
        of: what is asked about; the loss if not given.
        subsets: how many.
        share: of the examples that each holds.
        seeds: of training, how many or which; one run for each subset and seed.
        seed: of the draw of subsets.
        folder: keep finished runs here, so that what was interrupted goes on.

    Returns:
        The values, with which `lds` judges scores.

    Raises:
        InputError: a share that leaves no example in, or none out.

    >>> from sonde.influence.training import SoftmaxRegression
    >>> x, y = torch.randn(20, 4), torch.arange(20) % 3
    >>> retrain_on_subsets(SoftmaxRegression(3), (x, y), (x[:2], y[:2]), subsets=8).values.shape
    torch.Size([1, 8, 2])
    """
    chosen, examples = training_of(training), numbered(train_set)
    n = len(examples)
    size = round(share * n) if isinstance(share, float) and 0 < share < 1 else 0
    if not 0 < size < n:
        raise InputError(f"share={shown(share)} of {n} examples leaves none in or none out: give a share between 0 and 1")
    if isinstance(subsets, bool) or not isinstance(subsets, int) or subsets < 3:
        raise InputError(f"subsets={shown(subsets)}: an order takes 3 subsets or more")
    generator = torch.Generator().manual_seed(seed)
    held = [tuple(torch.randperm(n, generator=generator)[:size].tolist()) for _ in range(subsets)]
    runs = [[Run(members, s) for members in held] for s in seeds_of(seeds, chosen)]
    return _truth("subsets", chosen, examples, query, loss, of, runs, None, folder, {"subsets": subsets, "share": share, "seed": seed})


def retrain_without(
    training: Training | Callable[[list[int], int], nn.Module], train_set: Any, query: Any, loss: Loss | None = None, of: Loss | None = None,
    groups: Sequence[Sequence[int] | int] | None = None, seeds: int | Sequence[int] = 5, folder: str | Path | None = None,
) -> RetrainTruth:  # fmt: skip
    """Train without one example, or a group of them, at a time; with the same seeds, first weights and order as on everything.

    What is left out keeps its place in the order with a weight of zero, where the training allows that, so the objective's 1/n stays.

    Arguments:
        training, train_set, query, loss, of, folder: as for `retrain_on_subsets`.
        groups: what is left out, one run for each: a number, or several; every example by itself if not given.
        seeds: of training, how many or which.

    Returns:
        The values, with which `leave_one_out` judges scores.

    >>> from sonde.influence.training import SoftmaxRegression
    >>> x, y = torch.randn(20, 4), torch.arange(20) % 3
    >>> retrain_without(SoftmaxRegression(3), (x, y), (x[:2], y[:2]), groups=[0, [1, 2]]).target.shape
    torch.Size([2, 2])
    """
    chosen, examples = training_of(training), numbered(train_set)
    n = len(examples)
    out = [(g,) if isinstance(g, int) else tuple(int(i) for i in g) for g in (range(n) if groups is None else groups)]
    if not out:
        raise InputError("nothing is left out: give numbers of examples, or groups of them")
    for group in out:
        if wrong := [i for i in group if not 0 <= i < n]:
            raise InputError(f"a group holds example {shown(wrong[0])}, and there are {n} (0 to {n - 1})")
        if len(set(group)) == n:
            raise InputError(f"a group holds all {n} examples, and nothing is left to train on")
    every = tuple(range(n))
    found = seeds_of(seeds, chosen)
    runs = [[Run(every, s, group) for group in out] for s in found]
    return _truth("without", chosen, examples, query, loss, of, runs, [Run(every, s) for s in found], folder, {"groups": len(out)})


def trained(training: Training | Callable[[list[int], int], nn.Module], train_set: Any, seed: int = 0) -> nn.Module:
    """The model that a training makes of all examples.

    Arguments:
        training, train_set: as for `retrain_on_subsets`.
        seed: of the training.

    >>> from sonde.influence.training import SoftmaxRegression
    >>> trained(SoftmaxRegression(3), (torch.randn(20, 4), torch.arange(20) % 3))(torch.randn(2, 4).double()).shape
    torch.Size([2, 3])
    """
    examples = numbered(train_set)
    return training_of(training)(examples, [Run(tuple(range(len(examples))), seed)])[0]


def _truth(
    kind: str, training: Training, examples: Examples, query: Any, loss: Loss | None, of: Loss | None, runs: list[list[Run]],
    whole: list[Run] | None, folder: str | Path | None, asked: dict[str, Any],
) -> RetrainTruth:  # fmt: skip
    queries, metric = numbered(query, "query"), of or loss or CrossEntropy()
    values = asked_again(training, examples, queries, {"value": metric}, [*(run for row in runs for run in row), *(whole or [])], folder)["value"]
    R, m = len(runs), len(runs[0])
    members = torch.ones(m, len(examples), dtype=torch.bool)
    for row, run in enumerate(runs[0]):
        members[row] = False
        members[row, list(run.indices)] = True
        members[row, list(run.without)] = False
    seeds = [row[0].seed for row in runs]
    recipe = Recipe.of(
        f"sonde.influence.retrain_{'on_subsets' if kind == 'subsets' else 'without'}", {**asked, "seeds": seeds, "training": str(training)},
        model_hash=training.fingerprint, inputs=[examples.fingerprint, queries.fingerprint],
    )  # fmt: skip
    return RetrainTruth(
        kind, members, values[: R * m].view(R, m, -1), None if whole is None else values[R * m :], seeds, training.random, label_all(queries),
        label_all(examples), name_of(metric) if of is not None else f"the loss, {name_of(metric)}", str(training), recipe=recipe,
    )  # fmt: skip


def asked_again(
    training: Training, examples: Examples, queries: Examples, metrics: Mapping[str, Loss], runs: Sequence[Run], folder: str | Path | None = None
) -> dict[str, Float[Tensor, "run query"]]:  # fmt: skip
    """The values of queries after each run.

    Arguments:
        training: how.
        examples, queries: on what, and what is asked.
        metrics: from a module and a batch to values, by name.
        runs: the trainings.
        folder: keep finished ones here.
    """
    pieces = _alike(runs, training.at_once)
    batch = queries.batch(range(len(queries)))

    def work(places: list[int]) -> dict[str, Tensor]:
        modules = _trained(training, examples, [runs[i] for i in places])
        with torch.no_grad():
            return {name: torch.stack([of(module, _like(batch, module)).double().cpu() for module in modules]) for name, of in metrics.items()}

    named = {name: name_of(of) for name, of in metrics.items()}
    key = content_hash([training.fingerprint, examples.fingerprint, queries.fingerprint, named, [repr(run) for run in runs]])
    found = {name: torch.empty(len(runs), len(queries), dtype=torch.float64) for name in metrics}
    for i, result in shards(work, pieces, folder, key, "training again"):
        for name, values in result.items():
            if values.shape[1:] != (len(queries),):
                raise InputError(f"{named[name]} gave {tuple(values.shape[1:])} for {len(queries)} queries: it must give one number for each")
            found[name][pieces[i]] = values
    if not all(bool(torch.isfinite(values).all()) for values in found.values()):
        raise InputError("a model that was trained again gives values that are no finite numbers: its training has not converged (lower the rate)")
    return found


def _trained(training: Training, examples: Examples, runs: list[Run]) -> list[nn.Module]:
    with torch.enable_grad():
        return training(examples, runs)


def _alike(runs: Sequence[Run], most: int) -> list[list[int]]:
    """Runs that are trained together: equally many examples each."""
    by_size: dict[int, list[int]] = {}
    for i, run in enumerate(runs):
        by_size.setdefault(len(run.indices), []).append(i)
    return [places[i : i + most] for places in by_size.values() for i in range(0, len(places), most)]


def _like(batch: Any, module: nn.Module) -> Any:
    """A batch whose numbers are of the type of a module's weights: minima in float64 are asked in float64."""
    own = next((p.dtype for p in module.parameters()), None)
    if own is None or not isinstance(batch, tuple):
        return batch
    return tuple(part.to(own) if isinstance(part, Tensor) and part.is_floating_point() else part for part in batch)


def numbered(given: Any, kind: str = "train_set") -> Examples:
    """Numbered examples without a model: tensors, lists, data sets.

    Arguments:
        given: of a user.
        kind: what it is called in messages.
    """
    if isinstance(given, tuple) and given and all(isinstance(part, Tensor) for part in given):
        return TensorExamples(given)
    return examples_of(Model(nn.Identity()), given, kind)


def seeds_of(given: int | Sequence[int], training: Training) -> list[int]:
    """Which seeds are meant; one where training is not random.

    Arguments:
        given: how many, or which.
        training: that takes them.
    """
    found = list(range(given)) if isinstance(given, int) and not isinstance(given, bool) else list(given) if isinstance(given, Sequence) else []
    if not found or len(set(found)) < len(found):
        raise InputError(f"seeds={shown(given)}: give a number above 0, or different seeds")
    return found if training.random else found[:1]


def _agreement(a: Float[Tensor, "model query"], b: Float[Tensor, "model query"]) -> Tensor:
    return spearman(a.T, b.T).nanmean()
