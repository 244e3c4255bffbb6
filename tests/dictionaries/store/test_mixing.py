"""The mixing buffer and its exact state, on numbered rows: what comes out tells where it came in."""

import itertools
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.dictionaries.store import Source, Tensors, columns
from sonde.dictionaries.store.mixing import Mixed
from sonde.results import InputError


def numbered(n):
    """Rows that hold their own number, and its negative beside it."""
    numbers = torch.arange(n, dtype=torch.float32)
    return torch.stack([numbers, -numbers], 1)


def pieces(n, size):
    """The same rows in tensors of so many, as an iterable that can be begun anew."""
    return list(numbered(n).split(size))


def drawn(source, size, batches=None):
    return [batch[:, 0].tolist() for batch in itertools.islice(source.batches(size), batches)]


SIZES = st.integers(1, 40)


@given(n=st.integers(1, 200), piece=SIZES, size=SIZES, more=st.integers(0, 60), seed=st.integers(0, 3))
def test_every_row_comes_out_once(n, piece, size, more, seed):
    batches = drawn(Tensors(pieces(n, piece), buffer=size + more, seed=seed), size)
    assert sorted(itertools.chain(*batches)) == list(range(n))
    assert all(len(batch) == size for batch in batches[:-1]) and 0 < len(batches[-1]) <= size


@settings(max_examples=20)
@given(n=st.integers(1, 150), piece=SIZES, size=SIZES, more=st.integers(0, 60), stop=st.integers(0, 12), rows=st.none() | st.integers(1, 400))
def test_goes_on_exactly(n, piece, size, more, stop, rows):
    source = Tensors(pieces(n, piece), rows=rows, buffer=size + more)
    drawn(source, size, stop)
    state = json.loads(json.dumps(source.state_dict()))  # it is plain data
    again = Tensors(pieces(n, piece), rows=rows)
    again.load_state_dict(state)
    assert again.state_dict() == state
    assert drawn(again, size) == drawn(source, size)


@settings(max_examples=25)
@given(n=st.integers(1, 60), rows=st.integers(1, 200), piece=SIZES, buffer=st.integers(5, 40))
def test_several_epochs_hold_every_row_as_often(n, rows, piece, buffer):
    came = list(itertools.chain(*drawn(Tensors(pieces(n, piece), rows=rows, buffer=buffer), 5)))
    counts = [came.count(i) for i in range(n)]
    assert len(came) == rows and max(counts) - min(counts) <= 1


def test_order_depends_on_the_seed_and_on_nothing_else():
    orders = [list(itertools.chain(*drawn(Tensors(pieces(300, 7), buffer=100, seed=seed), size))) for seed, size in ((0, 10), (0, 33), (1, 10))]
    assert orders[0] == orders[1] != orders[2]


def test_mixes_as_far_as_the_buffer_reaches():
    """Neighbours in the stream are far apart in what comes out; with a buffer of one batch they stay in it (the control)."""

    def apart(buffer):
        came = torch.tensor(list(itertools.chain(*drawn(Tensors(pieces(4000, 50), buffer=buffer), 50))))
        place = came.argsort().float()
        return (place[1:] - place[:-1]).abs().mean()

    assert apart(1000) > 250 > 40 > apart(50)


def test_rows_stay_whole():
    batches = torch.cat(list(Tensors(pieces(500, 9), buffer=64).batches(10)))
    assert torch.equal(batches[:, 1], -batches[:, 0])


def test_goes_on_in_the_same_iteration():
    """Loading an earlier state while batches are drawn puts the iteration back, too."""
    source = Tensors(pieces(200, 9), buffer=50)
    batches = source.batches(10)
    next(batches)
    state, expected = source.state_dict(), [next(batches), next(batches)]
    source.load_state_dict(state)
    assert torch.equal(next(batches), expected[0]) and torch.equal(next(batches), expected[1])


def test_an_interruption_loses_no_row():
    """What is raised while the buffer is refilled leaves the state before the batch that never came."""

    class Interrupted(Tensors):
        ready = False

        def blocks(self, place):
            for i, block in enumerate(super().blocks(place)):
                if i == 12 and not self.ready:
                    self.ready = True
                    raise KeyboardInterrupt
                yield block

    source, came = Interrupted(pieces(300, 10), buffer=50), []
    with pytest.raises(KeyboardInterrupt):
        for batch in source.batches(20):
            came.append(batch[:, 0].tolist())
    assert came and came + drawn(source, 20) == drawn(Tensors(pieces(300, 10), buffer=50), 20)


def test_buffer_below_a_batch():
    with pytest.raises(InputError, match=r"a buffer of 100 rows can't give batches of 4096: give buffer=32768"):
        next(Tensors(numbered(300), buffer=100).batches(4096))


@pytest.mark.parametrize("wrong", [0, -5, 2.5, "many"])
def test_numbers_that_are_none(wrong, unchecked):
    with pytest.raises(InputError, match="buffer="):
        Tensors(numbered(30), buffer=wrong)
    with pytest.raises(InputError, match="rows="):
        Tensors(numbered(30), rows=wrong)
    with pytest.raises(InputError, match="size="):
        next(Tensors(numbered(30)).batches(wrong))


@pytest.mark.parametrize(
    "other, told",
    [
        (lambda: Tensors(numbered(30), seed=1), "seed 0"),
        (lambda: Tensors(numbered(30), rows=12), "rows None"),
        (lambda: Tensors(torch.ones(30, 3)), "parts"),
    ],
)
def test_a_state_of_something_else(other, told):
    with pytest.raises(InputError, match=told):
        other().load_state_dict(Tensors(numbered(30)).state_dict())


def test_a_state_that_is_none():
    with pytest.raises(InputError, match="no state of a source"):
        Tensors(numbered(30)).load_state_dict({"epoch": 3})


def test_a_memory_too_small_for_the_buffer_is_told(monkeypatch):
    monkeypatch.setattr("sonde.dictionaries.store.mixing.available", lambda: 4 * 8 * 130_000)
    source = Tensors(pieces(40, 10))
    next(source.batches(10))
    assert source.state_dict()["buffer"] == 125_000 and "125,000 rows, not 500,000" in source.notes[0]


def test_tensors_are_sources():
    source = Tensors(numbered(10))
    assert isinstance(source, Mixed) and isinstance(source, Source)
    assert columns(source.parts) == slice(0, 2)
