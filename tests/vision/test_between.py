"""Weights between layers, composed: networks without non-linearities are their composed weights; what has no weights is refused by name."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional

import sonde
from sonde.bases import Subspace
from sonde.results import CheckRefused, InputError, Result, SiteUnavailable, UnknownSite
from sonde.specimens.digits import held_out
from sonde.vision import UnitWeights, factorised, feeding, slices, weights_between


class Net(nn.Module):
    """A network by its parts and one function over them."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.steps = forward

    def forward(self, x):
        return self.steps(self, x)


def made(forward, seed=0, **parts):
    """The network in double precision, its weights drawn anew."""
    generator = torch.Generator().manual_seed(seed)
    net = Net(forward, **parts).double().eval()
    for parameter in net.parameters():
        parameter.data.normal_(generator=generator)
    return sonde.load(net)


def agree(found, net, tolerance, size=33, places=((4, 4), (3, 5), (5, 4))):
    """Contributions and bias are the unit, at places inside the map."""
    pictures = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    run = net.run(pictures, read=[found.source, found.site])
    largest = float(run[found.site].abs().max())
    for unit in found.units:
        for row, col in places:
            given = found.contributions(run[found.source][1], unit, row, col).sum() + found.bias[found.units.index(unit)]
            assert float(given - run[found.site][1, unit, row, col]) == pytest.approx(0, abs=tolerance * largest)


def test_two_linear_convolutions_are_their_composed_weights():
    net = made(lambda self, x: self.two(self.one(x)), one=nn.Conv2d(3, 4, 3, padding=1), two=nn.Conv2d(4, 5, 3, padding=1))
    found = weights_between(net, "two", "one:in", size=33)
    assert found.weight.shape == (5, 3, 5, 5) and found.stride == (1, 1) and found.passed == ()
    agree(found, net, 1e-13)
    one, two = (layer.weight.detach() for layer in (net.module.one, net.module.two))
    by_hand = functional.conv2d(two, one.flip(2, 3).transpose(0, 1), padding=2)  # the full convolution of both
    assert torch.allclose(found.weight, by_hand, rtol=0, atol=1e-12)
    assert not torch.allclose(found.weight, functional.conv2d(two, one.transpose(0, 1), padding=2), rtol=0, atol=0.1)


def test_strides_pools_groups_residues_and_joins_are_composed_too():
    def forward(self, x):
        x = functional.avg_pool2d(self.one(x), 2)
        x = x + self.two(x)
        return self.four(torch.cat([self.three(x), x[:, :2] * 0.5 - 1], 1))

    net = made(
        forward, one=nn.Conv2d(3, 4, 3, stride=2, padding=1), two=nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2), three=nn.Conv2d(4, 2, 1),
        four=nn.Conv2d(4, 6, 3, padding=1),
    )  # fmt: skip
    found = weights_between(net, "four", "one:in", size=97)
    assert found.stride == (4, 4) and found.passed == ()
    agree(found, net, 1e-12, size=97, places=((11, 11), (10, 12)))
    near = weights_between(net, "four", size=97)
    assert near.source == "four:in" and torch.allclose(near.weight, slices(net, "four"), rtol=0, atol=1e-14)


def test_rectifiers_are_passed_as_the_identity_and_the_largest_as_the_mean_and_both_are_said():
    weight = torch.rand(2, 1, 3, 3, dtype=torch.float64)

    def network(rectify, pool):
        net = made(lambda self, x: self.two(pool(rectify(self.one(x)))), one=nn.Conv2d(1, 2, 3), two=nn.Conv2d(2, 2, 1))
        net.module.one.weight.data.copy_(weight)
        return weights_between(net, "two", "one:in", size=20)

    def mean(x):
        return functional.avg_pool2d(x, 2)

    straight, passed = network(lambda x: x, mean), network(lambda x: functional.relu_(x), lambda x: functional.max_pool2d(x, 2))
    assert torch.equal(straight.weight, passed.weight) and straight.passed == ()
    assert set(passed.passed) == {"relu as the identity", "the largest of a window as the window's mean"}
    assert any("relu as the identity" in note for note in passed.notes)
    assert torch.equal(network(nn.LeakyReLU(inplace=True), nn.MaxPool2d(2)).weight, straight.weight)


def test_sources_are_found_by_what_runs_not_by_the_order_of_modules():
    """The module that is listed first runs last; a join and a sum tell whose channels they hold."""

    def forward(self, x):
        first = self.a(x)
        both = self.act(torch.cat([first, self.b(first)], 1))
        return self.listed_first(both) + self.c(both)

    parts = {"listed_first": nn.Conv2d(3, 2, 1), "c": nn.Conv2d(3, 2, 1), "b": nn.Conv2d(2, 1, 1), "a": nn.Conv2d(3, 2, 1), "act": nn.ReLU()}
    net = made(forward, **parts)
    seen = feeding(net)
    assert seen.source("listed_first") == "act:out" and seen.source("b") == "a:out" and seen.source("a") == "a:in"
    assert sorted(seen.readers("b")) == ["c", "listed_first"] and seen.readers("a") == ["b", *seen.readers("b")]
    found = weights_between(net, "listed_first", units=[1])
    assert found.source == "act:out" and found.labels[2] == "act:2"
    assert "channels 0 to 1 of act:out are a" in found.notes and "channel 2 of act:out is b" in found.notes
    assert [part.said("it") for part in seen.of(seen.calls[-1].gave)] == ["channels 0 to 1 of it are the sum of listed_first and c"]
    assert weights_between(net, "act", "a", units=[2]).source == "a:out"
    with pytest.raises(InputError, match="made by a, b: name the source layer"):
        weights_between(net, "act")


def test_what_has_no_weights_is_refused_by_name_where_it_lies_on_the_way_only():
    def network(forward):
        return made(forward, one=nn.Conv2d(3, 4, 1), two=nn.Conv2d(4, 4, 1))

    cases = {
        "softmax": lambda self, x: self.two(torch.softmax(self.one(x), 1)),
        "sigmoid": lambda self, x: self.two(torch.sigmoid(self.one(x))),
        "a product of two activations": lambda self, x: self.two((lambda y: y * y.mean((2, 3), keepdim=True))(self.one(x))),
        "layer_norm": lambda self, x: self.two(functional.layer_norm(self.one(x), x.shape[-1:])),
        "a division by an activation": lambda self, x: self.two(1 / (2 + self.one(x))),
    }
    for words, forward in cases.items():
        with pytest.raises(SiteUnavailable, match=words) as refused:
            weights_between(network(forward), "two", "one")
        assert "\n" not in str(refused.value)

    def beside(self, x):
        y = self.one(x)
        return self.two(y), torch.softmax(y, 1)

    assert weights_between(network(beside), "two", "one").weight.shape == (4, 4, 1, 1)


def test_mistakes_are_told_in_one_line():
    net = sonde.load("specimen:digits")
    for arguments, error, words in (
        (("blocks.1.conv", "blocks.2"), InputError, "nothing of blocks.2:out reaches blocks.1.conv:out"),
        (("blocks.1.conv", None, [99]), InputError, "no unit 99"),
        (("blocks.1.conv", None, [1, 1]), InputError, "each once"),
        (("nowhere",), UnknownSite, "nowhere"),
        (("blocks.1.conv", "nowhere"), UnknownSite, "nowhere"),
    ):
        with pytest.raises(error, match=words) as refused:
            weights_between(net, *arguments)
        assert "\n" not in str(refused.value)


@functools.cache
def digits():
    """The second layer of the digits specimen, ranked by its contributions on some pictures."""
    return weights_between(sonde.load("specimen:digits"), "blocks.1.conv", pictures=held_out()[0][:64], normalise="none")


def test_contributions_and_bias_are_the_pre_activation_everywhere():
    net, found = sonde.load("specimen:digits"), digits()
    pictures = held_out()[0][64:66]
    run = net.run(pictures, read=["blocks.0:out", "blocks.1.conv:out"])
    maps = run["blocks.1.conv:out"]
    for row in range(maps.shape[2]):
        for col in range(maps.shape[3]):
            given = found.contributions(run["blocks.0:out"][1], 7, row, col).sum() + found.bias[7]
            assert float(given) == pytest.approx(float(maps[1, 7, row, col]), abs=1e-5)
    assert torch.equal(found.weight, slices(net, "blocks.1.conv"))
    assert torch.allclose(found.activation, net.run(held_out()[0][:64], read=["blocks.0:out"])["blocks.0:out"].mean((0, 2, 3)), atol=1e-6)


def test_partners_are_ranked_both_ways():
    found = digits()
    for unit in (0, 7):
        most, least = found.incoming(unit), found.incoming(unit, sign=-1)
        values = [one.contribution for one in most]
        assert values == sorted(values, reverse=True) and values[0] == pytest.approx(float(found.contribution[unit].max()))
        assert least[0].contribution == pytest.approx(float(found.contribution[unit].min())) and all(one.contribution < 0 for one in least)
        one = most[0]
        assert one.strength == pytest.approx(one.excitation + one.inhibition) and one.name == f"blocks.0:{one.number}"
    fed = found.outgoing(2, 3)
    assert fed[0].number == int(found.contribution[:, 2].argmax()) and fed[0].name == f"blocks.1.conv:{fed[0].number}"
    alone = weights_between(sonde.load("specimen:digits"), "blocks.1.conv", units=[7])
    assert alone.ranked_by == "strength" and alone.incoming(7)[0].number == int(found.strength[7].argmax())
    frame = found.to_frame()
    assert frame.height == 32 * 16 and frame.filter((frame["unit"] == 7) & (frame["channel"] == 3))["strength"][0] == pytest.approx(
        float(found.strength[7, 3])
    )


def test_partners_do_what_their_weights_say_and_random_weights_say_nothing(tmp_path):
    net, found = sonde.load("specimen:digits"), digits()
    verdicts = found.check(net, held_out()[0][64:128], [3, 5], draws=6)
    assert len(verdicts) == 4 and all(verdict.holds for verdict in verdicts)
    kept = Result.load(found.save(tmp_path / "weights"))
    assert isinstance(kept, UnitWeights) and torch.equal(kept.weight, found.weight) and kept.stride == found.stride
    mixed = found.weight.flatten()[torch.randperm(found.weight.numel(), generator=torch.Generator().manual_seed(0))].view_as(found.weight)
    wrong = type(found)(**{**{name: getattr(found, name) for name in found.__dataclass_fields__}, "weight": mixed})
    assert sum(bool(verdict.holds) for verdict in wrong.check(net, held_out()[0][64:128], [3, 5], draws=6)) <= 1
    before = weights_between(net, "blocks.1.conv", "blocks.0.conv", [3], pictures=held_out()[0][:64], normalise="none")
    assert not any(verdict.holds for verdict in before.check(net, held_out()[0][64:128], draws=4)[:2])  # sums that a rectifier has still to cut
    with pytest.raises(CheckRefused):
        found.check(sonde.load(nn.Sequential(nn.Conv2d(1, 16, 3))), held_out()[0][:8])


def test_composed_weights_are_held_against_the_slope():
    """Where every rectifier is open, the slope is the composed weight; random orders are not."""
    net = made(lambda self, x: self.two(torch.relu(self.one(x))), one=nn.Conv2d(3, 4, 3, padding=1), two=nn.Conv2d(4, 3, 3, padding=1))
    net.module.one.weight.data.abs_()
    net.module.one.bias.data.fill_(5)
    pictures = torch.rand(12, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found = weights_between(net, "two", "one", units=[1], pictures=pictures, normalise="none", size=24)
    assert found.passed == ("relu as the identity",)
    composed = found.check(net, pictures, draws=4)[-1]
    assert "slopes" in composed.claim and composed.holds and composed.measured == pytest.approx(1, abs=0.02) and abs(composed.control) < 0.3


def test_parts_that_were_planted_are_found_and_random_weights_have_none():
    """Twelve units that add two patterns of excitation and inhibition up: two parts give all; in random order they leave much out."""
    generator = torch.Generator().manual_seed(0)
    patterns, loading = torch.zeros(2, 8, 3, 3), torch.rand(12, 2, generator=generator) + 0.1
    loading[:2] = torch.eye(2)  # parts are unique only where some unit has one alone (Donoho and Stodden 2003)
    patterns[0, :3, :, 0], patterns[0, 5, 1] = 1, -0.5
    patterns[1, 3:5, 0], patterns[1, 7, :, 2] = 0.8, -1
    net = sonde.load(nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU()))
    net.module[0].weight.data = (loading @ patterns.flatten(1)).view(12, 8, 3, 3)
    found = factorised(weights_between(net, "0", size=9), 2)
    assert found.error < 1e-4 and found.to_frame().height == 24
    signed = (found.excite - found.inhibit).flatten(1)
    cosine = signed @ patterns.flatten(1).T / patterns.flatten(1).norm(dim=1)
    assert torch.allclose(cosine.amax(1), torch.ones(2), atol=1e-2) and sorted(cosine.argmax(1).tolist()) == [0, 1]
    (verdict,) = found.check(net, draws=3)
    assert verdict.holds and verdict.control > 0.3
    mixed = net.module[0].weight.data.flatten(1)
    net.module[0].weight.data = mixed.gather(1, torch.rand(mixed.shape, generator=generator).argsort(1)).view(12, 8, 3, 3)
    assert factorised(weights_between(net, "0", size=9), 2).check(net, draws=3)[0].holds is False
    for factors in (0, 13):
        with pytest.raises(InputError, match=f"factors={factors}: give a number from 1 to 12"):
            factorised(weights_between(net, "0", size=9), factors)


def test_a_unit_is_drawn_between_its_partners():
    found = digits()
    assert found.drawing().kind == "matrix"
    drawn = found.drawing(7, 3)
    assert drawn.axes["row"]["labels"] == ["excited by", "inhibited by"] and [one is not None for one in drawn.data["maps"][0]] == [True] * 3
    assert drawn.data["values"][0][0] > 0 > drawn.data["values"][1][0] and drawn.legend["high"] == -drawn.legend["low"] > 0
    pictured = found.visualised(sonde.load("specimen:digits"), 7, 3, steps=2).drawing(7, 3)
    assert pictured.axes["row"]["labels"] == ["excited by", "... which look for", "blocks.1.conv:7", "inhibited by", "... which look for"]
    assert pictured.data["pictures"][1][0] is not None and pictured.data["pictures"][2][1] is not None


def test_coordinates_of_a_basis_are_sources_like_channels():
    """What a unit sees of a direction is what it sees of all channels, weighted by the direction."""
    net, plane = sonde.load("specimen:digits"), Subspace.random(16, 3)
    found = weights_between(net.attach("blocks.0:out", plane, "plane"), "blocks.1.conv", "blocks.0:out.plane", [3])
    by_hand = torch.einsum("uchw,kc->ukhw", slices(net, "blocks.1.conv")[[3]], plane.decode(torch.eye(3)))
    assert torch.allclose(found.weight, by_hand, rtol=0, atol=1e-6) and found.labels[2] == "blocks.0:out.plane:2"
