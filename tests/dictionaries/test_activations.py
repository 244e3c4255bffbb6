"""What is active is found by groups of neighbours, and is what looking at all entries gives."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.dictionaries.activations import GROUP, largest, places_of


@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([1, 7, 24, 25, 64]), st.booleans())
def test_by_groups_or_not_the_largest_are_the_same(seed, k, groups, together):
    gen = torch.Generator().manual_seed(seed)
    z = torch.randperm(5 * groups * GROUP, generator=gen).float().view(5, -1)
    z = z.sort(dim=1).values if together else z  # all of the largest in one group
    found, expected = largest(z, k), z.topk(k, dim=1)
    assert torch.equal(found[1].sort(dim=1).values, expected.values.sort(dim=1).values)
    assert torch.equal(z.gather(1, found[0]), found[1])


def test_ties_and_rows_of_other_shapes():
    z = torch.zeros(3, 64 * GROUP)
    assert len(largest(z, 4)[0][0].unique()) == 4  # no entry twice
    odd = torch.randn(3, 64 * GROUP + 1)
    torch.testing.assert_close(largest(odd, 4)[1].sort().values, odd.topk(4).values.sort().values)


@given(st.integers(1, 5), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_places_of_a_mask_are_those_that_are_true(rows, size, share, seed):
    mask = torch.rand(rows, size, generator=torch.Generator().manual_seed(seed)) < share
    assert torch.equal(places_of(mask), mask.flatten().nonzero()[:, 0])
    assert torch.equal(places_of(mask.T), mask.T.flatten().nonzero()[:, 0])
