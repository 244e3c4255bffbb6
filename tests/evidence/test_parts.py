"""Sets of components in games whose answers are known: sums, AND, OR with a backup, a negative part."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.evidence import completeness, faithfulness, minimality, necessity, no_gap, random_sets, sufficiency
from sonde.results import InputError

ALL = frozenset(range(6))
NOISE = torch.randn(16, generator=torch.Generator().manual_seed(0))


def game(worth):
    """The metric of 16 examples in which a set is worth worth(set), times each example's own size; a ratio of means is worth(set) again."""
    sizes = 1 + 0.3 * (NOISE - NOISE.mean())
    return lambda sets: torch.stack([worth(one) * sizes + NOISE for one in sets])


def subsets(members):
    return [frozenset(one) for size in range(len(members) + 1) for one in itertools.combinations(sorted(members), size)]


@given(st.lists(st.floats(0.1, 5), min_size=6, max_size=6), st.integers(0, 63))
def test_sums(weights, chosen):
    """Where each part adds its weight: faithfulness is the weights' share, nothing interacts, and a member matters by its own share."""
    play = game(lambda one: sum(weights[i] for i in one))
    found = frozenset(i for i in ALL if chosen >> i & 1)
    total = sum(weights)
    share = sum(weights[i] for i in found) / total
    value, low, high = faithfulness(play, found, ALL)
    assert value == pytest.approx(share, abs=1e-4) and low - 1e-4 <= share <= high + 1e-4
    missing = completeness(play, found, ALL, subsets(found)[:4])
    assert torch.allclose(missing, torch.tensor(1 - share).expand(len(missing)), atol=1e-4)
    if found:
        members = sorted(found)
        assert torch.allclose(minimality(play, members, ALL), torch.tensor([weights[i] / total for i in members]), atol=1e-4)


def test_and_or_with_a_backup():
    """(0 and 1) or 2: the pair is faithful, and only taking one of it away shows that something is missing."""
    play = game(lambda one: float({0, 1} <= one or 2 in one))
    pair = frozenset({0, 1})
    assert faithfulness(play, pair, ALL).value == pytest.approx(1)
    assert torch.allclose(completeness(play, pair, ALL, subsets(pair)), torch.tensor([0.0, 1, 1, 1]), atol=1e-5)
    assert torch.allclose(completeness(play, ALL, ALL, subsets({0, 1, 2})), torch.zeros(8), atol=1e-5)
    # with the backup in the set no member matters alone; each does once the other way is closed, and the idle part never
    assert torch.allclose(minimality(play, [0, 1, 2, 3], ALL), torch.zeros(4), atol=1e-5)
    assert torch.allclose(minimality(play, [0, 1, 2, 3], ALL, subsets(range(4))), torch.tensor([1.0, 1, 1, 0]), atol=1e-5)


def test_a_negative_part_makes_a_set_more_than_faithful():
    play = game(lambda one: 2.0 * (0 in one) - 1.0 * (1 in one))
    assert faithfulness(play, frozenset({0}), ALL).value == pytest.approx(2, abs=1e-5)


def verdicts(worth, found, draws=40):
    play = game(worth)
    others = [frozenset(one) for one in random_sets(sorted(ALL), len(found), draws, seed=0)]
    whole, nothing = play([ALL, frozenset()])
    out, alone = play([ALL - one for one in (found, *others)]), play([found, *others])
    return necessity("needed", whole, nothing, out[0], out[1:]), sufficiency("enough", whole, nothing, alone[0], alone[1:])


@pytest.mark.parametrize(
    "worth, needed, enough",
    [
        (lambda one: float({0, 1} <= one), True, True),
        (lambda one: float(one >= {0, 1, 2}), True, False),
        (lambda one: float({0, 1} <= one or {2, 3} <= one), False, True),
        (lambda one: float({2, 3} <= one), False, False),
    ],
    ids=["the circuit", "a part of a chain", "one of two circuits", "idle parts"],
)
def test_needed_and_enough_are_two_claims(worth, needed, enough):
    assert [verdict.holds for verdict in verdicts(worth, frozenset({0, 1}))] == [needed, enough]


def test_the_figures_are_shares_of_the_gap():
    needed, enough = verdicts(lambda one: 4.0 * len(one & {0, 1, 2, 3}), frozenset({0, 1}))
    assert needed.measured == pytest.approx(0.5, abs=1e-5) and enough.measured == pytest.approx(0.5, abs=1e-5)
    assert needed.control == pytest.approx(1 / 3, abs=0.08) and needed.n == 16


def test_no_gap_is_told_with_its_figures():
    flat = game(lambda one: 0.0)
    whole, nothing = flat([ALL, frozenset()])
    assert "the gap is +0, 95 % interval +0 to +0 over 16 examples" in no_gap(whole, nothing)
    unsure = nothing + torch.randn(16, generator=torch.Generator().manual_seed(1))
    assert "not surely larger" in no_gap(unsure, nothing) and "larger with everything intact" in no_gap(nothing - 1, nothing)
    assert no_gap(nothing[:0], nothing[:0]) == "there are no examples"
    assert no_gap(nothing + 1, nothing) == no_gap(nothing[:1] + 1, nothing[:1]) == ""
    verdict = necessity("needed", unsure, nothing, nothing, torch.stack([whole, whole]))
    assert verdict.holds is None and verdict.reason == no_gap(unsure, nothing)
    for measure in (
        lambda: faithfulness(flat, frozenset({0}), ALL),
        lambda: completeness(flat, frozenset({0}), ALL, [frozenset()]),
        lambda: minimality(flat, [0], ALL),
    ):
        with pytest.raises(InputError, match=r"the gap is .* choose another ablation"):
            measure()


def test_strangers_are_refused():
    play = game(len)
    with pytest.raises(InputError, match="5 is to be taken away, but is not in the found set"):
        completeness(play, frozenset({0}), ALL, [frozenset({5})])
    with pytest.raises(InputError, match="5 is to be taken away"):
        minimality(play, [0], ALL, [frozenset({5})])
