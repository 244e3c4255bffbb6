"""Planted wirings that turn with what they read: found with their own phases, and with no others; random wirings are not."""

import pytest
import torch
from torch import nn

import sonde
from sonde.results import CheckRefused, InputError
from sonde.vision import Equivariance, equivariance, equivariance_of, families_by_weights
from sonde.vision.motifs import turned

EIGHT = [45.0 * i for i in range(8)]


def wiring(n=8, side=5, noise=0.1, seed=0):
    """Slices of unit j and source i that are those of unit 0 and source i - j, turned by j steps, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    down, right = torch.meshgrid(torch.arange(side) - side // 2, torch.arange(side) - side // 2, indexing="ij")
    bell = torch.exp(-(down.square() + right.square()) / 6.0)
    first = nn.functional.avg_pool2d(torch.randn(1, n, side + 2, side + 2, generator=generator), 3, 1) * bell
    made = torch.stack([turned(first.roll(j, 1), j * 360 / n)[0] for j in range(n)])
    return made + noise * made.std() * torch.randn(made.shape, generator=generator)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_wiring_is_found_with_its_own_phases_alone(seed):
    """Above .95; with phases in random order below .3, and random weights about 0."""
    weight = wiring(4, seed=seed)
    four = [90.0 * i for i in range(4)]
    found = equivariance_of(weight, four, four, draws=200)
    assert found.score > 0.95 and found.p < 0.2  # of the 576 orders 16 are turns of the true one or leave it as it is
    eight = equivariance_of(wiring(8, seed=seed, noise=0.05), EIGHT, EIGHT, draws=200)
    assert eight.score > 0.8 and eight.p == pytest.approx(1 / 201) and float(eight.chance.mean()) < 0.3  # turned by interpolation
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed + 10)).tolist()
    wrong = equivariance_of(wiring(8, seed=seed, noise=0.05), EIGHT, [EIGHT[i] for i in order], draws=50)
    assert wrong.score < 0.3
    random = equivariance_of(torch.randn(8, 8, 5, 5, generator=torch.Generator().manual_seed(seed)), EIGHT, EIGHT, draws=200)
    assert abs(random.score) < 0.1 and random.p > 0.01


def test_the_matrix_is_circulant_in_the_order_of_phases():
    """Given in an order that says nothing, it is drawn by phase: each row is the one above, moved by one."""
    weight = wiring(4, noise=0.0)
    order = [2, 0, 3, 1]
    found = equivariance_of(weight[order][:, order], [90.0 * i for i in order], [90.0 * i for i in order], draws=20)
    values = torch.tensor(found.drawing().data["values"])
    for row in range(3):
        assert torch.allclose(values[row + 1], values[row].roll(1), rtol=1e-3, atol=1e-4)
    assert found.units == [1, 3, 0, 2] and found.phases == [0, 90, 180, 270] and found.score > 0.999


def network(seed=0):
    """Four arms of one upright filter, and a second layer that reads them in the same way from every side."""
    generator = torch.Generator().manual_seed(seed)
    first = nn.functional.avg_pool2d(torch.randn(1, 1, 11, 11, generator=generator), 5, 1)
    bank = torch.cat([first.rot90(i, (2, 3)) for i in range(4)])
    model = nn.Sequential(nn.Conv2d(1, 4, 7, bias=False), nn.ReLU(), nn.Conv2d(4, 12, 5, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(bank)
        model[2].weight[:4] = wiring(4, noise=0.05, seed=seed)
        model[2].weight[4:] = torch.randn(8, 4, 5, 5, generator=generator) * float(model[2].weight[:4].std())
    return sonde.load(model)


def test_families_of_two_layers_are_taken_from_a_network(tmp_path):
    model = network()
    sources = families_by_weights(model, "0", mirror=False, angles=24, draws=40)
    assert sources.members(0) and sorted(sources.members(0)) == [0, 1, 2, 3]
    readers = families_by_weights(model, "2", mirror=False, angles=24, draws=40)
    # the kernels turn, but which source each reads turns too: a family by kernels alone is none, so its phases are given
    known = families_like(readers, [0, 1, 2, 3], [0.0, 90.0, 180.0, 270.0])
    phases = [float(sources.phase[i]) for i in range(4)]
    found = equivariance(model, known, sources)
    assert found.score > 0.95 and found.check(model)[0].holds is None and phases[1] - phases[0] in (90.0, -270.0)
    kept = Equivariance.load(found.save(tmp_path / "motif"))
    assert kept.drawing().to_json() == found.drawing().to_json() and found.to_frame().height == 16
    with pytest.raises(CheckRefused):
        found.check(sonde.load("specimen:digits"))
    with pytest.raises(InputError, match="there is no family 3"):
        equivariance(model, known, sources, family=3)


def test_wirings_of_eight_units_are_checked_beside_shuffled_filters():
    conv = nn.Conv2d(8, 8, 5, bias=False)
    conv.weight = nn.Parameter(wiring(8, noise=0.05))
    model = sonde.load(nn.Sequential(nn.Conv2d(1, 8, 3), conv))
    every = families_by_weights(model, "1", draws=20, angles=16)
    readers = families_like(every, list(range(8)), EIGHT)
    sources = families_like(families_by_weights(model, "0", draws=20), list(range(8)), EIGHT)
    found = equivariance(model, readers, sources, draws=100)
    assert found.check(model, draws=6)[0].holds
    broken = sonde.load(nn.Sequential(model.module[0], nn.Conv2d(8, 8, 5)))
    null = equivariance(broken, families_of(broken, "1"), families_of(broken, "0"), draws=100)
    assert null.check(broken, draws=6)[0].holds is False


def families_like(found, units, phases):
    """Families with one of known members and phases."""
    from dataclasses import replace

    family, phase, element = torch.full((len(found.units),), -1), torch.full((len(found.units),), torch.nan), torch.full((len(found.units),), -1)
    for unit, at in zip(units, phases, strict=True):
        family[unit], phase[unit], element[unit] = 0, at, 0
    return replace(found, family=family, phase=phase, element=element)


def families_of(model, layer):
    return families_like(families_by_weights(model, layer, draws=20, angles=16), list(range(8)), EIGHT)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: equivariance_of(torch.rand(3, 3, 3, 3), [0, 90], [0, 90, 180]), "with 2 and 3 phases"),
        (lambda: equivariance_of(torch.rand(2, 3, 3, 3), [0, 90], [0, 90, 180]), "three poses or more"),
        (lambda: equivariance_of(torch.rand(3, 3, 3, 3), [0, 90, 180], [0, 31, 67]), "no turn leads"),
        (lambda: equivariance(network(), "families", "families"), "are no families"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as refusal:
        make()
    assert "\n" not in str(refusal.value)
