"""Deletion and insertion against closed forms, planted truth, and orders that are made up."""

from dataclasses import replace
from functools import partial

import planted_tables as planted
import pytest
import torch
from small_models import words

import sonde
from sonde.attribution import Attribution, grad_cam, gradient_x_input, occlusion
from sonde.attribution.evaluation import OtherExamples, curves, evaluate
from sonde.results import CheckRefused, InputError
from sonde.results import Result as AnyResult
from sonde.specimens.digits import held_out
from sonde.tasks import Logit


def test_an_additive_model_has_its_closed_form():
    model, rows = planted.linear([4.0, 0.0, 1.0, -2.0, 0.5])
    contributions = rows * torch.tensor([4.0, 0.0, 1.0, -2.0, 0.5])
    found = curves(model, rows, planted.true(model, rows), planted.OF, removal="zero", orders=3)
    ordered = contributions.sort(descending=True).values.cumsum(-1)
    total = contributions.sum(-1)
    first = [0, 1, 1, 2, 2, 2, 3, 4, 4, 4, 5]  # of 5 places, at least one for every share above 0
    expected = torch.stack([ordered[:, k - 1] if k else torch.zeros(12) for k in first], 1)
    assert torch.allclose(found.insertion, expected, atol=1e-5)
    assert torch.allclose(found.deletion, total[:, None] - expected, atol=1e-5)
    mean = (4 * ordered[:, 0] + ordered[:, 1]) / 5  # 1, 5, 10 and 20 % are one place, 50 % are two
    assert torch.allclose(found.comprehensiveness, mean, atol=1e-5)
    assert torch.allclose(found.sufficiency, total - mean, atol=1e-5)
    assert torch.allclose(found.gap, total, atol=1e-5)


def test_one_planted_column_is_worth_everything():
    model, rows = planted.linear([0.0, 0.0, 3.0, 0.0, 0.0, 0.0])
    found = curves(model, rows, planted.true(model, rows), planted.OF)
    assert torch.allclose(found.deletion[:, 1:], found.deletion[:, -1:].expand(-1, 10), atol=1e-5)
    assert torch.allclose(found.insertion[:, 1:], found.insertion[:, -1:].expand(-1, 10), atol=1e-5)
    fair = curves(model, rows, planted.true(model, rows), planted.OF, removal="zero")
    assert fair.gain.mean() == pytest.approx(0.9, abs=1e-5)  # but for the first step, which a trapezoid halves twice
    assert float(fair.areas()["deletion"].mean()) == pytest.approx(0.05, abs=1e-5)


@pytest.mark.parametrize("world", [partial(planted.linear, [3.0, 0, 0, 2.0, 0, 0, 1.0, 0]), planted.left_half])
def test_truth_wins_random_orders_stay_in_the_band_and_the_inverse_loses(world):
    model, inputs = world()
    holds = {
        method: curves(model, inputs, method(model, inputs), planted.OF, removal="zero")
        for method in (planted.true, planted.random, planted.inverted)
    }
    (truth,), (chance,), (inverse,) = (found.check(model) for found in holds.values())
    assert truth.holds and truth.measured > 0.2 and inverse.holds is False and inverse.measured < -0.2
    assert chance.holds is False and abs(chance.measured) < 0.2
    assert "replaced" not in truth.measure and "what is absent is zero" in truth.measure


def test_random_orders_hold_rarely():
    model, inputs = planted.linear([3.0, 2.0, 1.0, 1.0, 0.5, 0.2], n=10)
    attribution = planted.true(model, inputs)
    held = 0
    for seed in range(20):
        made_up = replace(attribution, values=torch.rand(10, 6, generator=torch.Generator().manual_seed(1000 + seed)))
        found = curves(model, inputs, made_up, planted.OF, removal="zero", orders=2, seed=seed)
        held += bool(found.check(model)[0].holds)
    assert held <= 1  # of 20, 5 %


def test_tokens_special_ones_stay():
    task = sonde.tasks.load("agreement", words(), n=2)
    attribution = gradient_x_input(words(), task)
    found = curves(words(), task, attribution, removal=OtherExamples(draws=1), orders=1)
    start = attribution.special[0].index(True)
    loud = attribution.values.clone()
    loud[:, start] = 1e6
    again = curves(words(), task, replace(attribution, values=loud), removal=OtherExamples(draws=1), orders=1)
    assert torch.allclose(found.deletion, again.deletion, atol=1e-4)
    assert torch.allclose(found.deletion[:, 0], attribution.metric, atol=1e-4)
    assert torch.allclose(found.deletion[:, -1], found.insertion[:, 0], atol=1e-4)


def test_tokens_are_replaced_as_a_plain_loop_replaces_them():
    """With a removal that is one token, the curve is the model's answer to prompts in which that token stands."""
    texts = ["The keys on the cabinet", "The key"]
    metric = Logit(words().tokenizer.single(" are"))
    attribution = gradient_x_input(words(), texts, of=metric)
    found = curves(words(), texts, attribution, metric, removal=" dog", orders=1)
    for example in range(2):
        row = list(words().run(texts[example]).ids[0].tolist())
        for k, place in enumerate(attribution.highest(example, 2), 1):
            row[place] = words().tokenizer.single(" dog")
            n = len(attribution.tokens[example]) - sum(attribution.special[example])
            share = next((i for i, s in enumerate(found.shares) if s and max(1, round(s * n)) == k), None)
            if share is not None:
                assert found.deletion[example, share] == pytest.approx(float(metric(words().run([row]))[0]), abs=1e-3)


def test_groups_go_together():
    model, rows = planted.linear([1.0, 1.0, 0.5, 0.5])
    base = planted.true(model, rows)
    groups = torch.tensor([[0, 0, 1, -1]]).expand(12, -1)
    grouped = Attribution("groups", torch.tensor([[2.0, 1.0]]).expand(12, -1), base.metric, "logits", axes=("group",), site=base.site,
                          names=("a", "b"), groups=groups, recipe=base.recipe)  # fmt: skip
    found = curves(model, rows, grouped, planted.OF, removal="zero", orders=1)
    assert torch.allclose(found.deletion[:, 1], rows[:, 2:].sum(-1) * 0.5, atol=1e-5)
    assert torch.allclose(found.deletion[:, -1], rows[:, 3] * 0.5, atol=1e-5)  # a place of no group stays


def test_plain_metrics_are_asked_too():
    model, rows = planted.linear([2.0, 0.0, 1.0])
    attribution = planted.true(model, rows)
    plain = curves(model, rows, attribution, lambda run: run.logits[:, 0], removal="zero", orders=1)
    assert torch.allclose(plain.deletion, curves(model, rows, attribution, planted.OF, removal="zero", orders=1).deletion, atol=1e-5)


def test_nobody_is_judged_by_his_own_removal(unchecked):
    task = sonde.tasks.load("agreement", words(), n=2)
    attribution = occlusion(words(), task, baseline="pad")
    pad = words().tokenizer.pad_id
    for removal in ("pad", pad):
        with pytest.raises(InputError, match="would be judged by its own removal"):
            curves(words(), task, attribution, removal=removal)
    model, rows = planted.linear([1.0, 2.0])
    with pytest.raises(InputError, match="one example"):
        curves(model, rows[:1], planted.true(model, rows[:1]), planted.OF)
    with pytest.raises(InputError, match="orders=0"):
        curves(model, rows, planted.true(model, rows), planted.OF, orders=0)
    with pytest.raises(InputError, match="12 examples, and the inputs 11"):
        curves(model, rows[:11], planted.true(model, rows), planted.OF)


def test_curves_are_kept_drawn_and_refuse_another_model(tmp_path):
    model, rows = planted.linear([2.0, 0.0, 1.0])
    found = curves(model, rows, planted.true(model, rows), planted.OF, orders=3)
    back = AnyResult.load(found.save(tmp_path / "curves"))
    assert torch.equal(back.random_deletion, found.random_deletion) and back.check(model) == found.check(model)
    assert found.to_frame().height == 12 * 11
    drawing = found.drawing().to_json()
    assert [part["label"] for part in drawing["data"]["parts"]] == ["deletion", "insertion"] and "what other examples hold" in drawing["note"]
    with pytest.raises(CheckRefused):
        found.check(planted.linear([1.0, 0.0, 1.0])[0])


def test_nothing_to_explain_is_said():
    model, rows = planted.linear([0.0, 0.0, 0.0])
    (verdict,) = curves(model, rows, planted.true(model, rows), planted.OF, removal="zero").check(model)
    assert verdict.holds is None and "the gap is +0" in verdict.reason


def test_shares_of_no_gap_are_unknown():
    """The mean of a linear model's examples is its value at their mean: the gap is zero but for rounding, and shares of it would be any number."""
    model, _ = planted.linear([1.0, 2.0, 3.0])
    rows = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = curves(model, rows, planted.true(model, rows), planted.OF, removal="mean")
    assert found.gain.isnan().all() and found.random_gain.isnan().all() and all(area.isnan().all() for area in found.areas().values())
    table = evaluate(model, rows, [gradient_x_input], planted.OF, removals=["mean"], orders=1, samples=3).to_frame()
    assert table.filter(table["measure"] == "gain")["value"].to_list() == [None]


def test_methods_of_removal_are_judged_on_pictures():
    """Their values lie by row and column, for the channels of a pixel go together."""
    model, pictures = planted.left_half(n=3)
    attribution = occlusion(model, pictures, of=planted.OF, baseline="zero")
    assert attribution.axes == ("row", "col") and attribution.cells().shape == (3, 6, 6)
    found = curves(model, pictures, attribution, planted.OF, removal="mean", orders=1)
    assert found.deletion.shape == (3, 11)


def test_a_map_that_was_drawn_to_the_size_of_the_picture_is_judged_on_its_pixels():
    """Grad-CAM looks at an inner site, and its map lies over the picture."""
    pictures, digits = held_out()
    model, metric = sonde.load("specimen:digits"), Logit(digits[:3])
    attribution = grad_cam(model, pictures[:3], of=metric)
    assert attribution.site != ":in" and attribution.cells().shape == (3, 8, 8)
    assert curves(model, pictures[:3], attribution, metric, removal="mean", orders=1).deletion.shape == (3, 11)
