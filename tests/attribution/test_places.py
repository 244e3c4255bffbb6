"""The same methods on pictures, tables and inner sites, against closed forms."""

import pytest
import torch
from small_models import words
from torch import nn

import sonde
from sonde.access.removal import Question, Static
from sonde.attribution import Attribution, gradient_x_input, integrated_gradients, occlusion
from sonde.results import InputError
from sonde.specimens.digits import held_out
from sonde.tasks import Logit, LogitDifference


def table(seed=0):
    """A linear classifier of 4 features and 3 classes, and 5 rows."""
    torch.manual_seed(seed)
    return sonde.Model(nn.Sequential(nn.Linear(4, 3))), torch.randn(5, 4)


def test_a_linear_model_of_a_table_gets_its_closed_form():
    model, rows = table()
    metric = LogitDifference([0, 1, 2, 0, 1], [1, 2, 0, 2, 0])
    weight = model.module[0].weight.detach()
    expected = weight[metric.targets] - weight[metric.foils]
    result = gradient_x_input(model, rows, of=metric)
    assert result.axes == ("unit",) and torch.allclose(result.values, expected * rows, atol=1e-6)
    for baseline, absent in (("zero", torch.zeros(4)), ("mean", rows.mean(0)), (torch.ones(5, 4), torch.ones(4))):
        values = integrated_gradients(model, rows, of=metric, baseline=baseline).values
        assert torch.allclose(values, expected * (rows - absent), atol=1e-5)


def test_pixels_of_a_picture_sum_to_the_difference():
    pictures, digits = held_out()
    model, metric = sonde.load("specimen:digits"), Logit(digits[:4])
    result = integrated_gradients(model, pictures[:4], of=metric, baseline="zero", tolerance=0.02)
    assert result.axes == ("channel", "row", "col") and result.values.shape == (4, 1, 8, 8) and result.pictures.shape == (4, 1, 8, 8)
    assert bool((result.residual.abs() < 0.02 * (result.metric - result.absent_metric).abs().mean()).all())
    assert result.cells().shape == (4, 8, 8)


def test_an_inner_site_has_its_own_places():
    task = sonde.tasks.load("agreement", words(), n=2)
    heads = gradient_x_input(words(), task, at="blocks.1.attn.z")
    assert heads.axes == ("pos", "head") and heads.values.shape[:2] == (2, max(map(len, heads.tokens)))
    frame = heads.to_frame()
    assert frame.columns == ["example", "pos", "head", "token", "special", "value"]
    gradient = words().grad(task.clean, of=task.metric, at="blocks.1.attn.z")
    value = words().run(task.clean, read="blocks.1.attn.z")["blocks.1.attn.z"]
    assert torch.allclose(heads.values[0, : len(task.clean[0])], (gradient["blocks.1.attn.z"] * value).sum(-1)[0, : len(task.clean[0])], atol=1e-5)


def test_a_question_asks_rows_in_any_order_and_number():
    model, rows = table()
    question = Question.ask(model, rows, Logit([0, 1, 2, 0, 1]))
    values = torch.randn(7, 4)
    examples = [4, 0, 0, 2, 1, 3, 4]
    expected = model.module(values).detach()[torch.arange(7), torch.tensor([0, 1, 2, 0, 1])[examples]]
    plain = Question.ask(model, rows, lambda run: run.logits[torch.arange(5), torch.tensor([0, 1, 2, 0, 1])])
    for batch_size in (1, 3, "auto"):
        assert torch.allclose(question.metric_at(values, examples, batch_size), expected, atol=1e-6)
        assert torch.allclose(plain.metric_at(values, examples, batch_size), expected, atol=1e-6)
        assert torch.allclose(plain.gradient_at(values, examples), question.gradient_at(values, examples, batch_size), atol=1e-6)


def test_pictures_with_texts_are_asked_by_picture():
    from sonde.specimens.pair.scenes import scenes

    model, drawn = sonde.load("specimen:pair"), scenes(3, seed=1)
    inputs = {"images": drawn.pictures, "text": list(drawn.captions)}
    result = gradient_x_input(model, inputs, of=Logit([0, 1, 2]))
    assert result.values.shape == (3, 3, 24, 24)
    alone = gradient_x_input(model, inputs | {"images": drawn.pictures[1:2]}, of=Logit([1]))
    assert torch.allclose(alone.values[0], result.values[1], atol=1e-4)


def test_groups_are_spread_and_results_kept(tmp_path):
    model, rows = table()
    result = gradient_x_input(model, rows, of=Logit([0]))
    grouped = Attribution(
        "two groups", torch.tensor([[4.0, 1.0]]), torch.ones(1), "logits", axes=("group",), names=("a", "b"),
        groups=torch.tensor([[[0, 0], [1, -1]]]), recipe=result.recipe,
    )  # fmt: skip
    assert torch.equal(grouped.cells(), torch.tensor([[[2.0, 2.0], [1.0, 0.0]]]))
    back = Attribution.load(grouped.save(tmp_path / "grouped"))
    assert back.axes == ("group",) and torch.equal(back.groups, grouped.groups) and back.to_frame()["name"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (torch.zeros(3), r"has shape \(3,\), and ':in' has \(5, 4\)"),
        (torch.zeros(2, 4), r"has shape \(2, 4\)"),
        ("blur", "'blur' is for pictures"),
        (" dog", "names a token, and ':in' holds none"),
    ],
)
def test_baselines_that_do_not_fit(baseline, message, unchecked):
    model, rows = table()
    with pytest.raises(InputError, match=message):
        Static(baseline).whole(Question.ask(model, rows, Logit([0])))


def test_values_are_summed_over_the_groups_of_another():
    pictures, digits = held_out()
    model, metric = sonde.load("specimen:digits"), Logit(digits[:2])
    fine = integrated_gradients(model, pictures[:2], metric, baseline="zero")
    coarse = occlusion(model, pictures[:2], metric, baseline="zero", players=4)
    summed = fine.grouped_as(coarse)
    assert summed.values.shape == coarse.values.shape == (2, 4)
    assert torch.allclose(summed.values[:, 0], fine.values[:, 0, :4, :4].sum((1, 2)), atol=1e-5)
    assert torch.allclose(summed.values.sum(1), fine.values.flatten(1).sum(1), atol=1e-4)
    with pytest.raises(InputError, match="the groups of"):
        coarse.grouped_as(fine)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_no_rows_is_refused(batch_size):
    """It would ask about nothing, and what was not asked would count as zero."""
    model, rows = table()
    with pytest.raises(InputError, match=f"batch_size={batch_size}: use 'auto' or a number of rows from 1 on"):
        integrated_gradients(model, rows, of=Logit([0]), baseline="zero", batch_size=batch_size)
