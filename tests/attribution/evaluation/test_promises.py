"""Axioms, stability, the counterexample of the local bump and the direct query."""

import math
from dataclasses import replace
from functools import partial

import planted_tables as planted
import pytest
import torch
from small_models import words
from torch import nn

import sonde
from sonde.attribution import gradient_x_input, integrated_gradients
from sonde.attribution.evaluation import LocalBump, completeness, direct_query, dummy, invariance, max_sensitivity, rescaled
from sonde.results import InputError
from sonde.results import Result as AnyResult
from sonde.specimens.digits import held_out
from sonde.tasks import Logit, LogitDifference

zeros = partial(integrated_gradients, baseline="zero")


def deep(seed=0):
    torch.manual_seed(seed)
    return sonde.Model(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))), torch.randn(10, 4)


def test_completeness_holds_where_it_is_kept_and_fails_where_it_is_not():
    model, rows = deep()
    kept = zeros(model, rows, of=planted.OF, steps=128)
    broken = replace(kept, values=kept.values * 1.2)
    assert completeness(kept).holds and completeness(broken).holds is False
    verdict = completeness(gradient_x_input(model, rows, of=planted.OF))
    assert verdict.holds is None and "does not promise" in verdict.reason
    assert completeness(replace(kept, absent_metric=kept.metric)).holds is None


def everywhere(model, inputs, of):
    """A method that gives every column the same."""
    result = gradient_x_input(model, inputs, of=of)
    return replace(result, values=torch.ones_like(result.values), method="the same for all")


def test_what_is_not_read_gets_nothing():
    model, rows = deep()
    assert dummy(model, rows, gradient_x_input, planted.OF).holds and dummy(model, rows, zeros, planted.OF).holds
    assert dummy(model, rows, everywhere, planted.OF).holds is False
    pictures, digits = held_out()
    assert dummy(sonde.load("specimen:digits"), pictures[:9], gradient_x_input, Logit(digits[:9])).holds


def by_weight(model, inputs, of):
    """A method that looks at the first layer's weights, and not at the function."""
    result = gradient_x_input(model, inputs, of=of)
    return replace(result, values=inputs * model.module[0].weight.detach().abs().sum(0), method="weights")


def test_two_networks_of_one_function_get_one_answer():
    model, rows = deep()
    twin = rescaled(model.module, "0", "2", factor=5.0)
    assert torch.allclose(twin(rows), model.module(rows), atol=1e-5) and not torch.equal(twin[0].weight, model.module[0].weight)
    assert invariance(model, rows, gradient_x_input, planted.OF, twin=twin).holds
    assert invariance(model, rows, zeros, planted.OF, twin=twin).holds
    assert invariance(model, rows, by_weight, planted.OF, twin=twin).holds is False
    with pytest.raises(InputError, match="computes another function"):
        invariance(model, rows, gradient_x_input, planted.OF, twin=nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(InputError, match="factor=-1"):
        rescaled(model.module, "0", "2", factor=-1)
    with pytest.raises(InputError, match="'1' is no layer with a weight; layers are 0, 2"):
        rescaled(model.module, "1", "2", factor=2.0)


def test_maps_of_linear_models_do_not_move_and_steep_ones_do():
    model, rows = planted.linear([1.0, 2.0, 3.0])

    def gradient(m, x, of):
        result = gradient_x_input(m, x, of=of)
        return replace(result, values=result.values / x)

    assert float(max_sensitivity(model, rows, gradient, planted.OF).max_sensitivity.max()) < 1e-5
    steep, inputs = deep()
    small, large = (max_sensitivity(steep, inputs, gradient_x_input, planted.OF, radius=r, moves=4) for r in (0.01, 0.5))
    assert float(small.max_sensitivity.mean()) < float(large.max_sensitivity.mean())
    assert bool((small.max_sensitivity >= small.change.mean(0)).all())


def test_a_map_of_zeros_has_no_stability():
    model, rows = planted.linear([0.0, 0.0])
    assert bool(max_sensitivity(model, rows, gradient_x_input, planted.OF, moves=2).max_sensitivity.isnan().all())


def test_tokens_are_not_moved(unchecked):
    with pytest.raises(InputError, match="not to tokens"):
        max_sensitivity(words(), ["The keys"], gradient_x_input, Logit(5))
    with pytest.raises(InputError, match="not to tokens"):
        dummy(words(), ["The keys"], gradient_x_input, Logit(5))
    model, rows = planted.linear([1.0])
    with pytest.raises(InputError, match="moves=1"):
        max_sensitivity(model, rows, gradient_x_input, planted.OF, moves=1)


def test_the_local_bump_gets_nothing_and_matters():
    """No complete attribution sees it; the question itself does."""
    model, x = sonde.Model(LocalBump(height=10.0)), torch.ones(1, 2)
    for method in (gradient_x_input, partial(zeros, tolerance=math.inf)):
        assert method(model, x, of=Logit([0])).values[0].tolist() == [0.0, pytest.approx(1.0)]  # not even rounding reaches the first column
    found = direct_query(model, x, Logit([0]), place=0, values=[0.0, 0.5, 1.0, 1.3, 1.5, 1.9])
    assert found.effect[0].tolist() == pytest.approx([0, 0, 0, 5, 10, 0], abs=1e-5)
    assert direct_query(model, x, Logit([0]), place=1, values=[2.0]).effect.tolist() == [[1.0]]


def test_the_direct_query_of_a_table_is_the_model_itself(tmp_path):
    model, rows = deep()
    found = direct_query(model, rows, planted.OF, place=2, values=[-1.0, 0.0, 3.0])
    for k, value in enumerate((-1.0, 0.0, 3.0)):
        changed = rows.clone()
        changed[:, 2] = value
        assert torch.allclose(found.response[:, k], model.module(changed)[:, 0].detach(), atol=1e-5)
    assert found.place == "unit 2" and found.to_frame().height == 30 and found.drawing().kind == "lines"
    assert torch.equal(AnyResult.load(found.save(tmp_path / "r")).response, found.response)


def test_the_direct_query_of_texts_exchanges_tokens():
    are, is_ = (words().tokenizer.single(token) for token in (" are", " is"))
    metric = LogitDifference(are, is_)
    texts = ["The keys on the cabinet", "The key"]
    found = direct_query(words(), texts, metric, place=-1, values=[" cat", " cats"])
    for example, changed in enumerate((["The keys on the cat", "The keys on the cats"], ["The cat", "The cats"])):
        expected = [float(metric(words().run(text))[0]) for text in changed]
        assert found.response[example].tolist() == pytest.approx(expected, abs=1e-3)
    named = direct_query(words(), texts[:1], metric, place=" keys", values=[" key"])
    assert named.response[0, 0] == pytest.approx(float(metric(words().run("The key on the cabinet"))[0]), abs=1e-3)
    assert named.place == "` keys` (position 2)" and named.tokens == (" keys",) and found.place == "the token at position -1"
    with pytest.raises(InputError, match="stands 0 times in example 1"):
        direct_query(words(), texts, metric, place=" keys", values=[" key"])
    with pytest.raises(InputError, match=r"0\.5 is no token"):
        direct_query(words(), texts, metric, place=1, values=[0.5])
    with pytest.raises(InputError, match="example 1 has no place 3"):
        direct_query(words(), texts, metric, place=3, values=[" key"])


def test_words_are_drawn_as_bars_beside_the_text_as_it_is():
    metric = LogitDifference(*(words().tokenizer.single(token) for token in (" are", " is")))
    texts = ["The keys on the cabinet", "The keys on the table"]
    key = words().tokenizer.single(" key")
    found = direct_query(words(), texts, metric, place=" keys", values=[key, " cats"])
    drawn = found.drawing()
    assert (drawn.kind, drawn.title) == ("bars", "What if ` keys` (position 2) were another word?")
    bar = dict(zip(drawn.data["labels"], drawn.data["values"], strict=True))
    assert bar == pytest.approx({" key": float(found.response[:, 0].mean()), " cats": float(found.response[:, 1].mean())})
    assert bar[" key"] < drawn.control["value"] == pytest.approx(float(found.whole.mean()))  # a singular in its place turns the answer around
    assert all(low <= bar[label] <= high for label, (low, high) in zip(drawn.data["labels"], drawn.data["intervals"], strict=True))
    alone = direct_query(words(), texts[:1], metric, place=2, values=[" key"]).drawing()
    assert "intervals" not in alone.data and alone.title == drawn.title and "Means over 2" in drawn.note and "Means" not in alone.note
    with pytest.raises(InputError, match="whole tokens are exchanged"):
        direct_query(words(), texts, metric, place=(2, 1), values=[" key"])


def test_the_direct_query_of_pictures_takes_row_and_column():
    model, pictures = planted.left_half()
    assert torch.allclose(direct_query(model, pictures, planted.OF, place=(2, 5), values=[7.0]).effect, torch.zeros(12, 1), atol=1e-5)
    effect = direct_query(model, pictures, planted.OF, place=(0, 2, 1), values=[7.0]).effect
    assert torch.allclose(effect[:, 0], 7.0 - pictures[:, 0, 2, 1], atol=1e-4)
    with pytest.raises(InputError, match=r"no place \(9, 0\)"):
        direct_query(model, pictures, planted.OF, place=(9, 0), values=[1.0])
    with pytest.raises(InputError, match="give values"):
        direct_query(model, pictures, planted.OF, place=(0, 0), values=[])
    with pytest.raises(InputError, match="' dog' is a token"):
        direct_query(model, pictures, planted.OF, place=(0, 0), values=[" dog"])
