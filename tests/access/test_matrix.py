"""The laws of tests/matrix.py in as many cells as hold every pair, and the controls: a handle that lies must fail them."""

from collections import Counter
from functools import cache

import pytest
from matrix import EDITS, PARTS, Cell, cells, check, failures, pairwise, subject
from subjects import SUBJECTS

import sonde
from sonde.access import writes
from sonde.access.views import HeadResults, Heads, Whole
from sonde.results import SondeError

# some thousand forwards: the check of shapes at every call, which other tests make, would take most of the time
pytestmark = pytest.mark.usefixtures("unchecked")


@cache
def chosen():
    return pairwise(cells(SUBJECTS))


@pytest.mark.parametrize("family", SUBJECTS)
def test_the_laws_hold(family):
    """nnsight #468 and transformer-lens #1688, #1527 and #1526: edits that were accepted and never happened."""
    counts = Counter()
    assert list(failures([cell for cell in chosen() if cell.family == family], counts)) == []
    assert counts["made"] >= 10


def test_every_pair_is_there():
    every, few = cells(SUBJECTS), chosen()
    assert len(few) < len(every) / 10
    for first, second in (("family", "kind"), ("kind", "edit"), ("family", "edit"), ("part", "kind"), ("part", "edit"), ("part", "family")):
        pairs = lambda some, first=first, second=second: {(getattr(cell, first), getattr(cell, second)) for cell in some}
        assert pairs(few) == pairs(every)
    assert pairwise(every) == few
    assert {cell.edit for cell in few} == set(EDITS)
    assert {cell.part for cell in few} == set(PARTS)


# the controls


def lies(monkeypatch, target, name, replacement, cell, message):
    monkeypatch.setattr(target, name, replacement)
    with pytest.raises((AssertionError, SondeError), match=message):
        check(cell)


def cell(kind="attn.z", edit="set", part="whole", family="llama"):
    subject(family)  # its unedited runs are made before the handle lies
    return Cell(family, f"blocks.1.{kind}", edit, part)


def test_control_an_edit_that_never_happens(monkeypatch):
    lies(monkeypatch, Heads, "put", lambda view, raw, old, new, firing: raw, cell(), "what is read is not what was written")


def test_control_an_edit_that_is_remembered_and_not_made(monkeypatch):
    lies(monkeypatch, HeadResults, "put", lambda view, raw, old, new, firing: raw, cell("attn.result"), "the edit does not reach the output")


def test_control_an_edit_of_the_neighbour_too(monkeypatch):
    spilt = lambda value, part, resolved: value.copy_(part if not resolved[0] else part.mean())
    lies(monkeypatch, writes, "put", spilt, cell(part="row"), "what is read is not what was written")


def test_control_an_identity_that_is_not(monkeypatch):
    nudged = lambda view, raw, old, new, firing: new + 1e-6
    lies(monkeypatch, Whole, "put", nudged, cell("mlp.in", "apply"), "what is read is not|changes the output")


def test_control_an_edit_in_place(monkeypatch):
    case = cell("mlp.in", "apply")
    held = subject("llama").base[case.name]
    monkeypatch.setattr(sonde.Apply, "new", lambda edit, old: held.data.add_(1) * 0 + edit.fn(old))
    try:
        with pytest.raises(AssertionError, match="changed another run's tensor"):
            check(case)
    finally:
        held.data.copy_(subject("llama").copies[case.name])


def test_control_an_edit_that_cuts_the_gradient(monkeypatch):
    cut = lambda edit, old: (old * edit.factor).detach()
    lies(monkeypatch, sonde.Scale, "new", cut, cell("mlp.in", "scale"), "the gradient through the edit is")
