"""All measures of one method on one problem: how good are these scores, beside their controls and the ceiling?

The damping is given beforehand and nothing here chooses it: one method with one damping is judged at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from sonde.evidence import compare, shuffled
from sonde.influence.agreement import Agreement, lds, leave_one_out
from sonde.influence.baselines import averaged, nearest
from sonde.influence.checking import CHANCE, MEASURE
from sonde.influence.curvature import Kind
from sonde.influence.damping import Damping, Relative
from sonde.influence.exact import Exact, exact
from sonde.influence.fit import Influence, fit
from sonde.influence.losses import CrossEntropy
from sonde.influence.mislabelled import Mislabelled, mislabelled
from sonde.influence.problems import Problem
from sonde.influence.removal import RemovalCurve, removal
from sonde.influence.results import Scores, SelfInfluence
from sonde.influence.retraining import retrain_on_subsets, retrain_without, trained
from sonde.influence.stability import Concentration, Stability, concentration, stability
from sonde.influence.training import OneByOne
from sonde.results import Drawing, InputError, Verdict, shown

NEIGHBOURS, SHUFFLED, OWN = "nearest neighbours", "a model of shuffled labels", "this method"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured of a method.

    Arguments:
        method: how scores are estimated.
        problem: on what.
        lds: over random subsets.
        leave_one_out: over examples left out; `None` where none were.
        removal: the counterfactual; `None` where it was not made.
        mislabelled: with some labels exchanged; `None` where labels are no classes.
        own: the self-influence with these labels.
        stability: over seeds of training; `None` where there is one.
        concentration: how few examples carry the scores.
        skipped: what was not measured, and why.
    """

    method: str
    problem: str
    lds: Agreement
    leave_one_out: Agreement | None
    removal: RemovalCurve | None
    mislabelled: Mislabelled | None
    own: SelfInfluence | None
    stability: Stability | None
    concentration: Concentration
    skipped: list[str]

    @property
    def parts(self) -> dict[str, Any]:
        """What was measured, by name."""
        names = ("lds", "leave_one_out", "removal", "mislabelled", "stability", "concentration")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def drawings(self) -> list[Drawing]:
        """One for each part."""
        return [part.drawing() for part in self.parts.values()]

    def verdicts(self) -> list[Verdict]:
        """Each claim beside its control."""
        kept = self.lds.spearman.isfinite().all(0)
        ours = self.lds.spearman[self.lds.methods.index(OWN), kept]
        found = [
            compare(
                f"{self.method} ranks training subsets as training on them does, better than {name}.", MEASURE, ours,
                self.lds.spearman[self.lds.methods.index(name), kept], threshold=0.0, threshold_source=CHANCE,
            )
            for name in (NEIGHBOURS, SHUFFLED) if name in self.lds.methods
        ]  # fmt: skip
        return [*found, *(self.removal.verdicts() if self.removal is not None else [])]


def evaluate(
    problem: Problem, kind: Kind | Literal["exact"] = "ekfac", damping: Damping | float = Relative(0.1), subsets: int = 50,  # noqa: B008
    seeds: int = 3, left_out: int = 50, removed: Sequence[int] = (10, 20, 50), queries: int = 10, folder: str | Path | None = None,
) -> Evaluation:  # fmt: skip
    """Judge a method on a problem by every measure.

    Arguments:
        problem: data, queries and training.
        kind, damping: of the curvature, as for `fit`, or "exact" for the whole Gauss-Newton matrix; chosen beforehand.
        subsets: for the linear datamodelling score; half of the examples each.
        seeds: of training.
        left_out: how many examples are left out one by one; 0 for none.
        removed: how many helpful examples are taken away for the counterfactual; empty for none.
        queries: for the counterfactual, the first ones.
        folder: keep finished trainings here.

    Raises:
        InputError: what does not fit the problem, by name.

    >>> from sonde.influence.problems import digits_softmax
    >>> small = digits_softmax().smaller(60, 8)
    >>> evaluate(small, subsets=8, left_out=4, removed=()).lds.methods
    ['this method', 'gradient dot', 'nearest neighbours', 'a model of shuffled labels']
    """
    training, data, asked, loss = problem.training, problem.train_set, problem.query, problem.loss
    n, place = len(data[0]), None if folder is None else Path(folder)
    if isinstance(left_out, bool) or not isinstance(left_out, int) or not 0 <= left_out <= n or left_out in (1, 2):
        raise InputError(f"left_out={shown(left_out)}: leave out 0, or 3 to {n} examples")
    skipped: list[str] = []
    module = trained(training, data)
    influence = _method(module, data, problem, kind, damping)
    scores = {OWN: influence.scores(asked)}
    scores["gradient dot"] = fit(module, data, loss, "identity").scores(asked)
    if problem.near is None:
        skipped.append("nearest neighbours: the problem does not say where representations are read (near=)")
    else:
        scores[NEIGHBOURS] = nearest(module, data, asked, problem.near, loss)
    if _classes(problem):
        x, y = data
        mislaid = _method(trained(training, (x, shuffled(y, 0))), (x, shuffled(y, 0)), problem, kind, damping)
        scores[SHUFFLED] = _named_as(mislaid.scores(asked), scores[OWN])
    else:
        skipped.append("shuffled and exchanged labels: they take (inputs, class numbers) and a training that is given its examples")
    truth = retrain_on_subsets(training, data, asked, loss, subsets=subsets, seeds=seeds, folder=place and place / "subsets")
    over_seeds = {
        f"seed {s}": _method(trained(training, data, s), data, problem, kind, damping).scores(asked) for s in truth.seeds if truth.random
    }  # fmt: skip
    if len(over_seeds) > 1:
        scores[f"mean of {len(over_seeds)} seeds"] = averaged(list(over_seeds.values()))
    else:
        skipped.append("stability over seeds: " + ("one seed was trained" if truth.random else "this training is not random"))
    out = None
    if left_out:
        out = retrain_without(training, data, asked, loss, groups=list(range(left_out)), seeds=seeds, folder=place and place / "left-out")
    steps = {**scores, **({"Newton step": influence.leave_one_out(asked)} if isinstance(influence, Exact) else {})}
    curve = None
    if removed:
        few = tuple(part[:queries] for part in asked)
        first = {name: influence.scores(few) if name == OWN else nearest(module, data, few, problem.near or "", loss)
                 for name in (OWN, NEIGHBOURS) if name in scores}  # fmt: skip
        curve = removal(first, training, data, few, loss, removed, seeds, folder=place and place / "removal")
    found, own = (None, None) if kind == "exact" or not _classes(problem) else _suspects(problem, kind, damping)
    if kind == "exact":
        skipped.append("wrong labels: exact scores have no self-influence")
    return Evaluation(
        influence.method, problem.name, lds(scores, truth), None if out is None else leave_one_out(steps, out), curve, found, own,
        stability(over_seeds) if len(over_seeds) > 1 else None, concentration(scores[OWN]), skipped,
    )  # fmt: skip


def _method(
    module: nn.Module, data: tuple[Tensor, ...], problem: Problem, kind: Kind | Literal["exact"], damping: Damping | float
) -> Influence | Exact:  # fmt: skip
    return exact(module, data, problem.loss, damping=damping) if kind == "exact" else fit(module, data, problem.loss, kind, damping)


def _suspects(problem: Problem, kind: Kind, damping: Damping | float) -> tuple[Mislabelled, SelfInfluence]:
    """With a tenth of the labels exchanged: are they found?"""
    other, wrong = problem.mislabelled()
    found: Influence = fit(trained(problem.training, other.train_set), other.train_set, problem.loss, kind, damping)
    own = found.self_influence()
    return mislabelled(own, wrong), own


def _classes(problem: Problem) -> bool:
    """Whether labels are classes that can be exchanged in what the training is given."""
    parts = problem.train_set
    whole = len(parts) == 2 and isinstance(parts[1], Tensor) and not parts[1].is_floating_point() and parts[1].ndim == 1
    return whole and isinstance(problem.loss, CrossEntropy) and not isinstance(problem.training, OneByOne)


def _named_as(scores: Scores, like: Scores) -> Scores:
    """Scores whose examples have the names of others: names hold labels."""
    return replace(scores, examples=like.examples)
