"""Activations that are there already, whatever form they have."""

import itertools

import pytest
import torch

from sonde.dictionaries import Part
from sonde.dictionaries.store import Tensors, columns
from sonde.results import InputError


def rows(n=20):
    return torch.arange(2.0 * n).reshape(n, 2)


def came(source):
    return sorted(torch.cat(list(source.batches(6)))[:, 0].tolist())


FORMS = {
    "tensor": rows,
    "list": lambda: list(rows().split(3)),
    "iterator": lambda: iter(rows().split(3)),
    "function": lambda: lambda: iter(rows().split(3)),
    "function of a generator": lambda: lambda: (piece for piece in [rows()]),
}


@pytest.mark.parametrize("given", FORMS.values(), ids=FORMS)
def test_every_form(given):
    assert came(Tensors(given(), buffer=8)) == rows()[:, 0].tolist()


def test_a_tensor_comes_in_another_order_in_every_epoch():
    epochs = torch.cat(list(Tensors(rows(), rows=40).batches(20)))[:, 0]
    assert sorted(epochs[:20].tolist()) == sorted(epochs[20:].tolist()) == rows()[:, 0].tolist()
    assert not torch.equal(epochs[:20], epochs[20:])


def test_an_iterator_says_that_it_cannot_be_rewound():
    source = Tensors(iter(rows().split(3)), buffer=8)
    next(source.batches(6))
    with pytest.raises(InputError, match=r"can't be rewound.*a function that begins it anew"):
        source.load_state_dict(source.state_dict())
    with pytest.raises(InputError, match=r"has ended after one pass, and rows=40 asks for more"):
        list(Tensors(iter(rows().split(3)), rows=40, buffer=8).batches(6))


def test_an_iterable_in_another_order_is_refused():
    """A data loader that shuffles without a seed can't be gone on with, and that is seen."""
    source = Tensors(list(rows().split(4)), buffer=8)
    next(itertools.islice(source.batches(6), 2, None))
    other = Tensors(list(rows().flip(0).split(4)), buffer=8)
    other.load_state_dict(source.state_dict())
    with pytest.raises(InputError, match="gives other rows than when this state was kept"):
        next(other.batches(6))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_rows_that_are_not_finite_are_named(bad):
    broken = rows()
    broken[13, 1] = bad
    with pytest.raises(InputError, match=r"tensor 3 are not finite at row 1 of"):
        list(Tensors(list(broken.split(4)), buffer=8).batches(6))


def test_large_but_finite_rows_pass():
    """Their sum overflows, and they are finite all the same."""
    assert len(came(Tensors(torch.full((8, 4), 3e38), buffer=8))) == 8


@pytest.mark.parametrize("given, told", [(torch.ones(3), "(3,)"), (torch.ones(3, 2).int(), "int32"), ([[1.0]], "[1.0]"), ([], "empty"), (7, "7")])
def test_what_holds_no_activations(given, told, unchecked):
    with pytest.raises(InputError) as refusal:
        Tensors(given)
    assert told in str(refusal.value)


def test_nothing_to_give():
    with pytest.raises(InputError, match="not one row"):
        next(Tensors(torch.ones(0, 3)).batches(4))


def test_another_width_on_the_way():
    with pytest.raises(InputError, match=r"\[row, 2\].*\(5, 3\)"):
        list(Tensors([torch.ones(5, 2), torch.ones(5, 3)], buffer=4).batches(4))


def test_columns():
    parts = [Part("a", 2), Part("b", 3), Part("c", 1)]
    batch = torch.arange(6.0)[None]
    assert batch[:, columns(parts, ["b", "c"])].tolist() == [[2, 3, 4, 5]]
    assert batch[:, columns(parts, ["c", "a"])].tolist() == [[5, 0, 1]]
    with pytest.raises(InputError, match=r"hold a, b, c"):
        columns(parts, ["a", "d"])
    with pytest.raises(InputError, match="each once"):
        columns(parts, ["a", "a"])
