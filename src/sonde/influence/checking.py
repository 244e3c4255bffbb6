"""Are these scores what they claim to be? What can be tested of them is tested against retraining; what can't is said.

The claim of a score is that it foretells what training without an example does. So models are trained again on subsets, and without the examples
that bear most on each query, and three controls have to be beaten: nearest neighbours, which know nothing of training; the same scores with the
examples exchanged at random; and the same method on a model that was trained on shuffled labels. Where a model is too large to be trained again, or
no training is given, nothing can be claimed, and the verdict has no answer.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonde.evidence import compare, shuffled, spearman, untestable
from sonde.influence.agreement import foretold, lds, leave_one_out, refuse_unlike
from sonde.influence.baselines import nearest
from sonde.influence.exact import exact
from sonde.influence.examples import TensorExamples
from sonde.influence.losses import CrossEntropy, Likelihood
from sonde.influence.removal import removal
from sonde.influence.results import Scores
from sonde.influence.retraining import RetrainTruth, retrain_on_subsets, trained
from sonde.influence.training import OneByOne, Training, training_of
from sonde.results import Verdict

if TYPE_CHECKING:
    from sonde.influence.fit import Influence

RETRAINED = 100_000  # weights, beyond which a model is not trained again hundreds of times
FORMED = 2_000  # weights, beyond which the whole curvature is not formed
EXCHANGED = 20  # draws of the control
MEASURE = "rank correlation with retraining, mean over queries"
CHANCE = "chance"


def against_truth(scores: Scores, truth: RetrainTruth, controls: Mapping[str, Scores] | None = None) -> list[Verdict]:
    """Scores against retraining, each claim beside a control.

    Arguments:
        scores: that are judged.
        truth: what was trained again.
        controls: other scores that they must beat, by name.
    """
    judge = lds if truth.kind == "subsets" else leave_one_out
    what = "ranks training subsets as training on them does" if truth.kind == "subsets" else "ranks examples as training without them does"
    found = judge({"these": scores, **dict(controls or {})}, truth)
    kept = found.spearman.isfinite().all(0)
    ours, verdicts = found.spearman[0, kept], []
    for place, name in enumerate(found.methods[1:], start=1):
        verdicts.append(
            compare(
                f"{scores.method} {what}, better than {name}.", MEASURE, ours, found.spearman[place, kept], threshold=0.0, threshold_source=CHANCE
            )
        )
    exchanged = torch.stack([_exchanged(scores, truth, seed)[kept] for seed in range(EXCHANGED)])
    claim = f"{scores.method} {what}, better than the same scores given to other examples."
    return [*verdicts, compare(claim, MEASURE, ours, exchanged, exceeding="draw", threshold=0.0, threshold_source=CHANCE)]


def checked(
    influence: "Influence", query: Any, training: Any, near: str | None, subsets: int, seeds: int, most: int, folder: str | Path | None
) -> list[Verdict]:  # fmt: skip
    """Every claim that can be tested, and the reasons why others can't.

    Arguments:
        influence: what is judged.
        query: what is asked.
        training: how the model was trained; `None` where that can't be done again.
        near: where the representations are read whose nearest neighbours are the control.
        subsets, seeds: of training.
        most: examples taken away in the counterfactual.
        folder: keep finished trainings here.
    """
    subject, scores = influence.subject, influence.scores(query)
    place = None if folder is None else Path(folder)
    controls = {} if near is None else {f"nearest neighbours at {near}": nearest(subject.model, subject.examples, query, near, subject.loss)}
    return [
        *_by_retraining(influence, scores, query, training, controls, subsets, seeds, most, place),
        _by_exactness(influence, scores, query, controls),
    ]


def _by_retraining(
    influence: "Influence", scores: Scores, query: Any, training: Any, controls: dict[str, Scores], subsets: int, seeds: int, most: int,
    folder: Path | None,
) -> list[Verdict]:  # fmt: skip
    subject = influence.subject
    examples, reason = subject.examples, ""
    if training is None:
        reason = "no training was given with which models could be trained again: give Descent(...), SoftmaxRegression(...) or a function"
    elif influence.coverage.total > RETRAINED:
        reason = (
            f"{influence.coverage.total:,} weights are too many to train hundreds of models ({RETRAINED:,} at most): use retrain_on_subsets yourself"
        )
    if reason:
        claims = (
            f"{scores.method} ranks training subsets as training on them does.",
            f"Training without the {most} examples it names raises the loss.",
        )
        return [untestable(claim, MEASURE, reason, threshold=0.0, threshold_source=CHANCE) for claim in claims]
    chosen = training_of(training)
    truth = retrain_on_subsets(
        chosen, examples, query, subject.loss, subsets=subsets, seeds=seeds, folder=folder and folder / "subsets"
    )  # fmt: skip
    mislaid = _shuffled_labels(influence, chosen, query, scores.examples)
    verdicts = against_truth(scores, truth, {**controls, **({} if mislaid is None else {"the same on a model of shuffled labels": mislaid})})
    if not controls:
        verdicts.append(_no_neighbours())
    if mislaid is None:
        reason = "labels can be shuffled of (inputs, class numbers) that a training is given, not of this"
        verdicts.append(
            untestable(f"{scores.method} beats the same on a model of shuffled labels.", MEASURE, reason, threshold=0.0, threshold_source=CHANCE)
        )
    curve = removal(
        {scores.method: scores, **controls}, chosen, examples, query, subject.loss, (most,), seeds, folder=folder and folder / "removal"
    )  # fmt: skip
    return [*verdicts, *curve.verdicts()]


def _by_exactness(influence: "Influence", scores: Scores, query: Any, controls: dict[str, Scores]) -> Verdict:
    """The approximation of the curvature against the whole of it."""
    subject, weights = influence.subject, influence.coverage.weights
    claim, measure = (
        f"{scores.method} ranks examples as the whole curvature does.",
        "rank correlation over examples with the exact Gauss-Newton scores",
    )
    reason = ""
    if not isinstance(subject.loss, Likelihood):
        reason = "the loss does not say which distribution it stands for, so it has no Gauss-Newton matrix"
    elif weights > FORMED:
        reason = f"{weights:,} weights are too many to form their whole curvature here ({FORMED:,} at most): use exact() yourself"
    if reason:
        return untestable(claim, measure, reason, threshold=0.0, threshold_source=CHANCE)
    modules = [block.name for block in influence.coverage.blocks]
    whole = exact(subject.model, subject.examples, subject.loss, damping=influence.damping, modules=modules).scores(query).values.double()
    ours = spearman(scores.values.double(), whole)
    name, control = next(iter(controls.items()), ("nothing", None))
    others = torch.zeros_like(ours) if control is None else spearman(control.values.double(), whole)
    return compare(f"{claim[:-1]}, better than {name}.", measure, ours, others, threshold=0.0, threshold_source=CHANCE)


def _no_neighbours() -> Verdict:
    reason = "no site was named where representations are read: give near='blocks.1.resid_post', or a module's path with ':out'"
    return untestable("The scores beat nearest neighbours.", MEASURE, reason, threshold=0.0, threshold_source=CHANCE)


def _shuffled_labels(influence: "Influence", training: Training, query: Any, examples_named: list[str]) -> Scores | None:
    """The same method on a model that was trained on shuffled labels: what it says cannot be about the right ones."""
    from sonde.influence.fit import fit

    examples, loss = influence.subject.examples, influence.subject.loss
    if not isinstance(examples, TensorExamples) or len(examples.tensors) != 2 or not isinstance(loss, CrossEntropy):
        return None
    if isinstance(training, OneByOne):
        return None  # it has its own examples
    x, y = examples.tensors
    other = (x, shuffled(y, seed=0))
    module = trained(training, other)
    dtype = next(p.dtype for p in module.parameters())
    modules = [block.name for block in influence.coverage.blocks]
    found = fit(module, (x.to(dtype), other[1]), loss, influence.curvature.kinds, influence.damping, modules)
    asked = query if not isinstance(query, tuple) else tuple(part.to(dtype) if part.is_floating_point() else part for part in query)
    scores = found.scores(asked)
    return replace(scores, examples=examples_named)  # their names hold labels, and these are others


def _exchanged(scores: Scores, truth: RetrainTruth, seed: int) -> Tensor:
    refuse_unlike(scores.method, scores, truth)
    order = torch.randperm(scores.values.shape[1], generator=torch.Generator().manual_seed(seed))
    return spearman(foretold(replace(scores, values=scores.values[:, order]), truth).T, truth.target.T)
