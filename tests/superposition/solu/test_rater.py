"""The surrogate rater finds how many neurons have one meaning, and none among random ones."""

import pytest
import torch

from sonde.results import InputError, Result
from sonde.superposition.solu import Properties, inconsistency, properties_of, rate_neurons

TOKENS, NEURONS, KINDS = 3000, 200, 30


@pytest.fixture(scope="module")
def planted():
    """Of 200 neurons 140 fire on one kind of token, 60 on three kinds alike; every token is of one of thirty kinds."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.randint(KINDS, (TOKENS,), generator=generator)
    holds = torch.nn.functional.one_hot(kind, KINDS).bool()
    properties = Properties(tuple(f"kind {i}" for i in range(KINDS)), holds, torch.arange(TOKENS) // 10)
    means = torch.zeros(KINDS, NEURONS)
    for neuron in range(NEURONS):
        chosen = torch.randperm(KINDS, generator=generator)[: 1 if neuron < 140 else 3]
        means[chosen, neuron] = 1.0
    amount = 0.5 + torch.rand(TOKENS, NEURONS, generator=generator)
    return properties, (holds.float() @ means) * amount + 0.05 * torch.rand(TOKENS, NEURONS, generator=generator)


def test_the_share_of_neurons_with_one_meaning_is_recovered(planted, tmp_path):
    properties, x = planted
    found = rate_neurons(x, properties, draws=2)
    assert found.share == pytest.approx(0.7, abs=0.07) and found.interval[0] < 0.7 < found.interval[1]
    assert found.passes[:140].all() and not found.passes[140:].any()
    # where tokens of one kind lie close together a random direction, too, has one kind at its end: that is what neurons are held against
    assert 0.2 < found.chance < found.share and found.check()[0].control == pytest.approx(found.chance)
    again = Result.load(found.save(tmp_path / "kept"))
    assert again.drawing().to_json() == found.drawing().to_json() and found.to_frame().height == NEURONS


def test_shuffled_and_random_neurons_pass_rarely(planted):
    properties, x = planted
    generator = torch.Generator().manual_seed(1)
    shuffled = x[torch.randperm(TOKENS, generator=generator)]
    for null in (shuffled, torch.randn(TOKENS, NEURONS, generator=generator)):
        found = rate_neurons(null, properties, draws=2)
        assert found.share < 0.05 and found.check()[0].holds is False


def test_a_neuron_that_hardly_fires_is_not_rated(planted):
    properties, x = planted
    x = x[:, :4].clone()
    x[:, 0] = -1.0
    found = rate_neurons(x, properties, draws=2)
    assert found.rated.tolist() == [False, True, True, True] and not bool(found.passes[0])


def test_properties_are_of_tokens_and_neither_rare_nor_common():
    rows = [[0, 1, 2, 3, 4, 5, 6], [7, 1, 8, 9, 10, 11, 12]] * 8
    found = properties_of(rows, [f"w{i}" for i in range(13)], {"odd": [[i % 7 == 3 for i in row] for row in rows], "all": [[1] * 7] * 16})
    assert 'the token is "w1"' in found.names and 'the token before is "w1"' in found.names
    assert "odd" in found.names and "all" not in found.names
    column = found.names.index('the token before is "w1"')
    assert found.holds[:7, column].tolist() == [False, False, True, False, False, False, False]
    first, second = found.halves(0)
    assert not (set(found.document[first].tolist()) & set(found.document[second].tolist()))
    with pytest.raises(InputError, match="no property"):
        properties_of([[0, 1]], ["a", "b"])


def test_a_norm_lifts_what_hides_among_weak_firings():
    """A neuron fires strongly on its feature, where others are strong too, and faintly on a hidden one, where nothing else is."""
    generator = torch.Generator().manual_seed(0)
    tokens, neurons = 2000, 24
    own = torch.rand(tokens, neurons, generator=generator) < 0.3
    hidden = torch.rand(tokens, generator=generator) < 0.3
    own[hidden] = False
    strong = own * (0.15 + 0.85 * torch.rand(tokens, neurons, generator=generator))
    before = strong + hidden[:, None] * 0.02 * torch.rand(tokens, neurons, generator=generator)
    after = before / before.norm(dim=1, keepdim=True).clamp_min(1e-6)
    found = inconsistency(before, after, own)
    assert float(found.after[0].nanmean() - found.before[0].nanmean()) > 0.2
    assert found.check()[0].holds is True and inconsistency(before, before, own).check()[0].holds is False
    assert found.drawing().kind == "lines" and found.to_frame().height == 5


def test_mistakes_are_named(planted):
    properties, x = planted
    with pytest.raises(InputError, match="same tokens"):
        rate_neurons(x[:10], properties)
    with pytest.raises(InputError, match="same tokens"):
        getattr(inconsistency, "__wrapped__", inconsistency)(x, x / 0, x > 0)
