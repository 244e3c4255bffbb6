"""Oracle LEACE: nothing linear is left, at the least change of all, and only for those who know the labels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_concepts import accuracy, planted

from sonde.probing import LeaceSums, erase, oracle_leace
from sonde.results import InputError


def cross_covariance(x, z):
    return float(((x - x.mean(0)).T @ (z - z.mean(0)) / len(x)).abs().max())


@given(st.integers(0, 2**31), st.integers(2, 4), st.integers(4, 12))
@settings(max_examples=20, deadline=None)
def test_it_is_what_is_left_of_a_regression(seed, classes, width):
    """The class means become the mean of all, which is what subtracting the regression on classes does; and no affine map changes less."""
    x, y = planted(300, width, classes, seed)
    oracle, leace = oracle_leace(x, y), erase(x, y)
    erased = oracle(x, y)
    expected = torch.stack([row - x[y == c].mean(0) + x.mean(0) for row, c in zip(x, y, strict=True)])
    torch.testing.assert_close(erased, expected, rtol=1e-8, atol=1e-8)
    assert cross_covariance(erased, torch.nn.functional.one_hot(y).double()) < 1e-10 and oracle.residual < 1e-10 < oracle.before
    assert oracle.change == pytest.approx(float((erased - x).square().sum(1).mean()), rel=1e-9)
    assert oracle.change <= leace.change * (1 + 1e-9)


def test_no_linear_probe_is_left_and_less_is_changed_than_by_leace():
    x, y = planted(2000, 16, 2, 11, spread=True)
    majority = torch.bincount(y).max().item() / len(y)
    oracle = oracle_leace(x, y)
    assert accuracy(x, y) > majority + 0.2 and accuracy(oracle(x, y), y) < majority + 0.01
    assert oracle.change < 0.9 * erase(x, y).change
    # the control: with labels that are not theirs the concept stays
    shuffled = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    assert accuracy(oracle(x, shuffled), y) > majority + 0.1


def test_numbers_and_streams():
    x = torch.randn(400, 6, generator=torch.Generator().manual_seed(0)).double()
    z = torch.stack([x @ torch.arange(6.0).double(), x[:, 0] ** 2], 1)
    sums = LeaceSums(6, 2)
    for i in range(0, 400, 33):
        sums.update(x[i : i + 33], z[i : i + 33])
    assert cross_covariance(sums.oracle()(x, z), z) < 1e-10 < cross_covariance(x, z)


@pytest.mark.usefixtures("unchecked")
def test_without_labels_it_is_refused_with_the_way_out():
    x, y = planted(100, 8, 2, seed=0)
    oracle = oracle_leace(x, y)
    for wrong, says in (
        (lambda: oracle(x), "0 targets for 100 activations: an oracle needs each one's own; or fit with kind='leace'"),
        (lambda: oracle(x, y[:5]), "5 targets for 100"),
        (lambda: oracle(x, y + 3), "classes from 3 to 4 among 2"),
        (lambda: oracle.edit("blocks.1.resid_post"), "can't be an edit at 'blocks.1.resid_post'"),
        (lambda: erase(x, y, "oracle"), r"call oracle_leace\(x, y\)"),
        (lambda: oracle_leace(x, torch.zeros_like(y)), "one class"),
        (lambda: LeaceSums(8, 2).oracle(), "fitted on 0 activations"),
    ):
        with pytest.raises(InputError, match=says):
            wrong()
