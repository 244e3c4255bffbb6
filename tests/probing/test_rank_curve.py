"""What is lost by the number of directions: a used property's first direction costs, an unused one's never does."""

import pytest
import torch
from planted_uses import labelled, planted_uses, task

import sonde
from sonde.probing import Labelled, RankCurve, rank_curve
from sonde.results import CheckRefused, InputError


@pytest.fixture(scope="module")
def found():
    model, attributes = planted_uses(0)
    return model, {
        name: rank_curve(model, labelled(attributes, name), task(attributes), "blocks.0.resid_post", draws=6) for name in ("used", "unused")
    }


def test_the_first_direction_of_a_used_property_costs(found):
    model, curves = found
    used, unused = curves["used"], curves["unused"]
    assert used.ranks[:2] == [0, 1] and not used.effect[0].any() and not used.random[:, 0].any()
    cost = used.effect[:, 0].mean(-1) / used.gap
    assert cost[1] > 0.25 > 4 * used.random[:, 1, 0].mean()  # one direction holds most of it, and random ones nothing
    assert used.right[0].mean() > 0.9 and used.right[-1].mean() < 0.7 < used.random_right[:, 1].mean()
    assert unused.right[0].mean() > 0.9 and unused.right[-1].mean() < 0.7
    # taken out as plainly, and not missed more than random directions
    assert [verdict.holds for verdict in used.check(model)[:2]] == [True, True]
    checked = unused.check(model)
    assert checked[0].holds and not any(verdict.holds for verdict in checked[1:])


def test_kept_drawn_and_listed(found, tmp_path):
    _, curves = found
    used = curves["used"]
    again = sonde.results.Result.load(used.save(tmp_path / "curve"))
    assert isinstance(again, RankCurve) and again.to_frame().equals(used.to_frame()) and again.drawing() == used.drawing()
    assert used.to_frame()["rank"].to_list() == used.ranks
    parts = used.drawing().data["parts"]
    assert [part["label"] for part in parts] == ["the model", "a probe"]
    with pytest.raises(CheckRefused):
        used.check(planted_uses(3)[0])


def test_the_same_directions_at_every_rank(found):
    model, curves = found
    attributes = planted_uses(0)[1]
    few = rank_curve(model, labelled(attributes, "used"), task(attributes), "blocks.0.resid_post", ranks=[1], draws=6)
    used = curves["used"]
    assert torch.allclose(few.effect[0], used.effect[1], atol=1e-5) and torch.allclose(few.random[:, 0], used.random[:, 1], atol=1e-5)
    assert len(few.verdicts) == 1  # nothing is said of the probe, which was not asked before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"site": "blocks.*.resid_post"}, "names 2 sites"),
        ({"draws": 1}, "needs two at least"),
        ({"ranks": [0, 99]}, "directions were found"),
        ({"ranks": [0]}, "one above 0"),
        ({"data": Labelled.of([[1], [2], [3]], [1.5, 2.5, 1.0])}, "numbers in place of classes"),
        ({"data": Labelled.of([[1]] * 40, ["a", "b"] * 20, name="a coin", groups=list(range(40)))}, "no linear classifier tells 'a coin'"),
    ],
)
def test_mistakes(given, says):
    model, attributes = planted_uses(0)
    asked = {"data": labelled(attributes, "used"), "on": [[1, 240]], "site": "blocks.0.resid_post", "draws": 2} | given
    with pytest.raises(InputError, match=says):
        rank_curve(model, **asked)
