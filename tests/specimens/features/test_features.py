"""Worlds of known features against what they say of themselves, and against learners that must not have seen them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from sonde.results import InputError
from sonde.specimens.features import Stream, correlated, crossed, hierarchical, layer, orthogonal, superposed

WORLDS = {
    "superposed": superposed(width=16, size=40),
    "orthogonal": orthogonal(width=16, size=12),
    "hierarchical": hierarchical(width=16, roots=4, children=2, levels=3),
    "correlated": correlated(width=16, groups=4, members=3),
    "crossed": crossed(width=8, shared=6, private=3),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_activations_are_the_sum_of_what_is_said(world):
    batch = world.batch(512)
    left = batch.x - world.mean - batch.codes.dense() @ world.directions
    assert left.std() < 1.2 * world.noise + 1e-6 and (world.noise == 0 or left.std() > 0.8 * world.noise)
    assert (batch.codes.values > 0).all()
    assert torch.equal(batch.y, batch.x)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_features_fire_as_often_as_they_should(world):
    n = 20_000
    fired = (world.batch(n).codes.dense() != 0).float().mean(0)
    deviation = (world.density * (1 - world.density) / n).sqrt()
    assert ((fired - world.density).abs() < 5 * deviation).all()


def test_the_dossiers_world():
    world = superposed()
    assert (world.width, world.size) == (128, 512)
    assert world.l0 == pytest.approx(8.76, abs=0.005)
    assert world.probability[0] == pytest.approx(0.2) and world.probability.min() >= 0.002
    cosines = world.directions @ world.directions.T - torch.eye(512)
    assert 0.3 < cosines.abs().max() < 0.5


def test_a_child_never_fires_without_its_parent():
    world = WORLDS["hierarchical"]
    fires = world.batch(4096).codes.dense() != 0
    child = (world.parents >= 0).nonzero().flatten()
    assert not (fires[:, child] & ~fires[:, world.parents[child]]).any()
    assert (~fires[:, child] & fires[:, world.parents[child]]).any(0).all()  # and a parent does without its child


def test_groups_fire_together_and_others_do_not():
    world = correlated(width=16, groups=5, members=3, probability=0.1, correlation=0.7)
    phi = torch.corrcoef((world.batch(20_000).codes.dense() != 0).float().T)
    same = (world.groups[:, None] == world.groups) & ~torch.eye(world.size, dtype=torch.bool)
    assert phi[same].min() > 0.25
    assert phi[world.groups[:, None] != world.groups].abs().max() < 0.04


def test_private_features_reach_one_site_alone():
    world = WORLDS["crossed"]
    first, second = world.directions.split(world.parts, dim=1)
    assert (first.norm(dim=1).round() == torch.tensor([1.0] * 6 + [1.0] * 3 + [0.0] * 3)).all()
    assert (second.norm(dim=1).round() == torch.tensor([1.0] * 6 + [0.0] * 3 + [1.0] * 3)).all()
    assert (first[:6] * second[:6]).sum(1).abs().max() < 0.99  # shared, not copied


def test_a_layer_writes_what_its_units_say():
    known = layer(width=16, out=24, units=20, density=0.1)
    batch = known.batch(256)
    assert batch.y.shape == (256, 24)
    assert torch.allclose(known(batch.x), batch.codes.dense() @ known.directions, atol=1e-5)
    assert 0 < len(batch.codes.values) / 256 < 10
    assert not torch.allclose(known(batch.x.roll(1, 0)), batch.y)


@settings(max_examples=20)
@given(step=st.integers(0, 10**6), rows=st.integers(1, 64), seed=st.integers(0, 2**31))
def test_a_batch_depends_on_seed_and_step_alone(step, rows, seed):
    world, again = (superposed(width=8, size=12, seed=seed) for _ in range(2))
    batch, same = world.batch(rows, step), again.batch(rows, step)
    assert torch.equal(batch.x, same.x) and torch.equal(batch.codes.values, same.codes.values)
    assert not torch.equal(batch.x, world.batch(rows, step + 1).x)
    assert not torch.equal(batch.x, superposed(width=8, size=12, seed=seed + 1).batch(rows, step).x)


def test_a_stream_goes_on_where_it_was():
    whole = Stream(WORLDS["superposed"], rows=8)
    seen = [next(whole).x for _ in range(5)]
    first = Stream(WORLDS["superposed"], rows=8)
    for _ in range(3):
        next(first)
    second = Stream(WORLDS["superposed"], rows=8)
    second.load_state_dict(first.state_dict())
    assert torch.equal(next(second).x, seen[3]) and torch.equal(next(second).x, seen[4])
    with pytest.raises(InputError, match="ask for 8"):
        Stream(WORLDS["superposed"], rows=9).load_state_dict(first.state_dict())


@pytest.mark.parametrize("draw", [torch.randn, lambda *shape, generator: torch.rand(*shape, generator=generator) * 2 - 1], ids=["normal", "uniform"])
def test_no_learner_begins_with_the_truth(draw):
    """From one seed for both, `randn(F, D)` would be the dictionary; here every small seed is as far from it as any other."""
    for world_seed in (0, 1):
        truth = superposed(width=32, size=64, seed=world_seed).directions
        best = []
        for seed in range(20):
            start = normalize(draw(64, 32, generator=torch.Generator().manual_seed(seed)), dim=1)
            best.append(float((truth @ start.T).max(1).values.mean()))
            aligned = float((truth * start).sum(1).mean())
            assert abs(aligned) < 5 / (64 * 32) ** 0.5
        spread = max(best) - min(best)
        assert spread < 0.06 and max(best) < 0.55
    leaked = normalize(torch.randn(64, 32, generator=torch.Generator().manual_seed(7)), dim=1)
    assert (leaked @ leaked.T).max(1).values.mean() > 0.99  # what the guard would see


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: orthogonal(width=4, size=5), "at most 4 directions"),
        (lambda: orthogonal(probability=0.0), "probabilities above 0"),
        (lambda: correlated(correlation=1.0), "a correlation from 0 to below 1"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
