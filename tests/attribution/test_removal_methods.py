"""The methods of removal on texts, bags of words and pictures: a planted truth, contrasts in closed form, groups, windows."""

from functools import partial

import pytest
import torch
from small_models import planted, words
from torch import nn

import sonde
from sonde.attribution import Attribution, exact_shapley, kernel_shap, lime, occlusion, permutation_shapley
from sonde.results import InputError
from sonde.tasks import Logit, LogitDifference

METHODS = {
    "occlusion": occlusion,
    "lime": partial(lime, samples=64),
    "kernel_shap": partial(kernel_shap, samples=64),
    "permutation_shapley": partial(permutation_shapley, orders=4),
    "exact_shapley": exact_shapley,
}
EVERY = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def asked(text, target=" are", foil=" is", pos=-1):
    """A text with a metric."""
    single = words().tokenizer.single
    return text, LogitDifference(single(target), single(foil), pos=pos)


@EVERY
def test_the_planted_circuit_reads_three_tokens(method):
    """A B ... A: the earlier A, B and the last A matter, and nothing else does."""
    model, _ = planted(0)
    found = sonde.tasks.counterfactuals("dog lamp river road horse tree lamp", model)
    result = method(model, found.task(), baseline="zero")
    assert set(result.highest(0, 3)) == {2, 3, 7}
    others = result.values[0, [1, 4, 5, 6]]
    assert others.abs().max() < 0.5 * result.values[0, [2, 3, 7]].min()


@EVERY
def test_what_stands_behind_the_position_that_is_read_gets_nothing(method):
    text, metric = asked("The keys on the cabinet", pos=3)
    result = method(words(), text, metric, baseline="pad")
    values, most = result.values[0], 1e-4
    if method is METHODS["lime"]:  # a regression on draws of what is not linear: nothing but for its error
        most = 4 * result.error[0, 4:].max()
    assert values[4:].abs().max() < most < values[1:4].abs().max()


@EVERY
def test_rows_of_different_length_give_what_they_give_alone(method):
    task = sonde.tasks.load("agreement", words(), n=12).select([0, 5])
    whole = method(words(), task, baseline="pad")
    for i in range(2):
        alone = method(words(), task.select([i]), baseline="pad")
        n = len(alone.tokens[0])
        assert torch.allclose(whole.values[i, :n], alone.values[0], atol=2e-3) and bool(whole.values[i, n:].isnan().all())


@EVERY
def test_special_tokens_stay_unless_they_are_asked_for(method):
    text, metric = asked("The keys on")
    stays, goes = (method(words(), text, metric, baseline=" dog", special=special) for special in (False, True))
    assert stays.values[0, 0] == 0 and any("special ones" in note for note in stays.notes)
    assert goes.values[0, 0] != 0 and not any("special ones" in note for note in goes.notes)


@EVERY
def test_a_bag_of_words_is_contrasted_in_closed_form(method):
    """Erasing word i costs the target's weight less the foil's; equal effects on both cancel; target and foil exchanged change the sign."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    with torch.no_grad():
        layer.weight[:, 2] = 0.7  # word 2 speaks for all classes alike
    model, bag = sonde.Model(nn.Sequential(layer)), torch.tensor([[1.0, 2.0, 3.0, 0.0, 1.0]])
    expected = ((layer.weight[0] - layer.weight[1]) * bag[0]).detach()
    if method is METHODS["lime"]:
        method = partial(lime, samples=64, ridge=0)
    values = method(model, bag, LogitDifference([0], [1]), baseline="zero").values[0]
    assert torch.allclose(values, expected, atol=1e-4) and values[2].abs() < 1e-5 and values[3].abs() < 1e-5
    assert torch.allclose(method(model, bag, LogitDifference([1], [0]), baseline="zero").values[0], -values, atol=1e-4)


@EVERY
def test_groups_of_tokens_are_kept_drawn_and_listed(method, tmp_path):
    text, metric = asked("The keys on the cabinet near the tree")
    result = method(words(), text, metric, baseline="pad", players={"subject": [[1, 2]], "place": " cabinet"})
    assert result.axes == ("group",) and result.names == ("subject", "place") and result.values.shape == (1, 2)
    assert result.groups[0].tolist() == [-1, 0, 0, -1, -1, 1, -1, -1, -1]
    assert result.cells()[0, 1] == result.values[0, 0] / 2 and result.cells()[0, 0] == 0
    back = Attribution.load(result.save(tmp_path / "grouped"))
    assert back.to_frame()["name"].to_list() == ["subject", "place"]
    drawing = result.drawing()
    assert drawing.kind == "tokens" and "Tokens of one group share its value" in drawing.note
    if result.fit is not None:
        assert "R^2" in drawing.note


class Corner(nn.Module):
    """Sees one pixel of a picture."""

    def forward(self, pictures):
        return pictures[:, :1, 1, 2]


def test_a_window_that_slides_over_a_picture():
    """Each place gets the mean over the windows that cover it: those that hide the pixel cost its value."""
    picture = torch.rand(1, 1, 6, 6) + 1
    value = float(picture[0, 0, 1, 2])
    result = occlusion(sonde.Model(Corner()), picture, Logit(0), baseline="zero", window=2, stride=1)
    expected = torch.zeros(6, 6)
    for row in range(6):
        for col in range(6):
            tops = [top for top in range(5) if top <= row < top + 2]
            lefts = [left for left in range(5) if left <= col < left + 2]
            hidden = sum(top <= 1 < top + 2 and left <= 2 < left + 2 for top in tops for left in lefts)
            expected[row, col] = value * hidden / (len(tops) * len(lefts))
    assert torch.allclose(result.cells()[0], expected, atol=1e-5)
    assert result.evaluations == 25
    tiles = occlusion(sonde.Model(Corner()), picture, Logit(0), baseline="zero", window=3)
    assert torch.allclose(tiles.cells()[0, :3, :3], torch.full((3, 3), value / 9)) and tiles.cells()[0].sum() == pytest.approx(value, abs=1e-5)


def test_a_window_that_does_not_divide_the_picture_covers_all_of_it():
    picture = torch.ones(1, 1, 7, 5)
    model = sonde.Model(nn.Sequential(nn.Flatten(), nn.Linear(35, 1)))
    result = occlusion(model, picture, Logit(0), baseline="zero", window=4, stride=2)
    assert bool((result.cells()[0] != 0).all())
    with pytest.raises(InputError, match="window=6"):
        occlusion(model, picture, Logit(0), baseline="zero", window=6)
    with pytest.raises(InputError, match="stride=5"):
        occlusion(model, picture, Logit(0), baseline="zero", window=4, stride=5)


def test_a_baseline_that_the_recipe_does_not_keep_is_named_when_it_is_checked():
    text, metric = asked("The keys on")
    result = occlusion(words(), text, metric, baseline=sonde.Interventional(["The dog near the tree is"], draws=1))
    assert "Interventional(1 inputs, draws=1, seed=0)" in str(result.recipe)
    with pytest.raises(InputError, match="baseline was given as an object"):
        result.check(words(), sonde.tasks.load("agreement", words(), n=2))


def test_a_model_with_other_weights_gives_other_shares():
    from sonde.evidence import permuted

    task = sonde.tasks.load("agreement", words(), n=3)
    other = sonde.Model(permuted(words().module, 0), words().tokenizer)
    here, there = (kernel_shap(model, task, baseline="pad", samples=64) for model in (words(), other))
    pairs = [torch.corrcoef(torch.stack([a[~a.isnan()], b[~a.isnan()]]))[0, 1] for a, b in zip(here.values, there.values, strict=True)]
    assert float(torch.stack(pairs).abs().mean()) < 0.9
