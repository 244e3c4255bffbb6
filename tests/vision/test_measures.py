"""Measures of two representations: what they must not see, what they must, and which of them independent noise fools."""

import pytest
import torch

from sonde.results import InputError
from sonde.vision import cka, debiased_cka, mutual_neighbours, procrustes, pwcca, rsa, svcca
from sonde.vision.measures import MEASURES

N, D = 400, 16


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def x():
    """Units of very different variance, as networks have them."""
    return random(N, D) * torch.logspace(0, 1.5, D, dtype=torch.float64)


def test_rotations_and_scalings_are_not_seen(x):
    turned = 3 * x @ torch.linalg.qr(random(D, D, seed=1)).Q + 7
    for name in ("cka", "debiased_cka", "svcca", "pwcca", "procrustes", "mutual_neighbours"):
        assert MEASURES[name](x, turned) == pytest.approx(1, abs=1e-6), name
    permuted = 3 * x[:, torch.randperm(D, generator=torch.Generator().manual_seed(1))]
    assert rsa(x, permuted) == pytest.approx(1, abs=1e-9)  # means over units turn with a rotation, and so do correlations of samples


def test_any_invertible_map_is_seen_by_cka_and_not_by_full_canonical_correlations(x):
    mapped = x @ random(D, D, seed=2)
    assert cka(x, mapped) < 0.9 and debiased_cka(x, mapped) < 0.9 and procrustes(x, mapped) < 0.95
    assert svcca(x, mapped, share=1) == pytest.approx(1, abs=1e-6) and pwcca(x, mapped) == pytest.approx(1, abs=1e-6)


def test_independent_noise_fools_the_naive_measures_and_not_the_debiased_one():
    """n = 100 samples of d = 512 units."""
    noise, other = random(100, 512, seed=3), random(100, 512, seed=4)
    assert abs(debiased_cka(noise, other)) < 0.05
    assert cka(noise, other) > 0.7 and svcca(noise, other) > 0.9 and pwcca(noise, other) > 0.9
    assert mutual_neighbours(noise, other) < 0.2 and abs(rsa(noise, other)) < 0.1
    # the estimate is unbiased: over draws its mean is 0 within three of its standard errors
    draws = torch.tensor([debiased_cka(random(40, 100, seed=10 + i), random(40, 100, seed=100 + i)) for i in range(30)])
    assert abs(float(draws.mean())) < 3 * float(draws.std()) / 30**0.5


def test_the_estimate_equals_its_definition(x):
    """By the matrices themselves, and in both ways of computing."""
    few = random(12, 30, seed=5)
    for one, other in ((x[:50], x[:50, :3] + random(50, 3, seed=6)), (few, few[:, :20] + random(12, 20, seed=7))):
        n = len(one)
        k, l = (m @ m.T for m in (one, other))  # noqa: E741

        def hsic(a, b, n=n):
            a, b = a.clone().fill_diagonal_(0), b.clone().fill_diagonal_(0)
            ones = torch.ones(n, dtype=a.dtype)
            value = (a @ b).trace() + (ones @ a @ ones) * (ones @ b @ ones) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (ones @ a @ b @ ones)
            return value / (n * (n - 3))

        assert debiased_cka(one, other) == pytest.approx(float(hsic(k, l) / (hsic(k, k) * hsic(l, l)).sqrt()), abs=1e-9)


def test_many_samples_bring_both_estimates_together(x):
    shared = x + 5 * random(N, D, seed=8)
    assert abs(cka(x, shared) - debiased_cka(x, shared)) < 0.05 and debiased_cka(x, shared) > 0.5


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (torch.rand(5, 2), torch.rand(6, 2), "5 samples and 6"),
        (torch.rand(3, 2), torch.rand(3, 2), "at least 4"),
        (torch.rand(5, 2, 1), torch.rand(5, 2), "tensor .sample unit."),
        (torch.full((5, 2), torch.nan), torch.rand(5, 2), "not finite"),
        (torch.ones(5, 2), torch.rand(5, 2), "same for all samples"),
    ],
)
def test_what_can_not_be_compared_is_refused_in_one_line(x, y, words):
    for measure in MEASURES.values():
        with pytest.raises(InputError, match=words) as refusal:
            measure(x, y)
        assert "\n" not in str(refusal.value)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="share=2"):
        svcca(torch.rand(5, 2), torch.rand(5, 2), share=2)
    with pytest.raises(InputError, match="fewer than there are samples"):
        mutual_neighbours(torch.rand(5, 2), torch.rand(5, 2), k=5)
    with pytest.raises(InputError, match="one unit"):
        rsa(torch.rand(5, 1), torch.rand(5, 2))
