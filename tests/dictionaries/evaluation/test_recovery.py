"""Are the learned directions the true ones: identities, asymmetry, and the baseline of chance."""

import pytest
import torch
from torch.nn.functional import normalize

from sonde.dictionaries.evaluation import by_chance, cosines, matched, recovery
from sonde.results import InputError


def directions(n, width=16, seed=0):
    return normalize(torch.randn(n, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_the_truth_in_any_order_and_length_is_recovered():
    truth = directions(30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    found = recovery(truth, truth[order] * torch.linspace(0.1, 9, 30)[:, None])
    assert (found.mmcs, found.mmcs_back, found.mcc, found.found) == pytest.approx((1, 1, 1, 1), abs=1e-5)


def test_signs_count_for_the_best_cosine_and_not_for_the_matching():
    truth = torch.eye(8)
    found = recovery(truth, -truth)
    assert found.mmcs == pytest.approx(0)
    assert found.mcc == pytest.approx(1)


def test_both_ways_differ():
    truth = directions(10)
    more = torch.cat([truth, directions(40, seed=5)])
    found = recovery(truth, more)
    assert found.mmcs == pytest.approx(1, abs=1e-5) and found.mmcs_back < 0.8
    duplicates = recovery(truth, truth[:1].expand(10, -1))  # every learned one is a true one, and only one is found
    assert duplicates.mmcs_back == pytest.approx(1, abs=1e-5) and duplicates.found == pytest.approx(0.1)
    assert duplicates.mcc < 0.7


def test_chance_grows_with_the_number_of_directions():
    """Among 4096 random directions the best is nearer than among 512: .32 and .27 at 128 entries, as the dossier measured."""
    truth = directions(512, width=128, seed=3)
    few, many = (sum(draw.mmcs for draw in by_chance(truth, size, draws=2)) / 2 for size in (512, 4096))
    assert few == pytest.approx(0.27, abs=0.01)
    assert many == pytest.approx(0.32, abs=0.01)
    assert all(draw.found == 0 for draw in by_chance(truth, 512, draws=2))


def test_the_matching_is_the_best_of_all():
    from itertools import permutations

    similarity = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    best = max(sum(float(similarity[i, j]) for i, j in enumerate(order)) for order in permutations(range(5)))
    assert float(similarity[matched(similarity)].sum()) == pytest.approx(best)


def test_a_direction_of_nothing_has_no_angle():
    assert cosines(torch.zeros(1, 3), torch.eye(3)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    "truth, learned, message",
    [
        (directions(3), directions(3, width=8), "16 and of 8 entries"),
        (directions(3), directions(3) * torch.nan, "not finite"),
        (directions(3), directions(3)[:0], "0 learned"),
    ],
)
def test_refusals(truth, learned, message, unchecked):
    with pytest.raises(InputError, match=message):
        recovery(truth, learned)
