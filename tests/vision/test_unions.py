"""A circuit that was written into the weights is found, ranked first, and nothing is found without one of its ingredients or in shuffled weights."""

import pytest
import torch
from torch import nn

import sonde
from sonde.results import CheckRefused, InputError, Result
from sonde.vision import union_circuits
from sonde.vision.union_search import search, strengths
from tests.vision.planted_unions import CHANNELS, PARTS, corners, network, planted, shuffled

SEEDS = range(100)
LAYERS = ["path", "join"]


def units(one):
    return one.u, one.a, one.b, one.pa, one.pb


def test_a_planted_circuit_is_ranked_first_in_100_of_100():
    for seed in SEEDS:
        found, near = search(planted(seed), 1)
        assert units(found[0]) == units(near[0]) == (4, 2, 3, 0, 1), seed
        assert found[0].margin > 1 and found[0].score > 3


def test_shuffled_weights_never_hold_one():
    assert not any(search(shuffled(planted(seed), seed), 0)[0] for seed in SEEDS)


@pytest.mark.parametrize("part", PARTS)
def test_without_one_ingredient_it_is_not_there(part):
    assert not any(search(planted(seed, without=[part]), 0)[0] for seed in SEEDS)


def test_fresh_networks_never_hold_one():
    for seed in SEEDS:
        torch.manual_seed(seed)
        layers = [nn.Conv2d(CHANNELS, CHANNELS, 3, bias=False) for _ in range(2)]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight)
        assert not search([layer.weight.detach() for layer in layers], 0)[0]


def test_a_pathway_that_is_not_mirrored_does_not_count():
    for seed in range(20):
        first, join = planted(seed)
        first[3, 1] = torch.rand(3, 3, generator=torch.Generator().manual_seed(seed)) * torch.tensor(
            [0.0, 1.0, 3.0]
        )  # as strong, but no mirror image
        first[2, 0] = torch.tensor([0.0, 1.0, 3.0]).expand(3, 3)
        assert not search([first, join], 0)[0]


def brute(weights):
    """All circuits, criterion by criterion."""
    first, join = weights
    z, up = strengths(first), strengths(join)

    def alike(one, two):
        return float(nn.functional.cosine_similarity(one.flatten(), two.flip(-1).flatten(), dim=0))

    return {
        (u, a, b, pa, pb)
        for a, b in torch.combinations(torch.arange(len(first))).tolist()
        for pa in (z[a] > 3).nonzero()[:, 0].tolist()
        for pb in (z[b] > 3).nonzero()[:, 0].tolist()
        for u in range(len(join))
        if z[a, pb] < -3 and z[b, pa] < -3 and up[u, a] > 3 and up[u, b] > 3 and alike(join[u, a], join[u, b]) > 0.6
        and alike(first[a, pa], first[b, pb]) > 0.6 and alike(first[a, pb], first[b, pa]) > 0.6
    }  # fmt: skip


def test_the_search_finds_what_trying_all_finds():
    """Heavy-tailed and nearly constant filters, so that there are many strong connections and many mirrored ones."""
    count = 0
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        sizes = torch.randn(2, 14, 14, 1, 1, generator=generator) ** 5
        weights = list(sizes * (1 + 0.8 * torch.randn(2, 14, 14, 3, 3, generator=generator)))
        found, near = search(weights, 3)
        assert {units(one) for one in found} == brute(weights)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        assert near[0].margin == pytest.approx(max((one.margin for one in found), default=near[0].margin))
        count += len(found)
    assert count > 5


def test_the_order_of_channels_does_not_matter():
    first, join = planted(3)
    order = torch.randperm(CHANNELS, generator=torch.Generator().manual_seed(0))
    (one,), _ = search([first, join])
    (other,), _ = search([first[order], join[:, order]])
    assert {int(order[i]) for i in (other.a, other.b)} == {one.a, one.b} and other.score == pytest.approx(one.score)


def test_filters_that_are_their_own_mirror_image_are_told():
    first, join = planted(3)
    (one,), _ = search([first, join])
    straight = [(weight + weight.flip(-1)) / 2 for weight in (first, join)]
    (other,), _ = search(straight)
    assert one.sided > 0 and abs(other.sided) < 1e-5 and units(one) == units(other)


def test_deeper_pathways_are_followed_back():
    early = planted(7)[0]
    before, middle = torch.zeros_like(early), planted(8)
    before.copy_(0.1 * torch.randn(early.shape, generator=torch.Generator().manual_seed(1)))
    before[0, 5], before[1, 6], before[0, 6], before[1, 5] = early[2, 0], early[3, 1], early[2, 1], early[3, 0]
    (one,), _ = search([before, *middle])
    assert one.before == ((5, 6),)
    (alone,), _ = search([shuffled([before], 0)[0], *middle])
    assert alone.before == () and alone.score == one.score


@pytest.mark.parametrize(
    "weights, words",
    [
        ([torch.rand(12, 12, 3, 3)], "two layers or more that follow each other, and here is 1"),
        ([torch.rand(12, 12, 3, 3), torch.rand(12, 8, 3, 3)], "layer 2 reads 8 channels, and layer 1 gives 12"),
        ([torch.rand(12, 12, 3, 3), torch.rand(12, 12, 3, 1)], "the filters of layer 2 have one column, which is its own mirror image"),
        ([torch.zeros(12, 12, 3, 3), torch.rand(12, 12, 3, 3)], "layer 1: more than half of a layer's connections are equally strong"),
    ],
)
def test_weights_that_can_hold_none_are_refused(weights, words):
    with pytest.raises(InputError, match=words):
        search(weights)


@pytest.fixture(scope="module")
def model():
    return network(0)


@pytest.fixture(scope="module")
def found(model):
    return union_circuits(model, LAYERS, draws=20)


def test_in_a_network(found, tmp_path):
    assert [units(one) for one in found.circuits] == [(4, 2, 3, 0, 1)]
    assert found.beyond("weights") == 1 / 21 and not found.null_counts["weights"].any() and float(found.null["weights"].max()) < 1
    assert found.beyond("filters") == 1 / 21  # the filters of the circuit are few, so that dealing them out hardly ever makes one
    assert found.sites == ["path:in", "join:in", "join:out"]
    frame = found.to_frame()
    assert frame["found"].sum() == 1 and frame["u"][0] == 4
    graph = found.drawing().data["parts"][0]["drawing"]["data"]
    assert len(graph["nodes"]["names"]) == 5 and len(graph["scores"]) == 6 and min(graph["scores"]) < -3
    assert units(Result.load(found.save(tmp_path / "kept")).circuits[0]) == (4, 2, 3, 0, 1)


def test_dealt_out_filters_keep_what_each_unit_has(model):
    from sonde.vision.unions import _shuffled

    (first, _), generator = planted(0), torch.Generator().manual_seed(0)
    dealt, mixed = (_shuffled(first, kind, generator) for kind in ("filters", "weights"))
    assert all(torch.equal(one.flatten(1).sum(1).sort().values, two.flatten(1).sum(1).sort().values) for one, two in zip(first, dealt, strict=True))
    assert not torch.equal(dealt, first) and torch.equal(mixed.flatten().sort().values, first.flatten().sort().values)


def test_a_search_goes_on_where_it_was_interrupted(model, found, tmp_path, monkeypatch):
    union_circuits(model, LAYERS, draws=20, folder=tmp_path)
    monkeypatch.setattr("sonde.vision.unions._copied", lambda *given: pytest.fail("nothing is left to do"))
    again = union_circuits(model, LAYERS, draws=20, folder=tmp_path)
    assert all(torch.equal(again.null[kind], found.null[kind]) for kind in found.null)


def test_composed_weights_of_modules_are_those_of_their_convolutions():
    """A module that holds one convolution has its weights, and a module that holds two has their product."""

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            net = network(0).module
            self.look, self.path, self.join = (
                nn.Sequential(net.look, nn.ReLU()),
                nn.Sequential(net.path, nn.ReLU()),
                nn.Sequential(net.join, nn.ReLU()),
            )

        def forward(self, pixel_values):
            return self.join(self.path(self.look(pixel_values))).mean((2, 3))

    model = sonde.load(Wrapped().eval())
    found = union_circuits(model, LAYERS, size=12, draws=2)
    assert [units(one) for one in found.circuits] == [(4, 2, 3, 0, 1)] and found.sites == ["look:out", "path:out", "join:out"]
    assert [verdict.holds for verdict in found.check(model, corners(90, 0), normalise="none", draws=8)] == [True] * 5


def test_on_pictures_it_works_as_its_weights_say(model, found):
    verdicts = found.check(model, corners(90, 0), normalise="none", draws=8)
    assert [verdict.holds for verdict in verdicts] == [True] * 5, [(v.claim, v.measured, v.control, v.interval) for v in verdicts]


def test_the_pictures_of_each_unit(model, found):
    pictures = corners(60, 0)
    grid = found.pictured(model, pictures, normalise="none", top=4)
    assert grid.axes["row"]["labels"] == ["u 4", "a 2", "b 3", "pa 0", "pb 1"] and len(grid.data["values"][0]) == 4
    assert grid.data["values"][1] == sorted(grid.data["values"][1], reverse=True)
    maps = model.run(pictures, read=["join:in"], logits=False)["join:in"][:, 2]
    assert grid.data["values"][1][0] == pytest.approx(float(maps.clamp(min=0).mean((1, 2)).max()), rel=1e-5)


def test_broken_files_are_named(model, found, tmp_path):
    images = pytest.importorskip("PIL.Image")
    for i, picture in enumerate(corners(20, 0)):
        images.fromarray((255 * picture[0]).byte().numpy()).save(tmp_path / f"{i:02}.png")
    (tmp_path / "broken.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"1 of 21 files can't be read: broken\.png"):
        found.check(model, tmp_path, normalise="none", size=12)
    assert "broken.png" in found.pictured(model, tmp_path, normalise="none", size=12).note


def test_two_units_that_do_not_inhibit_each_other_are_seen(found):
    other = network(0, without=["inhibition"])
    near = union_circuits(other, LAYERS, draws=2)
    assert not near.circuits
    number = [i for i, one in enumerate(near.nearest) if {one.a, one.b} == {2, 3}]
    verdicts = near.check(other, corners(90, 0), number or [0], normalise="none", draws=8)
    assert not verdicts[2].holds
    with pytest.raises(CheckRefused):
        found.check(other, corners(9, 0), normalise="none")


def test_random_candidates_do_not_pass(model):
    near = union_circuits(network(1, without=PARTS), LAYERS, draws=2)
    verdicts = near.check(network(1, without=PARTS), corners(90, 0), normalise="none", draws=8)
    assert not all(verdict.holds for verdict in verdicts)


class Branched(nn.Module):
    """Two convolutions beside each other: neither reads the other."""

    def __init__(self):
        super().__init__()
        self.look, self.one, self.two = nn.Conv2d(1, 12, 3), nn.Conv2d(12, 12, 3), nn.Conv2d(12, 12, 3)

    def forward(self, pixel_values):
        maps = self.look(pixel_values)
        return (self.one(maps) + self.two(maps)).mean((2, 3))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda model: union_circuits(model, ["path"]), "name two or more"),
        (lambda model: union_circuits(model, LAYERS, draws=1), "draws=1: give a number of 2 or more"),
        (lambda model: union_circuits(model, ["join", "path"]), "path reads nothing of channel 8 when unit 8 of join changes"),
        (lambda model: union_circuits(sonde.load(Branched()), ["one", "two"]), "two reads nothing of channel 6"),
        (lambda model: union_circuits(model, LAYERS, draws=2).check(model, corners(9, 0), [9], normalise="none"), "there is no candidate 9"),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_is_refused_in_one_line(model, call, words):
    with pytest.raises(InputError, match=words) as error:
        call(model)
    assert "\n" not in str(error.value)


def test_few_channels_are_warned_of():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    assert "0 joins 8 units to 3: with fewer than 12" in union_circuits(sonde.load(net), ["0", "1"], draws=2).notes[0]
