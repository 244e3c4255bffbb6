"""Pictures of which it is known what matters: leakage into the null block, its control, and training anew on what maps rank first."""

from dataclasses import replace
from functools import cache

import pytest
import torch

import sonde
from sonde.attribution import gradient, gradient_x_input
from sonde.attribution.evaluation import block_digits, diffroar, leakage, train_pixels
from sonde.results import InputError
from sonde.results import Result as AnyResult
from sonde.tasks import Logit


def test_the_null_block_is_the_same_in_all_and_moves():
    blocks = block_digits(60)
    inside = blocks.pictures[:, 0][blocks.null].view(60, 64)
    assert bool((inside == inside[0]).all()) and set(blocks.labels.tolist()) == {0, 1}
    above = blocks.null[:, 0, 0]
    assert 15 < int(above.sum()) < 45 and bool((blocks.null[above][:, :8]).all()) and not bool(blocks.null[above][:, 8:].any())
    assert bool(block_digits(60, fixed=True).null[:, 8:].all())
    assert torch.equal(block_digits(60).pictures, blocks.pictures) and not torch.equal(block_digits(60, seed=1).pictures, blocks.pictures)


def signal(model, pictures, of=None):
    """A map of the signal block alone: what a faithful one would be."""
    result = gradient_x_input(model, pictures, of=of)
    square = torch.zeros(8, 8)
    square[1:-1, 1:-1] = 1.0
    square[2:-2, 2:-2] = 0.0
    above = (pictures[:, 0, :8] == square).flatten(1).all(-1)
    values = torch.ones(len(pictures), 1, 16, 8)
    values[above, :, :8] = 0.0
    values[~above, :, 8:] = 0.0
    return replace(result, values=values, method="the signal block")


@cache
def leaked():
    return leakage(gradient, n=600, explained=100, steps=50)


def test_gradients_leak_where_the_block_moves_and_not_where_it_is_fixed():
    """The paper's finding, and its control; the reproduction asks for 0.10 at least, and at most 0.01."""
    found = leaked()
    assert min(found.accuracy) > 0.98
    assert float(found.top.mean()) >= 0.10 and float(found.fixed_top.mean()) <= 0.01
    assert found.mass.mean() > 2 * found.fixed_mass.mean()


def test_the_faithful_map_does_not_leak_and_chance_leaks_by_half():
    faithful = leakage(signal, n=200, explained=50, steps=2)
    assert float(faithful.top.max()) == 0 and float(faithful.mass.max()) == 0

    def random(model, pictures, of=None):
        result = gradient_x_input(model, pictures, of=of)
        return replace(result, values=torch.rand(result.values.shape, generator=torch.Generator().manual_seed(3)))

    assert float(leakage(random, n=200, explained=50, steps=2).mass.mean()) == pytest.approx(0.5, abs=0.02)


def test_leakage_is_drawn_and_kept(tmp_path, unchecked):
    found = leaked()
    assert torch.equal(AnyResult.load(found.save(tmp_path / "leakage")).top, found.top)
    assert found.to_frame()["position"].to_list() == ["random", "fixed"] and "Half of the pixels say nothing" in found.drawing().note

    def coarse(model, pictures, of=None):
        result = gradient_x_input(model, pictures, of=of)
        return replace(result, values=result.values[..., ::2])

    with pytest.raises(InputError, match="a value to every pixel"):
        leakage(coarse, n=50, explained=5, steps=1)


def table(n, seed):
    """Twenty columns, of which the first two tell the class."""
    rows = torch.randn(n, 20, generator=torch.Generator().manual_seed(seed))
    return rows, (rows[:, 0] + rows[:, 1] > 0).long()


def quick(rows, labels, seed):
    return train_pixels(rows, labels, seed, steps=40)


def test_training_anew_tells_the_informative_columns_from_the_rest():
    seen, held = table(600, 0), table(300, 1)
    model = sonde.Model(quick(*seen, 0))
    maps = [gradient(model, rows, of=Logit(labels)) for rows, labels in (seen, held)]
    found = diffroar(*maps, (seen[0], held[0]), (seen[1], held[1]), train=quick, shares=(0.1,), seeds=1)
    assert float(found.first.mean()) > 0.85 and float(found.difference.mean()) > 0.2
    assert abs(float(found.random_difference.mean())) < 0.12
    assert found.check(model)[0].holds is None  # one network says too little
    upside_down = [replace(one, values=1 / one.values) for one in maps]
    assert float(diffroar(*upside_down, (seen[0], held[0]), (seen[1], held[1]), train=quick, shares=(0.1,), seeds=1).difference) < -0.2


def test_refusals(unchecked):
    rows, labels = table(20, 0)
    model = sonde.Model(quick(rows, labels, 0))
    one = gradient(model, rows, of=Logit(labels))
    with pytest.raises(InputError, match=r"shares=\(1\.5,\)"):
        diffroar(one, one, (rows, rows), (labels, labels), shares=(1.5,))
    with pytest.raises(InputError, match="give one for every place"):
        diffroar(replace(one, values=one.values[:, :3]), one, (rows, rows), (labels, labels), shares=(0.5,))
