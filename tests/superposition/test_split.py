"""One binary neuron for four things: exact costs, and what training finds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.results import InputError, Result
from sonde.superposition import split_costs, split_preference


def test_equally_likely_things_are_split_in_two():
    costs = split_costs([0.25] * 4)
    assert costs["A"] == pytest.approx(0.75 * math.log(3)) and costs["AB"] == pytest.approx(math.log(2))
    assert min(costs, key=costs.get) in ("AB", "AC", "AD") and len(costs) == 7


def test_both_cost_the_same_at_two_fifths():
    costs = split_costs([0.4, 0.2, 0.2, 0.2])
    assert costs["A"] == pytest.approx(costs["AB"], abs=1e-12)
    p, q = 0.4, 0.2
    assert costs["A"] == pytest.approx(3 * q * math.log(3), abs=1e-12)
    assert costs["AB"] == pytest.approx(p * math.log((p + q) / p) + q * math.log((p + q) / q) + 2 * q * math.log(2), abs=1e-12)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_what_is_left_is_what_the_neuron_does_not_tell(weights):
    total = sum(weights)
    p = [w / total for w in weights]
    entropy = -sum(x * math.log(x) for x in p)
    for name, cost in split_costs(p).items():
        on = sum(p["ABCDEF".index(thing)] for thing in name)
        told = -sum(x * math.log(x) for x in (on, 1 - on) if x > 1e-12)
        assert cost == pytest.approx(entropy - told, abs=1e-9)


@pytest.fixture(scope="module")
def found():
    return split_preference([0.26, 0.3, 0.34, 0.37, 0.39, 0.41, 0.43, 0.46, 0.5, 0.55])


def test_training_goes_over_at_two_fifths(found, tmp_path):
    assert found.switch == pytest.approx(0.4, abs=0.03)
    assert {len(one) for one in found.found[:4]} == {2} and set(found.found[-3:]) == {"A"}
    assert (found.loss - found.alone.minimum(found.pairs)).abs().max() < 0.02
    assert found.check()[0].holds is True
    assert Result.load(found.save(tmp_path / "kept")).drawing().to_json() == found.drawing().to_json()


def test_sets_under_the_wrong_probabilities_do_not_hold(found):
    from dataclasses import replace

    assert replace(found, found=found.found[::-1]).check()[0].holds is not True
    assert replace(found, found=found.found[::-1]).switch is None


@pytest.mark.parametrize("p", [[], [0.0], [0.5, 0.3], [1.2]])
def test_mistakes_are_named(p):
    with pytest.raises(InputError, match="increasing numbers"):
        split_preference(p)
    with pytest.raises(InputError, match="add up to 1"):
        split_costs([0.5, 0.2])
