"""The planted illusion is flagged and the honest networks pass; a search finds what flips, also where nothing is held."""

import pytest
import torch

import sonde
from sonde.bases import Subspace
from sonde.probing import Alignment, IllusionTest, Pairs, SearchConfig, das, illusion
from sonde.probing.subspaces.illusion import ALONG, DIFFERENCE, GRADIENT, NULL, ROW, WHOLE
from sonde.probing.subspaces.placed import placed
from sonde.probing.subspaces.search import Surprise, judged, search
from sonde.results import CheckRefused, InputError, SiteUnavailable, UnknownSite
from sonde.specimens import subspaces as planted

SEARCH = SearchConfig(steps=80, lr=0.03, starts=1, batch=128)
SEEDS = (10, 11, 12, 13)


def pairs_of(n, seed):
    return Pairs.between(*planted.sign_pairs(n, seed=seed))


@pytest.fixture(scope="module", params=SEEDS)
def illusory(request):
    """What a search finds in the planted network, judged on other pairs, and its test."""
    model, seed = sonde.load(planted.illusion(seed=request.param)), request.param
    on, choose_by, held = (placed(model, part, "act:out") for part in pairs_of(300, seed).split(seed))
    found = search(on, choose_by, 1, SEARCH, seed)
    return (
        model,
        judged(Surprise(held), found.subspace)[0],
        illusion(model, pairs_of(150, 100 + seed), "act:out", found.subspace, ["down:out"], draws=4),
    )


@pytest.fixture(scope="module")
def honest():
    model = sonde.load(planted.honest(seed=10))
    found = das(model, pairs_of(300, 10), "act:out", config=SEARCH, draws=4, seed=10)
    return model, found, illusion(model, pairs_of(150, 110), "act:out", found.subspace, ["down:out"], draws=4)


def test_the_illusion_is_flagged(illusory):
    model, accuracy, test = illusory
    assert accuracy >= 0.9 and test.outcome == "illusory" and test.dormant
    shares = {name: test.swaps.of(name) for name in (ALONG, ROW, NULL, WHOLE, DIFFERENCE, GRADIENT)}
    assert shares[ALONG] >= 0.9 and shares[WHOLE] <= 0.15 and shares[ROW] <= 0.2 and shares[NULL] <= 0.1
    assert shares[DIFFERENCE] <= 0.15 and shares[GRADIENT] <= 0.15
    row, null = test.lengths
    assert row**2 + null**2 == pytest.approx(1, abs=1e-5) and 0.6 < row < 0.8 and test.rank == 16
    assert [verdict.holds for verdict in test.check(model)] == [False, False, True]


def test_the_residual_stream_of_the_same_network_is_honest():
    model = sonde.load(planted.illusion(seed=11))
    on, choose_by, _ = (placed(model, part, "stream:out") for part in pairs_of(200, 11).split(11))
    test = illusion(model, pairs_of(100, 111), "stream:out", search(on, choose_by, 1, SEARCH, 11).subspace, ["read:out"], draws=3)
    assert test.swaps.of(ALONG) >= 0.9 and test.outcome == "not illusory" and not test.dormant
    assert test.swaps.of(WHOLE) >= 0.9 and test.swaps.of(ROW) >= 0.9


def test_a_trained_layer_that_carries_the_variable_is_honest(honest):
    model, found, test = honest
    assert found.accuracy >= 0.9 and found.check(model)[0].holds
    assert test.outcome == "not illusory" and not test.dormant and test.swaps.of(WHOLE) >= 0.9 and test.swaps.of(ROW) >= 0.9
    assert [verdict.holds for verdict in test.check(model)] == [True, True, True]


def test_a_random_direction_explains_nothing(honest):
    model, *_ = honest
    pairs = Pairs.between(*planted.sign_pairs(40, seed=5))
    test = illusion(model, pairs, "act:out", Subspace.random(64, 1, seed=7), ["down:out"], draws=3)
    assert test.outcome == "undecided" and "no effect" in test.reason


def test_what_no_reader_sees_does_nothing_and_what_is_not_declared_is_told(honest):
    model, found, _ = honest
    pairs = Pairs.between(*planted.sign_pairs(60, seed=6))
    blind = Subspace.span(model.module.down.weight.detach()).complement()
    unseen = illusion(model, pairs, "act:out", Subspace(blind.directions[:, :1]), ["down:out"], draws=3)
    assert unseen.lengths[0] < 1e-3 and unseen.swaps.of(ROW) != unseen.swaps.of(ROW) and unseen.swaps.of(NULL) == 0
    assert unseen.check(model)[0].holds is None
    # one entry of the output alone is declared a reader, and the answer is read from all of them
    partly = illusion(model, pairs, "act:out", found.subspace, ["down:out[unit=3]"], draws=3)
    assert partly.rank == 1 and partly.outcome == "undecided" and "something else reads it" in partly.reason


def test_the_distilled_example():
    """h = w1 x with w1 = (1, 0, 1), output w2 h with w2 = (0, 2, 1): along (1, 1, 0) the patch gives the source's output, along neither part."""
    net = torch.nn.Sequential(torch.nn.Linear(1, 3, bias=False), torch.nn.Linear(3, 1, bias=False), torch.nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [0.0], [1.0]]))
        net[1].weight.copy_(torch.tensor([[0.0, 2.0, 1.0]]))
        net[2].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    model = sonde.load(net)
    x = torch.tensor([[1.0], [-1.0]] * 8)
    pairs = Pairs.between(x, -x, (x[:, 0] < 0).long(), (x[:, 0] > 0).long())
    values = {}
    for name, direction in (("both", [1.0, 1.0, 0.0]), ("disconnected", [1.0, 0.0, 0.0]), ("dormant", [0.0, 1.0, 0.0])):
        test = illusion(model, pairs, "0:out", torch.tensor(direction), ["1:out"], draws=2)
        values[name] = test.swaps.moved[test.swaps.names.index(ALONG)]
    assert values["both"] == pytest.approx(1) and values["disconnected"] == values["dormant"] == 0
    # the whole site carries it here, so what the direction does is no illusion by its strength alone, and nothing of its row part differs
    both = illusion(model, pairs, "0:out", torch.tensor([1.0, 1.0, 0.0]), ["1:out"], draws=2)
    assert both.swaps.of(WHOLE) == 1 and both.lengths[0] == pytest.approx(2 / 10**0.5, abs=1e-4)


def test_held_out_pairs_are_never_searched_on():
    base, source, of_base, of_source = planted.sign_pairs(40)
    pairs = Pairs(base, source, *(tuple((int(i),) for i in part) for part in (of_base, of_source)), torch.arange(40) // 4)
    parts = pairs.split(seed=3)
    groups = [set(part.groups.tolist()) for part in parts]
    assert sum(map(len, groups)) == 10 and not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert sum(map(len, parts)) == 40 and all(len(part) for part in parts)


def test_results_are_kept(honest, tmp_path):
    model, found, test = honest
    back, again = Alignment.load(found.save(tmp_path / "das")), IllusionTest.load(test.save(tmp_path / "illusion"))
    assert torch.equal(back.held.margins, found.held.margins) and back.accuracy == found.accuracy and back.check(model) == found.check(model)
    assert again.outcome == test.outcome and again.drawing() == test.drawing() and back.drawing() == found.drawing()
    assert found.to_frame().height == 8 * len(found.held.before) and "found directions" in found.drawing().data["labels"]
    with pytest.raises(CheckRefused):
        found.check(sonde.load(planted.honest(seed=3, steps=1)))


def test_the_same_seed_finds_the_same():
    model, pairs = sonde.load(planted.honest(seed=2, steps=60)), Pairs.between(*planted.sign_pairs(40))
    first, again = (das(model, pairs, "act:out", config=SearchConfig(steps=5, starts=2), draws=2, seed=1) for _ in range(2))
    assert torch.equal(first.subspace.directions, again.subspace.directions) and torch.equal(first.held.margins, again.held.margins)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"draws": 1}, InputError, "draws=1"),
        ({"size": 64}, InputError, "size=64: act:out has 64 dimensions"),
        ({"size": 0}, InputError, "size=0"),
        ({"task": 3}, InputError, "3 holds no pairs"),
        ({"site": "nowhere:out"}, UnknownSite, "nowhere"),
    ],
)
def test_mistakes_are_named(honest, change, error, message):
    model, *_ = honest
    given = {"task": Pairs.between(*planted.sign_pairs(12)), "site": "act:out", "config": SearchConfig(steps=1, starts=1)} | change
    with pytest.raises(error, match=message):
        das(model, **given)


def test_mistakes_about_pairs_and_readers(honest):
    model, found, _ = honest
    base, source, of_base, _ = planted.sign_pairs(8)
    pairs = Pairs.between(*planted.sign_pairs(8))
    with pytest.raises(InputError, match="same class on both sides"):
        Pairs.between(base, source, of_base, of_base)
    with pytest.raises(InputError, match="one each"):
        Pairs(base, source[:2], pairs.answers, pairs.wrongs, pairs.groups)
    with pytest.raises(InputError, match="groups can't be divided"):
        das(model, pairs.select([0, 1]), "act:out")
    with pytest.raises(InputError, match="none different answers"):
        das(model, Pairs(base, base, pairs.answers, pairs.wrongs, pairs.groups), "act:out")
    with pytest.raises(SiteUnavailable, match="readers="):
        illusion(model, pairs, "act:out", found.subspace)
    with pytest.raises(InputError, match="does not depend"):
        illusion(model, pairs, "act:out", found.subspace, ["stream:out"])
    with pytest.raises(InputError, match="64"):
        illusion(model, pairs, "act:out", Subspace.random(9, 1), ["down:out"])
    with pytest.raises(InputError, match="at least one step"):
        SearchConfig(steps=0)
