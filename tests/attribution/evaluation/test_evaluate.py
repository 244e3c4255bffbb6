"""Several methods by all measures: the truth is told from orders that are made up, and from maps that only see the input."""

from dataclasses import replace
from functools import cache, partial

import planted_tables as planted
import pytest
import torch
from torch import nn

import sonde
from sonde.attribution import gradient_x_input, integrated_gradients, occlusion
from sonde.attribution.evaluation import OtherExamples, edge_detector, evaluate
from sonde.attribution.evaluation.subsets import LEAST
from sonde.results import CheckRefused, InputError
from sonde.results import Result as AnyResult
from sonde.specimens.digits import held_out
from sonde.tasks import Logit, LogitDifference


def trained(seed=0):
    """A network that learnt the sign of the sum of two of ten columns, rows, and how surely each is put into its class."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
    rows = torch.randn(1000, 10)
    labels = (rows[:, 2] + rows[:, 7] > 0).long()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(rows), labels).backward()
        optimizer.step()
    return sonde.Model(net), rows[:24], LogitDifference(labels[:24].tolist(), (1 - labels[:24]).tolist())


def fails(model, inputs, of=None):
    raise InputError("it is not made for tables")


@cache
def found():
    model, rows, metric = trained()
    methods = [partial(occlusion, baseline="zero"), gradient_x_input, planted.random, planted.inverted, fails]
    return model, evaluate(model, rows, methods, metric, removals=[OtherExamples(draws=1)], orders=2, samples=6)


def test_the_truth_is_told_from_what_is_made_up():
    model, evaluation = found()
    assert evaluation.methods == ["occlusion", "gradient x input", "random values", "the inverse"]
    verdicts = {(v.claim, v.measure.split("absent is ")[1].split(")")[0]): v for v in evaluation.check(model)}
    for removal in evaluation.removals:
        for method, good in (("Occlusion", True), ("Random values", False), ("The inverse", False)):
            assert verdicts[f"{method} ranks places better than random orders do.", removal].holds is good
        assert verdicts["The order of occlusion depends on the weights.", removal].holds
        assert verdicts["The order of random values depends on the weights.", removal].holds is False


def test_every_number_has_its_interval_and_its_control():
    _, evaluation = found()
    frame = evaluation.to_frame()
    assert frame.height == 4 * 5 and frame["control"].null_count() == 0
    assert bool((frame["low"] <= frame["value"]).all()) and bool((frame["value"] <= frame["high"]).all())
    true, false = (frame.filter(method=name, measure="sensitivity-n")["value"].min() for name in ("gradient x input", "random values"))
    assert true > LEAST > abs(false)  # what the verdict on sums asks for
    drawing = evaluation.drawing()
    assert len(drawing.data["parts"]) == 1 and "fails: it is not made for tables" in drawing.note


def test_what_cannot_be_asked_is_named_and_the_rest_goes_on(tmp_path, unchecked):
    model, evaluation = found()
    assert evaluation.failed == ["fails: it is not made for tables"]
    back = AnyResult.load(evaluation.save(tmp_path / "evaluation"))
    assert back.check(model) == evaluation.check(model) and back.to_frame().equals(evaluation.to_frame())
    other, rows, metric = trained(1)
    with pytest.raises(CheckRefused):
        evaluation.check(other)
    with pytest.raises(InputError, match="no method could be asked: fails"):
        evaluate(other, rows, [fails], metric)
    with pytest.raises(InputError, match="judged by its own removal"):
        evaluate(other, rows, [partial(occlusion, baseline="zero")], metric, removals=["zero"])


def test_a_map_that_sees_the_input_alone_does_not_depend_on_the_weights():
    """Edges may well rank pixels better than chance; that they know nothing of the model is what the second claim is for."""
    pictures, digits = held_out()
    model, metric = sonde.load("specimen:digits"), Logit(digits[:9])
    evaluation = evaluate(model, pictures[:9], [edge_detector], metric, removals=["zero"], orders=1, samples=2)
    assert evaluation.verdicts[1].claim == "The order of edge detector depends on the weights." and evaluation.verdicts[1].holds is False


def test_two_of_one_name_are_told_apart():
    model, rows, _ = trained()
    twice = evaluate(model, rows[:3], [gradient_x_input, gradient_x_input], planted.OF, removals=["mean"], orders=1, samples=3)
    assert twice.methods == ["gradient x input", "gradient x input (2)"]
    assert all(verdict.holds is None for verdict in twice.verdicts)  # three examples say too little


def test_an_attribution_of_a_table_checks_itself():
    model, rows, metric = trained()
    result = integrated_gradients(model, rows, of=metric, baseline="zero")
    (verdict,) = result.check(model, rows, metric)
    assert verdict.holds and "integrated gradients" in verdict.claim.lower()
    broken = replace(result, recipe=replace(result.recipe, arguments=result.recipe.arguments | {"baseline": "Interventional(draws=4)"}))
    with pytest.raises(InputError, match="baseline was given as an object, which the recipe does not keep"):
        broken.check(model, rows, metric)
