"""The shipped network adds sums it never saw, by few frequencies, and learnt that long after the others; a shuffled one does not."""

import math

import pytest
import torch

import sonde
from sonde import specimens
from sonde.nn import permuted
from sonde.specimens import addition


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:addition")


@pytest.fixture(scope="module")
def fresh(model):
    return {m.name: m for m in addition.measures(model.module)}


def test_the_card_holds(fresh):
    card = {m["name"]: m for m in specimens.card("addition")["measures"]}
    assert card.keys() == fresh.keys()
    for name, measure in fresh.items():
        assert measure.value == pytest.approx(card[name]["value"], rel=0.02, abs=2e-3), name


def test_it_adds_what_it_never_saw(fresh):
    assert fresh["sums never trained on"].low > 0.99


def test_by_few_frequencies(model, fresh):
    """A random embedding spreads evenly over 29 frequencies; and only without the key ones are the sums lost."""
    named = f"embedding in its {addition.N_KEY} strongest frequencies"
    random = torch.randn(60, 64, generator=torch.Generator().manual_seed(0))
    assert fresh[named].value > 0.7 > 0.3 > addition.frequency_shares(random).topk(addition.N_KEY).values.sum()
    assert fresh["loss without the key frequencies"].low > 1
    assert fresh[f"loss without {addition.N_KEY} other frequencies"].high < 0.1


def test_it_remembered_before_it_understood():
    """Grokking: the log knows the sums trained on long before those held out."""
    log = specimens.card("addition")["log"]
    remembered = next(line["step"] for line in log if line["seen: right"] > 0.99)
    understood = next(line["step"] for line in log if line["held out: right"] > 0.99)
    assert understood > 5 * remembered


def test_a_shuffled_network_does_not_add(model):
    shuffled = addition.measures(permuted(model.module, 0))[0]
    assert shuffled.low < 0.1


def test_frequencies_of_pure_waves():
    """An embedding of cosine and sine of frequency 7 lies in that frequency, and nothing is left without it."""
    angles = 2 * math.pi * 7 / addition.P * torch.arange(addition.P)
    W_E = torch.cat([torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([[5.0, 6.0]])])
    shares = addition.frequency_shares(W_E)
    assert shares.argmax().item() + 1 == 7 and shares.max().item() == pytest.approx(1, abs=1e-5)
    left = addition.without_frequencies(W_E, [7])
    assert left[: addition.P].abs().max() < 1e-5 and torch.equal(left[addition.P], W_E[addition.P])
    torch.testing.assert_close(addition.without_frequencies(W_E, [6, 8]), W_E)


def test_seen_and_held_out_sums_are_apart():
    seen, held = addition.split()
    assert sorted([*seen.tolist(), *held.tolist()]) == list(range(addition.P**2))
    assert len(seen) == int(0.4 * addition.P**2)


def test_it_reads_text(model):
    assert model.run("31 45 =").logits[0, -1].argmax().item() == (31 + 45) % 59
    with pytest.raises(sonde.SondeError, match="can't read '60 1 ='"):
        model.run("60 1 =")


def test_the_recipe_writes_a_specimen(tmp_path):
    threads = torch.get_num_threads()
    try:
        addition.train(tmp_path, steps=2)
    finally:
        torch.set_num_threads(threads)
    assert {file.name for file in (tmp_path / "addition").iterdir()} == {file.name for file in specimens.path("addition").iterdir()}
