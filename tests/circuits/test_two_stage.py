"""An estimate verified: what is exact, what is still estimated, and what may have been missed."""

import pytest
import torch
from circuits.examples import scored, words, words_scores

from sonde.circuits import eap, two_stage
from sonde.results import InputError


@pytest.fixture(scope="module")
def noisy():
    model, graph, _ = words()
    known = words_scores()
    noise = torch.randn(graph.n_edges, 1, generator=torch.Generator().manual_seed(0))
    return scored(model, graph, known.per_example + 0.05 * known.values.abs().max() * noise, known.conditions, "estimate")


@pytest.fixture(scope="module")
def found(noisy):
    model, _, task = words()
    return two_stage(model, noisy, task.split()[0], verify=60, sample=30, seed=1)


def test_what_was_verified_is_exact_and_the_rest_as_it_was(noisy, found):
    graph, known = noisy.graph, words_scores()
    close = {"rtol": 1e-3, "atol": 1e-4}
    assert int(found.verified.sum()) == 90 and found.n_strongest == 60 and found.exact.n_scored == 90 and not (found.verified & ~graph.real).any()
    torch.testing.assert_close(found.scores.values[found.verified], known.values[found.verified], **close)
    rest = graph.real & ~found.verified
    assert torch.equal(found.scores.values[rest], noisy.values[rest])
    torch.testing.assert_close(found.scores.values[graph.real], found.scores.per_example.mean(1), **close)
    strongest = noisy.top(60, connected=False).mask
    assert torch.equal(found.verified & ~found.sampled, strongest) and not (found.sampled & strongest).any()
    assert found.circuit(20).nominal == 20 and -1 <= found.agreement <= 1
    assert found.drawing(20).to_json()["kind"] == "scatter" and len(found.to_frame()) == 90 and "389 edges that were not" in found.drawing(20).note


def test_the_sample_bounds_what_was_missed(noisy, found):
    """Over many samples the interval holds the true number, which an exact sweep knows, nearly always; of a random ranking it is not small."""
    model, graph, task = words()
    known, search = words_scores(), task.split()[0]
    low, high = found.missed(20)
    assert 0 <= low <= high <= graph.n_edges - 90
    weakest = known.values.abs()[found.verified & ~found.sampled].sort(descending=True).values[19]
    assert low <= int((known.values.abs()[graph.real & ~found.verified] >= weakest).sum()) <= high
    shuffled = scored(model, graph, known.per_example[torch.randperm(graph.n_edges, generator=torch.Generator().manual_seed(3))], known.conditions)
    blind, good = (two_stage(model, one, search, verify=30, sample=100).missed(20) for one in (shuffled, known))
    assert blind[1] > 5 * good[1]
    whole = two_stage(model, noisy, search, verify=479, sample=10)
    assert whole.missed(20) == (0.0, 0.0) and whole.circuit(20).edges == known.top(20).edges  # nothing left to miss
    none = two_stage(model, noisy, search, verify=60, sample=0)
    assert none.missed(20) == (0.0, 419.0)  # nothing is known of the others


def test_bad_input(noisy, found):
    model, _, task = words()
    search = task.split()[0]
    with pytest.raises(InputError, match="k=70: 60 edges were verified for their estimate"):
        found.missed(70)
    with pytest.raises(InputError, match="verify at least one edge"):
        two_stage(model, noisy, search, verify=0)
    with pytest.raises(InputError, match="draw none or more"):
        two_stage(model, noisy, search, sample=-1)
    with pytest.raises(InputError, match="the estimate is in logits, and the task's metric in probability"):
        two_stage(model, noisy, search.with_metric("probability_difference"))
    other = two_stage(model, eap(model, search), task.split()[1], verify=3, sample=0)
    assert other.scores.per_example is None  # the two are of other examples
