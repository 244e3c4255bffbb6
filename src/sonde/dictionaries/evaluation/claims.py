"""What an evaluation claims, each against a control, over texts, true directions or properties."""

from typing import TYPE_CHECKING

import torch

from sonde.evidence import compare, untestable
from sonde.results import Verdict

if TYPE_CHECKING:
    from sonde.dictionaries.evaluation.results import Evaluation

ANY = "anything that the control does not reach"


def verdicts(evaluation: "Evaluation") -> list[Verdict]:
    """The claims on every basis that was judged.

    Arguments:
        evaluation: what was measured.
    """
    return [verdict for name in evaluation.judged for verdict in (*_errors(evaluation, name), *_losses(evaluation, name), *_found(evaluation, name),
                                                                 *_told(evaluation, name))]  # fmt: skip


def _errors(evaluation: "Evaluation", name: str) -> list[Verdict]:
    measure = "squared error over the variance of all, mean over texts"
    row = dict(zip(evaluation.names, evaluation.errors, strict=True))
    return [
        compare(
            f"{name} leaves less of the activations unexplained than {control}.", measure, row[name], row[control], direction="less", threshold=1.0,
            threshold_source="writing the mean leaves all of it",
        )
        for control in evaluation.controls.get(name, ())
    ]  # fmt: skip


def _losses(evaluation: "Evaluation", name: str) -> list[Verdict]:
    if name not in evaluation.losses:
        return []
    mean = max(ablated[2] for ablated in evaluation.ablated.values())
    return [
        compare(
            f"The model predicts better with {name} spliced in than with {control}.", "loss of a token, nats, mean over texts",
            evaluation.losses[name], evaluation.losses[control], direction="less", threshold=mean,
            threshold_source="the loss with the mean in its place",
        )
        for control in evaluation.controls.get(name, ()) if control in evaluation.losses
    ]  # fmt: skip


def _found(evaluation: "Evaluation", name: str) -> list[Verdict]:
    if name not in evaluation.best:
        return []
    return [
        compare(
            f"{name} has learned the true directions better than chance has them.", "best cosine of a true direction", evaluation.best[name],
            evaluation.by_chance[name], threshold=0.0, threshold_source=ANY,
        )
    ]  # fmt: skip


def _told(evaluation: "Evaluation", name: str) -> list[Verdict]:
    if evaluation.properties is None:
        return []
    import polars as pl

    by_property = evaluation.properties.filter(~pl.col("f1").is_null()).pivot("basis", index="property", values="f1").drop_nulls()
    found = []
    for control in evaluation.controls.get(name, ()):
        claim, measure = f"Single latents of {name} tell the properties better than those of {control}.", "F1 of the best latent of a property"
        if name not in by_property.columns or control not in by_property.columns:
            reason = "no property was probed in both"
            found.append(untestable(claim, measure, reason, threshold=0.0, threshold_source=ANY))
            continue
        mine, theirs = (torch.tensor(by_property[column].to_list(), dtype=torch.float64) for column in (name, control))
        found.append(compare(claim, measure, mine, theirs, threshold=0.0, threshold_source=ANY))
    return found
