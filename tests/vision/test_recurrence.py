"""Which kinds of units recur, and whether matched units are wired alike: planted copies beside units and weights that are independent."""

import copy

import pytest
import torch
from torch import nn
from vision.planted import gabor

import sonde
from sonde.results import InputError, SondeError
from sonde.vision import Recurrence, WeightMatch, colours, gratings, kinds_of, match_units, match_weights, recurrence, tuning

PLAIN = {"normalise": "none", "other_normalise": "none"}


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def shared():
    """Sixteen units over two channels of independent noise: the first eight are the other network's, the others read what it does not see."""
    torch.manual_seed(0)
    first, second = (nn.Sequential(nn.Conv2d(2, 16, 3, bias=False), nn.ReLU()) for _ in range(2))
    with torch.no_grad():
        second[0].weight[:, 1] = 0
        first[0].weight[:8] = second[0].weight[:8].flip(0)
        first[0].weight[8:, 0] = 0
    model, other, pictures = sonde.load(first), sonde.load(second), random(24, 2, 12, 12)
    return model, other, pictures, match_units(model, "1", other, "1", pictures, **PLAIN)


def test_what_is_shared_recurs_and_the_rest_does_not(shared, tmp_path):
    model, other, pictures, found = shared
    kinds = recurrence(found, {"shared": range(8), "own": range(8, 16), "nobody": []})
    assert kinds.share[:2].tolist()[0] == 1 and float(kinds.share[1]) <= 0.25 and bool(kinds.share[2].isnan())
    assert float(kinds.null_share[:2].mean()) == pytest.approx(1 / 19, abs=1e-6)  # each order is the largest for one unit in nineteen
    verdicts = kinds.check(model, other, pictures, draws=4)
    assert [verdict.holds for verdict in verdicts] == [True, True, False, False, None, None]
    frame = kinds.to_frame()
    assert frame["recurring"].to_list()[0] == 1 and frame["correlation"].to_list()[2] is None and len(kinds.drawing().data["rows"]) == 3
    kept = Recurrence.load(kinds.save(tmp_path / "kept"))
    assert kept.drawing().to_json() == kinds.drawing().to_json()
    with pytest.raises(SondeError, match="was computed on the model"):
        kinds.check(other, other, pictures)
    for wrong, words in (({}, "give units of '1'"), ({"x": [16]}, "there is no unit 16 at '1': it has 16")):
        with pytest.raises(InputError, match=words):
            recurrence(found, wrong)


def test_kinds_are_told_by_tuning():
    """Oriented grey filters, one of a colour without orientation, and one that answers to all alike."""
    conv = nn.Conv2d(3, 4, 9, bias=False, padding=4)
    with torch.no_grad():
        conv.weight.zero_()
        for unit, angle in enumerate((0, 90)):
            conv.weight[unit] = gabor(angle, 9, 1 / 5, 2.5) / 3
        conv.weight[2] = torch.tensor([2.0, -1, -1])[:, None, None] / 81
    model = sonde.load(nn.Sequential(conv))
    asked = {
        "orientation": tuning(model, "0", gratings(15, [1 / 5], range(0, 180, 30)), normalise="none"),
        "colour": tuning(model, "0", colours(15, [1.0], range(0, 360, 60)), normalise="none"),
    }
    kinds = kinds_of(model, asked, draws=4)
    assert kinds["orientation"] == [0, 1] and 3 in kinds["other"] and sum(map(len, kinds.values())) == 4
    other = tuning(model, "0", gratings(15, [1 / 5], range(0, 180, 90)), [0], normalise="none")
    for wrong, words in (({}, "give measurements"), (asked | {"more": other}, "of different units")):
        with pytest.raises(InputError, match=words):
            kinds_of(model, wrong)


def deep(kernel=3):
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(2, 10, 3, bias=False), nn.ReLU(), nn.Conv2d(10, 12, kernel, bias=False), nn.ReLU())


def turned(module):
    """The same function: channels in another order, each scaled, and what reads them scaled back."""
    other, order, last = copy.deepcopy(module), torch.randperm(10), torch.randperm(12)
    scale = 1 + torch.arange(10.0)
    with torch.no_grad():
        other[0].weight.copy_(module[0].weight[order] * scale[:, None, None, None])
        other[2].weight.copy_(module[2].weight[last][:, order] / scale[:, None, None])
    return other


def matched(first, second, pictures):
    models = [sonde.load(one) for one in (first, second)]
    return models, [match_units(models[0], layer, models[1], layer, pictures, **PLAIN) for layer in ("1", "3")]


def test_a_circuit_in_another_order_is_found_again(tmp_path):
    pictures, first = random(20, 2, 10, 10), deep()
    (model, other), (before, after) = matched(first, turned(first), pictures)
    found = match_weights(before, after, model, "2", other, "2", draws=19)
    assert float(found.agreement.min()) == pytest.approx(1, abs=1e-4) and abs(float(found.null.mean())) < 0.05 and found.entries
    assert [verdict.holds for verdict in found.check(model, other, pictures, draws=4)] == [True]
    kept = WeightMatch.load(found.save(tmp_path / "kept"))
    assert kept.drawing().to_json() == found.drawing().to_json() and kept.to_frame().height == 12
    unlike = copy.deepcopy(first)
    nn.init.normal_(unlike[2].weight)
    (model, third), (before, after) = matched(first, unlike, pictures)
    by_chance = match_weights(before, after, model, "2", third, "2", draws=19)
    # partners chosen by their answers have weights that agree a little, above random partners: no more than in copies with shuffled filters
    assert 0.05 < float(by_chance.agreement.mean()) < 0.3 and by_chance.check(model, third, pictures, draws=4)[0].holds is False
    with pytest.raises(SondeError, match="compare anew"):
        found.check(sonde.load(first), third, pictures)
    with pytest.raises(InputError, match="were not matched in these two networks"):
        match_weights(before, after, model, "2", other, "2")
    with pytest.raises(InputError, match="the weights of '0' are of 10 units that read 2 channels, and 12 units and 10 channels were matched"):
        match_weights(before, after, model, "0", third, "2")
    with pytest.raises(InputError, match="draws=1"):
        match_weights(before, after, model, "2", third, "2", draws=1)


def test_filters_of_different_sizes_are_compared_by_their_sums():
    pictures, first = random(20, 2, 10, 10), deep()
    second = deep(kernel=1)
    with torch.no_grad():
        second[0].weight.copy_(first[0].weight)
        second[2].weight.copy_(first[2].weight.sum((2, 3), keepdim=True))
    (model, other), (before, after) = matched(first, second, pictures)
    found = match_weights(before, after, model, "2", other, "2", draws=5)
    same = [i for i, (one, partner) in enumerate(zip(found.units, found.partners, strict=True)) if one == partner]
    assert not found.entries and found.inputs == 10 and same and found.agreement[same].tolist() == pytest.approx([1] * len(same), abs=1e-4)
