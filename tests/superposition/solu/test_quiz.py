"""The quiz shows half of the texts, and scores on the other half."""

import pytest
import torch

import sonde
from sonde.results import InputError
from sonde.specimens.words import documents
from sonde.superposition import quiz, read_neuron

WORDS = (" run", "ning", " cat", " walk", "ing", " dog")


@pytest.fixture
def one():
    """A neuron that fires on what ends in -ing, strongest in the last texts."""
    document = torch.arange(20).repeat_interleave(6)
    strength = 0.6 + 0.02 * document
    fires = torch.tensor([0, 1, 0, 0, 1, 0] * 20) * strength
    return quiz(WORDS * 20, document, fires)


def test_a_right_hypothesis_passes_and_a_wrong_one_does_not(one):
    right, wrong, narrow, broad = (one.score(said) for said in ("*ing", "cat|dog", "ning", "*"))
    assert (right.precision, right.recall, right.passes) == (1.0, 1.0, True)
    assert (wrong.precision, wrong.recall, wrong.passes) == (0.0, 0.0, False)
    assert narrow.recall == 0.5 and not narrow.passes
    assert broad.precision == pytest.approx(broad.chance) and not broad.passes  # who names everything knows nothing
    assert one.score("zebra").precision is None


def test_shuffled_activations_are_not_explained(one):
    order = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    assert not quiz(one.strings, one.document, one.activation[order]).score("*ing").passes


def test_what_is_shown_is_not_what_is_scored(one):
    assert not (set(one.document[one.shown].tolist()) & set(one.document[one.hidden].tolist()))
    assert len(one.examples()) == 6 and len(one.drawing().data["parts"]) == 6


def test_a_neuron_of_a_model_is_asked():
    model = sonde.load("specimen:words-small")
    texts = [document.text for document in documents(n=30)]
    chosen, asked = read_neuron(model, "blocks.0.mlp.post", texts, examples=2)
    assert 0 <= chosen < 288 and len(asked.examples()) == 2 and 0 < asked.score("*").chance < 0.5
    for arguments, said in ((("blocks.0.mlp.post", texts, 999), "there|has 288"), (("blocks.0.mlp.post", texts[:1]), "two texts")):
        with pytest.raises(InputError, match=said):
            read_neuron(model, *arguments)
    with pytest.raises(InputError, match="patterns"):
        asked.score(" | cat")
    with pytest.raises(InputError, match="positive nowhere"):
        quiz(("a", "b"), torch.tensor([0, 1]), torch.zeros(2))
