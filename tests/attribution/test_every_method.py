"""Every method on a text, a picture and a row of a table: it answers or says why not; and its answer is another one when the weights are others."""

import inspect
import math

import pytest
import torch
from small_models import words
from torch import nn

import sonde
from sonde.attribution.methods import METHODS, takes_baseline
from sonde.evidence import spearman
from sonde.nn import permuted
from sonde.results import SondeError
from sonde.specimens.digits import held_out
from sonde.tasks import Logit, LogitDifference

# what a method needs and these models lack
REFUSED = {
    ("deconvnet", "text"): "ReLU",
    ("guided_backpropagation", "text"): "ReLU",
    **{(cam, kind): "has no convolution" for cam in ("grad_cam", "grad_cam_plus_plus", "guided_grad_cam") for kind in ("text", "table")},
    **{
        (looking, kind): "has no attention that sonde knows"
        for looking in ("attention_relevance", "attention_rollout", "attention_weights", "value_weighted_norm", "value_zeroing")
        for kind in ("picture", "table")
    },
}
HARDLY = ("value_zeroing",)  # on five tokens the order is next to the same: the last one is turned most by itself, whatever the weights
CHEAPER = {"samples": 64, "draws": 4, "orders": 4}


def subject(kind):
    """A model, two examples of its inputs, a metric, what is absent, and parts so few that all their sets can be asked about."""
    if kind == "text":
        task = sonde.tasks.load("agreement", words(), n=2, seed=3)
        return words(), list(task.clean), LogitDifference(task.targets, task.foils), "pad", "words"
    if kind == "picture":
        pictures, digits = held_out()
        return sonde.load("specimen:digits"), pictures[:2], Logit(digits[:2]), "zero", 4
    torch.manual_seed(0)
    return sonde.Model(nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))), torch.randn(2, 6), Logit([0, 1]), "zero", None


def applied(method, model, inputs, metric, absent, parts):
    known = inspect.signature(method).parameters
    chosen = {name: value for name, value in CHEAPER.items() if name in known}
    if "players" in known:
        chosen["players"] = parts
    return method(model, inputs, metric, **chosen, **({"baseline": absent} if takes_baseline(method) else {}))


@pytest.mark.parametrize("kind", ["text", "picture", "table"])
@pytest.mark.parametrize("name", METHODS)
def test_it_answers_or_says_why_not_and_depends_on_the_weights(name, kind):
    model, *rest = subject(kind)
    if (name, kind) in REFUSED:
        with pytest.raises(SondeError, match=REFUSED[name, kind]):
            applied(METHODS[name], model, *rest)
        return
    found = applied(METHODS[name], model, *rest)
    assert len(found) == 2 and bool(found.counted.any()) and found.to_frame().height
    assert found.drawing(example=1).title and found.unit and str(found.recipe).startswith(f"sonde.attribution.{name}(")
    again = applied(METHODS[name], model, *rest)
    assert torch.equal(found.values.nan_to_num(9.0), again.values.nan_to_num(9.0))
    other = applied(METHODS[name], sonde.Model(permuted(model.module, seed=1), tokenizer=model.tokenizer), *rest)
    agree = [float(spearman(a[c].flatten(), b[c].flatten())) for a, b, c in zip(found.values, other.values, found.counted, strict=True)]
    assert all(float(values[counted].std()) > 0 for values, counted in zip(found.values, found.counted, strict=True))
    # with other weights a rectified map may be empty, which correlates with nothing
    assert name in HARDLY or min(0.0 if math.isnan(one) else one for one in agree) < 0.9, agree
    assert not torch.allclose(found.values[found.counted], other.values[found.counted], rtol=1e-2)
