"""Every sequence is in one pass, and no pass is larger than it may be."""

from hypothesis import given
from hypothesis import strategies as st

from sonde.jobs import by_length


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(0, 20), st.integers(0, 4), st.booleans())
def test_passes(lengths, places, rows, equal):
    passes = list(by_length(lengths, places, rows, equal))
    assert sorted(i for held in passes for i in held) == list(range(len(lengths)))
    for held in passes:
        longest = max(lengths[i] for i in held)
        assert not places or len(held) == 1 or len(held) * longest <= places
        assert not rows or len(held) <= rows
        assert not equal or {lengths[i] for i in held} == {longest}
