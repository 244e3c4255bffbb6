"""How often do claims hold where there is nothing, and are found where there is something? Simulated, with the bound stated before.

A claim that is false holds in at most 5 % of the draws. Of N draws so many may hold as a rate of 5 % exceeds once in a thousand times.
"""

import math

import pytest
import scipy.stats
import torch

from sonde.evidence import compare

N = 200
SIZES = (8, 16, 32, 64)


def bound(draws):
    return scipy.stats.binom.ppf(0.999, draws, 0.05)


def held(draw, n=16, runs=N, **more):
    """How many claims hold over some runs; `draw(n, generator)` gives measured and control."""
    count = 0
    for run in range(runs):
        measured, control = draw(n, torch.Generator().manual_seed(run))
        verdict = compare("", "", measured, control, threshold=-math.inf, threshold_source="", **more)
        count += verdict.holds is True
    return count


def alike(noise):
    """Measured and control of one kind: their differences are symmetric."""
    return lambda n, g: (noise(n, g), noise(n, g))


def centred(noise, mean):
    """Differences with a mean of zero that are not symmetric."""
    return lambda n, g: (noise(n, g) - mean, torch.zeros(n))


def normal(n, g):
    return torch.randn(n, generator=g)


def skewed(n, g):
    """Skewed to the left, the side on which a mean looks too large and too sure: skewness -2."""
    return torch.rand(n, generator=g).log()


def heavy(n, g):
    """Student's t with 3 degrees of freedom, whose fourth moment is infinite."""
    return normal(n, g) / torch.randn(3, n, generator=g).square().mean(0).sqrt()


def share(p):
    return lambda n, g: (torch.rand(n, generator=g) < p).float()


NULLS = {
    "normal": alike(normal),
    "skewed alike": alike(skewed),
    "heavy-tailed": alike(heavy),
    "shares": alike(share(0.5)),
    "rare failures": alike(share(0.9)),
}


@pytest.mark.parametrize("null", NULLS)
def test_false_claims_rarely_hold(null):
    assert sum(held(NULLS[null], n) for n in SIZES) <= bound(N * len(SIZES))


def test_skewed_differences():
    """From 16 examples on; with eight of them a skewness of 2 is too much."""
    assert sum(held(centred(skewed, -1.0), n) for n in SIZES[1:]) <= bound(N * 3)


def clustered(n, g):
    """n blocks of six examples that share most of their noise."""
    return (torch.randn(n, 1, generator=g) + 0.5 * torch.randn(n, 6, generator=g)).flatten(), torch.zeros(6 * n)


@pytest.mark.parametrize("n", [8, 16])
def test_blocks(n):
    """Averaged within their blocks false claims rarely hold; the control that must fail counts every example."""
    assert held(clustered, n, blocks=torch.arange(6 * n) // 6) <= bound(N)
    assert held(clustered, n) > bound(N)


def one_of_the_draws(draws):
    """What was measured is a draw like those of the control: a rotation among rotations, each with an effect of its own on all examples."""

    def draw(n, g):
        values = torch.randn(draws + 1, 1, generator=g) + 0.3 * torch.randn(draws + 1, n, generator=g)
        return values[0], values[1:]

    return draw


@pytest.mark.parametrize("draws", [4, 20])
def test_random_controls(draws):
    """A draw among draws rarely exceeds them all. The control that must fail: it exceeds their mean far too often for that to mean anything."""
    assert held(one_of_the_draws(draws), exceeding="draw") <= bound(N)
    assert held(one_of_the_draws(draws)) > bound(N)


def test_few_draws_make_their_mean_unsure():
    """Measured equals what the control is on average. Few draws of it leave that average unsure, and the examples alone do not tell."""

    def draw(n, g):
        return 0.3 * torch.randn(n, generator=g), torch.randn(5, 1, generator=g) + 0.3 * torch.randn(5, n, generator=g)

    assert held(draw) <= bound(N)
    assert held(lambda n, g: (draw(n, g)[0], draw(n, g)[1].mean(0))) > bound(N)


def planted(noise, effect):
    return lambda n, g: (noise(n, g) + effect, noise(n, g))


@pytest.mark.parametrize(
    "n, effect, least",
    # the power of Student's test at these sizes, less what the widening costs; an effect of 1 is one standard deviation of a value
    [(8, 3.0, 0.9), (16, 1.5, 0.9), (32, 1.0, 0.9), (64, 0.7, 0.9)],
)
@pytest.mark.parametrize("noise", [normal, skewed])
def test_planted_effects_are_found(n, effect, least, noise):
    assert held(planted(noise, effect), n, runs=100) >= least * 100


def test_planted_shares_are_found():
    assert held(lambda n, g: (share(0.95)(n, g), share(0.3)(n, g)), 16, runs=100) >= 90


def test_an_outstanding_draw_is_found():
    def draw(n, g):
        measured, control = one_of_the_draws(20)(n, g)
        return measured * 0 + 4 + 0.3 * torch.randn(n, generator=g), control

    assert held(draw, runs=100, exceeding="draw") >= 90
