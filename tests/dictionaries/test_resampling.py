"""Latents that explain nothing begin again where a feature is missing, at the right time, and only those."""

from dataclasses import replace

import pytest
import torch

from sonde.dictionaries import Part, Resample, TopK
from sonde.dictionaries.training import Learner
from sonde.dictionaries.training.resampling import RESTARTED, due, restart, unused
from sonde.specimens import features

WIDTH, SIZE, ROWS = 24, 48, 512
AT_ERRORS = Resample(scale=1.0, weak=0.1, at="errors")


@pytest.fixture(scope="module")
def world():
    return features.superposed(width=WIDTH, size=SIZE, most=0.1, least=0.05, seed=77_011)


DEAD = torch.tensor([-1.0])


def weights_of(size, width, seed=3):
    drawn = torch.randn(size, width, generator=torch.Generator().manual_seed(seed))
    unit = drawn / drawn.norm(dim=1, keepdim=True)
    weights = {"encoder": 2 * unit, "decoder": unit.clone(), "encoder_bias": torch.ones(size)}
    moments = {name: {moment: torch.ones_like(weights[name]) for moment in ("exp_avg", "exp_avg_sq")} for name in RESTARTED}
    return weights, moments


def missing_one(world, feature):
    """Activations, and what a dictionary that knows all other features leaves of them."""
    batch = world.batch(ROWS)
    return batch.x, batch.codes.dense()[:, [feature]] * world.directions[feature] + 1e-3 * torch.randn(ROWS, WIDTH)


@pytest.mark.parametrize("feature", [0, 17])
def test_a_latent_that_begins_again_at_errors_is_the_missing_feature(world, feature):
    x, missing = missing_one(world, feature)
    cosines = {}
    for at in ("errors", "inputs"):
        weights, moments = weights_of(SIZE, WIDTH)
        restarted = restart(replace(AT_ERRORS, at=at), torch.tensor([5]), DEAD, weights, moments, x, x, missing, True, seed=1)
        assert restarted.tolist() == [5]
        cosines[at] = float(weights["decoder"][5] @ world.directions[feature])
        torch.testing.assert_close(weights["encoder"][5], 2 * weights["decoder"][5])  # as long as the others
    assert cosines["errors"] > 0.99
    assert cosines["inputs"] < 0.9  # the control: other features are in the input, too


def test_only_what_was_named_changes_and_its_moments_begin_again(world):
    x, missing = missing_one(world, 3)
    weights, moments = weights_of(SIZE, WIDTH)
    before, _ = weights_of(SIZE, WIDTH)
    restart(AT_ERRORS, torch.tensor([5, 9]), DEAD.expand(2), weights, moments, x, x, missing, True, seed=1)
    for name in RESTARTED:
        changed = (weights[name] != before[name]).reshape(SIZE, -1).any(1)
        assert changed.nonzero()[:, 0].tolist() == [5, 9]
        for moment in moments[name].values():
            assert (moment == 0).reshape(SIZE, -1).all(1).nonzero()[:, 0].tolist() == [5, 9]
    assert weights["encoder_bias"][[5, 9]].tolist() == [0, 0]


def test_what_writes_something_else_reads_its_input_in_that_row():
    x, y = torch.eye(4, 6), 3 * torch.eye(4, 5)
    missing = torch.zeros(4, 5)
    missing[2] = torch.tensor([0.0, 0, 0, 7, 0])
    weights, moments = weights_of(8, 6)
    weights["decoder"] = weights_of(8, 5)[0]["decoder"]
    moments["decoder"] = {name: torch.ones(8, 5) for name in moments["decoder"]}
    restarted = restart(AT_ERRORS, torch.tensor([1, 2]), DEAD.expand(2), weights, moments, x, y, missing, False, seed=0)
    assert restarted.tolist() == [1]  # one row has an error
    torch.testing.assert_close(weights["encoder"][1], 2 * x[2])
    torch.testing.assert_close(weights["decoder"][1], torch.eye(5)[3])


def test_nothing_begins_again_where_nothing_is_missing():
    weights, moments = weights_of(8, 6)
    x = torch.randn(4, 6)
    assert not len(restart(AT_ERRORS, torch.tensor([1]), DEAD, weights, moments, x, x, torch.zeros(4, 6), True, seed=0))
    assert torch.equal(weights["encoder"], weights_of(8, 6)[0]["encoder"])


@pytest.mark.parametrize(
    ("looked", "seen", "each", "expected"),
    [
        (0, 40, 5.0, False),
        (0, 60, 5.0, True),
        (60, 90, 5.0, False),
        (60, 110, 5.0, True),
        (0, 60, 1.0, False),  # the mean latent was active 60 times: too few to tell who is weak
        (400, 501, 5.0, False),  # the second half
    ],
)
def test_it_looks_in_time_with_evidence_and_not_at_the_end(looked, seen, each, expected):
    assert due(AT_ERRORS, looked, seen, 1000, each) is expected


def test_dead_latents_alone_where_weak_is_0():
    squares = torch.tensor([-1.0, 1, 500, 500])
    assert unused(Resample(), squares).tolist() == [0]
    assert unused(AT_ERRORS, squares).tolist() == [0, 1]
    assert not len(unused(AT_ERRORS, torch.tensor([50.0, 60, 70])))


def test_a_weak_latent_stays_where_errors_do_not_recur(world):
    """A missing feature recurs in other rows; noise of the same length does not, though the latent explains as little."""
    x, missing = missing_one(world, 3)
    noise = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(2))
    noise *= missing.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
    restarted = [
        len(restart(AT_ERRORS, torch.tensor([5]), torch.tensor([0.001]), *weights_of(SIZE, WIDTH), x, x, errors, True, seed=1))
        for errors in (missing, noise)
    ]
    assert restarted == [1, 0]


def test_a_rare_feature_is_not_weak():
    """Active one time in fifty as often as the others, but five times as strong: it explains half as much as they do, and stays."""
    each = torch.tensor([1.0, 1.0, 1.0, 0.02 * 5**2])
    assert not len(unused(AT_ERRORS, 1000 * each))


@pytest.mark.parametrize("resample", [TopK().resample, None], ids=["by default", "without"])
def test_a_feature_that_no_latent_is_near_is_found_at_a_look(resample):
    """All directions but one are known, at right angles; the latent that should have it never fires, yet is not dead for long."""
    world, part = features.orthogonal(width=32, size=32, probability=0.05, seed=77_013), (Part("", 32),)
    rows = 8 * ROWS  # enough to tell who is weak
    learner = Learner(TopK(k=6, size=32, normalise="none", resample=resample), 20 * rows, part, part, seed=4)
    learner.begin(x := world.batch(rows).x, x)
    for name in ("encoder", "decoder"):
        learner.weights[name].copy_(world.directions)
    learner.weights["decoder_bias"].zero_()
    learner.weights["encoder"][7] *= -1
    learner.update(x, x)
    found = float(learner.weights["encoder"][7] @ world.directions[7])
    assert found > 0.99 if resample else found < -0.99
