"""A map kept in factors is the matrix that its factors multiply to: every number of it, on random shapes."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.results import InputError
from sonde.weights import LinearMap


def chain(widths, seed=0, heads=()):
    generator = torch.Generator().manual_seed(seed)
    return LinearMap(tuple(torch.randn(*heads, a, b, generator=generator) for a, b in pairwise(widths)))


def product(found):
    matrix = found.factors[0].double()
    for factor in found.factors[1:]:
        matrix = matrix @ factor.double()
    return matrix


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=6), st.integers(0, 99))
def test_numbers_of_the_matrix(widths, seed):
    found = chain(widths, seed)
    matrix = product(found)
    scale = matrix.norm()
    assert torch.allclose(found.dense().double(), matrix, atol=1e-5 * scale)
    assert torch.allclose(found.T.dense().double(), matrix.T, atol=1e-5 * scale)
    assert torch.allclose(found.norm(), scale, rtol=1e-5)
    own, truth = found.singular_values(), torch.linalg.svdvals(matrix)
    n = min(len(own), len(truth))
    assert torch.allclose(own[:n], truth[:n], atol=1e-5 * scale) and (torch.cat([own[n:], truth[n:]]) < 1e-5 * scale).all()
    assert torch.allclose(found.rows([widths[0] - 1]).double(), matrix[-1:], atol=1e-5 * scale)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 6), st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 99))
def test_eigenvalues(size, inner, seed):
    found = chain([size, *inner, size], seed)
    own, truth = found.eigenvalues(), torch.linalg.eigvals(product(found))
    for power in (1, 2, 3):  # sums of powers tell eigenvalues apart, whatever their order and however many zeros there are
        assert torch.allclose((own**power).sum(), (truth**power).sum(), atol=1e-4 * max(1.0, float(product(found).norm()) ** power))


def test_top_entries_are_those_of_the_matrix(monkeypatch):
    found = chain([30, 3, 40], heads=(2,))
    monkeypatch.setattr("sonde.weights.linear.AT_ONCE", 500)  # several blocks
    matrix = product(found)
    for largest in (True, False):
        values, places = found.top(7, largest)
        wanted = matrix.flatten(-2).topk(7, largest=largest)
        assert torch.equal(places[..., 0] * 40 + places[..., 1], wanted.indices) and torch.allclose(values.double(), wanted.values, atol=1e-5)
        values, columns = found.top_of_rows(3, largest)
        wanted = matrix.topk(3, largest=largest)
        assert torch.equal(columns, wanted.indices) and torch.allclose(values.double(), wanted.values, atol=1e-5)


def test_standardised_rows():
    found = chain([9, 2, 50], seed=3)
    z = found.standardised().dense()
    matrix = product(found)
    truth = (matrix - matrix.mean(-1, keepdim=True)) / matrix.std(-1, correction=0, keepdim=True)
    assert torch.allclose(z.double(), truth, atol=1e-4)
    constant = LinearMap((torch.ones(3, 1), torch.ones(1, 5)))
    assert not constant.standardised().dense().any()


def test_heads_broadcast_and_are_chosen():
    senders, receivers = chain([8, 2, 8], heads=(3, 1)), chain([8, 2, 8], seed=1, heads=(4,))
    both = senders @ receivers
    assert both.shape == (3, 4, 8, 8) and both.norm().shape == (3, 4)
    one = both[2, 1]
    assert torch.allclose(one.dense(), senders[2, 0].dense() @ receivers[1].dense(), atol=1e-4)
    assert torch.allclose(one.norm(), both.norm()[2, 1])
    assert repr(both) == "3 x 4 maps of 8 x 8, through 8 > 2 > 8 > 2 > 8"


def test_a_vocabulary_is_never_written_out():
    """Norm and eigenvalues of a 40,000 x 40,000 map, which itself would take 6 GB."""
    left = torch.zeros(40_000, 2)
    left[7, 0] = left[9, 1] = 1.0
    found = LinearMap((left, 3.0 * left.T))
    assert found.norm() == pytest.approx(3 * 2**0.5) and found.eigenvalues().real.tolist() == [3.0, 3.0]
    assert found.top(1)[1].tolist() in ([[7, 7]], [[9, 9]])
    with pytest.raises(InputError, match="1,600,000,000 numbers"):
        found.dense()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LinearMap(()), "needs a factor"),
        (lambda: LinearMap((torch.ones(2, 3), torch.ones(4, 2))), "to 3 dimensions can't be followed by one from 4"),
        (lambda: chain([2, 3]) @ chain([2, 3]), "to 3 dimensions"),
        (lambda: chain([2, 3]).eigenvalues(), "leads to another space"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(InputError, match=message):
        make()
