"""What is recorded is what the model does; halves share no text; windows part the tokens."""

import re

import pytest
import torch
from planted_rules import planted

import sonde
from sonde.bases import Codes, Neurons
from sonde.features import collect
from sonde.features.descriptions import Grid, Recording, promotions, record, sampled, stored
from sonde.features.descriptions.recording import sparsened
from sonde.results import InputError

TEXTS = ["The keys on the cabinet are old.", "Mary went to the store.", "John likes the dog.", "Mary went to the store."] * 3
SITE = "blocks.1.resid_post"


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:words-small")


@pytest.fixture(scope="module")
def recording(model):
    return record(model, SITE, Neurons(model.d_model), TEXTS, dense=0.2, batch_size=5)


def test_activations_are_the_models_own(model, recording):
    """Text by text, without batches: every token that counts, in order, the highest fifth of the positive values kept."""
    rows, ids = [], []
    for text in TEXTS:
        run = model.run([text], read=SITE, logits=False)
        kept = [i for i, token in enumerate(run.ids[0].tolist()) if token not in model.tokenizer.special]
        rows.append(run[SITE][0, kept])
        ids += run.ids[0, kept].tolist()
    values = torch.cat(rows)
    assert recording.ids.tolist() == ids and recording.model_hash == model.hash
    most = int(0.2 * len(values))
    for latent in (0, 5, 17):
        own = recording.activations(latent)
        expected = values[:, latent].clamp(min=0)
        assert torch.allclose(own[own > 0], expected[own > 0], rtol=1e-4, atol=1e-5)
        assert (own > 0).sum() <= most and expected[own == 0].max() <= own[own > 0].min() + 1e-5


def test_a_database_holds_the_same(model, tmp_path):
    features = collect(model, SITE, Neurons(model.d_model), TEXTS, tmp_path / "features", neurons="")
    # all that is positive: which of equal texts hold the highest fifth, rounding would decide
    found, recording = stored(features, dense=1.0), record(model, SITE, Neurons(model.d_model), TEXTS, dense=1.0)
    assert torch.equal(found.ids, recording.ids) and torch.equal(found.starts, recording.starts)
    assert torch.allclose(found.activations(3), recording.activations(3), atol=1e-5)
    assert found.vocabulary[int(found.ids[4])] == recording.vocabulary[int(found.ids[4])]
    assert torch.equal(found.nearest[:, 0], recording.nearest[:, 0])
    told = promotions(model, SITE, torch.eye(model.d_model))
    named = [i for i, tokens in enumerate(told) if tokens]
    assert named and all(found.promoted[i][0] == told[i][0] for i in named if i in found.promoted)
    assert sum(i in found.promoted for i in named) >= 0.9 * len(named)  # the deviation is read off a histogram there


def test_examples_alone_can_not_tell_silence(model, tmp_path):
    features = collect(model, SITE, Neurons(model.d_model), TEXTS, tmp_path / "features", neurons="", keep=10)
    with pytest.raises(InputError, match=r"where its features are silent can't be told: collect again with keep=(\d+)") as refused:
        stored(features)
    enough = int(re.search(r"keep=(\d+)", str(refused.value))[1])
    again = collect(model, SITE, Neurons(model.d_model), TEXTS, tmp_path / "all", neurons="", keep=enough)
    assert len(stored(again)) == again.about()["tokens"]  # the way out leads out


def test_halves_share_no_text(recording):
    """The same text stands six times; all of them are in one half."""
    one, other = recording.split(seed=0)
    texts = [{part.strings(a, b) for a, b in zip(part.starts, [*part.starts[1:], len(part)], strict=True)} for part in (one, other)]
    assert not texts[0] & texts[1] and len(texts[0] | texts[1]) == 3
    assert len(one) + len(other) == len(recording)
    whole = sum(part.activations(3).sum() for part in (one, other))
    assert torch.isclose(whole, recording.activations(3).sum())


@pytest.mark.parametrize("size", [2, 7, 8, 50])
def test_windows_part_the_tokens(size):
    recording = planted(texts=6, length=16)
    grid = Grid(recording, size)
    values = recording.activations(0)
    examples = [grid.example(i, values) for i in range(len(grid))]
    assert sum((e.window.tokens for e in examples), ()) == recording.strings(0, len(recording))
    assert torch.tensor([a for e in examples for a in e.activations]).equal(values)
    assert [e.peak for e in examples] == grid.peaks(0).tolist()
    assert all(len(e.window.tokens) <= size and e.window.start == int(recording.position[e.origin]) for e in examples)


def test_examples_for_judging():
    """Firing and silent windows are what they say, none was shown, silent ones of every kind, each once."""
    recording = planted(texts=200)
    explaining, judging = (Grid(half, 8) for half in recording.split(0))
    examples = sampled(explaining, judging, 0, n=40)
    assert len(examples.firing) == len(examples.silent) == 40
    assert all(e.fires for e in (*examples.firing, *examples.shown)) and not any(e.fires for e in examples.silent)
    assert len({e.origin for e in examples.judged}) == 80
    assert not {e.window.tokens for e in examples.shown} & {e.window.tokens for e in examples.firing}
    assert {"co-firing", "random"} <= set(examples.kinds)
    peaks = [e.peak for e in examples.firing]
    assert peaks == sorted(peaks) and peaks[0] < 1.2 and peaks[-1] > 1.8  # from all tenths of the strengths, which are uniform from 1 to 2
    assert [e.peak for e in examples.shown] == sorted((e.peak for e in examples.shown), reverse=True)


def test_silent_windows_resemble_firing_ones():
    """A latent that fires on "go" after "to" only: silent windows with either token are among those that are judged."""
    recording = planted(texts=300)
    examples = sampled(*(Grid(half, 8) for half in recording.split(0)), 3, n=40)
    same = [e for e in examples.silent if e.kind == "same token"]
    assert same and all({" go"} & set(e.window.tokens) for e in same)


def test_dense_coordinates_fire_on_their_highest():
    dense = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    dense[:, 1] *= dense[:, 1] > 0.95
    found, cut = sparsened(Codes.of(dense), 0.1)
    assert cut == 1 and torch.equal(found.dense()[:, 1], dense[:, 1])
    assert found.dense()[:, 0].count_nonzero() == 10 and found.dense()[:, 0].sum() == pytest.approx(float(dense[:, 0].topk(10).values.sum()))


def test_what_can_not_be_recorded(model):
    basis = Neurons(model.d_model)
    with pytest.raises(InputError, match="give a list of texts"):
        record(model, SITE, basis, "one text")
    with pytest.raises(InputError, match="one activation for each token"):
        record(model, "blocks.0.attn.z", basis, TEXTS)
    with pytest.raises(InputError, match="reads rows of"):
        record(model, SITE, Neurons(3), TEXTS)
    with pytest.raises(InputError, match="at least two that differ"):
        record(model, SITE, basis, TEXTS[:1]).split()
    with pytest.raises(InputError, match="at least 2"):
        Grid(planted(texts=2), 1)
    with pytest.raises(InputError, match="all above 0"):
        Recording(torch.tensor([0]), torch.tensor([0]), ("a",), Codes(torch.tensor([-1.0]), torch.tensor([0]), torch.tensor([0]), 1))
    with pytest.raises(InputError, match="latent 99"):
        planted(texts=2).firing(99)
